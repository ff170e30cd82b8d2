package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Update implements store.Store. Runs to take back that are not there, or not the task's, are passed
// over, so that a change may be repeated, and so is a task to delete that is not there.
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
	row := &taskRow{hotRow: hotRow{edits: new(edits)}}
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
	case change.Delete && (change.Task != nil || len(change.Record) > 0):
		return u, fmt.Errorf("task %s is to be deleted, so nothing of it can be written", id)
	case change.Delete && found:
		err = w.remove(&row.hotRow)
	case change.Delete:
	case change.Task != nil:
		u.Task, err = w.write(id, row, found, change.Task)
	case found:
		u.Task, err = c.decode(row) // anew: fn has the first one
	case !found && len(change.Record) > 0:
		err = fmt.Errorf("task %s is not stored, so no run of it can be recorded", id)
	}
	if err != nil {
		return u, err
	}
	if u.Recorded, err = w.recordAll(&row.hotRow, change.Record); err != nil {
		return u, err
	}
	if len(u.Recorded) > 0 {
		if err := w.setHead(&row.hotRow); err != nil {
			return u, err
		}
	}
	if err := w.addEvents(change.Audit); err != nil {
		return u, err
	}
	if change.Delete || !found && change.Task == nil {
		return u, nil
	}
	u.Task.Counts = row.counts.Add(row.edits.counted)
	u.Task.Change = max(row.change, row.edits.stamp)
	return u, nil
}

// write makes t the stored value of the task with this id and returns it as it is stored, but for Counts and Change. A
// row that was not found gets what the rest of the change needs.
func (w *writer) write(id uuid.UUID, row *taskRow, found bool, t *task.Task) (stored task.Task, err error) {
	c, name := w.session, t.Declaration.Name
	renamed := found && t.ID != id
	switch {
	case t.Namespace != w.store.namespace:
		return stored, fmt.Errorf("task %q is of namespace %q; this store keeps %q", name, t.Namespace, w.store.namespace)
	case !found && t.ID != id:
		return stored, fmt.Errorf("task %q: the change was asked for %s and is for %s", name, id, t.ID)
	case found && renamed != (row.name != name):
		return stored, fmt.Errorf("task %q with the id %s can become neither %q nor %s alone: a task that is renamed has another id",
			row.name, id, name, t.ID)
	}
	cold, stored, err := coldValues(t)
	if err != nil {
		return stored, err
	}
	if !found {
		row.pk, row.id, row.name = w.nextTask, id, name
		w.nextTask++
		if err := w.unique(t, sqlInsertTask, append(cold, id[:], name, int64(t.State), t.Version, row.pk)...); err != nil {
			return stored, err
		}
		if _, err := c.exec(sqlInsertCounts, row.pk); err != nil {
			return stored, err
		}
		_, err = c.exec(sqlInsertSched, append(clockValues(t.Clock), nil, w.stamp(&row.hotRow), t.FailureCount, row.pk)...)
		return stored, err
	}
	if renamed {
		w.told.deleted(id)
		if err := w.unique(t, sqlRenameTask, t.ID[:], name, row.pk); err != nil {
			return stored, err
		}
		row.id, row.name = t.ID, name
		if err := w.markDeleted(); err != nil {
			return stored, err
		}
	}
	if _, err := c.exec(sqlUpdateTask, append(cold, t.Version, row.pk)...); err != nil {
		return stored, err
	}
	if int64(t.State) != row.state {
		if _, err := c.exec(sqlUpdateState, int64(t.State), row.pk); err != nil {
			return stored, err
		}
	}
	if t.FailureCount != row.failureCount {
		if _, err := c.exec(sqlSetFailures, t.FailureCount, row.pk); err != nil {
			return stored, err
		}
	}
	return stored, w.setClock(&row.hotRow, t.Clock)
}

// unique runs a statement that gives t its id and name. If they are those of another task, that is task.ErrExists.
func (w *writer) unique(t *task.Task, query string, values ...any) error {
	_, err := w.session.rawExec(query, values...)
	if !duplicate(err) {
		return w.store.fault(err)
	}
	other := t.ID
	if _, err := w.session.one(sqlIDByName, []any{t.Declaration.Name}, &other); err != nil {
		return err
	}
	return fmt.Errorf("%w: the name %q is that of task %s", task.ErrExists, t.Declaration.Name, other)
}

// remove deletes the task. Nobody finds its runs without it; Sweep deletes them.
func (w *writer) remove(h *hotRow) error {
	c := w.session
	if err := w.takeBackOpen(h.pk); err != nil {
		return err
	}
	for _, query := range []string{sqlDeleteTask, sqlDeleteSched, sqlDeleteCounts} {
		if _, err := c.exec(query, h.pk); err != nil {
			return err
		}
	}
	if h.lastRun.Valid {
		if _, err := c.exec(sqlInsertRemains, h.pk, h.lastRun); err != nil {
			return err
		}
	}
	w.told.deleted(h.id)
	return w.markDeleted()
}

// takeBackOpen tells of the runs of a task that have not ended, which is to be deleted, that they never were.
func (w *writer) takeBackOpen(pk int64) error {
	const most = 1000
	for last, n := int64(0), most; n == most; {
		n = 0
		err := w.session.each(sqlOpenOfTask, []any{pk, last, most}, func(scan func(dest ...any) error) error {
			if err := scan(&last); err != nil {
				return err
			}
			w.told.takenBack(task.RunID(last))
			n++
			return nil
		})
		if err != nil {
			return err
		}
		if n > 0 {
			w.takenBack = w.number()
		}
	}
	if w.takenBack != w.change+1 {
		return nil
	}
	_, err := w.session.exec(sqlMarkTakenBack, w.takenBack)
	return err
}

