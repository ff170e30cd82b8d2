package storetest

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// allChanged follows the pages of a query to the end.
func (f *fixture) allChanged(q task.ChangedQuery) []task.Run {
	f.Helper()
	var all []task.Run
	for range 10_000 {
		page, err := f.RunsChanged(ctx, q)
		f.ok(err)
		if len(page.Runs) > q.Limit {
			f.Fatalf("a page of %d runs for a limit of %d", len(page.Runs), q.Limit)
		}
		all = append(all, page.Runs...)
		if page.Next == 0 {
			return all
		}
		if page.Next <= q.From {
			f.Fatalf("the page from run %d goes on at run %d", q.From, page.Next)
		}
		q.From = page.Next
	}
	f.Fatal("the pages do not end")
	return nil
}

var positionCases = []testCase{
	{"a store has an id, and begins where nothing has changed", func(f *fixture) {
		p := f.position()
		if p.ID == uuid.Nil {
			f.Error("the store has no id")
		}
		f.equal(store.Position{ID: p.ID, OldestOpen: 1}, p)
		f.equal(p, f.position())
	}},
	{"each commit that changes something has a greater number, and others have none", func(f *fixture) {
		last := f.position()
		moved := func(want bool, what string) {
			f.Helper()
			p := f.position()
			if p.ID != last.ID || (p.Change > last.Change) != want || p.Change < last.Change {
				f.Errorf("%s: from %+v to %+v", what, last, p)
			}
			last = p
		}
		f.create(newTask("a", past(0)))
		moved(true, "a task is made")
		f.change("a", store.Change{})
		moved(false, "nothing is said of a task")
		f.change("unknown", store.Change{TakeBack: []task.RunID{1}})
		moved(false, "a run that is not there is taken back")
		f.change("a", store.Change{Audit: []task.Event{newEvent("a", task.TaskPaused)}})
		moved(true, "an event is recorded")
		run := f.recordN("a", 1)[0]
		moved(true, "a run is recorded")
		for _, want := range []bool{true, false} {
			_, _, err := f.Call(ctx, task.ByName("a"), request1, called)
			f.ok(err)
			moved(want, "a call, and then the same again")
		}
		for _, want := range []bool{true, false} {
			_, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
			f.ok(err)
			moved(want, "a claim of what is due, and one of nothing")
		}
		for _, want := range []bool{true, false} {
			_, err := f.Record(ctx, []store.Report{end(run, 0)}, nil)
			f.ok(err)
			moved(want, "a report, and a late one")
		}
		for _, want := range []bool{true, false} {
			_, err := f.Prune(ctx, idOf("a"), 9, keepNone)
			f.ok(err)
			moved(want, "a run is pruned, and none")
		}
		f.everything()
		moved(false, "all is read")
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(id uuid.UUID, t *task.Task) (store.Change, error) {
			if id == idOf("b") {
				return store.Change{}, errFn
			}
			return store.Change{Task: t}, nil
		})
		f.is(err, errFn)
		moved(false, "an update fails")
	}},
	{"deletions and renames are marked, and runs that were taken back", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := f.recordN("a", 3)
		p := f.position()
		f.equal([]int64{0, 0}, []int64{p.Deleted, p.TakenBack})
		f.change("b", store.Change{TakeBack: runs}) // of another
		f.equal(int64(0), f.position().TakenBack)
		f.change("a", store.Change{TakeBack: runs[:1]})
		p = f.position()
		f.equal([]int64{0, p.Change}, []int64{p.Deleted, p.TakenBack})
		back := p.TakenBack
		f.change("b", store.Change{Delete: true})
		p = f.position()
		f.equal([]int64{p.Change, back}, []int64{p.Deleted, p.TakenBack})
		f.rename("a", "c")
		p = f.position()
		f.equal([]int64{p.Change, back}, []int64{p.Deleted, p.TakenBack})
		deleted := p.Deleted
		last := f.recordN("c", 1)
		p = f.position()
		f.equal([]int64{deleted, back}, []int64{p.Deleted, p.TakenBack})
		_, err := f.Update(ctx, []uuid.UUID{idOf("c"), idOf("d")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
			if id == idOf("d") {
				return store.Change{}, errFn
			}
			return store.Change{Delete: true}, nil
		})
		f.is(err, errFn)
		f.equal(p, f.position())
		// Runs that had not ended go with their task as if they had never been.
		_, err = f.Record(ctx, []store.Report{end(runs[1], 0), end(runs[2], 0)}, nil)
		f.ok(err)
		p = f.position()
		f.equal(back, p.TakenBack)
		f.equal(last[0], p.OldestOpen)
		f.change("c", store.Change{Delete: true})
		p = f.position()
		f.equal([]int64{p.Change, p.Change}, []int64{p.Deleted, p.TakenBack})
	}},
	{"the oldest open run is the lowest that has not ended, and the next one if all have", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		open := func(want task.RunID) {
			f.Helper()
			f.equal(want, f.position().OldestOpen)
		}
		skipped := newRun("a", past(0))
		skipped.State = task.Skipped
		f.record("a", skipped, skipped)
		open(3)
		runs := append(f.recordN("a", 2), f.recordN("b", 2)...) // 3 to 6
		open(3)
		for i, want := range []task.RunID{4, 4, 6, 6} {
			_, err := f.Record(ctx, []store.Report{end(runs[[]int{0, 2, 1, 2}[i]], 0)}, nil)
			f.ok(err)
			open(want)
		}
		f.change("b", store.Change{TakeBack: runs[3:]})
		open(7)
		f.recordN("b", 1)
		open(7)
		f.recordN("a", 1)
		f.change("b", store.Change{Delete: true})
		open(8)
	}},
	{"a task has the number of the commit that last changed it, its clock, its counts or its last run", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("b", future(0)))
		changed := func(what string) {
			f.Helper()
			if got, want := f.task("a").Change, f.position().Change; got != want {
				f.Errorf("%s: the task has number %d, want %d", what, got, want)
			}
		}
		a := newTask("a", past(0))
		a.Version = 2
		f.equal(f.change("a", store.Change{Task: &a}).Task.Change, f.position().Change)
		changed("an update")
		runs := f.recordN("a", 2)
		changed("a new last run")
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			return store.Decision{Clock: task.Clock{NextFireTime: past(time.Hour)}, State: d.State}
		})
		f.ok(err)
		f.equal(0, len(claimed.Fires))
		changed("a claim that moves the clock")
		_, err = f.Record(ctx, []store.Report{{Run: task.Run{ID: runs[1], State: task.Running, Attempt: 1}}}, nil)
		f.ok(err)
		changed("the last run started")
		_, err = f.Record(ctx, []store.Report{end(runs[0], 0)}, nil)
		f.ok(err)
		changed("an older run ended")
		f.change("a", store.Change{TakeBack: runs[1:]})
		changed("the last run was taken back")
		_, err = f.Prune(ctx, idOf("a"), 5, keepNone)
		f.ok(err)
		changed("the last run was pruned")
		_, err = f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			return store.Decision{Clock: d.Clock, State: d.State} // backwards
		})
		f.ok(err)
		changed("a claim that was rejected")
		before := f.task("a").Change
		f.recordN("b", 1)
		f.equal(before, f.task("a").Change)
	}},
	{"a run has the number of the commit that recorded or last changed it", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 2)
		made := f.position().Change
		_, err := f.Record(ctx, []store.Report{end(runs[1], 0)}, nil)
		f.ok(err)
		f.equal([]int64{made, f.position().Change}, []int64{f.run(runs[0]).Change, f.run(runs[1]).Change})
		run, _, err := f.Call(ctx, task.ByName("a"), uuid.Nil, called)
		f.ok(err)
		f.equal([]int64{f.position().Change, f.position().Change}, []int64{run.Change, f.run(run.ID).Change})
		// What a caller hands in is not written.
		spoiled := newRun("a", past(0))
		spoiled.Change = 1 << 60
		got := f.change("a", store.Change{Record: []task.Run{spoiled}}).Recorded[0]
		f.equal(f.position().Change, got.Change)
		_, err = f.Record(ctx, []store.Report{{Run: task.Run{ID: got.ID, State: task.Running, Change: 1 << 60}}}, nil)
		f.ok(err)
		f.equal(f.position().Change, f.run(got.ID).Change)
	}},
}

