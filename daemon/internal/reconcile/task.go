package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Outcome is what a decision makes of a task.
type Outcome struct {
	// Task is the task as it shall be stored.
	Task task.Task
	// Changed reports whether it differs from what was stored. If not, nothing is to be done.
	Changed bool
	// Record are runs to record: what was due before the change, and what passed without a run.
	Record []task.Run
	// Yielded is the override that a new declaration ended. Nil: none.
	Yielded *task.Override
}

// Self is the actor of what the daemon does on its own account.
const Self = "clockd"

// Rules are the decisions about whole tasks, with what they depend on beside their arguments.
type Rules struct {
	// Namespace is that of the daemon.
	Namespace string
	// Extensions are the calendars and custom kinds of the program. Nil: none.
	Extensions *schedule.Extensions
}

// Declare decides what becomes of a task that a program declares. stored is nil if the task is new. The
// declared trigger must compile; if the one in force does not, or has a fault, the task is paused.
func (r Rules) Declare(stored *task.Task, d task.Declaration, now time.Time) (Outcome, error) {
	if stored == nil {
		t := task.Task{
			ID: task.IDOf(r.Namespace, d.Name), Namespace: r.Namespace, Declaration: d,
			Version: 1, CreateTime: now, UpdateTime: now,
		}
		if err := r.restart(&t, now); err != nil {
			return Outcome{}, err
		}
		return Outcome{Task: t, Changed: true}, nil
	}
	t := *stored
	if t.State == task.Orphaned && t.OrphanTime.IsZero() {
		// Another program claimed it in vain: nothing was recorded since the clock stood still.
		t.OrphanTime = t.Clock.RecordedTime
	}
	orphaned := !t.OrphanTime.IsZero()
	if !orphaned && d.Equal(t.Declaration) {
		return r.again(t, now), nil
	}
	o := Outcome{Changed: true}
	override, changed := t.Override, !schedule.Equal(d.Trigger, t.Declaration.Trigger)
	if changed && override != nil {
		if override.OnDeclaredChange == task.Yield {
			o.Yielded, override = t.Override, nil
		} else {
			kept := *t.Override
			kept.DeclarationChanged = true
			override, changed = &kept, false
		}
	}
	if changed {
		o.Record = r.settle(&t, now)
		t.OrphanTime = time.Time{}
	}
	t.Declaration, t.Override = d, override
	if changed {
		if err := r.restart(&t, now); err != nil {
			return Outcome{}, err
		}
	} else if orphaned {
		var err error
		if o.Record, err = r.wake(&t, task.ReasonOrphaned, now); err != nil {
			// Something declares it again. What passed meanwhile is recorded when it is resumed.
			t.OrphanTime = time.Time{}
			Park(&t, err, now)
		}
	}
	if !changed {
		// The calendars may have changed with everything else.
		again := r.again(t, now)
		t, o.Record = again.Task, append(o.Record, again.Record...)
	}
	touch(&t, now)
	o.Task = t
	return o, nil
}

// again decides what becomes of a task whose declaration is what it was. Its trigger may depend on what is
// not: calendars, and the code of custom kinds.
func (r Rules) again(t task.Task, now time.Time) Outcome {
	same := Outcome{Task: t}
	if t.State != task.Active && t.State != task.Exhausted || !t.Trigger().UsesExtensions() {
		return same
	}
	c, err := r.Compiled(&t)
	var records []task.Run
	if err == nil {
		// What passed before the next fire was excluded by the calendars of that time.
		until := now
		if next := t.Clock.NextFireTime; !next.IsZero() && !next.After(now) {
			until = next.Add(-time.Microsecond)
		}
		if next, status := c.Next(t.Clock.RecordedTime, t.Clock.Progress); status == schedule.Fires && !next.After(until) &&
			!c.FollowsRuns() && !c.Listens(schedule.StartUp) && !c.Listens(schedule.ShutDown) {
			records = pass(&t, c, until, task.Skipped, task.ReasonExcluded, now)
		}
		next, status := upcoming(c, t.Clock)
		if err = c.Err(); err == nil {
			if next.Equal(t.Clock.NextFireTime) && len(records) == 0 {
				return same
			}
			t.Clock.NextFireTime, t.State = next, stateOf(status)
		}
	}
	if err != nil {
		Park(&t, err, now)
	}
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}
}

// upcoming is the first fire that is not recorded yet.
func upcoming(c *schedule.Compiled, clock task.Clock) (time.Time, schedule.Status) {
	if clock.RecordedTime.Before(clock.Progress.Anchor) {
		return c.First(clock.Progress) // what fires at once is to be recorded
	}
	return c.Next(clock.RecordedTime, clock.Progress)
}

