package daemon_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

func TestOfTheHistoryOfATaskWhatItSaysIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		kept := func(r task.Retention) task.Policy { return task.Policy{Retention: r} }
		w.start(
			with(at("all", "every 1m", 0), kept(task.Retention{})),
			with(at("few", "every 1m", 0), kept(task.Retention{MaxRuns: 5})),
			with(at("none", "every 1m", 0), kept(task.Retention{Keep: task.KeepNone})),
			fails("failures", "every 1m", 0, 9, kept(task.Retention{Keep: task.KeepFailures})),
			with(at("no failures", "every 1m", 0), kept(task.Retention{Keep: task.KeepFailures})),
			with(at("young", "every 1m", 0), kept(task.Retention{MaxAge: 10 * time.Minute})),
		)
		w.sleep(2 * time.Minute)
		first := w.runs("few")[0]
		w.sleep(98*time.Minute + 30*time.Second)
		for name, want := range map[string]struct{ least, most int }{
			"all": {100, 100}, "few": {5, 8}, "none": {0, 3}, "failures": {100, 100}, "no failures": {0, 3}, "young": {9, 13},
		} {
			if n := len(w.runs(name)); n < want.least || n > want.most {
				t.Errorf("%q: %d runs are kept, want %d to %d", name, n, want.least, want.most)
			}
			got := w.task(name)
			if n := got.Counts.Succeeded + got.Counts.Failed; n != 100 || got.Clock.FireCount != 100 {
				t.Errorf("%q: %d runs are counted, and %d fires", name, n, got.Clock.FireCount)
			}
		}
		if _, err := w.d.Client().Run(t.Context(), first.ID); !errors.Is(err, task.ErrRunNotFound) {
			t.Errorf("a run that was pruned: %v", err)
		}
		if got := w.task("few"); got.LastRun == nil || !got.LastRun.ScheduledTime.Equal(midnight.Add(100*time.Minute)) {
			t.Errorf("the last run: %+v", got.LastRun)
		}
		// What is kept does not depend on whether anything fires: it grows old all the same.
		w.pauseUntil("young", 0)
		w.sleep(20 * time.Minute)
		if got := w.runs("young"); len(got) > 0 {
			t.Errorf("%d runs are old and still there", len(got))
		}
		if got := w.task("young"); got.LastRun != nil || got.Counts.Succeeded != 100 {
			t.Errorf("all its runs are gone: last %+v, counts %+v", got.LastRun, got.Counts)
		}
	})
}

func TestALongHistoryIsPrunedInChunksWhileRunsGoOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var prunes atomic.Int64
		w.store = &hooked{Store: w.store, before: func(call string) error {
			if call == "Prune" {
				prunes.Add(1)
			}
			return nil
		}}
		job := with(at("job", "every 200ms", 0), task.Policy{Overlap: task.OverlapAllow, Retention: task.Retention{MaxRuns: 1_000_000}})
		w.start(job, with(at("slow", "every 10s", time.Hour), task.Policy{Overlap: task.OverlapAllow, Retention: task.Retention{Keep: task.KeepNone}}))
		w.sleep(300 * time.Second) // 1500 runs
		if n := len(w.runs("job")); n < 1490 {
			t.Fatalf("%d runs", n)
		}
		before := prunes.Load()
		job.Policy.Retention.MaxRuns = 10
		w.reload(program(job, with(at("slow", "every 10s", time.Hour), task.Policy{Overlap: task.OverlapAllow, Retention: task.Retention{Keep: task.KeepNone}})))
		w.sleep(100 * time.Second)
		if n := prunes.Load() - before; n < 3 {
			t.Errorf("%d chunks", n)
		}
		if most := len(w.runs("job")); most > 10+50+100*5 {
			t.Errorf("%d runs are left", most)
		}
		w.sleep(80 * time.Second)
		got := w.task("job")
		if got.Counts.Succeeded < 2390 || got.LastRun == nil {
			t.Errorf("counts %+v, last %+v", got.Counts, got.LastRun)
		}
		if n := len(w.runs("slow")); n != 48 {
			t.Errorf("%d runs go on, want 48: none of them has ended", n)
		}
	})
}
