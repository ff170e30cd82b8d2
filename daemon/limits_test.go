package daemon_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// limited starts a daemon with limits.
func (w *world) limited(l task.Limits, groups map[string]task.Limits, tasks ...daemon.Task) *client.Client {
	w.t.Helper()
	register := w.register
	w.register = func(c *daemon.Config) {
		c.Limits, c.Groups = l, grouped(groups)
		if register != nil {
			register(c)
		}
	}
	defer func() { w.register = register }()
	return w.start(tasks...)
}

// grouped are groups that have limits and nothing else.
func grouped(limits map[string]task.Limits) map[string]daemon.Group {
	if limits == nil {
		return nil
	}
	out := make(map[string]daemon.Group, len(limits))
	for name, l := range limits {
		out[name] = daemon.Group{Limits: l}
	}
	return out
}

func in(group string, t daemon.Task) daemon.Task { t.Group = group; return t }

// call calls a task.
func (w *world) call(name string) task.Run {
	w.t.Helper()
	allow := task.OverlapAllow
	run, err := w.d.Client().RunTask(w.t.Context(), ref(name), client.RunOptions{Overlap: &allow})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func TestRunsWaitInTheirOrderForAPlace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 2}, nil, at("job", "every 1h", 10*time.Second))
		for range 5 {
			w.call("job")
			w.sleep(time.Second)
		}
		w.wantTales("job", "0 called running 0-", "1 called running 1-", "2 called scheduled limit", "3 called scheduled limit", "4 called scheduled limit")
		w.sleep(time.Minute)
		w.wantTales("job", "0 called succeeded 0-10", "1 called succeeded 1-11", "2 called succeeded 10-20", "3 called succeeded 11-21", "4 called succeeded 20-30")
	})
}

func TestMoreRunsThanMayWaitAreSkipped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 1, MaxWaiting: 2}, nil, at("job", "every 1h", 10*time.Second))
		for range 5 {
			w.call("job")
		}
		w.sleep(time.Minute)
		w.wantTales("job", "0 called succeeded 0-10", "0 called succeeded 10-20", "0 called succeeded 20-30", "0 called skipped limit", "0 called skipped limit")
		if got := w.task("job").Counts; got.SkippedLimit != 2 || got.Succeeded != 3 {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestAFullGroupKeepsNobodyElseWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 3, MaxWaiting: 1}, map[string]task.Limits{"slow": {MaxRunning: 1}},
			in("slow", at("slow", "every 1h", 10*time.Second)), at("quick", "every 1h", time.Second))
		for range 4 {
			w.call("slow")
		}
		for range 4 {
			w.call("quick")
		}
		w.sleep(time.Minute)
		w.wantTales("slow", "0 called succeeded 0-10", "0 called succeeded 10-20", "0 called succeeded 20-30", "0 called succeeded 30-40")
		w.wantTales("quick", "0 called succeeded 0-1", "0 called succeeded 0-1", "0 called succeeded 1-2", "0 called skipped limit")
	})
}

func TestARunThatWaitsForAPlaceCountsAsGoing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 1}, nil, at("long", "every 1s max=1", 10*time.Second), at("job", "every 2s max=3", 0))
		w.sleep(time.Minute)
		w.wantTales("job", "2 succeeded 11-11", "4 skipped overlap", "6 skipped overlap")
	})
}

func TestARunThatWaitsForAPlaceCanBeCanceledAndAPauseSkipsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.limited(task.Limits{MaxRunning: 1}, nil, at("long", "every 1s max=1", 10*time.Second), at("paused", "every 2s max=1", 0), at("canceled", "every 2s max=1", 0), at("next", "every 2s max=1", 0))
		w.sleep(3 * time.Second)
		if _, err := c.PauseTask(t.Context(), ref("paused"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		if run, err := c.CancelRun(t.Context(), w.runs("canceled")[0].ID, ""); err != nil || run.State != task.Canceled {
			t.Fatal(run, err)
		}
		w.sleep(time.Minute)
		w.wantTales("paused", "2 skipped paused")
		w.wantTales("canceled", "2 canceled")
		w.wantTales("next", "2 succeeded 11-11")
	})
}

