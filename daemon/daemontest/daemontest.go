package daemontest

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/task"
)

// Daemon is a daemon that runs until its test ends. Its Client is the way to everything that has no method here, and
// daemon.Call(ctx, d.Daemon, f) calls a function with what is provided. Methods that can fail the test are, as
// t.Fatal, for the goroutine of the test.
type Daemon struct {
	*daemon.Daemon

	t      testing.TB
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned
	err    error         // what it returned, once ended is closed
	told   sync.Once     // that it failed
}

// Start makes a daemon, runs it, and returns when it is ready. When the test ends it is stopped, and that Run returned
// an error fails the test; so does, at once, a Config that daemon.New refuses, and a daemon that does not come up.
//
// A nil Logger is the log of the test, which is shown if the test fails or is verbose. The Store, if there is one, stays
// the caller's to close: with a t.Cleanup before Start, which comes after the stop.
func Start(t testing.TB, cfg daemon.Config) *Daemon {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	made, err := daemon.New(cfg)
	if err != nil {
		t.Fatalf("the daemon can not be made: %v", err)
	}
	// Not the context of the test, which ends before what is left to Cleanup: the daemon is there for that.
	ctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{Daemon: made, t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		d.err = made.Run(ctx)
	}()
	t.Cleanup(d.Stop)
	select {
	case <-d.Ready():
	case <-d.ended:
		d.told.Do(func() {}) // here, and not once more at the end
		t.Fatalf("the daemon did not come up: %v", d.err)
	}
	return d
}

// Stop stops the daemon in order, and fails the test if its Run returned an error. After that the Client does not answer
// any more. Once it has stopped, Stop does nothing.
func (d *Daemon) Stop() {
	d.t.Helper()
	d.cancel()
	<-d.ended
	d.told.Do(func() {
		if d.err != nil {
			d.t.Errorf("the daemon failed: %v", d.err)
		}
	})
}

// Run makes a run of a task now, with this input (nil: none), and returns it whole when it has ended, whatever its State
// is then. That it could not be made fails the test.
func (d *Daemon) Run(name string, input any) task.Run {
	d.t.Helper()
	run, err := d.Client().RunTask(context.Background(), task.ByName(name), client.RunOptions{Input: input, Wait: true})
	if err != nil {
		d.t.Fatalf("a run of %q: %v", name, err)
	}
	return run
}

// Runs returns the runs of a task whole, the oldest first: those that ended, as far as the task keeps them, those that go,
// and those that are recorded and wait. That there is no such task fails the test.
func (d *Daemon) Runs(name string) []task.Run {
	d.t.Helper()
	ctx := context.Background()
	var runs []task.Run
	for run, err := range d.Client().Runs(ctx, client.RunFilter{Task: task.ByName(name)}) {
		if err == nil {
			run, err = d.Client().Run(ctx, run.ID)
		}
		if err != nil {
			d.t.Fatalf("the runs of %q: %v", name, err)
		}
		runs = append(runs, run)
	}
	slices.Reverse(runs)
	return runs
}
