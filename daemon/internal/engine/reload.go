package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Program is what a program says: all of it can change while the engine runs.
type Program struct {
	// Revision is that of the program. 0: it has none.
	Revision int64
	// Tasks are all that it declares, each with a valid declaration and a name of its own.
	Tasks []Task
	// Extensions are the calendars and custom kinds that triggers may use. Nil: none. Another pointer means that
	// they may have changed.
	Extensions *schedule.Extensions
	// Limits are those of all tasks together, Groups those of the tasks of a group.
	Limits task.Limits
	Groups map[string]task.Limits
}

// reloaders is how many tasks a reload changes at the same time: their transactions share a flush.
const reloaders = 32

// Reload puts another program in place of the one that runs, as a stop and a start with it would, but what goes
// goes on, and start-up and shut-down triggers do not fire. It returns when everything is in force. If it
// returns an error, which is that of the first task that could not be changed, some tasks are changed and others
// are not; another Reload puts that right. Errors: task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) Reload(ctx context.Context, p Program) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if err := e.up(); err != nil {
		return err
	}
	before := e.rules.Load()
	rules := &reconcile.Rules{Namespace: e.cfg.Namespace, Extensions: p.Extensions, Revision: p.Revision}
	all := e.halfway || rules.Revision != before.Revision || rules.Extensions != before.Extensions
	e.halfway = true
	e.before.CompareAndSwap(nil, before)
	e.rules.Store(rules)
	e.setLimits(p.Limits, p.Groups)

	if err := e.offerProgram(ctx, p.Tasks); err != nil {
		return err
	}
	declared := make(map[uuid.UUID]bool, len(p.Tasks))
	var changed []Task
	for _, t := range p.Tasks {
		id := task.IDOf(e.cfg.Namespace, t.Declaration.Name)
		declared[id] = true
		en := e.tasks.get(id)
		if !all && en != nil && e.declares(id) && en.program.Load().Declaration.Equal(t.Declaration) {
			e.tasks.put(id, t) // what does the work may differ where the declaration does not
			continue
		}
		changed = append(changed, t)
	}
	var gone, created []*entry
	for _, en := range e.tasks.all() {
		switch {
		case declared[en.id]:
		case en.program.Load().Declaration.Spec == nil:
			gone = append(gone, en)
		case all:
			created = append(created, en)
		}
	}
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(reloaders)
	for _, t := range changed {
		work.Go(func() error { return e.later(t, e.redeclare(workCtx, t)) })
	}
	for _, en := range created {
		work.Go(func() error { return notHeld(e.readopt(workCtx, en)) })
	}
	err := work.Wait()
	// What goes comes last: a task that is renamed is there under its new name by then.
	if e.node != nil {
		if err == nil {
			err = e.reoffer(ctx, gone, all)
		}
		gone = nil
		all = false
	}
	for _, en := range gone {
		if err == nil {
			err = e.withdraw(ctx, en)
		}
	}
	if err == nil && all {
		err = e.revisit(ctx, declared)
	}
	if err != nil {
		return err
	}
	e.halfway = false
	e.before.Store(nil)
	e.log.Info("program reloaded", "tasks", len(p.Tasks), "looked_at", len(changed), "removed", len(gone), "revision", p.Revision,
		"limits", p.Limits, "groups", len(p.Groups))
	return nil
}

// revisit looks again at the tasks in the store that neither the program declares nor this daemon runs: a program with
// another revision may have another say in them.
func (e *Engine) revisit(ctx context.Context, declared map[uuid.UUID]bool) error {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.refusal != nil {
		return e.refusal
	}
	for q := (task.TaskQuery{Limit: declareBatch, Lean: true}); ; {
		page, err := e.store.Tasks(ctx, q)
		if err != nil {
			return err
		}
		var strangers []task.Task
		for i := range page {
			if !declared[page[i].ID] && e.tasks.get(page[i].ID) == nil {
				strangers = append(strangers, page[i])
			}
		}
		late, err := e.adopt(ctx, strangers)
		if err != nil {
			return err
		}
		e.arm(late...)
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].Declaration.Name
	}
}

