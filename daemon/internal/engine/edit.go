package engine

import (
	"context"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// shownFires is how many fires UpdateTrigger answers with, of the trigger that is in force and of the one
// before.
const shownFires = 10

// Task returns a task. Its errors are those of store.Store.Task.
func (e *Engine) Task(ctx context.Context, ref task.Ref) (task.Task, error) {
	if err := e.up(); err != nil {
		return task.Task{}, err
	}
	return e.store.Task(ctx, ref)
}

// Tasks returns tasks. Its errors are those of store.Store.Tasks.
func (e *Engine) Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error) {
	if err := e.up(); err != nil {
		return nil, err
	}
	return e.store.Tasks(ctx, q)
}

// UpdateTrigger puts a trigger in force and returns the task, its next fires, and those that would have
// come without the change. Errors: task.ErrTaskNotFound, task.ErrInvalid, task.ErrStale, task.ErrStarting,
// task.ErrStopping, task.ErrUnavailable.
func (e *Engine) UpdateTrigger(ctx context.Context, ref task.Ref, c task.TriggerChange) (task.TriggerUpdate, error) {
	var before task.Task // as the decision that counts found it: the store may ask again
	var asked time.Time
	override := func(t task.Task, now time.Time) (reconcile.Outcome, error) {
		before, asked = t, now
		return e.rules.Load().Override(t, c, now)
	}
	var u task.TriggerUpdate
	var err error
	if c.ValidateOnly {
		u.Task, err = e.wouldBe(ctx, ref, override)
	} else {
		u.Task, err = e.edit(ctx, ref, future, override)
	}
	if err != nil {
		return task.TriggerUpdate{}, err
	}
	// The change is made: that its fires can not be shown is no error.
	u.NextFires, err = e.nextFires(ctx, u.Task, (*schedule.Compiled).First)
	if err != nil && c.ValidateOnly {
		return task.TriggerUpdate{}, err
	}
	// The trigger before may be one that compiles no more, with another time zone database. That it has no
	// fires to show is no reason against the one that replaces it.
	u.PreviousFires, _ = e.nextFires(ctx, before, func(c *schedule.Compiled, p schedule.Progress) (time.Time, schedule.Status) {
		return c.Next(asked, p)
	})
	return u, nil
}

// ResetTrigger ends an override. Errors: task.ErrTaskNotFound, task.ErrStale, task.ErrTriggerFault,
// task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) ResetTrigger(ctx context.Context, ref task.Ref, c task.Edit) (task.Task, error) {
	return e.edit(ctx, ref, future, func(t task.Task, now time.Time) (reconcile.Outcome, error) {
		return e.rules.Load().Reset(t, c, now)
	})
}

// PauseTask pauses a task. Errors are those of ResetTrigger, and task.ErrInvalid.
func (e *Engine) PauseTask(ctx context.Context, ref task.Ref, c task.PauseChange) (task.Task, error) {
	return e.edit(ctx, ref, all, func(t task.Task, now time.Time) (reconcile.Outcome, error) {
		return e.rules.Load().Pause(t, c, now)
	})
}

// ResumeTask ends a pause. Errors are those of ResetTrigger.
func (e *Engine) ResumeTask(ctx context.Context, ref task.Ref, c task.Edit) (task.Task, error) {
	return e.edit(ctx, ref, none, func(t task.Task, now time.Time) (reconcile.Outcome, error) {
		return e.rules.Load().Resume(t, c, now)
	})
}

// wouldBe returns the task as an edit would leave it.
func (e *Engine) wouldBe(ctx context.Context, ref task.Ref, decide func(task.Task, time.Time) (reconcile.Outcome, error)) (task.Task, error) {
	t, err := e.Task(ctx, ref)
	if err != nil {
		return task.Task{}, err
	}
	last, now := t.LastRun, e.now()
	o, err := decide(t, now)
	if h := e.glance(t.ID, future, now); err == nil && len(h) > 0 && !goesOn(&t, &o.Task) {
		// The edit itself would take these back.
		h.restore(&t, now)
		o, err = decide(t, now)
	}
	o.Task.LastRun = last
	return o.Task, err
}

