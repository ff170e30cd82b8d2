package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var updateCases = []testCase{
	{"a task that is created is read back by id and by name", func(f *fixture) {
		want := fullTask("report")
		f.equal(want, f.change("report", store.Change{Task: &want}).Task)
		f.equal(want, f.task("report"))
		byID, err := f.Task(ctx, task.ByID(want.ID))
		f.ok(err)
		f.equal(want, byID)
		both, err := f.Task(ctx, task.Ref{ID: want.ID, Name: "another"})
		f.ok(err)
		f.equal(want, both)
	}},
	{"what is not there is not found and is named", func(f *fixture) {
		f.create(newTask("there", time.Time{}))
		var missing *task.NotFoundError
		for _, ref := range []task.Ref{task.ByName("report"), task.ByID(idOf("report")), {}, {ID: idOf("report"), Name: "there"}} {
			_, err := f.Task(ctx, ref)
			f.is(err, task.ErrTaskNotFound)
			if !errors.As(err, &missing) || ref.ID == uuid.Nil && missing.Name != ref.Name {
				f.Errorf("the error %q does not name %v", err, ref)
			}
		}
		for _, id := range []task.RunID{0, 1, -1, 1 << 62} {
			_, err := f.Run(ctx, id)
			f.is(err, task.ErrRunNotFound)
			if !errors.As(err, &missing) || missing.Name != id.String() {
				f.Errorf("the error %q does not name run %v", err, id)
			}
		}
	}},
	{"the function sees what is stored and nil for what is not", func(f *fixture) {
		want := fullTask("b")
		f.create(want)
		f.record("b", newRun("b", past(0)))
		seen := make(map[uuid.UUID]*task.Task)
		var order []uuid.UUID
		ids := []uuid.UUID{idOf("c"), idOf("b"), idOf("a")}
		_, err := f.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			order = append(order, id)
			seen[id] = stored
			return store.Change{}, nil
		})
		f.ok(err)
		f.equal(ids, order)
		f.equal(map[uuid.UUID]*task.Task{ids[0]: nil, ids[1]: &want, ids[2]: nil}, seen)
	}},
	{"there is an answer for each id in their order", func(f *fixture) {
		kept := newTask("kept", time.Time{})
		f.create(kept)
		made, changed := newTask("made", future(0)), kept
		changed.Version = 2
		ids := []uuid.UUID{made.ID, idOf("unknown"), kept.ID, made.ID}
		updated, err := f.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			switch {
			case id == made.ID && stored == nil:
				return store.Change{Task: &made, Record: []task.Run{newRun("made", past(0)), newRun("made", past(1000))}}, nil
			case id == kept.ID:
				return store.Change{Task: &changed}, nil
			}
			return store.Change{}, nil
		})
		f.ok(err)
		first, second := newRun("made", past(0)), newRun("made", past(1000))
		first.ID, first.TaskName, second.ID, second.TaskName = 1, "made", 2, "made"
		f.equal([]store.Updated{{Task: made, Recorded: []task.Run{first, second}}, {}, {Task: changed}, {Task: made}}, updated)
	}},
	{"an id that comes twice sees its own change", func(f *fixture) {
		id := idOf("twice")
		_, err := f.Update(ctx, []uuid.UUID{id, id, id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			t := newTask("twice", time.Time{})
			if stored != nil {
				t = *stored
				t.Version++
			}
			return store.Change{Task: &t}, nil
		})
		f.ok(err)
		f.equal(int64(3), f.task("twice").Version)
	}},
	{"an error undoes the changes to all tasks and is returned as it is", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		run := f.record("a", newRun("a", past(0)))
		before := f.everything()
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("new"), idOf("b")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
			switch id {
			case idOf("b"):
				return store.Change{}, errFn
			case idOf("a"):
				t := newTask("a", past(0))
				t.State, t.Version = task.Paused, 9
				return store.Change{Task: &t, TakeBack: run, Record: []task.Run{newRun("a", past(1))}}, nil
			}
			t := newTask("new", past(0))
			return store.Change{Task: &t, Record: []task.Run{newRun("new", past(0))}}, nil
		})
		if err != errFn { //nolint:errorlint // as it is, not wrapped
			f.Fatalf("got error %v, want the function's own", err)
		}
		f.unchanged(before)
		// Nor has anything become due.
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 10}, advance(future(0)))
		f.ok(err)
		f.equal(0, len(claimed.Fires))
	}},
	{"a panic becomes an error and undoes everything", func(f *fixture) {
		f.create(newTask("a", future(0)))
		before := f.everything()
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
			if id == idOf("b") {
				panic("out of cheese")
			}
			t := newTask("a", past(0))
			t.Version = 2
			return store.Change{Task: &t}, nil
		})
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			f.Fatalf("got error %v, want one that shows the panic", err)
		}
		f.unchanged(before)
		f.create(newTask("b", future(0)))
	}},
	{"a change without a task leaves it alone and an unknown task unknown", func(f *fixture) {
		want := fullTask("a")
		f.create(want)
		f.equal(want, f.change("a", store.Change{}).Task)
		f.equal(store.Updated{}, f.change("b", store.Change{}))
		f.equal([]string{"a"}, namesOf(f.allTasks(task.TaskQuery{Limit: 5})))
	}},
	{"a task is written as it is", func(f *fixture) {
		full := fullTask("a")
		f.create(full)
		plain := newTask("a", time.Time{})
		plain.Version = 7
		plain.Clock.Progress.Fires = nil
		f.equal(plain, f.change("a", store.Change{Task: &plain}).Task)
		f.equal(plain, f.task("a"))
		f.equal(full, f.change("a", store.Change{Task: &full}).Task)
	}},
	{"the last run of a task that is handed in is not written", func(f *fixture) {
		t := newTask("a", time.Time{})
		t.LastRun = &task.Run{ID: 77}
		f.create(t)
		if last := f.task("a").LastRun; last != nil {
			f.Fatalf("the task has a last run: %v", last)
		}
	}},
	{"runs get ids in the order of recording from 1", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		f.equal([]task.RunID{1, 2, 3}, f.recordN("a", 3))
		f.equal([]task.RunID{4, 5}, f.recordN("b", 2))
		f.equal(task.RunID(3), f.task("a").LastRun.ID)
		f.equal(task.RunID(5), f.task("b").LastRun.ID)
	}},
	{"a run that is recorded is read back whole", func(f *fixture) {
		f.create(newTask("a", future(0)))
		want := fullRun("a")
		got := f.change("a", store.Change{Record: []task.Run{want}}).Recorded[0]
		want.ID = got.ID
		f.equal(want, got)
		f.equal(want, f.run(got.ID))
		want.Input, want.Output = nil, nil
		f.equal(&want, f.task("a").LastRun)
	}},
	{"what would break the store is refused and changes nothing", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		before := f.everything()
		other, taken, renamed := newTask("x", future(0)), newTask("b", future(0)), newTask("c", future(0))
		taken.ID, renamed.ID = idOf("x"), idOf("a")
		foreign := newTask("x", future(0))
		foreign.Namespace = "elsewhere"
		for promise, c := range map[string]struct {
			id     uuid.UUID
			change store.Change
		}{
			"another id":              {idOf("y"), store.Change{Task: &other}},
			"a name that is taken":    {idOf("x"), store.Change{Task: &taken}},
			"another name":            {idOf("a"), store.Change{Task: &renamed}},
			"another namespace":       {idOf("x"), store.Change{Task: &foreign}},
			"a run of another task":   {idOf("a"), store.Change{Record: []task.Run{newRun("b", past(0))}}},
			"a run of no stored task": {idOf("x"), store.Change{Record: []task.Run{newRun("x", past(0))}}},
		} {
			_, err := f.Update(ctx, []uuid.UUID{c.id}, func(uuid.UUID, *task.Task) (store.Change, error) { return c.change, nil })
			if err == nil {
				f.Errorf("%s was not refused", promise)
			}
		}
		f.unchanged(before)
	}},
	{"many tasks are changed at once", func(f *fixture) {
		all := names("task-", 1500)
		var tasks []task.Task
		for _, name := range all {
			tasks = append(tasks, newTask(name, future(0)))
		}
		f.create(tasks...)
		f.equal(all, namesOf(f.allTasks(task.TaskQuery{Limit: 400})))
	}},
}

