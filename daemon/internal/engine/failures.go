package engine

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// settle keeps what waits for the end of a run waiting until it is recorded, if that may pause the task: nothing
// that had to wait starts between the last failure that it bears and the pause. It needs mu.
func (e *Engine) settle(a *active, l *lane) {
	if !failed(a.run.State) {
		return
	}
	if en := e.tasks.get(l.id); en == nil || en.policy().PauseAfterFailures == 0 {
		return
	}
	l.settling++
	e.rec.settles(a.run.ID, l)
}

// settled says that the ends of runs are recorded, as far as they ever will be, and that these tasks were paused
// because of them.
func (e *Engine) settled(lanes []*lane, paused []uuid.UUID) {
	for _, id := range paused {
		e.takeFires(id)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range lanes {
		l.settling--
		e.freed(l)
	}
}

// takeFires skips the fires of a task that are recorded and have not begun, after the daemon itself has paused it.
// One that began before the pause was recorded goes on.
func (e *Engine) takeFires(id uuid.UUID) {
	// What an edit has in its hands is not in the queue: it puts nothing back from here on, and has ended below.
	en := e.tasks.get(id)
	if en != nil {
		en.silenced.Store(true)
		defer en.silenced.Store(false)
	}
	// A claim that was under way has put its fires into the queue by then.
	e.gate.RLock()
	defer e.gate.RUnlock()
	if en != nil {
		en.editing.Lock()
		defer en.editing.Unlock()
	}
	h := e.hold(id, all, e.now())
	e.uncount(id, h)
	e.skip(h, task.ReasonPaused)
	e.skip(e.takeWaiting(id, true), task.ReasonPaused)
}

// uncount says that fires whose records stay do not count for the limit of their trigger, as those that a caller's
// pause takes do not.
func (e *Engine) uncount(id uuid.UUID, h held) {
	if len(h) == 0 {
		return
	}
	for _, p := range h {
		p.before = nil
	}
	_, err := e.store.Update(context.Background(), []uuid.UUID{id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil {
			return store.Change{}, nil
		}
		h.restore(stored, e.now())
		return store.Change{Task: stored}, nil
	})
	if err != nil {
		e.log.Warn("skipped fires count as if they had come", "task_id", id, "fires", len(h), "error", err)
	}
}

// pauseFailing adds the pause of a task that has failed too often to a decision, if it has.
func pauseFailing(d store.Due, f *reconcile.InForce, ended *task.Run, now time.Time, decision *store.Decision) (paused bool) {
	if !failed(ended.State) || d.State != task.Active && d.State != task.Exhausted {
		return false
	}
	pause, ok := reconcile.TooManyFailures(f.Policy, d.FailureCount, now)
	if !ok {
		return false
	}
	decision.State, decision.Pause = task.Paused, pause
	decision.Clock.NextFireTime = time.Time{}
	decision.Audit = append(decision.Audit, reconcile.Paused(d.ID, d.Name, pause, now))
	return true
}
