package feed

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

const (
	// page is how many tasks or runs are read at once: as many as go into a response.
	page = 128
	// wholePage is how many runs are read at once where they come with their inputs, of up to 256 KiB each.
	wholePage = 32
)

// taskPasses reads all tasks or, unless the watch starts anew, those that have changed.
func (h *Hub) taskPasses(q task.TaskWatch, s start) []pass[task.Task] {
	query := task.TaskQuery{NamePrefix: q.NamePrefix, Limit: page}
	if !s.anew {
		query.ChangedAfter = s.from.Change
	}
	return []pass[task.Task]{{since: s.at.Change, page: func(ctx context.Context) ([]task.Task, bool, error) {
		tasks, err := h.reader.Tasks(ctx, query)
		if err != nil || len(tasks) < query.Limit {
			return tasks, false, err
		}
		query.After = tasks[len(tasks)-1].Declaration.Name
		return tasks, true, nil
	}}}
}

// runPasses reads the runs that have changed, if the watch resumes, and those that have not ended, if it starts
// anew. It does both if it resumes, but runs may have been taken back: then it is not enough to tell what has
// changed, since the reader is told to forget what was open, nor what is open, since it has to know of runs that have
// ended.
func (h *Hub) runPasses(q task.RunWatch, s start) []pass[task.Run] {
	var passes []pass[task.Run]
	since := s.at.Change
	if s.from.Change > 0 {
		query := task.ChangedQuery{TaskID: q.TaskID, From: s.from.OldestOpen, After: s.from.Change, Limit: page}
		passes = append(passes, pass[task.Run]{since: since, page: func(ctx context.Context) ([]task.Run, bool, error) {
			p, err := h.reader.RunsChanged(ctx, query)
			query.From = p.Next
			return p.Runs, p.Next != 0, err
		}})
		since = s.from.Change
	}
	if !s.anew {
		return passes
	}
	var after task.RunID
	return append(passes, pass[task.Run]{since: since, page: func(ctx context.Context) ([]task.Run, bool, error) {
		all, err := h.reader.Unfinished(ctx, after, wholePage)
		if err != nil || len(all) == 0 {
			return nil, false, err
		}
		more := len(all) == wholePage
		after = all[len(all)-1].ID
		runs := make([]task.Run, 0, len(all))
		for i := range all {
			if q.TaskID == uuid.Nil || all[i].TaskID == q.TaskID {
				all[i].Input, all[i].Output = nil, nil
				runs = append(runs, all[i])
			}
		}
		return runs, more, nil
	}})
}
