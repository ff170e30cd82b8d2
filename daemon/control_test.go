package daemon_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestAChangedTriggerActsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		w.sleep(10 * time.Second)
		u, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1s max=3"), client.UpdateOptions{Reason: "faster"})
		if err != nil {
			t.Fatal(err)
		}
		if len(u.NextFires) != 3 || !u.NextFires[0].Time.Equal(midnight.Add(11*time.Second)) {
			t.Errorf("next fires %v", u.NextFires)
		}
		w.sleep(time.Minute)
		w.wantRuns("job", "00:00:11 succeeded", "00:00:12 succeeded", "00:00:13 succeeded")
		if _, err := c.ResetTrigger(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		got := w.task("job")
		if got.Override != nil || got.State != task.Active || !got.Clock.NextFireTime.Equal(midnight.Add(70*time.Second+time.Hour)) {
			t.Errorf("after the reset: %+v", got)
		}
	})
}

func TestAFireThatIsRecordedAndNotStartedIsTakenBackByAChange(t *testing.T) {
	for name, change := range map[string]func(context.Context, *client.Client) error{
		"update": func(ctx context.Context, c *client.Client) error {
			_, err := c.UpdateTrigger(ctx, ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{})
			return err
		},
		"pause": func(ctx context.Context, c *client.Client) error {
			_, err := c.PauseTask(ctx, ref("job"), client.PauseOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", "every 10s", 0))
				w.sleep(9950 * time.Millisecond)
				w.wantRuns("job", "00:00:10 scheduled")
				if err := change(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				w.sleep(time.Minute)
				w.wantRuns("job")
				if got := w.task("job"); got.Clock.FireCount != 0 || got.LastRun != nil {
					t.Errorf("%d fires are counted, last run %v", got.Clock.FireCount, got.LastRun)
				}
			})
		})
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		w.sleep(9950 * time.Millisecond) // a fire is recorded: it must come back into the queue
		before := w.task("job")

		_, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{Etag: "17"})
		if stale := (*task.StaleError)(nil); !errors.As(err, &stale) || stale.Want != "17" || stale.Have != before.Etag() {
			t.Errorf("stale etag: %v", err)
		}
		_, err = c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("once 1999-01-01T00:00:00Z"), client.UpdateOptions{})
		if invalid := (*task.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Violations[0].Field != "trigger" {
			t.Errorf("a trigger that has passed: %v", err)
		}
		_, err = c.UpdateTrigger(t.Context(), ref("nobody"), schedule.MustParse("every 1h"), client.UpdateOptions{})
		if !errors.Is(err, task.ErrTaskNotFound) {
			t.Errorf("no such task: %v", err)
		}
		u, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{ValidateOnly: true})
		if err != nil || u.Task.Override == nil || len(u.NextFires) != 10 {
			t.Errorf("validate only: %+v, %v", u, err)
		}
		if after := w.task("job"); after.Version != before.Version || after.Override != nil || after.Clock.FireCount != before.Clock.FireCount {
			t.Errorf("the task has changed: %+v", after)
		}
		w.sleep(time.Second)
		w.wantRuns("job", "00:00:10 succeeded")
	})
}

func TestInstantsThatPassWhilePausedAreRecordedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		w.sleep(15 * time.Second)
		paused, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{Reason: "holiday"})
		if err != nil || paused.State != task.Paused || !paused.Clock.NextFireTime.IsZero() || paused.Pause.Reason != "holiday" {
			t.Fatalf("paused: %+v, %v", paused, err)
		}
		w.sleep(time.Minute)
		w.start(at("job", "every 10s", 0)) // no restart ends a pause
		if got := w.task("job"); got.State != task.Paused {
			t.Fatalf("after a restart: %+v", got)
		}
		if _, err := w.d.Client().ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:01:10 skipped paused, 6 fires from 00:00:20", "00:01:20 succeeded")
		if got := w.task("job"); got.Clock.FireCount != 2 {
			t.Errorf("%d fires are counted, want 2: what passes while paused does not count", got.Clock.FireCount)
		}
	})
}

