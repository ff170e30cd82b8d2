// Package peer is how the nodes of a cluster speak to each other: connections to their APIs by address, which are made
// when they are first needed and closed when they are not. It decides nothing: what is passed on to whom, and what is
// said of the answer, is for internal/rpc and the engine.
//
// The connections are not encrypted, as those of clockctl are not. They carry keepalive pings, because a node that is
// stopped or cut off must be found out within about the time that its lease takes; a server of a user's own whose address
// is advertised has to allow a ping every 10s (keepalive.EnforcementPolicy), or ends calls that take longer than a
// minute.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	// idle is after how long without a call a connection is closed. The next call makes it again.
	idle = 5 * time.Minute
	// maxConns is how many addresses are kept at most. Addresses change with each deploy, and those of nodes that are
	// no more are of no use; the one that was not used for longest goes first.
	maxConns = 64
	// maxMessage is the largest answer taken, in bytes, as in package client.
	maxMessage = 64 << 20
	// patience is how long an attempt to connect may take. Nodes are near each other.
	patience = 3 * time.Second
)

// Config is what Peers need. The zero Config is the default.
type Config struct {
	// Dial connects to an address of a network, "tcp" or "unix". Defaults to that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Peers are the connections to the other nodes. Their methods may be called at the same time.
//
// Their errors are gRPC statuses, as the other node or gRPC gave them: one with the code UNAVAILABLE and without an
// ErrorInfo of clockd says that no node answers.
type Peers struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	conns map[string]*conn // by address; guarded by mu, as is what they count; nil: closed
	uses  int64            // so far; guarded by mu
}

// A conn is a connection.
type conn struct {
	*grpc.ClientConn
	calls int   // that are going
	last  int64 // use
}

// New returns Peers without connections. The caller closes them.
func New(c Config) *Peers {
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	return &Peers{dial: c.Dial, conns: map[string]*conn{}}
}

// Invoke makes a call with one answer, of the method with this full name, at an address: host:port or unix:/path. It takes
// the outgoing metadata and the deadline of ctx along.
func (p *Peers) Invoke(ctx context.Context, address, fullMethod string, request, answer proto.Message) error {
	c, err := p.take(address)
	if err != nil {
		return err
	}
	defer p.give(c)
	return c.Invoke(ctx, fullMethod, request, answer)
}

// Stream makes a call that is answered by a stream, and hands each answer, which is a new message of the same type as
// answer, to send. It ends with nil when the stream has ended well, with the error of the stream, or that of send.
func (p *Peers) Stream(
	ctx context.Context, address, fullMethod string, request, answer proto.Message, send func(proto.Message) error,
) error {
	c, err := p.take(address)
	if err != nil {
		return err
	}
	defer p.give(c)
	ctx, cancel := context.WithCancel(ctx) // ends the stream if send does not want more of it
	defer cancel()
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullMethod)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) { // of which RecvMsg says why
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		next := answer.ProtoReflect().New().Interface() // what was sent may be looked at later
		switch err := stream.RecvMsg(next); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := send(next); err != nil {
			return err
		}
	}
}

// Declare asks the node at an address to take note of what a program of a revision declares. The error has a class of
// package task: task.ErrHeld also if no node answers.
func (p *Peers) Declare(ctx context.Context, address string, d task.Declaration, revision int64) error {
	request := &clockdv1.DeclareTaskRequest{Task: wire.DeclarationToProto(d), Revision: revision}
	err := p.Invoke(ctx, address, clockdv1.NodeService_DeclareTask_FullMethodName, request, &clockdv1.DeclareTaskResponse{})
	switch known := wire.FromError(err); {
	case err == nil:
		return nil
	case known == err && status.Code(err) == codes.Unavailable:
		return fmt.Errorf("%w: node at %s does not answer: %w", task.ErrHeld, address, err)
	default:
		return fmt.Errorf("node at %s: %w", address, known)
	}
}

// Close closes all connections, and ends the calls that are going. Later ones fail.
func (p *Peers) Close() error {
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// take returns the connection to an address, for one call; give gives it back.
func (p *Peers) take(address string) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return nil, status.Error(codes.Unavailable, "this node is stopping")
	}
	c := p.conns[address]
	if c == nil {
		if len(p.conns) >= maxConns && !p.drop() {
			return nil, status.Errorf(codes.Unavailable, "calls to %d other nodes are going, which is as many as there may be", maxConns)
		}
		made, err := p.connect(address)
		if err != nil {
			return nil, err
		}
		c = &conn{ClientConn: made}
		p.conns[address] = c
	}
	p.uses++
	c.calls, c.last = c.calls+1, p.uses
	return c, nil
}

func (p *Peers) give(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.calls--
}

// drop closes the connection that was not used for longest, unless all are in use. The caller holds mu.
func (p *Peers) drop() bool {
	oldest := ""
	for address, c := range p.conns {
		if c.calls == 0 && (oldest == "" || c.last < p.conns[oldest].last) {
			oldest = address
		}
	}
	if oldest == "" {
		return false
	}
	_ = p.conns[oldest].Close() // which fails only if it is closed
	delete(p.conns, oldest)
	return true
}

// connect makes a connection, which connects with its first call.
func (p *Peers) connect(address string) (*grpc.ClientConn, error) {
	network, at, authority := "tcp", address, address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, at, authority = "unix", strings.TrimPrefix(path, "//"), "localhost"
	} else if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, status.Errorf(codes.Unavailable, "address %q is neither HOST:PORT nor unix:PATH", address)
	}
	// The passthrough resolver leaves names to the dialer, and a dialer of one's own keeps proxies out.
	conn, err := grpc.NewClient("passthrough:///node",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx, network, at) }),
		grpc.WithIdleTimeout(idle),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		// A call to a node that is away fails at once, until the next attempt to connect: that comes soon, because a node
		// that starts again has the same address.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: patience,
		}),
	)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "address %q: %s", address, err)
	}
	return conn, nil
}
