package daemon_test

import (
	"context"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
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

func TestWhatGoesOfARenamedTaskIsCanceledWithItAndNotWithAnotherOfItsFormerName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var j journal
		waits := daemon.Func(func(ctx context.Context, _ daemon.Run) (any, error) {
			<-ctx.Done()
			j.write(context.Cause(ctx).Error())
			return nil, context.Cause(ctx)
		})
		old := daemon.Task{Name: "old", Trigger: schedule.MustParse("every 1h"), Do: waits}
		renamed := old
		renamed.Name, renamed.FormerNames = "new", []string{"old"}
		reload := func(tasks ...daemon.Task) {
			if err := w.d.Reload(t.Context(), daemon.Config{Tasks: tasks}); err != nil {
				t.Fatal(err)
			}
		}
		c := w.start(old)
		if _, err := c.RunTask(t.Context(), ref("old"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		reload(renamed)
		renamed.FormerNames = nil
		reload(renamed, at("old", "every 1h", 0))
		reload(renamed)
		if err := c.DeleteTask(t.Context(), ref("old"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if got := j.read(); got != "" {
			t.Errorf("it ended with another task: %s", got)
		}
		reload()
		if err := c.DeleteTask(t.Context(), ref("new"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if got := j.read(); got == "" {
			t.Error("it goes on though its task is deleted")
		}
	})
}
