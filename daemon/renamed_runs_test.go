package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

func TestAFireThatIsDueWhenItsTaskIsRenamedRuns(t *testing.T) {
	for name, delivery := range map[string]task.Delivery{"at least once": task.AtLeastOnce, "at most once": task.AtMostOnce} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				policy := task.Policy{Delivery: delivery}
				w.start(with(at("old", "every 1m", 0), policy))
				w.sleep(90 * time.Second)
				w.stop()
				w.sleep(2 * time.Minute) // 00:03:30
				renamed := with(at("new", "every 1h", 0), policy)
				renamed.FormerNames = []string{"old"}
				w.start(renamed)
				w.sleep(time.Second)
				w.wantRuns("new", "00:01:00 succeeded", "00:03:00 succeeded, 2 fires from 00:02:00, 30s late")
			})
		})
	}
}
