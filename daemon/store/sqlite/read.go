package sqlite

import (
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// maxLook is how many runs are looked at for a page of runs, so that a filter that matches nothing in a
// long history does not hold a reader for seconds.
const maxLook = 10_000

// taskStates is how many states a task can have.
const taskStates = int(task.Orphaned)

// Task implements store.Store.
func (s *Store) Task(ctx context.Context, ref task.Ref) (t task.Task, err error) {
	query, key := sqlFullByName, any(ref.Name)
	if ref.ID != uuid.Nil {
		query, key = sqlFullByID, ref.ID[:]
	}
	err = s.read(ctx, func(c *session) error {
		row := new(fullRow)
		found, err := c.one(query, []any{key}, row.dest()...)
		if err == nil && !found {
			err = task.TaskNotFound(ref)
		}
		if err == nil {
			t, err = c.decodeFull(row)
		}
		return err
	})
	if err != nil {
		return task.Task{}, err
	}
	return t, nil
}

// find reads a task, or returns task.ErrTaskNotFound.
func (c *session) find(ref task.Ref) (*taskRow, error) {
	query, key := sqlTaskByName, any(ref.Name)
	if ref.ID != uuid.Nil {
		query, key = sqlTaskByID, ref.ID[:]
	}
	row := new(taskRow)
	found, err := c.one(query, []any{key}, row.dest()...)
	if err == nil && !found {
		err = task.TaskNotFound(ref)
	}
	return row, err
}

// decode returns the task of a row. What cannot be read is task.ErrUnavailable.
func (c *session) decode(row *taskRow) (task.Task, error) {
	t, err := row.task(c.store.namespace)
	if err != nil {
		return task.Task{}, c.store.unreadable(err)
	}
	return t, nil
}

// decodeFull is decode with the last run.
func (c *session) decodeFull(row *fullRow) (task.Task, error) {
	t, err := c.decode(&row.taskRow)
	if err != nil || !row.last.run.Valid {
		return t, err
	}
	row.last.taskID, row.last.taskName = row.id, row.name
	r, err := c.decodeRun(&row.last)
	t.LastRun = &r
	return t, err
}

// run reads a run whole, or returns task.ErrRunNotFound.
func (c *session) run(id task.RunID) (task.Run, error) {
	var row runRow
	found, err := c.one(sqlRun, []any{int64(id)}, row.wholeDest()...)
	if err != nil {
		return task.Run{}, err
	}
	if !found {
		return task.Run{}, task.RunNotFound(id)
	}
	return c.decodeRun(&row)
}

// brief reads a run without Input and Output, or returns task.ErrRunNotFound.
func (c *session) brief(id task.RunID) (task.Run, error) {
	var row runRow
	found, err := c.one(sqlRunBrief, []any{int64(id)}, row.narrowDest()...)
	if err == nil && !found {
		err = task.RunNotFound(id)
	}
	if err != nil {
		return task.Run{}, err
	}
	return c.decodeRun(&row)
}

func (c *session) decodeRun(row *runRow) (task.Run, error) {
	r, err := row.value()
	if err != nil {
		return task.Run{}, c.store.unreadable(err)
	}
	return r, nil
}

// Tasks implements store.Store.
func (s *Store) Tasks(ctx context.Context, q task.TaskQuery) (tasks []task.Task, err error) {
	states := slices.Compact(slices.Sorted(slices.Values(q.States)))
	states = slices.DeleteFunc(states, func(s task.State) bool { return s < 1 || int(s) > taskStates })
	if len(q.States) > 0 && len(states) == 0 {
		return nil, ctx.Err() // no task has a state that is none
	}
	if len(states) == taskStates {
		states = nil
	}
	query, args := sqlTasks(q, states)
	err = s.read(ctx, func(c *session) error {
		row := new(fullRow)
		dest := row.dest()
		if query == sqlTasksLean {
			dest = row.leanDest()
		}
		return c.each(query, args, func(scan func(...any) error) error {
			if err := scan(dest...); err != nil {
				return s.fault(err)
			}
			t, err := c.decodeFull(row)
			if err == nil {
				tasks = append(tasks, t)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// beyond returns what is greater than every name with the prefix and not greater than any other name
// that is greater: the prefix with its last byte raised. If there is no such string, it is a blob: SQLite
// orders every blob after every text.
func beyond(prefix string) any {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return []byte{0}
}

// Run implements store.Store.
func (s *Store) Run(ctx context.Context, id task.RunID) (r task.Run, err error) {
	err = s.read(ctx, func(c *session) (err error) {
		r, err = c.run(id)
		return err
	})
	return r, err
}

// Unfinished implements store.Store.
func (s *Store) Unfinished(ctx context.Context, after task.RunID, limit int) (runs []task.Run, err error) {
	err = s.read(ctx, func(c *session) error {
		var row runRow
		dest := row.wholeDest()
		return c.each(sqlUnfinished, []any{int64(after), limit}, func(scan func(...any) error) error {
			if err := scan(dest...); err != nil {
				return s.fault(err)
			}
			r, err := c.decodeRun(&row)
			if err == nil {
				runs = append(runs, r)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return runs, nil
}
