package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestATaskHasOneRunForEachPlannedSecond(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("tick", "every 1s", 0))
		w.sleep(60 * time.Second)
		seen := map[time.Time]int{}
		for _, run := range w.runs("tick") {
			seen[run.ScheduledTime]++
			if run.State == task.Succeeded && run.Lateness() != 0 {
				t.Errorf("run at %s is late by %s", run.ScheduledTime, run.Lateness())
			}
		}
		for i := range 60 {
			if n := seen[midnight.Add(time.Duration(i+1)*time.Second)]; n != 1 {
				t.Errorf("second %d has %d runs", i+1, n)
			}
		}
	})
}

func TestFixedRateDoesNotDriftWhenRunsAreSlow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("slow", "every 1s max=4", 700*time.Millisecond))
		w.sleep(10 * time.Second)
		w.wantRuns("slow", "00:00:01 succeeded", "00:00:02 succeeded", "00:00:03 succeeded", "00:00:04 succeeded")
		if got := w.task("slow"); got.State != task.Exhausted || got.Clock.FireCount != 4 {
			t.Errorf("state %d after %d fires, want exhausted after 4", got.State, got.Clock.FireCount)
		}
	})
}

func TestAFireIsSkippedWhileTheRunBeforeIsGoing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("slow", "every 1s max=4", 1500*time.Millisecond))
		w.sleep(10 * time.Second)
		w.wantRuns("slow", "00:00:01 succeeded", "00:00:02 skipped overlap", "00:00:03 succeeded", "00:00:04 skipped overlap")
	})
}

func TestRunsGoSideBySideWhereOverlapIsAllowed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		slow := at("slow", "every 1s max=3", 1500*time.Millisecond)
		slow.Policy.Overlap = task.OverlapAllow
		w.start(slow)
		w.sleep(10 * time.Second)
		w.wantRuns("slow", "00:00:01 succeeded", "00:00:02 succeeded", "00:00:03 succeeded")
	})
}

func TestForeverStartsAgainWhenTheRunHasEnded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("loop", "forever max=3", time.Minute))
		w.sleep(10 * time.Minute)
		w.wantRuns("loop", "00:00:00 succeeded", "00:01:00 succeeded", "00:02:00 succeeded")
	})
}

func TestFixedDelayCountsFromTheEndOfTheRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("poll", "every 10s immediate fixed-delay max=3", 5*time.Second))
		w.sleep(10 * time.Minute)
		w.wantRuns("poll", "00:00:00 succeeded", "00:00:15 succeeded", "00:00:30 succeeded")
	})
}

func TestForeverWaitsForACallThatIsGoingInsteadOfSpinning(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("loop", "forever max=3 from=2000-01-01T00:00:10Z", 30*time.Second))
		if _, err := c.RunTask(t.Context(), ref("loop"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(10 * time.Minute)
		w.wantRuns("loop", "00:00:00 succeeded, called", "00:00:10 skipped overlap", "00:00:30 succeeded", "00:01:00 succeeded")
	})
}

func TestAnyOfFiresForEachOfItsTriggers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("both", "any(every 10s max=2; at 00:00:15 UTC; every 20s) until=2000-01-01T00:00:50Z", 0))
		w.sleep(time.Minute)
		// 00:00:20 is an instant of two triggers, and one fire.
		w.wantRuns("both", "00:00:10 succeeded", "00:00:15 succeeded", "00:00:20 succeeded", "00:00:40 succeeded")
	})
}

