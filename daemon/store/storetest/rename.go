package storetest

import (
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// renamed returns the task as it is called from now on.
func renamed(t task.Task, name string) task.Task {
	t.ID, t.Declaration.Name = idOf(name), name
	return t
}

// rename renames the task that is stored under a name.
func (f *fixture) rename(from, to string) store.Updated {
	f.Helper()
	t := renamed(f.task(from), to)
	return f.change(from, store.Change{Task: &t})
}

var renameCases = []testCase{
	{"all that a task has travels to its new name", func(f *fixture) {
		old := fullTask("old")
		old.Clock.NextFireTime = past(0)
		f.create(old, newTask("other", future(0)))
		ended := fullRun("old")
		ended.State = task.Failed
		f.record("old", ended, newRun("old", past(0)))
		f.recordN("other", 1)
		f.change("old", store.Change{Record: []task.Run{ended}, Audit: []task.Event{newEvent("old", task.TaskPaused)}})
		before := f.everything()

		want := renamed(f.task("old"), "new")
		e := newEvent("new", task.TaskRenamed)
		got := f.change("old", store.Change{Task: &want, Audit: []task.Event{e}}).Task
		last := *want.LastRun
		last.TaskID, last.TaskName = idOf("new"), "new"
		want.LastRun = nil
		f.exact(want, got, anyChange)
		want.LastRun = &last
		f.exact(want, f.task("new"), anyChange)
		byID, err := f.Task(ctx, task.ByID(idOf("new")))
		f.ok(err)
		f.exact(want, byID, anyChange)
		for _, ref := range []task.Ref{task.ByName("old"), task.ByID(idOf("old"))} {
			_, err := f.Task(ctx, ref)
			f.is(err, task.ErrTaskNotFound)
		}
		f.equal([]string{"new", "other"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9})))
		f.equal([]string{"new"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Orphaned}})))
		f.equal([]string{"new"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, Group: "billing"})))

		for i := range before.Runs {
			if r := &before.Runs[i]; r.TaskName == "old" {
				r.TaskID, r.TaskName = idOf("new"), "new"
			}
			f.equal(before.Runs[i], f.run(before.Runs[i].ID))
		}
		f.equal([]task.RunID{4, 2, 1}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("new"), Limit: 2})))
		f.equal(0, len(f.allRuns(task.RunQuery{TaskID: idOf("old"), Limit: 2})))
		unfinished, err := f.Unfinished(ctx, 0, 1)
		f.ok(err)
		f.equal("new", unfinished[0].TaskName)
		// What was recorded under the old name stays there: that is what the task was called then.
		f.equal([]task.Action{task.TaskPaused}, actionsOf(f.eventsOf("old")))
		f.equal([]task.Action{task.TaskRenamed}, actionsOf(f.eventsOf("new")))

		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"new"}, fired(claimed))
		late, err := f.Record(ctx, []store.Report{end(2, 0)}, nil)
		f.ok(err)
		f.equal(0, len(late))
		f.equal(int64(1), f.task("new").Counts.Succeeded)
	}},
	{"what else a change says is done as well, and of the task under its new name", func(f *fixture) {
		f.create(newTask("old", future(0)))
		runs := f.recordN("old", 3)
		to := renamed(newTask("old", past(0)), "new")
		to.State, to.Declaration.Group, to.Version = task.Paused, "g", 9
		updated := f.change("old", store.Change{Task: &to, TakeBack: runs[1:], Record: []task.Run{newRun("new", past(0))}})
		f.equal(to, updated.Task)
		f.equal("new", updated.Recorded[0].TaskName)
		f.equal([]task.RunID{4, 1}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("new"), Limit: 9})))
		f.equal([]string{"new"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Paused}})))
		f.equal(0, len(f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Active}})))
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"new"}, fired(claimed))
	}},
	{"a name that is taken is refused and nothing is changed", func(f *fixture) {
		f.create(newTask("old", future(0)), newTask("taken", future(0)))
		f.recordN("old", 1)
		f.watch(true, true)
		before := f.everything()
		to := renamed(newTask("old", past(0)), "taken")
		_, err := f.Update(ctx, []uuid.UUID{idOf("old")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Task: &to, Audit: []task.Event{newEvent("taken", task.TaskRenamed)}}, nil
		})
		f.is(err, task.ErrExists)
		f.unchanged(before)
		f.equal(0, len(f.told()))
	}},
	{"the old name is free at once, and names can go round in one step", func(f *fixture) {
		a, b := fullTask("a"), newTask("b", future(0))
		f.create(a, b)
		f.recordN("a", 2)
		f.recordN("b", 1)
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b"), idOf("spare"), idOf("a")}, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			to := task.Task{}
			switch {
			case id == idOf("a") && stored.Declaration.Group == "billing":
				to = renamed(*stored, "spare")
			case id == idOf("b"):
				to = renamed(*stored, "a")
			case id == idOf("spare"):
				to = renamed(*stored, "b")
			default:
				return store.Change{}, nil
			}
			return store.Change{Task: &to}, nil
		})
		f.ok(err)
		f.equal([]string{"a", "b"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9})))
		f.equal([]string{"b"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, Group: "billing"})))
		f.equal([]task.RunID{3}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 9})))
		f.equal([]task.RunID{2, 1}, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("b"), Limit: 9})))
	}},
	{"a task that takes the old name has nothing of what was renamed", func(f *fixture) {
		f.create(fullTask("old"))
		skipped := newRun("old", past(0))
		skipped.State, skipped.Reason = task.Skipped, task.ReasonPaused
		f.record("old", skipped)
		f.rename("old", "new")
		f.create(newTask("old", time.Time{}))
		f.exact(newTask("old", time.Time{}), f.task("old"), anyChange)
		f.equal(0, len(f.allRuns(task.RunQuery{TaskID: idOf("old"), Limit: 9})))
		f.equal(int64(1), f.task("new").Counts.SkippedPaused)
	}},
	{"a rename that is undone has not happened", func(f *fixture) {
		f.create(fullTask("old"), newTask("b", future(0)))
		f.record("old", fullRun("old"))
		f.watch(true, true)
		before := f.everything()
		_, err := f.Update(ctx, []uuid.UUID{idOf("old"), idOf("new"), idOf("b")}, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			if id == idOf("b") {
				return store.Change{}, errFn
			}
			to := renamed(*stored, "new")
			return store.Change{Task: &to, Record: []task.Run{newRun("new", past(0))}}, nil
		})
		f.is(err, errFn)
		f.unchanged(before)
		f.equal(0, len(f.told()))
	}},
	{"a repeated call finds its run under the new name", func(f *fixture) {
		f.create(newTask("old", future(0)))
		first, _, err := f.Call(ctx, task.ByName("old"), request1, called)
		f.ok(err)
		f.rename("old", "new")
		again, repeated, err := f.Call(ctx, task.ByName("old"), request1, f.refused)
		f.ok(err)
		f.equal(true, repeated)
		first.TaskID, first.TaskName = idOf("new"), "new"
		f.equal(first, again)
	}},
	{"the old id is told to be no more, and the task under the new one", func(f *fixture) {
		f.create(newTask("old", future(0)))
		f.recordN("old", 2)
		f.watch(true, true)
		f.rename("old", "new")
		told := f.toldOnce()
		p := f.position()
		f.equal([]int64{p.Change, p.Change}, []int64{told.Change, p.Deleted})
		f.equal(idOf("old"), told.Changes[0].DeletedTask)
		var tasks []task.Task
		for _, ch := range told.Changes {
			if ch.Task != nil {
				tasks = append(tasks, *ch.Task)
			}
		}
		f.exact([]task.Task{f.task("new")}, tasks)
	}},
}
