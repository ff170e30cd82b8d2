package storetest

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

var runsCases = []testCase{
	{"runs come newest first without input and output", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)), newTask("none", future(0)))
		var all, ofA []task.Run
		for i := range 30 {
			run := fullRun([]string{"a", "b"}[i%7%2])
			run.State = task.RunState(i%9 + 1)
			run.ID = f.record(run.TaskName, run)[0]
			run.Input, run.Output = nil, nil
			all = append(all, run)
			if run.TaskName == "a" {
				ofA = append(ofA, run)
			}
		}
		slices.Reverse(all)
		slices.Reverse(ofA)
		for _, limit := range []int{1, 2, 7, 29, 30, 31, 100} {
			f.equal(all, f.allRuns(task.RunQuery{Limit: limit}))
			f.equal(ofA, f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: limit}))
		}
		for _, name := range []string{"none", "unknown"} {
			page, err := f.Runs(ctx, task.RunQuery{TaskID: idOf(name), Limit: 5})
			f.ok(err)
			f.equal(task.RunPage{}, page)
		}
	}},
	{"states select runs, of all tasks and of one", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		for i := range 60 {
			run := newRun([]string{"a", "b"}[i%5%2], past(0))
			run.State = task.RunState(i%9 + 1)
			f.record([]string{"a", "b"}[i%5%2], run)
		}
		all := f.allRuns(task.RunQuery{Limit: 100})
		for _, states := range [][]task.RunState{
			{task.Scheduled},
			{task.Running},
			{task.Scheduled, task.Running},
			{task.Running, task.Failed},
			{task.Missed, task.Missed},
			{task.Succeeded, task.Failed, task.TimedOut, task.Canceled, task.Lost, task.Skipped, task.Missed},
			{0},
			{99},
			{-1, task.Lost},
		} {
			for _, name := range []string{"", "a", "b"} {
				var want []task.RunID
				for _, r := range all {
					if slices.Contains(states, r.State) && (name == "" || r.TaskName == name) {
						want = append(want, r.ID)
					}
				}
				q := task.RunQuery{States: states}
				if name != "" {
					q.TaskID = idOf(name)
				}
				for _, q.Limit = range []int{1, 3, 100} {
					f.equal(want, idsOf(f.allRuns(q)))
				}
			}
		}
	}},
	{"a page starts at any run, the task's or not, there or not", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		for i := range 20 {
			f.recordN([]string{"a", "b"}[i%3%2], 1)
		}
		f.change("a", nthBack(f, "a", 3))
		f.change("b", nthBack(f, "b", 1))
		all := f.allRuns(task.RunQuery{Limit: 100})
		for from := task.RunID(1); from < 25; from++ {
			for _, name := range []string{"", "a", "b"} {
				var want []task.RunID
				for _, r := range all {
					if r.ID <= from && (name == "" || r.TaskName == name) {
						want = append(want, r.ID)
					}
				}
				q := task.RunQuery{From: from, Limit: 4}
				if name != "" {
					q.TaskID = idOf(name)
				}
				f.equal(want, idsOf(f.allRuns(q)))
			}
		}
	}},
	{"what is far back in a long history is found by following the pages", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		odd := newRun("a", past(0))
		odd.State = task.Lost
		f.record("a", odd)
		failed := newRun("b", past(0))
		failed.State = task.Failed
		first := f.record("b", failed)
		runs := make([]task.Run, 10_200)
		for i := range runs {
			runs[i] = newRun("a", past(time.Duration(i)))
			runs[i].State = task.Succeeded
		}
		all := f.record("a", runs...)
		f.recordN("b", 1) // newer than where its pages below start
		for _, q := range []task.RunQuery{
			{TaskID: idOf("a"), States: []task.RunState{task.Lost}, Limit: 5},
			{States: []task.RunState{task.Lost, task.Failed}, Limit: 1},
			{TaskID: idOf("b"), From: all[len(all)-1], Limit: 5},
			{TaskID: idOf("b"), From: all[len(all)-1], States: []task.RunState{task.Failed}, Limit: 5},
		} {
			got := f.allRuns(q)
			want := []task.RunID{1}
			switch {
			case q.TaskID == idOf("b"):
				want = first
			case q.TaskID != idOf("a"):
				want = []task.RunID{first[0], 1}
			}
			f.equal(want, idsOf(got))
		}
		f.equal(len(runs)+1, len(f.allRuns(task.RunQuery{TaskID: idOf("a"), Limit: 1000})))
		// A page that starts at a run which was taken back, deep below the task's newest.
		f.change("a", store.Change{TakeBack: all[100:101]})
		got := f.allRuns(task.RunQuery{TaskID: idOf("a"), From: all[100], Limit: 50})
		f.equal(101, len(got))
	}},
	{"a page does not go on where nothing is left", func(f *fixture) {
		f.create(newTask("a", future(0)))
		f.recordN("a", 6)
		for _, q := range []task.RunQuery{{Limit: 6}, {Limit: 3, From: 3}, {Limit: 7}, {Limit: 6, TaskID: idOf("a")}, {Limit: 3, From: 3, TaskID: idOf("a")}} {
			page, err := f.Runs(ctx, q)
			f.ok(err)
			if page.Next != 0 || len(page.Runs) != min(q.Limit, 6) {
				f.Errorf("%d runs for %+v, and the next page at %d", len(page.Runs), q, page.Next)
			}
		}
	}},
}