var takeBackCases = []testCase{
	{"the run before the last becomes the last", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := f.recordN("a", 3)
		f.recordN("b", 1)
		f.change("a", store.Change{TakeBack: runs[2:]})
		f.equal(runs[1], f.task("a").LastRun.ID)
		_, err := f.Run(ctx, runs[2])
		f.is(err, task.ErrRunNotFound)
		f.equal([]task.RunID{2, 1}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 10})))
	}},
	{"any runs of a task can be taken back in any order", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		for _, gone := range [][]int{{0}, {1}, {4}, {1, 2}, {2, 1}, {3, 4}, {4, 3}, {0, 4}, {0, 1, 2, 3, 4}, {4, 2, 0}, {1, 1}} {
			runs := f.recordN("a", 5)
			f.recordN("b", 1)
			var back, left []task.RunID
			for _, i := range gone {
				back = append(back, runs[i])
			}
			for _, id := range slices.Backward(runs) {
				if !slices.Contains(back, id) {
					left = append(left, id)
				}
			}
			f.change("a", store.Change{TakeBack: back})
			f.equal(left, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 2})))
			unfinished, err := f.Unfinished(ctx, runs[0]-1, 10)
			f.ok(err)
			f.equal(len(left)+1, len(unfinished))
			last := f.task("a").LastRun
			if len(left) == 0 && last != nil || len(left) > 0 && last.ID != left[0] {
				f.Errorf("after %v were taken back the last run is %v", gone, last)
			}
			f.change("a", store.Change{TakeBack: left})
		}
	}},
	{"the id of a run that was taken back is not given again", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 2)
		f.change("a", store.Change{TakeBack: runs})
		f.equal([]task.RunID{3}, f.recordN("a", 1))
		got := f.change("a", store.Change{TakeBack: []task.RunID{3}, Record: []task.Run{newRun("a", past(0))}})
		f.equal(task.RunID(4), got.Recorded[0].ID)
		f.equal(task.RunID(4), f.task("a").LastRun.ID)
	}},
	{"runs of others and runs that are gone are passed over", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := f.recordN("b", 1)
		before := f.everything()
		f.change("a", store.Change{TakeBack: []task.RunID{runs[0], 99, 0, -1}})
		f.change("unknown", store.Change{TakeBack: runs})
		f.unchanged(before)
	}},
	{"a fire can be taken back with the clock it had before", func(f *fixture) {
		want := newTask("a", past(0))
		want.Clock.RecordedTime, want.Clock.Progress.Fires = past(-time.Minute), []int64{4}
		f.create(want)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, advance(future(0)))
		f.ok(err)
		fire := claimed.Fires[0]
		back := f.task("a")
		back.LastRun, back.Clock = nil, fire.Before
		f.change("a", store.Change{Task: &back, TakeBack: []task.RunID{fire.Run.ID}})
		f.equal(want, f.task("a"))
		again, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, advance(future(0)))
		f.ok(err)
		f.equal(fire.Before, again.Fires[0].Before)
	}},
}