func TestStartUpRunsEndBeforeAnythingElseFiresAndShutDownRunsComeLast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var j journal
		says := func(name, trigger string, takes time.Duration) daemon.Task {
			return daemon.Task{Name: name, Trigger: schedule.MustParse(trigger), Do: daemon.Func(
				func(ctx context.Context, _ daemon.Run) (any, error) {
					j.write(name)
					time.Sleep(takes)
					j.write("/" + name)
					return nil, nil
				})}
		}
		w.start(says("up", "startup", 3*time.Second), says("tick", "every 2s max=2", 500*time.Millisecond), says("down", "shutdown", 0))
		w.sleep(4800 * time.Millisecond)
		w.stop()
		if got, want := j.read(), "up /up tick /tick tick /tick down /down"; got != want {
			t.Errorf("order %q, want %q", got, want)
		}
		w.start(says("up", "startup", 0), says("tick", "every 2s max=2", 0), says("down", "shutdown", 0))
		w.sleep(time.Second)
		if got := w.task("up"); got.Clock.FireCount != 2 || got.State != task.Active {
			t.Errorf("start-up task: %d fires in state %d, want 2 and active", got.Clock.FireCount, got.State)
		}
	})
}

func TestHowARunEndsIsRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		once := func(name string, f func(context.Context, daemon.Run) (any, error)) daemon.Task {
			return daemon.Task{Name: name, Trigger: schedule.MustParse("once"), Do: daemon.Func(f), Policy: task.Policy{Timeout: time.Second}}
		}
		w.start(
			once("good", func(_ context.Context, r daemon.Run) (any, error) {
				return map[string]any{"attempt": r.Attempt}, nil
			}),
			once("bad", func(context.Context, daemon.Run) (any, error) { return "so far", errors.New("no paper") }),
			once("slow", func(ctx context.Context, _ daemon.Run) (any, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}),
			once("panics", func(context.Context, daemon.Run) (any, error) { panic("at the disco") }),
		)
		w.sleep(2 * time.Second)
		for name, want := range map[string]struct {
			state         task.RunState
			output, error string
		}{
			"good":   {task.Succeeded, `{"attempt":1}`, ""},
			"bad":    {task.Failed, `"so far"`, "no paper"},
			"slow":   {task.TimedOut, "", "timed out after 1s"},
			"panics": {task.Failed, "", "panic: at the disco"},
		} {
			runs := w.runs(name)
			if len(runs) != 1 {
				t.Fatalf("%q has %d runs", name, len(runs))
			}
			run, err := w.d.Client().Run(t.Context(), runs[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if run.State != want.state || string(run.Output) != want.output || run.Error != want.error {
				t.Errorf("%q ended in state %d with output %s and error %q", name, run.State, run.Output, run.Error)
			}
		}
	})
}

func TestARunThatTakesLongIsSeenToBeRunning(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("long", "once", time.Hour))
		w.sleep(time.Minute)
		w.wantRuns("long", "00:00:00 running")
		w.sleep(time.Hour)
		w.wantRuns("long", "00:00:00 succeeded")
	})
}

// A fire that is let go has started: not when its goroutine comes to its turn, which on a busy machine is after the
// answer to a pause that found it going.
func TestARunHasStartedFromWhenItIsLetGo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var asked atomic.Int64
		w.register = func(cfg *daemon.Config) {
			// No two askers get the same time.
			cfg.SetClock(func() time.Time { return w.now().Add(time.Duration(asked.Add(1)) * time.Microsecond) })
		}
		var tasks []daemon.Task
		for i := range 50 {
			tasks = append(tasks, at(fmt.Sprintf("task%02d", i), `cron "*/10 * * * * *" UTC`, 0))
		}
		w.start(tasks...)
		w.sleep(11 * time.Second)
		var runs []task.Run
		for _, d := range tasks {
			runs = append(runs, w.runs(d.Name)...)
		}
		slices.SortFunc(runs, func(a, b task.Run) int { return int(a.ID - b.ID) })
		if len(runs) != len(tasks) {
			t.Fatalf("there are %d runs", len(runs))
		}
		for i := range runs[1:] {
			if a, b := &runs[i], &runs[i+1]; !a.StartTime.Before(b.StartTime) {
				t.Errorf("run %d was let go before run %d, and started at %s, not before %s", a.ID, b.ID, a.StartTime, b.StartTime)
			}
		}
	})
}