var runsChangedCases = []testCase{
	{"what was recorded or changed after a commit is found in the order of ids, without input and output", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		positions := []int64{0, f.position().Change}
		note := func() { positions = append(positions, f.position().Change) }
		for i := range 12 {
			name := []string{"a", "b"}[i%3%2]
			r := fullRun(name)
			r.State, r.Attempt = task.Running, 0
			f.record(name, r)
			note()
		}
		for _, id := range []task.RunID{3, 1, 12, 3, 7} {
			_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: id, State: task.Running, Output: []byte(`1`)}}}, nil)
			f.ok(err)
			note()
		}
		f.change("a", store.Change{TakeBack: []task.RunID{1, 4}})
		note()
		all := f.allRuns(task.RunQuery{Limit: 100})
		slices.Reverse(all)
		for _, after := range append(positions, 1<<60) {
			for _, name := range []string{"", "a", "b", "unknown"} {
				for _, from := range []task.RunID{0, 1, 2, 4, 12, 13, 99} {
					q := task.ChangedQuery{From: from, After: after}
					if name != "" {
						q.TaskID = idOf(name)
					}
					var want []task.Run
					for _, r := range all {
						if r.Change > after && r.ID >= from && (name == "" || r.TaskName == name) {
							want = append(want, r)
						}
					}
					for _, q.Limit = range []int{1, 3, 100} {
						f.exact(want, f.allChanged(q))
					}
				}
			}
		}
	}},
	{"what changed far on in a long history is found by following the pages", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := make([]task.Run, 10_200)
		for i := range runs {
			runs[i] = newRun("a", past(time.Duration(i)*time.Second))
			runs[i].State = task.Succeeded
		}
		f.record("a", runs...)
		p := f.position()
		last := append(f.recordN("a", 1), f.recordN("b", 1)...)
		f.equal(last, idsOf(f.allChanged(task.ChangedQuery{After: p.Change, Limit: 5})))
		f.equal(last, idsOf(f.allChanged(task.ChangedQuery{After: p.Change, From: p.OldestOpen, Limit: 1})))
		f.equal(last[:1], idsOf(f.allChanged(task.ChangedQuery{TaskID: idOf("a"), After: p.Change, Limit: 5})))
		f.equal(last[1:], idsOf(f.allChanged(task.ChangedQuery{TaskID: idOf("b"), After: p.Change, Limit: 5})))
		f.equal(len(runs)+1, len(f.allChanged(task.ChangedQuery{TaskID: idOf("a"), Limit: 1000})))
	}},
	{"a page does not go on where nothing is left", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.recordN("a", 6)
		for _, q := range []task.ChangedQuery{{Limit: 6}, {Limit: 3, From: 4}, {Limit: 7}, {Limit: 6, TaskID: idOf("a")}, {Limit: 3, From: 4, TaskID: idOf("a")}} {
			page, err := f.RunsChanged(ctx, q)
			f.ok(err)
			if page.Next != 0 || len(page.Runs) != min(q.Limit, 6) {
				f.Errorf("%d runs for %+v, and the next page at %d", len(page.Runs), q, page.Next)
			}
		}
	}},
}
