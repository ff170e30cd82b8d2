package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestATaskIsPausedAfterSoManyFailedRunsInARow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(fails("job", "every 1s", 0, 9, task.Policy{PauseAfterFailures: 3}))
		w.sleep(10 * time.Second)
		w.wantTales("job", "1 failed 1-1", "2 failed 2-2", "3 failed 3-3")
		got := w.task("job")
		if got.State != task.Paused || got.Pause == nil || got.Pause.Actor != "clockd" || !strings.Contains(got.Pause.Reason, "3 runs failed in a row") ||
			!got.Clock.NextFireTime.IsZero() || got.FailureCount != 3 {
			t.Errorf("%+v, pause %+v", got, got.Pause)
		}
		events := 0
		for e, err := range c.AuditEvents(t.Context(), client.AuditFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Action == task.TaskPaused && e.Actor == "clockd" && e.TaskID == got.ID {
				events++
			}
		}
		if events != 1 {
			t.Errorf("%d events tell of it", events)
		}
		got, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{})
		if err != nil || got.State != task.Active || got.FailureCount != 0 {
			t.Errorf("resumed: %+v, %v", got, err)
		}
		w.sleep(10 * time.Second)
		if got := w.task("job"); got.State != task.Paused || got.FailureCount != 3 {
			t.Errorf("after it failed again: state %d, %d failures", got.State, got.FailureCount)
		}
	})
}

func TestASuccessBetweenFailuresKeepsATaskFromBeingPaused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := 0
		w.start(daemon.Task{
			Name: "job", Trigger: schedule.MustParse("every 1s max=9"), Policy: task.Policy{PauseAfterFailures: 3},
			Do: daemon.Func(func(_ context.Context, _ daemon.Run) (any, error) {
				n++
				if n%3 == 0 {
					return nil, nil
				}
				return nil, errOut
			}),
		})
		w.sleep(20 * time.Second)
		if got := w.task("job"); got.Pause != nil || got.Counts.Failed != 6 {
			t.Errorf("pause %+v, counts %+v", got.Pause, got.Counts)
		}
	})
}

func TestWhatWaitsForTheLastFailureIsSkippedAndTriesDoNotCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(
			fails("queue", "every 1s", 2500*time.Millisecond, 9, task.Policy{PauseAfterFailures: 1, Overlap: task.OverlapQueue}),
			fails("retry", "every 5s", 0, 9, task.Policy{PauseAfterFailures: 2, Retry: task.Retry{MaxAttempts: 3}}),
			fails("loop", "forever", time.Second, 9, task.Policy{PauseAfterFailures: 2}),
		)
		w.sleep(30 * time.Second)
		w.wantTales("queue", "1 failed 1-3.500", "2 skipped paused", "3 skipped overlap")
		w.wantTales("retry", "5 failed 8-8 #3", "10 failed 13-13 #3")
		w.wantTales("loop", "0 failed 0-1", "1 failed 1-2")
	})
}

func TestACallThatFailsCountsAsAFailure(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(fails("job", "every 1h", 0, 9, task.Policy{PauseAfterFailures: 2}))
		for range 2 {
			if _, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true}); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.task("job"); got.State != task.Paused {
			t.Errorf("state %d", got.State)
		}
		// A paused task still runs when it is asked to.
		run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true})
		if err != nil || run.State != task.Failed {
			t.Errorf("%+v, %v", run, err)
		}
	})
}

var errOut = errors.New("out of paper")

func TestAFireThatAPauseAfterFailuresSkipsDoesNotCountForTheLimitOfFires(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// The run of 1s fails when the fire of 2s has been claimed.
		c := w.start(fails("job", "every 1s max=3", 900*time.Millisecond, 9, task.Policy{PauseAfterFailures: 1, Overlap: task.OverlapAllow}))
		for range 4 {
			w.sleep(2 * time.Second)
			if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(10 * time.Second)
		failed := 0
		for _, run := range w.runs("job") {
			if run.State == task.Failed {
				failed++
			}
		}
		if got := w.task("job"); failed != 3 || got.Clock.FireCount != 3 || got.State != task.Exhausted {
			t.Errorf("%d runs, fire count %d, state %d: want 3 runs of 3 fires", failed, got.Clock.FireCount, got.State)
		}
	})
}
