package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// gone fails unless no method shows the task, nor the runs it had.
func (f *fixture) gone(name string, runs ...task.RunID) {
	f.Helper()
	for _, ref := range []task.Ref{task.ByName(name), task.ByID(idOf(name))} {
		_, err := f.Task(ctx, ref)
		f.is(err, task.ErrTaskNotFound)
		_, _, err = f.Call(ctx, ref, uuid.Nil, f.refused)
		f.is(err, task.ErrTaskNotFound)
	}
	_, err := f.Prune(ctx, idOf(name), 5, keepNone)
	f.is(err, task.ErrTaskNotFound)
	for _, q := range []task.TaskQuery{
		{Limit: 9}, {Limit: 9, NamePrefix: name}, {Limit: 9, Group: "billing"}, {Limit: 9, States: allStates}, {Limit: 9, States: allStates[3:]},
	} {
		for _, t := range f.allTasks(q) {
			if t.Declaration.Name == name {
				f.Errorf("%+v still shows %q", q, name)
			}
		}
	}
	f.equal(0, len(f.allRuns(task.RunQuery{TaskID: idOf(name), Limit: 3})))
	f.equal(0, len(f.allChanged(task.ChangedQuery{TaskID: idOf(name), Limit: 3})))
	all := f.allRuns(task.RunQuery{Limit: 3})
	changed := f.allChanged(task.ChangedQuery{Limit: 3})
	unfinished, err := f.Unfinished(ctx, 0, 1000)
	f.ok(err)
	for _, r := range append(append(all, changed...), unfinished...) {
		if r.TaskName == name || r.TaskID == idOf(name) {
			f.Errorf("run %v of %q is still shown", r.ID, name)
		}
	}
	for _, id := range runs {
		_, err := f.Run(ctx, id)
		f.is(err, task.ErrRunNotFound)
		late, err := f.Record(ctx, []store.Report{end(id, 0), end(id, 1), end(id, 3)}, nil)
		f.ok(err)
		f.equal([]task.RunID{id, id, id}, late)
	}
	updated, err := f.Update(ctx, []uuid.UUID{idOf(name)}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored != nil {
			f.Errorf("%q is still stored", name)
		}
		return store.Change{TakeBack: runs}, nil
	})
	f.ok(err)
	f.equal([]store.Updated{{}}, updated)
}