// Orphan decides what becomes of a task that the program no longer declares.
func (r Rules) Orphan(t task.Task, now time.Time) Outcome {
	if !t.OrphanTime.IsZero() {
		return Outcome{Task: t}
	}
	t.OrphanTime = now
	records := r.silence(&t, task.ReasonOrphaned, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}
}

// Override decides what becomes of a task when a caller puts a trigger in force.
func (r Rules) Override(t task.Task, c task.TriggerChange, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, c.Etag); err != nil {
		return Outcome{}, err
	}
	compiled, err := r.Extensions.Compile(c.Trigger)
	if err != nil {
		return Outcome{}, Within("trigger", err)
	}
	_, status := begin(compiled, 0, now)
	if err := compiled.Err(); err != nil {
		return Outcome{}, task.Invalid("trigger", "%s", err)
	}
	if status == schedule.Over {
		return Outcome{}, task.Invalid("trigger", "%q has no fire after %s: its times have passed, or exclusions leave none of them",
			c.Trigger, now.Format(time.RFC3339))
	}
	o := Outcome{Changed: true, Record: r.settle(&t, now)}
	t.Override = &task.Override{
		Trigger: compiled.Trigger(), Actor: c.Actor, Reason: c.Reason, CreateTime: now,
		OnDeclaredChange: c.OnDeclaredChange,
	}
	err = r.restart(&t, now)
	touch(&t, now)
	o.Task = t
	return o, err
}

