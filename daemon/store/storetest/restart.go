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
		{"what was undone is not there after a restart", func(f *fixture, reopen func()) {
			f.create(newTask("a", past(0)))
			before := f.everything()
			_, _, err := f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, error) { return task.Run{}, errFn })
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
			f := &fixture{TB: t, Store: open(t, dir)}
			t.Cleanup(func() { f.ok(f.Close()) })
			c.test(f, func() {
				f.ok(f.Close())
				f.Store = open(t, dir)
			})
		})
	}
}
