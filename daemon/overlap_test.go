package daemon_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/task"
)

// tale tells a run in a line, all in seconds since midnight: its instant, how it came about, what became of it, and
// when its last attempt started and ended.
func tale(r task.Run) string {
	since := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return strings.TrimSuffix(fmt.Sprintf("%.3f", t.Sub(midnight).Seconds()), ".000")
	}
	s := since(r.ScheduledTime)
	switch r.Cause {
	case task.ByCall:
		s += " called"
	case task.ByBackfill:
		s += " backfill"
	}
	s += " " + r.State.String()
	if r.Reason != 0 {
		s += map[task.Reason]string{
			task.ReasonOverlap: " overlap", task.ReasonPaused: " paused", task.ReasonLimit: " limit", task.ReasonOrphaned: " orphaned",
		}[r.Reason]
	}
	if !r.StartTime.IsZero() {
		s += " " + since(r.StartTime) + "-" + since(r.EndTime)
	}
	if r.Attempt > 1 {
		s += fmt.Sprintf(" #%d", r.Attempt)
	}
	return s
}

// wantTales compares the runs of a task.
func (w *world) wantTales(name string, want ...string) {
	w.t.Helper()
	var got []string
	for _, run := range w.runs(name) {
		got = append(got, tale(run))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("runs of %q:\n  %s\nwant:\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func with(t daemon.Task, p task.Policy) daemon.Task { t.Policy = p; return t }

func TestAFireDuringARunDoesAsItsOverlapSays(t *testing.T) {
	for _, row := range []struct {
		name    string
		overlap task.Overlap
		want    []string
	}{
		{"skip", task.OverlapSkip, []string{"1 succeeded 1-3.500", "2 skipped overlap", "3 skipped overlap", "4 succeeded 4-6.500", "5 skipped overlap"}},
		{"allow", task.OverlapAllow, []string{"1 succeeded 1-3.500", "2 succeeded 2-4.500", "3 succeeded 3-5.500", "4 succeeded 4-6.500", "5 succeeded 5-7.500"}},
		{"queue", task.OverlapQueue, []string{"1 succeeded 1-3.500", "2 succeeded 3.500-6", "3 skipped overlap", "4 succeeded 6-8.500", "5 skipped overlap"}},
		{"cancel", task.OverlapCancel, []string{"1 canceled 1-2", "2 canceled 2-3", "3 canceled 3-4", "4 canceled 4-5", "5 succeeded 5-7.500"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(with(at("job", "every 1s max=5", 2500*time.Millisecond), task.Policy{Overlap: row.overlap}))
				w.sleep(20 * time.Second)
				w.wantTales("job", row.want...)
				if row.overlap == task.OverlapCancel {
					run, err := w.d.Client().Run(t.Context(), w.runs("job")[0].ID)
					if err != nil || run.Actor != "clockd" || run.Error != "canceled: replaced by run 2" {
						t.Errorf("canceled by %q: %q, %v", run.Actor, run.Error, err)
					}
				}
			})
		})
	}
}

func TestARunThatWaitsForAnotherIsVisibleAndCanBeCanceled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(with(at("job", "every 10s max=1", 10*time.Second), task.Policy{Overlap: task.OverlapQueue}))
		w.sleep(11 * time.Second)
		call := func() task.Run {
			run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		call()
		w.sleep(time.Second)
		call()
		w.sleep(time.Second)
		w.wantTales("job", "10 running 10-", "11 called scheduled overlap", "12 called skipped overlap")
		run, err := c.CancelRun(t.Context(), w.runs("job")[1].ID, "not today")
		if err != nil || run.State != task.Canceled || run.Error != "canceled: not today" {
			t.Fatalf("canceled: %+v, %v", run, err)
		}
		call()
		w.sleep(20 * time.Second)
		w.wantTales("job", "10 succeeded 10-20", "11 called canceled", "12 called skipped overlap", "13 called succeeded 20-30")
		var events []string
		for e, err := range c.AuditEvents(t.Context(), client.AuditFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Action == task.RunCanceled || e.Action == task.RunRequested {
				events = append(events, fmt.Sprintf("%d of run %d, %q", e.Action, e.RunID, e.Reason))
			}
		}
		slices.Reverse(events)
		if want := []string{`15 of run 2, ""`, `15 of run 3, ""`, `16 of run 2, "not today"`, `15 of run 4, ""`}; !slices.Equal(events, want) {
			t.Errorf("audit: %q, want %q", events, want)
		}
	})
}

