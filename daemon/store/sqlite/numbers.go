package sqlite

import (
	"context"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// changesAhead is by how much the store row is ahead of the number of the last commit, at most. After a kill as many
// numbers may be left out; that is nothing to anybody.
const changesAhead = 1000

// numbers are what the writer counts. They are copied before a call and put back if it comes to nothing.
type numbers struct {
	nextRun, nextTask, nextEvent int64
	// change is the number of the last commit, and reserved the one in the store row.
	change, reserved   int64
	deleted, takenBack int64
	// changed says that the group under way has changed something.
	changed bool
}

// reserve makes sure that the number of the group under way is covered by the store row.
func (w *writer) reserve() error {
	if w.change < w.reserved {
		return nil
	}
	w.reserved = w.change + changesAhead
	_, err := w.session.exec(sqlReserve, w.reserved)
	return err
}

// release gives back the numbers that were reserved and not used. If it fails they are left out.
func (w *writer) release() {
	if w.change < w.reserved {
		_, _ = w.session.exec(sqlReserve, w.change)
	}
}

// number is that of the group under way. Whoever asks for it changes something.
func (w *writer) number() int64 {
	w.changed = true
	return w.change + 1
}

// Position implements store.Store. It is answered after all others of its group: they are in it.
func (s *Store) Position(ctx context.Context) (p store.Position, err error) {
	err = s.writer.submit(ctx, barrier, 1, func(w *writer) (err error) {
		p = store.Position{ID: s.id, Change: w.change, Deleted: w.deleted, TakenBack: w.takenBack}
		if w.changed {
			p.Change++
		}
		p.OldestOpen, err = w.oldestOpen()
		return err
	})
	if err != nil {
		return store.Position{}, err
	}
	return p, nil
}

// oldestOpen is the lowest id of a run that has not ended, or the id of the next run.
func (w *writer) oldestOpen() (task.RunID, error) {
	id := w.nextRun
	_, err := w.session.one(sqlOldestOpen, nil, &id)
	return task.RunID(id), err
}

// Observe implements store.Store.
func (s *Store) Observe(o store.Observer) { s.observer.Store(&o) }

// told is what a group does, as far as the observer wants to know. It belongs to the goroutine of the writer. What
// is not wanted costs nothing.
type told struct {
	// observer is the one that was asked, and is told: another may be put in its place meanwhile. Nil: nobody is.
	observer store.Observer

	tasks, runs bool // what is wanted
	changes     []store.Changed
	// touched are the tasks that changed, each once, in the order in which they were first changed. They are told of
	// as they are at the end.
	touched []int64
	isIn    map[int64]bool
}

// mark says how far it has come, and cut goes back there.
func (t *told) mark() (changes, touched int) { return len(t.changes), len(t.touched) }

func (t *told) cut(changes, touched int) {
	t.changes = t.changes[:changes]
	for _, pk := range t.touched[touched:] {
		delete(t.isIn, pk)
	}
	t.touched = t.touched[:touched]
}

// task notes that a task has changed.
func (t *told) task(pk int64) {
	if !t.tasks || t.isIn[pk] {
		return
	}
	if t.isIn == nil {
		t.isIn = make(map[int64]bool)
	}
	t.isIn[pk] = true
	t.touched = append(t.touched, pk)
}

// deleted notes that a task is no more under its id. It concerns those who want runs as well.
func (t *told) deleted(id uuid.UUID) {
	if t.tasks || t.runs {
		t.changes = append(t.changes, store.Changed{DeletedTask: id})
	}
}

// run notes what became of a run.
func (t *told) run(r *task.Run) {
	if t.runs {
		brief := *r
		brief.Input, brief.Output = nil, nil
		brief = codec.CloneRun(&brief)
		t.changes = append(t.changes, store.Changed{Run: &brief})
	}
}

// takenBack notes that a run never was.
func (t *told) takenBack(id task.RunID) {
	if t.runs {
		t.changes = append(t.changes, store.Changed{TakenBack: id})
	}
}

// wants asks the observer what it wants to know of the group that begins.
func (w *writer) wants() {
	w.told = told{}
	if o := w.store.observer.Load(); o != nil && *o != nil {
		w.told.observer = *o
		w.told.tasks, w.told.runs = w.told.observer.Wants()
	}
}

// tell puts together what the observer is to be told, within the transaction; false: nothing.
func (w *writer) tell() (c store.Commit, some bool, err error) {
	if len(w.told.changes)+len(w.told.touched) == 0 {
		return c, false, nil
	}
	c = store.Commit{Change: w.number(), Changes: w.told.changes}
	if c.OldestOpen, err = w.oldestOpen(); err != nil {
		return c, false, err
	}
	row := new(fullRow)
	dest := row.dest()
	for _, pk := range w.told.touched {
		found, err := w.session.one(sqlFullByPK, []any{pk}, dest...)
		if err != nil {
			return c, false, err
		}
		if !found {
			continue // it was deleted
		}
		t, err := w.session.decodeFull(row)
		if err != nil {
			continue // no page shows it either, and it must not keep the others from being written
		}
		c.Changes = append(c.Changes, store.Changed{Task: &t})
	}
	return c, len(c.Changes) > 0, nil
}
