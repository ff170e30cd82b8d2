package daemon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// override puts a trigger in force until an instant, in seconds after midnight.
func (w *world) override(name, trigger string, second int) {
	w.t.Helper()
	o := client.UpdateOptions{Reason: "for a while", ExpireTime: midnight.Add(time.Duration(second) * time.Second)}
	if _, err := w.d.Client().UpdateTrigger(w.t.Context(), ref(name), schedule.MustParse(trigger), o); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnOverrideEndsAtItsExpireTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 10s", 0), at("exact", "every 10s", 0))
		w.override("job", "every 3s", 7)
		w.override("exact", "every 3s", 6)
		w.sleep(7 * time.Second)
		if got := w.task("job"); got.Override != nil || got.Trigger().String() != "every 10s" || got.State != task.Active {
			t.Errorf("after its time: %+v", got)
		}
		w.sleep(20 * time.Second)
		w.wantRuns("job", "00:00:03 succeeded", "00:00:06 succeeded", "00:00:17 succeeded", "00:00:27 succeeded")
		// A fire at that instant is still its own.
		w.wantRuns("exact", "00:00:03 succeeded", "00:00:06 succeeded", "00:00:16 succeeded", "00:00:26 succeeded")
		override := `"override":{"actor":"in-process","expire_time":"2000-01-01T00:00:07Z","on_declared_change":"yield","reason":"for a while","trigger":"every 3s"},"trigger":"every 3s"`
		w.wantAudit("job", 2, `00:00:07 expired by clockd (its expire_time came): {`+override+`} -> {"trigger":"every 10s"}`)
	})
}

func TestAnOverrideEndsAtItsExpireTimeThoughTheDaemonIsDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 10s", 0)
		job.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
		merged := at("merged", "every 10s", 0)
		merged.Policy.Overlap = task.OverlapAllow
		w.start(job, merged)
		w.override("job", "every 3s", 7)
		w.override("merged", "every 3s", 7)
		w.sleep(2 * time.Second)
		w.stop()
		w.sleep(28 * time.Second)
		w.start(job, merged)
		w.sleep(7 * time.Second)
		w.wantRuns("job", "00:00:03 succeeded, 27s late", "00:00:06 succeeded, 24s late",
			"00:00:17 succeeded, 13s late", "00:00:27 succeeded, 3s late", "00:00:37 succeeded")
		w.wantRuns("merged", "00:00:06 succeeded, 2 fires from 00:00:03, 24s late",
			"00:00:27 succeeded, 2 fires from 00:00:17, 3s late", "00:00:37 succeeded")
		w.wantDeeds("job", 2, "expired by clockd")
		if at := w.events("job")[2].Time; !at.Equal(midnight.Add(7 * time.Second)) {
			t.Errorf("it expired at %s", at)
		}
	})
}

func TestAnOverrideThatIsOverBeforeItsExpireTimeLeavesTheTaskActive(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0), at("reset", "every 10s", 0), at("paused", "every 10s", 0))
		for _, name := range []string{"job", "reset", "paused"} {
			w.override(name, "every 5s", 8)
		}
		w.sleep(6 * time.Second)
		if got := w.task("job"); got.State != task.Active || !got.Clock.NextFireTime.IsZero() {
			t.Errorf("before its time: %v, next %v", got.State, got.Clock.NextFireTime)
		}
		if p, err := c.PreviewTask(t.Context(), ref("job"), time.Time{}, 2); err != nil || len(p.Fires) != 2 || !p.Fires[0].Time.Equal(midnight.Add(18*time.Second)) {
			t.Errorf("preview %+v, %v", p, err)
		}
		if _, err := c.ResetTrigger(t.Context(), ref("reset"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PauseTask(t.Context(), ref("paused"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(3 * time.Second)
		if got := w.task("paused"); got.State != task.Paused || got.Override != nil {
			t.Errorf("paused: %+v", got)
		}
		w.sleep(9 * time.Second)
		w.wantRuns("job", "00:00:05 succeeded", "00:00:18 succeeded")
		w.wantRuns("reset", "00:00:05 succeeded", "00:00:16 succeeded")
		w.wantDeeds("reset", 2, "trigger reset by in-process") // and nothing later
		w.wantDeeds("paused", 2, "paused by in-process", "expired by clockd")
	})
}

func TestAnExpireTimeMustLieAhead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		w.sleep(time.Minute)
		_, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1s"), client.UpdateOptions{ExpireTime: midnight.Add(time.Second)})
		if invalid := (*task.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Violations[0].Field != "expire_time" {
			t.Errorf("it has passed: %v", err)
		}
		_, err = c.PauseTask(t.Context(), ref("job"), client.PauseOptions{ResumeTime: midnight.Add(time.Second)})
		if invalid := (*task.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Violations[0].Field != "resume_time" {
			t.Errorf("it has passed: %v", err)
		}
	})
}

func TestAnExpireTimeComesAfterTheClockWasSet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 1h", 0))
		w.override("job", "every 30m", 60)
		w.sleep(10 * time.Second)
		w.set(time.Minute)
		w.sleep(2 * time.Second)
		if got := w.task("job"); got.Override != nil {
			t.Errorf("its time has come: %+v", got)
		}
	})
}
