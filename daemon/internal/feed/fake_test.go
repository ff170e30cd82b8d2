package feed_test

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// lock is a mutex in which a bubble knows that a goroutine waits.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// fakeStore is the part of a store that a Hub sees, as unhelpful as the contract allows: commits can be read before
// they are told of, and a position be asked for in between.
type fakeStore struct {
	observer store.Observer
	// pause is called wherever time may pass.
	pause func()

	writes, telling, mu lock
	at                  store.Position
	nextRun             task.RunID
	tasks               map[uuid.UUID]task.Task
	runs                map[task.RunID]task.Run
	// history is what became of each task and run, by id.
	history map[any][]event
}

// event is a change of a task or run.
type event struct {
	change int64
	gone   bool
}

func newFake() *fakeStore {
	f := &fakeStore{
		pause: func() {}, writes: make(lock, 1), telling: make(lock, 1), mu: make(lock, 1), nextRun: 1,
		tasks: map[uuid.UUID]task.Task{}, runs: map[task.RunID]task.Run{}, history: map[any][]event{},
	}
	f.at.ID = uuid.New()
	return f
}

// change is one thing to do in a commit.
type change struct {
	put     string // a task is made or changed
	remove  string // a task is deleted
	run     task.Run
	takeOff task.RunID
}

func idOf(name string) uuid.UUID { return task.IDOf("", name) }

// commit makes changes, in one commit, and tells of it. Each is of another thing.
func (f *fakeStore) commit(changes ...change) {
	f.writes.Lock()
	wantTasks, wantRuns := f.observer.Wants()
	f.pause()
	f.mu.Lock()
	f.at.Change++
	n := f.at.Change
	var told []store.Changed
	for _, c := range changes {
		switch {
		case c.put != "":
			t := task.Task{ID: idOf(c.put), Declaration: task.Declaration{Name: c.put}, Change: n}
			f.tasks[t.ID] = t
			f.note(t.ID, event{change: n})
			if wantTasks {
				told = append(told, store.Changed{Task: &t})
			}
		case c.remove != "":
			id := idOf(c.remove)
			delete(f.tasks, id)
			f.at.Deleted = n
			f.note(id, event{n, true})
			if wantTasks {
				told = append(told, store.Changed{DeletedTask: id})
			}
		case c.takeOff != 0:
			delete(f.runs, c.takeOff)
			f.at.TakenBack = n
			f.note(c.takeOff, event{n, true})
			if wantRuns {
				told = append(told, store.Changed{TakenBack: c.takeOff})
			}
		default:
			r := c.run
			if r.ID == 0 {
				r.ID = f.nextRun
				f.nextRun++
			}
			r.Change = n
			told1 := r
			r.Input = []byte("1")
			f.runs[r.ID] = r
			f.note(r.ID, event{change: n})
			if wantRuns {
				told = append(told, store.Changed{Run: &told1})
			}
		}
	}
	f.at.OldestOpen = f.nextRun
	for id, r := range f.runs {
		if !r.State.Ended() {
			f.at.OldestOpen = min(f.at.OldestOpen, id)
		}
	}
	c := store.Commit{Change: n, OldestOpen: f.at.OldestOpen, Changes: told}
	f.mu.Unlock()
	f.pause()
	f.telling.Lock()
	f.writes.Unlock()
	f.pause()
	if len(told) > 0 {
		f.observer.Committed(c)
	}
	f.telling.Unlock()
}

func (f *fakeStore) note(id any, e event) { f.history[id] = append(f.history[id], e) }

func (f *fakeStore) Position(context.Context) (store.Position, error) {
	f.pause()
	f.writes.Lock()
	defer f.writes.Unlock()
	return f.at, nil
}

func (f *fakeStore) Tasks(_ context.Context, q task.TaskQuery) ([]task.Task, error) {
	f.pause()
	defer f.pause()
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []task.Task
	for _, t := range f.tasks {
		if name := t.Declaration.Name; strings.HasPrefix(name, q.NamePrefix) && name > q.After && t.Change > q.ChangedAfter {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b task.Task) int { return strings.Compare(a.Declaration.Name, b.Declaration.Name) })
	return found[:min(len(found), q.Limit)], nil
}

func (f *fakeStore) Unfinished(_ context.Context, after task.RunID, limit int) ([]task.Run, error) {
	f.pause()
	defer f.pause()
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []task.Run
	for _, id := range slices.Sorted(maps.Keys(f.runs)) {
		if r := f.runs[id]; id > after && !r.State.Ended() && len(found) < limit {
			found = append(found, r)
		}
	}
	return found, nil
}

func (f *fakeStore) RunsChanged(_ context.Context, q task.ChangedQuery) (page task.RunPage, err error) {
	f.pause()
	defer f.pause()
	f.mu.Lock()
	defer f.mu.Unlock()
	looked := 0
	for _, id := range slices.Sorted(maps.Keys(f.runs)) {
		r := f.runs[id]
		if id < q.From || q.TaskID != uuid.Nil && r.TaskID != q.TaskID {
			continue
		}
		if looked == 5 || len(page.Runs) == q.Limit {
			page.Next = id
			break
		}
		looked++
		if r.Change > q.After {
			r.Input = nil
			page.Runs = append(page.Runs, r)
		}
	}
	return page, nil
}