// goesOn reports whether a change leaves the trigger in force as it is and where it is, so that what it has fired
// ahead of its instant still counts.
func goesOn(before, after *task.Task) bool {
	return after.OrphanTime.IsZero() && expireTime(before).Equal(expireTime(after)) && schedule.Equal(before.Trigger(), after.Trigger()) &&
		before.Clock.Progress.Anchor.Equal(after.Clock.Progress.Anchor) && !after.Clock.RecordedTime.Before(before.Clock.RecordedTime)
}

func expireTime(t *task.Task) time.Time {
	if t.Override == nil {
		return time.Time{}
	}
	return t.Override.ExpireTime
}

// reach says which recorded fires an edit takes back.
type reach int

const (
	// future are those whose instant has not come: a fire that was due before the change runs.
	future reach = iota
	// all are those that have not started: nothing of the task starts after a pause.
	all
	// ours are those of future to which the clock can go back.
	ours
	// waiting are those whose start has not come.
	waiting
	// every is all, of calls and backfills too: the task is deleted, or nothing can run it any more.
	every
	// none: what a task had claimed before it was parked is its own affair, and runs.
	none
)

// has reports whether a recorded fire that has not started is in reach. With jitter there is a while between its
// instant, by which it was due, and its start.
func (r reach) has(p *pending, now time.Time) bool {
	switch r {
	case all, every:
		return true
	case future:
		return p.run.ScheduledTime.After(now)
	case ours:
		return p.run.ScheduledTime.After(now) && p.before != nil
	case waiting:
		return p.run.DueTime().After(now)
	default:
		return false
	}
}

