package reconcile

import (
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// Deadline is when a task changes by itself: the ExpireTime of its override or the ResumeTime of its pause,
// whichever is earlier. Zero: never.
func Deadline(t *task.Task) time.Time {
	var at time.Time
	if t.Override != nil {
		at = t.Override.ExpireTime
	}
	if t.Pause != nil && !t.Pause.ResumeTime.IsZero() && (at.IsZero() || t.Pause.ResumeTime.Before(at)) {
		at = t.Pause.ResumeTime
	}
	return at
}

// Elapse ends the override and the pause of a task whose time has come, as of that time: what was due up to it is
// settled under the trigger that was in force then, and the clock goes on from there, however long ago it was.
// What was due since then is up to the claims that follow.
func (r Rules) Elapse(t task.Task, now time.Time) Outcome {
	return r.open(t, now).Outcome
}

// elapse is Elapse.
func (d *draft) elapse() {
	for {
		at := Deadline(&d.Task)
		if at.IsZero() || at.After(d.now) {
			return
		}
		if o := d.Task.Override; o != nil && o.ExpireTime.Equal(at) {
			d.expire(at)
		} else {
			d.resumeByItself(at)
		}
	}
}

// expire ends the override as of an instant. A fire at that instant is still its own.
func (d *draft) expire(at time.Time) {
	before := d.Task
	d.settle(at)
	d.Task.Override = nil
	if err := d.restart(at); err != nil {
		// The declared trigger counts from here on all the same, once it can be used.
		d.Task.Clock = task.Clock{FireCount: d.Task.Clock.FireCount, RecordedTime: at}
		d.Task.Clock.Progress.Anchor = at
		d.park(err, at)
	}
	d.changed(tell(task.OverrideExpired, task.Edit{Actor: Self, Reason: "its expire_time came"}, at, &before, &d.Task, ofOverride...))
	d.tellParked(&before, at)
}

// resumeByItself ends the pause as of an instant.
func (d *draft) resumeByItself(at time.Time) {
	before := d.Task
	who := task.Edit{Actor: Self, Reason: "its resume_time came"}
	err := d.wake(task.ReasonPaused, at)
	if err == nil || !before.OrphanTime.IsZero() {
		// Whoever can run an orphan may have what its trigger lacks here, and records then what passed.
		d.Task.Pause, d.Task.FailureCount = nil, 0
		d.changed(tell(task.TaskResumed, who, at, &before, &d.Task, ofPause...))
		return
	}
	// It can not fire. Somebody has to see to it, and that is what a pause without an end is for.
	pause := Parked(err, before.Pause.CreateTime)
	d.Task.Pause = pause
	who.Reason = pause.Reason
	d.changed(tell(task.TaskPaused, who, at, &before, &d.Task, ofPause...))
}
