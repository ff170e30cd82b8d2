package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// A journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A hub is where workers connect, as package daemon hands it to the services.
type hub struct{ *remote.Hub }

func (h hub) Connect(hello task.Hello) (rpc.Session, error) { return h.Hub.Connect(hello) }

// lease is that of the workers of a door.
const lease = 15 * time.Second

func newHub() hub {
	return hub{remote.New(remote.Config{Lease: lease, Logger: slog.New(slog.DiscardHandler)})}
}

// A door is the services of an engine, and clients that speak to them over an in-memory connection.
type door struct {
	tasks   clockdv1.TaskServiceClient
	runs    clockdv1.RunServiceClient
	workers clockdv1.WorkerServiceClient
	nodes   clockdv1.NodeServiceClient
	hub     hub
	conn    *grpc.ClientConn
	dial    func() *grpc.ClientConn
	log     *journal
	server  *grpc.Server
	listen  *bufconn.Listener
}

// open serves the engine on a user's own server, made with these options alone.
func open(t *testing.T, e rpc.Engine, options ...grpc.ServerOption) *door {
	t.Helper()
	return serveWith(t, e, &journal{}, nil, options...)
}

// openOurs serves the engine on a server like our own.
func openOurs(t *testing.T, e rpc.Engine) *door {
	t.Helper()
	log := &journal{}
	return serveWith(t, e, log, nil, rpc.ServerOptions(log.logger())...)
}

func serveWith(t *testing.T, e rpc.Engine, log *journal, mount func(*grpc.Server), options ...grpc.ServerOption) *door {
	t.Helper()
	h := newHub()
	t.Cleanup(h.Close) // at the end: the hub may be asked until the server has stopped
	return serveHub(t, e, h, h, log, mount, options...)
}

// serveWorkers serves the engine, and something else than a hub.
func serveWorkers(t *testing.T, e rpc.Engine, w rpc.Workers, log *journal) *door {
	t.Helper()
	return serveHub(t, e, hub{}, w, log, nil)
}

func serveHub(t *testing.T, e rpc.Engine, h hub, w rpc.Workers, log *journal, mount func(*grpc.Server), options ...grpc.ServerOption) *door {
	t.Helper()
	return serveAPI(t, rpc.Config{Engine: e, Workers: w, Namespace: "default", Version: "v7", Logger: log.logger()}, h, log, mount, options...)
}

func serveAPI(t *testing.T, c rpc.Config, h hub, log *journal, mount func(*grpc.Server), options ...grpc.ServerOption) *door {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer(options...)
	rpc.New(c).Register(s)
	if mount != nil {
		mount(s)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // which a test may do at once
			t.Error(err)
		}
	})
	dial := func() *grpc.ClientConn {
		conn, err := grpc.NewClient("passthrough:///daemon", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
		return conn
	}
	t.Cleanup(func() {
		s.Stop()
		served.Wait()
	})
	conn := dial()
	return &door{
		clockdv1.NewTaskServiceClient(conn), clockdv1.NewRunServiceClient(conn), clockdv1.NewWorkerServiceClient(conn),
		clockdv1.NewNodeServiceClient(conn), h, conn, dial, log, s, l,
	}
}
