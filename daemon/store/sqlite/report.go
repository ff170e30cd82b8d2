package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
)

// Record implements store.Store.
func (s *Store) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	err = s.writer.submit(ctx, record, len(reports), func(w *writer) (err error) {
		late, err = w.record(reports, fn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return late, nil
}

// record writes reports. Ends are counted together, unless somebody is to be told of one at once.
func (w *writer) record(reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	now := w.store.now()
	var ended []*task.Run // not yet counted
	count := func() (gone []task.RunID, err error) {
		gone, err = w.countEnds(ended)
		late, ended = append(late, gone...), ended[:0]
		return gone, err
	}
	for i := range reports {
		p := &reports[i]
		written, err := w.writeReport(p)
		if err != nil {
			return nil, err
		}
		if !written {
			late = append(late, p.Run.ID)
			continue
		}
		telling := p.Decide || len(p.Audit) > 0 || w.told.tasks || w.told.runs
		if p.Run.State.Ended() {
			if ended = append(ended, &p.Run); !telling {
				continue
			}
			gone, err := count()
			if err != nil {
				return nil, err
			}
			if slices.Contains(gone, p.Run.ID) {
				continue
			}
		}
		w.number() // not before: a late report changes nothing
		if !telling {
			continue
		}
		if err := w.follow(now, p, fn); err != nil {
			return nil, err
		}
	}
	_, err = count()
	return late, err
}

// writeReport writes a report to its run, or reports that it is late. That the task is gone it finds only of a run that
// has not ended: of the others countEnds does.
func (w *writer) writeReport(p *store.Report) (written bool, err error) {
	r := &p.Run
	earlier, err := codec.EncodeAttempts(r.Earlier)
	if err != nil {
		return false, err
	}
	query, values := sqlReportEnd, make([]any, 0, 14)
	if r.Reason == 0 && r.NextAttemptTime.IsZero() && r.Attempt == p.FromAttempt && earlier == "" && len(r.Output) == 0 &&
		r.Error == "" && r.Actor == "" && r.Worker == "" {
		// Most are like this, and to bind a column takes about as long as to write it.
		query, values = sqlReportPlainEnd, append(values, int64(r.State), micros(r.StartTime), micros(r.EndTime))
	} else {
		values = append(values, int64(r.State), int64(r.Reason), micros(r.NextAttemptTime), micros(r.StartTime), micros(r.EndTime),
			int64(r.Attempt), orNull(earlier), blob(r.Output), r.Error, r.Actor, orNull(r.Worker))
	}
	if !r.State.Ended() {
		query += ofStoredTask
	}
	n, err := w.session.exec(query, append(values, w.change+1, int64(r.ID), int64(p.FromAttempt))...)
	return err == nil && n > 0, err
}

// follow does what follows from a report that was written and counted.
func (w *writer) follow(now time.Time, p *store.Report, fn store.RecordFunc) error {
	c, r := w.session, &p.Run
	if err := w.tellReport(r); err != nil {
		return err
	}
	if err := w.addEvents(p.Audit); err != nil || !p.Decide {
		return err
	}
	pk, _, err := c.taskOf(r.ID)
	if err != nil {
		return err
	}
	ended, err := c.run(r.ID)
	if err != nil {
		return err
	}
	var h hotRow
	if _, err := c.one(sqlHotByPK, []any{pk}, h.dest()...); err != nil {
		return err
	}
	clock, err := h.clock()
	if err != nil {
		return w.store.unreadable(err)
	}
	d := w.decide(&h, clock, func(d store.Due) store.Decision { return fn(now, d, ended) })
	_, err = w.apply(&h, d)
	return err
}

// tellReport notes what a report has changed, if somebody wants to know.
func (w *writer) tellReport(r *task.Run) error {
	if w.told.tasks {
		pk, last, err := w.session.taskOf(r.ID)
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

// taskOf returns the pk of the task of a run that is there, and whether it is the last of its task.
func (c *session) taskOf(id task.RunID) (pk int64, last bool, err error) {
	var isLast sql.NullBool
	_, err = c.one(sqlRunTask, []any{int64(id)}, &pk, &isLast)
	return pk, isLast.Bool, err
}