var deleteCases = []testCase{
	{"a task that is deleted is gone at once with all its runs, and for good when it is swept", func(f *fixture) {
		full := fullTask("a")
		full.Clock.NextFireTime = past(0)
		f.create(full, newTask("b", past(time.Second)))
		runs := f.recordN("a", 3)
		ended := fullRun("a")
		ended.State = task.Failed
		runs = append(runs, f.record("a", ended)...)
		kept := f.recordN("b", 2)
		f.equal(store.Updated{}, f.change("a", store.Change{Delete: true, Audit: []task.Event{newEvent("a", task.TaskDeleted)}}))
		for range 2 {
			f.gone("a", runs...)
			f.equal([]task.RunID{kept[1], kept[0]}, idsOf(f.allRuns(task.RunQuery{Limit: 1})))
			f.equal(kept[0], f.position().OldestOpen)
			f.equal([]task.Action{task.TaskDeleted}, actionsOf(f.eventsOf("a")))
			f.sweep(past(-time.Hour), 2)
		}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"b"}, fired(claimed))
		f.equal(kept[1]+1, claimed.Fires[0].Run.ID)
	}},
	{"a task can be made again under the name at once, and has nothing of the one before", func(f *fixture) {
		f.create(fullTask("a"))
		skipped := fullRun("a")
		skipped.State, skipped.Reason = task.Skipped, task.ReasonPaused
		runs := f.record("a", skipped, newRun("a", past(0)), skipped)
		again := newTask("a", past(0))
		for round := range 3 {
			f.change("a", store.Change{Delete: true})
			made := f.change("a", store.Change{Task: &again}).Task
			f.exact(again, made, anyChange)
			f.exact(again, f.task("a"), anyChange)
			f.equal(0, len(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 3})))
			f.equal(0, len(f.allRuns(task.RunQuery{Limit: 3})))
			if round == 1 {
				f.sweep(past(0), 1)
				f.exact(again, f.task("a"), anyChange)
			}
			run := f.recordN("a", 1)[0]
			f.equal(runs[len(runs)-1]+1, run)
			f.equal([]task.RunID{run}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 3})))
			runs = append(runs, run)
		}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"a"}, fired(claimed))
	}},
	{"the name and the request ids are free at once", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		_, _, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.change("a", store.Change{Delete: true})
		for range 2 {
			run, _, err := f.Call(ctx, task.ByName("b"), request1, called)
			f.ok(err)
			f.equal(task.RunID(2), run.ID)
			f.equal("b", run.TaskName)
			f.sweep(past(0), 10)
		}
		f.rename("b", "a")
		f.equal(task.RunID(2), f.task("a").LastRun.ID)
	}},
	{"tasks that are due at the same instant are all claimed, though others were deleted before they were made", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("b", past(0)), newTask("c", past(0)))
		f.change("a", store.Change{Delete: true})
		f.create(newTask("d", past(0)))
		f.change("b", store.Change{Delete: true})
		f.create(newTask("a", past(0)), newTask("b", past(0)))
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		got := fired(claimed)
		slices.Sort(got)
		f.equal([]string{"a", "b", "c", "d"}, got)
	}},
	{"deleting, and what comes after it in the same step, see each other", func(f *fixture) {
		f.create(fullTask("a"), newTask("b", future(0)))
		f.recordN("a", 2)
		var seen []bool
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("a"), idOf("b"), idOf("a")}, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			seen = append(seen, stored != nil)
			switch {
			case len(seen) == 1:
				return store.Change{Delete: true}, nil
			case id == idOf("b"):
				to := renamed(*stored, "a")
				return store.Change{Task: &to}, nil
			}
			return store.Change{}, nil
		})
		f.ok(err)
		f.equal([]bool{true, false, true, true}, seen)
		f.equal([]string{"a"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9})))
		f.equal(0, len(f.allRuns(task.RunQuery{Limit: 9})))
	}},
	{"a task and runs can not be written together with a deletion", func(f *fixture) {
		a := newTask("a", future(0))
		f.create(a)
		before := f.everything()
		for _, c := range []store.Change{
			{Delete: true, Task: &a},
			{Delete: true, Record: []task.Run{newRun("a", past(0))}},
		} {
			_, err := f.Update(ctx, []uuid.UUID{a.ID}, func(uuid.UUID, *task.Task) (store.Change, error) { return c, nil })
			if err == nil {
				f.Errorf("%+v was not refused", c)
			}
		}
		f.unchanged(before)
	}},
	{"deleting what is not there changes nothing", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.watch(true, true)
		before := f.everything()
		f.equal(store.Updated{}, f.change("b", store.Change{Delete: true}))
		f.unchanged(before)
		f.equal(0, len(f.told()))
	}},
	{"a deletion that is undone has not happened", func(f *fixture) {
		full := fullTask("a")
		full.Clock.NextFireTime = past(0)
		f.create(full)
		_, _, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.record("a", fullRun("a"))
		f.watch(true, true)
		before := f.everything()
		for _, fail := range []func() error{
			func() error { return errFn },
			func() error { panic("out of cheese") },
		} {
			_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
				if id == idOf("a") {
					return store.Change{Delete: true}, nil
				}
				return store.Change{}, fail()
			})
			if err == nil {
				f.Fatal("the update did not fail")
			}
			f.unchanged(before)
		}
		f.equal(0, len(f.told()))
		_, repeated, err := f.Call(ctx, task.ByName("a"), request1, f.refused)
		f.ok(err)
		f.equal(true, repeated)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"a"}, fired(claimed))
	}},
	{"sweeping frees what many deleted tasks left, in chunks with events, and touches nothing else", func(f *fixture) {
		for i := range 4 {
			name := fmt.Sprint("t", i)
			f.create(newTask(name, future(0)))
			f.recordN(name, 10)
			f.change(name, store.Change{Audit: []task.Event{newEvent(name, task.TaskPaused)}})
		}
		for _, name := range []string{"t0", "t2"} {
			f.change(name, store.Change{Delete: true})
		}
		before := f.everything()
		f.sweep(past(0), 3)
		after := f.everything()
		after.Position.Change = before.Position.Change // whether a sweep has a number is the store's affair
		f.exact(before, after)
		f.sweep(past(time.Microsecond), 3)
		f.equal(0, len(f.eventsOf("")))
		f.equal(20, len(f.allRuns(task.RunQuery{Limit: 7})))
	}},
}
