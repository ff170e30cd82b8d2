package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Create decides what becomes of a task that a caller makes. stored is what there is under its name, or nil.
// Errors: task.ErrExists, task.ErrInvalid, with the fields of a Declaration.
func (r Rules) Create(stored *task.Task, c task.TaskCreate, now time.Time) (Outcome, error) {
	if stored != nil {
		return Outcome{}, fmt.Errorf("%w: %q", task.ErrExists, c.Declaration.Name)
	}
	if err := r.check(&c.Declaration, nil, now); err != nil {
		return Outcome{}, err
	}
	d := &draft{rules: r, now: now}
	d.Task = task.Task{
		ID: task.IDOf(r.Namespace, c.Declaration.Name), Namespace: r.Namespace, Declaration: c.Declaration,
		Origin: task.Created, CreateTime: now,
	}
	return d.made(task.TaskCreated, c.Edit)
}

// Update decides what becomes of a task that was made by Create when a caller changes it. What it says of the
// trigger is a new declaration. An orphan stays one. Errors: task.ErrStale, task.ErrDeclared, task.ErrInvalid, and
// that of c.Apply.
func (r Rules) Update(t task.Task, c task.TaskUpdate, now time.Time) (Outcome, error) {
	d := r.open(t, now)
	switch t.Origin {
	case task.Declared:
		return Outcome{}, fmt.Errorf("%w: change %q there", task.ErrDeclared, t.Declaration.Name)
	case task.Announced:
		return Outcome{}, fmt.Errorf("%w, the worker that runs it: change %q there", task.ErrDeclared, t.Declaration.Name)
	}
	if err := d.checkEtag(c.Etag); err != nil {
		return Outcome{}, err
	}
	decl := d.Task.Declaration
	decl.Labels = maps.Clone(decl.Labels)
	if err := c.Apply(&decl); err != nil {
		return Outcome{}, err
	}
	if decl.Name != t.Declaration.Name {
		return Outcome{}, task.Invalid("name", "%q never changes: it is the name of the task; leave it out", t.Declaration.Name)
	}
	if err := r.check(&decl, &t.Declaration.Trigger, now); err != nil {
		return Outcome{}, err
	}
	if decl.Equal(d.Task.Declaration) {
		return d.Outcome, nil
	}
	before := d.Task
	err := d.redeclare(decl, &before, false, task.TaskUpdated, c.Edit)
	return d.Outcome, err
}

// Delete decides whether a caller may delete a task, and returns the event that tells of it. Errors:
// task.ErrStale, task.ErrDeclared.
func (r Rules) Delete(t task.Task, e task.Edit, now time.Time) (task.Event, error) {
	d := r.open(t, now)
	if t.Origin == task.Declared && d.Task.OrphanTime.IsZero() {
		return task.Event{}, fmt.Errorf("%w: remove %q there", task.ErrDeclared, t.Declaration.Name)
	}
	if err := d.checkEtag(e.Etag); err != nil {
		return task.Event{}, err
	}
	return tell(task.TaskDeleted, e, now, &d.Task, nil), nil
}

// check returns all that is wrong with a declaration that a caller makes, and puts its trigger into canonical
// form. before is the declared trigger that was checked already. Nil: there is none.
func (r Rules) check(decl *task.Declaration, before *schedule.Trigger, now time.Time) error {
	found := decl.Check()
	if before == nil || !schedule.Equal(decl.Trigger, *before) {
		compiled, err := r.fires("trigger", decl.Trigger, now)
		var invalid *task.InvalidError
		switch {
		case err == nil:
			decl.Trigger = compiled.Trigger()
		case errors.As(err, &invalid):
			found = append(found, invalid.Violations...)
		default:
			return err
		}
	}
	if len(found) > 0 {
		return &task.InvalidError{Violations: found}
	}
	return nil
}

// made puts a new task in force.
func (d *draft) made(action task.Action, who task.Edit) (Outcome, error) {
	if err := d.restart(d.now); err != nil {
		return Outcome{}, err
	}
	d.changed(tell(action, who, d.now, nil, &d.Task))
	d.tellParked(&task.Task{}, d.now)
	return d.Outcome, nil
}
