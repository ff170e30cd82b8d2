package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
)

// The time at which a bubble begins: midnight UTC.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// world is a store that outlives daemons, and the tasks that they declare, in a bubble of fake time.
type world struct {
	t     *testing.T
	store store.Store
	log   *slog.Logger
	// grace is the StopGrace of the daemons.
	grace time.Duration
	// step is how far the machine's clock was set, beside the time of the bubble.
	step atomic.Int64
	// calendars are those of the daemons, and register adds their custom kinds. Nil: none.
	calendars map[string][]schedule.Exclusion
	register  func(*daemon.Config)

	d   *daemon.Daemon
	end func()

	mu     sync.Mutex
	faults []string // guarded by mu
}

// fault notes what is wrong with a history, for report.
func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// report tells of a history that has faults, and of those last: of a long log often only the end is kept.
func (w *world) report(lines []string) {
	w.t.Helper()
	if len(w.faults) > 0 || w.t.Failed() {
		w.t.Log("the history:\n" + strings.Join(lines, "\n"))
	}
	if len(w.faults) > 0 {
		w.t.Errorf("%s:\n%s", w.t.Name(), strings.Join(w.faults, "\n"))
	}
}

// inWorld runs a test in a bubble, once on each store.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T, now func() time.Time) store.Store{
		"memory": func(_ *testing.T, now func() time.Time) store.Store {
			return memory.New(memory.Config{Namespace: "default", Now: now})
		},
		"sqlite": func(t *testing.T, now func() time.Time) store.Store {
			s, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(t.TempDir(), "world.db"), Namespace: "default", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, log: slog.New(slog.NewTextHandler(t.Output(), nil)), grace: time.Second}
				w.store = open(t, w.now)
				inner := w.store
				f(t, w)
				w.stop()
				if err := inner.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// start starts a daemon with these tasks.
func (w *world) start(tasks ...daemon.Task) *client.Client {
	w.t.Helper()
	w.stop()
	cfg := daemon.Config{Store: w.store, Tasks: tasks, Logger: w.log, StopGrace: w.grace, Calendars: w.calendars}
	cfg.SetClock(w.now)
	if w.register != nil {
		w.register(&cfg)
	}
	return w.run(cfg)
}

// run starts a daemon with this configuration, and leaves to stop how it ends.
func (w *world) run(cfg daemon.Config) *client.Client {
	w.t.Helper()
	d, err := daemon.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	w.d = d
	w.end = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
	return d.Client()
}

// now is the machine's clock.
func (w *world) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.step.Load())) }

// set sets the machine's clock forward, or back.
func (w *world) set(by time.Duration) { w.step.Add(int64(by)) }

// stop stops the daemon in good order.
func (w *world) stop() {
	if w.end != nil {
		w.end()
	}
	w.end = nil
}

// sleep lets time pass, and then lets everything that is due at that moment be done.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// runs returns the runs of a task, the oldest first.
func (w *world) runs(name string) []task.Run {
	w.t.Helper()
	var out []task.Run
	for run, err := range w.d.Client().Runs(w.t.Context(), client.RunFilter{Task: task.ByName(name)}) {
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, run)
	}
	slices.Reverse(out)
	return out
}

// task returns a task.
func (w *world) task(name string) task.Task {
	w.t.Helper()
	got, err := w.d.Client().Task(w.t.Context(), task.ByName(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// wantRuns compares the runs of a task with lines such as "00:00:01 succeeded": the planned instant, the
// state, and what else is unusual.
func (w *world) wantRuns(name string, want ...string) {
	w.t.Helper()
	var got []string
	for _, run := range w.runs(name) {
		got = append(got, story(run))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("runs of %q:\n  %s\nwant:\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// story tells a run in a line.
func story(r task.Run) string {
	reasons := map[task.Reason]string{task.ReasonOverlap: " overlap", task.ReasonPaused: " paused", task.ReasonLate: " late", task.ReasonOrphaned: " orphaned", task.ReasonExcluded: " excluded"}
	s := r.ScheduledTime.Format("15:04:05.999") + " " + r.State.String() + reasons[r.Reason]
	if r.Cause == task.ByCall {
		s += ", called"
	}
	if r.Fires > 1 {
		s += fmt.Sprintf(", %d fires from %s", r.Fires, r.FirstScheduledTime.Format("15:04:05.999"))
	}
	if late := r.Lateness(); late != 0 {
		s += ", " + late.String() + " late"
	}
	if r.Attempt > 1 {
		s += fmt.Sprintf(", attempt %d", r.Attempt)
	}
	return s
}

// at makes a task with a trigger in text form that takes that long.
func at(name, trigger string, takes time.Duration) daemon.Task {
	return does(name, schedule.MustParse(trigger), takes)
}

// does makes a task that takes that long. It is not inlined, which would change the name of the function.
//
//go:noinline
func does(name string, trigger schedule.Trigger, takes time.Duration) daemon.Task {
	return daemon.Task{Name: name, Trigger: trigger, Do: daemon.Func(
		func(ctx context.Context, _ daemon.Run) (any, error) {
			if takes == 0 {
				return nil, nil
			}
			select {
			case <-time.After(takes):
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})}
}

// journal collects lines from tasks.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) write(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) read() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

func ref(name string) task.Ref { return task.ByName(name) }