func TestACallRunsNowWhateverTheTriggerSays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		echo := daemon.Task{Name: "echo", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(
			func(_ context.Context, r daemon.Run) (any, error) {
				return map[string]string{"got": string(r.Input)}, nil
			})}
		c := w.start(echo)
		if _, err := c.PauseTask(t.Context(), ref("echo"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		before := w.task("echo").Clock
		run, err := c.RunTask(t.Context(), ref("echo"), client.RunOptions{Input: []int{1, 2}, Wait: true})
		if err != nil || run.State != task.Succeeded || string(run.Output) != `{"got":"[1,2]"}` || run.Cause != task.ByCall {
			t.Fatalf("run %+v, %v", run, err)
		}
		if after := w.task("echo").Clock; after.NextFireTime != before.NextFireTime || after.FireCount != before.FireCount {
			t.Errorf("the clock has moved: %+v", after)
		}
	})
}

func TestARepeatedRequestReturnsTheSameRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("a", "every 1h", time.Second), at("b", "every 1h", time.Second))
		id := uuid.MustParse("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
		first, err := c.RunTask(t.Context(), ref("a"), client.RunOptions{RequestID: id})
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.RunTask(t.Context(), ref("a"), client.RunOptions{RequestID: id, Wait: true})
		if err != nil || again.ID != first.ID || again.State != task.Succeeded {
			t.Errorf("again: %+v, %v", again, err)
		}
		_, err = c.RunTask(t.Context(), ref("b"), client.RunOptions{RequestID: id})
		if invalid := (*task.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Violations[0].Field != "request_id" {
			t.Errorf("for another task: %v", err)
		}
		w.wantRuns("a", "00:00:00 succeeded, called")
		w.wantRuns("b")
	})
}

func TestACallObeysOverlapUnlessItSaysOtherwise(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("slow", "every 1h", time.Minute))
		call := func(o client.RunOptions) task.Run {
			t.Helper()
			run, err := c.RunTask(t.Context(), ref("slow"), o)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		call(client.RunOptions{})
		w.sleep(time.Second)
		if run := call(client.RunOptions{Wait: true}); run.State != task.Skipped || run.Reason != task.ReasonOverlap {
			t.Errorf("second call: %s", story(run))
		}
		allow := task.OverlapAllow
		if run := call(client.RunOptions{Wait: true, Overlap: &allow}); run.State != task.Succeeded {
			t.Errorf("third call: %s", story(run))
		}
	})
}

func TestCancelEndsARunWhereverItIs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("slow", "every 10s", time.Hour))
		w.sleep(9900 * time.Millisecond)
		waiting := w.runs("slow")[0]
		run, err := c.CancelRun(t.Context(), waiting.ID, "not today")
		if err != nil || run.State != task.Canceled || run.Error != "canceled: not today" || !run.StartTime.IsZero() {
			t.Errorf("waiting: %+v, %v", run, err)
		}
		w.sleep(10200 * time.Millisecond)
		going := w.runs("slow")[1]
		run, err = c.CancelRun(t.Context(), going.ID, "")
		if err != nil || run.State != task.Canceled || run.StartTime.IsZero() {
			t.Errorf("going: %+v, %v", run, err)
		}
		if again, err := c.CancelRun(t.Context(), going.ID, ""); err != nil || again.State != task.Canceled {
			t.Errorf("ended: %+v, %v", again, err)
		}
		if _, err := c.CancelRun(t.Context(), 4711, ""); !errors.Is(err, task.ErrRunNotFound) {
			t.Errorf("no such run: %v", err)
		}
		w.wantRuns("slow", "00:00:10 canceled", "00:00:20 canceled")
	})
}

func TestAnUpdateAnswersWithTheFiresAfterAndBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s max=15", 0))
		w.sleep(9950 * time.Millisecond) // the first fire is recorded, and would be taken back
		want := task.TriggerUpdate{}
		for i := range 10 {
			want.NextFires = append(want.NextFires, task.Fire{Time: midnight.Add(9950*time.Millisecond + time.Duration(i+1)*time.Hour)})
			want.PreviousFires = append(want.PreviousFires, task.Fire{Time: midnight.Add(time.Duration(i+1) * 10 * time.Second)})
		}
		for _, o := range []client.UpdateOptions{{ValidateOnly: true}, {}} {
			got, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), o)
			if err != nil {
				t.Fatal(err)
			}
			got.Task = task.Task{}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("validate only: %v, -want +got\n%s", o.ValidateOnly, diff)
			}
		}

		// Paused, and with fires that were counted.
		w.sleep(time.Second)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 10s max=4"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(25 * time.Second)
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("startup"), client.UpdateOptions{ValidateOnly: true})
		if err != nil || len(got.NextFires) != 0 || len(got.PreviousFires) != 2 || !got.PreviousFires[0].Time.Equal(midnight.Add(40950*time.Millisecond)) {
			t.Errorf("two of four fires are left: %v, %v", got, err)
		}
	})
}

