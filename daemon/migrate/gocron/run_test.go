package gocron_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/migrate/gocron"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// diary is what runs write into.
type diary struct {
	mu   sync.Mutex
	said []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, fmt.Sprintf(format, args...))
}

// during runs what a scheduler declares, in fake time, which begins at midnight UTC.
func during(t *testing.T, span time.Duration, s *gocron.Scheduler, ask func(context.Context, *client.Client)) {
	t.Helper()
	tasks, err := s.Tasks()
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(daemon.Config{Tasks: tasks, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	time.Sleep(span)
	if ask != nil {
		ask(ctx, d.Client())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAFunctionGetsItsParametersAndTheContextOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said diary
		type key struct{}
		own := context.WithValue(context.Background(), key{}, "own")
		s := scheduler(t)
		now := gocron.OneTimeJob(gocron.OneTimeJobStartImmediately())
		for name, tsk := range map[string]gocron.Task{
			"none":     gocron.NewTask(func() { said.add("none") }),
			"two":      gocron.NewTask(func(a string, b int) { said.add("two %s %d", a, b) }, "x", 7),
			"nil":      gocron.NewTask(func(p *int, v any) { said.add("nil %v %v", p == nil, v) }, nil, nil),
			"variadic": gocron.NewTask(func(a string, more ...int) { said.add("variadic %s %v", a, more) }, "y", 1, 2),
			"no more":  gocron.NewTask(func(more ...int) { said.add("no more %v", more) }),
			"context":  gocron.NewTask(func(ctx context.Context, a string) { said.add("context %s %v", a, ctx.Done() != nil) }, "z"),
			"own":      gocron.NewTask(func(ctx context.Context) { said.add("own %v", ctx.Value(key{})) }, own),
		} {
			if _, err := s.NewJob(now, tsk, gocron.WithName(name)); err != nil {
				t.Fatal(err)
			}
		}
		during(t, time.Minute, s, nil)
		slices.Sort(said.said)
		want := []string{"context z true", "nil true <nil>", "no more []", "none", "own own", "two x 7", "variadic y [1 2]"}
		if !slices.Equal(said.said, want) {
			t.Errorf("%q, want %q", said.said, want)
		}
	})
}

type ownError struct{}

func (*ownError) Error() string { return "of a type of its own" }

func TestTheErrorThatAFunctionReturnsFailsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t)
		now := gocron.OneTimeJob(gocron.OneTimeJobStartImmediately())
		want := map[string]string{ // of the run; empty: it succeeds
			"fails": "disk full", "well": "", "second": "disk full", "own": "of a type of its own", "own nil": "", "panics": "panic: too late",
		}
		for name, f := range map[string]any{
			"fails":   func() error { return errors.New("disk full") },
			"well":    func() (func(), error) { return func() {}, nil }, // what is no error is dropped, JSON or not
			"second":  func() (int, error) { return 1, errors.New("disk full") },
			"own":     func() *ownError { return &ownError{} },
			"own nil": func() *ownError { return nil },
			"panics":  func() { panic("too late") },
		} {
			if _, err := s.NewJob(now, gocron.NewTask(f), gocron.WithName(name)); err != nil {
				t.Fatal(err)
			}
		}
		during(t, time.Minute, s, func(ctx context.Context, c *client.Client) {
			runs := 0
			for run, err := range c.Runs(ctx, client.RunFilter{}) {
				if err != nil {
					t.Fatal(err)
				}
				runs++
				if message := want[run.TaskName]; !strings.Contains(run.Error, message) || (message == "") != (run.State == task.Succeeded) {
					t.Errorf("%s: %v %q, want %q", run.TaskName, run.State, run.Error, message)
				}
			}
			if runs != len(want) {
				t.Errorf("%d runs, want %d", runs, len(want))
			}
		})
	})
}

func TestEventListenersAreToldWithTheIDOfTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said diary
		listen := gocron.WithEventListeners(
			gocron.BeforeJobRuns(func(id uuid.UUID, name string) {
				said.add("%s before %v", name, id == task.IDOf(daemon.DefaultNamespace, name))
			}),
			gocron.AfterJobRuns(func(_ uuid.UUID, name string) { said.add("%s after", name) }),
			gocron.AfterJobRunsWithError(func(_ uuid.UUID, name string, err error) { said.add("%s error %v", name, err) }),
			gocron.AfterJobRunsWithPanic(func(_ uuid.UUID, name string, v any) { said.add("%s panic %v", name, v) }),
			gocron.BeforeJobRunsSkipIfBeforeFuncErrors(func(_ uuid.UUID, name string) error {
				if name == "4 skipped" {
					return errors.New("not now")
				}
				return nil
			}),
		)
		s := scheduler(t, gocron.WithGlobalJobOptions(listen))
		for i, f := range []func() error{
			func() error { return nil },
			func() error { return errors.New("disk full") },
			func() error { panic("too late") },
			func() error { said.add("this must not run"); return nil },
		} {
			name := fmt.Sprintf("%d %s", i+1, []string{"well", "fails", "panics", "skipped"}[i])
			start := gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(time.Now().Add(time.Duration(i+1) * time.Second)))
			if _, err := s.NewJob(start, gocron.NewTask(f), gocron.WithName(name)); err != nil {
				t.Fatal(err)
			}
		}
		during(t, time.Minute, s, func(ctx context.Context, c *client.Client) {
			for run, err := range c.Runs(ctx, client.RunFilter{Task: task.ByName("4 skipped")}) {
				if err != nil || run.State != task.Failed || run.Error != "not now" {
					t.Errorf("%v %q, %v, want a failed run that says why", run.State, run.Error, err)
				}
			}
		})
		want := []string{
			"1 well before true", "1 well after",
			"2 fails before true", "2 fails error disk full",
			"3 panics before true", "3 panics panic too late",
			"4 skipped before true",
		}
		if !slices.Equal(said.said, want) {
			t.Errorf("%q, want %q", said.said, want)
		}
	})
}

// A start that has passed is that of an earlier start of the same program.
func TestAStartInThePastSetsTheBeatAndBringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said diary
		s := scheduler(t)
		write := func(name string) { said.add("%s %s", name, time.Now().UTC().Format(time.TimeOnly)) }
		past := gocron.WithStartAt(gocron.WithStartDateTimePast(time.Now().Add(-40 * time.Minute)))
		_, err := s.NewJob(gocron.DurationJob(time.Hour), gocron.NewTask(write, "every"), past, gocron.WithName("every"))
		_, err2 := s.NewJob(gocron.CronJob("30 * * * *", false), gocron.NewTask(write, "cron"), past, gocron.WithName("cron"), gocron.WithLimitedRuns(1))
		_, err3 := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(time.Now().Add(-time.Minute))), gocron.NewTask(write, "once"), gocron.WithName("once"))
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		during(t, 2*time.Hour, s, nil)
		if want := []string{"every 00:20:00", "cron 00:30:00", "every 01:20:00"}; !slices.Equal(said.said, want) {
			t.Errorf("%q, want %q", said.said, want)
		}
	})
}
