package memory

import (
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Prune implements store.Store. It ends as soon as limit is reached: Kept and Oldest say nothing of what lies before.
func (s *handle) Prune(ctx context.Context, id uuid.UUID, limit int, keep store.KeepFunc) (pruned store.Pruned, err error) {
	err = s.transact(ctx, func() error {
		e := s.tasks[id]
		if e == nil {
			return task.TaskNotFound(task.ByID(id))
		}
		gone := make(map[task.RunID]bool)
		for _, run := range slices.Backward(e.runs) {
			if pruned.More = len(gone) >= limit; pruned.More {
				break
			}
			rec, _ := s.runs.Get(run)
			if !rec.run.State.Ended() {
				continue
			}
			r := rec.brief()
			if !keep(&r, pruned.Kept) {
				gone[run] = true
				continue
			}
			pruned.Kept++
			pruned.Oldest = rec.run.EndTime
		}
		pruned.Deleted = int64(len(gone))
		pruned.More = pruned.More || len(gone) >= limit
		s.prune(e, gone)
		return nil
	})
	if err != nil {
		return store.Pruned{}, err
	}
	return pruned, nil
}

// prune deletes runs of e. The rest moves once, however many they are.
func (s *data) prune(e *entry, gone map[task.RunID]bool) {
	if len(gone) == 0 {
		return
	}
	s.number()
	all, last := e.runs, e.last()
	left := make([]task.RunID, 0, len(all)-len(gone))
	var records []*record
	for _, id := range all {
		if !gone[id] {
			left = append(left, id)
			continue
		}
		rec, _ := s.runs.Get(id)
		s.unlist(rec)
		records = append(records, rec)
	}
	e.runs = left
	s.undoing(func() {
		e.runs = all
		for _, rec := range records {
			s.list(rec)
		}
	})
	if e.last() != last {
		t := *e.task
		s.put(e, &t)
	}
}
