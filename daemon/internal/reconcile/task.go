package reconcile

import (
	"fmt"
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

// Declare decides what becomes of a task that a program declares. stored is nil if the task is new.
func Declare(namespace string, stored *task.Task, d task.Declaration, now time.Time) (Outcome, error) {
	if stored == nil {
		t := task.Task{
			ID: task.IDOf(namespace, d.Name), Namespace: namespace, Declaration: d,
			Version: 1, CreateTime: now, UpdateTime: now,
		}
		if err := restart(&t, now); err != nil {
			return Outcome{}, err
		}
		return Outcome{Task: t, Changed: true}, nil
	}
	t := *stored
	if t.State == task.Orphaned && t.OrphanTime.IsZero() {
		// Another program claimed it in vain: nothing was recorded since the clock stood still.
		t.OrphanTime = position(t.Clock.Progress)
	}
	orphaned := !t.OrphanTime.IsZero()
	if !orphaned && d.Equal(t.Declaration) {
		return Outcome{Task: t}, nil
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
	var err error
	if changed {
		o.Record, err = settle(&t, now)
		t.OrphanTime = time.Time{}
	} else if orphaned {
		o.Record, err = wake(&t, task.ReasonOrphaned, now)
	}
	if err != nil {
		return Outcome{}, err
	}
	t.Declaration, t.Override = d, override
	if changed {
		if err := restart(&t, now); err != nil {
			return Outcome{}, err
		}
	}
	touch(&t, now)
	o.Task = t
	return o, nil
}

// Orphan decides what becomes of a task that the program no longer declares.
func Orphan(t task.Task, now time.Time) (Outcome, error) {
	if !t.OrphanTime.IsZero() {
		return Outcome{Task: t}, nil
	}
	t.OrphanTime = now
	records, err := silence(&t, task.ReasonOrphaned, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, err
}

// Override decides what becomes of a task when a caller puts a trigger in force.
func Override(t task.Task, c task.TriggerChange, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, c.Etag); err != nil {
		return Outcome{}, err
	}
	compiled, err := schedule.Compile(c.Trigger)
	if err != nil {
		return Outcome{}, err
	}
	if _, status := begin(compiled, 0, now); status == schedule.Over {
		return Outcome{}, task.Invalid("trigger", "%q has no fire after %s: its times have passed", c.Trigger, now.Format(time.RFC3339))
	}
	o := Outcome{Changed: true}
	if o.Record, err = settle(&t, now); err != nil {
		return Outcome{}, err
	}
	t.Override = &task.Override{
		Trigger: compiled.Trigger(), Actor: c.Actor, Reason: c.Reason, CreateTime: now,
		OnDeclaredChange: c.OnDeclaredChange,
	}
	err = restart(&t, now)
	touch(&t, now)
	o.Task = t
	return o, err
}

// Reset decides what becomes of a task when a caller ends its override.
func Reset(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	if t.Override == nil {
		return Outcome{Task: t}, nil
	}
	records, err := settle(&t, now)
	if err != nil {
		return Outcome{}, err
	}
	t.Override = nil
	err = restart(&t, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, err
}

// Pause decides what becomes of a task when a caller pauses it. Pausing a paused task replaces who and
// why, and keeps since when.
func Pause(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	p := task.Pause{Actor: e.Actor, Reason: e.Reason, CreateTime: now}
	if t.Pause != nil {
		p.CreateTime = t.Pause.CreateTime
	}
	t.Pause = &p
	records, err := silence(&t, task.ReasonPaused, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, err
}

// Resume decides what becomes of a task when a caller ends its pause. The instants that passed are
// recorded as skipped; the next fire is the first after now.
func Resume(t task.Task, e task.Edit, now time.Time) (Outcome, error) {
	if err := checkEtag(&t, e.Etag); err != nil {
		return Outcome{}, err
	}
	if t.Pause == nil {
		return Outcome{Task: t}, nil
	}
	records, err := wake(&t, task.ReasonPaused, now)
	touch(&t, now)
	return Outcome{Task: t, Changed: true, Record: records}, err
}

// settle deals with what was due before another trigger comes into force: as if it had been claimed at
// that moment or, of a task that does not fire, as skipped.
func settle(t *task.Task, now time.Time) ([]task.Run, error) {
	c, err := compiled(t)
	if err != nil {
		return nil, err
	}
	if since, why := silent(t); why != 0 {
		return pass(t, c, silentFrom(t, c, since), now, task.Skipped, why, now), nil
	}
	var records []task.Run
	for t.State == task.Active && !t.Clock.NextFireTime.IsZero() && !t.Clock.NextFireTime.After(now) && len(records) < maxSettle {
		var r []task.Run
		r, t.Clock, t.State = Fired(t.ID, c, t.Declaration.Policy, t.Clock, now)
		records = append(records, r...)
	}
	if next := t.Clock.NextFireTime; len(records) >= maxSettle && !next.IsZero() && !next.After(now) {
		records = append(records, pass(t, c, t.Clock.NextFireTime.Add(-time.Microsecond), now, task.Missed, task.ReasonLate, now)...)
	}
	return records, nil
}

// silence stops a task from firing, for a reason that is set in it already. What is due and was not
// claimed is recorded as skipped.
func silence(t *task.Task, why task.Reason, now time.Time) ([]task.Run, error) {
	var records []task.Run
	if next := t.Clock.NextFireTime; t.State == task.Active && !next.IsZero() && !next.After(now) {
		c, err := compiled(t)
		if err != nil {
			return nil, err
		}
		records = pass(t, c, next.Add(-time.Microsecond), now, task.Skipped, why, now)
	}
	t.Clock.NextFireTime = time.Time{}
	t.State = stateWith(t, schedule.Fires)
	return records, nil
}

// wake ends one of the two reasons for which a task does not fire, and records the instants that passed
// for it. Where both held, the one that began first has the instants up to where the other began, if it
// ends first, and all of them if it ends last; so each instant is recorded once.
func wake(t *task.Task, why task.Reason, now time.Time) ([]task.Run, error) {
	c, err := compiled(t)
	if err != nil {
		return nil, err
	}
	var since, other time.Time
	if t.Pause != nil {
		other = t.Pause.CreateTime
	}
	since = t.OrphanTime
	if why == task.ReasonPaused {
		since, other = other, since
		t.Pause = nil
	} else {
		t.OrphanTime = time.Time{}
	}
	until := now
	if !other.IsZero() {
		until = other
	}
	var records []task.Run
	if other.IsZero() || since.Before(other) {
		records = pass(t, c, silentFrom(t, c, since), until, task.Skipped, why, now)
	}
	t.State = stateWith(t, schedule.Fires)
	if t.State == task.Active {
		var status schedule.Status
		t.Clock.NextFireTime, status = c.Next(later(now, position(t.Clock.Progress)), t.Clock.Progress)
		t.State = stateOf(status)
	}
	return records, nil
}

// silent returns since when and why a task does not fire, as far as that is not recorded yet. Zero: it
// fires.
func silent(t *task.Task) (since time.Time, why task.Reason) {
	switch {
	case t.Pause != nil && (t.OrphanTime.IsZero() || t.Pause.CreateTime.Before(t.OrphanTime)):
		since, why = t.Pause.CreateTime, task.ReasonPaused
	case !t.OrphanTime.IsZero():
		since, why = t.OrphanTime, task.ReasonOrphaned
	default:
		return time.Time{}, 0
	}
	return since, why
}

// silentFrom is the instant after which nothing is recorded of a task that has not fired since then.
func silentFrom(t *task.Task, c *schedule.Compiled, since time.Time) time.Time {
	p := t.Clock.Progress
	if since.Before(p.Anchor) && p.LastFire.IsZero() {
		// The trigger came into force meanwhile. What fires at once passed then.
		if first, status := c.First(p); status == schedule.Fires && first.Equal(p.Anchor) {
			return first.Add(-time.Microsecond)
		}
	}
	return later(since, position(p))
}

// pass records the instants in (after, until] as skipped or missed.
func pass(t *task.Task, c *schedule.Compiled, after, until time.Time, state task.RunState, why task.Reason, now time.Time) []task.Run {
	var records []task.Run
	for len(records) < maxPasses {
		span := passing(c, after, until, t.Clock.Progress)
		if span.Count == 0 {
			break
		}
		records = append(records, passed(t.ID, span, state, why, now))
		if c.FollowsRuns() {
			break
		}
		after = span.Last
	}
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

// restart puts the trigger in force, as of now.
func restart(t *task.Task, now time.Time) error {
	c, err := compiled(t)
	if err != nil {
		return err
	}
	var status schedule.Status
	t.Clock, status = begin(c, t.Clock.FireCount, now)
	t.State = stateWith(t, status)
	if t.State != task.Active {
		t.Clock.NextFireTime = time.Time{}
	}
	return nil
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

// compiled compiles the trigger in force. It was checked before it was stored, so an error is a defect
// or a file that somebody else wrote.
func compiled(t *task.Task) (*schedule.Compiled, error) {
	c, err := schedule.Compile(t.Trigger())
	if err != nil {
		return nil, fmt.Errorf("task %q: stored trigger: %w", t.Declaration.Name, err)
	}
	return c, nil
}
