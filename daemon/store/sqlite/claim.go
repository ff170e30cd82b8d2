package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (claimed store.Claimed, err error) {
	err = s.writer.submit(ctx, claim, 1, func(w *writer) error {
		claimed = store.Claimed{Now: s.now()}
		due, err := w.due(claimed.Now.Add(req.Ahead), req.Limit)
		if err != nil {
			return err
		}
		for i := range due {
			if err := w.claim(&due[i], fn, &claimed); err != nil {
				return err
			}
		}
		var next sql.NullInt64
		_, err = w.session.one(sqlNextFire, nil, &next)
		claimed.NextFireTime = instant(next)
		return err
	})
	if err != nil {
		return store.Claimed{}, err
	}
	return claimed, nil
}

// due reads the tasks whose next fire is not later than until, the earliest first. They are all read
// before the first is changed, because a change moves them in the index that is being read.
func (w *writer) due(until time.Time, limit int) ([]hotRow, error) {
	var due []hotRow
	var row hotRow
	dest := row.dest()
	err := w.session.each(sqlDue, []any{until.UnixMicro(), limit}, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return w.store.fault(err)
		}
		due = append(due, row)
		return nil
	})
	return due, err
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

// Record implements store.Store.
func (s *Store) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	err = s.writer.submit(ctx, record, len(reports), func(w *writer) error {
		now := s.now()
		for i := range reports {
			onTime, err := w.report(now, &reports[i], fn)
			if err != nil {
				return err
			}
			if !onTime {
				late = append(late, reports[i].Run.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return late, nil
}

func (w *writer) report(now time.Time, p *store.Report, fn store.RecordFunc) (onTime bool, err error) {
	c, r := w.session, &p.Run
	earlier, err := encodeAttempts(r.Earlier)
	if err != nil {
		return false, err
	}
	query := sqlReport
	if r.State.Ended() {
		query = sqlReportEnd
	}
	n, err := c.exec(query, int64(r.State), int64(r.Reason), micros(r.NextAttemptTime), micros(r.StartTime), micros(r.EndTime),
		int64(r.Attempt), earlier, blob(r.Output), r.Error, r.Actor, w.change+1, int64(r.ID), int64(p.FromAttempt))
	if err != nil || n == 0 {
		return false, err
	}
	if r.State.Ended() {
		if counted, err := w.countEnd(r); err != nil || !counted {
			return false, err
		}
	}
	w.number() // not before: a late report changes nothing
	if err := w.tellReport(r); err != nil {
		return false, err
	}
	if err := w.addEvents(p.Audit); err != nil || !p.Decide {
		return err == nil, err
	}
	pk, _, _, err := c.taskOf(r.ID)
	if err != nil {
		return false, err
	}
	ended, err := c.run(r.ID)
	if err != nil {
		return false, err
	}
	var h hotRow
	if _, err := c.one(sqlHotByPK, []any{pk}, h.dest()...); err != nil {
		return false, err
	}
	clock, err := h.clock()
	if err != nil {
		return false, w.store.unreadable(err)
	}
	d := w.decide(&h, clock, func(d store.Due) store.Decision { return fn(now, d, ended) })
	_, err = w.apply(&h, d)
	return err == nil, err
}

// countEnd adds a run that has just ended to the counts of its task, or reports that the task is gone.
func (w *writer) countEnd(r *task.Run) (counted bool, err error) {
	c, id := w.session, int64(r.ID)
	ended := task.Run{State: r.State, Reason: r.Reason}
	if r.State == task.Skipped || r.State == task.Missed {
		// Only these are counted by how many instants the run stands for, which the report does not say.
		if _, ended.Fires, _, err = c.taskOf(r.ID); err != nil {
			return false, err
		}
	}
	query, values := addCounts(w.change+1, task.Counts{}.Of(&ended, false), "(SELECT task FROM runs WHERE run = ?)")
	n, err := c.exec(query, append(values, id)...)
	if err != nil || n == 0 {
		return false, err
	}
	switch r.State {
	case task.Failed, task.TimedOut, task.Lost:
		_, err = c.exec(sqlFailed, id)
	case task.Succeeded:
		_, err = c.exec(sqlSucceeded, id)
	}
	return err == nil, err
}

// tellReport notes what a report has changed, if somebody wants to know.
func (w *writer) tellReport(r *task.Run) error {
	if w.told.tasks {
		pk, _, last, err := w.session.taskOf(r.ID)
		if err != nil {
			return err
		}
		if last || r.State.Ended() {
			w.told.task(pk)
		}
	}
	if w.told.runs {
		became, err := w.session.brief(r.ID)
		if err != nil {
			return err
		}
		w.told.run(&became)
	}
	return nil
}

// taskOf returns the pk of the task of a run that is there, how many instants the run stands for, and whether it is the
// last of its task.
func (c *session) taskOf(id task.RunID) (pk, fires int64, last bool, err error) {
	var isLast sql.NullBool
	_, err = c.one(sqlRunTask, []any{int64(id)}, &pk, &fires, &isLast)
	return pk, fires, isLast.Bool, err
}
