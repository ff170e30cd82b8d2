package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// stripes are locks, one for many tasks each, that keep a task from being made, removed and made again at the
// same time: its entry and its row come and go in two steps.
type stripes [64]sync.Mutex

func (s *stripes) of(id uuid.UUID) *sync.Mutex { return &s[id[15]%64] }

// newTarget makes what does the work of a task that was made through the API. Errors: task.ErrInvalid with fields
// such as "command.args", task.ErrNotAllowed.
func (e *Engine) newTarget(spec *task.TargetSpec) (target.Target, error) {
	if e.cfg.NewTarget == nil {
		return nil, fmt.Errorf("%w: this daemon runs no tasks that are made through the API", task.ErrNotAllowed)
	}
	return e.cfg.NewTarget(spec)
}

// CreateTask makes a task that lives in the store. Errors: task.ErrExists, task.ErrInvalid, task.ErrNotAllowed,
// task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) CreateTask(ctx context.Context, c task.TaskCreate) (task.Task, error) {
	tg, err := e.newTarget(c.Declaration.Spec)
	if err != nil {
		return task.Task{}, of("task", err)
	}
	c.Declaration.Target = tg.Describe()
	id := task.IDOf(e.cfg.Namespace, c.Declaration.Name)
	mu := e.members.of(id)
	mu.Lock()
	defer mu.Unlock()
	if c.ValidateOnly {
		stored, err := e.stored(ctx, id)
		if err != nil {
			return task.Task{}, err
		}
		o, err := e.rules.Load().Create(stored, c, e.now())
		return o.Task, of("task", err)
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	// The entry follows the row: no claim comes between while gate is held.
	t, err := e.change(ctx, id, none, func(stored *task.Task, now time.Time) (store.Change, error) {
		o, err := e.rules.Load().Create(stored, c, now)
		return changeOf(&o), of("task", err)
	})
	if err != nil {
		return task.Task{}, err
	}
	_, _ = e.learn(e.tasks.put(id, Task{Declaration: t.Declaration, Target: tg}), &t)
	return t, nil
}

// stored returns a task as an UpdateFunc gets it: nil if it is not there.
func (e *Engine) stored(ctx context.Context, id uuid.UUID) (*task.Task, error) {
	t, err := e.Task(ctx, task.ByID(id))
	switch {
	case err == nil:
		return &t, nil
	case isNotFound(err):
		return nil, nil
	}
	return nil, err
}

// AnnounceTask makes a task that a worker declares, or declares it anew, and returns it. Errors: task.ErrDeclared,
// task.ErrInvalid with fields from "task" on, task.ErrNotAllowed, task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) AnnounceTask(ctx context.Context, a task.Announcement) (task.Task, error) {
	tg, err := e.newTarget(a.Declaration.Spec)
	if err != nil {
		return task.Task{}, of("task", err)
	}
	a.Declaration.Target = tg.Describe()
	id := task.IDOf(e.cfg.Namespace, a.Declaration.Name)
	mu := e.members.of(id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	stored, err := e.stored(ctx, id)
	if err != nil {
		return task.Task{}, err
	}
	// Most say what they said before, each time that they connect.
	o, err := e.rules.Load().Announce(stored, a, e.now())
	if err != nil || stored != nil && !o.Changed && len(o.Audit) == 0 {
		return o.Task, of("task", err)
	}
	was := e.tasks.get(id)
	if was == nil {
		// What wakes up may have something to run at once.
		e.tasks.put(id, Task{Declaration: a.Declaration, Target: tg})
	}
	var said notices
	t, err := e.change(ctx, id, future, func(stored *task.Task, now time.Time) (store.Change, error) {
		o, err := e.rules.Load().Announce(stored, a, now)
		if err != nil {
			return store.Change{}, of("task", err)
		}
		said = said[:0]
		said.declared(e, stored, &o)
		return changeOf(&o), nil
	})
	switch {
	case was == nil && (err != nil || !t.OrphanTime.IsZero()):
		e.tasks.remove(id)
	case err == nil && t.Declaration.Spec != nil:
		_, _ = e.learn(e.tasks.put(id, Task{Declaration: t.Declaration, Target: tg}), &t)
	}
	if err != nil {
		return task.Task{}, err
	}
	said.write()
	return t, nil
}

