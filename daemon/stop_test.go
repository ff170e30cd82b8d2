package daemon_test

import (
	"context"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
)

func TestShutDownTriggersFireAfterRunsHadToBeCanceled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		slow := daemon.Task{Name: "slow", Trigger: schedule.MustParse("once"), Do: daemon.Func(
			func(ctx context.Context, _ daemon.Run) (any, error) {
				<-ctx.Done()
				time.Sleep(w.grace / 2) // it tidies up
				return nil, ctx.Err()
			})}
		tasks := []daemon.Task{slow, at("down", "shutdown", 0)}
		w.start(tasks...)
		w.sleep(time.Second)
		w.start(tasks...)
		w.wantRuns("slow", "00:00:00 canceled")
		w.wantRuns("down", "00:00:02.5 succeeded")
	})
}

func TestARunThatIgnoresItsContextHoldsUpTheStopForTwoGracePeriods(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		deaf := daemon.Task{Name: "deaf", Trigger: schedule.MustParse("once"), Do: daemon.Func(
			func(context.Context, daemon.Run) (any, error) { time.Sleep(time.Hour); return nil, nil })}
		w.start(deaf)
		w.sleep(time.Second)
		began := time.Now()
		w.stop()
		// The two seconds are for commands that are killed at the end of the second.
		if took := time.Since(began); took != 2*w.grace+2*time.Second {
			t.Errorf("the stop took %s, want two grace periods of %s and 2s", took, w.grace)
		}
		w.sleep(time.Hour)
	})
}

func TestAStopGivesBackFiresThatAreNotDue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 10s", 0))
		w.sleep(9900 * time.Millisecond)
		w.wantRuns("job", "00:00:10 scheduled")
		w.stop()
		w.start(at("job", "every 10s", 0))
		w.sleep(time.Second)
		w.wantRuns("job", "00:00:10 succeeded")
	})
}

func TestAStopWaitsForRunsAndThenCancelsThem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.grace = 10 * time.Second
		w.start(at("quick", "once", 5*time.Second), at("slow", "once", time.Hour))
		w.sleep(time.Second)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the stop took %s, want the grace period", took)
		}
		w.start(at("quick", "once", 0), at("slow", "once", 0))
		w.wantRuns("quick", "00:00:00 succeeded")
		w.wantRuns("slow", "00:00:00 canceled")
	})
}
