package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// maxLook is how many runs are looked at for a page of runs. With a filter that matches nothing, a page
// over a long history would hold up everybody else.
const maxLook = 10_000

// Task implements store.Store.
func (s *handle) Task(ctx context.Context, ref task.Ref) (t task.Task, err error) {
	err = s.view(ctx, func() error {
		e := s.find(ref)
		if e == nil {
			return task.TaskNotFound(ref)
		}
		t = s.withLastRun(e)
		return nil
	})
	return t, err
}

// Tasks implements store.Store.
func (s *handle) Tasks(ctx context.Context, q task.TaskQuery) (tasks []task.Task, err error) {
	err = s.view(ctx, func() error {
		for _, e := range s.page(q) {
			tasks = append(tasks, s.withLastRun(e))
		}
		return nil
	})
	return tasks, err
}

// page returns the tasks that q selects: each order that may hold some is read from where the page
// starts, as far as the page may reach, and the best of all are kept.
func (s *data) page(q task.TaskQuery) []*entry {
	orders := s.ordersFor(q)
	from := q.NamePrefix
	if q.After != "" {
		from = max(from, q.After+"\x00") // the least string that is greater
	}
	var found []*entry
	for _, order := range orders {
		count := 0
		order.Ascend(from, func(name string, e *entry) bool {
			if count == q.Limit || !strings.HasPrefix(name, q.NamePrefix) {
				return false
			}
			if e.task.Change > q.ChangedAfter && (len(q.States) == 0 || slices.Contains(q.States, e.task.State)) {
				found = append(found, e)
				count++
			}
			return true
		})
	}
	if len(orders) > 1 {
		slices.SortFunc(found, func(a, b *entry) int {
			return strings.Compare(a.task.Declaration.Name, b.task.Declaration.Name)
		})
	}
	return found[:min(len(found), max(q.Limit, 0))]
}

// ordersFor returns the orders that together hold all that q selects, and as little else as can be.
func (s *data) ordersFor(q task.TaskQuery) (orders []*order) {
	switch {
	case q.Group != "":
		if o := s.groups[q.Group]; o != nil {
			orders = append(orders, o)
		}
	case len(q.States) > 0:
		for _, state := range slices.Compact(slices.Sorted(slices.Values(q.States))) {
			if o := s.states[state]; o != nil {
				orders = append(orders, o)
			}
		}
	default:
		orders = append(orders, s.names)
	}
	return orders
}

// Run implements store.Store.
func (s *handle) Run(ctx context.Context, id task.RunID) (r task.Run, err error) {
	err = s.view(ctx, func() error {
		rec, found := s.runs.Get(id)
		if !found {
			return task.RunNotFound(id)
		}
		r = rec.whole()
		return nil
	})
	return r, err
}

// Runs implements store.Store.
func (s *handle) Runs(ctx context.Context, q task.RunQuery) (page task.RunPage, err error) {
	err = s.view(ctx, func() error {
		looked := 0
		// look takes one run, newest first, and reports whether to go on.
		look := func(id task.RunID, rec *record) bool {
			if len(page.Runs) >= q.Limit || looked >= maxLook {
				page.Next = id
				return false
			}
			looked++
			if len(q.States) == 0 || slices.Contains(q.States, rec.run.State) {
				page.Runs = append(page.Runs, rec.brief())
			}
			return true
		}
		from := q.From
		if from == 0 {
			from = s.nextRun
		}
		if q.TaskID == uuid.Nil {
			s.runs.Descend(from, look)
			return nil
		}
		e := s.tasks[q.TaskID]
		if e == nil {
			return nil
		}
		at, found := slices.BinarySearch(e.runs, from)
		if !found {
			at--
		}
		for ; at >= 0; at-- {
			rec, _ := s.runs.Get(e.runs[at])
			if !look(e.runs[at], rec) {
				break
			}
		}
		return nil
	})
	return page, err
}

// Unfinished implements store.Store.
func (s *handle) Unfinished(ctx context.Context, after task.RunID, limit int) (runs []task.Run, err error) {
	err = s.view(ctx, func() error {
		s.open.Ascend(after+1, func(_ task.RunID, rec *record) bool {
			if len(runs) >= limit {
				return false
			}
			runs = append(runs, rec.whole())
			return true
		})
		return nil
	})
	return runs, err
}

// RunsChanged implements store.Store.
func (s *handle) RunsChanged(ctx context.Context, q task.ChangedQuery) (page task.RunPage, err error) {
	err = s.view(ctx, func() error {
		looked := 0
		// look takes one run, oldest first, and reports whether to go on.
		look := func(id task.RunID, rec *record) bool {
			if len(page.Runs) >= q.Limit || looked >= maxLook {
				page.Next = id
				return false
			}
			looked++
			if rec.run.Change > q.After {
				page.Runs = append(page.Runs, rec.brief())
			}
			return true
		}
		if q.TaskID == uuid.Nil {
			s.runs.Ascend(q.From, look)
			return nil
		}
		e := s.tasks[q.TaskID]
		if e == nil {
			return nil
		}
		at, _ := slices.BinarySearch(e.runs, q.From)
		for _, id := range e.runs[at:] {
			if rec, _ := s.runs.Get(id); !look(id, rec) {
				break
			}
		}
		return nil
	})
	return page, err
}
