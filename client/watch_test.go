package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// puller returns the next of a sequence, and stops it when the test ends.
func puller[C any](t *testing.T, watch iter.Seq2[C, error]) func() C {
	t.Helper()
	next, stop := iter.Pull2(watch)
	t.Cleanup(stop)
	return func() C {
		t.Helper()
		c, err, ok := next()
		if err != nil || !ok {
			t.Fatalf("the watch ended: %v", err)
		}
		return c
	}
}

func TestWatchTasksTellsWhatIsAndThenEachChange(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		s.Add(fakedaemon.SampleMore())
		next := puller(t, c.WatchTasks(t.Context(), client.TaskWatch{}))
		all := next()
		var names []string
		for _, one := range all.Tasks {
			names = append(names, one.Declaration.Name)
		}
		if !all.Reset || !all.Synced || all.ResumeToken == "" || len(names) != 8 || !slices.IsSorted(names) {
			t.Errorf("first %v, %+v", names, all)
		}
		paused, err := c.PauseTask(t.Context(), backup, client.PauseOptions{ResumeTime: fakedaemon.Now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		changed := next()
		if diff := cmp.Diff([]task.Task{paused}, changed.Tasks); diff != "" || changed.Reset || changed.Synced || changed.ResumeToken == all.ResumeToken {
			t.Errorf("%+v: -want +got\n%s", changed, diff)
		}
		if err := c.DeleteTask(t.Context(), task.ByName("ping"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		if gone := next(); len(gone.Deleted) != 1 || gone.Deleted[0] != task.IDOf("default", "ping") || len(gone.Tasks) != 0 {
			t.Errorf("got %+v", gone)
		}
		// Another watch goes on from a token of this one.
		next = puller(t, c.WatchTasks(t.Context(), client.TaskWatch{ResumeToken: all.ResumeToken}))
		if again := next(); again.Reset || len(again.Tasks) != 1 || again.Tasks[0].Declaration.Name != "backup" {
			t.Errorf("got %+v", again)
		}
	})
}

func TestWatchRunsTellsOfTheRunsOfATask(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		cleanup := task.ByName("cleanup")
		next := puller(t, c.WatchRuns(t.Context(), client.RunWatch{Task: cleanup}))
		if going := next(); !going.Reset || !going.Synced || len(going.Runs) != 1 || going.Runs[0].ID != 4 || going.Runs[0].Input != nil {
			t.Errorf("first %+v", going)
		}
		if _, err := c.RunTask(t.Context(), backup, client.RunOptions{}); err != nil { // of another task
			t.Fatal(err)
		}
		run, err := c.RunTask(t.Context(), cleanup, client.RunOptions{Input: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := next(); len(got.Runs) != 1 || got.Runs[0].ID != run.ID || got.Runs[0].Input != nil {
			t.Errorf("got %+v", got)
		}
		s.TakeBack(run.ID)
		if got := next(); len(got.Runs) != 0 || len(got.TakenBack) != 1 || got.TakenBack[0] != run.ID {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAWatchGoesOnByItselfFromWhereItWas(t *testing.T) {
	for name, end := range map[string]error{
		"too slow": &task.TooSlowError{ResumeToken: "seen-0"}, "stopping": task.ErrStopping, "starting": task.ErrStarting, "no store": task.ErrUnavailable,
		"a broken connection": status.Error(codes.Unavailable, "transport is closing"), "an end without a word": nil,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				next := puller(t, c.WatchTasks(t.Context(), client.TaskWatch{NamePrefix: "b"}))
				token := next().ResumeToken
				for version := range int64(5) {
					s.EndStreams(end)
					if _, err := c.PauseTask(t.Context(), backup, client.PauseOptions{}); err != nil {
						t.Fatal(err)
					}
					// The change comes whether it was before or after the watch was back.
					for {
						got := next()
						if got.Reset {
							t.Fatalf("it begins anew: %+v", got)
						}
						token = got.ResumeToken
						if len(got.Tasks) == 1 && got.Tasks[0].Version == version+2 {
							break
						}
					}
				}
				var seen []string
				for _, call := range s.Calls() {
					if q, ok := call.Request.(*clockdv1.WatchTasksRequest); ok {
						seen = append(seen, q.GetResumeToken())
					}
				}
				if len(seen) < 5 || seen[0] != "" || slices.Contains(seen[1:], "") || token == "" {
					t.Errorf("it asked from %q", seen)
				}
			})
		})
	}
}

func TestAWatchWaitsLongerAndLongerForADaemonThatIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		next := puller(t, c.WatchRuns(t.Context(), client.RunWatch{}))
		next()
		back := time.Now().Add(10 * time.Minute)
		s.Hook(func(_ context.Context, method string) error {
			if method == "WatchRuns" && time.Now().Before(back) {
				return task.ErrStarting
			}
			return nil
		})
		s.EndStreams(task.ErrStopping)
		if got := next(); !got.Synced || got.Reset {
			t.Errorf("got %+v", got)
		}
		// Of fake time: up to 5s between two attempts, each of which gRPC makes four times.
		late := time.Since(back)
		calls := len(methods(s))
		if late > 6*time.Second || calls < 100 || calls > 1000 {
			t.Errorf("it was back after %s and %d calls", late, calls)
		}
	})
}

