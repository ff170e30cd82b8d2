package storetest

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// counted are the ways in which a run can end, and how three instants of it count.
var counted = []struct {
	state  task.RunState
	reason task.Reason
	counts task.Counts
}{
	{task.Succeeded, 0, task.Counts{Succeeded: 1, Merged: 2}},
	{task.Failed, 0, task.Counts{Failed: 1, Merged: 2}},
	{task.TimedOut, 0, task.Counts{TimedOut: 1, Merged: 2}},
	{task.Canceled, 0, task.Counts{Canceled: 1, Merged: 2}},
	{task.Lost, 0, task.Counts{Lost: 1, Merged: 2}},
	{task.Skipped, task.ReasonOverlap, task.Counts{SkippedOverlap: 3}},
	{task.Skipped, task.ReasonPaused, task.Counts{SkippedPaused: 3}},
	{task.Skipped, task.ReasonOrphaned, task.Counts{SkippedOrphaned: 3}},
	{task.Skipped, task.ReasonExcluded, task.Counts{SkippedExcluded: 3}},
	{task.Skipped, task.ReasonLimit, task.Counts{SkippedLimit: 3}},
	{task.Missed, task.ReasonLate, task.Counts{Missed: 3}},
}

// threeFires is a run of a that stands for three instants.
func threeFires() task.Run {
	r := newRun("a", past(0))
	r.Fires, r.FirstScheduledTime = 3, past(-time.Hour)
	return r
}

