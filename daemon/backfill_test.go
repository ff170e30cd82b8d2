package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// backfills asks for a backfill of a range, in seconds since midnight.
func (w *world) backfills(name string, start, end int, o client.BackfillOptions) client.Backfilled {
	w.t.Helper()
	b, err := w.d.Client().BackfillTask(w.t.Context(), ref(name), midnight.Add(time.Duration(start)*time.Second), midnight.Add(time.Duration(end)*time.Second), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func TestABackfillHasTheFiresOfTheTriggerInForce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		rows := []struct{ trigger, want string }{
			// What counts from when it came into force has no fires before.
			{"every 5s", "15 20 25"},
			{"every 5s immediate", "10 15 20 25"},
			{"every 5s from=1999-12-31T23:59:58Z", "3 8 13 18 23 28"},
			{`cron "*/10 * * * * *" UTC`, "-10 0 10 20"},
			{`cron "*/10 * * * * *" UTC max=1`, "-10 0 10 20"},
			{`cron "*/10 * * * * *" UTC exclude(window 00:00-00:00:15 UTC)`, "-10 20"},
			{"at 00:00:20 UTC", "20"},
			{"any(every 10s; at 00:00:03 UTC)", "3 20"},
			{"forever from=2000-01-02T00:00:00Z", ""},
			{"startup", ""},
		}
		w.sleep(10 * time.Second)
		var tasks []daemon.Task
		for i, row := range rows {
			tasks = append(tasks, at(fmt.Sprintf("job%d", i), row.trigger, 0))
		}
		w.start(tasks...)
		w.sleep(20 * time.Second)
		for i, row := range rows {
			b := w.backfills(tasks[i].Name, -10, 30, client.BackfillOptions{ValidateOnly: true})
			var got []string
			for _, at := range b.Fires {
				got = append(got, fmt.Sprint(at.Sub(midnight).Seconds()))
			}
			if s := strings.Join(got, " "); s != row.want || b.Count != int64(len(got)) || len(b.Runs) != 0 {
				t.Errorf("%s: %s, want %s", row.trigger, s, row.want)
			}
			for _, run := range w.runs(tasks[i].Name) {
				if run.Cause == task.ByBackfill {
					t.Errorf("%s: a dry run made %s", row.trigger, tale(run))
				}
			}
		}
	})
}

func TestABackfillRunsOneAfterAnotherAndMovesNoClock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "at 00:00:00 UTC", 2*time.Second), at("paused", "at 00:00:00 UTC", 2*time.Second))
		w.sleep(time.Second)
		before := w.task("job")
		day := 24 * 3600
		b := w.backfills("job", -3*day, 0, client.BackfillOptions{Reason: "the disk was full"})
		if b.Count != 3 || len(b.Runs) != 3 {
			t.Errorf("%+v", b)
		}
		if _, err := c.PauseTask(t.Context(), ref("paused"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.backfills("paused", -1*day, 0, client.BackfillOptions{})
		w.sleep(3 * time.Second)
		w.wantTales("job", "-259200 backfill succeeded 1-3", "-172800 backfill running 3-", "-86400 backfill scheduled overlap")
		w.sleep(time.Minute)
		w.wantTales("job", "-259200 backfill succeeded 1-3", "-172800 backfill succeeded 3-5", "-86400 backfill succeeded 5-7")
		w.wantTales("paused", "-86400 backfill succeeded 1-3")
		after := w.task("job")
		if after.Clock.FireCount != 0 || !after.Clock.NextFireTime.Equal(before.Clock.NextFireTime) || after.Version != before.Version {
			t.Errorf("clock %+v became %+v", before.Clock, after.Clock)
		}
		found := false
		for e, err := range c.AuditEvents(t.Context(), client.AuditFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Action == task.BackfillRequested && e.Reason == "the disk was full" && strings.Contains(string(e.After), `"count": 3`) || strings.Contains(string(e.After), `"count":3`) {
				found = true
			}
		}
		if !found {
			t.Error("no event tells of it")
		}
	})
}

func TestABackfillGoesBesideOthersOnlyWhenToldAndNoFasterThanItsInterval(t *testing.T) {
	day := 24 * 3600
	for _, row := range []struct {
		name    string
		options client.BackfillOptions
		want    []string
	}{
		{"allow", client.BackfillOptions{Allow: true}, []string{"succeeded 0-2", "succeeded 0-2", "succeeded 0-2"}},
		{"allow, interval", client.BackfillOptions{Allow: true, Interval: time.Second}, []string{"succeeded 0-2", "succeeded 1-3", "succeeded 2-4"}},
		{"interval", client.BackfillOptions{Interval: 5 * time.Second}, []string{"succeeded 0-2", "succeeded 5-7", "succeeded 10-12"}},
		{"interval shorter than a run", client.BackfillOptions{Interval: time.Second}, []string{"succeeded 0-2", "succeeded 2-4", "succeeded 4-6"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(at("job", "at 12:00:00 UTC", 2*time.Second))
				w.backfills("job", -3*day, 0, row.options)
				w.sleep(time.Minute)
				var got []string
				for _, run := range w.runs("job") {
					_, what, _ := strings.Cut(tale(run), " backfill ")
					got = append(got, what)
				}
				if !slices.Equal(got, row.want) {
					t.Errorf("%q, want %q", got, row.want)
				}
			})
		})
	}
}

