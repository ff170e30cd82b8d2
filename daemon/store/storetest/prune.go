package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// keepNone and keepAll are KeepFuncs.
func keepNone(*task.Run, int64) bool { return false }

func keepAll(*task.Run, int64) bool { return true }

// history records n runs of a, whose states take turns and which ended an hour after each other, and returns them
// as they are listed, the newest first.
func (f *fixture) history(n int) []task.Run {
	f.Helper()
	states := []task.RunState{task.Succeeded, task.Failed, task.Running, task.Skipped, task.Scheduled, task.Missed, task.Succeeded}
	var runs []task.Run
	for i := range n {
		r := fullRun("a")
		r.State, r.EndTime = states[i%len(states)], time.Time{}
		if r.State.Ended() {
			r.EndTime = past(time.Duration(i) * time.Hour)
		}
		runs = append(runs, r)
	}
	f.record("a", runs...)
	return f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 100})
}

var pruneCases = []testCase{
	{"runs are shown from the newest to the oldest, without input and output, and what is not kept is deleted", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		ofB := newRun("b", past(0))
		ofB.State = task.Succeeded
		f.record("b", ofB)
		all := f.history(20)
		f.record("b", ofB)
		var want, seen []task.Run
		var left []task.RunID
		var kept int64
		var oldest time.Time
		keep := func(r *task.Run) bool { return r.State == task.Failed || r.State == task.Missed }
		for _, r := range all {
			if r.State.Ended() {
				want = append(want, r)
			}
			if !r.State.Ended() || keep(&r) {
				left = append(left, r.ID)
			}
		}
		pruned, err := f.Prune(ctx, idOf("a"), 100, func(r *task.Run, n int64) bool {
			f.equal(kept, n)
			seen = append(seen, *r)
			if !keep(r) {
				return false
			}
			kept++
			oldest = r.EndTime
			return true
		})
		f.ok(err)
		f.exact(want, seen)
		f.equal(store.Pruned{Deleted: int64(len(all) - len(left)), Kept: kept, Oldest: oldest}, pruned)
		f.equal(left, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 3})))
		f.equal(2, len(f.allRuns(task.RunQuery{TaskID: idOf("b"), Limit: 3})))
		f.equal(len(left)+2, len(f.allRuns(task.RunQuery{Limit: 3})))
		for _, r := range all {
			if !slices.Contains(left, r.ID) {
				_, err := f.Run(ctx, r.ID)
				f.is(err, task.ErrRunNotFound)
			}
		}
	}},
	{"runs that have not ended are never shown and never deleted", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.recordN("a", 5)
		pruned, err := f.Prune(ctx, idOf("a"), 10, func(r *task.Run, _ int64) bool {
			f.Errorf("run %v was shown", r.ID)
			return false
		})
		f.ok(err)
		f.equal(store.Pruned{}, pruned)
		f.equal(5, len(f.allRuns(task.RunQuery{Limit: 10})))
	}},
	{"no more are deleted than the limit, and what is left is deleted later", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.history(70)
		ended := 0
		for _, r := range f.allRuns(task.RunQuery{Limit: 100}) {
			if r.State.Ended() {
				ended++
			}
		}
		keep := func(_ *task.Run, kept int64) bool { return kept < 7 }
		deleted := int64(0)
		for round := 0; ; round++ {
			pruned, err := f.Prune(ctx, idOf("a"), 4, keep)
			f.ok(err)
			if pruned.Deleted > 4 || round > 20 {
				f.Fatalf("round %d: %+v for a limit of 4", round, pruned)
			}
			f.equal(pruned.Deleted == 4, pruned.More)
			deleted += pruned.Deleted
			f.equal(70-int(deleted), len(f.allRuns(task.RunQuery{Limit: 100})))
			if !pruned.More {
				f.equal(int64(7), pruned.Kept)
				break
			}
		}
		f.equal(int64(ended-7), deleted)
	}},
	{"the counts stay, and the last run becomes the one before it", func(f *fixture) {
		stored := newTask("a", future(0))
		stored.FailureCount = 4
		f.create(stored)
		first := f.recordN("a", 1)[0]
		f.history(7)
		before := f.task("a")
		_, err := f.Prune(ctx, idOf("a"), 100, keepNone)
		f.ok(err)
		after := f.task("a")
		f.exact(before.Counts, after.Counts)
		f.equal(task.Scheduled, after.LastRun.State)
		f.equal(f.position().Change, after.Change)
		before.LastRun, after.LastRun = nil, nil
		f.equal(before, after)

		for _, r := range f.allRuns(task.RunQuery{Limit: 100}) {
			_, err := f.Record(ctx, []store.Report{end(r.ID, r.Attempt)}, nil)
			f.ok(err)
		}
		pruned, err := f.Prune(ctx, idOf("a"), 100, keepNone)
		f.ok(err)
		f.equal(int64(3), pruned.Deleted)
		if last := f.task("a").LastRun; last != nil {
			f.Errorf("the last run is %v, though none is left", last.ID)
		}
		_, err = f.Run(ctx, first)
		f.is(err, task.ErrRunNotFound)
		f.equal(task.RunID(9), f.recordN("a", 1)[0])
		f.equal(task.RunID(9), f.task("a").LastRun.ID)
	}},
	{"a report on a run that was pruned is late, and its request is free again", func(f *fixture) {
		f.create(newTask("a", future(0)))
		run, _, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		_, err = f.Record(ctx, []store.Report{end(run.ID, 0)}, nil)
		f.ok(err)
		_, err = f.Prune(ctx, idOf("a"), 1, keepNone)
		f.ok(err)
		late, err := f.Record(ctx, []store.Report{end(run.ID, 0)}, nil)
		f.ok(err)
		f.equal([]task.RunID{run.ID}, late)
		again, repeated, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.equal(false, repeated)
		f.equal(run.ID+1, again.ID)
	}},
	{"a task that is not there is not found, and one without runs has nothing to prune", func(f *fixture) {
		_, err := f.Prune(ctx, idOf("a"), 1, keepNone)
		f.is(err, task.ErrTaskNotFound)
		f.create(newTask("a", future(0)))
		before := f.everything()
		pruned, err := f.Prune(ctx, idOf("a"), 1, keepNone)
		f.ok(err)
		f.equal(store.Pruned{}, pruned)
		f.unchanged(before)
		f.history(10)
		before = f.everything()
		pruned, err = f.Prune(ctx, idOf("a"), 1, keepAll)
		f.ok(err)
		f.equal(store.Pruned{Kept: pruned.Kept, Oldest: past(0)}, pruned)
		f.unchanged(before)
	}},
	{"a panic deletes nothing", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.history(20)
		before := f.everything()
		shown := 0
		_, err := f.Prune(ctx, idOf("a"), 100, func(*task.Run, int64) bool {
			if shown++; shown == 5 {
				panic("out of cheese")
			}
			return false
		})
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			f.Fatalf("got error %v, want one that shows the panic", err)
		}
		f.unchanged(before)
	}},
	{"what the function is shown is its own", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.history(5)
		before := f.everything()
		_, err := f.Prune(ctx, idOf("a"), 100, func(r *task.Run, _ int64) bool {
			spoilRun(r)
			*r = task.Run{}
			return true
		})
		f.ok(err)
		f.unchanged(before)
	}},
	{"a long history is pruned in chunks", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := make([]task.Run, 3000)
		for i := range runs {
			runs[i] = newRun("a", past(time.Duration(i)*time.Second))
			runs[i].State, runs[i].EndTime = task.Succeeded, runs[i].ScheduledTime
		}
		ids := f.record("a", runs...)
		for {
			pruned, err := f.Prune(ctx, idOf("a"), 500, func(_ *task.Run, kept int64) bool { return kept < 1000 })
			f.ok(err)
			if !pruned.More {
				f.equal(store.Pruned{Kept: 1000, Oldest: past(2000 * time.Second)}, pruned)
				break
			}
			f.equal(int64(500), pruned.Deleted)
		}
		all := f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 700})
		f.equal(1000, len(all))
		f.equal(ids[2000], all[999].ID)
		f.equal(int64(3000), f.task("a").Counts.Succeeded)
	}},
}
