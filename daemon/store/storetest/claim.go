package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// claimed are the names of the tasks that a claim fired, in its order.
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
		f.equal(store.Due{ID: stored.ID, Name: "a", Revision: 41, State: task.Orphaned, Clock: stored.Clock}, due)
	}},
	{"a fire comes back with its run and the clock before it", func(f *fixture) {
		stored := newTask("a", past(0))
		stored.Clock.FireCount, stored.Clock.Progress.Fires = 5, []int64{1, 2}
		f.create(stored)
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			d.Clock.Progress.Fires[0] = 99 // its own copy
			next := d.Clock
			next.NextFireTime, next.FireCount = future(0), 7
			skipped, second := fullRun("a"), fullRun("a")
			skipped.State, second.State = task.Skipped, task.Scheduled
			return store.Decision{Record: []task.Run{newRun("a", past(0)), skipped, second}, Clock: next, State: d.State}
		})
		f.ok(err)
		first, skipped, second := newRun("a", past(0)), fullRun("a"), fullRun("a")
		first.ID, first.TaskName = 1, "a"
		skipped.ID, skipped.State = 2, task.Skipped
		second.ID, second.State = 3, task.Scheduled
		f.equal([]store.Fire{{Run: first, Before: stored.Clock}, {Run: second, Before: stored.Clock}}, claimed.Fires)
		f.equal([]task.Run{first, skipped, second}, []task.Run{f.run(1), f.run(2), f.run(3)})
		got := f.task("a")
		f.equal([]int64{99, 2}, got.Clock.Progress.Fires)
		f.equal(task.RunID(3), got.LastRun.ID)
		f.equal(int64(1), got.Revision)
		f.equal(stored.UpdateTime, got.UpdateTime)
	}},
	{"a task that would go backwards is parked and named", func(f *fixture) {
		f.create(newTask("back", past(0)), newTask("same", past(1000)), newTask("good", past(2000)))
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
		moved.Revision = 2
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

// end is a report that a run ended well.
func end(id task.RunID, from int) store.Report {
	return store.Report{Run: task.Run{ID: id, State: task.Succeeded, Attempt: from, EndTime: past(time.Hour)}, FromAttempt: from}
}

var recordCases = []testCase{
	{"a report writes what became of the run and nothing else", func(f *fixture) {
		f.create(newTask("a", future(0)))
		stored := fullRun("a")
		stored.State, stored.Earlier, stored.Output, stored.EndTime = task.Running, nil, nil, time.Time{}
		stored.ID = f.record("a", stored)[0]
		report := task.Run{
			ID: stored.ID, TaskID: idOf("other"), TaskName: "other", State: task.Failed, Reason: task.ReasonOverlap, Cause: task.ByFire,
			ScheduledTime: past(9), StartTime: past(time.Minute), EndTime: past(time.Hour), Fires: 99, FirstScheduledTime: past(8),
			Attempt: 4, Earlier: []task.Attempt{{Number: 1, State: task.Lost, EndTime: past(0)}},
			Input: []byte(`0`), Output: []byte(`{"x":2}`), Error: "exit status 2", Actor: "dave",
		}
		late, err := f.Record(ctx, []store.Report{{Run: report, FromAttempt: 3}}, nil)
		f.ok(err)
		f.equal(0, len(late))
		want := stored
		want.State, want.Reason, want.StartTime, want.EndTime = report.State, report.Reason, report.StartTime, report.EndTime
		want.Attempt, want.Earlier, want.Output, want.Error, want.Actor = 4, report.Earlier, report.Output, report.Error, report.Actor
		f.equal(want, f.run(stored.ID))
	}},
	{"a late report changes nothing and is named", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 5)
		late, err := f.Record(ctx, []store.Report{end(runs[0], 0)}, nil)
		f.ok(err)
		f.equal(0, len(late))
		ended := f.run(runs[0])
		never := func(time.Time, store.Due, task.Run) store.Decision {
			f.Error("a late report decided about the next fire")
			return store.Decision{}
		}
		reports := []store.Report{end(runs[0], 0), end(runs[1], 1), end(99, 0), end(runs[2], 0), end(runs[2], 0), end(runs[3], -1), end(0, 0)}
		for i := range reports {
			reports[i].Reschedule = i != 3
			reports[i].Run.Error = "late"
		}
		late, err = f.Record(ctx, reports, never)
		f.ok(err)
		f.equal([]task.RunID{runs[0], runs[1], 99, runs[2], runs[3], 0}, late)
		f.equal(ended, f.run(runs[0]))
		f.equal([]task.RunState{task.Scheduled, task.Succeeded, task.Scheduled, task.Scheduled},
			[]task.RunState{f.run(runs[1]).State, f.run(runs[2]).State, f.run(runs[3]).State, f.run(runs[4]).State})
	}},
	{"the report of an attempt that was given up is late", func(f *fixture) {
		f.create(newTask("a", future(0)))
		id := f.recordN("a", 1)[0]
		start := func(from, attempt int) []task.RunID {
			late, err := f.Record(ctx, []store.Report{{Run: task.Run{ID: id, State: task.Running, Attempt: attempt}, FromAttempt: from}}, nil)
			f.ok(err)
			return late
		}
		f.equal(0, len(start(0, 1)))
		f.equal(0, len(start(1, 2)))
		f.equal(1, len(start(0, 1)))
		late, err := f.Record(ctx, []store.Report{end(id, 1)}, nil)
		f.ok(err)
		f.equal([]task.RunID{id}, late)
		late, err = f.Record(ctx, []store.Report{end(id, 2)}, nil)
		f.ok(err)
		f.equal(0, len(late))
	}},
	{"the function decides when the task fires next", func(f *fixture) {
		stored := fullTask("a")
		f.create(stored)
		run := fullRun("a")
		run.State, run.Attempt, run.ID = task.Running, 1, f.record("a", func() task.Run {
			r := fullRun("a")
			r.State, r.Attempt = task.Running, 1
			return r
		}())[0]
		report := end(run.ID, 1)
		report.Reschedule = true
		report.Run.Output = []byte(`7`)
		var seen task.Run
		next := task.Clock{NextFireTime: past(0), FireCount: 2}
		before := task.Instant(time.Now())
		late, err := f.Record(ctx, []store.Report{report}, func(now time.Time, d store.Due, ended task.Run) store.Decision {
			loaded, err := d.Load()
			f.ok(err)
			f.equal(stored, loaded)
			f.equal(stored.Clock, d.Clock)
			if now.Before(before) || now.After(time.Now()) {
				f.Errorf("the clock says %v", now)
			}
			seen = ended
			return store.Decision{Clock: next, State: task.Exhausted, Record: []task.Run{newRun("a", past(5000))}, Pause: &task.Pause{Actor: "x"}}
		})
		f.ok(err)
		f.equal(0, len(late))
		f.equal(f.run(run.ID), seen)
		if string(seen.Input) != `{"n": 1}` || string(seen.Output) != `7` {
			f.Errorf("the run that ended is not whole: %v", seen)
		}
		got := f.task("a")
		// Unlike a claim it may set a fire that is earlier than the one before.
		f.equal(next, got.Clock)
		f.equal(task.Exhausted, got.State)
		f.equal(&task.Pause{Actor: "x"}, got.Pause)
		f.equal(stored.Revision, got.Revision)
		f.equal(task.RunID(2), got.LastRun.ID)
	}},
	{"two ends of one task in one call see each other", func(f *fixture) {
		f.create(newTask("a", time.Time{}), newTask("b", time.Time{}))
		runs := f.recordN("a", 3)
		reports := []store.Report{end(runs[0], 0), end(runs[1], 0), end(runs[2], 0)}
		reports[0].Reschedule, reports[2].Reschedule = true, true
		_, err := f.Record(ctx, reports, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			d.Clock.FireCount++
			d.Clock.NextFireTime = future(time.Duration(d.Clock.FireCount) * time.Hour)
			return store.Decision{Clock: d.Clock, State: d.State}
		})
		f.ok(err)
		f.equal(int64(2), f.task("a").Clock.FireCount)
		f.equal(future(2*time.Hour), f.task("a").Clock.NextFireTime)
		f.equal(newTask("b", time.Time{}), f.task("b"))
	}},
	{"a panic undoes all reports", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 2)
		before := f.everything()
		reports := []store.Report{end(runs[0], 0), end(runs[1], 0)}
		reports[1].Reschedule = true
		_, err := f.Record(ctx, reports, func(time.Time, store.Due, task.Run) store.Decision { panic("out of cheese") })
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			f.Fatalf("got error %v, want one that shows the panic", err)
		}
		f.unchanged(before)
	}},
	{"what has not ended is found in the order of ids", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		var want []task.Run
		for i := range 40 {
			run := fullRun([]string{"a", "b"}[i%2])
			run.State = []task.RunState{task.Scheduled, task.Succeeded, task.Running, task.Missed, task.Skipped}[i%5]
			run.ID = f.record(run.TaskName, run)[0]
			if !run.State.Ended() {
				want = append(want, run)
			}
		}
		var got []task.Run
		for after := task.RunID(0); ; {
			page, err := f.Unfinished(ctx, after, 3)
			f.ok(err)
			if len(page) > 3 {
				f.Fatalf("a page of %d runs", len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].ID
		}
		f.equal(want, got)
		for _, r := range want {
			_, err := f.Record(ctx, []store.Report{end(r.ID, 3)}, nil)
			f.ok(err)
		}
		page, err := f.Unfinished(ctx, 0, 3)
		f.ok(err)
		f.equal(0, len(page))
	}},
	{"every field of a run survives each state", func(f *fixture) {
		f.create(newTask("a", future(0)))
		var want []task.Run
		for state := task.Scheduled; state <= task.Missed; state++ {
			for _, full := range []bool{false, true} {
				run := newRun("a", past(0))
				if full {
					run = fullRun("a")
				}
				run.State, run.TaskName = state, "a"
				run.ID = f.record("a", run)[0]
				run.Input, run.Output = nil, nil
				want = append(want, run)
			}
		}
		slices.Reverse(want)
		if diff := cmp.Diff(want, f.allRuns(task.RunQuery{Limit: 5})); diff != "" {
			f.Error(diff)
		}
	}},
}
