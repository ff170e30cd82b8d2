package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (claimed store.Claimed, err error) {
	err = s.writer.submit(ctx, claim, 1, func(w *writer) error {
		claimed = store.Claimed{Now: s.now()}
		due, err := w.due(claimed.Now.Add(req.Ahead).UnixMicro(), req.Limit, req.Except)
		if err != nil {
			return err
		}
		for i := range due {
			if err := w.claim(&due[i], fn, &claimed); err != nil {
				return err
			}
		}
		claimed.NextFireTime, err = w.nextFire(req.Except)
		return err
	})
	if err != nil {
		return store.Claimed{}, err
	}
	return claimed, nil
}

// due reads the tasks whose next fire is not later than until, the earliest first. They are all read
// before the first is changed, because a change moves them in the index that is being read.
func (w *writer) due(until int64, limit int, except []uuid.UUID) ([]hotRow, error) {
	var due []hotRow
	var row hotRow
	dest := row.dest()
	err := w.session.each(sqlDue, []any{until, limit + len(except)}, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return w.store.fault(err)
		}
		if len(due) < limit && !slices.Contains(except, row.id) {
			due = append(due, row)
		}
		return nil
	})
	return due, err
}

// nextFire returns the earliest next fire of all tasks but some. Zero: none.
func (w *writer) nextFire(except []uuid.UUID) (time.Time, error) {
	var next sql.NullInt64
	if len(except) == 0 {
		_, err := w.session.one(sqlNextFire, nil, &next)
		return instant(next), err
	}
	rows, err := w.due(math.MaxInt64, 1, except)
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return instant(rows[0].nextFire), nil
}

func (w *writer) claim(h *hotRow, fn store.ClaimFunc, claimed *store.Claimed) error {
	before, err := h.clock()
	if err != nil {
		// One damaged row must not keep the others from firing.
		claimed.Rejected = append(claimed.Rejected, h.id)
		_, err := w.session.exec(sqlPark, w.stamp(h), h.pk)
		return err
	}
	d := w.decide(h, before, func(d store.Due) store.Decision { return fn(claimed.Now, d) })
	if d.Leave {
		return nil
	}
	if next := task.Instant(d.Clock.NextFireTime); !next.IsZero() && !next.After(before.NextFireTime) {
		claimed.Rejected = append(claimed.Rejected, h.id)
		_, err := w.session.exec(sqlPark, w.stamp(h), h.pk)
		return err
	}
	recorded, err := w.apply(h, d)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		if r.State == task.Scheduled {
			fire := store.Fire{Run: r, Before: before, Beside: store.Beside(recorded)}
			fire.Before.Progress.Fires = slices.Clone(before.Progress.Fires)
			claimed.Fires = append(claimed.Fires, fire)
		}
	}
	return nil
}

// decide asks fn about the task. Its Load reads the rest of the task, for as long as fn runs: after that
// the transaction is not its own any more.
func (w *writer) decide(h *hotRow, clock task.Clock, fn func(store.Due) store.Decision) store.Decision {
	var over atomic.Bool
	defer over.Store(true)
	clock.Progress.Fires = slices.Clone(clock.Progress.Fires)
	return fn(store.Due{
		ID:           h.id,
		Name:         h.name,
		Version:      h.version,
		State:        task.State(h.state),
		Clock:        clock,
		FailureCount: h.failureCount,
		Load: func() (task.Task, error) {
			if over.Load() {
				return task.Task{}, errors.New("a task can be loaded only while the decision about it is made")
			}
			var row taskRow
			if _, err := w.session.one(sqlTaskByPK, []any{h.pk}, row.dest()...); err != nil {
				return task.Task{}, err
			}
			return w.session.decode(&row)
		},
	})
}

// apply writes a decision and returns the runs that it recorded.
func (w *writer) apply(h *hotRow, d store.Decision) ([]task.Run, error) {
	recorded, err := w.recordAll(h, d.Record)
	if err != nil {
		return nil, err
	}
	if err := w.setClock(h, d.Clock); err != nil {
		return nil, err
	}
	if d.State != 0 && int64(d.State) != h.state {
		if _, err := w.session.exec(sqlUpdateState, int64(d.State), h.pk); err != nil {
			return nil, err
		}
	}
	if d.Pause != nil {
		if _, err := w.session.exec(sqlUpdatePause, append(pauseValues(d.Pause), h.pk)...); err != nil {
			return nil, err
		}
	}
	return recorded, w.addEvents(d.Audit)
}
