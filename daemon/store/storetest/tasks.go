package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// oddNames are names that some order or some pattern would get wrong. All are valid.
var oddNames = []string{
	"a", "A", "b", "B", "aa", "a b", "a-b", "a_b", "a%b", "a%", "a'b", `a"b`, `a\b`, "a/b", "a.b", "a;b", "a~", "a}",
	"ab", "abc", "ä", "ae", "z", "ÿ", "é", "e\u0301", "ß", "日本", "日本語", "日", "\ufffd", "𝄞", "\U0010fffd", "\U0010fffdx", "0", "10", "9", "_", "%", "__", "%%",
	"'", "--", "x\u00a0y", "null", "NULL", strings.Repeat("n", task.MaxName),
}

var allStates = []task.State{task.Active, task.Paused, task.Exhausted, task.Orphaned}

// createOdd stores a task of each odd name, in states that take turns, and returns them in order.
func createOdd(f *fixture) []task.Task {
	f.Helper()
	var tasks []task.Task
	for i, name := range oddNames {
		t := newTask(name, future(0))
		t.State = allStates[i%3] // none is orphaned
		tasks = append(tasks, t)
	}
	f.create(tasks...)
	slices.SortFunc(tasks, func(a, b task.Task) int { return strings.Compare(a.Declaration.Name, b.Declaration.Name) })
	return tasks
}

// selected is what a query must return, by the words of its contract.
func selected(tasks []task.Task, q task.TaskQuery) []string {
	var out []string
	for _, t := range tasks {
		name := t.Declaration.Name
		if strings.HasPrefix(name, q.NamePrefix) && (q.After == "" || name > q.After) &&
			(len(q.States) == 0 || slices.Contains(q.States, t.State)) {
			out = append(out, name)
		}
	}
	return out
}

var tasksCases = []testCase{
	{"tasks come in the order of their names by bytes, however they are paged", func(f *fixture) {
		want := createOdd(f)
		for _, limit := range []int{1, 2, 3, len(want) - 1, len(want), len(want) + 1, 1000} {
			f.equal(want, f.allTasks(task.TaskQuery{Limit: limit}))
		}
	}},
	{"a prefix selects by bytes", func(f *fixture) {
		tasks := createOdd(f)
		prefixes := []string{"", "\xff", "\xff\xff", "\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbdx\xff", "\xc3", "\xe6\x97", "~", "\x00", "a\x00", "a\xff", "\x7f"}
		for _, t := range tasks {
			prefixes = append(prefixes, t.Declaration.Name, t.Declaration.Name+"!", t.Declaration.Name[:1])
		}
		for _, prefix := range prefixes {
			for _, limit := range []int{2, 100} {
				q := task.TaskQuery{NamePrefix: prefix, Limit: limit}
				f.equal(selected(tasks, q), namesOf(f.allTasks(q)))
			}
		}
	}},
	{"a page starts after any name, there or not", func(f *fixture) {
		tasks := createOdd(f)
		for _, prefix := range []string{"", "a", "日"} {
			for _, t := range tasks {
				for _, after := range []string{t.Declaration.Name, t.Declaration.Name + "\x00", t.Declaration.Name + "\xff", t.Declaration.Name[:1]} {
					q := task.TaskQuery{NamePrefix: prefix, After: after, Limit: 100}
					got, err := f.Tasks(ctx, q)
					f.ok(err)
					f.equal(selected(tasks, q), namesOf(got))
				}
			}
		}
	}},
	{"states select alone and together", func(f *fixture) {
		tasks := createOdd(f)
		for mask := range 1 << 4 {
			var states []task.State
			for i, state := range allStates {
				if mask>>i&1 == 1 {
					states = append(states, state, state)
				}
			}
			for _, q := range []task.TaskQuery{
				{States: states, Limit: 3},
				{States: states, Limit: 100},
				{States: states, Limit: 2, NamePrefix: "a"},
				{States: states, Limit: 4, After: "a_b"},
			} {
				f.equal(selected(tasks, q), namesOf(f.allTasks(q)))
			}
		}
		for _, states := range [][]task.State{{0}, {-1}, {99}} {
			f.equal(0, len(f.allTasks(task.TaskQuery{States: states, Limit: 5})))
		}
		f.equal(selected(tasks, task.TaskQuery{States: allStates[:1]}), namesOf(f.allTasks(task.TaskQuery{States: []task.State{task.Active, 77}, Limit: 5})))
	}},
	{"a listed task is whole and has its last run without input and output", func(f *fixture) {
		want := fullTask("a")
		f.create(want, newTask("b", time.Time{}))
		run := fullRun("a")
		run.ID = f.record("a", newRun("a", past(0)), run)[1]
		run.Input, run.Output = nil, nil
		want.LastRun = &run
		f.equal([]task.Task{want, newTask("b", time.Time{})}, f.allTasks(task.TaskQuery{Limit: 9}))
		f.equal([]task.Task{want}, f.allTasks(task.TaskQuery{Limit: 9, States: []task.State{task.Orphaned}}))
		f.equal(want, f.task("a"))
	}},
	{"an empty store has an empty page", func(f *fixture) {
		page, err := f.Tasks(ctx, task.TaskQuery{Limit: 5})
		f.ok(err)
		f.equal(0, len(page))
	}},
}

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