func TestAValidatedChangeLeavesARecordedFireAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		w.sleep(9950 * time.Millisecond)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{ValidateOnly: true}); err != nil {
			t.Fatal(err)
		}
		w.sleep(15 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded")
	})
}

func TestPreviewSaysWhatTheTriggerDoesAndWhichFiresTheClocksMove(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		trigger := schedule.MustParse("at 02:30 sun Europe/Berlin")
		c := w.start(at("job", trigger.String(), 0))
		sunday := func(month time.Month, day, hour, minute int, shift schedule.DSTShift) task.Fire {
			return task.Fire{Time: time.Date(2027, month, day, hour, minute, 0, 0, time.UTC), DSTShift: shift}
		}
		for _, tt := range []struct {
			start time.Time
			fires []task.Fire
		}{
			{time.Date(2027, 3, 20, 0, 0, 0, 0, time.UTC), []task.Fire{sunday(3, 21, 1, 30, 0), sunday(3, 28, 1, 0, schedule.Gap), sunday(4, 4, 0, 30, 0)}},
			{time.Date(2027, 10, 23, 0, 0, 0, 0, time.UTC), []task.Fire{sunday(10, 24, 0, 30, 0), sunday(10, 31, 0, 30, schedule.Overlap), sunday(11, 7, 1, 30, 0)}},
		} {
			want := task.Preview{Fires: tt.fires, End: task.PreviewCount, Description: "at 02:30 on Sunday in Europe/Berlin"}
			unstored, err := c.PreviewTrigger(t.Context(), trigger, tt.start, 3)
			if diff := cmp.Diff(want, unstored); err != nil || diff != "" {
				t.Errorf("unstored: %v, -want +got\n%s", err, diff)
			}
			stored, err := c.PreviewTask(t.Context(), ref("job"), tt.start, 3)
			if diff := cmp.Diff(want, stored); err != nil || diff != "" {
				t.Errorf("of the task: %v, -want +got\n%s", err, diff)
			}
		}
	})
}

func TestPreviewShowsWhatThenFires(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const trigger = `any(cron "*/7 * * * * *" UTC max=5; every 4s)`
		c := w.start(at("job", trigger, 0))
		preview, err := c.PreviewTask(t.Context(), ref("job"), time.Time{}, 20)
		if err != nil || len(preview.Fires) != 20 || preview.End != task.PreviewCount {
			t.Fatalf("preview %+v, %v", preview, err)
		}
		unstored, err := c.PreviewTrigger(t.Context(), schedule.MustParse(trigger), time.Time{}, 20)
		if err != nil || len(unstored.Fires) != 20 || !unstored.Fires[19].Time.Equal(preview.Fires[19].Time) {
			t.Fatalf("unstored %+v, %v", unstored, err)
		}
		w.sleep(time.Until(preview.Fires[19].Time))
		for i, run := range w.runs("job")[:20] {
			if !run.ScheduledTime.Equal(preview.Fires[i].Time) {
				t.Errorf("fire %d: %s was foretold, %s came", i, preview.Fires[i].Time, run.ScheduledTime)
			}
		}
		for text, want := range map[string]task.PreviewEnd{
			"forever": task.PreviewWaits, "startup": task.PreviewWaits, "every 1s max=2": task.PreviewOver, "once": task.PreviewOver,
		} {
			if p, err := c.PreviewTrigger(t.Context(), schedule.MustParse(text), time.Time{}, 3); err != nil || p.End != want {
				t.Errorf("%s: %+v, %v", text, p, err)
			}
		}
	})
}
