package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// DefaultAddress is where a daemon listens unless it is told otherwise.
const DefaultAddress = "127.0.0.1:7433"

// An Option is a property of a Client.
type Option func(*options)

type options struct {
	actor    string
	insecure bool
	dial     []grpc.DialOption
}

func collect(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithActor says who makes the changes, for the daemon to keep: see [CheckActor] for what it may be. It
// proves nothing. Defaults to none, and the daemon takes the address of the connection. A call whose
// context has outgoing metadata `clockd-actor` keeps that one.
func WithActor(actor string) Option { return func(o *options) { o.actor = actor } }

// WithInsecure lets [Dial] connect to an address that is not on this machine. The connection is not
// encrypted and the daemon does not know who is calling: whoever can reach the port, or listen on the
// way to it, controls its tasks.
func WithInsecure() Option { return func(o *options) { o.insecure = true } }

// WithDialOptions hands options to gRPC, after those of Dial itself: interceptors, a stats handler for
// tracing, another dialer.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, opts...) }
}

// CheckActor says what is wrong with the name of an actor, or nil: it must be printable ASCII, because it
// travels as gRPC metadata. The daemon cuts off what is longer than 256 bytes. Every call of a Client with
// an actor that does not pass fails with this error. Its class is task.ErrInvalid.
func CheckActor(actor string) error {
	for _, r := range actor {
		if r < ' ' || r > '~' {
			return task.Invalid("actor", "%q has %q: only printable ASCII can be sent", actor, r)
		}
	}
	return nil
}

// Dial returns a Client of the daemon at an address: "127.0.0.1:7433", "[::1]:7433", "localhost:7433" or
// "unix:/path/to/socket". The connection is plaintext, so an address that is not a loopback address or a
// socket is refused unless [WithInsecure] is given.
//
// Dial does not wait for the daemon: the connection is made by the first call, and again after it
// breaks. task.ErrInvalid: the address or the actor can not be used; any other error is gRPC's, of an
// option given with WithDialOptions. The caller closes the Client.
func Dial(address string, opts ...Option) (*Client, error) {
	o := collect(opts)
	if err := CheckActor(o.actor); err != nil {
		return nil, err
	}
	d, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if !d.local && !o.insecure {
		return nil, task.Invalid("address", "%q is not a loopback address, and the connection is not encrypted: "+
			"reach it through a tunnel, or allow it (WithInsecure, --insecure)", address)
	}

	// The passthrough resolver leaves names to the dialer, and with them the choice between IPv4 and
	// IPv6. It also keeps gRPC from asking DNS for a service config.
	target, authority := "passthrough:///"+d.address, d.address
	if d.network == "unix" {
		target, authority = "passthrough:///unix", "localhost"
	}
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(d.dial),
		grpc.WithDefaultServiceConfig(retryPolicy()),
		// A daemon that restarts is back soon: gRPC's own first wait of 1s would outlast all retries.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	}, o.dial...)...)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	c := newClient(conn, o)
	c.address, c.dialer, c.conn = address, d, conn
	return c, nil
}

// A dialer connects to one address and remembers how that went last, for the message when nobody answers.
type dialer struct {
	network, address string
	local            bool

	mu   sync.Mutex
	last error // guarded by mu; nil: the last attempt succeeded, or there was none
}

func (d *dialer) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, d.network, d.address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = err
	return conn, err
}

func (d *dialer) lastError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func parseAddress(address string) (*dialer, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		// unix:///path is how gRPC writes an absolute path.
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return nil, task.Invalid("address", "%q has no path: write unix:/path/to/socket", address)
		}
		return &dialer{network: "unix", address: path, local: true}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return nil, task.Invalid("address", "%q is neither HOST:PORT nor unix:PATH, such as %q", address, DefaultAddress)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, task.Invalid("address", "%q has port %q: a port is a number from 1 to 65535", address, port)
	}
	ip, err := netip.ParseAddr(host)
	local := err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
	return &dialer{network: "tcp", address: address, local: local}, nil
}

// retryPolicy is the gRPC service config that repeats calls. It is gRPC's own mechanism rather than an
// interceptor because it knows whether the daemon has seen a call, obeys a daemon that asks for less,
// and stops repeating when most calls fail.
func retryPolicy() string {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	var names []name
	for _, full := range []string{
		clockdv1.TaskService_ListTasks_FullMethodName,
		clockdv1.TaskService_GetTask_FullMethodName,
		clockdv1.TaskService_PreviewTrigger_FullMethodName,
		clockdv1.TaskService_ListAuditEvents_FullMethodName,
		clockdv1.TaskService_DiffConfig_FullMethodName,
		clockdv1.TaskService_WatchTasks_FullMethodName, // until its first answer
		clockdv1.TaskService_RunTask_FullMethodName,    // always sent with a request id
		clockdv1.RunService_ListRuns_FullMethodName,
		clockdv1.RunService_GetRun_FullMethodName,
		clockdv1.RunService_WatchRuns_FullMethodName,
		clockdv1.RunService_FollowRun_FullMethodName,
		clockdv1.WorkerService_ListWorkers_FullMethodName,
		clockdv1.NodeService_ListNodes_FullMethodName,
	} {
		service, method, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
		names = append(names, name{service, method})
	}
	config, err := json.Marshal(map[string]any{
		"methodConfig": []any{map[string]any{
			"name": names,
			"retryPolicy": map[string]any{
				"maxAttempts":          4,
				"initialBackoff":       "0.05s",
				"maxBackoff":           "1s",
				"backoffMultiplier":    2,
				"retryableStatusCodes": []string{"UNAVAILABLE"},
			},
		}},
		"retryThrottling": map[string]any{"maxTokens": 10, "tokenRatio": 0.5},
	})
	if err != nil {
		panic(fmt.Sprintf("client: the retry policy is not JSON: %v", err))
	}
	return string(config)
}
