package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// GetRun returns a run. Its errors are those of store.Store.Run.
func (e *Engine) GetRun(ctx context.Context, id task.RunID) (task.Run, error) {
	if err := e.up(); err != nil {
		return task.Run{}, err
	}
	return e.store.Run(ctx, id)
}

// Runs returns runs. Its errors are those of store.Store.Runs.
func (e *Engine) Runs(ctx context.Context, q task.RunQuery) (task.RunPage, error) {
	if err := e.up(); err != nil {
		return task.RunPage{}, err
	}
	return e.store.Runs(ctx, q)
}

// RunTask starts a run of a task now. Errors: task.ErrTaskNotFound, task.ErrOrphaned, task.ErrInvalid (a
// request id of another task, an input that the task can not take), task.ErrStarting, task.ErrStopping,
// task.ErrUnavailable, and ctx's while it waits.
func (e *Engine) RunTask(ctx context.Context, ref task.Ref, c task.Call) (task.Run, error) {
	if err := e.checkInput(ctx, ref, c.Input); err != nil {
		return task.Run{}, err
	}
	run, ended, err := e.call(ctx, ref, c)
	switch {
	case err != nil || !c.Wait || run.State.Ended():
		return run, err
	case ended == nil:
		return e.wait(ctx, run.ID)
	}
	defer e.forget(run.ID, ended)
	return e.hear(ctx, run.ID, ended)
}

// call records a run and puts it into the queue. If the run is new and the caller waits, ended tells of its
// end: who has recorded a run need not read the store to know that it has not ended.
func (e *Engine) call(ctx context.Context, ref task.Ref, c task.Call) (_ task.Run, ended chan task.Run, _ error) {
	e.resolve(ctx)
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.refusal != nil {
		return task.Run{}, nil, e.refusal
	}
	run, repeated, err := e.store.Call(ctx, ref, c.RequestID, func(t task.Task) (task.Run, task.Event, error) {
		if e.know(&t) == nil {
			return task.Run{}, task.Event{}, fmt.Errorf("%w: no live node declares task %q, so nothing can run it", task.ErrOrphaned, t.Declaration.Name)
		}
		return task.Run{
			TaskID: t.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: e.now(), Attempt: 1,
			Input: c.Input, Actor: c.Actor,
		}, task.Event{
			Time: e.now(), Action: task.RunRequested, TaskID: t.ID, TaskName: t.Declaration.Name, Actor: c.Actor, Peer: c.Peer,
		}, nil
	})
	if err != nil {
		return task.Run{}, nil, err
	}
	if repeated {
		if (ref.ID != uuid.Nil && run.TaskID != ref.ID) || (ref.ID == uuid.Nil && run.TaskName != ref.Name) {
			return task.Run{}, nil, task.Invalid("request_id", "%s was used for a run of task %q: use another for another task", c.RequestID, run.TaskName)
		}
		return run, nil, nil
	}
	if c.Wait {
		ended = e.await(run.ID)
	}
	e.recorded([]task.Run{run})
	e.arm(&pending{run: run, at: run.ScheduledTime, overlap: c.Overlap})
	return run, ended, nil
}

// checkInput asks the target whether it can take an input: before the gate and the transaction, because it may be the
// user's code that decodes it. If another program is put in place before the run starts, its attempt fails instead.
func (e *Engine) checkInput(ctx context.Context, ref task.Ref, input []byte) error {
	id := ref.ID
	if id == uuid.Nil {
		id = task.IDOf(e.cfg.Namespace, ref.Name)
	}
	if e.node != nil && e.tasks.get(id) == nil {
		t, err := e.Task(ctx, task.ByID(id))
		if err != nil {
			return err
		}
		if err := e.elsewhere(ctx, &t); err != nil {
			return err
		}
	}
	if en := e.tasks.get(id); en != nil {
		if c, ok := en.target().(target.Checked); ok {
			return c.CheckInput(input)
		}
	}
	return nil
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
	return e.hear(ctx, id, ended)
}

// hear returns a run when ended says that its end is recorded.
func (e *Engine) hear(ctx context.Context, id task.RunID, ended <-chan task.Run) (task.Run, error) {
	var run task.Run
	look := e.lookouts()
	defer look.stop()
	for heard := false; !heard; {
		select {
		case run = <-ended:
			heard = true
		case <-look.c():
			// It may end at another node.
			if run, err := e.store.Run(ctx, id); err == nil && run.State.Ended() || isRunGone(err) {
				return run, err
			}
			look.next()
		case <-ctx.Done():
			return task.Run{}, ctx.Err()
		case <-e.done:
			select {
			case run = <-ended: // both came: the end is what was asked for
				heard = true
			default:
				return task.Run{}, task.ErrStopping
			}
		}
	}
	if run.State.Ended() {
		return run, nil
	}
	run, err := e.store.Run(ctx, id)
	if err == nil && !run.State.Ended() && e.node != nil {
		return task.Run{}, fmt.Errorf("run %s: %w", id, task.ErrGivenUp)
	}
	if err == nil && !run.State.Ended() {
		err = fmt.Errorf("run %s: its end could not be recorded", id)
	}
	return run, err
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