// edit carries a decision on one task that is stored through. The answer has the last run.
func (e *Engine) edit(ctx context.Context, ref task.Ref, r reach, decide func(task.Task, time.Time) (reconcile.Outcome, error)) (task.Task, error) {
	before, err := e.Task(ctx, ref)
	if err != nil {
		return task.Task{}, err
	}
	if err := e.elsewhere(ctx, &before); err != nil {
		return task.Task{}, err
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	return e.editHeld(ctx, before.ID, ref, r, decide)
}

// editHeld is edit for a caller that holds gate for reading and knows the id.
func (e *Engine) editHeld(ctx context.Context, id uuid.UUID, ref task.Ref, r reach, decide func(task.Task, time.Time) (reconcile.Outcome, error)) (task.Task, error) {
	t, err := e.change(ctx, id, r, func(stored *task.Task, now time.Time) (store.Change, error) {
		if stored == nil {
			return store.Change{}, task.TaskNotFound(ref)
		}
		o, err := decide(*stored, now)
		return changeOf(&o), err
	})
	if err != nil {
		return task.Task{}, err
	}
	// The change is made: that its answer can not have the last run any more is no error.
	if read, err := e.store.Task(ctx, task.ByID(t.ID)); err == nil {
		t.LastRun, t.Counts = read.LastRun, read.Counts
	}
	return t, nil
}

// changeOf is what a store makes of an outcome.
func changeOf(o *reconcile.Outcome) store.Change {
	c := store.Change{Record: o.Record, Audit: o.Audit}
	if o.Changed {
		c.Task = &o.Task
	}
	return c
}

// change carries a decision on one task through, which may not be stored. The caller holds gate for reading. What
// is recorded and due is started; fires in reach are taken back if the task is changed, and else left alone.
func (e *Engine) change(ctx context.Context, id uuid.UUID, r reach, decide func(stored *task.Task, now time.Time) (store.Change, error)) (task.Task, error) {
	if e.refusal != nil {
		return task.Task{}, e.refusal
	}
	en := e.tasks.get(id)
	if en != nil {
		en.editing.Lock()
		defer en.editing.Unlock()
	}

	now := e.now()
	held := e.hold(id, r, now)
	// What else will not start, and keeps its record: runs that wait for a place or for another run and, if nothing
	// can run the task any more, those in the queue to before which the clock can not go back.
	var parked []*pending
	if r == all || r == every {
		parked = e.takeWaiting(id, r == all)
	}
	if r == every {
		fresh := held[:0:0]
		for _, p := range held {
			if p.fresh() && p.before != nil {
				fresh = append(fresh, p)
			} else {
				parked = append(parked, p)
			}
		}
		held = fresh
	}
	taken, deleted := false, false
	updated, err := e.store.Update(ctx, []uuid.UUID{id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		taken, deleted = false, false // the store may ask again
		if stored != nil && r == future && len(held) > 0 {
			was := *stored
			if c, err := decide(stored, now); err != nil || c.Task == nil || goesOn(&was, c.Task) {
				return c, err
			}
			stored = &was
		}
		if stored != nil {
			held.restore(stored, now)
			for _, p := range parked {
				if p.fresh() {
					uncount(&stored.Clock, &p.run) // what is decided knows that it does not start
				}
			}
		}
		at := now
		if r != none && len(held) == 0 { // else what is recorded ahead is this node's own
			at = e.changeTime(stored, now)
		}
		c, err := decide(stored, at)
		switch {
		case err != nil:
			return store.Change{}, err
		case c.Delete:
			taken, deleted = true, true
		case c.Task != nil:
			taken = true
			if r == all {
				c.Record = append(c.Record, held.passed(now)...)
			}
			c.TakeBack = held.ids()
			for _, p := range parked {
				if p.fresh() {
					// Until its record says so it counts: if the process dies before that, it may start after all.
					count(&c.Task.Clock, &p.run, 1)
				}
			}
		}
		return c, nil
	})
	switch {
	case err == nil && taken:
	case e.uncertain(err):
		// They may have been taken back all the same.
		e.doubt(held...)
		e.arm(parked...)
	case en != nil && en.silenced.Load():
		e.skip(held, task.ReasonPaused)
		e.arm(parked...)
	default:
		e.arm(held...)
		e.arm(parked...)
	}
	if err != nil {
		return task.Task{}, err
	}
	t := updated[0].Task
	e.recorded(updated[0].Recorded)
	if deleted {
		// They are gone; whoever waits for one is told so.
		e.skip(append(parked, held...), task.ReasonOrphaned)
		return t, nil
	}
	if taken {
		e.vanish(held)
		for _, p := range parked {
			if p.fresh() {
				e.rec.uncounts(p.run.ID)
			}
		}
		e.skipWaiting(parked, &t)
	}
	e.deadlines.set(id, reconcile.Deadline(&t))
	if en = e.tasks.get(id); en == nil && t.OrphanTime.IsZero() {
		en = e.know(&t)
	}
	if en != nil {
		if taken {
			e.cutOff(id)
		}
		// A trigger that can not be used has paused the task, and is compiled again when it is resumed.
		_, _ = e.learn(en, &t)
		e.arm(due(updated[0].Recorded)...)
	}
	if next := t.Clock.NextFireTime; !next.IsZero() {
		e.alarm.set(next.Add(-e.lead()))
	}
	return t, nil
}

// cutOff says of the fires of a task that are left in the queue that its clock can not go back to before them:
// it was changed since.
func (e *Engine) cutOff(id uuid.UUID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.queue.byTask[id] {
		p.before = nil
	}
}

// held are fires of one task that are out of the queue while an edit decides on them, the earliest first.
type held []*pending

// hold takes the recorded fires of a task that have not started out of the queue.
func (e *Engine) hold(id uuid.UUID, r reach, now time.Time) held {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.reached(id, r, now)
	for _, p := range h {
		e.queue.remove(p)
	}
	return h
}

// glance returns copies of what hold would take, and leaves them in the queue.
func (e *Engine) glance(id uuid.UUID, r reach, now time.Time) held {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.reached(id, r, now)
	for i, p := range h {
		h[i] = &pending{run: p.run, at: p.at, before: p.before}
	}
	return h
}

// reached returns the recorded fires of a task that have not started and are in reach. It needs e.mu.
func (e *Engine) reached(id uuid.UUID, r reach, now time.Time) held {
	var h held
	for _, p := range e.queue.byTask[id] {
		// A run that is started again may have started before the edit, and goes on.
		if (r == every || p.fresh()) && r.has(p, now) {
			h = append(h, p)
		}
	}
	return h
}

// fresh reports whether it is a fire of which no attempt has begun.
func (p *pending) fresh() bool {
	return p.run.Cause == task.ByFire && p.run.Attempt == 1 && len(p.run.Earlier) == 0
}

// uncount takes a fire that will not start off the counts of its task.
func uncount(clock *task.Clock, fire *task.Run) { count(clock, fire, -1) }

// count counts a fire so many times more.
func count(clock *task.Clock, fire *task.Run, n int64) {
	clock.FireCount += n
	progress := &clock.Progress
	if fire.ScheduledTime.Before(progress.Anchor) {
		return // it is of the trigger before
	}
	if len(progress.Fires) > 0 && progress.Fires[0]+n >= 0 {
		progress.Fires = slices.Clone(progress.Fires)
		progress.Fires[0] += n
	}
}

// restore puts the clock of a task back to where it was before the first of the fires, as far as that is
// known. What exclusions took out stays recorded.
func (h held) restore(t *task.Task, now time.Time) {
	excluded := reconcile.ExcludedTime(t.Clock)
	if excluded.After(now) {
		excluded = now
	}
	for i := len(h) - 1; i >= 0; i-- {
		p := h[i]
		if p.before == nil {
			// The clock stays past the instant, which a pause records (see passed). It does not count as a fire,
			// at least not of the trigger as a whole, and what follows runs must not wait for its end.
			progress := &t.Clock.Progress
			if at := p.run.ScheduledTime; at.Equal(progress.LastFire) || followedEnd(at).Equal(progress.LastEnd) {
				progress.LastEnd = progress.LastFire
			}
			uncount(&t.Clock, &p.run)
			continue
		}
		ended := t.Clock.Progress.LastEnd
		t.Clock = *p.before
		if ended.After(t.Clock.Progress.LastEnd) {
			t.Clock.Progress.LastEnd = ended // a run ended since: that stays
		}
		if t.State == task.Exhausted {
			t.State = task.Active
		}
	}
	switch next := t.Clock.NextFireTime; {
	case !excluded.After(reconcile.ExcludedTime(t.Clock)):
	case next.After(excluded) && excluded.After(t.Clock.RecordedTime):
		t.Clock.RecordedTime, t.Clock.ExcludedTime = excluded, time.Time{} // there was nothing else
	default:
		t.Clock.ExcludedTime = excluded
	}
}

// vanish tells those who wait for the ends of runs that these are no more. They look for themselves.
func (e *Engine) vanish(runs []*pending) {
	if len(runs) == 0 {
		return
	}
	e.mu.Lock()
	for _, p := range runs {
		for _, c := range e.waiters[p.run.ID] {
			c <- task.Run{} // has room for one
		}
		delete(e.waiters, p.run.ID)
	}
	e.mu.Unlock()
	for _, p := range runs {
		e.outputs.Close(p.run.ID) // after its waiters were told: see FollowRun
	}
}

// passed are the records of the fires to which the clock can not go back.
func (h held) passed(now time.Time) []task.Run {
	var records []task.Run
	for _, p := range h {
		if p.before == nil {
			records = append(records, reconcile.Taken(p.run, now))
		}
	}
	return records
}

func (h held) ids() []task.RunID {
	ids := make([]task.RunID, 0, len(h))
	for _, p := range h {
		ids = append(ids, p.run.ID)
	}
	return ids
}