// readopt tells a task that lives in the store that calendars and custom kinds may mean something else.
func (e *Engine) readopt(ctx context.Context, en *entry) error {
	mu := e.members.of(en.id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	_, err := e.change(ctx, en.id, future, func(stored *task.Task, now time.Time) (store.Change, error) {
		if stored == nil || !stored.Origin.Lives() {
			return store.Change{}, nil
		}
		o, err := e.rules.Load().Adopt(*stored, now)
		return changeOf(&o), err
	})
	if err != nil {
		return fmt.Errorf("task %q: %w", en.name, err)
	}
	return nil
}

// declares reports whether the program, and not the API, has made the entry of a task.
func (e *Engine) declares(id uuid.UUID) bool {
	en := e.tasks.get(id)
	return en != nil && en.program.Load().Declaration.Spec == nil
}

// redeclare declares one task while the engine runs.
func (e *Engine) redeclare(ctx context.Context, t Task) error {
	id := task.IDOf(e.cfg.Namespace, t.Declaration.Name)
	mu := e.members.of(id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.refusal != nil {
		return e.refusal
	}
	was := e.tasks.get(id)
	var program *Task
	if was != nil {
		program = was.program.Load()
	}
	en := e.tasks.put(id, t)
	if was == nil && len(t.FormerNames) > 0 {
		if err := e.renameLive(ctx, en); err != nil {
			e.tasks.remove(id)
			return err
		}
	}
	var said notices
	got, err := e.change(ctx, id, future, func(stored *task.Task, now time.Time) (store.Change, error) {
		o, err := e.rules.Load().Declare(stored, t.Declaration, now)
		if err != nil {
			return store.Change{}, err
		}
		said = said[:0]
		said.declared(e, stored, &o)
		return changeOf(&o), nil
	})
	switch {
	case err != nil && was == nil:
		e.tasks.remove(id)
	case err != nil:
		was.program.Store(program)
	case err == nil && !got.OrphanTime.IsZero():
		e.tasks.remove(id) // a program with a higher revision has removed it
	}
	if err != nil {
		return fmt.Errorf("task %q: %w", t.Declaration.Name, err)
	}
	said.write()
	return nil
}

// renameLive is rename while the engine runs: the fires of the former name that have not started are taken back.
func (e *Engine) renameLive(ctx context.Context, en *entry) error {
	if free, err := e.vacant(ctx, en.id); err != nil || !free {
		return err
	}
	for _, former := range en.program.Load().FormerNames {
		id := task.IDOf(e.cfg.Namespace, former)
		if e.tasks.get(id) == nil {
			continue
		}
		var was task.Task
		t, err := e.change(ctx, id, future, func(stored *task.Task, now time.Time) (store.Change, error) {
			if stored == nil {
				return store.Change{}, nil
			}
			was = *stored
			o, err := e.rules.Load().Rename(*stored, en.program.Load().Declaration, now)
			return changeOf(&o), err
		})
		if err != nil {
			return fmt.Errorf("renaming task %q to %q: %w", former, en.name, err)
		}
		if t.ID != en.id {
			continue // it is not there, or the program is too old
		}
		e.tasks.remove(id)
		e.deadlines.set(id, time.Time{})
		e.moveRuns(id, en.id)
		e.log.Info("task renamed", "task_name", en.name, "former_name", former)
		return e.mark(ctx, was, en.name)
	}
	late, err := e.rename(ctx, en)
	e.arm(late...)
	return err
}

// withdraw orphans a task that the program no longer declares.
func (e *Engine) withdraw(ctx context.Context, en *entry) error {
	mu := e.members.of(en.id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.tasks.get(en.id) != en {
		return nil // it was renamed
	}
	_, err := e.change(ctx, en.id, every, func(stored *task.Task, now time.Time) (store.Change, error) {
		if stored == nil {
			return store.Change{}, nil
		}
		o := e.rules.Load().Orphan(*stored, notDeclared(e.rules.Load().Revision), now)
		return changeOf(&o), nil
	})
	if err != nil {
		return fmt.Errorf("task %q: %w", en.name, err)
	}
	e.tasks.remove(en.id)
	return nil
}

// Diff says what Reload, or a start with the same program, would change, in the order of the names of the tasks.
// Errors: task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) Diff(ctx context.Context, p Program) ([]task.TaskDiff, error) {
	if err := e.up(); err != nil {
		return nil, err
	}
	return Diff(ctx, e.store, e.cfg.Namespace, p, e.now())
}

// reader is what Diff reads.
type reader interface {
	Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error)
}

// Diff says what a start with a program would change in a store.
func Diff(ctx context.Context, s reader, namespace string, p Program, now time.Time) ([]task.TaskDiff, error) {
	stored := make(map[uuid.UUID]*task.Task)
	for q := (task.TaskQuery{Limit: declareBatch}); ; {
		page, err := s.Tasks(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page {
			page[i].LastRun = nil
			stored[page[i].ID] = &page[i]
		}
		if len(page) < q.Limit {
			break
		}
		q.After = page[len(page)-1].Declaration.Name
	}
	rules := reconcile.Rules{Namespace: namespace, Extensions: p.Extensions, Revision: p.Revision}
	declared := make(map[uuid.UUID]bool, len(p.Tasks))
	for _, t := range p.Tasks {
		declared[task.IDOf(namespace, t.Declaration.Name)] = true
	}
	var diffs []task.TaskDiff
	note := func(o *reconcile.Outcome) {
		for _, event := range o.Audit {
			diffs = append(diffs, task.TaskDiff{
				TaskName: event.TaskName, Action: event.Action, Reason: event.Reason, Before: event.Before, After: event.After,
			})
		}
	}
	var problems []error
	for _, t := range p.Tasks {
		id := task.IDOf(namespace, t.Declaration.Name)
		known := stored[id]
		for _, former := range t.FormerNames {
			old := task.IDOf(namespace, former)
			if known != nil && !rules.Replaces(known) || stored[old] == nil || reconcile.IsMarker(stored[old]) || declared[old] {
				continue
			}
			o, err := rules.Rename(*stored[old], t.Declaration, now)
			if err != nil {
				problems = append(problems, fmt.Errorf("task %q: %w", t.Declaration.Name, err))
				continue
			}
			note(&o)
			if o.Task.ID == id { // or the program is too old
				known = &o.Task
				delete(stored, old)
			}
		}
		o, err := rules.Declare(known, t.Declaration, now)
		if err != nil {
			problems = append(problems, fmt.Errorf("task %q: %w", t.Declaration.Name, err))
			continue
		}
		note(&o)
		delete(stored, id)
	}
	for _, t := range stored {
		if t.Origin.Lives() || !t.OrphanTime.IsZero() {
			continue
		}
		o := rules.Orphan(*t, notDeclared(p.Revision), now)
		note(&o)
	}
	slices.SortStableFunc(diffs, func(a, b task.TaskDiff) int { return strings.Compare(a.TaskName, b.TaskName) })
	return diffs, errors.Join(problems...)
}
