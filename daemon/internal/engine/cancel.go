package engine

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
)

// CancelRun ends a run, whether it goes, waits, or is between two attempts, and returns it once it has ended. Errors:
// task.ErrRunNotFound, task.ErrStarting, task.ErrStopping, task.ErrUnavailable, and ctx's while it waits. The Etag of
// c is not used.
func (e *Engine) CancelRun(ctx context.Context, id task.RunID, c task.Edit) (task.Run, error) {
	run, err := e.GetRun(ctx, id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	if err := e.inOtherHands(ctx, &run); err != nil {
		return task.Run{}, err
	}
	ended := e.await(id)
	defer e.forget(id, ended)

	if e.cancel(run, c) {
		return e.hear(ctx, id, ended)
	}
	return e.result(ctx, id, ended)
}

// cancel ends a run that waits and the context of one that is going, and reports whether it was either.
func (e *Engine) cancel(run task.Run, c task.Edit) bool {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if en := e.tasks.get(run.TaskID); en != nil {
		en.editing.Lock()
		defer en.editing.Unlock()
	}
	// No claim is under way while the gate is held, and no edit of the task has it in its hands: the run is in
	// the queue, waits elsewhere, goes, or has ended.
	e.mu.Lock()
	defer e.mu.Unlock()
	event := task.Event{
		Time: e.now(), Action: task.RunCanceled, TaskID: run.TaskID, TaskName: run.TaskName, RunID: run.ID,
		Actor: c.Actor, Peer: c.Peer, Reason: c.Reason,
	}
	if a := e.active[run.ID]; a != nil {
		if a.end(c.Actor, c.Reason) {
			a.audit = []task.Event{event}
		}
		return true
	}
	p := e.queue.byRun[run.ID]
	if p != nil {
		e.queue.remove(p)
		if p.run.Cause == task.ByFire {
			e.queue.stays(&p.run)
		}
	} else if p = e.waiting[run.ID]; p != nil {
		e.unwait(p)
	} else {
		return false
	}
	e.cancelPending(p, c.Actor, c.Reason, event)
	poke(e.wakeUp) // it may have had a place
	return true
}

// cancelPending ends a run that is in nobody's hands because somebody asked for that. It needs mu.
func (e *Engine) cancelPending(p *pending, actor, reason string, audit ...task.Event) {
	p.run.Actor = actor
	e.end(p, task.Canceled, 0, canceled(reason), audit...)
}
