package postgres

import (
	"context"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	sqlLockByName = `SELECT c.pk FROM clocks c JOIN tasks t ON t.pk = c.pk WHERE t.name = $1 FOR UPDATE OF c`
	sqlLockOne    = `SELECT c.pk FROM clocks c JOIN tasks t ON t.pk = c.pk WHERE t.id = $1 FOR UPDATE OF c`
	sqlHeldByName = sqlTasksHeld + ` WHERE t.name = $1`
	sqlHeldByOne  = sqlTasksHeld + ` WHERE t.id = $1`

	sqlRequest = `SELECT q.run FROM requests q WHERE q.id = $1 AND EXISTS (SELECT 1 FROM tasks t WHERE t.pk = q.task)`
	// Of a task that is gone.
	sqlDropRequest   = `DELETE FROM requests q WHERE q.id = $1 AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.pk = q.task)`
	sqlInsertRequest = `INSERT INTO requests (id, run, task) VALUES ($1, $2, $3)`
)

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	var used int64
	err = s.transact(ctx, func(t *tx) error {
		run, repeated, used = task.Run{}, false, 0
		return t.call(ref, requestID, fn, &run, &used)
	})
	if err == nil && used != 0 {
		run, err = s.Run(ctx, task.RunID(used))
		repeated = true
	}
	if err != nil {
		return task.Run{}, false, err
	}
	return run, repeated, nil
}

func (t *tx) call(ref task.Ref, requestID uuid.UUID, fn store.CallFunc, run *task.Run, used *int64) error {
	locking, reading, key := sqlLockByName, sqlHeldByName, any(escape(ref.Name))
	if ref.ID != uuid.Nil {
		locking, reading, key = sqlLockOne, sqlHeldByOne, uuidValue(ref.ID)
	}
	var k *stored
	read := new(tasksRow)
	var locked int64
	questions := []question{{locking, []any{key}, []any{&locked}, func() error { return nil }}, {reading, []any{key}, read.dest(), func() (err error) {
		k, err = read.stored(t.store)
		return err
	}}}
	if requestID != uuid.Nil {
		questions = append(questions, question{sqlRequest, []any{uuidValue(requestID)}, []any{used}, func() error { return nil }})
	}
	if err := t.ask(true, questions...); err != nil {
		return err
	}
	switch {
	case *used != 0:
		return nil
	case k != nil && k.pk != locked:
		return errMoved
	case k == nil:
		return foreign(task.TaskNotFound(ref))
	case !k.hold.allows(t.node):
		return foreign(&task.HeldError{Tasks: []task.HeldTask{k.hold.holder(k.id)}})
	}
	asked, event, err := fn(cloneTask(&k.task))
	if err != nil {
		return foreign(err)
	}
	recs, err := t.record(&k.row, []task.Run{asked}, false)
	if err != nil {
		return err
	}
	t.lists(&k.row)
	t.audit = append(t.audit, &event)
	order := recs[0].order
	t.write(func(b *pgx.Batch) error {
		event.RunID = task.RunID(t.firstRun + order)
		if requestID != uuid.Nil {
			b.Queue(sqlDropRequest, uuidValue(requestID))
			b.Queue(sqlInsertRequest, uuidValue(requestID), int64(event.RunID), k.pk)
		}
		return nil
	})
	t.after(func() { *run = recs[0].run })
	return nil
}
