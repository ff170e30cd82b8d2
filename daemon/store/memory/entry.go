package memory

import (
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
	// the old one back. It has no LastRun. Nil: the task is not stored.
	task *task.Task
	// runs are the ids of its runs, ascending.
	runs []task.RunID
	hold hold
}

// last is the id of its last run. 0: it has none.
func (e *entry) last() task.RunID {
	if len(e.runs) == 0 {
		return 0
	}
	return e.runs[len(e.runs)-1]
}

// order is tasks by their names.
type order = btree.Map[string, *entry]

func newOrder() *order { return btree.NewMap[string, *entry](0) }

// timeKey orders tasks by an instant.
type timeKey struct {
	time  time.Time
	seq   int
	entry *entry
}

func (k timeKey) before(o timeKey) bool {
	if c := k.time.Compare(o.time); c != 0 {
		return c < 0
	}
	return k.seq < o.seq
}

func newTimes() *btree.BTreeG[timeKey] {
	return btree.NewBTreeGOptions(timeKey.before, btree.Options{NoLocks: true})
}

// newEntry returns an entry that stands for no task yet.
func (s *data) newEntry() *entry {
	s.nextSeq++ // not undone: it need only differ
	return &entry{seq: s.nextSeq}
}

// put makes t, which must be the store's own, the value of e, in all orders. Nil: the task is gone.
func (s *data) put(e *entry, t *task.Task) {
	n := s.number()
	if t != nil {
		t.Change = n
	}
	old := e.task
	s.swap(e, t)
	s.undoing(func() { s.swap(e, old) })
	s.tellTask(e)
}

// swap replaces the value of e.
func (s *data) swap(e *entry, t *task.Task) {
	old := e.task
	e.task = t
	if old != nil && (t == nil || !sameKeys(old, t)) {
		delete(s.tasks, old.ID)
		name := old.Declaration.Name
		s.names.Delete(name)
		leave(s.states, old.State, name)
		leave(s.groups, old.Declaration.Group, name)
	}
	if t != nil && (old == nil || !sameKeys(old, t)) {
		s.tasks[t.ID] = e
		name := t.Declaration.Name
		s.names.Set(name, e)
		enter(s.states, t.State, name, e)
		if group := t.Declaration.Group; group != "" {
			enter(s.groups, group, name, e)
		}
	}
	var was, is, ended, ends time.Time
	if old != nil {
		was, ended = old.Clock.NextFireTime, deadline(old)
	}
	if t != nil {
		is, ends = t.Clock.NextFireTime, deadline(t)
	}
	e.move(s.due, was, is)
	e.move(s.deadlines, ended, ends)
}

// move changes the place of e in an order of instants. Zero: it has none.
func (e *entry) move(times *btree.BTreeG[timeKey], was, is time.Time) {
	if was.Equal(is) {
		return
	}
	if !was.IsZero() {
		times.Delete(timeKey{time: was, seq: e.seq})
	}
	if !is.IsZero() {
		times.Set(timeKey{time: is, seq: e.seq, entry: e})
	}
}

// deadline is when the override or the pause of t ends by itself, whichever is earlier. Zero: neither does.
func deadline(t *task.Task) time.Time {
	var at time.Time
	if t.Override != nil {
		at = t.Override.ExpireTime
	}
	if p := t.Pause; p != nil && !p.ResumeTime.IsZero() && (at.IsZero() || p.ResumeTime.Before(at)) {
		at = p.ResumeTime
	}
	return at
}

// sameKeys reports whether both have the same place in all orders but that of their fires.
func sameKeys(a, b *task.Task) bool {
	return a.ID == b.ID && a.Declaration.Name == b.Declaration.Name && a.State == b.State && a.Declaration.Group == b.Declaration.Group
}

func enter[K comparable](orders map[K]*order, key K, name string, e *entry) {
	o := orders[key]
	if o == nil {
		o = newOrder()
		orders[key] = o
	}
	o.Set(name, e)
}

func leave[K comparable](orders map[K]*order, key K, name string) {
	if o := orders[key]; o != nil {
		o.Delete(name)
		if o.Len() == 0 {
			delete(orders, key)
		}
	}
}

// remove deletes the task of e with all its runs.
func (s *data) remove(e *entry) {
	gone := make([]*record, len(e.runs))
	for i, id := range e.runs {
		gone[i], _ = s.runs.Get(id)
		s.unlist(gone[i])
		if !gone[i].run.State.Ended() {
			s.mark(&s.takenBack)
			s.tellTakenBack(id)
		}
	}
	s.mark(&s.deleted)
	s.tellDeleted(e)
	s.undoing(func() {
		for _, rec := range gone {
			s.list(rec)
		}
	})
	s.put(e, nil)
}

// find returns the task that ref names, or nil.
func (s *data) find(ref task.Ref) *entry {
	if ref.ID != uuid.Nil {
		return s.tasks[ref.ID]
	}
	e, _ := s.names.Get(ref.Name)
	return e
}

// withLastRun returns a copy of the task with its last run.
func (s *data) withLastRun(e *entry) task.Task {
	t := cloneTask(e.task)
	if id := e.last(); id != 0 {
		rec, _ := s.runs.Get(id)
		r := rec.brief()
		t.LastRun = &r
	}
	return t
}