func TestTheIntervalOfABackfillHoldsThoughARunTookLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		long := true
		w.start(daemon.Task{Name: "job", Trigger: schedule.MustParse("at 12:00 UTC"), Do: daemon.Func(func(_ context.Context, _ daemon.Run) (any, error) {
			if long {
				time.Sleep(12 * time.Second)
			}
			long = false
			return nil, nil
		})})
		w.backfills("job", -3*24*3600, 0, client.BackfillOptions{Interval: 5 * time.Second})
		w.sleep(time.Minute)
		var got []string
		for _, run := range w.runs("job") {
			_, what, _ := strings.Cut(tale(run), " backfill ")
			got = append(got, what)
		}
		if want := []string{"succeeded 0-12", "succeeded 12-12", "succeeded 17-17"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestABackfillIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", `cron "* * * * * *" UTC`, 0))
		for name, row := range map[string]struct {
			start, end, interval time.Duration
			want                 string
		}{
			"backwards":        {-time.Hour, -2 * time.Hour, 0, "start_time"},
			"in the future":    {-time.Hour, time.Hour, 0, "end_time"},
			"more than 10000":  {-10001 * time.Second, 0, 0, "10000"},
			"over 10000 years": {-101 * time.Second, 0, task.MaxSpan, "interval"},
		} {
			_, err := c.BackfillTask(t.Context(), ref("job"), midnight.Add(row.start), midnight.Add(row.end), client.BackfillOptions{Interval: row.interval})
			if !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if b := w.backfills("job", -10000, 0, client.BackfillOptions{ValidateOnly: true}); b.Count != 10000 {
			t.Errorf("%d runs", b.Count)
		}
		if _, err := c.BackfillTask(t.Context(), ref("none"), midnight.Add(-time.Hour), midnight, client.BackfillOptions{}); !errors.Is(err, task.ErrTaskNotFound) {
			t.Error(err)
		}
	})
}

func TestTheRestOfABackfillGoesOnAfter(t *testing.T) {
	inWorldThatRestarts(t, func(t *testing.T, w *world, how string, restart func()) {
		for i, options := range []client.BackfillOptions{{}, {Interval: 3 * time.Second}, {Allow: true, Interval: 3 * time.Second}} {
			name := fmt.Sprintf("job%d", i)
			job := with(at(name, "at 12:00 UTC", 2*time.Second), task.Policy{Delivery: task.AtMostOnce})
			w.start(job)
			w.backfills(name, -5*24*3600, 0, options)
			w.sleep(time.Second)
			restart()
			w.start(job)
			w.sleep(time.Minute)
			runs := w.runs(name)
			if len(runs) != 5 {
				t.Fatalf("%d runs", len(runs))
			}
			for i, run := range runs {
				want := task.Succeeded
				if i == 0 {
					want = task.Canceled
					if how == "a crash" {
						want = task.Lost
					}
				}
				if run.State != want {
					t.Errorf("run %d: %s, want %s", i, tale(run), want)
				}
				if i == 0 {
					continue
				}
				if !options.Allow && run.StartTime.Before(runs[i-1].EndTime) {
					t.Errorf("run %d started at %s, before the one before had ended at %s", i, run.StartTime, runs[i-1].EndTime)
				}
				if i > 1 && run.StartTime.Sub(runs[i-1].StartTime) < options.Interval {
					t.Errorf("run %d started at %s, too soon after %s", i, run.StartTime, runs[i-1].StartTime)
				}
			}
		}
	})
}

func TestAFireThatWaitsGoesBeforeTheRestOfABackfill(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(with(at("job", "at 00:00:05 UTC", 4500*time.Millisecond), task.Policy{Overlap: task.OverlapQueue}))
		w.sleep(time.Second)
		w.backfills("job", -3*24*3600, 0, client.BackfillOptions{})
		w.sleep(time.Minute)
		w.wantTales("job", "-259195 backfill succeeded 1-5.500", "-172795 backfill succeeded 10-14.500", "-86395 backfill succeeded 14.500-19", "5 succeeded 5.500-10")
	})
}

func TestABackfillDoesNotWakeWhatFollowsRuns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "any(at 12:00 UTC; every 1h fixed-delay)", 0))
		w.sleep(time.Second)
		before := w.task("job").Clock
		w.backfills("job", -3*24*3600, 0, client.BackfillOptions{})
		w.sleep(time.Minute)
		if after := w.task("job").Clock; !after.NextFireTime.Equal(before.NextFireTime) || !after.Progress.LastEnd.Equal(before.Progress.LastEnd) {
			t.Errorf("clock %+v became %+v", before, after)
		}
	})
}