// markDeleted says that the group under way deletes or renames a task. What a deleted task has left has its pk, which
// must not come again.
func (w *writer) markDeleted() error {
	w.deleted = w.number()
	_, err := w.session.exec(sqlMarkDeleted, w.deleted, w.nextTask)
	return err
}

// clockValues are the columns of clocks from next_fire_time to fires.
func clockValues(k task.Clock) []any {
	return append(make([]any, 0, 12),
		micros(k.NextFireTime), micros(k.RecordedTime), micros(k.ExcludedTime), k.FireCount,
		micros(k.Progress.Anchor), micros(k.Progress.LastFire), micros(k.Progress.LastEnd), blob(codec.EncodeFires(k.Progress.Fires)))
}

// setClock writes the clock and the last run of a task whose hot columns were read.
func (w *writer) setClock(h *hotRow, k task.Clock) error {
	query, values := sqlUpdateSched, clockValues(k)
	if next := micros(k.NextFireTime); next == nil && !h.nextFire.Valid || h.nextFire.Valid && next == any(h.nextFire.Int64) {
		query, values = sqlUpdateProgress, values[1:]
	}
	_, err := w.session.exec(query, append(values, h.lastRun, w.stamp(h), h.pk)...)
	return err
}

// setHead writes the last run of a task.
func (w *writer) setHead(h *hotRow) error {
	_, err := w.session.exec(sqlSetHead, h.lastRun, w.stamp(h), h.pk)
	return err
}

// stamp notes that the task changes, and returns the number for its clock.
func (w *writer) stamp(h *hotRow) int64 {
	w.told.task(h.pk)
	n := w.number()
	if h.edits != nil {
		h.edits.stamp = n
	}
	return n
}

// takeBack deletes a run of the task and mends the chain. The row's last run follows; it is written.
func (w *writer) takeBack(h *hotRow, run task.RunID) error {
	c := w.session
	var gone link
	found, err := c.one(sqlRunOfTask, []any{int64(run), h.pk}, gone.dest()...)
	if err != nil || !found {
		return err
	}
	if h.lastRun.Int64 == int64(run) {
		h.lastRun = gone.prev
		err = w.setHead(h)
	} else {
		var next int64
		// What is taken back is among the newest, so this is a step or two.
		if next, err = c.successor(h.pk, h.lastRun.Int64, int64(run)); err == nil {
			_, err = c.exec(sqlMendChain, gone.prev, next)
		}
	}
	if err != nil {
		return err
	}
	if err := w.count(h, task.Counts{}.Sub(gone.counts())); err != nil {
		return err
	}
	if _, err := w.drop(int64(run)); err != nil {
		return err
	}
	w.told.takenBack(run)
	w.takenBack = w.number()
	if _, err := c.exec(sqlMarkTakenBack, w.takenBack); err != nil {
		return err
	}
	_, err = c.exec(sqlRaiseRuns, w.nextRun)
	return err
}

// recordAll records runs of the task and returns them with their ids. The row's last run follows; it
// is not written.
func (w *writer) recordAll(h *hotRow, runs []task.Run) ([]task.Run, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	recorded := make([]task.Run, len(runs))
	var counts task.Counts
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
		recorded[i] = codec.CloneRun(r)
		recorded[i].ID, recorded[i].TaskName, recorded[i].Change = task.RunID(id), h.name, w.number()
		counts = counts.Add(counts.Of(r, true))
		w.told.run(&recorded[i])
	}
	return recorded, w.count(h, counts)
}

// insert writes a run. A fire that has just come has a handful of fields: it has statements of its own,
// because to bind a column takes about as long as to write it.
func (w *writer) insert(id int64, h *hotRow, r *task.Run) error {
	if r.Reason == 0 && r.NextAttemptTime.IsZero() && r.StartTime.IsZero() && r.EndTime.IsZero() && r.FirstScheduledTime.IsZero() &&
		len(r.Earlier) == 0 && len(r.Input) == 0 && len(r.Output) == 0 && r.Error == "" && r.Actor == "" && r.Worker == "" {
		query, values := sqlInsertFire, append(make([]any, 0, 10),
			id, h.pk, h.lastRun, int64(r.State), int64(r.Cause), int64(r.Attempt), r.Fires, micros(r.ScheduledTime), w.number())
		if !r.JitteredTime.IsZero() {
			query, values = sqlInsertJittered, append(values, micros(r.JitteredTime))
		}
		_, err := w.session.exec(query, values...)
		return err
	}
	earlier, err := codec.EncodeAttempts(r.Earlier)
	if err != nil {
		return err
	}
	_, err = w.session.exec(sqlInsertRun,
		id, h.pk, h.lastRun, int64(r.State), int64(r.Cause), int64(r.Reason), int64(r.Attempt), r.Fires,
		micros(r.ScheduledTime), micros(r.JitteredTime), micros(r.NextAttemptTime), micros(r.FirstScheduledTime),
		micros(r.StartTime), micros(r.EndTime),
		r.Error, r.Actor, orNull(earlier), blob(r.Input), blob(r.Output), orNull(r.Worker), w.number())
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
	asked, event, err := fn(t)
	if err != nil {
		return run, false, err
	}
	recorded, err := w.recordAll(&row.hotRow, []task.Run{asked})
	if err != nil {
		return run, false, err
	}
	if err := w.setHead(&row.hotRow); err != nil {
		return run, false, err
	}
	run = recorded[0]
	event.RunID = run.ID
	if err := w.addEvents([]task.Event{event}); err != nil {
		return run, false, err
	}
	if requestID != uuid.Nil {
		if _, err := c.exec(sqlInsertRequest, requestID[:], int64(run.ID)); err != nil {
			return run, false, err
		}
	}
	return run, false, nil
}