var valueCases = []testCase{
	{"the first and the last instant there are survive", func(f *fixture) {
		for i, at := range []time.Time{
			time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
			time.Date(1, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			time.Unix(0, 0).UTC(),
			time.Date(2000, 2, 29, 0, 0, 0, 1000, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		} {
			name := fmt.Sprint("t", i)
			want := newTask(name, at)
			want.CreateTime, want.UpdateTime, want.OrphanTime = at, at, at
			want.Pause = &task.Pause{CreateTime: at}
			want.Clock.Progress.Anchor, want.Clock.Progress.LastFire, want.Clock.Progress.LastEnd = at, at, at
			f.create(want)
			run := newRun(name, at)
			run.StartTime, run.EndTime, run.FirstScheduledTime, run.TaskName = at, at, at, name
			run.Earlier = []task.Attempt{{Number: 1, StartTime: at.Add(time.Hour), EndTime: at.Add(time.Hour)}}
			if at.Year() == 9999 {
				run.Earlier[0].StartTime, run.Earlier[0].EndTime = at, at
			}
			run.ID = f.record(name, run)[0]
			f.equal(run, f.run(run.ID))
			want.LastRun = &run
			got := f.task(name)
			f.equal(want, got)
			for _, read := range []time.Time{
				got.CreateTime, got.Clock.NextFireTime, got.Clock.Progress.Anchor, got.Pause.CreateTime,
				got.LastRun.ScheduledTime, got.LastRun.Earlier[0].EndTime,
			} {
				if read.Location() != time.UTC {
					f.Errorf("%v is not in UTC", read)
				}
			}
		}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 2}, advance(time.Time{}))
		f.ok(err)
		f.equal([]string{"t0", "t1"}, fired(claimed))
	}},
	{"zero times stay zero", func(f *fixture) {
		want := task.Task{ID: idOf("a"), Namespace: Namespace, State: task.Active, Pause: &task.Pause{}}
		want.Declaration = newTask("a", time.Time{}).Declaration
		want.Override = &task.Override{Trigger: want.Declaration.Trigger}
		f.create(want)
		f.equal(want, f.task("a"))
		run := task.Run{TaskID: want.ID, TaskName: "a", State: task.Missed, Earlier: []task.Attempt{{Number: 1}}}
		run.ID = f.record("a", run)[0]
		f.equal(run, f.run(run.ID))
	}},
	{"callers do not share memory with the store", func(f *fixture) {
		in, run := fullTask("a"), fullRun("a")
		updated := f.change("a", store.Change{Task: &in, Record: []task.Run{run}})
		spoilTask(&in)
		spoilRun(&run)
		spoilTask(&updated.Task)
		spoilRun(&updated.Recorded[0])
		want := f.everything()
		f.equal(fullTask("a").Declaration, want.Tasks[0].Declaration)
		f.equal(fullTask("a").Override, want.Tasks[0].Override)
		f.equal(fullRun("a").Input, want.Runs[0].Input)

		spoil := f.everything()
		spoilTask(&spoil.Tasks[0])
		spoilRun(spoil.Tasks[0].LastRun)
		spoilRun(&spoil.Runs[0])
		read := f.task("a")
		spoilTask(&read)
		spoilRun(read.LastRun)
		unfinished, err := f.Unfinished(ctx, 0, 5)
		f.ok(err)
		spoilRun(&unfinished[0])
		page, err := f.Runs(ctx, task.RunQuery{Limit: 5})
		f.ok(err)
		spoilRun(&page.Runs[0])
		spoilInFunctions(f)
		f.unchanged(want)
	}},
	{"texts keep every byte", func(f *fixture) {
		for i, text := range []string{"", " ", "'; DROP TABLE tasks; --", "a\x00b", "line\nline\r\n\t", "ÿ\u2028\U0010fffd", strings.Repeat("long ", 20_000)} {
			name := fmt.Sprint("t", i)
			want := newTask(name, future(0))
			want.Declaration.Description, want.Declaration.Group = text, text
			want.Declaration.Labels = map[string]string{text: text}
			want.Declaration.Target = task.Target{Kind: text, Summary: text}
			want.Pause = &task.Pause{Actor: text, Reason: text}
			want.Override = &task.Override{Trigger: want.Declaration.Trigger, Actor: text, Reason: text}
			f.create(want)
			f.equal(want, f.task(name))
			run := newRun(name, past(0))
			run.TaskName, run.Error, run.Actor, run.Earlier = name, text, text, []task.Attempt{{Number: 1, Error: text}}
			run.ID = f.record(name, run)[0]
			f.equal(run, f.run(run.ID))
		}
	}},
	{"large inputs and outputs survive", func(f *fixture) {
		f.create(newTask("a", future(0)))
		run := newRun("a", past(0))
		run.TaskName = "a"
		run.Input = []byte(`"` + strings.Repeat("in", 1<<20) + `"`)
		run.ID = f.record("a", run)[0]
		report := end(run.ID, 0)
		report.Run.Output = []byte(`"` + strings.Repeat("out", 1<<20) + `"`)
		_, err := f.Record(ctx, []store.Report{report}, nil)
		f.ok(err)
		got := f.run(run.ID)
		if string(got.Input) != string(run.Input) || string(got.Output) != string(report.Run.Output) {
			f.Errorf("%d and %d bytes came back", len(got.Input), len(got.Output))
		}
	}},
}
