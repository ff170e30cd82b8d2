package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Update implements store.Store. Runs to take back that are not there, or not the task's, are passed
// over, so that a change may be repeated.
func (s *Store) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) (updated []store.Updated, err error) {
	err = s.writer.submit(ctx, edit, len(ids), func(w *writer) error {
		updated = make([]store.Updated, 0, len(ids))
		for _, id := range ids {
			u, err := w.update(id, fn)
			if err != nil {
				return err
			}
			updated = append(updated, u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

func (w *writer) update(id uuid.UUID, fn store.UpdateFunc) (u store.Updated, err error) {
	c := w.session
	row := new(taskRow)
	found, err := c.one(sqlTaskByID, []any{id[:]}, row.dest()...)
	if err != nil {
		return u, err
	}
	var stored *task.Task
	if found {
		t, err := c.decode(row)
		if err != nil {
			return u, err
		}
		stored = &t
	}
	change, err := fn(id, stored)
	if err != nil {
		return u, err
	}
	if found {
		for _, run := range change.TakeBack {
			if err := w.takeBack(&row.hotRow, run); err != nil {
				return u, err
			}
		}
	}
	switch {
	case change.Task != nil:
		u.Task, err = w.write(id, row, found, change.Task)
	case found:
		u.Task, err = c.decode(row) // anew: fn has the first one
	case len(change.Record) > 0:
		err = fmt.Errorf("task %s is not stored, so no run of it can be recorded", id)
	}
	if err != nil || !found && change.Task == nil {
		return u, err
	}
	if u.Recorded, err = w.recordAll(&row.hotRow, change.Record); err != nil {
		return u, err
	}
	if len(u.Recorded) > 0 {
		_, err = c.exec(sqlMendHead, row.lastRun, row.pk)
	}
	return u, err
}

// write makes t the stored value of the task with this id and returns it as it is stored. A row that
// was not found gets what the rest of the change needs.
func (w *writer) write(id uuid.UUID, row *taskRow, found bool, t *task.Task) (stored task.Task, err error) {
	c, name := w.session, t.Declaration.Name
	switch {
	case t.ID != id:
		return stored, fmt.Errorf("task %q: the change was asked for %s and is for %s", name, id, t.ID)
	case t.Namespace != w.store.namespace:
		return stored, fmt.Errorf("task %q is of namespace %q; this store keeps %q", name, t.Namespace, w.store.namespace)
	case found && row.name != name:
		return stored, fmt.Errorf("task %q: a task cannot be renamed to %q", row.name, name)
	}
	cold, stored, err := coldValues(t)
	if err != nil {
		return stored, err
	}
	if found {
		if _, err := c.exec(sqlUpdateTask, append(cold, t.Version, row.pk)...); err != nil {
			return stored, err
		}
		if int64(t.State) != row.state {
			if _, err := c.exec(sqlUpdateState, int64(t.State), row.pk); err != nil {
				return stored, err
			}
		}
		return stored, w.setClock(&row.hotRow, t.Clock)
	}
	st, err := c.stmt(sqlInsertTask)
	if err != nil {
		return stored, c.store.fault(err)
	}
	err = st.QueryRowContext(context.Background(), append(cold, id[:], name, int64(t.State), t.Version)...).Scan(&row.pk)
	if duplicate(err) {
		return stored, fmt.Errorf("task %q: the name is that of another task already", name)
	}
	if err != nil {
		return stored, c.store.fault(err)
	}
	row.id, row.name = id, name
	_, err = c.exec(sqlInsertSched, append(clockValues(t.Clock), nil, row.pk)...)
	return stored, err
}

// clockValues are the columns of clocks from next_fire_time to fires.
func clockValues(k task.Clock) []any {
	return append(make([]any, 0, 9),
		micros(k.NextFireTime), micros(k.RecordedTime), k.FireCount,
		micros(k.Progress.Anchor), micros(k.Progress.LastFire), micros(k.Progress.LastEnd), encodeFires(k.Progress.Fires))
}

// setClock writes the clock and the last run of a task whose hot columns were read.
func (w *writer) setClock(h *hotRow, k task.Clock) error {
	query, values := sqlUpdateSched, clockValues(k)
	if next := micros(k.NextFireTime); next == nil && !h.nextFire.Valid || h.nextFire.Valid && next == any(h.nextFire.Int64) {
		query, values = sqlUpdateProgress, values[1:]
	}
	_, err := w.session.exec(query, append(values, h.lastRun, h.pk)...)
	return err
}

// takeBack deletes a run of the task and mends the chain. The row's last run follows; it is written.
func (w *writer) takeBack(h *hotRow, run task.RunID) error {
	c := w.session
	var prev sql.NullInt64
	found, err := c.one(sqlRunOfTask, []any{int64(run), h.pk}, &prev)
	if err != nil || !found {
		return err
	}
	if h.lastRun.Int64 == int64(run) {
		h.lastRun = prev
		if _, err := c.exec(sqlMendHead, prev, h.pk); err != nil {
			return err
		}
	} else {
		// What is taken back is among the newest, so this is a step or two.
		next, before := h.lastRun, sql.NullInt64{}
		for {
			if _, err := c.one(sqlRunOfTask, []any{next, h.pk}, &before); err != nil {
				return err
			}
			if before.Int64 == int64(run) || !before.Valid {
				break
			}
			next = before
		}
		if _, err := c.exec(sqlMendChain, prev, next); err != nil {
			return err
		}
	}
	if _, err := c.exec(sqlDeleteRun, int64(run)); err != nil {
		return err
	}
	if _, err := c.exec(sqlDropRequest, int64(run)); err != nil {
		return err
	}
	// Ids are the greatest stored plus one after a restart: this one must not come again.
	_, err = c.exec(sqlRaiseFloor, w.nextRun)
	return err
}

// recordAll records runs of the task and returns them with their ids. The row's last run follows; it
// is not written.
func (w *writer) recordAll(h *hotRow, runs []task.Run) ([]task.Run, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	recorded := make([]task.Run, len(runs))
	for i := range runs {
		r := &runs[i]
		if r.TaskID != h.id {
			return nil, fmt.Errorf("task %q: a run to record has the task id %s instead of %s", h.name, r.TaskID, h.id)
		}
		id := w.nextRun
		if err := w.insert(id, h, r); err != nil {
			return nil, err
		}
		w.nextRun++
		h.lastRun = sql.NullInt64{Int64: id, Valid: true}
		recorded[i] = cloneRun(r)
		recorded[i].ID, recorded[i].TaskName = task.RunID(id), h.name
	}
	return recorded, nil
}

// insert writes a run. A fire that has just come has a handful of fields: it has statements of its own,
// because to bind a column takes about as long as to write it.
func (w *writer) insert(id int64, h *hotRow, r *task.Run) error {
	if r.Reason == 0 && r.StartTime.IsZero() && r.EndTime.IsZero() && r.FirstScheduledTime.IsZero() &&
		len(r.Earlier) == 0 && len(r.Input) == 0 && len(r.Output) == 0 && r.Error == "" && r.Actor == "" {
		query, values := sqlInsertFire, append(make([]any, 0, 9),
			id, h.pk, h.lastRun, int64(r.State), int64(r.Cause), int64(r.Attempt), r.Fires, micros(r.ScheduledTime))
		if !r.JitteredTime.IsZero() {
			query, values = sqlInsertJittered, append(values, micros(r.JitteredTime))
		}
		_, err := w.session.exec(query, values...)
		return err
	}
	earlier, err := encodeAttempts(r.Earlier)
	if err != nil {
		return err
	}
	_, err = w.session.exec(sqlInsertRun,
		id, h.pk, h.lastRun, int64(r.State), int64(r.Cause), int64(r.Reason), int64(r.Attempt), r.Fires,
		micros(r.ScheduledTime), micros(r.JitteredTime), micros(r.FirstScheduledTime), micros(r.StartTime), micros(r.EndTime),
		r.Error, r.Actor, earlier, blob(r.Input), blob(r.Output))
	return err
}

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	err = s.writer.submit(ctx, edit, 1, func(w *writer) (err error) {
		run, repeated, err = w.call(ref, requestID, fn)
		return err
	})
	if err != nil {
		return task.Run{}, false, err
	}
	return run, repeated, nil
}

func (w *writer) call(ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	c := w.session
	if requestID != uuid.Nil {
		var id int64
		used, err := c.one(sqlRequest, []any{requestID[:]}, &id)
		if err != nil {
			return run, false, err
		}
		if used {
			run, err = c.run(task.RunID(id))
			return run, true, err
		}
	}
	row, err := c.find(ref)
	if err != nil {
		return run, false, err
	}
	t, err := c.decode(row)
	if err != nil {
		return run, false, err
	}
	asked, err := fn(t)
	if err != nil {
		return run, false, err
	}
	recorded, err := w.recordAll(&row.hotRow, []task.Run{asked})
	if err != nil {
		return run, false, err
	}
	if _, err := c.exec(sqlMendHead, row.lastRun, row.pk); err != nil {
		return run, false, err
	}
	run = recorded[0]
	if requestID != uuid.Nil {
		if _, err := c.exec(sqlInsertRequest, requestID[:], int64(run.ID)); err != nil {
			return run, false, err
		}
	}
	return run, false, nil
}
