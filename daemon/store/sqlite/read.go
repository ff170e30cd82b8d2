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
	err = s.read(ctx, func(c *session) error {
		row, err := c.find(ref)
		if err != nil {
			return err
		}
		if t, err = c.decode(row); err != nil || !row.lastRun.Valid {
			return err
		}
		run, err := c.run(task.RunID(row.lastRun.Int64))
		if err != nil {
			return err
		}
		run.Input, run.Output = nil, nil
		t.LastRun = &run
		return nil
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
	least := q.NamePrefix
	if q.After != "" {
		least = max(least, q.After+"\x00") // the least string that is greater
	}
	args := []any{least, beyond(q.NamePrefix), q.Limit}
	for _, state := range states {
		args = append(args, int64(state))
	}
	err = s.read(ctx, func(c *session) error {
		var row taskRow
		var last runRow
		dest := append(row.dest(), last.dest()...)
		return c.each(sqlTasks(len(states)), args, func(scan func(...any) error) error {
			if err := scan(dest...); err != nil {
				return s.fault(err)
			}
			t, err := c.decode(&row)
			if err != nil {
				return err
			}
			if last.run.Valid {
				last.taskID, last.taskName = row.id, row.name
				r, err := c.decodeRun(&last)
				if err != nil {
					return err
				}
				t.LastRun = &r
			}
			tasks = append(tasks, t)
			return nil
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
