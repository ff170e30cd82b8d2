package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Declare decides what becomes of a task that a program declares. stored is nil if the task is new. The
// declared trigger must compile; if the one in force does not, or has a fault, the task is paused.
//
// A program with a lower revision than the one that had the last word changes nothing.
func (r Rules) Declare(stored *task.Task, decl task.Declaration, now time.Time) (Outcome, error) {
	if stored == nil || r.Replaces(stored) {
		d := &draft{rules: r, now: now}
		d.Task = task.Task{
			ID: task.IDOf(r.Namespace, decl.Name), Namespace: r.Namespace, Declaration: decl,
			Origin: r.origin(), Revision: r.Revision, CreateTime: now,
		}
		o, err := d.made(task.TaskDeclared, r.program())
		if stored != nil {
			o.Task.Version = stored.Version + 1
		}
		return o, err
	}
	d := r.open(*stored, now)
	err := d.declare(decl)
	return d.Outcome, err
}

// Rename decides what becomes of a task whose program declares it under another name. All that belongs to it
// goes with it, to the new id. The program must not be older: then the task keeps its name, and the Outcome says
// so.
func (r Rules) Rename(old task.Task, decl task.Declaration, now time.Time) (Outcome, error) {
	d := r.open(old, now)
	if r.older(&d.Task) {
		d.refuse(fmt.Sprintf("the name %q", decl.Name))
		return d.Outcome, nil
	}
	before := d.Task
	d.Task.ID, d.Task.Declaration.Name = task.IDOf(r.Namespace, decl.Name), decl.Name
	for i := range d.Record {
		d.Record[i].TaskID = d.Task.ID
	}
	d.changed(tell(task.TaskRenamed, r.program(), now, &before, &d.Task, "task_name"))
	err := d.declare(decl)
	return d.Outcome, err
}

// renamedTo begins the reason of a marker: see Marker.
const renamedTo = "it is called "

// Marker is what is left under the former name of a task that a program with a revision has renamed: an orphan
// without a history, so that a program with a lower revision, which still has the former name, does not make a second
// task of it. Whoever has no use for it may delete it. False: there is no need, because no program is older, or
// because the name is taken again.
func (r Rules) Marker(stored *task.Task, former task.Task, name string, now time.Time) (task.Task, bool) {
	if stored != nil || r.Revision == 0 {
		return task.Task{}, false
	}
	d := former.Declaration
	d.Spec = nil
	return task.Task{
		ID: former.ID, Namespace: former.Namespace, Declaration: d, Revision: r.Revision, State: task.Orphaned,
		OrphanTime: now, OrphanReason: fmt.Sprintf("%s%q since revision %d", renamedTo, name, r.Revision),
		Version: 1, CreateTime: now, UpdateTime: now, Clock: task.Clock{RecordedTime: now, Progress: schedule.Progress{Anchor: now}},
	}, true
}

// Replaces reports whether a stored task is a marker that gives way to a task of its name.
func (r Rules) Replaces(stored *task.Task) bool { return IsMarker(stored) && !r.older(stored) }

// IsMarker reports whether a task is no more than a Marker.
func IsMarker(t *task.Task) bool { return strings.HasPrefix(t.OrphanReason, renamedTo) }

// Orphan decides what becomes of a task that the program no longer declares or, of one that lives in the store, that this
// daemon can not run. reason says so to people; empty: in general words. A
// program with a lower revision than the one that had the last word can not remove it: the task is an orphan until
// a program comes that declares it, older or not.
func (r Rules) Orphan(t task.Task, reason string, now time.Time) Outcome {
	d := r.open(t, now)
	declared := t.Origin == task.Declared
	switch removed := !d.Task.OrphanTime.IsZero() && !d.vain; {
	case removed:
		if declared && r.Revision > d.Task.Revision {
			// It is gone by the word of this program too.
			d.Task.Revision, d.Changed = r.Revision, true
		}
		return d.Outcome
	case declared && r.older(&d.Task):
		return r.leave(t, now)
	}
	before := d.Task
	if d.vain {
		before.OrphanTime = time.Time{}
	} else {
		d.Task.OrphanTime = now
	}
	if reason == "" {
		reason = "no live program declares it" // without one, nobody would have removed it
	}
	d.Task.OrphanReason = reason
	who := task.Edit{Actor: Self, Reason: reason}
	if declared {
		d.Task.Revision, who.Actor = r.Revision, Program(r.Revision)
	}
	d.silence(task.ReasonOrphaned)
	d.changed(tell(task.TaskOrphaned, who, now, &before, &d.Task, ofDeclaration...))
	return d.Outcome
}

