package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// tasksOf and runsOf are what a commit tells of tasks and of runs, in its order.
func tasksOf(c store.Commit) (tasks []task.Task) {
	for _, ch := range c.Changes {
		if ch.Task != nil {
			tasks = append(tasks, *ch.Task)
		}
	}
	return tasks
}

func runsOf(c store.Commit) (runs []task.Run) {
	for _, ch := range c.Changes {
		if ch.Run != nil {
			runs = append(runs, *ch.Run)
		}
	}
	return runs
}

var observeCases = []testCase{
	{"each commit is told with its number, with tasks and runs as they became", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("b", past(time.Second)))
		older := f.recordN("a", 2)
		f.watch(true, true)
		want := func(what string, names []string, runs ...task.RunID) {
			f.Helper()
			told := f.toldOnce()
			p := f.position()
			f.exact([]any{p.Change, p.OldestOpen}, []any{told.Change, told.OldestOpen})
			if got := namesOf(tasksOf(told)); len(got) != len(names) {
				f.Errorf("%s: %v were told of, want %v", what, got, names)
			}
			for _, t := range tasksOf(told) {
				f.exact(f.task(t.Declaration.Name), t)
			}
			f.equal(runs, idsOf(runsOf(told)))
			for _, r := range runsOf(told) {
				stored := f.run(r.ID)
				stored.Input, stored.Output = nil, nil
				f.exact(stored, r)
			}
		}
		a := fullTask("a")
		a.Clock.NextFireTime = past(0)
		f.change("a", store.Change{Task: &a, Record: []task.Run{fullRun("a"), newRun("a", past(0))}})
		want("an update", []string{"a"}, 3, 4)
		f.change("a", store.Change{Record: []task.Run{fullRun("a")}})
		want("a record", []string{"a"}, 5)
		_, _, err := f.Call(ctx, task.ByName("b"), request1, called)
		f.ok(err)
		want("a call", []string{"b"}, 6)
		_, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		want("a claim", []string{"a", "b"}, 7, 8)
		_, err = f.Record(ctx, []store.Report{{Run: task.Run{ID: 7, State: task.Running, Output: []byte(`1`)}}}, nil)
		f.ok(err)
		want("the last run starts", []string{"a"}, 7)
		_, err = f.Record(ctx, []store.Report{end(older[0], 0)}, nil)
		f.ok(err)
		want("an older run ends", []string{"a"}, older[0])
		report := end(older[1], 0)
		report.Decide = true
		_, err = f.Record(ctx, []store.Report{report, end(6, 0)}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			return store.Decision{Clock: task.Clock{NextFireTime: past(0)}, State: d.State, Record: []task.Run{newRun("a", past(0))}}
		})
		f.ok(err)
		want("a decision", []string{"a", "b"}, older[1], 9, 6)
		_, err = f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			return store.Decision{Clock: d.Clock, State: d.State}
		})
		f.ok(err)
		want("a claim that is rejected", []string{"a"})
		_, err = f.Record(ctx, []store.Report{end(9, 0)}, nil)
		f.ok(err)
		want("the last run ends", []string{"a"}, 9)
		_, err = f.Prune(ctx, idOf("a"), 9, keepNone)
		f.ok(err)
		want("the last run is pruned", []string{"a"})
	}},
	{"a run that is taken back, and a task that is deleted, are told of", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 3)
		f.watch(true, true)
		f.change("a", store.Change{TakeBack: []task.RunID{runs[2], 99, runs[2]}})
		told := f.toldOnce()
		f.equal(store.Changed{TakenBack: runs[2]}, told.Changes[0])
		f.exact([]task.Task{f.task("a")}, tasksOf(told))
		f.equal(2, len(told.Changes))
		runs = append(runs[:2], f.recordN("a", 2)...)
		_, err := f.Record(ctx, []store.Report{end(runs[1], 0)}, nil)
		f.ok(err)
		f.told()
		f.change("a", store.Change{Delete: true})
		told = f.toldOnce()
		// Those that have ended go as if they were pruned.
		f.equal([]store.Changed{{TakenBack: runs[0]}, {TakenBack: runs[2]}, {TakenBack: runs[3]}, {DeletedTask: idOf("a")}}, told.Changes)
		f.equal(task.RunID(6), told.OldestOpen)
	}},
	{"a task that is changed several times in a commit is told of once, as it was at the end", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		runs := f.recordN("a", 3)
		f.watch(true, true)
		ids := []uuid.UUID{idOf("a"), idOf("b"), idOf("a"), idOf("a")}
		_, err := f.Update(ctx, ids, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			t.Version++
			return store.Change{Task: t, Record: []task.Run{newRun(t.Declaration.Name, past(0))}}, nil
		})
		f.ok(err)
		told := tasksOf(f.toldOnce())
		f.equal(2, len(told))
		for _, t := range told {
			f.exact(f.task(t.Declaration.Name), t)
		}
		_, err = f.Record(ctx, []store.Report{end(runs[0], 0), end(runs[1], 0), end(runs[2], 0)}, nil)
		f.ok(err)
		c := f.toldOnce()
		f.exact([]task.Task{f.task("a")}, tasksOf(c))
		f.equal(runs, idsOf(runsOf(c)))
	}},
	{"a task that is deleted and made again in one commit is told to be gone first", func(f *fixture) {
		f.create(fullTask("a"))
		f.recordN("a", 1)
		m := newMirror()
		f.watch(true, true)
		again := newTask("a", future(0))
		_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("a")}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			if stored != nil {
				return store.Change{Delete: true}, nil
			}
			return store.Change{Task: &again, Record: []task.Run{newRun("a", past(0))}}, nil
		})
		f.ok(err)
		m.apply(f, f.toldOnce())
		m.same(f)
	}},
	{"only what is wanted is told, and it is asked anew for each commit", func(f *fixture) {
		f.create(newTask("a", future(0)))
		for _, want := range []struct{ tasks, runs bool }{{false, false}, {true, false}, {false, true}, {true, true}, {false, false}} {
			f.watch(want.tasks, want.runs)
			id := f.recordN("a", 1)[0]
			f.change("a", store.Change{TakeBack: []task.RunID{id}})
			told := f.told()
			if len(told) == 0 && !want.tasks && !want.runs {
				continue
			}
			f.equal(2, len(told))
			f.equal(want.tasks, len(tasksOf(told[0])) == 1)
			f.equal(want.tasks, len(tasksOf(told[1])) == 1)
			f.equal(want.runs, len(runsOf(told[0])) == 1)
			f.equal(want.runs, told[1].Changes[0].TakenBack == id)
		}
		f.watch(true, false)
		f.change("a", store.Change{Delete: true})
		f.equal(1, len(f.toldOnce().Changes))
	}},
	{"a commit in which nothing that is wanted was changed is not told", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 2)
		f.watch(false, true)
		a := newTask("a", future(0))
		f.change("a", store.Change{Task: &a})
		f.equal(0, len(f.told()))
		f.watch(true, false)
		_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: runs[0], State: task.Running}}}, nil)
		f.ok(err)
		for _, c := range f.told() { // a store may know no better than that the task may have changed
			f.equal(0, len(runsOf(c)))
		}
		f.watch(true, true)
		f.change("a", store.Change{Audit: []task.Event{newEvent("a", task.DeclarationRefused)}})
		f.change("a", store.Change{})
		f.sweep(future(0), 5)
		f.equal(0, len(f.told()))
	}},
	{"nothing is told of what was undone, late or done before", func(f *fixture) {
		f.create(newTask("a", past(0)))
		run, _, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.watch(true, true)
		write := func(id uuid.UUID) (store.Change, error) {
			t := newTask("b", future(0))
			if id == idOf("a") {
				t = newTask("a", future(0))
			}
			return store.Change{Task: &t, TakeBack: []task.RunID{run.ID}, Record: []task.Run{newRun(t.Declaration.Name, past(0))}}, nil
		}
		for what, fail := range map[string]func() error{
			"an error of the function": func() error {
				_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b"), idOf("c")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
					if id == idOf("c") {
						return store.Change{}, errFn
					}
					return write(id)
				})
				return err
			},
			"a panic": func() error {
				_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b"), idOf("c")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
					if id == idOf("c") {
						panic("out of cheese")
					}
					return write(id)
				})
				return err
			},
			"a change that is refused": func() error {
				_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
					c, err := write(id)
					if id == idOf("b") {
						c.Record = []task.Run{newRun("a", past(0))}
					}
					return c, err
				})
				return err
			},
			"a call that fails": func() error {
				_, _, err := f.Call(ctx, task.ByName("a"), request2, func(task.Task) (task.Run, task.Event, error) {
					return newRun("b", past(0)), newEvent("a", task.RunRequested), nil
				})
				return err
			},
			"a panic in a claim": func() error {
				_, err := f.Claim(ctx, store.ClaimRequest{Limit: 5}, func(time.Time, store.Due) store.Decision { panic("out of cheese") })
				return err
			},
			"a panic in a record": func() error {
				report := end(run.ID, 0)
				report.Decide = true
				_, err := f.Record(ctx, []store.Report{report}, func(time.Time, store.Due, task.Run) store.Decision { panic("out of cheese") })
				return err
			},
			"a context that has ended": func() error {
				canceled, cancel := context.WithCancel(ctx)
				cancel()
				_, err := f.Record(canceled, []store.Report{end(run.ID, 0)}, nil)
				return err
			},
		} {
			before := f.everything()
			if err := fail(); err == nil {
				f.Errorf("%s is no error", what)
			}
			f.unchanged(before)
			if told := f.told(); len(told) > 0 {
				f.Errorf("%s was told of: %+v", what, told)
			}
		}
		_, _, err = f.Call(ctx, task.ByName("a"), request1, f.refused)
		f.ok(err)
		_, err = f.Record(ctx, []store.Report{end(99, 0), end(run.ID, 7)}, nil)
		f.ok(err)
		f.equal(0, len(f.told()))
		f.create(newTask("a", past(0)))
		f.equal(1, len(f.told()))
	}},
	{"what is told later does not change what was told before", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.watch(true, true)
		full := fullTask("a")
		f.change("a", store.Change{Task: &full, Record: []task.Run{fullRun("a")}})
		first := f.toldOnce()
		want, wantRun := f.task("a"), f.allRuns(task.RunQuery{Limit: 1})[0]
		spoilTask(&full)
		read := f.task("a")
		spoilTask(&read)
		spoilRun(read.LastRun)
		page := f.allRuns(task.RunQuery{Limit: 1})
		spoilRun(&page[0])
		_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: 1, State: task.Failed, Attempt: 4}, FromAttempt: 3}}, nil)
		f.ok(err)
		plain := newTask("a", past(0))
		f.change("a", store.Change{Task: &plain})
		f.exact([]task.Task{want}, tasksOf(first))
		f.exact([]task.Run{wantRun}, runsOf(first))
	}},
	{"commits are told in their order, and show in the end what the store shows, however many write at once", func(f *fixture) {
		f.watch(true, true)
		all := names("t", 12)
		for _, name := range all {
			f.create(newTask(name, past(0)))
		}
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := range 20 {
					claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 3}, func(now time.Time, d store.Due) store.Decision {
						return advance(d.Clock.NextFireTime.Add(time.Second))(now, d)
					})
					if err != nil {
						f.Error(err)
						return
					}
					name := all[(i*5+worker)%len(all)]
					run, _, err := f.Call(ctx, task.ByName(name), uuid.Nil, called)
					if err != nil {
						f.Error(err)
					}
					var reports []store.Report
					for _, fire := range claimed.Fires {
						reports = append(reports, end(fire.Run.ID, 0))
					}
					if _, err := f.Record(ctx, reports, nil); err != nil {
						f.Error(err)
					}
					_, err = f.Update(ctx, []uuid.UUID{idOf(name)}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
						t.Version++
						return store.Change{Task: t, TakeBack: []task.RunID{run.ID}}, nil
					})
					if err != nil {
						f.Error(err)
					}
				}
			})
		}
		wg.Wait()
		m := newMirror()
		for _, c := range f.told() {
			m.apply(f, c)
		}
		m.same(f)
		if last := f.position().Change; m.change != last {
			f.Errorf("commit %d was told last, the store has come to %d", m.change, last)
		}
	}},
	{"who wants to know and then asks for the position misses nothing between what is read and what is told", func(f *fixture) {
		f.create(newTask("a", future(0)))
		const calls = 200
		var wg sync.WaitGroup
		wg.Go(func() {
			for range calls {
				if _, _, err := f.Call(ctx, task.ByName("a"), uuid.Nil, called); err != nil {
					f.Error(err)
					return
				}
			}
		})
		// Somewhere in the midst of that, but nothing hangs on where.
		f.watch(false, true)
		f.position()
		seen := make(map[task.RunID]bool)
		for _, r := range f.allRuns(task.RunQuery{Limit: 1000}) {
			seen[r.ID] = true
		}
		wg.Wait()
		for _, c := range f.told() {
			for _, r := range runsOf(c) {
				seen[r.ID] = true
			}
		}
		f.equal(calls, len(seen))
	}},
}
