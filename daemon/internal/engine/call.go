package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// GetRun returns a run. Its errors are those of store.Store.Run.
func (e *Engine) GetRun(ctx context.Context, id task.RunID) (task.Run, error) {
	return e.store.Run(ctx, id)
}

// Runs returns runs. Its errors are those of store.Store.Runs.
func (e *Engine) Runs(ctx context.Context, q task.RunQuery) (task.RunPage, error) {
	return e.store.Runs(ctx, q)
}

// RunTask starts a run of a task now. Errors: task.ErrTaskNotFound, task.ErrOrphaned, task.ErrInvalid (a
// request id of another task), task.ErrStopping, task.ErrUnavailable, and ctx's while it waits.
func (e *Engine) RunTask(ctx context.Context, ref task.Ref, c task.Call) (task.Run, error) {
	run, err := e.call(ctx, ref, c)
	if err != nil || !c.Wait || run.State.Ended() {
		return run, err
	}
	return e.wait(ctx, run.ID)
}

// call records a run and puts it into the queue.
func (e *Engine) call(ctx context.Context, ref task.Ref, c task.Call) (task.Run, error) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.stopping {
		return task.Run{}, task.ErrStopping
	}
	run, repeated, err := e.store.Call(ctx, ref, c.RequestID, func(t task.Task) (task.Run, error) {
		if e.tasks[t.ID] == nil {
			return task.Run{}, fmt.Errorf("%w: no live node declares task %q, so nothing can run it", task.ErrOrphaned, t.Declaration.Name)
		}
		return task.Run{
			TaskID: t.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: now(), Attempt: 1,
			Input: c.Input, Actor: c.Actor,
		}, nil
	})
	if err != nil {
		return task.Run{}, err
	}
	if repeated {
		if (ref.ID != uuid.Nil && run.TaskID != ref.ID) || (ref.ID == uuid.Nil && run.TaskName != ref.Name) {
			return task.Run{}, task.Invalid("request_id", "%s was used for a run of task %q: use another for another task", c.RequestID, run.TaskName)
		}
		return run, nil
	}
	e.arm(&pending{run: run, at: run.ScheduledTime, overlap: c.Overlap})
	return run, nil
}

// CancelRun ends a run and returns it once it has ended. Errors: task.ErrRunNotFound,
// task.ErrUnavailable, and ctx's while it waits.
func (e *Engine) CancelRun(ctx context.Context, id task.RunID, actor, reason string) (task.Run, error) {
	run, err := e.store.Run(ctx, id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	ended := e.await(id)
	defer e.forget(id, ended)

	// No claim is under way while the gate is held: the run is in the queue, going, or has ended.
	e.gate.RLock()
	e.mu.Lock()
	if p := e.queue.byRun[id]; p != nil {
		e.queue.remove(p)
		run := p.run
		run.State, run.EndTime, run.Actor, run.Error = task.Canceled, now(), actor, canceled(reason)
		// What waits for the end of this run must hear of it.
		f := e.tasks[run.TaskID].trigger.Load()
		e.rec.ended(store.Report{
			Run: run, FromAttempt: run.Attempt,
			Reschedule: run.Cause == task.ByFire && (f == nil || f.FollowsRuns()),
		})
	} else if a := e.active[id]; a != nil {
		a.canceledBy, a.why = actor, reason
		a.cancel(target.ErrCanceled)
	}
	e.mu.Unlock()
	e.gate.RUnlock()
	return e.result(ctx, id, ended)
}

// wait returns a run when its end is recorded.
func (e *Engine) wait(ctx context.Context, id task.RunID) (task.Run, error) {
	ended := e.await(id)
	defer e.forget(id, ended)
	return e.result(ctx, id, ended)
}

// result returns a run when ended says that its end is recorded, or if it is already.
func (e *Engine) result(ctx context.Context, id task.RunID, ended <-chan task.Run) (task.Run, error) {
	run, err := e.store.Run(ctx, id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	select {
	case <-ended:
		return e.store.Run(ctx, id)
	case <-ctx.Done():
		return task.Run{}, ctx.Err()
	case <-e.done:
		return task.Run{}, task.ErrStopping
	}
}

// await asks to be told when the end of a run is recorded.
func (e *Engine) await(id task.RunID) chan task.Run {
	c := make(chan task.Run, 1)
	e.mu.Lock()
	e.waiters[id] = append(e.waiters[id], c)
	e.mu.Unlock()
	return c
}

// forget takes back await.
func (e *Engine) forget(id task.RunID, c chan task.Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := slices.DeleteFunc(e.waiters[id], func(o chan task.Run) bool { return o == c })
	if len(rest) == 0 {
		delete(e.waiters, id)
	} else {
		e.waiters[id] = rest
	}
}
