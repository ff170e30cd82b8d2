package storetest

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// nthBack is a change that takes back the n-th newest run of a task, counted from 0.
func nthBack(f *fixture, name string, n int) store.Change {
	f.Helper()
	return store.Change{TakeBack: []task.RunID{f.allRuns(task.RunQuery{TaskID: idOf(name), Limit: 100})[n].ID}}
}

// spoilTask overwrites all that a task points to.
func spoilTask(t *task.Task) {
	for k := range t.Declaration.Labels {
		t.Declaration.Labels[k] = "spoiled"
	}
	spoilTrigger(t.Declaration.Trigger)
	if t.Override != nil {
		spoilTrigger(t.Override.Trigger)
		*t.Override = task.Override{Actor: "spoiled"}
	}
	if t.Pause != nil {
		*t.Pause = task.Pause{Actor: "spoiled"}
	}
	spoilClock(t.Clock)
}

func spoilClock(c task.Clock) {
	for i := range c.Progress.Fires {
		c.Progress.Fires[i] = -1
	}
}

func spoilTrigger(t schedule.Trigger) {
	for i, x := range t.Exclusions {
		if w, ok := x.(schedule.Window); ok {
			for i := range w.DaysOfWeek {
				w.DaysOfWeek[i] = time.Saturday
			}
		}
		t.Exclusions[i] = schedule.Calendar{Name: "spoiled"}
	}
	switch k := t.Kind.(type) {
	case schedule.At:
		for i := range k.DaysOfWeek {
			k.DaysOfWeek[i] = time.Saturday
		}
	case schedule.AnyOf:
		for i := range k.Triggers {
			spoilTrigger(k.Triggers[i])
			k.Triggers[i] = schedule.Trigger{Kind: schedule.Forever{}}
		}
	}
}

func spoilRun(r *task.Run) {
	for i := range r.Input {
		r.Input[i] = 'x'
	}
	for i := range r.Output {
		r.Output[i] = 'x'
	}
	for i := range r.Earlier {
		r.Earlier[i] = task.Attempt{Error: "spoiled"}
	}
}

// spoilInFunctions overwrites what the functions that are handed in are given, and what they answered.
func spoilInFunctions(f *fixture) {
	f.Helper()
	var kept *task.Task
	updated, err := f.Update(ctx, []uuid.UUID{idOf("a")}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		spoilTask(stored)
		kept = stored
		return store.Change{}, nil
	})
	f.ok(err)
	spoilTask(kept)
	spoilTask(&updated[0].Task)
	_, _, err = f.Call(ctx, task.ByName("a"), uuid.Nil, func(t task.Task) (task.Run, task.Event, error) {
		spoilTask(&t)
		return task.Run{}, task.Event{}, errFn
	})
	f.is(err, errFn)
	_, err = f.Claim(ctx, store.ClaimRequest{Limit: 5, Ahead: 200 * 365 * 24 * time.Hour}, func(time.Time, store.Due) store.Decision {
		f.Error("the task is due")
		return store.Decision{}
	})
	f.ok(err)
}
