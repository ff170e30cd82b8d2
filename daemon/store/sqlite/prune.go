package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// link is what of a run its neighbours in the chain of its task depend on.
type link struct {
	prev                 sql.NullInt64
	state, reason, fires int64
}

func (l *link) dest() []any { return []any{&l.prev, &l.state, &l.reason, &l.fires} }

// counts is what the run has added to those of its task.
func (l *link) counts() task.Counts {
	r := task.Run{State: task.RunState(l.state), Reason: task.Reason(l.reason), Fires: l.fires}
	return task.Counts{}.Of(&r, true)
}

// successor finds the run that comes after run in the chain of the task, from its head on; 0 if run is the head or not
// in the chain.
func (c *session) successor(pk, head, run int64) (next int64, err error) {
	for head != run {
		var l link
		if found, err := c.one(sqlRunOfTask, []any{head, pk}, l.dest()...); err != nil || !found {
			return 0, err
		}
		if l.prev.Int64 == run {
			return head, nil
		}
		head = l.prev.Int64
	}
	return 0, nil
}

// drop deletes a run that is in no chain any more, with the request that it was made for.
func (w *writer) drop(run int64) (deleted int64, err error) {
	if deleted, err = w.session.exec(sqlDeleteRun, run); err != nil {
		return 0, err
	}
	_, err = w.session.exec(sqlDropRequest, run)
	return deleted, err
}

// hole is a part of a chain that is to be deleted: runs that follow each other, the newest first.
type hole struct {
	after int64 // the run after them, which is kept; 0: they are the newest
	runs  []int64
}

// Prune implements store.Store. It looks for what to delete beside the writer, as a history may be long, and then deletes
// what it found if it is still as it was: runs that have ended do not change, but may have been taken back.
func (s *Store) Prune(ctx context.Context, id uuid.UUID, limit int, keep store.KeepFunc) (store.Pruned, error) {
	p := pruning{limit: limit, keep: keep}
	for again := true; again; {
		err := s.read(ctx, func(c *session) (err error) {
			again, err = p.look(c, id)
			return err
		})
		if err != nil {
			return store.Pruned{}, err
		}
	}
	if len(p.holes) == 0 {
		return p.Pruned, nil
	}
	err := s.writer.submit(ctx, tidy, 1, func(w *writer) error {
		p.Deleted = 0
		for _, h := range p.holes {
			n, err := w.cut(id, h)
			if err != nil {
				return err
			}
			p.Deleted += n
		}
		return w.raise(p.Deleted > 0, sqlRaiseRuns, w.nextRun, nil)
	})
	if err != nil {
		return store.Pruned{}, err
	}
	return p.Pruned, nil
}

// pruning is a look at a history, a part at a time so that no reader is away for long.
type pruning struct {
	store.Pruned
	limit int
	keep  store.KeepFunc
	begun bool
	next  sql.NullInt64 // where the next part begins
	after int64         // the run looked at last, if it stays
	holes []hole
	found int // runs in holes
}

// errEnough ends a look at a history.
var errEnough = errors.New("enough")

// look looks at the next part, and reports whether there is another one.
func (p *pruning) look(c *session, id uuid.UUID) (again bool, err error) {
	if !p.begun {
		var pk int64
		found, err := c.one(sqlLastRunByID, []any{id[:]}, &pk, &p.next)
		if err != nil {
			return false, err
		}
		if !found {
			return false, task.TaskNotFound(task.ByID(id))
		}
		p.begun = true
	}
	if p.More = p.found >= p.limit; p.More || !p.next.Valid {
		return false, nil
	}
	var row runRow
	var looked int
	open := len(p.holes) > 0 && p.after == 0 // the last hole goes on
	dest := append(row.narrowDest(), &looked)
	start := p.next
	p.next = sql.NullInt64{}
	err = c.each(sqlRunsChain, []any{start, maxLook, int64(all), maxLook}, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return c.store.fault(err)
		}
		p.next = row.prev
		run, err := c.decodeRun(&row)
		if err != nil {
			return err
		}
		stays, err := p.stays(&run)
		if err != nil {
			return err
		}
		if stays {
			p.after, open = int64(run.ID), false
			return nil
		}
		if !open {
			p.holes = append(p.holes, hole{after: p.after})
			open = true
		}
		p.after = 0
		last := &p.holes[len(p.holes)-1]
		last.runs = append(last.runs, int64(run.ID))
		p.found++
		if p.More = p.found >= p.limit; p.More {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return !p.More && p.next.Valid, err
}

// stays asks about a run. A panic becomes an error with the stack.
func (p *pruning) stays(run *task.Run) (stays bool, err error) {
	if !run.State.Ended() {
		return true, nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())
		}
	}()
	ended := run.EndTime
	if stays = p.keep(run, p.Kept); stays {
		p.Kept++
		p.Oldest = ended
	}
	return stays, nil
}

