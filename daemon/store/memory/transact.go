package memory

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// tx is a transaction that writes.
type tx struct {
	by   *handle  // whose it is
	undo []func() // its steps, inverted
	// changed says that there is something to commit.
	changed bool
	// tasks and runs say what the observers want together, as they said when the transaction began.
	tasks, runs bool
	// told is what happened, all but the tasks that changed: they are told of as they are at the end.
	told []store.Changed
	// touched are those tasks, each once, in the order in which they were first changed.
	touched []*entry
	isIn    map[*entry]bool
}

// view runs f alone. It must not change anything.
func (s *handle) view(ctx context.Context, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return s.answer()
}

// transact runs f as one transaction: alone, undone if it returns an error or panics, and told of if it changed
// something. It fails if the node does not live.
func (s *handle) transact(ctx context.Context, f func() error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.fenced(); err != nil {
		return err
	}
	s.tx.by = s
	for _, h := range s.handles {
		if h.observer != nil {
			h.wantsTasks, h.wantsRuns = h.observer.Wants()
			s.tx.tasks, s.tx.runs = s.tx.tasks || h.wantsTasks, s.tx.runs || h.wantsRuns
		}
	}
	committed := false
	defer func() {
		// This also runs when f ends its goroutine, as t.Fatal in a function handed in does.
		if !committed {
			for i := len(s.tx.undo) - 1; i >= 0; i-- {
				s.tx.undo[i]()
			}
		}
		clear(s.tx.undo)
		s.tx = tx{undo: s.tx.undo[:0]}
	}()
	if err := guarded(f); err != nil {
		return err
	}
	committed = true
	s.commit()
	return s.answer()
}

func (s *handle) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return fmt.Errorf("%w: it is closed", task.ErrUnavailable)
	}
	if s.cut == Unreachable {
		return fmt.Errorf("%w: this node is cut off", task.ErrUnavailable)
	}
	return nil
}

// answer says how what was done is answered.
func (s *handle) answer() error {
	if s.cut == AnswersLost {
		return fmt.Errorf("%w: the answer was lost", task.ErrUnavailable)
	}
	return nil
}

// guarded turns a panic in f into an error with the stack.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// undoing notes how to undo the step that was just done.
func (s *data) undoing(f func()) { s.tx.undo = append(s.tx.undo, f) }

// number is that of the commit under way. Whoever asks for it changes something.
func (s *data) number() int64 {
	s.tx.changed = true
	return s.change + 1
}

// mark sets one of the numbers of the store to that of the commit under way.
func (s *data) mark(n *int64) {
	old := *n
	*n = s.number()
	s.undoing(func() { *n = old })
}

// commit gives the transaction its number and tells of it.
func (s *data) commit() {
	if !s.tx.changed {
		return
	}
	s.change++
	changes := s.tx.told
	for _, e := range s.tx.touched {
		if e.task != nil {
			t := s.withLastRun(e)
			changes = append(changes, store.Changed{Task: &t})
		}
	}
	if len(changes) == 0 {
		return
	}
	c := store.Commit{Change: s.change, OldestOpen: s.oldestOpen(), Changes: changes}
	for _, h := range s.handles {
		h.tell(c)
	}
}

// tell tells the observer of what it wants to know of a commit.
func (s *handle) tell(c store.Commit) {
	if s.observer == nil {
		return
	}
	if s.wantsTasks != s.tx.tasks || s.wantsRuns != s.tx.runs {
		var wanted []store.Changed
		for _, ch := range c.Changes {
			if ch.Task != nil && s.wantsTasks || ch.Task == nil && s.wantsRuns || ch.DeletedTask != uuid.Nil && s.wantsTasks {
				wanted = append(wanted, ch)
			}
		}
		if c.Changes = wanted; len(wanted) == 0 {
			return
		}
	}
	if s.cut != Healed {
		s.kept = append(s.kept, c)
		return
	}
	s.observer.Committed(c)
}

// tellTask notes that e has changed.
func (s *data) tellTask(e *entry) {
	if !s.tx.tasks || s.tx.isIn[e] {
		return
	}
	if s.tx.isIn == nil {
		s.tx.isIn = make(map[*entry]bool)
	}
	s.tx.isIn[e] = true
	s.tx.touched = append(s.tx.touched, e)
}

// tellDeleted notes that the task of e is no more under its id. It concerns those who want runs as well.
func (s *data) tellDeleted(e *entry) {
	if s.tx.tasks || s.tx.runs {
		s.tx.told = append(s.tx.told, store.Changed{DeletedTask: e.task.ID})
	}
}

// tellRun notes what became of a run of t. A run in the store is never changed in place, so it may be shared.
func (s *data) tellRun(r *task.Run, t *task.Task) {
	if s.tx.runs {
		told := named(*r, t)
		told.Input, told.Output = nil, nil
		s.tx.told = append(s.tx.told, store.Changed{Run: &told})
	}
}

// tellTakenBack notes that a run never was.
func (s *data) tellTakenBack(id task.RunID) {
	if s.tx.runs {
		s.tx.told = append(s.tx.told, store.Changed{TakenBack: id})
	}
}

// Observe implements store.Store. Unlike others it may be called again, at any time, as daemons come and go in tests
// while the store stays: the last one is told.
func (s *handle) Observe(o store.Observer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observer = o
}

// Position implements store.Store.
func (s *handle) Position(ctx context.Context) (p store.Position, err error) {
	err = s.view(ctx, func() error {
		p = store.Position{ID: s.storeID, Change: s.change, Deleted: s.deleted, TakenBack: s.takenBack, OldestOpen: s.oldestOpen()}
		return nil
	})
	return p, err
}

// oldestOpen is the lowest id of a run that has not ended, or the id of the next run.
func (s *data) oldestOpen() task.RunID {
	if id, _, some := s.open.Min(); some {
		return id
	}
	return s.nextRun
}