func TestACallMaySayItsOwnOverlap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(with(at("job", "every 10s max=1", 10*time.Second), task.Policy{Overlap: task.OverlapSkip}))
		w.sleep(11 * time.Second)
		for _, o := range []task.Overlap{task.OverlapAllow, task.OverlapQueue, task.OverlapSkip} {
			if _, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Overlap: &o}); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(30 * time.Second)
		w.wantTales("job", "10 succeeded 10-20", "11 called succeeded 11-21", "11 called succeeded 21-31", "11 called skipped overlap")
	})
}

func TestAPauseSkipsTheFireThatWaitsAndNotTheCall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(with(at("fire", "every 1s max=2", 3*time.Second), task.Policy{Overlap: task.OverlapQueue}),
			with(at("call", "every 1s max=1", 3*time.Second), task.Policy{Overlap: task.OverlapQueue}))
		w.sleep(2500 * time.Millisecond)
		if _, err := w.d.Client().RunTask(t.Context(), ref("call"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"fire", "call"} {
			if _, err := w.d.Client().PauseTask(t.Context(), ref(name), client.PauseOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(10 * time.Second)
		w.wantTales("fire", "1 succeeded 1-4", "2 skipped paused")
		w.wantTales("call", "1 succeeded 1-4", "2.500 called succeeded 4-7")
	})
}

func TestWhatFollowsRunsHearsOfTheEndOfTheRunThatWaited(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(with(at("loop", "forever max=3", 2*time.Second), task.Policy{Overlap: task.OverlapQueue}))
		w.sleep(time.Second)
		if _, err := c.RunTask(t.Context(), ref("loop"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(20 * time.Second)
		w.wantTales("loop", "0 succeeded 0-2", "1 called succeeded 2-4", "4 succeeded 4-6", "6 succeeded 6-8")
	})
}

// restarts are the two ways in which a process ends.
var restarts = map[string]func(w *world, down *outage){
	"a stop":  func(w *world, _ *outage) { w.stop() },
	"a crash": func(w *world, down *outage) { w.crash(down) },
}

// inWorldThatRestarts runs a test in a bubble on each store, once for each way in which a process ends.
func inWorldThatRestarts(t *testing.T, f func(t *testing.T, w *world, how string, restart func())) {
	for how, end := range restarts {
		t.Run(how, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var down outage
				w.store = &hooked{Store: w.store, before: down.before}
				w.grace = time.Millisecond
				f(t, w, how, func() { end(w, &down) })
			})
		})
	}
}

func TestARunThatWaitsForAnotherGoesOnWaitingAfter(t *testing.T) {
	inWorldThatRestarts(t, func(t *testing.T, w *world, how string, restart func()) {
		for _, delivery := range []task.Delivery{task.AtLeastOnce, task.AtMostOnce} {
			name := fmt.Sprintf("job%d", delivery)
			job := with(at(name, "every 10s max=2", 15*time.Second), task.Policy{Overlap: task.OverlapQueue, Delivery: delivery})
			w.start(job)
			since := w.now().Sub(midnight).Seconds()
			w.sleep(21 * time.Second)
			restart()
			w.start(job)
			w.sleep(40 * time.Second)
			var got []string
			for _, r := range w.runs(name) {
				got = append(got, fmt.Sprintf("%v %s #%d", math.Round(r.ScheduledTime.Sub(midnight).Seconds()-since), r.State, r.Attempt))
			}
			want := []string{"10 canceled #1", "20 succeeded #1"}
			if how == "a crash" {
				want = []string{"10 succeeded #2", "20 succeeded #1"}
				if delivery == task.AtMostOnce {
					want = []string{"10 lost #1", "20 succeeded #1"}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("delivery %d: %q, want %q", delivery, got, want)
			}
		}
	})
}

func TestCaughtUpFiresRunOneAfterAnotherThoughATaskSkipsOverlaps(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 10s", 2*time.Second)
		job.Policy.CatchUp = task.CatchUpAll
		w.start(job)
		w.stop()
		w.sleep(46 * time.Second)
		w.start(job)
		w.sleep(13 * time.Second)
		w.wantRuns(
			"job", "00:00:10 succeeded, 36s late", "00:00:20 succeeded, 28s late", "00:00:30 succeeded, 20s late",
			"00:00:40 succeeded, 12s late", "00:00:50 skipped overlap",
		)
	})
}
