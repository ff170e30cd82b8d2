package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

func TestAClockThatGoesForwardIsNoticedWithinASecond(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("daily", "at 12:00 UTC", 0))
		w.sleep(10 * time.Second)
		w.set(11*time.Hour + 59*time.Minute + 50*time.Second) // it is noon
		w.sleep(time.Second)
		runs := w.runs("daily")
		if len(runs) != 1 || runs[0].Lateness() > time.Second || runs[0].State != task.Succeeded {
			t.Errorf("runs %+v", runs)
		}
	})
}

func TestASleepOfTheMachineIsCaughtUpWithAsTheTaskSays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, all, none := at("one", "every 10m", 0), at("all", "every 10m", 0), at("none", "every 10m", 0)
		all.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
		none.Policy.CatchUp = task.CatchUpNone
		w.start(one, all, none)
		w.sleep(time.Minute)
		w.set(35 * time.Minute) // 00:36
		w.sleep(time.Second)
		w.wantRuns("one", "00:30:00 succeeded, 3 fires from 00:10:00, 6m1s late")
		w.wantRuns("none", "00:30:00 missed late, 3 fires from 00:10:00")
		if n := len(w.runs("all")); n != 3 {
			t.Errorf("catch-up ALL made %d runs", n)
		}
		w.sleep(4 * time.Minute) // 00:40:01
		for _, name := range []string{"one", "all", "none"} {
			runs := w.runs(name)
			if last := runs[len(runs)-1]; last.ScheduledTime.Format("15:04") != "00:40" || last.Lateness() != 0 {
				t.Errorf("%s goes on with %s", name, story(last))
			}
		}
	})
}

func TestAClockThatGoesBackFiresNothingTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("grid", "every 10s", 0), at("wall", `cron "* * * * *" UTC`, 0), at("after", "forever", 7*time.Second), at("delay", "every 5s fixed-delay", time.Second))
		w.sleep(5*time.Minute + 100*time.Millisecond)
		before := map[string]int{}
		for _, name := range []string{"grid", "wall", "after", "delay"} {
			before[name] = len(w.runs(name))
		}
		w.set(-3 * time.Minute)
		w.sleep(2 * time.Minute)
		for name, n := range before {
			if more := len(w.runs(name)) - n; more > 1 { // one may have been going, and what follows it is recorded
				t.Errorf("%s: %d runs while the clock shows what it has shown", name, more)
			}
		}
		w.sleep(2 * time.Minute) // a minute past where the clock stood
		for name := range before {
			seen := map[time.Time]bool{}
			runs := w.runs(name)
			for _, r := range runs {
				if seen[r.ScheduledTime] {
					t.Errorf("%s: %s has two runs", name, r.ScheduledTime)
				}
				seen[r.ScheduledTime] = true
			}
			if last := runs[len(runs)-1]; last.ScheduledTime.Before(midnight.Add(5*time.Minute + 40*time.Second)) {
				t.Errorf("%s does not go on: the last is %s", name, story(last))
			}
		}
	})
}

func TestAFireThatWasClaimedAheadWaitsForItsInstantToComeAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("grid", "every 10s", 0))
		w.sleep(10*time.Second - 50*time.Millisecond) // claimed, not due
		w.set(-time.Minute)
		w.sleep(30 * time.Second)
		w.wantRuns("grid", "00:00:10 scheduled")
		w.sleep(31 * time.Second)
		w.wantRuns("grid", "00:00:10 succeeded")
	})
}

func TestWhatFollowsARunGoesOnWhenTheClockWentBackDuringACallThatSkippedIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		again := at("again", "forever from=2000-01-01T00:00:30Z", time.Minute)
		c := w.start(again)
		w.sleep(29 * time.Second)
		if _, err := c.RunTask(t.Context(), task.ByName("again"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(20 * time.Second) // the fire at 00:00:30 is skipped because of the call
		w.set(-10 * time.Minute)
		w.sleep(15 * time.Minute)
		if last := w.task("again").LastRun; last == nil || last.ScheduledTime.Before(midnight.Add(3*time.Minute)) {
			t.Errorf("the last run is %s", story(*last))
		}
	})
}
