package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// pauseUntil pauses a task until an instant, in seconds after midnight. 0: for good.
func (w *world) pauseUntil(name string, second int) {
	w.t.Helper()
	o := client.PauseOptions{Reason: "holiday"}
	if second != 0 {
		o.ResumeTime = midnight.Add(time.Duration(second) * time.Second)
	}
	if _, err := w.d.Client().PauseTask(w.t.Context(), ref(name), o); err != nil {
		w.t.Fatal(err)
	}
}

func TestAPauseEndsAtItsResumeTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 10s", 0))
		w.sleep(15 * time.Second)
		w.pauseUntil("job", 45)
		w.sleep(30 * time.Second)
		if got := w.task("job"); got.State != task.Active || got.Pause != nil {
			t.Errorf("after its time: %+v", got)
		}
		w.sleep(5 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:40 skipped paused, 3 fires from 00:00:20", "00:00:50 succeeded")
		w.wantAudit("job", 2, `00:00:45 resumed by clockd (its resume_time came): {"pause":{"actor":"in-process","reason":"holiday","resume_time":"2000-01-01T00:00:45Z"}} -> `)
	})
}

func TestAPauseEndsAtItsResumeTimeThoughTheDaemonIsDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 10s", 0)
		job.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
		w.start(job)
		w.sleep(15 * time.Second)
		w.pauseUntil("job", 45)
		w.stop()
		w.sleep(48 * time.Second)
		w.start(job)
		w.sleep(7 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:40 skipped paused, 3 fires from 00:00:20",
			"00:00:50 succeeded, 13s late", "00:01:00 succeeded, 3s late", "00:01:10 succeeded")
		w.wantDeeds("job", 2, "resumed by clockd")
	})
}

func TestTheLastWordOnAPauseCounts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("longer", "every 10s", 0), at("for good", "every 10s", 0), at("resumed", "every 10s", 0), at("both", "every 10s", 0))
		for _, name := range []string{"longer", "for good", "resumed"} {
			w.pauseUntil(name, 5)
		}
		w.pauseUntil("longer", 15)
		w.pauseUntil("for good", 0)
		if _, err := c.ResumeTask(t.Context(), ref("resumed"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.override("both", "every 4s", 9) // while it is paused
		w.pauseUntil("both", 6)
		w.sleep(21 * time.Second)
		w.wantRuns("longer", "00:00:10 skipped paused", "00:00:20 succeeded")
		w.wantRuns("for good")
		w.wantRuns("resumed", "00:00:10 succeeded", "00:00:20 succeeded")
		w.wantRuns("both", "00:00:04 skipped paused", "00:00:08 succeeded", "00:00:19 succeeded")
		w.wantDeeds("resumed", 1, "paused by in-process", "resumed by in-process")
		w.wantDeeds("both", 3, "resumed by clockd", "expired by clockd")
	})
}
