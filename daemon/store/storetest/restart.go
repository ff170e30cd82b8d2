package storetest

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// Restart tests stores that outlive their process. open opens the store that is kept in dir, which is
// empty at first; each store is closed before the next is opened.
func Restart(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	for _, c := range []struct {
		promise string
		test    func(f *fixture, reopen func())
	}{
		{"everything is there after a restart", func(f *fixture, reopen func()) {
			f.create(fullTask("full"), newTask("plain", past(0)), newTask("never", time.Time{}))
			f.record("full", fullRun("full"), newRun("full", past(0)))
			called, _, err := f.Call(ctx, task.ByName("plain"), request1, called)
			f.ok(err)
			claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 5}, advance(past(time.Hour)))
			f.ok(err)
			_, err = f.Record(ctx, []store.Report{end(claimed.Fires[0].Run.ID, 0)}, nil)
			f.ok(err)
			before := f.everything()
			for range 2 {
				reopen()
				f.unchanged(before)
				again, repeated, err := f.Call(ctx, task.ByName("plain"), request1, f.refused)
				f.ok(err)
				f.equal(true, repeated)
				f.equal(called, again)
			}
			claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 5}, advance(future(0)))
			f.ok(err)
			f.equal([]string{"plain"}, fired(claimed))
			f.equal(past(time.Hour), claimed.Fires[0].Before.NextFireTime)
		}},
		{"the id of a run is never given again", func(f *fixture, reopen func()) {
			f.create(newTask("a", future(0)))
			given := make(map[task.RunID]bool)
			for range 4 {
				for range 2 {
					runs := f.recordN("a", 3)
					for _, id := range runs {
						if given[id] {
							f.Fatalf("run id %v was given twice", id)
						}
						given[id] = true
					}
					// All of the newest, so that the file does not show that they ever were.
					f.change("a", store.Change{TakeBack: runs})
				}
				reopen()
			}
			f.equal(task.RunID(25), f.recordN("a", 1)[0])
			reopen()
			f.equal(task.RunID(26), f.recordN("a", 1)[0])
		}},
		{"the store has its id and its numbers after a restart, and they go on", func(f *fixture, reopen func()) {
			first := f.position()
			reopen()
			f.equal(first, f.position())
			f.create(fullTask("a"), newTask("b", future(0)))
			runs := f.recordN("a", 3)
			f.change("a", store.Change{TakeBack: runs[:1]})
			f.change("b", store.Change{Delete: true})
			f.recordN("a", 1)
			p := f.position()
			if p.ID != first.ID || p.TakenBack == 0 || p.Deleted <= p.TakenBack || p.Change <= p.Deleted || p.OldestOpen != 2 {
				f.Errorf("the store has come to %+v", p)
			}
			for range 2 {
				reopen()
				f.equal(p, f.position())
			}
			f.watch(true, true)
			f.recordN("a", 1)
			told := f.toldOnce()
			if told.Change <= p.Change || told.Change != f.position().Change {
				f.Errorf("commit %d after %+v", told.Change, p)
			}
			f.equal(told.Change, f.task("a").Change)
		}},
		{"the audit, the counts and what changed when are there after a restart", func(f *fixture, reopen func()) {
			f.change("a", store.Change{Audit: []task.Event{fullEvent("a"), newEvent("a", task.TaskPaused)}})
			stored := newTask("a", future(0))
			stored.FailureCount = 2
			f.create(stored)
			p := f.position()
			for _, c := range counted {
				run := threeFires()
				run.State, run.Reason = c.state, c.reason
				f.record("a", run)
			}
			_, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: f.recordN("a", 1)[0], State: task.Lost}}}, nil)
			f.ok(err)
			before := f.everything()
			changed := f.allChanged(task.ChangedQuery{After: p.Change, Limit: 5})
			reopen()
			f.unchanged(before)
			f.exact(changed, f.allChanged(task.ChangedQuery{After: p.Change, Limit: 5}))
			f.equal(int64(3), f.task("a").FailureCount)
			f.change("a", store.Change{Audit: []task.Event{newEvent("a", task.TaskResumed)}})
			f.equal([]int64{1, 2, 3}, eventIDs(f.eventsOf("a")))
			// The ids of events go on, though the file shows none that ever was.
			f.sweep(future(0), 10)
			reopen()
			f.change("a", store.Change{Audit: []task.Event{newEvent("a", task.TaskResumed)}})
			f.equal([]int64{4}, eventIDs(f.eventsOf("a")))
		}},
		{"what was deleted, renamed or pruned stays so, swept or not", func(f *fixture, reopen func()) {
			f.create(fullTask("gone"), fullTask("old"), newTask("pruned", future(0)))
			gone := f.record("gone", fullRun("gone"), newRun("gone", past(0)))
			kept := f.record("old", fullRun("old"))
			skipped := newRun("pruned", past(0))
			skipped.State = task.Skipped
			f.record("pruned", skipped)
			f.change("gone", store.Change{Delete: true})
			f.rename("old", "new")
			_, err := f.Prune(ctx, idOf("pruned"), 5, keepNone)
			f.ok(err)
			before := f.everything()
			for range 2 {
				reopen()
				f.unchanged(before)
				f.gone("gone", gone...)
				f.equal(kept, idsOf(f.allRuns(task.RunQuery{TaskID: idOf("new"), Limit: 5})))
				f.sweep(past(0), 1)
				before.Position = f.position()
			}
		}},
		{"what was undone is not there after a restart", func(f *fixture, reopen func()) {
			f.create(newTask("a", past(0)))
			before := f.everything()
			_, _, err := f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) { return task.Run{}, task.Event{}, errFn })
			f.is(err, errFn)
			_, err = f.Claim(ctx, store.ClaimRequest{Limit: 5}, func(time.Time, store.Due) store.Decision { panic("out of cheese") })
			if err == nil {
				f.Fatal("a panic is no error")
			}
			reopen()
			f.unchanged(before)
		}},
	} {
		t.Run(c.promise, func(t *testing.T) {
			dir := t.TempDir()
			f := newFixture(t, open(t, dir))
			t.Cleanup(func() { f.ok(f.Close()) })
			c.test(f, func() {
				f.ok(f.Close())
				f.Store, f.watcher = open(t, dir), new(watcher)
				f.Observe(f.watcher)
			})
		})
	}
}
