package daemon_test

import (
	"context"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestAReloadThatTakesACalendarAwayPausesNoTaskThatDoesWithoutItAfterwards(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		end := make(chan error, 1)
		job := told("job", "every 1h", end, task.Policy{PauseAfterFailures: 9})
		job.Trigger = but("every 1m")
		w.calendars = holidays(30)
		inner, watched := w.store, false
		w.store = &hooked{Store: inner, before: func(call string) error {
			if call == "Update" && watched {
				// A run of the task ends before the reload has come to it.
				watched = false
				end <- errOut
				come(func() bool {
					page, err := inner.Runs(context.Background(), task.RunQuery{Limit: 1})
					return err != nil || page.Runs[0].State == task.Failed
				})
			}
			return nil
		}}
		w.start(job)
		w.sleep(61 * time.Second)
		watched = true
		job.Trigger = schedule.MustParse("every 1m")
		if err := w.d.Reload(t.Context(), daemon.Config{Tasks: []daemon.Task{job}}); err != nil {
			t.Fatal(err)
		}
		if got := w.task("job"); got.State != task.Active || got.Pause != nil {
			t.Errorf("state %d, pause %+v", got.State, got.Pause)
		}
	})
}