func TestAWatchTellsWhyItIsAwayAndThatItGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		var told []error
		next := puller(t, c.WatchTasks(t.Context(), client.TaskWatch{Away: func(why error) { told = append(told, why) }}))
		next()
		if len(told) != 0 {
			t.Errorf("told %v before anything has happened", told)
		}
		refuse := 12 // gRPC makes each attempt four times
		s.Hook(func(context.Context, string) error {
			if refuse--; refuse >= 0 {
				return status.Error(codes.Unavailable, "nobody")
			}
			return nil
		})
		s.EndStreams(task.ErrStopping)
		next()
		if n := len(told); n < 3 || !errors.Is(told[0], task.ErrStopping) || !errors.Is(told[1], client.ErrNoDaemon) || told[n-1] != nil || slices.Contains(told[:n-1], nil) {
			t.Errorf("told %v", told)
		}
		n := len(told)
		if _, err := c.PauseTask(t.Context(), backup, client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		if next(); len(told) != n {
			t.Errorf("told %v more", told[n:])
		}
	})
}

func TestAWatchEndsWithWhatDoesNotPass(t *testing.T) {
	for name, tt := range map[string]struct{ end, class error }{
		"the task is gone":  {task.TaskNotFound(backup), task.ErrTaskNotFound},
		"a defect":          {errors.New("secret"), nil},
		"a refused request": {task.Invalid("filter", "no"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				n := 0
				for got, err := range c.WatchRuns(t.Context(), client.RunWatch{}) {
					if n++; n == 1 {
						// The same thing is said to whoever comes again.
						s.Hook(func(context.Context, string) error { return tt.end })
						s.EndStreams(tt.end)
						continue
					}
					if err == nil || got.ResumeToken != "" || tt.class != nil && !errors.Is(err, tt.class) {
						t.Errorf("%+v with %v", got, err)
					}
				}
				if n != 2 {
					t.Errorf("%d elements", n)
				}
			})
		})
	}
}

func TestAWatchDoesNotBeginWithoutADaemon(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		s.Hook(func(context.Context, string) error { return status.Error(codes.Unavailable, "nobody") })
		began := time.Now()
		if err := first(c.WatchTasks(t.Context(), client.TaskWatch{})); !errors.Is(err, client.ErrNoDaemon) || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		s.Hook(nil)
		if err := first(c.WatchTasks(t.Context(), client.TaskWatch{ResumeToken: "not ours"})); !isInvalid(err) {
			t.Errorf("a token of nobody: %v", err)
		}
	})
}

// A daemon that is newer, or has another store, may not know the tokens of the one before.
func TestAWatchBeginsAnewIfItsTokenIsNotKnownAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		next := puller(t, c.WatchTasks(t.Context(), client.TaskWatch{}))
		next()
		refused := 0
		s.Hook(func(context.Context, string) error {
			if refused++; refused == 1 {
				return task.Invalid("resume_token", "is of another version")
			}
			return nil
		})
		s.EndStreams(task.ErrStopping)
		if got := next(); !got.Reset || len(got.Tasks) != 5 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestTheEndOfTheContextEndsAWatch(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		for name, away := range map[string]bool{"while it waits for changes": false, "while it waits for the daemon": true} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var last error
			n := 0
			for _, err := range c.WatchTasks(ctx, client.TaskWatch{}) {
				n, last = n+1, err
				if away {
					s.Hook(func(context.Context, string) error { return task.ErrStarting })
					s.EndStreams(task.ErrStopping)
				}
			}
			cancel()
			s.Hook(nil)
			if n != 2 || !errors.Is(last, context.DeadlineExceeded) || status.Code(last) != codes.DeadlineExceeded {
				t.Errorf("%s: %d elements, %v", name, n, last)
			}
		}
	})
}

