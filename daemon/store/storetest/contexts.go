package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var contextCases = []testCase{
	{"a context that has ended begins nothing", func(f *fixture) {
		f.create(newTask("a", past(0)))
		skipped := newRun("a", past(0))
		skipped.State = task.Skipped
		f.change("a", store.Change{Record: []task.Run{skipped}, Audit: []task.Event{newEvent("a", task.TaskPaused)}})
		run := f.recordN("a", 1)[0]
		f.watch(true, true)
		before := f.everything()
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		overdue, cancel := context.WithDeadline(ctx, past(0))
		defer cancel()
		for _, c := range []struct {
			ctx  context.Context
			want error
		}{{canceled, context.Canceled}, {overdue, context.DeadlineExceeded}} {
			for method, call := range map[string]func(context.Context) error{
				"Task":  func(ctx context.Context) error { _, err := f.Task(ctx, task.ByName("a")); return err },
				"Tasks": func(ctx context.Context) error { _, err := f.Tasks(ctx, task.TaskQuery{Limit: 1}); return err },
				"NoTasks": func(ctx context.Context) error {
					_, err := f.Tasks(ctx, task.TaskQuery{States: []task.State{99}, Limit: 1})
					return err
				},
				"Run":        func(ctx context.Context) error { _, err := f.Run(ctx, run); return err },
				"Runs":       func(ctx context.Context) error { _, err := f.Runs(ctx, task.RunQuery{Limit: 1}); return err },
				"Unfinished": func(ctx context.Context) error { _, err := f.Unfinished(ctx, 0, 1); return err },
				"Update": func(ctx context.Context) error {
					_, err := f.Update(ctx, []uuid.UUID{idOf("a")}, func(uuid.UUID, *task.Task) (store.Change, error) {
						return store.Change{Record: []task.Run{newRun("a", past(0))}}, nil
					})
					return err
				},
				"Call": func(ctx context.Context) error {
					_, _, err := f.Call(ctx, task.ByName("a"), request1, called)
					return err
				},
				"Claim": func(ctx context.Context) error {
					_, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, advance(future(0)))
					return err
				},
				"Record": func(ctx context.Context) error {
					_, err := f.Record(ctx, []store.Report{end(run, 0)}, nil)
					return err
				},
				"Prune": func(ctx context.Context) error {
					_, err := f.Prune(ctx, idOf("a"), 5, keepNone)
					return err
				},
				"Sweep":    func(ctx context.Context) error { _, err := f.Sweep(ctx, future(0), 5); return err },
				"Position": func(ctx context.Context) error { _, err := f.Position(ctx); return err },
				"RunsChanged": func(ctx context.Context) error {
					_, err := f.RunsChanged(ctx, task.ChangedQuery{Limit: 1})
					return err
				},
				"AuditEvents": func(ctx context.Context) error {
					_, err := f.AuditEvents(ctx, task.AuditQuery{Limit: 1})
					return err
				},
			} {
				if err := call(c.ctx); err != c.want { //nolint:errorlint // the context's own
					f.Errorf("%s: got error %v, want %v", method, err, c.want)
				}
			}
		}
		f.unchanged(before)
		f.equal(0, len(f.told()))
	}},
	{"a transaction that has begun is carried through", func(f *fixture) {
		f.create(newTask("a", past(0)))
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := f.Update(ctx, []uuid.UUID{idOf("a")}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			cancel()
			t.Version = 2
			return store.Change{Task: t}, nil
		})
		f.ok(err)
		f.equal(int64(2), f.task("a").Version)
	}},
	{"who stops waiting has changed nothing or all", func(f *fixture) {
		f.create(newTask("a", future(0)))
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var wg sync.WaitGroup
		var done atomic.Int64
		for i := range 64 {
			wg.Go(func() {
				if i == 32 {
					cancel()
				}
				_, err := f.Update(ctx, []uuid.UUID{idOf("a")}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
					t.Version++
					return store.Change{Task: t, Record: []task.Run{newRun("a", past(0))}}, nil
				})
				if err == nil {
					done.Add(1)
				} else if err != context.Canceled { //nolint:errorlint // the context's own
					f.Error(err)
				}
			})
		}
		wg.Wait()
		f.equal(1+done.Load(), f.task("a").Version)
		f.equal(int(done.Load()), len(f.allRuns(task.RunQuery{Limit: 100})))
	}},
}

