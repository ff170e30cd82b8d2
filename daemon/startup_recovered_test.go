package daemon_test

import (
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestAStartUpRunThatWaitsForTheOneOfADeadProcessKeepsNothingElseWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		inner := w.store
		w.store = &hooked{Store: inner, before: down.before}
		boot := does("boot", schedule.Trigger{Kind: schedule.OnStartUp{}}, 2*time.Minute)
		boot.Policy.Overlap = task.OverlapQueue
		tick := at("tick", "every 1m", 0)
		w.start(boot, tick)
		w.sleep(time.Second)
		var dying sync.WaitGroup
		w.die(&down, &dying)
		w.store = inner
		w.start(boot, tick)
		w.sleep(10 * time.Minute)
		w.wantRuns("boot", "00:00:00 succeeded, 1.005s late, attempt 2", "00:00:01.005 succeeded, 2m0s late")
		if n := len(w.runs("tick")); n < 6 {
			t.Errorf("%d runs of another task in ten minutes, want at least 6", n)
		}
		dying.Wait()
	})
}
