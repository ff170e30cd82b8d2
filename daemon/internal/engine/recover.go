package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// recoverBatch is how many unfinished runs are dealt with in one transaction.
const recoverBatch = 1000

// maxAttempts is how often a run is started before it is taken to be what ends the daemon.
const maxAttempts = 10

// lostAttempt is the error of an attempt whose node died. A start is written down a little after it.
func lostAttempt(r *task.Run) string {
	if r.StartTime.IsZero() {
		return "the daemon ended before the run did; it may or may not have started"
	}
	return "the daemon ended before the run did"
}

// recover deals with the runs that the last process left unfinished, and returns those to start again. Not
// left are the fresh ones: this process has recorded them itself.
func (e *Engine) recover(ctx context.Context, fresh []*pending) ([]*pending, error) {
	var again []*pending
	going := make(map[uuid.UUID]bool)
	own := make(map[task.RunID]bool, len(fresh))
	for _, p := range fresh {
		own[p.run.ID], going[p.run.TaskID] = true, true
	}
	for after := task.RunID(0); ; {
		runs, err := e.store.Unfinished(ctx, after, recoverBatch)
		if err != nil {
			return nil, fmt.Errorf("looking for unfinished runs: %w", err)
		}
		reports := make([]store.Report, 0, len(runs))
		for i, run := range runs {
			if own[run.ID] {
				continue
			}
			if e.tasks[run.TaskID] != nil && run.State == task.Scheduled && run.Attempt > 0 && run.DueTime().After(e.now()) {
				// It can not have started.
				going[run.TaskID] = true
				again = append(again, &pending{run: run})
				continue
			}
			report := e.recovered(run)
			reports = append(reports, report)
			if run = report.Run; !run.State.Ended() {
				// A fire may have been skipped because of it, even if it is a call, and wait for its end.
				e.tasks[run.TaskID].owed = true
				going[run.TaskID] = true
				p := &pending{run: run}
				if going := runs[i].State == task.Running; going {
					// Whatever was beside it then was so by policy or by a call.
					allow := task.OverlapAllow
					p.overlap = &allow
				}
				again = append(again, p)
			}
		}
		if len(reports) > 0 {
			if _, err := e.record(reports); err != nil {
				return nil, fmt.Errorf("recovering runs: %w", err)
			}
			e.log.Info("unfinished runs recovered", "runs", len(reports))
		}
		if len(runs) < recoverBatch {
			return again, e.unstick(ctx, going)
		}
		after = runs[len(runs)-1].ID
	}
}

// recovered says what becomes of an unfinished run.
func (e *Engine) recovered(run task.Run) store.Report {
	report := store.Report{FromAttempt: run.Attempt}
	en := e.tasks[run.TaskID]
	unstarted := run.Attempt == 0
	switch {
	case en == nil:
		run.State, run.EndTime = task.Lost, e.now()
		run.Error = lostAttempt(&run) + ", and nothing declares its task any more"
		if unstarted || run.DueTime().After(e.now()) {
			run.Error = "nothing declares its task any more; it was not started"
		}
	case unstarted:
		// The process before stopped in good order while it waited for its start.
		run.Attempt = 1
	case run.Attempt >= maxAttempts:
		run.State, run.EndTime = task.Lost, e.now()
		run.Error = fmt.Sprintf("%s; it was so %d times, and is not started again", lostAttempt(&run), run.Attempt)
		report.Reschedule = run.Cause == task.ByFire
	case en.Declaration.Policy.Delivery == task.AtMostOnce:
		run.State, run.EndTime, run.Error = task.Lost, e.now(), lostAttempt(&run)
		report.Reschedule = run.Cause == task.ByFire
	default:
		run.Earlier = append(run.Earlier, task.Attempt{
			Number: run.Attempt, StartTime: run.StartTime, EndTime: e.now(), State: task.Lost, Error: lostAttempt(&run),
		})
		run.State, run.StartTime, run.Error = task.Scheduled, time.Time{}, ""
		run.Attempt++
	}
	report.Run = run
	return report
}

// unstick looks at tasks that wait for the end of a run and have none: it was skipped because of a call
// that was going, and that end was only to come.
func (e *Engine) unstick(ctx context.Context, going map[uuid.UUID]bool) error {
	var ids []uuid.UUID
	for id, en := range e.tasks {
		if f := en.trigger.Load(); f != nil && f.FollowsRuns() && !going[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	now := e.now()
	var said notices
	_, err := e.store.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil || !stored.Clock.NextFireTime.IsZero() {
			return store.Change{}, nil
		}
		t := *stored
		end := now
		switch p := t.Clock.Progress; {
		case t.State != task.Active && !p.LastEnd.Before(p.LastFire):
			return store.Change{}, nil // it knows the end, and what follows when it is resumed
		case end.Before(p.LastFire):
			end = p.LastFire
		}
		c := e.tasks[id].trigger.Load().Compiled
		t.Clock, t.State = reconcile.Ended(c, t.Clock, t.State, end)
		if err := c.Err(); err != nil && reconcile.Park(&t, err, now) {
			said.parked(e, e.tasks[id], err)
		}
		return store.Change{Task: &t}, nil
	})
	if err == nil {
		said.write()
	}
	return err
}

// startUp fires the start-up triggers and waits until their runs have ended.
func (e *Engine) startUp(ctx context.Context) {
	ended, err := e.on(ctx, schedule.StartUp)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("start-up triggers did not fire", "error", err)
		}
		return
	}
	for _, c := range ended {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
	}
}

// on fires the triggers that name an event of this node, and returns what tells of the ends of the runs. It
// tries until the store takes it or ctx ends.
func (e *Engine) on(ctx context.Context, event schedule.Event) ([]<-chan task.Run, error) {
	retry := backoff{}
	for {
		ended, err := e.onOnce(ctx, event)
		switch {
		case err == nil:
			e.storeWorks()
			return ended, nil
		case !unavailable(err) || ctx.Err() != nil:
			return nil, err
		}
		e.storeFailed("firing start-up or shut-down triggers", err)
		wait(ctx, retry.next())
	}
}

func (e *Engine) onOnce(ctx context.Context, event schedule.Event) ([]<-chan task.Run, error) {
	// As with a claim: no edit comes between the record and the start.
	e.gate.Lock()
	defer e.gate.Unlock()
	var ids []uuid.UUID
	for id, en := range e.tasks {
		if f := en.trigger.Load(); f != nil && f.Listens(event) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	now := e.now()
	var said notices
	updated, err := e.store.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil || stored.State != task.Active {
			return store.Change{}, nil
		}
		t := *stored
		c, err := e.learn(e.tasks[id], stored)
		if err != nil {
			if reconcile.Park(&t, err, now) {
				said.parked(e, e.tasks[id], err)
			}
			return store.Change{Task: &t}, nil
		}
		run, clock, state, ok := reconcile.On(id, c, t.Clock, event, now)
		if !ok {
			return store.Change{}, nil
		}
		t.Clock, t.State = clock, state
		if err := c.Err(); err != nil && reconcile.Park(&t, err, now) {
			said.parked(e, e.tasks[id], err)
		}
		return store.Change{Task: &t, Record: []task.Run{run}}, nil
	})
	if err != nil {
		return nil, err
	}
	said.write()
	var ended []<-chan task.Run
	for _, u := range updated {
		for _, run := range u.Recorded {
			ended = append(ended, e.await(run.ID))
			e.arm(&pending{run: run, at: run.DueTime()})
		}
	}
	return ended, nil
}
