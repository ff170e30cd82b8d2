package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// taskStates is how many states a task can have.
const taskStates = int(task.Orphaned)

const (
	// Clocks are looked up one by one: where the planner does not know how many are wanted, it would rather read all.
	withClock = ` JOIN LATERAL (SELECT * FROM clocks c WHERE c.pk = t.pk OFFSET 0) c ON true`
	fromTask  = ` FROM tasks t JOIN clocks c ON c.pk = t.pk`
	fromOpen  = ` FROM open_runs r JOIN tasks t ON t.pk = r.task`
	fromEnded = ` FROM runs r JOIN tasks t ON t.pk = r.task`

	sqlTaskByID   = `SELECT ` + fullColumns + fromTask + ` WHERE t.id = $1`
	sqlTaskByName = `SELECT ` + fullColumns + fromTask + ` WHERE t.name = $1`
	sqlPKByID     = `SELECT pk, name FROM tasks WHERE id = $1`

	// What of the runs with these ids has not ended, and what was recorded on a day and has. The task is known to who asks.
	sqlOpenByRun  = `SELECT ` + runColumns + ` FROM open_runs r WHERE r.run = ANY($1::bigint[])`
	sqlEndedByRun = `SELECT ` + runColumns + ` FROM runs r WHERE r.day = $1 AND r.run = ANY($2::bigint[])`

	sqlOpenRun    = `SELECT ` + wholeColumns + fromOpen + ` WHERE r.run = $1`
	sqlEndedRun   = `SELECT ` + wholeColumns + fromEnded + ` WHERE r.day = $1 AND r.run = $2`
	sqlUnfinished = `SELECT ` + wholeColumns + fromOpen + ` WHERE r.run > $1 ORDER BY r.run LIMIT $2`
)

