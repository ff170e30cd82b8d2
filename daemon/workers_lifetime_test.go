package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// forWorkers makes a task that workers run, and of which none is there.
func forWorkers(t *testing.T, c *client.Client, name string, trigger schedule.Trigger) {
	t.Helper()
	d := task.Declaration{Name: name, Trigger: trigger, Spec: &task.TargetSpec{Worker: &task.WorkerSpec{}}}
	if _, err := c.CreateTask(t.Context(), d, client.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestAStartUpTaskThatWaitsForAWorkerKeepsNothingElseWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		forWorkers(t, c, "warm", schedule.Trigger{Kind: schedule.OnStartUp{}})
		w.start(at("tick", "every 1m", 0))
		w.sleep(time.Hour)
		if n := len(w.runs("tick")); n != 60 {
			t.Errorf("%d runs in an hour in which no worker came, want 60", n)
		}
		if run := w.runs("warm")[0]; run.State != task.Scheduled || run.Reason != task.ReasonWorker {
			t.Errorf("run %+v", run)
		}
	})
}

func TestAShutDownTaskOfWorkersDoesNotHoldUpTheStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.grace = time.Minute
		c := w.start()
		forWorkers(t, c, "flush", schedule.Trigger{Kind: schedule.OnShutDown{}})
		begun := time.Now()
		w.stop()
		if took := time.Since(begun); took >= w.grace {
			t.Errorf("it took %s to stop, though no worker is given anything any more", took)
		}
		w.start()
		if run := w.runs("flush")[0]; run.State != task.Scheduled || run.Reason != task.ReasonWorker {
			t.Errorf("run %+v", run)
		}
	})
}
