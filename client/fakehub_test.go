package client_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lease is that of the fake hub.
const lease = 15 * time.Second

// fakeHub lets workers in, and leaves to the test what is said to them.
type fakeHub struct {
	clockdv1.UnimplementedWorkerServiceServer
	t *testing.T
	// lines are the streams, in the order in which they came, after their hello.
	lines chan *line
	// refuse is how streams end before a welcome. Nil: they do not.
	refuse atomic.Pointer[func() error]

	workers []*clockdv1.Worker
}

// line is the stream of a worker.
type line struct {
	t     *testing.T
	rpc   grpc.BidiStreamingServer[clockdv1.WorkRequest, clockdv1.WorkResponse]
	hello *clockdv1.WorkerHello
	said  chan *clockdv1.WorkRequest // closed when the worker has closed its side, or is gone
	over  chan error
}

func (h *fakeHub) Work(rpc grpc.BidiStreamingServer[clockdv1.WorkRequest, clockdv1.WorkResponse]) error {
	first, err := rpc.Recv()
	if err != nil {
		return err
	}
	if refuse := h.refuse.Load(); refuse != nil {
		return (*refuse)()
	}
	l := &line{t: h.t, rpc: rpc, hello: first.GetHello(), said: make(chan *clockdv1.WorkRequest), over: make(chan error, 1)}
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(rpc.Context())
	reading.Go(func() {
		defer close(l.said)
		for {
			msg, err := rpc.Recv()
			if err != nil {
				return
			}
			select {
			case l.said <- msg:
			case <-ctx.Done():
				return
			}
		}
	})
	h.lines <- l
	select {
	case err = <-l.over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	return err
}

func (h *fakeHub) ListWorkers(context.Context, *clockdv1.ListWorkersRequest) (*clockdv1.ListWorkersResponse, error) {
	return &clockdv1.ListWorkersResponse{Workers: h.workers}, nil
}

// refuses has streams end before a welcome.
func (h *fakeHub) refuses(f func() error) { h.refuse.Store(&f) }

// end ends the stream; nil as the answer to a close.
func (l *line) end(err error) { l.over <- err }

// breaks ends the stream as a broken connection would.
func (l *line) breaks() { l.end(status.Error(codes.Unavailable, "transport is closing")) }

func (l *line) say(resp *clockdv1.WorkResponse) {
	l.t.Helper()
	if err := l.rpc.Send(resp); err != nil {
		l.t.Errorf("the worker does not hear %v: %v", resp, err)
	}
}

func (l *line) welcome() {
	l.t.Helper()
	l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Welcome{Welcome: &clockdv1.Welcome{
		Namespace: "default", Lease: durationpb.New(lease), Warnings: []string{"what does not fit"},
	}}})
}

func (l *line) ping(sequence int64) {
	l.t.Helper()
	l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Ping{Ping: &clockdv1.Ping{Sequence: sequence}}})
}

// assign gives out the first attempt of a run of the task "report".
func (l *line) assign(run string) {
	l.t.Helper()
	l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Assignment{Assignment: &clockdv1.Assignment{
		RunId: run, Attempt: 1, TaskName: "report", TaskId: task.IDOf("default", "report").String(),
	}}})
}

func (l *line) cancel(run, reason string) {
	l.t.Helper()
	l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Cancel{Cancel: &clockdv1.CancelAttempt{RunId: run, Attempt: 1, Reason: reason}}})
}

func (l *line) recorded(run string) {
	l.t.Helper()
	l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Recorded{Recorded: &clockdv1.Recorded{RunId: run, Attempt: 1}}})
}

// hears returns what the worker says next.
func (l *line) hears() *clockdv1.WorkRequest {
	l.t.Helper()
	msg, ok := <-l.said
	if !ok {
		l.t.Fatal("the worker has nothing more to say")
	}
	return msg
}

// result returns the result that the worker says next.
func (l *line) result() *clockdv1.WorkerResult {
	l.t.Helper()
	msg := l.hears()
	if msg.GetResult() == nil {
		l.t.Fatalf("got %v, want a result", msg)
	}
	return msg.GetResult()
}

// closes reads that the worker drains, unless it has said so, and then that it closes its side.
func (l *line) closes() {
	l.t.Helper()
	for msg := range l.said {
		if msg.GetDrain() == nil {
			l.t.Errorf("got %v, want the end", msg)
		}
	}
	l.end(nil)
}

// worker is a call of Work.
type worker struct {
	t      *testing.T
	stop   context.CancelFunc
	ended  chan error
	waited bool
}

// withHub runs a test in a bubble, in front of a fake hub.
func withHub(t *testing.T, f func(t *testing.T, h *fakeHub, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{t: t, lines: make(chan *line)}
		g := grpc.NewServer()
		clockdv1.RegisterWorkerServiceServer(g, h)
		f(t, h, dial(t, g))
	})
}

// work starts a worker that runs the task "report". It is stopped when the test ends, unless it has ended.
func work(t *testing.T, c *client.Client, do func(context.Context, *client.Assignment) (any, error), edit ...func(*client.Worker)) *worker {
	t.Helper()
	cfg := client.Worker{
		Name: "tester", Places: 4, Tasks: []client.WorkerTask{{Name: "report", Do: do}},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, e := range edit {
		e(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &worker{t: t, stop: cancel, ended: make(chan error, 1)}
	go func() { w.ended <- c.Work(ctx, cfg) }()
	t.Cleanup(func() {
		cancel()
		if !w.waited {
			<-w.ended
		}
	})
	return w
}

// wait returns how Work has ended.
func (w *worker) wait() error {
	w.waited = true
	return <-w.ended
}

// leaves stops a worker that holds nothing.
func (w *worker) leaves(l *line) {
	w.t.Helper()
	w.stop()
	l.closes()
	if err := w.wait(); err != nil {
		w.t.Errorf("Work: %v", err)
	}
}

func refusal(err error) error { return wire.ToStatus(err, nil).Err() }

// until waits for the end of the context of a function, and returns why.
func until(ctx context.Context, _ *client.Assignment) (any, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

var errBroken = errors.New("broken")