// left is the reason of an orphan that nobody has removed.
const left = "the program that runs does not declare it, and is older than the one that did"

// leave is Orphan by a program that is too old to remove the task. It stands as one that was claimed in vain: without
// the time of a removal, and what passes meanwhile is recorded when somebody can run it. What has elapsed waits for
// that too.
func (r Rules) leave(t task.Task, now time.Time) Outcome {
	d := &draft{Outcome: Outcome{Task: t}, rules: r, now: now}
	if t.State == task.Orphaned {
		return d.Outcome
	}
	d.Task.State, d.Task.OrphanReason, d.Task.Clock.NextFireTime = task.Orphaned, left, time.Time{}
	who := task.Edit{Actor: Self, Reason: left}
	d.changed(tell(task.TaskOrphaned, who, now, &t, &d.Task, ofDeclaration...))
	return d.Outcome
}

// Adopt decides what becomes of a task that lives in the store and that this daemon can run: it goes on if it was an orphan.
func (r Rules) Adopt(t task.Task, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	who := task.Edit{Actor: Self}
	if !d.Task.OrphanTime.IsZero() {
		before := d.Task
		d.wakeUp()
		d.changed(tell(task.DeclarationChanged, who, now, &before, &d.Task, ofDeclaration...))
		d.tellParked(&before, now)
	}
	d.again(who)
	return d.Outcome, nil
}

// declare is Declare of a task that is stored.
func (d *draft) declare(decl task.Declaration) error {
	t, who := &d.Task, d.rules.program()
	orphaned, same := !t.OrphanTime.IsZero(), decl.Equal(t.Declaration) && t.Origin == d.rules.origin()
	if d.rules.older(t) {
		switch {
		case orphaned && !d.vain:
			d.refuse("the task, which has been removed")
			return nil
		case orphaned:
			// Nobody removed it, and here is somebody who can run it.
			before := d.Task
			d.wakeUp()
			d.changed(tell(task.DeclarationChanged, who, d.now, &before, t, ofDeclaration...))
			d.tellParked(&before, d.now)
		}
		if !same {
			d.refuse(differences(t.Declaration, decl))
		}
		return nil
	}
	if !orphaned && same {
		if t.Revision != d.rules.Revision {
			// The last word is the same word. That is no change worth an event at each deploy.
			t.Revision, d.Changed = d.rules.Revision, true
		}
		d.again(who)
		return nil
	}
	before := d.Task
	t.Revision, t.Origin = d.rules.Revision, d.rules.origin()
	return d.redeclare(decl, &before, true, task.DeclarationChanged, who)
}

// redeclare gives the task another declaration, and tells of it. wake says that the task can be run now, if it
// is an orphan.
func (d *draft) redeclare(decl task.Declaration, before *task.Task, wake bool, action task.Action, who task.Edit) error {
	t := &d.Task
	orphaned, restarts := !t.OrphanTime.IsZero(), !schedule.Equal(decl.Trigger, t.Declaration.Trigger)
	fields := slices.Concat(ofDeclaration, ofOverride)
	override := t.Override
	if restarts && override != nil {
		if override.OnDeclaredChange == task.Yield {
			d.Yielded, override, fields = t.Override, nil, ofDeclaration
		} else {
			kept := *t.Override
			kept.DeclarationChanged = true
			override, restarts = &kept, false
		}
	}
	if restarts {
		d.settle(d.now)
		if wake {
			t.OrphanTime, t.OrphanReason = time.Time{}, ""
		}
	}
	t.Declaration, t.Override = decl, override
	if restarts {
		if err := d.restart(d.now); err != nil {
			return err
		}
	} else if orphaned && wake {
		d.wakeUp()
	}
	d.changed(tell(action, who, d.now, before, t, fields...))
	if d.Yielded != nil {
		why := who
		why.Reason = "the declared trigger has changed"
		d.Audit = append(d.Audit, tell(task.OverrideYielded, why, d.now, before, t, ofOverride...))
	}
	d.tellParked(before, d.now)
	if !restarts && wake {
		// The calendars may have changed with everything else.
		d.again(who)
	}
	return nil
}