// Task implements store.Store.
func (s *Store) Task(ctx context.Context, ref task.Ref) (t task.Task, err error) {
	q, key := sqlTaskByName, any(escape(ref.Name))
	if ref.ID != uuid.Nil {
		q, key = sqlTaskByID, uuidValue(ref.ID)
	}
	err = s.read(ctx, func(r *reader) error {
		tasks, err := r.tasks(q, []any{key}, false)
		if err == nil && len(tasks) == 0 {
			err = task.TaskNotFound(ref)
		}
		if err == nil {
			t = tasks[0]
		}
		return err
	})
	if err != nil {
		return task.Task{}, err
	}
	return t, nil
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
	err = s.read(ctx, func(r *reader) error {
		tasks, err = r.tasks(query, args, q.Lean)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// sqlTasks returns the query for a page of tasks and its parameters. Tasks in some states and those of a group are read
// in the order of names from their own part of an index, so that what does not match costs nothing. A group and states
// together, or what has changed, is a filter: then it reads the group, or all tasks, until the page is full.
//
// Where an index has another column before the name, the bounds and the order have both columns: no other index has them,
// and so the planner can not take one whose every row it would have to look at.
func sqlTasks(q task.TaskQuery, states []task.State) (query string, args []any) {
	least := q.NamePrefix
	if q.After != "" {
		least = max(least, q.After+"\x00") // the least string that is greater
	}
	args = []any{ceiling(least), beyond(q.NamePrefix), q.Limit}
	param := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	page := func(column, value, filter string) string {
		if column == "" {
			return `SELECT t.* FROM tasks t WHERE t.name >= $1 AND t.name < $2` + filter + ` ORDER BY t.name LIMIT $3`
		}
		return `SELECT t.* FROM tasks t WHERE (` + column + `, t.name) >= (` + value + `, $1) AND (` + column + `, t.name) < (` + value + `, $2)` +
			filter + ` ORDER BY ` + column + `, t.name LIMIT $3`
	}
	rest := `, ` + countColumns
	if q.Lean {
		rest = ""
	}
	query = `SELECT ` + taskColumns + `, ` + clockColumns + rest + ` FROM (`
	if len(states) > 0 && q.Group == "" && q.ChangedAfter == 0 {
		parts := make([]string, len(states))
		for i, state := range states {
			parts[i] = `(` + page("t.state", strconv.Itoa(int(state))+"::smallint", "") + `)`
		}
		query += strings.Join(parts, ` UNION ALL `)
		if len(parts) > 1 {
			query += ` ORDER BY name LIMIT $3`
		}
	} else {
		column, group, filter := "", "", ""
		if q.Group != "" {
			column, group, filter = "t.task_group", param(escape(q.Group)), ` AND t.task_group <> ''`
		}
		if len(states) > 0 {
			var in []string
			for _, state := range states {
				in = append(in, strconv.Itoa(int(state)))
			}
			filter += ` AND t.state IN (` + strings.Join(in, ", ") + `)`
		}
		if q.ChangedAfter != 0 {
			after := param(q.ChangedAfter)
			filter += ` AND (SELECT c.change > ` + after + ` OR EXISTS (SELECT 1 FROM open_runs r WHERE r.run = c.last_run AND r.change > ` + after + `)
				FROM clocks c WHERE c.pk = t.pk)`
		}
		query += page(column, group, filter)
	}
	return query + `) t` + withClock + ` ORDER BY t.name`, args
}

// tasks reads tasks with their last runs or, if lean, without these and their counts.
func (r *reader) tasks(query string, args []any, lean bool) (tasks []task.Task, err error) {
	row := new(fullRow)
	dest := row.dest()
	if lean {
		dest = dest[:len(dest)-len(countDest(&row.counts))]
	}
	last := make(map[int64]int) // the places of tasks, by their last runs
	err = r.ask(lean, question{query, args, dest, func() error {
		t, err := row.task(r.store.namespace)
		if err != nil {
			return r.store.unreadable(err)
		}
		if row.lastRun.Valid {
			last[row.lastRun.Int64] = len(tasks)
		}
		tasks = append(tasks, t)
		return nil
	}})
	if err != nil || lean {
		return tasks, err
	}
	return tasks, r.lastRuns(tasks, last)
}

// lastRuns fills in the last runs of tasks. They are looked up by their ids and days: a join over the days would open every
// partition there is.
func (r *reader) lastRuns(tasks []task.Task, last map[int64]int) error {
	if len(last) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(last))
	for id := range last {
		ids = append(ids, id)
	}
	row := new(runRow)
	dest := row.dest()
	take := func() error {
		t := &tasks[last[row.run]]
		row.taskID, row.taskName = uuidValue(t.ID), escape(t.Declaration.Name)
		run, err := row.value()
		if err != nil {
			return r.store.unreadable(err)
		}
		withLast(t, &run)
		return nil
	}
	return r.askDays(func(c calendar) []question {
		questions := []question{{sqlOpenByRun, []any{ids}, dest, take}}
		for _, d := range c.group(ids) {
			questions = append(questions, question{sqlEndedByRun, []any{d.day, d.runs}, dest, take})
		}
		return questions
	})
}

// Run implements store.Store.
func (s *Store) Run(ctx context.Context, id task.RunID) (run task.Run, err error) {
	err = s.read(ctx, func(r *reader) error {
		row := new(runRow)
		dest := row.wholeDest()
		found := false
		take := func() (err error) {
			found = true
			run, err = r.run(row)
			return err
		}
		err := r.askDays(func(c calendar) []question {
			return []question{
				{sqlOpenRun, []any{int64(id)}, dest, take},
				{sqlEndedRun, []any{c.of(int64(id)), int64(id)}, dest, take},
			}
		})
		if err == nil && !found {
			err = task.RunNotFound(id)
		}
		return err
	})
	if err != nil {
		return task.Run{}, err
	}
	return run, nil
}

// run returns the run of a row. What can not be read is task.ErrUnavailable.
func (r *reader) run(row *runRow) (task.Run, error) {
	run, err := row.value()
	if err != nil {
		return task.Run{}, r.store.unreadable(err)
	}
	return run, nil
}

// Unfinished implements store.Store.
func (s *Store) Unfinished(ctx context.Context, after task.RunID, limit int) (runs []task.Run, err error) {
	err = s.read(ctx, func(r *reader) error {
		runs = nil
		row := new(runRow)
		return r.ask(true, question{sqlUnfinished, []any{int64(after), limit}, row.wholeDest(), func() error {
			run, err := r.run(row)
			runs = append(runs, run)
			return err
		}})
	})
	if err != nil {
		return nil, err
	}
	return runs, nil
}