func TestARunKeepsItsPlaceBetweenAttempts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 1}, nil,
			fails("fails", "every 1s max=1", 0, 2, task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: 10 * time.Second}}), at("job", "every 2s max=1", 0))
		w.sleep(time.Minute)
		w.wantTales("fails", "1 succeeded 11-11 #2")
		w.wantTales("job", "2 succeeded 11-11")
	})
}

func TestRunsStartNoFasterThanTheRate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var tasks []daemon.Task
		for i := range 5 {
			tasks = append(tasks, at(fmt.Sprintf("job%d", i), "every 10s max=1", 0))
		}
		w.limited(task.Limits{StartRate: 0.5}, nil, tasks...)
		w.sleep(time.Minute)
		var started []float64
		for _, job := range tasks {
			run := w.runs(job.Name)[0]
			if run.State != task.Succeeded {
				t.Errorf("%q %s", job.Name, run.State)
			}
			started = append(started, run.StartTime.Round(time.Millisecond).Sub(midnight).Seconds())
		}
		slices.Sort(started)
		if want := []float64{10, 12, 14, 16, 18}; !slices.Equal(started, want) {
			t.Errorf("started at %v, want %v", started, want)
		}
	})
}

func TestWhatFollowsRunsIsNotSkippedForWantOfAPlace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limited(task.Limits{MaxRunning: 1, MaxWaiting: 1}, nil,
			at("a", "forever max=3", time.Second), at("b", "forever max=3", time.Second), at("c", "forever max=3", time.Second))
		w.sleep(time.Minute)
		for _, name := range []string{"a", "b", "c"} {
			for _, run := range w.runs(name) {
				if run.State != task.Succeeded {
					t.Errorf("%q: %s", name, tale(run))
				}
			}
			if n := len(w.runs(name)); n != 3 {
				t.Errorf("%q has %d runs", name, n)
			}
		}
	})
}

func TestRunsThatWaitForAPlaceGoOnWaitingAfter(t *testing.T) {
	inWorldThatRestarts(t, func(t *testing.T, w *world, how string, restart func()) {
		limits := task.Limits{MaxRunning: 1, MaxWaiting: 3}
		job := with(at("job", "every 1h", 10*time.Second), task.Policy{Delivery: task.AtMostOnce})
		w.limited(limits, nil, job)
		for range 4 {
			w.call("job")
			w.sleep(time.Second)
		}
		restart()
		w.limited(task.Limits{MaxRunning: 1, MaxWaiting: 1}, nil, job)
		w.sleep(time.Minute)
		var got []string
		for _, r := range w.runs("job") {
			got = append(got, fmt.Sprintf("%s %s", r.State, r.StartTime.Round(time.Second).Format("05")))
		}
		want := []string{"canceled 00", "succeeded 04", "succeeded 14", "succeeded 24"}
		if how == "a crash" {
			want[0] = "lost 00"
			// The store is given up on after a while.
			for i, r := range w.runs("job")[1:] {
				if i > 0 && r.StartTime.Before(w.runs("job")[i].EndTime) {
					t.Errorf("run %s started before the one before had ended", r.ID)
				}
				want[i+1] = got[i+1][:len("succeeded ")] + r.StartTime.Round(time.Second).Format("05")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestTheStartOfARunThatWaitedIsRecordedBeforeItIsMade(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		inner := w.store
		var states []task.RunState
		w.limited(task.Limits{MaxRunning: 1}, nil, at("long", "every 1s max=1", 10*time.Second), daemon.Task{
			Name: "job", Trigger: schedule.MustParse("every 2s max=1"), Do: daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) {
				run, err := inner.Run(ctx, r.ID)
				states = append(states, run.State)
				return nil, err
			}),
		})
		w.sleep(time.Minute)
		w.wantTales("job", "2 succeeded 11-11")
		if want := []task.RunState{task.Running}; !slices.Equal(states, want) {
			t.Errorf("when it was made the store said %v, want %v", states, want)
		}
	})
}
