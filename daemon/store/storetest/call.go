package storetest

import (
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var (
	request1 = uuid.MustParse("11111111-1111-4111-8111-111111111111")
	request2 = uuid.MustParse("22222222-2222-4222-8222-222222222222")
)

// called is a CallFunc that makes a plain run.
func called(t task.Task) (task.Run, task.Event, error) {
	return task.Run{
		TaskID: t.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: past(0), Actor: "ann", Input: []byte(`{"a":1}`),
	}, newEvent(t.Declaration.Name, task.RunRequested), nil
}

// refused is a CallFunc that must not be called.
func (f *fixture) refused(task.Task) (task.Run, task.Event, error) {
	f.Error("the function was called")
	return task.Run{}, task.Event{}, errFn
}

var callCases = []testCase{
	{"a call is recorded and leaves the clock alone", func(f *fixture) {
		stored := fullTask("a")
		f.create(stored)
		for i, ref := range []task.Ref{task.ByName("a"), task.ByID(idOf("a"))} {
			var seen task.Task
			run, repeated, err := f.Call(ctx, ref, uuid.Nil, func(t task.Task) (task.Run, task.Event, error) {
				seen = t
				return called(t)
			})
			f.ok(err)
			f.equal(stored, seen)
			want, _, _ := called(stored)
			want.ID, want.TaskName = task.RunID(i+1), "a"
			f.equal(want, run)
			f.equal(want, f.run(run.ID))
			f.equal(false, repeated)
			f.equal(run.ID, f.task("a").LastRun.ID)
		}
		after := f.task("a")
		after.LastRun = nil
		f.equal(stored, after)
	}},
	{"a call of an unknown task is not found", func(f *fixture) {
		for _, ref := range []task.Ref{task.ByName("a"), task.ByID(idOf("a"))} {
			_, _, err := f.Call(ctx, ref, request1, f.refused)
			f.is(err, task.ErrTaskNotFound)
		}
	}},
	{"a repeated request gets the same run as it is now", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		first, repeated, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.equal(false, repeated)
		again, repeated, err := f.Call(ctx, task.ByName("a"), request1, f.refused)
		f.ok(err)
		f.equal(true, repeated)
		f.equal(first, again)

		_, err = f.Record(ctx, []store.Report{{Run: task.Run{ID: first.ID, State: task.Succeeded, Output: []byte(`5`), Actor: "ann"}}}, nil)
		f.ok(err)
		for _, ref := range []task.Ref{task.ByName("a"), task.ByName("b"), task.ByName("unknown")} {
			again, repeated, err = f.Call(ctx, ref, request1, f.refused)
			f.ok(err)
			f.equal(true, repeated)
			f.equal(f.run(first.ID), again)
			f.equal(task.Succeeded, again.State)
		}
		other, repeated, err := f.Call(ctx, task.ByName("a"), request2, called)
		f.ok(err)
		f.equal(false, repeated)
		f.equal(task.RunID(2), other.ID)
	}},
	{"a call that failed has not used its request id", func(f *fixture) {
		f.create(newTask("a", future(0)))
		before := f.everything()
		_, _, err := f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) { return task.Run{}, task.Event{}, errFn })
		if err != errFn { //nolint:errorlint // as it is, not wrapped
			f.Fatalf("got error %v, want the function's own", err)
		}
		_, _, err = f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) { panic("out of cheese") })
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			f.Fatalf("got error %v, want one that shows the panic", err)
		}
		_, _, err = f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) { return newRun("b", past(0)), task.Event{}, nil })
		if err == nil {
			f.Fatal("a run of another task was recorded")
		}
		f.unchanged(before)
		run, repeated, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.equal(false, repeated)
		f.equal(task.RunID(1), run.ID)
	}},
	{"the request of a call that was taken back is free again", func(f *fixture) {
		f.create(newTask("a", future(0)))
		run, _, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.change("a", store.Change{TakeBack: []task.RunID{run.ID}})
		again, repeated, err := f.Call(ctx, task.ByName("a"), request1, called)
		f.ok(err)
		f.equal(false, repeated)
		f.equal(run.ID+1, again.ID)
	}},
	{"a request that comes many times at once is one run", func(f *fixture) {
		f.create(newTask("a", future(0)))
		var wg sync.WaitGroup
		var mu sync.Mutex
		made, runs := 0, make(map[task.RunID]int)
		for range 16 {
			wg.Go(func() {
				run, repeated, err := f.Call(ctx, task.ByName("a"), request1, called)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					f.Error(err)
				}
				runs[run.ID]++
				if !repeated {
					made++
				}
			})
		}
		wg.Wait()
		f.equal(1, made)
		f.equal(map[task.RunID]int{1: 16}, runs)
		f.equal(1, len(f.allRuns(task.RunQuery{Limit: 10})))
	}},
	{"calls without a request id are runs of their own", func(f *fixture) {
		f.create(newTask("a", time.Time{}))
		for want := range task.RunID(3) {
			run, repeated, err := f.Call(ctx, task.ByName("a"), uuid.Nil, called)
			f.ok(err)
			f.equal(false, repeated)
			f.equal(want+1, run.ID)
		}
	}},
}