func TestFollowRunHandsOnWhatARunWritesAndReturnsItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		pieces := []task.Output{
			{Stream: task.Stdout, Data: []byte("one\n"), Attempt: 1},
			{Stream: task.Stderr, Data: []byte("t\xff"), Dropped: 7, Attempt: 2},
			{Stream: task.Stdout, Data: []byte("late\n"), Attempt: 2},
		}
		s.Write(4, pieces[:2]...)
		var got []task.Output
		type end struct {
			run task.Run
			err error
		}
		ended := make(chan end, 1)
		go func() {
			run, err := c.FollowRun(t.Context(), 4, func(o task.Output) error { got = append(got, o); return nil })
			ended <- end{run, err}
		}()
		synctest.Wait()
		s.Write(4, pieces[2])
		synctest.Wait()
		if _, err := c.CancelRun(t.Context(), 4, "enough"); err != nil {
			t.Fatal(err)
		}
		e := <-ended
		if diff := cmp.Diff(pieces, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if e.err != nil || e.run.State != task.Canceled || e.run.Error != "canceled: enough" {
			t.Errorf("%+v, %v", e.run, e.err)
		}

		// What the caller says ends it too.
		stop := fmt.Errorf("enough")
		if _, err := c.FollowRun(t.Context(), 4, func(task.Output) error { return stop }); err != stop {
			t.Errorf("got %v", err)
		}
		if _, err := c.FollowRun(t.Context(), 99, nil); !errors.Is(err, task.ErrRunNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFollowRunThatBreaksOffIsNoEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		for name, tt := range map[string]struct{ end, class error }{
			"stopping": {task.ErrStopping, task.ErrStopping}, "without a word": {nil, client.ErrNoDaemon},
		} {
			s.Write(4, task.Output{Stream: task.Stdout, Data: []byte("x")})
			_, err := c.FollowRun(t.Context(), 4, func(task.Output) error { s.EndStreams(tt.end); return nil })
			if !errors.Is(err, tt.class) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestWhatACreatedTaskAnswersIsWhatItWasMadeOf(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		ctx := t.Context()
		more, _ := fakedaemon.SampleMore()
		d := more[0].Declaration
		d.Name = "copy" // as an import does
		got, err := c.CreateTask(ctx, d, client.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got.Declaration); diff != "" || got.Origin != task.Created {
			t.Errorf("-want +got\n%s", diff)
		}
		var there *task.ExistsError
		if _, err := c.CreateTask(ctx, d, client.CreateOptions{}); !errors.As(err, &there) || there.Name != "copy" {
			t.Errorf("again: %v", err)
		}
		got, err = c.UpdateTask(ctx, task.ByName("copy"), task.Declaration{Description: "new"}, client.UpdateTaskOptions{})
		d.Description = "new"
		if diff := cmp.Diff(d, got.Declaration); diff != "" || err != nil {
			t.Errorf("%v -want +got\n%s", err, diff)
		}
		if _, err := c.UpdateTask(ctx, backup, task.Declaration{Description: "new"}, client.UpdateTaskOptions{}); !errors.Is(err, task.ErrDeclared) {
			t.Errorf("a declared one: %v", err)
		}
		b, err := c.BackfillTask(ctx, task.ByName("copy"), fakedaemon.Now.Add(-3*time.Hour), time.Time{}, client.BackfillOptions{})
		if err != nil || b.Count != 2 || len(b.Fires) != 2 || len(b.Runs) != 2 || b.Runs[0].Cause != task.ByBackfill || !b.Runs[1].ScheduledTime.Equal(b.Fires[1]) {
			t.Errorf("%+v, %v", b, err)
		}
		var actions []task.Action
		for event, err := range c.AuditEvents(ctx, client.AuditFilter{Task: task.ByName("copy")}) {
			if err != nil || event.TaskName != "copy" {
				t.Errorf("%+v, %v", event, err)
			}
			actions = append(actions, event.Action)
		}
		if diff := cmp.Diff([]task.Action{task.BackfillRequested, task.TaskUpdated, task.TaskCreated}, actions); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestEventsAndDiffsComeInTheWordsOfTheDomain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		s.Record(fakedaemon.SampleEvents()...)
		want := fakedaemon.SampleEvents()
		slices.Reverse(want)
		for event, err := range c.AuditEvents(t.Context(), client.AuditFilter{}) {
			w := want[0]
			w.ID, want = int64(len(want)), want[1:]
			if diff := cmp.Diff(w, event); diff != "" || err != nil {
				t.Errorf("%v -want +got\n%s", err, diff)
			}
		}
		if len(want) > 0 {
			t.Errorf("%d events missing", len(want))
		}
		diffs, err := c.DiffConfig(t.Context(), "clockd.yaml", []byte("x"))
		if diff := cmp.Diff(fakedaemon.SampleDiffs(), diffs); diff != "" || err != nil {
			t.Errorf("%v -want +got\n%s", err, diff)
		}
		if _, err := c.DiffConfig(t.Context(), "clockd.yaml", []byte("bad")); !isInvalid(err) {
			t.Errorf("a bad file: %v", err)
		}
	})
}