// UpdateTask changes a task that was made through the API. Errors: task.ErrTaskNotFound, task.ErrStale,
// task.ErrDeclared, and those of CreateTask but task.ErrExists.
func (e *Engine) UpdateTask(ctx context.Context, ref task.Ref, c task.TaskUpdate) (task.Task, error) {
	before, err := e.Task(ctx, ref)
	if err != nil {
		return task.Task{}, err
	}
	apply := c.Apply
	var tg target.Target
	var asked error // of apply, which names the fields of the request itself
	c.Apply = func(d *task.Declaration) error {
		if asked = apply(d); asked != nil {
			return asked
		}
		made, err := e.newTarget(d.Spec)
		if err != nil {
			return err
		}
		tg, d.Target = made, made.Describe()
		return nil
	}
	update := func(t task.Task, now time.Time) (reconcile.Outcome, error) {
		asked = nil
		o, err := e.rules.Load().Update(t, c, now)
		if asked != nil {
			return o, asked
		}
		if err != nil || o.Task.OrphanTime.IsZero() {
			return o, of("update", err)
		}
		// Here is what can run it.
		woken, err := e.rules.Load().Adopt(o.Task, now)
		if !woken.Changed {
			return o, err
		}
		woken.Record, woken.Audit = append(o.Record, woken.Record...), append(o.Audit, woken.Audit...)
		return woken, err
	}
	if c.ValidateOnly {
		return e.wouldBe(ctx, ref, update)
	}
	e.resolve(ctx)
	mu := e.members.of(before.ID)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	t, err := e.editHeld(ctx, before.ID, ref, future, update)
	if err != nil {
		return task.Task{}, err
	}
	_, _ = e.learn(e.tasks.put(t.ID, Task{Declaration: t.Declaration, Target: tg}), &t)
	return t, nil
}

// of puts the violations of what a caller says of a task under the field of the request that says it.
func of(field string, err error) error {
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	renamed := &task.InvalidError{Violations: slices.Clone(invalid.Violations)}
	for i := range renamed.Violations {
		if v := &renamed.Violations[i]; v.Field == "name" {
			v.Field = "task_name"
		}
	}
	return reconcile.Within(field, renamed)
}

// DeleteTask deletes a task that was made through the API, or one that is orphaned. What goes is canceled. Errors:
// task.ErrTaskNotFound, task.ErrStale, task.ErrDeclared, task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) DeleteTask(ctx context.Context, ref task.Ref, c task.Edit) error {
	before, err := e.Task(ctx, ref)
	if err != nil {
		return err
	}
	if err := e.elsewhere(ctx, &before); err != nil {
		return err
	}
	mu := e.members.of(before.ID)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	_, err = e.change(ctx, before.ID, every, func(stored *task.Task, now time.Time) (store.Change, error) {
		if stored == nil {
			return store.Change{}, task.TaskNotFound(ref)
		}
		event, err := e.rules.Load().Delete(*stored, c, now)
		if err != nil {
			return store.Change{}, err
		}
		return store.Change{Delete: true, Audit: []task.Event{event}}, nil
	})
	if err != nil {
		return err
	}
	e.tasks.remove(before.ID)
	e.deadlines.set(before.ID, time.Time{})
	e.cancelAll(before.ID, c.Actor, "its task was deleted")
	return nil
}

// cancelAll cancels the runs of a task that are going. Nobody waits for them here.
func (e *Engine) cancelAll(id uuid.UUID, actor, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.lanes[id]; l != nil { // by now also that of what began before the task was renamed
		for _, a := range l.active {
			a.end(actor, why)
		}
	}
}
