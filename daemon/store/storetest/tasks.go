package storetest

import (
	"slices"
	"strings"
	"time"

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
