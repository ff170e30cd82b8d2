package storetest

import (
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// fired are the names of the tasks that a claim fired, in its order.
func fired(c store.Claimed) []string {
	var names []string
	for _, fire := range c.Fires {
		names = append(names, fire.Run.TaskName)
	}
	return names
}

var claimCases = []testCase{
	{"the earliest fires are taken first and no more than the limit", func(f *fixture) {
		f.create(
			newTask("third", past(3)), newTask("first", past(time.Microsecond)), newTask("never", time.Time{}),
			newTask("second", past(2*time.Microsecond)), newTask("later", future(0)), newTask("fourth", past(time.Second)),
			newTask("zeroth", past(-time.Hour)),
		)
		f.create(newTask("third", past(3*time.Microsecond)))
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 2}, advance(future(time.Hour)))
		f.ok(err)
		f.equal([]string{"zeroth", "first"}, fired(claimed))
		f.equal(past(2*time.Microsecond), claimed.NextFireTime)
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 100}, advance(future(time.Hour)))
		f.ok(err)
		f.equal([]string{"second", "third", "fourth"}, fired(claimed))
		f.equal(future(0), claimed.NextFireTime)
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 100}, advance(future(time.Hour)))
		f.ok(err)
		f.equal(0, len(claimed.Fires))
	}},
	{"what is left stays as it is and due, and what is excepted is not asked about", func(f *fixture) {
		f.create(newTask("left", past(0)), newTask("taken", past(1000)), newTask("later", future(time.Hour)))
		f.watch(true, true)
		leave := func(now time.Time, d store.Due) store.Decision {
			decision := advance(future(2*time.Hour))(now, d)
			decision.Leave = d.Name == "left"
			decision.State, decision.Audit = task.Exhausted, []task.Event{newEvent(d.Name, task.TaskPaused)}
			return decision
		}
		before := f.task("left")
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, leave)
		f.ok(err)
		f.equal(0, len(claimed.Fires)+len(claimed.Rejected)+len(f.told()))
		f.equal(past(0), claimed.NextFireTime)
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 1, Except: []uuid.UUID{idOf("left"), idOf("none")}}, leave)
		f.ok(err)
		f.equal([]string{"taken"}, fired(claimed))
		f.equal(future(time.Hour), claimed.NextFireTime)
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9, Except: []uuid.UUID{idOf("later"), idOf("left"), idOf("taken")}}, leave)
		f.ok(err)
		f.equal(0, len(claimed.Fires))
		f.equal(true, claimed.NextFireTime.IsZero())
		f.exact(before, f.task("left"))
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 1}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"left"}, fired(claimed))
	}},
	{"an empty store has nothing due and no next fire", func(f *fixture) {
		f.create(newTask("never", time.Time{}))
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, advance(future(0)))
		f.ok(err)
		claimed.Now = time.Time{}
		f.equal(store.Claimed{}, claimed)
	}},
	{"now is the store's clock and what lies ahead can be claimed", func(f *fixture) {
		before := task.Instant(time.Now())
		f.create(newTask("soon", before.Add(30*time.Minute)), newTask("later", before.Add(90*time.Minute)))
		var now time.Time
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal(0, len(claimed.Fires))
		f.equal(before.Add(30*time.Minute), claimed.NextFireTime)
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9, Ahead: time.Hour}, func(n time.Time, d store.Due) store.Decision {
			now = n
			return advance(future(0))(n, d)
		})
		f.ok(err)
		f.equal([]string{"soon"}, fired(claimed))
		f.equal(claimed.Now, now)
		if now.Before(before) || now.After(time.Now()) || now != task.Instant(now) {
			f.Errorf("the clock says %v and is not between %v and now in whole microseconds", now, before)
		}
	}},
	{"the function sees the task as it is and may load the rest", func(f *fixture) {
		stored := fullTask("a")
		stored.Clock.NextFireTime = past(0)
		f.create(stored)
		f.recordN("a", 1)
		var due store.Due
		_, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			loaded, err := d.Load()
			f.ok(err)
			f.equal(stored, loaded)
			due = d
			return store.Decision{Clock: task.Clock{}, State: d.State}
		})
		f.ok(err)
		if _, err := due.Load(); err == nil {
			f.Error("the task could be loaded after the claim")
		}
		due.Load = nil
		f.equal(store.Due{ID: stored.ID, Name: "a", Version: 41, State: task.Orphaned, Clock: stored.Clock, FailureCount: 1 << 41}, due)
	}},
	{"a fire comes back with its run, the clock before it, and what was recorded beside it", func(f *fixture) {
		stored := newTask("a", past(0))
		stored.Clock.RecordedTime = past(-time.Minute)
		stored.Clock.FireCount, stored.Clock.Progress.Fires = 5, []int64{1, 2}
		f.create(stored)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			d.Clock.Progress.Fires[0] = 99 // its own copy
			next := d.Clock
			next.NextFireTime, next.RecordedTime, next.FireCount = future(0), past(time.Second), 7
			skipped, second := fullRun("a"), fullRun("a")
			skipped.State, second.State = task.Skipped, task.Scheduled
			jittered := newRun("a", past(0))
			jittered.Attempt, jittered.JitteredTime = 1, past(30*time.Second)
			return store.Decision{Record: []task.Run{newRun("a", past(0)), skipped, second, jittered}, Clock: next, State: d.State}
		})
		f.ok(err)
		first, skipped, second, jittered := newRun("a", past(0)), fullRun("a"), fullRun("a"), newRun("a", past(0))
		first.ID, first.TaskName = 1, "a"
		skipped.ID, skipped.State = 2, task.Skipped
		second.ID, second.State = 3, task.Scheduled
		jittered.ID, jittered.TaskName, jittered.Attempt, jittered.JitteredTime = 4, "a", 1, past(30*time.Second)
		beside := []task.RunID{2}
		f.equal([]store.Fire{
			{Run: first, Before: stored.Clock, Beside: beside},
			{Run: second, Before: stored.Clock, Beside: beside},
			{Run: jittered, Before: stored.Clock, Beside: beside},
		}, claimed.Fires)
		spoilClock(claimed.Fires[0].Before)
		f.equal(stored.Clock, claimed.Fires[1].Before)
		f.equal([]task.Run{first, skipped, second, jittered}, []task.Run{f.run(1), f.run(2), f.run(3), f.run(4)})
		got := f.task("a")
		want := stored.Clock
		want.NextFireTime, want.RecordedTime, want.FireCount, want.Progress.Fires = future(0), past(time.Second), 7, []int64{99, 2}
		f.equal(want, got.Clock)
		f.equal(task.RunID(4), got.LastRun.ID)
		f.equal(int64(1), got.Version)
		f.equal(stored.UpdateTime, got.UpdateTime)
	}},
	{"a task that would go backwards is parked and named", func(f *fixture) {
		back := newTask("back", past(0))
		back.Clock.RecordedTime = past(-time.Minute)
		f.create(back, newTask("same", past(1000)), newTask("good", past(2000)))
		before := f.everything()
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, func(now time.Time, d store.Due) store.Decision {
			decision := advance(future(0))(now, d)
			decision.State = task.Exhausted
			decision.Pause = &task.Pause{Actor: "clockd"}
			switch d.Name {
			case "back":
				decision.Clock.NextFireTime = d.Clock.NextFireTime.Add(-time.Microsecond)
			case "same":
				decision.Clock.NextFireTime = d.Clock.NextFireTime
			}
			return decision
		})
		f.ok(err)
		f.equal([]uuid.UUID{idOf("back"), idOf("same")}, claimed.Rejected)
		f.equal([]string{"good"}, fired(claimed))
		for _, want := range before.Tasks {
			got := f.task(want.Declaration.Name)
			if want.Declaration.Name == "good" {
				f.equal(task.Exhausted, got.State)
				continue
			}
			want.Clock.NextFireTime = time.Time{}
			f.equal(want, got)
		}
		f.equal(1, len(f.allRuns(task.RunQuery{Limit: 10})))
	}},
	{"a decision can park, exhaust and pause", func(f *fixture) {
		f.create(newTask("park", past(0)), newTask("exhaust", past(1)), newTask("pause", past(2)))
		f.create(newTask("exhaust", past(1000)), newTask("pause", past(2000)))
		pause := task.Pause{Actor: "clockd", Reason: "five failures", CreateTime: past(7000)}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, func(_ time.Time, d store.Due) store.Decision {
			decision := store.Decision{Clock: task.Clock{FireCount: 3}, State: d.State}
			switch d.Name {
			case "exhaust":
				decision.State = task.Exhausted
			case "pause":
				decision.State, decision.Pause = task.Paused, &pause
			}
			return decision
		})
		f.ok(err)
		f.equal(true, claimed.NextFireTime.IsZero())
		f.equal(0, len(claimed.Fires))
		park, exhaust, paused := newTask("park", time.Time{}), newTask("exhaust", time.Time{}), newTask("pause", time.Time{})
		park.Clock, exhaust.Clock, paused.Clock = task.Clock{FireCount: 3}, task.Clock{FireCount: 3}, task.Clock{FireCount: 3}
		exhaust.State, paused.State, paused.Pause = task.Exhausted, task.Paused, &pause
		f.equal([]task.Task{exhaust, park, paused}, f.allTasks(task.TaskQuery{Limit: 9}))
		f.equal([]string{"pause"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Paused}})))
		f.equal([]string{"park"}, namesOf(f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Active}})))
		// A pause stays when a later decision says nothing of it.
		paused.Clock.NextFireTime = past(0)
		f.create(paused)
		_, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal(&pause, f.task("pause").Pause)
	}},
	{"a panic leaves everything due", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("b", past(1000)))
		before := f.everything()
		_, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, func(now time.Time, d store.Due) store.Decision {
			if d.Name == "b" {
				panic("out of cheese")
			}
			return advance(future(0))(now, d)
		})
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			f.Fatalf("got error %v, want one that shows the panic", err)
		}
		f.unchanged(before)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"a", "b"}, fired(claimed))
		f.equal(task.RunID(1), claimed.Fires[0].Run.ID)
	}},
	{"what is changed between claims is claimed as changed", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("b", past(1000)))
		moved := newTask("a", past(2000))
		moved.Version = 2
		f.create(moved)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"b", "a"}, fired(claimed))
		f.create(newTask("a", time.Time{}), newTask("b", past(0)))
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(past(time.Hour)))
		f.ok(err)
		f.equal([]string{"b"}, fired(claimed))
		claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		f.ok(err)
		f.equal([]string{"b"}, fired(claimed))
	}},
}