var countsCases = []testCase{
	{"a run that has ended when it is recorded is counted, and no more when it is taken back", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		var sum task.Counts
		var runs []task.RunID
		for _, c := range counted {
			run := threeFires()
			run.State, run.Reason = c.state, c.reason
			updated := f.change("a", store.Change{Record: []task.Run{run}})
			sum = sum.Add(c.counts)
			f.exact(sum, updated.Task.Counts)
			f.exact(sum, f.task("a").Counts)
			runs = append(runs, updated.Recorded[0].ID)
		}
		for i, c := range counted {
			updated := f.change("a", store.Change{TakeBack: runs[i : i+1]})
			sum = sum.Sub(c.counts)
			f.exact(sum, updated.Task.Counts)
			f.exact(sum, f.task("a").Counts)
		}
		f.exact(task.Counts{}, f.task("a").Counts)
		f.exact(task.Counts{}, f.task("b").Counts)
	}},
	{"a run that ends later is counted then, and what it was merged of at once", func(f *fixture) {
		for i, c := range counted {
			name := fmt.Sprint("t", i)
			f.create(newTask(name, future(0)))
			run := threeFires()
			run.TaskID = idOf(name)
			id := f.record(name, run)[0]
			f.exact(task.Counts{Merged: 2}, f.task(name).Counts)
			for _, state := range []task.RunState{task.Running, task.Scheduled, task.Running} {
				_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: id, State: state}}}, nil)
				f.ok(err)
				f.exact(task.Counts{Merged: 2}, f.task(name).Counts)
			}
			for range 2 { // the second is late
				_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: id, State: c.state, Reason: c.reason}}}, nil)
				f.ok(err)
				f.exact(c.counts, f.task(name).Counts)
			}
			f.change(name, store.Change{TakeBack: []task.RunID{id}})
			f.exact(task.Counts{}, f.task(name).Counts)
		}
	}},
	{"calls, claims and decisions count what they record", func(f *fixture) {
		f.create(newTask("a", past(0)))
		_, _, err := f.Call(ctx, task.ByName("a"), uuid.Nil, func(task.Task) (task.Run, task.Event, error) {
			r := newRun("a", past(0))
			r.State, r.Reason, r.Fires, r.Cause = task.Skipped, task.ReasonOverlap, 0, task.ByCall
			return r, newEvent("a", task.RunRequested), nil
		})
		f.ok(err)
		f.exact(task.Counts{SkippedOverlap: 1}, f.task("a").Counts)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
			decision := advance(future(0))(now, d)
			missed := threeFires()
			missed.State = task.Missed
			decision.Record = append(decision.Record, missed)
			return decision
		})
		f.ok(err)
		f.exact(task.Counts{SkippedOverlap: 1, Missed: 3}, f.task("a").Counts)
		report := end(claimed.Fires[0].Run.ID, 0)
		report.Decide = true
		_, err = f.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			loaded, err := d.Load()
			f.ok(err)
			f.exact(task.Counts{SkippedOverlap: 1, Missed: 3, Succeeded: 1}, loaded.Counts)
			return store.Decision{Clock: d.Clock, State: d.State, Record: []task.Run{threeFires()}}
		})
		f.ok(err)
		want := task.Counts{SkippedOverlap: 1, Missed: 3, Succeeded: 1, Merged: 2}
		f.exact(want, f.task("a").Counts)
		f.exact(want, f.allTasks(task.TaskQuery{Limit: 1})[0].Counts)
	}},
	{"the counts and the change of a task that is handed in are not written", func(f *fixture) {
		in := newTask("a", future(0))
		in.Counts, in.Change = task.Counts{Succeeded: 99, Missed: 7}, 1<<60
		made := f.change("a", store.Change{Task: &in}).Task
		f.exact(task.Counts{}, made.Counts)
		f.equal(f.position().Change, made.Change)
		skipped := newRun("a", past(0))
		skipped.State, skipped.Reason = task.Skipped, task.ReasonPaused
		changed := f.change("a", store.Change{Task: &in, Record: []task.Run{skipped}}).Task
		f.exact(task.Counts{SkippedPaused: 1}, changed.Counts)
		f.exact(changed.Counts, f.task("a").Counts)
		f.equal(f.position().Change, f.task("a").Change)
	}},
	{"failures in a row are counted as runs end, and an update may write how many there were", func(f *fixture) {
		in := newTask("a", future(0))
		in.FailureCount = 5
		f.create(in)
		for _, c := range []struct {
			state task.RunState
			want  int64
		}{
			{task.Failed, 6},
			{task.TimedOut, 7},
			{task.Lost, 8},
			{task.Canceled, 8},
			{task.Skipped, 8},
			{task.Missed, 8},
			{task.Running, 8},
			{task.Scheduled, 8},
			{task.Succeeded, 0},
			{task.Canceled, 0},
			{task.Failed, 1},
		} {
			id := f.recordN("a", 1)[0]
			report := store.Report{Run: task.Run{ID: id, State: c.state}, Decide: true}
			_, err := f.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
				loaded, err := d.Load()
				f.ok(err)
				f.equal([]int64{c.want, c.want}, []int64{d.FailureCount, loaded.FailureCount})
				return store.Decision{Clock: d.Clock, State: d.State}
			})
			f.ok(err)
			f.equal(c.want, f.task("a").FailureCount)
		}
		in.FailureCount = 0
		f.create(in)
		f.equal(int64(0), f.task("a").FailureCount)
	}},
	{"runs that have ended when they are recorded, and late reports, are no failures in a row", func(f *fixture) {
		f.create(newTask("a", future(0)))
		failed := newRun("a", past(0))
		failed.State = task.Failed
		id := f.record("a", failed)[0]
		f.equal(int64(0), f.task("a").FailureCount)
		_, err := f.Record(ctx, []store.Report{{Run: failed}, {Run: task.Run{ID: id, State: task.Failed}}}, nil)
		f.ok(err)
		f.equal(int64(0), f.task("a").FailureCount)
	}},
	{"a claim is told how many runs failed in a row, and leaves it so", func(f *fixture) {
		in := newTask("a", past(0))
		in.FailureCount = 3
		f.create(in)
		_, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
			f.equal(int64(3), d.FailureCount)
			return advance(future(0))(now, d)
		})
		f.ok(err)
		f.equal(int64(3), f.task("a").FailureCount)
	}},
	{"several ends of one task in one call are counted one after the other", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := append(f.recordN("a", 4), f.recordN("b", 1)...)
		var reports []store.Report
		for i, state := range []task.RunState{task.Failed, task.Succeeded, task.TimedOut, task.Lost, task.Failed} {
			reports = append(reports, store.Report{Run: task.Run{ID: runs[i], State: state}, Decide: true})
		}
		var seen []int64
		_, err := f.Record(ctx, reports, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			seen = append(seen, d.FailureCount)
			return store.Decision{Clock: d.Clock, State: d.State}
		})
		f.ok(err)
		f.equal([]int64{1, 0, 1, 2, 1}, seen)
		f.exact(task.Counts{Failed: 1, Succeeded: 1, TimedOut: 1, Lost: 1}, f.task("a").Counts)
		f.exact(task.Counts{Failed: 1}, f.task("b").Counts)
	}},
	{"what was undone is not counted", func(f *fixture) {
		f.create(newTask("a", past(0)))
		id := f.recordN("a", 1)[0]
		before := f.everything()
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(asked uuid.UUID, _ *task.Task) (store.Change, error) {
			if asked == idOf("b") {
				return store.Change{}, errFn
			}
			return store.Change{TakeBack: []task.RunID{id}, Record: []task.Run{threeFires()}}, nil
		})
		f.is(err, errFn)
		reports := []store.Report{{Run: task.Run{ID: id, State: task.Failed}, Decide: true}}
		_, err = f.Record(ctx, reports, func(time.Time, store.Due, task.Run) store.Decision { panic("out of cheese") })
		if err == nil {
			f.Fatal("a panic is no error")
		}
		f.unchanged(before)
	}},
}
