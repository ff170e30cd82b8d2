package peer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/peer"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A node answers some calls.
type node struct {
	clockdv1.UnimplementedNodeServiceServer
	clockdv1.UnimplementedRunServiceServer

	mu       sync.Mutex
	declared *clockdv1.DeclareTaskRequest
	fail     error
	wait     bool // until the call ends
	metadata metadata.MD
	deadline bool
	chunks   int
	ended    chan struct{} // closed when a stream has ended, which it does with its call if it is not nil
}

func (n *node) DeclareTask(ctx context.Context, q *clockdv1.DeclareTaskRequest) (*clockdv1.DeclareTaskResponse, error) {
	n.mu.Lock()
	n.declared = q
	n.metadata, _ = metadata.FromIncomingContext(ctx)
	_, n.deadline = ctx.Deadline()
	fail, wait := n.fail, n.wait
	n.mu.Unlock()
	if wait {
		<-ctx.Done()
	}
	return &clockdv1.DeclareTaskResponse{Task: q.GetTask()}, wire.ToStatus(fail, nil).Err()
}

func (n *node) FollowRun(_ *clockdv1.FollowRunRequest, stream grpc.ServerStreamingServer[clockdv1.FollowRunResponse]) error {
	for i := range n.chunks {
		if err := stream.Send(&clockdv1.FollowRunResponse{Chunk: &clockdv1.OutputChunk{Data: fmt.Appendf(nil, "%d", i)}}); err != nil {
			return err
		}
	}
	if n.ended != nil {
		<-stream.Context().Done()
		close(n.ended)
	}
	return wire.ToStatus(n.fail, nil).Err()
}

// serve runs the API of a node until the test ends.
func serve(t *testing.T, n *node, l net.Listener) *grpc.Server {
	t.Helper()
	s := grpc.NewServer()
	clockdv1.RegisterNodeServiceServer(s, n)
	clockdv1.RegisterRunServiceServer(s, n)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, c peer.Config) *peer.Peers {
	t.Helper()
	p := peer.New(c)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var declaration = task.Declaration{
	Name: "x", Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}, Target: task.Target{Kind: "function"}, Labels: map[string]string{"a": "b"},
}

func TestANodeIsReachedThroughAPortAndASocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "peer") // the path of a socket is short, and that of t.TempDir may not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	port := listen(t, "tcp", "127.0.0.1:0")
	for address, l := range map[string]net.Listener{port.Addr().String(): port, "unix:" + socket: listen(t, "unix", socket)} {
		n := &node{}
		serve(t, n, l)
		p := open(t, peer.Config{})
		if err := p.Declare(t.Context(), address, declaration, 7); err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		got, found := wire.DeclarationFromProto("task", n.declared.GetTask())
		if diff := cmp.Diff(declaration, got); found != nil || diff != "" || n.declared.GetRevision() != 7 {
			t.Errorf("%s: %v %s", address, n.declared, diff)
		}
	}
}

// inMemory is a node that is reached without a port, at every address.
func inMemory(t *testing.T, n *node) (c peer.Config, s *grpc.Server, dials *atomic.Int64) {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	s, dials = serve(t, n, l), &atomic.Int64{}
	return peer.Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials.Add(1)
		return l.DialContext(ctx)
	}}, s, dials
}

func TestTheErrorOfADeclarationHasItsClass(t *testing.T) {
	n := &node{}
	c, s, _ := inMemory(t, n)
	p := open(t, c)
	for _, want := range []error{task.ErrHeld, task.ErrTriggerFault, task.ErrStopping, task.ErrGivenUp} {
		n.fail = want
		if err := p.Declare(t.Context(), "a:1", declaration, 0); !errors.Is(err, want) || !strings.Contains(err.Error(), "a:1") {
			t.Errorf("want %v, got %v", want, err)
		}
	}
	s.Stop()
	if err := p.Declare(t.Context(), "a:1", declaration, 0); !errors.Is(err, task.ErrHeld) || status.Code(err) != codes.Unavailable {
		t.Errorf("of a node that is away: %v", err)
	}
	if err := p.Declare(t.Context(), "nonsense", declaration, 0); !errors.Is(err, task.ErrHeld) || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("of no address: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Declare(ctx, "a:1", declaration, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("of a caller who has gone: %v", err)
	}
}

func TestMetadataAndDeadlineGoAlong(t *testing.T) {
	n := &node{}
	c, _, _ := inMemory(t, n)
	p := open(t, c)
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "k", "v"), time.Minute)
	defer cancel()
	request := &clockdv1.DeclareTaskRequest{Task: wire.DeclarationToProto(declaration)}
	answer := &clockdv1.DeclareTaskResponse{}
	if err := p.Invoke(ctx, "a:1", clockdv1.NodeService_DeclareTask_FullMethodName, request, answer); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(answer.GetTask(), request.GetTask()) || !n.deadline || strings.Join(n.metadata.Get("k"), "") != "v" {
		t.Errorf("answer %v, deadline %v, metadata %v", answer, n.deadline, n.metadata)
	}
}

