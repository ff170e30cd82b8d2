package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func TestATaskOfACallerThatADaemonClaimedInVainGoesOnWithOneThatCanRunIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		made, err := c.CreateTask(t.Context(), task.Declaration{
			Name: "made", Trigger: schedule.MustParse("every 1m"), Spec: &task.TargetSpec{HTTP: &task.HTTPSpec{URL: "http://127.0.0.1:1"}},
		}, client.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.stop()
		// As a claim leaves a task that it has no entry for.
		_, err = w.store.Update(t.Context(), []uuid.UUID{made.ID}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			stored.State, stored.Clock.NextFireTime = task.Orphaned, time.Time{}
			return store.Change{Task: stored}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		if got := w.task("made"); got.State != task.Active || !got.Clock.NextFireTime.Equal(midnight.Add(time.Minute)) {
			t.Errorf("state %d, next fire %s", got.State, got.Clock.NextFireTime)
		}
	})
}
