package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// stop ends the machine in order. Nothing is claimed any more when it is called.
//
//	no edits, no calls → fires that are not due are given back, and what waits is left to the next process →
//	what is due starts → grace → contexts end → grace again → shut-down triggers, with the same two graces
//
// What has ended is still being recorded when it returns.
func (e *Engine) stop(stopDispatching context.CancelFunc, dispatching *sync.WaitGroup) {
	e.refuse(task.ErrStopping)
	e.mu.Lock()
	going := len(e.active)
	e.mu.Unlock()
	e.log.Info("stopping", "runs_going", going, "grace", e.cfg.StopGrace)
	// The store may be failing; whatever can not be given back is found at the next start.
	e.within(e.cfg.StopGrace, func(ctx context.Context) {
		if err := e.giveBack(ctx); err != nil {
			e.log.Error("fires not given back: they will be found unfinished at the next start", "error", err)
		}
	})
	e.drain()
	e.mu.Lock()
	e.leaving = false // what shut-down triggers fire may wait for each other
	e.hall.closed = true
	e.mu.Unlock()
	e.within(e.cfg.StopGrace, func(ctx context.Context) {
		if _, err := e.on(ctx, schedule.ShutDown); err != nil {
			e.log.Error("shut-down triggers did not fire", "error", err)
		}
	})
	e.drain()
	stopDispatching()
	dispatching.Wait()
	e.outputs.Stop(task.ErrStopping)
}

// within calls f with a context that ends after d.
func (e *Engine) within(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f(ctx)
}

// giveBack takes the fires whose starts have not come out of the queue. Those whose instants have not come
// either leave the store, so that the next start finds them as if they had never been claimed. Those that wait
// because of jitter, or to which the clock can not go back, stay recorded, as not started.
func (e *Engine) giveBack(ctx context.Context) error {
	now := e.now()
	e.mu.Lock()
	e.leaving = true
	e.leaveAll()
	ids := make([]uuid.UUID, 0, len(e.queue.byTask))
	for id := range e.queue.byTask {
		ids = append(ids, id)
	}
	e.mu.Unlock()
	byTask := make(map[uuid.UUID]held)
	var unstarted []store.Report
	for _, id := range ids {
		if h := e.hold(id, ours, now); len(h) > 0 {
			byTask[id] = h
		}
		for _, p := range e.hold(id, waiting, now) {
			run := p.run
			run.Attempt = 0
			unstarted = append(unstarted, store.Report{Run: run, FromAttempt: p.run.Attempt})
		}
	}
	if len(unstarted) > 0 {
		if _, err := e.store.Record(ctx, unstarted, nil); err != nil {
			return err
		}
	}
	if len(byTask) == 0 {
		return nil
	}
	ids = ids[:0]
	for id := range byTask {
		ids = append(ids, id)
	}
	_, err := e.store.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil {
			return store.Change{}, nil
		}
		byTask[id].restore(stored, now)
		if stored.State == task.Paused || stored.State == task.Orphaned {
			stored.Clock.NextFireTime = time.Time{} // it has become that since they were taken out
		}
		return store.Change{Task: stored, TakeBack: byTask[id].ids()}, nil
	})
	return err
}

// leave leaves a run that has not begun its next attempt to the next process, which sees that in its record. It
// needs mu, and the run is in nobody's hands.
func (e *Engine) leave(p *pending, why task.Reason) {
	from := p.run.Attempt
	p.run.Reason, p.run.Attempt = why, 0
	e.rec.ended(store.Report{Run: p.run, FromAttempt: from})
	poke(e.quiet)
}

// leaveAll leaves what waits for another run or a place, and what waits in the queue for its next attempt or its
// turn in a backfill. It needs mu.
func (e *Engine) leaveAll() {
	for _, p := range e.waiting {
		why := p.waits
		e.unwait(p)
		e.leave(p, why)
	}
	for _, p := range slices.Clone(e.queue.heap) {
		if p.at.After(e.cfg.Now()) && (p.run.Attempt > 1 || p.run.Cause == task.ByBackfill) {
			e.queue.remove(p)
			e.leave(p, p.run.Reason)
		}
	}
}

// killMargin is how much longer than StopGrace runs may take to return once their contexts have ended: a command that
// ignores SIGTERM is killed after 10s by default, which is the default of StopGrace too, and its end is to be recorded.
const killMargin = 2 * time.Second

// drain waits until nothing is in the queue, waits or goes: for StopGrace as it is, and for as long again after
// the contexts of what still goes have ended.
func (e *Engine) drain() {
	grace := time.NewTimer(e.cfg.StopGrace)
	defer grace.Stop()
	over := false
	for e.busy() {
		select {
		case <-e.quiet:
			continue
		case <-grace.C:
		}
		e.mu.Lock()
		e.leaving = true
		e.leaveAll()
		for id, a := range e.active {
			if over {
				e.log.Error("run ignores its context and is left behind", "run_id", id.String(), "task_name", a.entry.name)
				delete(e.active, id) // nobody waits for it a second time
				continue
			}
			e.log.Warn("grace period is over: run is canceled", "run_id", id.String(), "task_name", a.entry.name)
			a.cancel(target.ErrStopping)
		}
		if over {
			e.strays = 0
		}
		e.mu.Unlock()
		if over {
			return
		}
		over = true
		grace.Reset(e.cfg.StopGrace + killMargin)
	}
}

// busy reports whether a run is in the queue, waits or goes.
func (e *Engine) busy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue.first() != nil || len(e.waiting) > 0 || len(e.active) > 0 || e.strays > 0
}
