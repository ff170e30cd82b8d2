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

// selected is what a query must return, by the words of its contract. With ChangedAfter, tasks are as they are stored.
func selected(tasks []task.Task, q task.TaskQuery) []string {
	var out []string
	for _, t := range tasks {
		name := t.Declaration.Name
		if strings.HasPrefix(name, q.NamePrefix) && (q.After == "" || name > q.After) &&
			(len(q.States) == 0 || slices.Contains(q.States, t.State)) &&
			(q.Group == "" || q.Group == t.Declaration.Group) &&
			(q.ChangedAfter == 0 || t.Change > q.ChangedAfter) {
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
	{"a group selects alone and together with all else", func(f *fixture) {
		tasks := createOdd(f)
		groups := []string{"", "g", "g%", "G", "日本", "x'y"}
		for i := range tasks {
			tasks[i].Declaration.Group = groups[i%len(groups)]
		}
		f.create(tasks...)
		for _, group := range append(groups, "unknown", "g_", "g ") {
			for _, q := range []task.TaskQuery{
				{Limit: 2},
				{Limit: 100},
				{Limit: 2, NamePrefix: "a"},
				{Limit: 3, After: "a_b"},
				{Limit: 2, States: allStates[:1]},
				{Limit: 2, States: allStates[1:3]},
				{Limit: 1, States: allStates[:2], NamePrefix: "a", After: "a"},
			} {
				q.Group = group
				f.equal(selected(tasks, q), namesOf(f.allTasks(q)))
			}
		}
		// A task that changes its group is found in the new one only.
		moved := tasks[7]
		moved.Declaration.Group = "moved"
		f.create(moved)
		f.equal([]string{moved.Declaration.Name}, namesOf(f.allTasks(task.TaskQuery{Group: "moved", Limit: 9})))
		q := task.TaskQuery{Group: tasks[7].Declaration.Group, Limit: 100}
		f.equal(len(selected(tasks, q))-1, len(f.allTasks(q)))
	}},
	{"tasks that changed after a commit are selected alone and together with all else", func(f *fixture) {
		createOdd(f)
		positions := []int64{0, 1, f.position().Change}
		for i := range 8 {
			name := oddNames[i*5]
			if i%2 == 0 {
				f.recordN(name, 1)
			} else {
				t := f.task(name)
				t.Declaration.Group, t.State = "g", allStates[i%4]
				f.create(t)
			}
			positions = append(positions, f.position().Change)
		}
		tasks := f.allTasks(task.TaskQuery{Limit: 100})
		for _, after := range append(positions, 1<<60) {
			for _, q := range []task.TaskQuery{
				{Limit: 1},
				{Limit: 100},
				{Limit: 2, NamePrefix: "a"},
				{Limit: 1, After: "a_b"},
				{Limit: 2, States: allStates[1:2]},
				{Limit: 2, States: allStates[1:]},
				{Limit: 2, Group: "g"},
				{Limit: 1, Group: "g", States: allStates[1:2], NamePrefix: "a", After: "A"},
			} {
				q.ChangedAfter = after
				f.equal(selected(tasks, q), namesOf(f.allTasks(q)))
			}
		}
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
