package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestAStopLeavesAWaitingFireThatTheNextStartStartsAtItsInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		w.waiting(start, at("job", spread, 0))
		for range 3 {
			w.stop()
			if left, err := w.store.Unfinished(t.Context(), 0, 10); err != nil || len(left) != 1 || left[0].ID != 1 || left[0].Attempt != 0 {
				t.Fatalf("after the stop: %v, %v", left, err)
			}
			w.sleep(10 * time.Second)
			w.start(at("job", spread, 0))
			w.sleep(time.Second)
			w.wantRuns("job", "00:10:00 scheduled")
		}
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
		if got := w.task("job").Clock.FireCount; got != 1 {
			t.Errorf("%d fires are counted, want 1", got)
		}
	})
}

func TestAFireWhoseStartPassedAfterAStopIsStartedLateAndNotAsASecondAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		once := at("job", spread, 0)
		once.Policy.Delivery = task.AtMostOnce
		start := firstStart(t, "job")
		w.waiting(start, once)
		w.stop()
		w.until(start.Add(time.Minute))
		w.start(once)
		w.sleep(time.Second)
		if runs := w.runs("job"); len(runs) != 1 || runs[0].ID != 1 || runs[0].State != task.Succeeded || runs[0].Attempt != 1 {
			t.Errorf("after the stop: %+v", runs)
		}
	})
}

func TestAWaitingFireOutlivesAStopAfterWhichItsTriggerCanNotBeUsed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.calendars = map[string][]schedule.Exclusion{"c": nil}
		c := w.start(at("job", "every 1h", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("once jitter=1h exclude(calendar c)"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		w.wantRuns("job", "00:00:00 scheduled")
		w.calendars = nil
		c = w.start(at("job", "every 1h", 0))
		if got := w.task("job"); got.State != task.Paused {
			t.Errorf("the task is %v", got.State)
		}
		if _, err := c.ResetTrigger(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.wantRuns("job", "00:00:00 scheduled")
	})
}

func TestACrashLeavesAWaitingFireThatTheNextStartStartsAtItsInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		start := firstStart(t, "job")
		w.waiting(start, at("job", spread, 0))
		id := w.runs("job")[0].ID
		for range 3 {
			w.crash(&down)
			w.start(at("job", spread, 0))
			w.sleep(time.Second)
			if runs := w.runs("job"); len(runs) != 1 || runs[0].ID != id || runs[0].State != task.Scheduled || runs[0].Attempt != 1 {
				t.Fatalf("after the crash: %+v", runs)
			}
		}
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
	})
}

func TestAWaitingFireWhoseStartPassedWhileNobodyWasThereIsStartedLateWhateverTheCatchUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tasks := []daemon.Task{at("job", spread, 0), at("none", spread, 0)}
		tasks[1].Policy.CatchUp = task.CatchUpNone
		start, other := firstStart(t, "job"), firstStart(t, "none")
		w.waiting(start, tasks...)
		w.stop()
		last := start
		if other.After(last) {
			last = other
		}
		w.until(last.Add(time.Minute))
		w.start(tasks...)
		w.sleep(time.Second)
		w.wantRuns("job", "00:10:00 succeeded, "+last.Add(time.Minute).Sub(start).String()+" late")
		w.wantRuns("none", "00:10:00 succeeded, "+last.Add(time.Minute).Sub(other).String()+" late") // it was claimed in time
	})
}