func TestAStreamIsHandedOnUntilItsEndOrThatOfItsReader(t *testing.T) {
	n := &node{chunks: 50}
	c, _, _ := inMemory(t, n)
	p := open(t, c)
	var got []*clockdv1.FollowRunResponse
	follow := func(enough int) error {
		got = nil
		return p.Stream(t.Context(), "a:1", clockdv1.RunService_FollowRun_FullMethodName, &clockdv1.FollowRunRequest{}, &clockdv1.FollowRunResponse{},
			func(m proto.Message) error {
				if got = append(got, m.(*clockdv1.FollowRunResponse)); len(got) == enough {
					return io.ErrShortWrite
				}
				return nil
			})
	}
	if err := follow(0); err != nil || len(got) != 50 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for i, m := range got {
		if want := fmt.Sprint(i); string(m.GetChunk().GetData()) != want {
			t.Errorf("chunk %d is %q", i, m.GetChunk().GetData())
		}
	}
	n.fail = task.ErrStopping
	if err := follow(0); !errors.Is(wire.FromError(err), task.ErrStopping) || len(got) != 50 {
		t.Errorf("%d, %v", len(got), err)
	}
	n.ended = make(chan struct{})
	if err := follow(3); err != io.ErrShortWrite || len(got) != 3 {
		t.Errorf("%d, %v", len(got), err)
	}
	<-n.ended
}

func TestAConnectionIsKeptBetweenCallsAndClosedWhenNobodyUsesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, dials := inMemory(t, &node{})
		p := open(t, c)
		call := func() {
			t.Helper()
			if err := p.Declare(t.Context(), "a:1", declaration, 0); err != nil {
				t.Fatal(err)
			}
		}
		call()
		call()
		if n := dials.Load(); n != 1 {
			t.Errorf("two calls connected %d times", n)
		}
		time.Sleep(10 * time.Minute)
		call()
		if n := dials.Load(); n != 2 {
			t.Errorf("after ten minutes it has connected %d times", n)
		}
	})
}

func TestThereIsNoLimitToAddressesThatAreNotUsedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{}
		c, _, dials := inMemory(t, n)
		p := open(t, c)
		call := func(i int) error { return p.Declare(t.Context(), fmt.Sprintf("node-%d:1", i), declaration, 0) }
		for i := range 200 {
			if err := call(i); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range []int{199, 0, 199} { // the first was let go
			if err := call(i); err != nil {
				t.Fatal(err)
			}
		}
		if n := dials.Load(); n != 201 {
			t.Errorf("connected %d times", n)
		}

		// But to those that are in use.
		n.wait = true
		var going sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 64 {
			going.Go(func() { _ = p.Declare(ctx, fmt.Sprintf("busy-%d:1", i), declaration, 0) })
		}
		synctest.Wait()
		if err := call(0); !errors.Is(err, task.ErrHeld) || !strings.Contains(err.Error(), "64") {
			t.Errorf("one more: %v", err)
		}
		cancel()
		going.Wait()
		n.mu.Lock()
		n.wait = false
		n.mu.Unlock()
		if err := call(0); err != nil {
			t.Error(err)
		}
	})
}

func TestANodeThatDoesNotMoveIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{wait: true}
		c, _, _ := inMemory(t, n)
		var stopped atomic.Bool
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &frozen{Conn: conn, stopped: &stopped, closed: make(chan struct{})}, err
		}
		p := open(t, c)
		go func() {
			time.Sleep(time.Second)
			stopped.Store(true)
		}()
		began := time.Now()
		err := p.Declare(t.Context(), "a:1", declaration, 0)
		if took := time.Since(began); status.Code(err) != codes.Unavailable || took > 30*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// A frozen connection takes everything, and gives nothing, once it is stopped.
type frozen struct {
	net.Conn
	stopped *atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

func (f *frozen) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if f.stopped.Load() {
		<-f.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (f *frozen) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

func TestCloseEndsCallsAndLaterOnesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := inMemory(t, &node{wait: true})
		p := open(t, c)
		ended := make(chan error, 1)
		go func() { ended <- p.Declare(t.Context(), "a:1", declaration, 0) }()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("the call went on")
		}
		if err := p.Declare(t.Context(), "a:1", declaration, 0); !strings.Contains(fmt.Sprint(err), "stopping") {
			t.Errorf("later: %v", err)
		}
	})
}
