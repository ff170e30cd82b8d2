package reconcile

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Pause decides what becomes of a task when a caller pauses it. Pausing a paused task replaces who and
// why and until when, and keeps since when. Errors: task.ErrStale, task.ErrInvalid.
func (r Rules) Pause(t task.Task, c task.PauseChange, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	if err := d.checkEtag(c.Etag); err != nil {
		return Outcome{}, err
	}
	resume := task.Instant(c.ResumeTime)
	if !resume.IsZero() && !resume.After(now) {
		return Outcome{}, task.Invalid("resume_time", "%s has passed: it must lie after %s", stamp(resume), stamp(now))
	}
	before := d.Task
	p := task.Pause{Actor: c.Actor, Reason: c.Reason, CreateTime: now, ResumeTime: resume}
	if before.Pause != nil {
		p.CreateTime = before.Pause.CreateTime
	}
	d.Task.Pause = &p
	d.silence(task.ReasonPaused)
	d.changed(tell(task.TaskPaused, c.Edit, now, &before, &d.Task, ofPause...))
	return d.Outcome, nil
}

// Resume decides what becomes of a task when a caller ends its pause. The instants that passed are
// recorded as skipped; the next fire is the first after now. Errors: task.ErrStale, task.ErrTriggerFault.
func (r Rules) Resume(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	if err := d.checkEtag(e.Etag); err != nil {
		return Outcome{}, err
	}
	if d.Task.Pause == nil {
		return d.Outcome, nil
	}
	before := d.Task
	if err := d.wake(task.ReasonPaused, now); err != nil {
		return Outcome{}, err
	}
	d.Task.FailureCount = 0
	d.changed(tell(task.TaskResumed, e, now, &before, &d.Task, ofPause...))
	return d.Outcome, nil
}

// TooManyFailures returns the pause of a task of which so many runs have failed in a row, if its policy asks for
// one. See [Paused] for the event that tells of it.
func TooManyFailures(p task.Policy, failureCount int64, now time.Time) (*task.Pause, bool) {
	if p.PauseAfterFailures == 0 || failureCount < int64(p.PauseAfterFailures) {
		return nil, false
	}
	reason := fmt.Sprintf("%d runs failed in a row", failureCount)
	if failureCount == 1 {
		reason = "a run failed"
	}
	return &task.Pause{Actor: Self, Reason: reason, CreateTime: now}, true
}

// Park pauses a task whose trigger can not be used, and reports whether it was not paused already: then who
// paused it and why stays. See [Paused] for the event that tells of it.
func Park(t *task.Task, why error, now time.Time) bool {
	parked := t.Pause == nil
	if parked {
		t.Pause = Parked(why, now)
	}
	t.Clock.NextFireTime = time.Time{}
	t.State = stateWith(t, task.Exhausted)
	return parked
}

// Parked is the pause of a task that can not go on.
func Parked(why error, now time.Time) *task.Pause {
	return &task.Pause{Actor: Self, Reason: why.Error(), CreateTime: now}
}

// park is Park. A task that nobody can run is not paused for what its trigger lacks here: whoever declares it
// again may have it.
func (d *draft) park(why error, at time.Time) {
	if d.Task.OrphanTime.IsZero() {
		Park(&d.Task, why, at)
		return
	}
	d.Task.Clock.NextFireTime = time.Time{}
	d.Task.State = task.Orphaned
}

// tellParked tells of it if the task has been parked since.
func (d *draft) tellParked(before *task.Task, at time.Time) {
	if p := d.Task.Pause; before.Pause == nil && p != nil {
		d.Audit = append(d.Audit, tell(task.TaskPaused, task.Edit{Actor: p.Actor, Reason: p.Reason}, at, before, &d.Task, ofPause...))
	}
}

// silence stops a task from firing, for a reason that is set in it already. What is due and was not
// claimed is recorded as skipped, and so is what the same decision would have started.
func (d *draft) silence(why task.Reason) {
	t := &d.Task
	for i := range d.Record {
		if r := &d.Record[i]; r.State == task.Scheduled {
			*r = Taken(*r, d.now)
			r.Reason = why
			t.Clock.FireCount--
		}
	}
	if t.State == task.Active || t.State == task.Exhausted {
		if f, err := d.rules.InForce(t); err == nil {
			clock, records := t.Clock, len(d.Record)
			if d.pass(f, d.now, task.Skipped, why); f.Err() != nil {
				t.Clock, d.Record = clock, d.Record[:records] // it is recorded when the trigger can tell
			}
		}
	}
	t.Clock.NextFireTime = time.Time{}
	t.State = stateWith(t, task.Active)
}

// wake ends one of the two reasons for which a task does not fire, as of an instant, and records the instants
// that passed for it. Where both held, the one that began first has the instants up to where the other began, if it
// ends first, and all of them if it ends last; so each instant is recorded once. An error, of a trigger that
// can not be used any more, leaves the task as it is.
func (d *draft) wake(why task.Reason, at time.Time) error {
	f, err := d.rules.InForce(&d.Task)
	if err != nil {
		return err
	}
	asleep, records := d.Task, len(d.Record)
	t := &d.Task
	since, other := t.OrphanTime, time.Time{}
	if t.Pause != nil {
		other = t.Pause.CreateTime
	}
	if why == task.ReasonPaused {
		since, other = other, since
		t.Pause = nil
	} else {
		t.OrphanTime, t.OrphanReason = time.Time{}, ""
	}
	until := at
	if !other.IsZero() {
		until = other
	}
	if other.IsZero() || since.Before(other) {
		d.pass(f, until, task.Skipped, why)
	}
	t.State = stateWith(t, task.Active)
	if t.State == task.Active {
		after := later(at, t.Clock.RecordedTime)
		var status schedule.Status
		t.Clock.NextFireTime, status = f.Next(after, t.Clock.Progress)
		t.State = f.state(status, after, t.Clock.Progress)
	}
	if err := f.Err(); err != nil {
		d.Task, d.Record = asleep, d.Record[:records]
		return fmt.Errorf("%w: %w", task.ErrTriggerFault, err)
	}
	return nil
}

// silent returns why a task does not fire. Zero: it does.
func silent(t *task.Task) task.Reason {
	switch {
	case t.Pause != nil && (t.OrphanTime.IsZero() || t.Pause.CreateTime.Before(t.OrphanTime)):
		return task.ReasonPaused
	case !t.OrphanTime.IsZero():
		return task.ReasonOrphaned
	}
	return 0
}

// stateWith is the state of a task whose trigger would have it in that state.
func stateWith(t *task.Task, s task.State) task.State {
	switch {
	case !t.OrphanTime.IsZero():
		return task.Orphaned
	case t.Pause != nil:
		return task.Paused
	}
	return s
}
