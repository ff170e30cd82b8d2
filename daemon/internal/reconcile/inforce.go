package reconcile

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// InForce is the trigger in force of a task, compiled, with what a decision on its clock needs to know beside
// it. It is valid for as long as the Version of the task stays, and safe for concurrent use.
type InForce struct {
	// Compiled ends when the override does: no fire of it lies after the ExpireTime.
	*schedule.Compiled
	// Policy is that of the task.
	Policy task.Policy
	// Expires says that the ExpireTime of the override is what ends it.
	Expires bool

	// open is the trigger without that end. Nil if it has none.
	open *schedule.Compiled
}

// InForce compiles the trigger in force of a task. It was checked before it was stored, but the program may have
// lost a calendar, a custom kind or a time zone since. The error is a task.ErrTriggerFault.
func (r Rules) InForce(t *task.Task) (*InForce, error) {
	trigger := t.Trigger()
	f := &InForce{Policy: t.Declaration.Policy}
	var err error
	if o := t.Override; o != nil && !o.ExpireTime.IsZero() && (trigger.EndTime.IsZero() || o.ExpireTime.Before(trigger.EndTime)) {
		if f.open, err = r.compile(trigger); err != nil {
			return nil, err
		}
		f.Expires, trigger.EndTime = true, o.ExpireTime
	}
	if f.Compiled, err = r.compile(trigger); err != nil {
		return nil, err
	}
	return f, nil
}

func (r Rules) compile(trigger schedule.Trigger) (*schedule.Compiled, error) {
	c, err := r.Extensions.Compile(trigger)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrTriggerFault, Within("trigger", err))
	}
	return c, nil
}

// state is that of a task whose trigger answered with a status when it was asked what comes after an instant. One
// that is over only because its override will expire has not come to its end: the declared trigger follows.
func (f *InForce) state(s schedule.Status, after time.Time, p schedule.Progress) task.State {
	if s == schedule.Over && f.Expires {
		_, s = f.open.Next(after, p)
	}
	if s == schedule.Over {
		return task.Exhausted
	}
	return task.Active
}