// cut deletes the runs of a hole and mends the chain. If the chain has changed there, it leaves it for the next time.
func (w *writer) cut(id uuid.UUID, h hole) (deleted int64, err error) {
	c := w.session
	var t hotRow
	found, err := c.one(sqlLastRunByID, []any{id[:]}, &t.pk, &t.lastRun)
	if err != nil || !found {
		return 0, err
	}
	newest, oldest := h.runs[0], h.runs[len(h.runs)-1]
	var end, after link
	if found, err = c.one(sqlRunOfTask, []any{oldest, t.pk}, end.dest()...); err != nil || !found {
		return 0, err
	}
	next := h.after
	if next == 0 && t.lastRun.Int64 != newest {
		// Since the look, others have been recorded.
		if next, err = c.successor(t.pk, t.lastRun.Int64, newest); err != nil || next == 0 {
			return 0, err
		}
	}
	if next == 0 {
		t.lastRun = end.prev
		err = w.setHead(&t)
	} else {
		if found, err = c.one(sqlRunOfTask, []any{next, t.pk}, after.dest()...); err != nil || !found || after.prev.Int64 != newest {
			return 0, err
		}
		_, err = c.exec(sqlMendChain, end.prev, next)
	}
	if err != nil {
		return 0, err
	}
	w.number()
	for _, run := range h.runs {
		n, err := w.drop(run)
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}

// Sweep implements store.Store.
func (s *Store) Sweep(ctx context.Context, auditBefore time.Time, limit int) (more bool, err error) {
	err = s.writer.submit(ctx, tidy, 1, func(w *writer) (err error) {
		left, err := w.sweepRuns(int64(limit))
		if err != nil {
			return err
		}
		if left, err = w.sweepEvents(auditBefore, left); err != nil {
			return err
		}
		if more = left <= 0; more {
			more, err = w.unswept(auditBefore)
		}
		return err
	})
	return more && err == nil, err
}

// sweepRuns deletes runs that deleted tasks have left, and returns how much of the limit is left.
func (w *writer) sweepRuns(limit int64) (left int64, err error) {
	c := w.session
	for left = limit; left > 0; {
		var pk int64
		var run sql.NullInt64
		if found, err := c.one(sqlRemains, nil, &pk, &run); err != nil || !found {
			return left, w.raise(left < limit, sqlRaiseRuns, w.nextRun, err)
		}
		for left > 0 && run.Valid {
			var l link
			if _, err := c.one(sqlRunOfTask, []any{run, pk}, l.dest()...); err != nil {
				return 0, err
			}
			if _, err := w.drop(run.Int64); err != nil {
				return 0, err
			}
			run = l.prev
			left--
		}
		if run.Valid {
			_, err = c.exec(sqlMoveRemains, run, pk)
		} else {
			_, err = c.exec(sqlDropRemains, pk)
		}
		if err != nil {
			return 0, err
		}
	}
	return left, w.raise(left < limit, sqlRaiseRuns, w.nextRun, nil)
}

// sweepEvents deletes events that are old enough, and returns how much of the limit is left.
func (w *writer) sweepEvents(before time.Time, limit int64) (left int64, err error) {
	if limit <= 0 {
		return limit, nil
	}
	n, err := w.session.exec(sqlSweepEvents, before.UnixMicro(), limit)
	return limit - n, w.raise(n > 0, sqlRaiseEvents, w.nextEvent, err)
}

// raise keeps ids of what was deleted from coming again.
func (w *writer) raise(deleted bool, query string, next int64, err error) error {
	if err != nil || !deleted {
		return err
	}
	w.number()
	_, err = w.session.exec(query, next)
	return err
}

// unswept reports whether there is anything to sweep.
func (w *writer) unswept(before time.Time) (bool, error) {
	var pk, run int64
	if found, err := w.session.one(sqlRemains, nil, &pk, &run); found || err != nil {
		return found, err
	}
	return w.session.one(sqlEventBefore, []any{before.UnixMicro()}, &run)
}
