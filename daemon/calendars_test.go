package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// holidays is a calendar of minutes after midnight, so that no test has to wait for a day.
func holidays(minutes ...int) map[string][]schedule.Exclusion {
	var list []schedule.Exclusion
	for _, m := range minutes {
		list = append(list, schedule.Window{From: schedule.TimeOfDay{Minute: m}, Until: schedule.TimeOfDay{Minute: m + 1}, TimeZone: "UTC"})
	}
	return map[string][]schedule.Exclusion{"holidays": list}
}

// but is a trigger that leaves out the holidays.
func but(trigger string) schedule.Trigger {
	t := schedule.MustParse(trigger)
	t.Exclusions = []schedule.Exclusion{schedule.Calendar{Name: "holidays"}}
	return t
}

func TestWhatACalendarNamesDoesNotFire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.calendars = holidays(2, 3)
		c := w.start(does("declared", but("every 1m"), 0), at("overridden", "every 1h", 0))
		u, err := c.UpdateTrigger(t.Context(), ref("overridden"), but("every 1m max=2"), client.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := midnight.Add(4 * time.Minute); len(u.NextFires) != 2 || !u.NextFires[1].Time.Equal(want) {
			t.Errorf("next fires %v, want the second at %s", u.NextFires, want)
		}
		w.sleep(5 * time.Minute)
		w.wantRuns("declared", "00:01:00 succeeded", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 succeeded", "00:05:00 succeeded")
		w.wantRuns("overridden", "00:01:00 succeeded", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 succeeded")
		if got := w.task("overridden").State; got != task.Exhausted {
			t.Errorf("state %v after two fires of two", got)
		}
	})
}

func TestACalendarThatChangedBetweenTwoStartsMovesTheNextFire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := does("job", but("every 5m"), 0)
		wantNext := func(minute int) {
			t.Helper()
			if got, want := w.task("job").Clock.NextFireTime, midnight.Add(time.Duration(minute)*time.Minute); !got.Equal(want) {
				t.Errorf("next fire %s, want %s", got, want)
			}
		}
		w.calendars = holidays(30)
		w.start(job)
		wantNext(5)
		w.sleep(time.Minute)
		w.calendars = holidays(5, 10)
		w.start(job)
		wantNext(15)
		w.sleep(time.Minute)
		w.calendars = holidays(5)
		w.start(job)
		wantNext(10)
		w.sleep(10 * time.Minute)
		w.wantRuns("job", "00:05:00 skipped excluded", "00:10:00 succeeded")
	})
}

func TestATaskWhoseCalendarIsGoneIsParkedAndTheDaemonStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.calendars = holidays(1)
		tasks := []daemon.Task{at("job", "every 1h", 0), at("other", "every 1m", 0)}
		c := w.start(tasks...)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), but("every 1m"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(90 * time.Second)
		w.calendars = map[string][]schedule.Exclusion{"nights": nil}
		c = w.start(tasks...)
		w.sleep(time.Minute)
		got := w.task("job")
		if got.State != task.Paused || got.Pause.Actor != "clockd" || got.Override == nil ||
			!strings.Contains(got.Pause.Reason, `"holidays"`) || !strings.Contains(got.Pause.Reason, "there are nights") {
			t.Errorf("state %v, pause %+v", got.State, got.Pause)
		}
		w.wantRuns("other", "00:01:00 succeeded", "00:02:00 succeeded")

		// The way out that needs no deploy.
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 30s"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		if runs := w.runs("job"); len(runs) == 0 || runs[len(runs)-1].State != task.Succeeded {
			t.Errorf("runs %v after a trigger that can be used", runs)
		}
	})
}

func TestACalendarThatIsClearedDoesNotFireWhatItTookOutBefore(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.calendars = holidays(5)
		tasks := []daemon.Task{does("once", but("once 2000-01-01T00:05:00Z"), 0), does("every", but("every 5m"), 0)}
		w.start(tasks...)
		w.sleep(8 * time.Minute)
		w.calendars = holidays(30)
		w.start(tasks...)
		w.sleep(3 * time.Minute)
		w.wantRuns("once", "00:05:00 skipped excluded")
		w.wantRuns("every", "00:05:00 skipped excluded", "00:10:00 succeeded")
	})
}
