package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// dense has instants at 00:00:11.2, 11.9, 12.6 and 13.3 that are excluded; the fire after them, at 14.0, is claimed two
// seconds ahead of that.
const dense = "every 700ms exclude(window 00:00:11-00:00:14 UTC)"

// aheadOf starts a task with that trigger, and returns when the fire is recorded and what is excluded has not all come.
func aheadOf(t *testing.T, w *world) {
	t.Helper()
	w.register = func(cfg *daemon.Config) { cfg.ClaimAhead = 2 * time.Second }
	w.start(at("job", dense, 0))
	w.sleep(12*time.Second + 700*time.Millisecond)
	if runs := w.runs("job"); !runs[len(runs)-1].ScheduledTime.Equal(midnight.Add(14 * time.Second)) {
		t.Fatalf("the last run is %s", story(runs[len(runs)-1]))
	}
}

// ended are the records that have ended.
func ended(w *world) map[task.RunID]string {
	out := map[task.RunID]string{}
	for _, r := range w.runs("job") {
		if r.State.Ended() {
			out[r.ID] = story(r)
		}
	}
	return out
}

// wantExcluded looks whether so many excluded instants have one record each, and none has one from before it came.
func wantExcluded(t *testing.T, w *world, want int64) {
	t.Helper()
	seen := int64(0)
	for _, r := range w.runs("job") {
		if r.Reason != task.ReasonExcluded {
			continue
		}
		if seen += r.Fires; r.EndTime.Before(r.ScheduledTime) {
			t.Errorf("recorded at %s, before it came: %s", r.EndTime, story(r))
		}
	}
	if counts := w.task("job").Counts; seen != want || counts.SkippedExcluded != want {
		t.Errorf("%d excluded instants are recorded and %d counted, want %d", seen, counts.SkippedExcluded, want)
	}
}

// A watch that was away is told to forget what had not ended, and of what is open: if what has ended could be taken
// back, it would know it for ever.
func TestWhatHasEndedIsNotTakenBackWithAFireThatWasClaimedAhead(t *testing.T) {
	for what, change := range map[string]func(w *world, c *client.Client) error{
		"another trigger": func(w *world, c *client.Client) error {
			_, err := c.UpdateTrigger(w.t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{})
			return err
		},
		"a pause": func(w *world, c *client.Client) error {
			_, err := c.PauseTask(w.t.Context(), ref("job"), client.PauseOptions{})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				aheadOf(t, w)
				before := ended(w)
				if err := change(w, w.d.Client()); err != nil {
					t.Fatal(err)
				}
				after := ended(w)
				for id, story := range before {
					if after[id] != story {
						t.Errorf("run %d was told as %q, and is now %q", id, story, after[id])
					}
				}
				wantExcluded(t, w, 3) // up to 12.6
			})
		})
	}
}

func TestAProgramWithAnotherTriggerAfterACrashKnowsOfNoExcludedInstantThatDidNotCome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		w.grace = time.Millisecond
		aheadOf(t, w)
		w.crash(&down)
		w.start(at("job", "every 1h", 0))
		wantExcluded(t, w, 3)
	})
}

func TestWhatIsExcludedWhenAFireIsClaimedAheadIsRecordedWithTheNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		aheadOf(t, w)
		wantExcluded(t, w, 2)
		w.sleep(3 * time.Second)
		wantExcluded(t, w, 4)
		w.start(at("job", dense, 0))
		wantExcluded(t, w, 4)
	})
}
