package engine

import (
	"context"
	"errors"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// WatchTasks tells what is, and then each change, until an error ends it: ctx's, send's, task.ErrTooSlow,
// task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) WatchTasks(ctx context.Context, w task.TaskWatch, send func(task.TaskChanges) error) error {
	if err := e.up(); err != nil {
		return err
	}
	return e.hub.WatchTasks(ctx, w, send)
}

// WatchRuns tells of the runs of a task, or of all with a zero ref. Errors: task.ErrTaskNotFound, and those of
// WatchTasks.
func (e *Engine) WatchRuns(ctx context.Context, ref task.Ref, w task.RunWatch, send func(task.RunChanges) error) error {
	if err := e.up(); err != nil {
		return err
	}
	if ref != (task.Ref{}) {
		t, err := e.store.Task(ctx, ref)
		if err != nil {
			return err
		}
		w.TaskID = t.ID
	}
	return e.hub.WatchRuns(ctx, w, send)
}

// AuditEvents returns events, the newest first: those of a task, which may be gone, or all with a zero ref.
// task.ErrTaskNotFound: there neither is nor was such a task.
func (e *Engine) AuditEvents(ctx context.Context, ref task.Ref, q task.AuditQuery) ([]task.Event, error) {
	if err := e.up(); err != nil {
		return nil, err
	}
	if q.TaskID = ref.ID; q.TaskID == uuid.Nil && ref.Name != "" {
		q.TaskID = task.IDOf(e.cfg.Namespace, ref.Name)
	}
	events, err := e.store.AuditEvents(ctx, q)
	if err == nil && len(events) == 0 && q.Before == 0 && ref != (task.Ref{}) {
		_, err = e.store.Task(ctx, ref)
	}
	return events, err
}

func isNotFound(err error) bool { return errors.Is(err, task.ErrTaskNotFound) }
