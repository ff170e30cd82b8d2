package client_test

import (
	"context"
	"errors"
	"iter"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

// serve runs a gRPC server in memory until the test ends, and returns the option that dials it.
func serve(t *testing.T, g *grpc.Server) client.Option {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	done := make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	t.Cleanup(func() {
		g.Stop()
		// A test without a call can be over before Serve begins.
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
	})
	return client.WithDialOptions(grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
}

// dial returns a client of a server in memory, closed when the test ends.
func dial(t *testing.T, g *grpc.Server, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(client.DefaultAddress, append(opts, serve(t, g))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// bubble runs f with fake time, in front of a fake daemon that holds the sample.
func bubble(t *testing.T, f func(t *testing.T, s *fakedaemon.Server, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		f(t, s, dial(t, s.Server()))
	})
}

// methods returns the methods that were called, in their order.
func methods(s *fakedaemon.Server) []string {
	var names []string
	for _, call := range s.Calls() {
		names = append(names, call.Method)
	}
	return names
}

// first reads the first thing that a watch tells.
func first[C any](watch iter.Seq2[C, error]) error {
	for _, err := range watch {
		return err
	}
	return errors.New("the watch tells nothing")
}

// follow reads all that a run writes.
func follow(ctx context.Context, c *client.Client, id task.RunID) error {
	_, err := c.FollowRun(ctx, id, func(task.Output) error { return nil })
	return err
}

// everyCall makes each call of the SDK once, by the name of its RPC.
var everyCall = map[string]func(ctx context.Context, c *client.Client) error{
	"ListTasks": func(ctx context.Context, c *client.Client) error {
		_, _, err := c.TasksPage(ctx, client.TaskFilter{}, 0, "")
		return err
	},
	"GetTask": func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, backup); return err },
	"RunTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.RunTask(ctx, backup, client.RunOptions{})
		return err
	},
	"UpdateTrigger": func(ctx context.Context, c *client.Client) error {
		_, err := c.UpdateTrigger(ctx, backup, hourly, client.UpdateOptions{})
		return err
	},
	"ResetTrigger": func(ctx context.Context, c *client.Client) error {
		_, err := c.ResetTrigger(ctx, backup, client.EditOptions{})
		return err
	},
	"PauseTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.PauseTask(ctx, backup, client.PauseOptions{})
		return err
	},
	"ResumeTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.ResumeTask(ctx, backup, client.EditOptions{})
		return err
	},
	"PreviewTrigger": func(ctx context.Context, c *client.Client) error {
		_, err := c.PreviewTrigger(ctx, hourly, fakedaemon.Now, 1)
		return err
	},
	"ListRuns": func(ctx context.Context, c *client.Client) error {
		_, _, err := c.RunsPage(ctx, client.RunFilter{}, 0, "")
		return err
	},
	"CreateTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateTask(ctx, task.Declaration{}, client.CreateOptions{})
		return err
	},
	"UpdateTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.UpdateTask(ctx, backup, task.Declaration{Group: "x"}, client.UpdateTaskOptions{})
		return err
	},
	"DeleteTask": func(ctx context.Context, c *client.Client) error {
		return c.DeleteTask(ctx, backup, client.EditOptions{})
	},
	"BackfillTask": func(ctx context.Context, c *client.Client) error {
		_, err := c.BackfillTask(ctx, backup, fakedaemon.Now, time.Time{}, client.BackfillOptions{})
		return err
	},
	"ListAuditEvents": func(ctx context.Context, c *client.Client) error {
		_, _, err := c.AuditEventsPage(ctx, client.AuditFilter{}, 0, "")
		return err
	},
	"DiffConfig": func(ctx context.Context, c *client.Client) error {
		_, err := c.DiffConfig(ctx, "x", nil)
		return err
	},
	"WatchTasks": func(ctx context.Context, c *client.Client) error { return first(c.WatchTasks(ctx, client.TaskWatch{})) },
	"WatchRuns":  func(ctx context.Context, c *client.Client) error { return first(c.WatchRuns(ctx, client.RunWatch{})) },
	"FollowRun":  func(ctx context.Context, c *client.Client) error { return follow(ctx, c, 3) },
	"GetRun":     func(ctx context.Context, c *client.Client) error { _, err := c.Run(ctx, 3); return err },
	"ListNodes":  func(ctx context.Context, c *client.Client) error { _, err := c.Nodes(ctx); return err },
	"CancelRun":  func(ctx context.Context, c *client.Client) error { _, err := c.CancelRun(ctx, 3, ""); return err },
}

func TestNewLeavesTheConnectionToItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		conn := dialConn(t, s.Server())
		c := client.New(conn, client.WithActor("ann"))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PauseTask(t.Context(), backup, client.PauseOptions{}); err != nil {
			t.Fatalf("after Close of a client that does not own the connection: %v", err)
		}
		if actor := s.Calls()[0].Actor; actor != "ann" {
			t.Errorf("actor %q", actor)
		}
	})
}

func TestActorOfTheContextGoesBeforeThatOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		c := dial(t, s.Server(), client.WithActor("ann"))
		for _, ctx := range []context.Context{t.Context(), actorContext(t.Context(), "bob")} {
			if _, err := c.PauseTask(ctx, backup, client.PauseOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := s.Calls()[0].Actor, s.Calls()[1].Actor; a != "ann" || b != "bob" {
			t.Errorf("actors %q and %q", a, b)
		}
	})
}

func TestActorThatCanNotBeSentIsRefused(t *testing.T) {
	if _, err := client.Dial(client.DefaultAddress, client.WithActor("Jürgen")); !isInvalid(err) {
		t.Errorf("Dial: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		c := client.New(dialConn(t, s.Server()), client.WithActor("a\nb"))
		if _, err := c.Task(t.Context(), backup); !isInvalid(err) {
			t.Errorf("call: %v", err)
		}
	})
}

func TestIteratorsGoThroughAllPages(t *testing.T) {
	const many = 1203
	var tasks []task.Task
	var runs []task.Run
	for i := range many {
		sample := sampleTask(i)
		tasks = append(tasks, sample)
		runs = append(runs, task.Run{
			ID: task.RunID(i + 1), TaskID: sample.ID, TaskName: sample.Declaration.Name,
			State: task.Succeeded, Cause: task.ByCall, ScheduledTime: fakedaemon.Now,
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(tasks, runs)
		c := dial(t, s.Server())
		all := c.Tasks(t.Context(), client.TaskFilter{})
		for range 2 { // each use starts anew
			var names []string
			for got, err := range all {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, got.Declaration.Name)
			}
			if len(names) != many || !slices.IsSorted(names) {
				t.Errorf("%d tasks, sorted: %t", len(names), slices.IsSorted(names))
			}
		}
		next := task.RunID(many)
		for run, err := range c.Runs(t.Context(), client.RunFilter{}) {
			if err != nil || run.ID != next {
				t.Fatalf("run %d, want %d; %v", run.ID, next, err)
			}
			next--
		}
		if next != 0 {
			t.Errorf("%d runs missing", next)
		}
		if got := methods(s); len(got) != 9 {
			t.Errorf("%d calls for three passes over %d: %v", len(got), many, got)
		}
		s.Record(slices.Repeat([]task.Event{{Action: task.TaskPaused, Time: fakedaemon.Now}}, many)...)
		left := int64(many)
		for event, err := range c.AuditEvents(t.Context(), client.AuditFilter{}) {
			if err != nil || event.ID != left {
				t.Fatalf("event %d, want %d; %v", event.ID, left, err)
			}
			left--
		}
		if left != 0 {
			t.Errorf("%d events missing", left)
		}
	})
}

func TestIteratorReadsNoFurtherThanItsUser(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		for range c.Tasks(t.Context(), client.TaskFilter{}) {
			break
		}
		if got := methods(s); len(got) != 1 {
			t.Errorf("calls %v", got)
		}
	})
}

func TestIteratorEndsAtAnError(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		s.Hook(func(context.Context, string) error { return task.ErrOrphaned })
		n := 0
		for got, err := range c.Tasks(t.Context(), client.TaskFilter{}) {
			n++
			if err == nil || got.Declaration.Name != "" {
				t.Errorf("%v with %v", got, err)
			}
		}
		if n != 1 {
			t.Errorf("%d elements, want the error", n)
		}
	})
}

func TestAnswersLargerThanTheLimitOfGRPCArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := append(append([]byte{'"'}, slices.Repeat([]byte("x"), 5<<20)...), '"')
		s := fakedaemon.New(nil, []task.Run{{
			ID: 1, State: task.Succeeded, Cause: task.ByFire, ScheduledTime: fakedaemon.Now, Output: output,
		}})
		c := dial(t, s.Server())
		run, err := c.Run(t.Context(), 1)
		if err != nil || len(run.Output) != len(output) {
			t.Errorf("%d bytes, want %d; %v", len(run.Output), len(output), err)
		}
	})
}
