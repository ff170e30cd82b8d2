package reconcile

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Override decides what becomes of a task when a caller puts a trigger in force. Errors: task.ErrStale,
// task.ErrInvalid.
func (r Rules) Override(t task.Task, c task.TriggerChange, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	if err := d.checkEtag(c.Etag); err != nil {
		return Outcome{}, err
	}
	compiled, err := r.fires("trigger", c.Trigger, now)
	if err != nil {
		return Outcome{}, err
	}
	trigger, expire := compiled.Trigger(), task.Instant(c.ExpireTime)
	switch {
	case expire.IsZero():
	case !expire.After(now):
		return Outcome{}, task.Invalid("expire_time", "%s has passed: it must lie after %s", stamp(expire), stamp(now))
	case expire.Before(trigger.StartTime):
		return Outcome{}, task.Invalid("expire_time", "%s is before the trigger starts at %s, so it would never fire", stamp(expire), stamp(trigger.StartTime))
	}
	before := d.Task
	d.settle(now)
	d.Task.Override = &task.Override{
		Trigger: trigger, Actor: c.Actor, Reason: c.Reason, CreateTime: now,
		OnDeclaredChange: c.OnDeclaredChange, ExpireTime: expire,
	}
	if err := d.restart(now); err != nil {
		return Outcome{}, err
	}
	d.changed(tell(task.TriggerUpdated, c.Edit, now, &before, &d.Task, ofOverride...))
	d.tellParked(&before, now)
	return d.Outcome, nil
}

// Reset decides what becomes of a task when a caller ends its override. Errors: task.ErrStale,
// task.ErrTriggerFault.
func (r Rules) Reset(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	if err := d.checkEtag(e.Etag); err != nil {
		return Outcome{}, err
	}
	if d.Task.Override == nil {
		return d.Outcome, nil
	}
	before := d.Task
	d.settle(now)
	d.Task.Override = nil
	if err := d.restart(now); err != nil {
		return Outcome{}, err
	}
	d.changed(tell(task.TriggerReset, e, now, &before, &d.Task, ofOverride...))
	d.tellParked(&before, now)
	return d.Outcome, nil
}

// fires compiles a trigger that a caller wants, and refuses one that never fires.
func (r Rules) fires(field string, t schedule.Trigger, now time.Time) (*schedule.Compiled, error) {
	c, err := r.Extensions.Compile(t)
	if err != nil {
		return nil, Within(field, err)
	}
	_, status := begin(&InForce{Compiled: c}, 0, now)
	if err := c.Err(); err != nil {
		return nil, task.Invalid(field, "%s", err)
	}
	if status == schedule.Over {
		return nil, task.Invalid(field, "%q has no fire after %s: its times have passed, or exclusions leave none of them", t, now.Format(time.RFC3339))
	}
	return c, nil
}

// settle deals with what was due up to the instant at which another trigger comes into force: as if it had been
// claimed now or, of a task that does not fire, as skipped. Of a trigger that can not be used any more,
// nothing is known.
func (d *draft) settle(at time.Time) {
	t := &d.Task
	f, err := d.rules.InForce(t)
	if err != nil {
		return
	}
	if why := silent(t); why != 0 {
		d.pass(f, at, task.Skipped, why)
		return
	}
	for n := 0; t.State == task.Active && !t.Clock.NextFireTime.IsZero() && !t.Clock.NextFireTime.After(at) && n < maxSettle; {
		var more []task.Run
		more, t.Clock, t.State = Fired(t.ID, f, t.Clock, d.now)
		d.Record = append(d.Record, more...)
		n += len(more)
	}
	if t.State == task.Active || t.State == task.Exhausted {
		// What is excluded and, of too many, what is left.
		d.pass(f, at, task.Missed, task.ReasonLate)
	}
}

// maxSettle bounds the runs that a change starts late: a day of one a minute. What is more is missed.
const maxSettle = 1500

// restart puts the trigger in force, as of an instant. The error is that of a trigger that does not compile; one
// with a fault pauses the task.
func (d *draft) restart(at time.Time) error {
	t := &d.Task
	f, err := d.rules.InForce(t)
	if err != nil {
		return err
	}
	clock, status := begin(f, t.Clock.FireCount, at)
	if last := t.Clock.Progress; clock.NextFireTime.Equal(at) && last.LastFire.Equal(at) {
		// One instant is one run. The trigger before has made it, and the new one counts it.
		clock.Progress = f.Count(at, 0, clock.Progress)
		clock.Progress.LastEnd, clock.RecordedTime = last.LastEnd, at
		clock.NextFireTime, status = f.Next(at, clock.Progress)
	}
	t.Clock = clock
	t.State = stateWith(t, f.state(status, clock.RecordedTime, clock.Progress))
	if t.State != task.Active {
		t.Clock.NextFireTime = time.Time{}
	}
	if err := f.Err(); err != nil {
		d.park(err, at)
	}
	return nil
}
