package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// stateMask has a bit for each state of a run, so that one statement serves every filter.
type stateMask int64

// all is no filter.
const all stateMask = -1

// unfinished are the states that the index runs_unfinished holds.
const unfinished = stateMask(1<<task.Scheduled | 1<<task.Running)

func maskOf(states []task.RunState) stateMask {
	if len(states) == 0 {
		return all
	}
	var m stateMask
	for _, s := range states {
		if s > 0 && s < 63 {
			m |= 1 << s
		}
	}
	return m
}

func (m stateMask) has(s task.RunState) bool { return m>>s&1 == 1 }

// Runs implements store.Store. It looks at no more than 10,000 runs for a page.
func (s *Store) Runs(ctx context.Context, q task.RunQuery) (page task.RunPage, err error) {
	mask := maskOf(q.States)
	from := int64(q.From)
	if from == 0 {
		from = math.MaxInt64
	}
	limit := min(q.Limit, maxLook)
	err = s.read(ctx, func(c *session) (err error) {
		switch {
		case q.TaskID != uuid.Nil:
			page, err = c.runsOfTask(q.TaskID, from, mask, limit)
		case mask|unfinished == unfinished:
			page, err = c.openRuns(from, mask, limit)
		default:
			page, err = c.allRuns(from, mask, limit)
		}
		return err
	})
	if err != nil {
		return task.RunPage{}, err
	}
	return page, nil
}

// allRuns reads a window of ids.
func (c *session) allRuns(from int64, mask stateMask, limit int) (page task.RunPage, err error) {
	from, err = c.newest(from)
	if err != nil || from == 0 {
		return page, err
	}
	page.Runs, err = c.narrowRuns(sqlRunsWindow, from, from-maxLook, int64(mask), limit)
	if err != nil {
		return page, err
	}
	next := from - maxLook
	if len(page.Runs) == limit {
		next = int64(page.Runs[limit-1].ID) - 1
	}
	next, err = c.newest(next)
	page.Next = task.RunID(next)
	return page, err
}

// openRuns reads the index of the runs that have not ended.
func (c *session) openRuns(from int64, mask stateMask, limit int) (page task.RunPage, err error) {
	page.Runs, err = c.narrowRuns(sqlRunsOpen, from, int64(mask), limit)
	if err == nil && len(page.Runs) == limit {
		var next int64
		next, err = c.newest(int64(page.Runs[limit-1].ID) - 1)
		page.Next = task.RunID(next)
	}
	return page, err
}

// newest returns the newest run that is not newer than id, or 0.
func (c *session) newest(id int64) (run int64, err error) {
	_, err = c.one(sqlNewest, []any{id}, &run)
	return run, err
}

func (c *session) narrowRuns(query string, args ...any) (runs []task.Run, err error) {
	var row runRow
	dest := row.narrowDest()
	err = c.each(query, args, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return c.store.fault(err)
		}
		r, err := c.decodeRun(&row)
		if err == nil {
			runs = append(runs, r)
		}
		return err
	})
	return runs, err
}

// runsOfTask reads along the chain of the task.
func (c *session) runsOfTask(id uuid.UUID, from int64, mask stateMask, limit int) (page task.RunPage, err error) {
	var pk int64
	var head sql.NullInt64
	found, err := c.one(sqlLastRunByID, []any{id[:]}, &pk, &head)
	if err != nil || !found || !head.Valid {
		return page, err
	}
	start := head.Int64
	if from < start {
		var next int64
		if start, next, err = c.entry(pk, from); err != nil || start == 0 {
			page.Next = task.RunID(next)
			return page, err
		}
	}
	look := maxLook
	if mask == all {
		look = limit // all match: no need to go further
	}
	var row runRow
	var looked int
	dest := append(row.narrowDest(), &looked)
	err = c.each(sqlRunsChain, []any{start, look, int64(mask), limit}, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return c.store.fault(err)
		}
		if mask.has(task.RunState(row.state.Int64)) {
			r, err := c.decodeRun(&row)
			if err != nil {
				return err
			}
			page.Runs = append(page.Runs, r)
		}
		if len(page.Runs) == limit || looked == look {
			page.Next = task.RunID(row.prev.Int64)
		}
		return nil
	})
	return page, err
}

// entry finds where the chain of a task is entered if a page starts at the run from: there, if it is one
// of the task's, as it nearly always is. If it was taken back or pruned meanwhile, the ids below it are searched;
// start is 0 if the task has none among the next 10,000, and next says where to go on, or 0.
func (c *session) entry(pk, from int64) (start, next int64, err error) {
	var l link
	if found, err := c.one(sqlRunOfTask, []any{from, pk}, l.dest()...); found || err != nil {
		return from, 0, err
	}
	if found, err := c.one(sqlRunsEntry, []any{from, from - maxLook, pk}, &start); found || err != nil {
		return start, 0, err
	}
	next, err = c.newest(from - maxLook)
	return 0, next, err
}

// RunsChanged implements store.Store. It looks at no more than 10,000 ids for a page.
func (s *Store) RunsChanged(ctx context.Context, q task.ChangedQuery) (page task.RunPage, err error) {
	err = s.read(ctx, func(c *session) (err error) {
		page, err = c.changedRuns(q)
		return err
	})
	if err != nil {
		return task.RunPage{}, err
	}
	return page, nil
}

// changedRuns reads a window of ids. There is no index over the changes: claims would pay for it, and who has followed
// so far asks for little.
func (c *session) changedRuns(q task.ChangedQuery) (page task.RunPage, err error) {
	query, args := sqlChangedWindow, []any{}
	if q.TaskID != uuid.Nil {
		var pk int64
		var head sql.NullInt64
		if found, err := c.one(sqlLastRunByID, []any{q.TaskID[:]}, &pk, &head); err != nil || !found {
			return page, err
		}
		query, args = sqlChangedOfTask, []any{pk}
	}
	from, err := c.oldest(int64(q.From))
	if err != nil || from == 0 {
		return page, err
	}
	limit := min(q.Limit, maxLook)
	next := from + maxLook
	args = append(append([]any{from, next, q.After}, args...), limit)
	if page.Runs, err = c.narrowRuns(query, args...); err != nil {
		return page, err
	}
	if len(page.Runs) == limit {
		next = int64(page.Runs[limit-1].ID) + 1
	}
	next, err = c.oldest(next)
	page.Next = task.RunID(next)
	return page, err
}

// oldest returns the oldest run that is not older than id, or 0.
func (c *session) oldest(id int64) (run int64, err error) {
	_, err = c.one(sqlOldest, []any{id}, &run)
	return run, err
}
