package remote_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

const lease = 15 * time.Second

// inFakeTime runs a test with a hub on fake time. The bubble fails if anything is left behind.
func inFakeTime(t *testing.T, f func(t *testing.T, h *remote.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := remote.New(remote.Config{Lease: lease, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		defer h.Close()
		f(t, h)
	})
}

func id(n int) uuid.UUID { return uuid.UUID{15: byte(n), 14: byte(n >> 8)} }

// hello is that of worker n, which runs these tasks.
func hello(n, places int, tasks ...string) task.Hello {
	return task.Hello{ID: id(n), Name: string(rune('a' + n - 1)), Peer: "here", Tasks: tasks, Places: places}
}

func connect(t *testing.T, h *remote.Hub, hello task.Hello) *remote.Session {
	t.Helper()
	s, err := h.Connect(hello)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func reserve(h *remote.Hub, name string) target.Place {
	return h.Target().(target.Placed).Reserve(name)
}

// A call is a Do that goes on.
type call struct {
	ref    task.AttemptRef
	cancel context.CancelCauseFunc
	end    chan struct{}
	output []byte
	err    error
	place  target.Place
}

// attempt is one of a task, with the run as its input.
func attempt(run int, name string) target.Attempt {
	return target.Attempt{RunID: task.RunID(run), Number: 1, TaskName: name, Input: []byte("1")}
}

// do reserves a place for an attempt, and makes it there.
func do(t *testing.T, h *remote.Hub, a target.Attempt) *call {
	t.Helper()
	p := reserve(h, a.TaskName)
	if p == nil {
		t.Fatalf("no place for %q", a.TaskName)
	}
	return at(t, p, a)
}

// at makes an attempt at a place.
func at(t *testing.T, p target.Place, a target.Attempt) *call {
	t.Helper()
	c := &call{ref: task.AttemptRef{Run: a.RunID, Attempt: a.Number}, end: make(chan struct{}), place: p}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.end)
		defer cancel(nil)
		c.output, c.err = p.Do(ctx, a)
	}()
	synctest.Wait()
	return c
}

// ended reports whether it has ended by now.
func (c *call) ended() bool {
	synctest.Wait()
	select {
	case <-c.end:
		return true
	default:
		return false
	}
}

// lost checks that it ended because the worker was lost.
func (c *call) lost(t *testing.T, notStarted bool) {
	t.Helper()
	var lost *target.LostError
	if !c.ended() || !errors.As(c.err, &lost) || lost.NotStarted != notStarted {
		t.Errorf("ended %v with %v", c.ended(), c.err)
	}
}

// said returns what there is to say to a worker by now, and why that is all.
func said(s *remote.Session) (orders []task.Order, err error) {
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		o, err := s.Next(ctx)
		if err != nil {
			return orders, err
		}
		orders = append(orders, o)
	}
}

// given checks that the worker is given exactly one thing, an assignment.
func given(t *testing.T, s *remote.Session) task.Assignment {
	t.Helper()
	orders, _ := said(s)
	if len(orders) != 1 || orders[0].Assign == nil {
		t.Fatalf("want an assignment, got %+v", orders)
	}
	return *orders[0].Assign
}

// awake answers pings for a while.
func awake(t *testing.T, s *remote.Session, d time.Duration) []task.Order {
	t.Helper()
	var others []task.Order
	for end := time.Now().Add(d); time.Now().Before(end); {
		orders, _ := said(s)
		for _, o := range orders {
			if o.Ping != 0 {
				s.Pong(o.Ping)
			} else {
				others = append(others, o)
			}
		}
		time.Sleep(time.Second)
	}
	return others
}

// freed reports whether somebody is told that there may be a place.
func freed(h *remote.Hub) bool {
	select {
	case <-h.Freed():
		return true
	default:
		return false
	}
}

func only(t *testing.T, h *remote.Hub) task.Worker {
	t.Helper()
	all := h.Workers()
	if len(all) != 1 {
		t.Fatalf("%d workers", len(all))
	}
	return all[0]
}

func hasOrder(orders []task.Order, is func(task.Order) bool) bool {
	return slices.ContainsFunc(orders, is)
}
