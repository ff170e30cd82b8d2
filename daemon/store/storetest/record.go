package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

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
			ScheduledTime: past(9), JitteredTime: past(10), NextAttemptTime: past(2 * time.Minute), StartTime: past(time.Minute), EndTime: past(time.Hour), Fires: 99, FirstScheduledTime: past(8),
			Attempt: 4, Earlier: []task.Attempt{{Number: 1, State: task.Lost, EndTime: past(0)}},
			Input: []byte(`0`), Output: []byte(`{"x":2}`), Error: "exit status 2", Actor: "dave", Worker: "w9",
		}
		late, err := f.Record(ctx, []store.Report{{Run: report, FromAttempt: 3}}, nil)
		f.ok(err)
		f.equal(0, len(late))
		want := stored
		want.State, want.Reason, want.StartTime, want.EndTime = report.State, report.Reason, report.StartTime, report.EndTime
		want.NextAttemptTime = report.NextAttemptTime
		want.Attempt, want.Earlier, want.Output, want.Error, want.Actor = 4, report.Earlier, report.Output, report.Error, report.Actor
		want.Worker = report.Worker
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
			reports[i].Decide = i != 3
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
	{"when a run was to start stays as it was recorded", func(f *fixture) {
		f.create(newTask("a", future(0)))
		plain, jittered := newRun("a", past(0)), newRun("a", past(0))
		jittered.JitteredTime = past(30 * time.Second)
		for _, run := range []task.Run{plain, jittered} {
			run.ID, run.TaskName = f.record("a", run)[0], "a"
			for _, report := range []store.Report{
				{Run: task.Run{ID: run.ID, State: task.Running, Attempt: 1, JitteredTime: past(time.Minute)}},
				{Run: task.Run{ID: run.ID, State: task.Succeeded, Attempt: 1}, FromAttempt: 1, Decide: true},
			} {
				_, err := f.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, ended task.Run) store.Decision {
					f.equal(run.JitteredTime, ended.JitteredTime)
					return store.Decision{Clock: d.Clock, State: d.State}
				})
				f.ok(err)
				run.State, run.Attempt = report.Run.State, report.Run.Attempt
				f.equal(run, f.run(run.ID))
			}
			f.equal(&run, f.task("a").LastRun)
		}
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
		report.Decide = true
		report.Run.Output = []byte(`7`)
		var seen task.Run
		next := task.Clock{NextFireTime: past(0), RecordedTime: past(-time.Hour), FireCount: 2}
		before := task.Instant(time.Now())
		late, err := f.Record(ctx, []store.Report{report}, func(now time.Time, d store.Due, ended task.Run) store.Decision {
			loaded, err := d.Load()
			f.ok(err)
			stored.FailureCount = 0 // as the run succeeded
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
		f.equal(stored.Version, got.Version)
		f.equal(task.RunID(2), got.LastRun.ID)
	}},
	{"two ends of one task in one call see each other", func(f *fixture) {
		f.create(newTask("a", time.Time{}), newTask("b", time.Time{}))
		runs := f.recordN("a", 3)
		reports := []store.Report{end(runs[0], 0), end(runs[1], 0), end(runs[2], 0)}
		reports[0].Decide, reports[2].Decide = true, true
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
		reports[1].Decide = true
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
		f.equal(want, f.allRuns(task.RunQuery{Limit: 5}))
	}},
}
