package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Self is the actor of what the daemon does on its own account.
const Self = "clockd"

// Program is the actor of what a program with that revision declares. 0: it has none.
func Program(revision int64) string {
	if revision == 0 {
		return "program"
	}
	return fmt.Sprintf("program revision %d", revision)
}

// Rules are the decisions about whole tasks, with what they depend on beside their arguments.
//
// Each method that takes a stored task first ends the override and the pause of it whose time has come by now:
// see [Rules.Elapse]. Only an Orphan that is refused does not. Its Outcome holds that too, so that it may have changed the task though what was asked
// for did not.
type Rules struct {
	// Namespace is that of the daemon.
	Namespace string
	// Extensions are the calendars and custom kinds of the program. Nil: none.
	Extensions *schedule.Extensions
	// Revision is that of the program. 0: it has none.
	Revision int64

	// worker declares in place of the program: see Announce. Nil: the program does.
	worker *task.Announcement
}

// Outcome is what a decision makes of a task.
type Outcome struct {
	// Task is the task as it shall be stored.
	Task task.Task
	// Changed reports whether it differs from what was stored. If not, there is nothing to do but to record what
	// Audit holds.
	Changed bool
	// Record are runs to record: what was due before the change, and what passed without a run.
	Record []task.Run
	// Yielded is the override that a new declaration ended. Nil: none.
	Yielded *task.Override
	// Audit are events to record. Each raise of Version has at least one.
	Audit []task.Event
}

// draft is a decision under way.
type draft struct {
	Outcome
	rules Rules
	now   time.Time
	// vain says that the task has become an orphan because a program claimed it that can not run it: nobody has
	// removed it, so it has no reason.
	vain bool
}

// open begins a decision on a stored task with what has elapsed.
func (r Rules) open(t task.Task, now time.Time) *draft {
	d := &draft{Outcome: Outcome{Task: t}, rules: r, now: now}
	d.vain = t.State == task.Orphaned && (t.OrphanReason == "" || t.OrphanReason == left)
	if d.vain && t.OrphanTime.IsZero() {
		d.Task.OrphanTime = t.Clock.RecordedTime // nothing was recorded since the clock stood still
	}
	d.elapse()
	return d
}

// program is who declares.
func (r Rules) program() task.Edit {
	if r.worker == nil {
		return task.Edit{Actor: Program(r.Revision)}
	}
	return task.Edit{Actor: announcer(r.worker), Peer: r.worker.Peer}
}

// origin is that of what the program declares.
func (r Rules) origin() task.Origin {
	if r.worker != nil {
		return task.Announced
	}
	return task.Declared
}

// older reports whether the program is too old to change the declaration of the task. The revisions of a program and of
// a worker are in no order.
func (r Rules) older(t *task.Task) bool {
	return r.Revision != 0 && r.Revision < t.Revision && (t.Origin == task.Announced) == (r.worker != nil)
}

// changed marks the task as changed by a caller, a declaration or the clock, and tells of it. before is the
// task as it was.
func (d *draft) changed(events ...task.Event) {
	d.Changed = true
	d.Task.Version++
	d.Task.UpdateTime = d.now
	d.Audit = append(d.Audit, events...)
}

// checkEtag returns an error if the task is not the one that the caller knows.
func (d *draft) checkEtag(etag string) error {
	if have := d.Task.Etag(); etag != "" && etag != have {
		return &task.StaleError{Task: d.Task.Declaration.Name, Have: have, Want: etag}
	}
	return nil
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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
