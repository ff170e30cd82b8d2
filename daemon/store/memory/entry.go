package memory

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/tidwall/btree"
)

// entry is a task in the store.
type entry struct {
	// seq is the order of creation; it decides between tasks that are due at the same instant.
	seq int
	// task is never changed in place: a change puts another value there, so that undoing is putting
	// the old one back. It has no LastRun.
	task *task.Task
	// runs are the ids of its runs, ascending.
	runs []task.RunID
}

// record is a run in the store. run is never changed in place.
type record struct {
	run     *task.Run
	entry   *entry
	request uuid.UUID
}

// dueKey orders tasks by their next fire.
type dueKey struct {
	fire  time.Time
	seq   int
	entry *entry
}

func (k dueKey) before(o dueKey) bool {
	if c := k.fire.Compare(o.fire); c != 0 {
		return c < 0
	}
	return k.seq < o.seq
}

// put makes t the value of e, in all orders.
func (s *Store) put(e *entry, t *task.Task) {
	old := e.task
	s.swap(e, t)
	s.undo = append(s.undo, func() { s.swap(e, old) })
}

// swap replaces the value of e; nil is a task that is not stored.
func (s *Store) swap(e *entry, t *task.Task) {
	old := e.task
	if old != nil {
		if t == nil {
			delete(s.tasks, old.ID)
			s.names.Delete(old.Declaration.Name)
		}
		if t == nil || t.State != old.State {
			s.states[old.State].Delete(old.Declaration.Name)
		}
		if !old.Clock.NextFireTime.IsZero() && (t == nil || !t.Clock.NextFireTime.Equal(old.Clock.NextFireTime)) {
			s.due.Delete(dueKey{fire: old.Clock.NextFireTime, seq: e.seq})
		}
	}
	e.task = t
	if t == nil {
		return
	}
	if old == nil {
		s.tasks[t.ID] = e
		s.names.Set(t.Declaration.Name, e)
	}
	if old == nil || t.State != old.State {
		byName := s.states[t.State]
		if byName == nil {
			byName = btree.NewMap[string, *entry](0)
			s.states[t.State] = byName
		}
		byName.Set(t.Declaration.Name, e)
	}
	if fire := t.Clock.NextFireTime; !fire.IsZero() && (old == nil || !fire.Equal(old.Clock.NextFireTime)) {
		s.due.Set(dueKey{fire: fire, seq: e.seq, entry: e})
	}
}

// addRun records r, which must be the store's own copy, and gives it the next id.
func (s *Store) addRun(e *entry, r *task.Run, request uuid.UUID) {
	r.ID = s.nextRun
	s.nextRun++
	rec := &record{run: r, entry: e, request: request}
	s.insertRun(rec)
	s.undo = append(s.undo, func() {
		s.deleteRun(rec)
		s.nextRun--
	})
}

// takeBack deletes the run. Its id is not given again.
func (s *Store) takeBack(rec *record) {
	s.deleteRun(rec)
	s.undo = append(s.undo, func() { s.insertRun(rec) })
}

// setRun replaces the value of a run.
func (s *Store) setRun(rec *record, r *task.Run) {
	old := rec.run
	s.swapRun(rec, r)
	s.undo = append(s.undo, func() { s.swapRun(rec, old) })
}

func (s *Store) swapRun(rec *record, r *task.Run) {
	rec.run = r
	if r.State.Ended() {
		s.open.Delete(r.ID)
	} else {
		s.open.Set(r.ID, rec)
	}
}

func (s *Store) insertRun(rec *record) {
	id := rec.run.ID
	s.runs.Set(id, rec)
	if !rec.run.State.Ended() {
		s.open.Set(id, rec)
	}
	at, _ := slices.BinarySearch(rec.entry.runs, id)
	rec.entry.runs = slices.Insert(rec.entry.runs, at, id)
	if rec.request != uuid.Nil {
		s.requests[rec.request] = id
	}
}

func (s *Store) deleteRun(rec *record) {
	id := rec.run.ID
	s.runs.Delete(id)
	s.open.Delete(id)
	if at, found := slices.BinarySearch(rec.entry.runs, id); found {
		rec.entry.runs = slices.Delete(rec.entry.runs, at, at+1)
	}
	if rec.request != uuid.Nil {
		delete(s.requests, rec.request)
	}
}

// find returns the task that ref names, or nil.
func (s *Store) find(ref task.Ref) *entry {
	if ref.ID != uuid.Nil {
		return s.tasks[ref.ID]
	}
	e, _ := s.names.Get(ref.Name)
	return e
}

// withLastRun returns a copy of the task with its last run.
func (s *Store) withLastRun(e *entry) task.Task {
	t := cloneTask(e.task)
	if n := len(e.runs); n > 0 {
		rec, _ := s.runs.Get(e.runs[n-1])
		r := cloneRun(rec.run)
		r.Input, r.Output = nil, nil
		t.LastRun = &r
	}
	return t
}
