package storetest

import (
	"slices"
	"sync"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// watcher is an Observer that keeps what it is told. It wants nothing at first.
type watcher struct {
	mu          sync.Mutex
	tasks, runs bool
	told        []store.Commit
}

// Wants implements store.Observer.
func (w *watcher) Wants() (tasks, runs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tasks, w.runs
}

// Committed implements store.Observer.
func (w *watcher) Committed(c store.Commit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, c)
}

// watch makes the watcher of the fixture want tasks, runs or both from now on, and forget what it was told.
func (f *fixture) watch(tasks, runs bool) {
	f.Helper()
	f.position()
	f.watcher.mu.Lock()
	defer f.watcher.mu.Unlock()
	f.watcher.tasks, f.watcher.runs, f.watcher.told = tasks, runs, nil
}

// told returns what the watcher was told since it was asked last. Position goes before: it takes its turn, so by
// then all that was committed has been told of.
func (f *fixture) told() []store.Commit {
	f.Helper()
	f.position()
	f.watcher.mu.Lock()
	defer f.watcher.mu.Unlock()
	told := f.watcher.told
	f.watcher.told = nil
	return told
}

// toldOnce returns the one commit that was told of.
func (f *fixture) toldOnce() store.Commit {
	f.Helper()
	told := f.told()
	if len(told) != 1 {
		f.Fatalf("%d commits were told of, want one: %+v", len(told), told)
	}
	return told[0]
}

// mirror is what somebody knows of a store who was told of everything since it was empty.
type mirror struct {
	tasks  map[uuid.UUID]task.Task
	runs   map[task.RunID]task.Run
	change int64
}

func newMirror() *mirror {
	return &mirror{tasks: make(map[uuid.UUID]task.Task), runs: make(map[task.RunID]task.Run)}
}

// apply takes in a commit. Of what it says of itself, all is checked that can be.
func (m *mirror) apply(f *fixture, c store.Commit) {
	f.Helper()
	if c.Change <= m.change || len(c.Changes) == 0 {
		f.Fatalf("commit %d with %d changes was told after commit %d", c.Change, len(c.Changes), m.change)
	}
	m.change = c.Change
	seen := make(map[uuid.UUID]bool)
	for _, ch := range c.Changes {
		fields := 0
		if t := ch.Task; t != nil {
			fields++
			if t.Change != c.Change || seen[t.ID] {
				f.Fatalf("commit %d tells of task %q as of commit %d, twice: %t", c.Change, t.Declaration.Name, t.Change, seen[t.ID])
			}
			seen[t.ID] = true
			m.tasks[t.ID] = *t
		}
		if id := ch.DeletedTask; id != uuid.Nil {
			fields++
			delete(m.tasks, id)
			for run, r := range m.runs {
				if r.TaskID == id {
					delete(m.runs, run)
				}
			}
		}
		if r := ch.Run; r != nil {
			fields++
			if r.Change != c.Change || r.Input != nil || r.Output != nil {
				f.Fatalf("commit %d tells of run %v as of commit %d, with %d and %d bytes", c.Change, r.ID, r.Change, len(r.Input), len(r.Output))
			}
			m.runs[r.ID] = *r
		}
		if ch.TakenBack != 0 {
			fields++
			delete(m.runs, ch.TakenBack)
		}
		if fields != 1 {
			f.Fatalf("a change has %d fields set: %+v", fields, ch)
		}
	}
}

// rename makes the runs of a task those of another, which no Observer is told: they are another's as of the commit
// that deleted the one.
func (m *mirror) rename(from, to uuid.UUID, name string) {
	for id, r := range m.runs {
		if r.TaskID == from {
			r.TaskID, r.TaskName = to, name
			m.runs[id] = r
		}
	}
}

// same fails unless the store shows what was told, and nothing else.
func (m *mirror) same(f *fixture) {
	f.Helper()
	tasks := make(map[uuid.UUID]task.Task)
	for _, t := range f.allTasks(task.TaskQuery{Limit: 100}) {
		tasks[t.ID] = t
	}
	f.exact(tasks, m.tasks)
	runs := make(map[task.RunID]task.Run)
	for _, r := range f.allRuns(task.RunQuery{Limit: 100}) {
		runs[r.ID] = r
	}
	f.exact(runs, m.runs)
}

// changedAfter are the names of the tasks and the ids of the runs that have changed after a commit.
func (m *mirror) changedAfter(change int64) (names []string, runs []task.RunID) {
	for _, t := range m.tasks {
		if t.Change > change {
			names = append(names, t.Declaration.Name)
		}
	}
	for _, r := range m.runs {
		if r.Change > change {
			runs = append(runs, r.ID)
		}
	}
	slices.Sort(names)
	slices.Sort(runs)
	return names, runs
}
