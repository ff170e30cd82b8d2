package engine

import (
	"context"
	"fmt"
	"slices"
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

// recover deals with the runs that the last process left unfinished, and returns those to start again or to wait on,
// in their order. Not left are the fresh ones: this process has recorded them itself.
func (e *Engine) recover(ctx context.Context, fresh []*pending) ([]*pending, error) {
	var again []*pending
	going := make(map[uuid.UUID]bool)
	own := make(map[task.RunID]bool, len(fresh))
	for _, p := range fresh {
		own[p.run.ID], going[p.run.TaskID] = true, true
	}
	paused := make(map[uuid.UUID]time.Time)
	for after := task.RunID(0); ; {
		runs, err := e.store.Unfinished(ctx, after, recoverBatch)
		if err != nil {
			return nil, fmt.Errorf("looking for unfinished runs: %w", err)
		}
		full := len(runs) == recoverBatch
		last := task.RunID(0)
		if full {
			last = runs[len(runs)-1].ID
		}
		runs = slices.DeleteFunc(runs, func(run task.Run) bool { return own[run.ID] })
		var reports []store.Report
		if again, reports, err = e.goOn(ctx, runs, paused, again); err != nil {
			return nil, fmt.Errorf("recovering runs: %w", err)
		}
		if len(reports) > 0 {
			late, paused, err := e.record(reports)
			if err != nil {
				return nil, fmt.Errorf("recovering runs: %w", err)
			}
			for i := range reports {
				if run := &reports[i].Run; run.State.Ended() && !slices.Contains(late, run.ID) {
					e.ended(run)
				}
			}
			e.paused = append(e.paused, paused...)
			clear(e.rec.of) // they are recorded, and nothing else is yet
			e.log.Info("unfinished runs recovered", "runs", len(reports))
		}
		if !full {
			for _, p := range again {
				going[p.run.TaskID] = true
			}
			return again, e.unstick(ctx, going)
		}
		after = last
	}
}

// goOn says what becomes of unfinished runs that another process has left, in their order: it adds those that are
// started or wait again, after what the reports say is recorded. paused is what is known of tasks.
func (e *Engine) goOn(ctx context.Context, runs []task.Run, paused map[uuid.UUID]time.Time, again []*pending) ([]*pending, []store.Report, error) {
	var reports []store.Report
	for _, run := range runs {
		p, report, err := e.recovered(ctx, run, paused)
		if err != nil {
			return again, nil, err
		}
		if report != nil {
			reports = append(reports, *report)
		}
		if p == nil {
			continue
		}
		if n := len(again); n > 0 && p.run.Cause == task.ByBackfill && again[n-1].run.Cause == task.ByBackfill &&
			again[n-1].run.TaskID == run.TaskID && again[n-1].run.ID == run.ID-1 {
			// How far apart they start is only known from where they lie.
			p.gap = max(0, p.run.DueTime().Sub(again[n-1].run.DueTime()))
			if again[n-1].gap == 0 {
				again[n-1].gap = p.gap
			}
		}
		again = append(again, p)
	}
	return again, reports, nil
}

// recovered says what becomes of an unfinished run: it is started or waits again, if p is not nil, after what the
// report says is recorded, if there is one. paused is what is known of tasks.
func (e *Engine) recovered(ctx context.Context, run task.Run, paused map[uuid.UUID]time.Time) (p *pending, report *store.Report, _ error) {
	en := e.tasks.get(run.TaskID)
	from := run.Attempt
	untouched := run.State == task.Scheduled && (run.Attempt == 0 || run.Reason != 0 || run.DueTime().After(e.now()))
	lost := losses(run.Earlier) + 1 // this one too
	if en != nil && run.Cause == task.ByFire && run.State == task.Scheduled && len(run.Earlier) == 0 {
		// The process may have died after it paused the task, or a call did, and before it skipped what waited.
		since, err := e.pausedSince(ctx, run.TaskID, paused)
		if err != nil {
			return nil, nil, err
		}
		if !since.IsZero() && (run.Reason != 0 || run.DueTime().After(since)) {
			run.State, run.Reason, run.Attempt, run.EndTime = task.Skipped, task.ReasonPaused, 0, e.now()
			return nil, &store.Report{Run: run, FromAttempt: from, Decide: true}, nil
		}
	}
	switch {
	case en == nil:
		run.State, run.EndTime = task.Lost, e.now()
		run.Error = lostAttempt(&run) + ", and nothing declares its task any more"
		if untouched {
			run.Error = "nothing declares its task any more; it was not started"
		}
		run.Reason = 0
	case untouched:
		p, report := e.wasWaiting(run)
		return p, report, nil
	case lost >= maxAttempts:
		run.State, run.EndTime = task.Lost, e.now()
		run.Error = fmt.Sprintf("%s; it was so %d times, and is not started again", lostAttempt(&run), lost)
	case en.policy().Delivery == task.AtMostOnce:
		run.State, run.EndTime, run.Error = task.Lost, e.now(), lostAttempt(&run)
	default:
		run.Earlier = earlier(run.Earlier, task.Attempt{
			Number: run.Attempt, StartTime: run.StartTime, EndTime: e.now(), State: task.Lost, Error: lostAttempt(&run), Worker: run.Worker, Node: run.Node,
		})
		// Whatever was beside it then was so by policy or by a call: it goes on beside that.
		// Of an attempt whose start is not written down nobody knows whether it was one, however many there are.
		p = &pending{begun: slices.ContainsFunc(run.Earlier, attempted), recovered: true}
		run.State, run.StartTime, run.Error, run.Worker = task.Scheduled, time.Time{}, "", ""
		run.Attempt++
		p.run = run
		// A fire may have been skipped because of it, even if it is a call, and wait for its end.
		e.owes(run.TaskID)
	}
	report = &store.Report{Run: run, FromAttempt: from}
	if en != nil && run.State.Ended() {
		report.Decide = run.Cause == task.ByFire || en.policy().PauseAfterFailures > 0
		if run.Cause != task.ByFire {
			e.rec.only(run.ID)
		}
	}
	return p, report, nil
}

// pausedSince returns since when nothing of a task is to start. Zero: it is not paused, or it is because its trigger
// turned out to be of no use: then what was due before runs. known is what was found out before.
func (e *Engine) pausedSince(ctx context.Context, id uuid.UUID, known map[uuid.UUID]time.Time) (time.Time, error) {
	if since, ok := known[id]; ok {
		return since, nil
	}
	t, err := e.store.Task(ctx, task.ByID(id))
	if err != nil {
		return time.Time{}, err
	}
	since := e.stoodStill(&t)
	known[id] = since
	return since, nil
}

// stoodStill is pausedSince of a task that was read.
func (e *Engine) stoodStill(t *task.Task) time.Time {
	if t.Pause == nil {
		return time.Time{}
	}
	if _, failures := reconcile.TooManyFailures(t.Declaration.Policy, t.FailureCount, e.now()); t.Pause.Actor == reconcile.Self && !failures {
		return time.Time{}
	}
	return t.Pause.CreateTime
}

// attempted reports whether an attempt is known to have started.
func attempted(a task.Attempt) bool { return a.State != task.Lost || !a.StartTime.IsZero() }

// wasWaiting is recovered for a run that was not started: its instant has not come, the process before stopped in
// good order, or it waited for another run, for a place or for a worker.
func (e *Engine) wasWaiting(run task.Run) (*pending, *store.Report) {
	p := &pending{told: run.Reason != 0, recovered: true}
	switch {
	case run.Reason == 0:
		p.begun = len(run.Earlier) > 0 // it is between two attempts
	case run.Reason == task.ReasonOverlap:
		// It may have an attempt behind it that is not known to have started.
	case run.Cause == task.ByBackfill:
		// It goes beside others, or had its turn.
		allow := task.OverlapAllow
		p.overlap = &allow
		p.begun = len(run.Earlier) > 0
	default:
		p.begun = true // a run that waits for a place, or for a worker, is one that goes
	}
	var report *store.Report
	if run.Attempt == 0 {
		run.Attempt = 1
		if n := len(run.Earlier); n > 0 {
			run.Attempt = run.Earlier[n-1].Number + 1
		}
		report = &store.Report{Run: run, FromAttempt: 0}
	}
	if run.Cause == task.ByFire && !run.DueTime().After(e.now()) || len(run.Earlier) > 0 {
		e.owes(run.TaskID)
	}
	p.run = run
	return p, report
}

// owes says that the trigger of a task is to be told of the end of what was recovered.
func (e *Engine) owes(id uuid.UUID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lane(id).owed = true
}

// unstick looks at tasks that wait for the end of a run and have none: it was skipped because of a call
// that was going, and that end was only to come.
func (e *Engine) unstick(ctx context.Context, going map[uuid.UUID]bool) error {
	var ids []uuid.UUID
	for _, en := range e.tasks.all() {
		if f := en.inForce(); f != nil && f.FollowsRuns() && !going[en.id] {
			ids = append(ids, en.id)
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
		c := e.tasks.get(id).inForce()
		t.Clock, t.State = reconcile.Ended(c, t.Clock, t.State, end)
		change := store.Change{Task: &t}
		if err := c.Err(); err != nil && reconcile.Park(&t, err, now) {
			said.parked(e, e.tasks.get(id), err)
			change.Audit = parkedEvents(&t, now)
		}
		return change, nil
	})
	if err == nil {
		said.write()
	}
	return err
}

// startUp fires the start-up triggers and waits until their runs have ended, but for those that are left to workers. Of
// the runs that are postponed it releases those of the tasks that fire: for the end of one a new run may wait, which is
// waited for here. It returns the others.
func (e *Engine) startUp(ctx context.Context, postponed []*pending) (rest []*pending) {
	ended, err := e.on(ctx, schedule.StartUp)
	var theirs []*pending
	e.mu.Lock() // a reload may rename tasks
	for _, p := range postponed {
		if en := e.tasks.get(p.run.TaskID); en != nil && en.listens(schedule.StartUp) {
			theirs = append(theirs, p)
		} else {
			rest = append(rest, p)
		}
	}
	e.mu.Unlock()
	e.release(theirs)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("start-up triggers did not fire", "error", err)
		}
		return rest
	}
	for _, c := range ended {
		select {
		case <-c:
		case <-ctx.Done():
			return rest
		}
	}
	return rest
}