// wakeUp ends the orphanage. If the trigger in force can not be used, the task is paused instead, and what passed
// meanwhile is recorded when it is resumed.
func (d *draft) wakeUp() {
	if err := d.wake(task.ReasonOrphaned, d.now); err != nil {
		d.Task.OrphanTime, d.Task.OrphanReason = time.Time{}, ""
		Park(&d.Task, err, d.now)
	}
}

// again decides what becomes of a task whose declaration is what it was. Its trigger may depend on what is
// not: calendars, and the code of custom kinds.
func (d *draft) again(who task.Edit) {
	t := &d.Task
	if t.State != task.Active && t.State != task.Exhausted || !t.Trigger().UsesExtensions() {
		return
	}
	before, records := d.Task, len(d.Record)
	f, err := d.rules.InForce(t)
	if err == nil {
		// What passed before the next fire was excluded by the calendars of that time.
		until := d.now
		if next := t.Clock.NextFireTime; !next.IsZero() && !next.After(d.now) {
			until = next.Add(-time.Microsecond)
		}
		if next, status := f.Next(t.Clock.RecordedTime, t.Clock.Progress); status == schedule.Fires && !next.After(until) &&
			!f.FollowsRuns() && !f.Listens(schedule.StartUp) && !f.Listens(schedule.ShutDown) {
			d.pass(f, until, task.Skipped, task.ReasonExcluded)
		}
		next, status := upcoming(f, t.Clock)
		if err = f.Err(); err == nil {
			if next.Equal(t.Clock.NextFireTime) && len(d.Record) == records {
				return
			}
			t.Clock.NextFireTime, t.State = next, f.state(status, t.Clock.RecordedTime, t.Clock.Progress)
			who.Reason = "a calendar or a custom kind that its trigger names has changed"
			d.changed(tell(task.DeclarationChanged, who, d.now, &before, t, "next_fire_time"))
			return
		}
	}
	Park(t, err, d.now)
	d.changed()
	d.tellParked(&before, d.now)
}

// upcoming is the first fire that is not recorded yet.
func upcoming(f *InForce, clock task.Clock) (time.Time, schedule.Status) {
	if clock.RecordedTime.Before(clock.Progress.Anchor) {
		return f.First(clock.Progress) // what fires at once is to be recorded
	}
	return f.Next(clock.RecordedTime, clock.Progress)
}

// refuse tells that the program is too old for what it declares.
func (d *draft) refuse(what string) {
	who := d.rules.program()
	who.Reason = fmt.Sprintf("revision %d has spoken: refused %s", d.Task.Revision, what)
	d.Audit = append(d.Audit, tell(task.DeclarationRefused, who, d.now, &d.Task, &d.Task))
}

// differences says what another declaration says otherwise.
func differences(stored, other task.Declaration) string {
	var what []string
	if !schedule.Equal(stored.Trigger, other.Trigger) {
		what = append(what, fmt.Sprintf("the trigger %q", other.Trigger))
	}
	a, b := view{}, view{}
	a.declaration(stored)
	b.declaration(other)
	for _, field := range ofDeclaration {
		if field != declaredTrigger && !same(a[field], b[field]) {
			text := "another " + field
			if field == "target" {
				text += fmt.Sprintf(" (%s, which is what runs here all the same)", other.Target.Summary)
			}
			what = append(what, text)
		}
	}
	if len(what) == 0 {
		return "another kind of target, which is what runs here all the same" // all else is seen above
	}
	return strings.Join(what, ", ")
}