// Reset decides what becomes of a task when a caller ends its override.
func (r Rules) Reset(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	if t.Override == nil {
		return Outcome{Task: t}, nil
	}
	records := r.settle(&t, now)
	t.Override = nil
	err := r.restart(&t, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, err
}

// Pause decides what becomes of a task when a caller pauses it. Pausing a paused task replaces who and
// why, and keeps since when.
func (r Rules) Pause(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	p := task.Pause{Actor: e.Actor, Reason: e.Reason, CreateTime: now}
	if t.Pause != nil {
		p.CreateTime = t.Pause.CreateTime
	}
	t.Pause = &p
	records := r.silence(&t, task.ReasonPaused, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, nil
}

// Resume decides what becomes of a task when a caller ends its pause. The instants that passed are
// recorded as skipped; the next fire is the first after now.
func (r Rules) Resume(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	if t.Pause == nil {
		return Outcome{Task: t}, nil
	}
	records, err := r.wake(&t, task.ReasonPaused, now)
	if err != nil {
		return Outcome{}, err
	}
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, nil
}

// settle deals with what was due before another trigger comes into force: as if it had been claimed at
// that moment or, of a task that does not fire, as skipped. Of a trigger that can not be used any more,
// nothing is known.
func (r Rules) settle(t *task.Task, now time.Time) []task.Run {
	c, err := r.Compiled(t)
	if err != nil {
		return nil
	}
	if why := silent(t); why != 0 {
		return pass(t, c, now, task.Skipped, why, now)
	}
	var records []task.Run
	for t.State == task.Active && !t.Clock.NextFireTime.IsZero() && !t.Clock.NextFireTime.After(now) && len(records) < maxSettle {
		var more []task.Run
		more, t.Clock, t.State = Fired(t.ID, c, t.Declaration.Policy, t.Clock, now)
		records = append(records, more...)
	}
	if t.State == task.Active || t.State == task.Exhausted {
		// What is excluded and, of too many, what is left.
		records = append(records, pass(t, c, now, task.Missed, task.ReasonLate, now)...)
	}
	return records
}

// silence stops a task from firing, for a reason that is set in it already. What is due and was not
// claimed is recorded as skipped.
func (r Rules) silence(t *task.Task, why task.Reason, now time.Time) []task.Run {
	var records []task.Run
	if t.State == task.Active || t.State == task.Exhausted {
		if c, err := r.Compiled(t); err == nil {
			before := t.Clock
			if records = pass(t, c, now, task.Skipped, why, now); c.Err() != nil {
				records, t.Clock = nil, before // it is recorded when the trigger can tell
			}
		}
	}
	t.Clock.NextFireTime = time.Time{}
	t.State = stateWith(t, schedule.Fires)
	return records
}

// wake ends one of the two reasons for which a task does not fire, and records the instants that passed
// for it. Where both held, the one that began first has the instants up to where the other began, if it
// ends first, and all of them if it ends last; so each instant is recorded once. An error, of a trigger that
// can not be used any more, leaves the task as it is.
func (r Rules) wake(t *task.Task, why task.Reason, now time.Time) ([]task.Run, error) {
	c, err := r.Compiled(t)
	if err != nil {
		return nil, err
	}
	awake := *t
	var since, other time.Time
	if t.Pause != nil {
		other = t.Pause.CreateTime
	}
	since = t.OrphanTime
	if why == task.ReasonPaused {
		since, other = other, since
		awake.Pause = nil
	} else {
		awake.OrphanTime = time.Time{}
	}
	until := now
	if !other.IsZero() {
		until = other
	}
	var records []task.Run
	if other.IsZero() || since.Before(other) {
		records = pass(&awake, c, until, task.Skipped, why, now)
	}
	awake.State = stateWith(&awake, schedule.Fires)
	if awake.State == task.Active {
		var status schedule.Status
		awake.Clock.NextFireTime, status = c.Next(later(now, awake.Clock.RecordedTime), awake.Clock.Progress)
		awake.State = stateOf(status)
	}
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrTriggerFault, err)
	}
	*t = awake
	return records, nil
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

// pass records the instants that passed up to until as skipped or missed, and moves the clock there. Those
// that were excluded are recorded as that.
func pass(t *task.Task, c *schedule.Compiled, until time.Time, state task.RunState, why task.Reason, now time.Time) []task.Run {
	after := t.Clock.RecordedTime
	if !after.Before(until) {
		return nil
	}
	records := excluded(t.ID, c, t.Clock, until, now)
	for passes := 0; passes < maxPasses; passes++ {
		span := passing(c, after, until, t.Clock.Progress)
		if span.Count == 0 {
			break
		}
		records = append(records, passed(t.ID, span, state, why, now))
		if c.FollowsRuns() {
			break // what follows the run is due once, and would be counted again
		}
		after = span.Last
	}
	t.Clock.RecordedTime = until
	return records
}

const (
	// maxPasses bounds the records of one change: a million instants, eleven days of one a second. More
	// than that, of a trigger that is no plain `every`, is not worth a longer transaction.
	maxPasses = 10
	// maxSettle bounds the runs that a change starts late.
	maxSettle = 100
)

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// restart puts the trigger in force, as of now. The error is that of a trigger that does not compile; one with
// a fault pauses the task.
func (r Rules) restart(t *task.Task, now time.Time) error {
	c, err := r.Compiled(t)
	if err != nil {
		return err
	}
	var status schedule.Status
	t.Clock, status = begin(c, t.Clock.FireCount, now)
	t.State = stateWith(t, status)
	if t.State != task.Active {
		t.Clock.NextFireTime = time.Time{}
	}
	if err := c.Err(); err != nil {
		Park(t, err, now)
	}
	return nil
}

// Park pauses a task whose trigger can not be used, and reports whether it was not paused already: then who
// paused it and why stays.
func Park(t *task.Task, why error, now time.Time) bool {
	parked := t.Pause == nil
	if parked {
		t.Pause = Parked(why, now)
	}
	t.Clock.NextFireTime = time.Time{}
	t.State = stateWith(t, schedule.Over)
	return parked
}

// Parked is the pause of a task that can not go on.
func Parked(why error, now time.Time) *task.Pause {
	return &task.Pause{Actor: Self, Reason: why.Error(), CreateTime: now}
}

// stateWith is the state of a task whose trigger has that status.
func stateWith(t *task.Task, s schedule.Status) task.State {
	switch {
	case !t.OrphanTime.IsZero():
		return task.Orphaned
	case t.Pause != nil:
		return task.Paused
	}
	return stateOf(s)
}

// touch marks a task as changed by a caller or a declaration.
func touch(t *task.Task, now time.Time) {
	t.Version++
	t.UpdateTime = now
}

func checkEtag(t *task.Task, etag string) error {
	if have := t.Etag(); etag != "" && etag != have {
		return &task.StaleError{Task: t.Declaration.Name, Have: have, Want: etag}
	}
	return nil
}

// Compiled compiles the trigger in force of a task. It was checked before it was stored, but the program may have lost a
// calendar, a custom kind or a time zone since. The error is a task.ErrTriggerFault.
func (r Rules) Compiled(t *task.Task) (*schedule.Compiled, error) {
	c, err := r.Extensions.Compile(t.Trigger())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrTriggerFault, Within("trigger", err))
	}
	return c, nil
}

// Within puts the violations of a trigger under the field that holds it.
func Within(field string, err error) error {
	var invalid *schedule.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &task.InvalidError{Violations: slices.Clone(invalid.Violations)}
	for i := range out.Violations {
		v := &out.Violations[i]
		if v.Field != "" {
			v.Field = "." + v.Field
		}
		v.Field = field + v.Field
	}
	return out
}