// on fires the triggers that name an event of this node, and returns what tells of the ends of the runs that are made
// here: for a worker a run may wait for ever, and nobody waits for that. It tries until the store takes it or ctx ends.
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
	for _, en := range e.tasks.all() {
		if en.listens(event) {
			ids = append(ids, en.id)
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
		c, err := e.learn(e.tasks.get(id), stored)
		if err != nil && e.beyond(stored) {
			return store.Change{}, nil
		}
		if err != nil {
			change := store.Change{Task: &t, Beside: e.node != nil}
			if reconcile.Park(&t, err, now) {
				said.parked(e, e.tasks.get(id), err)
				change.Audit = parkedEvents(&t, now)
			}
			return change, nil
		}
		run, clock, state, ok := reconcile.On(id, c, t.Clock, event, now)
		if !ok {
			return store.Change{}, nil
		}
		t.Clock, t.State = clock, state
		change := store.Change{Task: &t, Record: []task.Run{run}, Beside: e.node != nil}
		if err := c.Err(); err != nil && reconcile.Park(&t, err, now) {
			said.parked(e, e.tasks.get(id), err)
			change.Audit = parkedEvents(&t, now)
		}
		return change, nil
	})
	if err != nil {
		return nil, err
	}
	said.write()
	var ended []<-chan task.Run
	for _, u := range updated {
		e.recorded(u.Recorded)
		for _, run := range u.Recorded {
			if en := e.tasks.get(run.TaskID); en != nil && !isPlaced(en.target()) {
				ended = append(ended, e.await(run.ID))
			}
			e.arm(&pending{run: run, at: run.DueTime()})
		}
	}
	return ended, nil
}