var togetherCases = []testCase{
	{"no fire, call or change is lost or done twice when all happens at once", func(f *fixture) {
		const tasks, rounds = 40, 25
		all := names("t", tasks)
		for _, name := range all {
			f.create(newTask(name, past(0)))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := make(map[task.RunID]string)
		saw := func(r task.Run) {
			mu.Lock()
			defer mu.Unlock()
			if name, twice := seen[r.ID]; twice {
				f.Errorf("run %v of %q is also one of %q", r.ID, r.TaskName, name)
			}
			seen[r.ID] = r.TaskName
		}
		for worker := range 3 {
			wg.Go(func() { // claims, and ends what it claimed
				for range rounds {
					claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 7}, func(now time.Time, d store.Due) store.Decision {
						return advance(d.Clock.NextFireTime.Add(time.Second))(now, d)
					})
					if err != nil {
						f.Error(err)
						return
					}
					var reports []store.Report
					for _, fire := range claimed.Fires {
						saw(fire.Run)
						r := end(fire.Run.ID, 0)
						r.Decide = true
						reports = append(reports, r)
					}
					late, err := f.Record(ctx, reports, func(_ time.Time, d store.Due, r task.Run) store.Decision {
						d.Clock.Progress.LastEnd = r.EndTime
						return store.Decision{Clock: d.Clock, State: d.State}
					})
					if err != nil || len(late) > 0 {
						f.Errorf("%v is late, error %v", late, err)
					}
				}
			})
			wg.Go(func() { // changes tasks and calls them
				for i := range rounds {
					name := all[(i*7+worker)%tasks]
					_, err := f.Update(ctx, []uuid.UUID{idOf(name)}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
						t.Version++
						return store.Change{Task: t}, nil
					})
					if err != nil {
						f.Error(err)
					}
					run, _, err := f.Call(ctx, task.ByName(name), uuid.Nil, called)
					if err != nil {
						f.Error(err)
					}
					saw(run)
				}
			})
			wg.Go(func() { // reads; what it sees must belong together
				for range rounds {
					page, err := f.Tasks(ctx, task.TaskQuery{Limit: tasks})
					if err != nil || len(page) != tasks {
						f.Errorf("a page of %d tasks, error %v", len(page), err)
					}
					for _, t := range page {
						if t.LastRun != nil && t.LastRun.TaskID != t.ID {
							f.Errorf("the last run of %q is one of %q", t.Declaration.Name, t.LastRun.TaskName)
						}
						if n := t.Clock.FireCount; n > 0 && t.Clock.Progress.Fires[0] != n {
							f.Errorf("task %q is half changed: %+v", t.Declaration.Name, t.Clock)
						}
					}
					if _, err := f.Unfinished(ctx, 0, 1000); err != nil {
						f.Error(err)
					}
				}
			})
		}
		wg.Wait()
		fires, revisions := int64(0), int64(0)
		for _, t := range f.allTasks(task.TaskQuery{Limit: 100}) {
			fires += t.Clock.FireCount
			revisions += t.Version - 1
		}
		f.equal(int64(3*rounds*7), fires)
		f.equal(int64(3*rounds), revisions)
		runs := f.allRuns(task.RunQuery{Limit: 1000})
		f.equal(len(seen), len(runs))
		f.equal(3*rounds*7+3*rounds, len(runs))
		chained := 0
		for _, name := range all {
			chained += len(f.allRuns(task.RunQuery{TaskID: idOf(name), Limit: 1000}))
		}
		f.equal(len(runs), chained)
	}},
}
