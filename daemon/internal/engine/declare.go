package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// declareBatch is how many tasks are declared in one transaction.
const declareBatch = 1000

// declare brings the store in line with what this program declares. It returns the runs of fires that were
// due before another trigger came into force.
//
// It reads all tasks once. Most are as the program declares them, and it has nothing to write for those: a
// transaction is only for the others, and decides anew.
func (e *Engine) declare(ctx context.Context) ([]*pending, error) {
	entries := e.tasks.all()
	// In the order in which lists are read: what a store writes together lies together.
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	var late []*pending
	for _, en := range entries {
		more, err := e.rename(ctx, en)
		if err != nil {
			return nil, err
		}
		late = append(late, more...)
	}
	same := make(map[uuid.UUID]bool, len(entries))
	strangers, err := e.survey(ctx, same)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(en *entry) bool { return same[en.id] })
	if len(entries) > 0 {
		ahead, err := e.notDueYet(ctx)
		if err != nil {
			return nil, err
		}
		for batch := range slices.Chunk(entries, declareBatch) {
			more, err := e.declareBatch(ctx, batch, ahead)
			if err != nil {
				return nil, fmt.Errorf("declaring tasks: %w", err)
			}
			late = append(late, more...)
		}
	}
	for batch := range slices.Chunk(strangers, declareBatch) {
		more, err := e.adopt(ctx, batch)
		if err != nil {
			return nil, fmt.Errorf("adopting and orphaning tasks: %w", err)
		}
		late = append(late, more...)
	}
	return late, nil
}

// survey reads all tasks. It takes note of those that are stored as the program declares them, so that nothing is to
// be written, and returns those that the program does not declare.
func (e *Engine) survey(ctx context.Context, same map[uuid.UUID]bool) (strangers []task.Task, err error) {
	now := e.now()
	pages := make(chan []task.Task, 4) // to be read while those before are looked at
	reading, ctx := errgroup.WithContext(ctx)
	// Two halves at the same time, which is what the start of many tasks waits for.
	var names []string
	for _, en := range e.tasks.all() {
		names = append(names, en.name)
	}
	middle := ""
	if len(names) > declareBatch {
		slices.Sort(names)
		middle = names[len(names)/2]
	}
	reading.Go(func() error { return e.pages(ctx, "", middle, pages) })
	if middle != "" {
		reading.Go(func() error { return e.pages(ctx, middle, "", pages) })
	}
	read := make(chan error, 1)
	go func() {
		read <- reading.Wait()
		close(pages)
	}()
	for page := range pages {
		for i := range page {
			t := &page[i]
			en := e.tasks.get(t.ID)
			if en == nil {
				strangers = append(strangers, *t)
				continue
			}
			o, err := e.rules.Load().Declare(t, en.program.Load().Declaration, now)
			if err != nil || o.Changed || len(o.Audit) > 0 || !t.OrphanTime.IsZero() {
				continue
			}
			if _, err := e.learn(en, t); err != nil {
				continue // which the transaction deals with
			}
			same[en.id] = true
			e.deadlines.set(en.id, reconcile.Deadline(t))
		}
	}
	return strangers, <-read
}

// pages sends the tasks whose names are greater than after, up to last; empty: all.
func (e *Engine) pages(ctx context.Context, after, last string, to chan<- []task.Task) error {
	for q := (task.TaskQuery{After: after, Limit: declareBatch, Lean: true}); ; {
		page, err := e.store.Tasks(ctx, q)
		if err != nil {
			return fmt.Errorf("reading the tasks that are stored: %w", err)
		}
		over := len(page) < q.Limit
		if !over {
			q.After = page[len(page)-1].Declaration.Name
		}
		if n := len(page); last != "" && n > 0 && page[n-1].Declaration.Name > last {
			over = true
			page = slices.DeleteFunc(page, func(t task.Task) bool { return t.Declaration.Name > last })
		}
		select {
		case to <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
		if over {
			return nil
		}
	}
}

func (e *Engine) declareBatch(ctx context.Context, batch []*entry, ahead map[uuid.UUID][]task.Run) ([]*pending, error) {
	now := e.now()
	ids := make([]uuid.UUID, len(batch))
	byID := make(map[uuid.UUID]*entry, len(batch))
	for i, en := range batch {
		ids[i], byID[en.id] = en.id, en
	}
	var said notices
	updated, err := e.store.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		o, err := e.rules.Load().Declare(stored, byID[id].program.Load().Declaration, e.changeTime(stored, now))
		if err != nil {
			return store.Change{}, err
		}
		said.declared(e, stored, &o)
		change := changeOf(&o)
		if o.Changed && stored != nil && !o.Task.Clock.Progress.Anchor.Equal(stored.Clock.Progress.Anchor) {
			// Another trigger is in force, and none of the one before fires from here on. What came to its instant
			// since ahead was read runs.
			for i := range ahead[id] {
				if r := &ahead[id][i]; r.ScheduledTime.After(o.Task.Clock.Progress.Anchor) {
					change.TakeBack = append(change.TakeBack, r.ID)
				}
			}
			o.Task.Clock.FireCount -= int64(len(change.TakeBack))
		}
		return change, nil
	})
	if err != nil {
		return nil, err
	}
	said.write()
	var late []*pending
	for i := range updated {
		late = append(late, e.declared(batch[i], &updated[i])...)
	}
	return late, nil
}

// declared takes note of a task that was declared, and returns the runs that are due because of it.
func (e *Engine) declared(en *entry, u *store.Updated) []*pending {
	e.deadlines.set(en.id, reconcile.Deadline(&u.Task))
	e.recorded(u.Recorded)
	if !u.Task.OrphanTime.IsZero() {
		// A program with a higher revision has removed it.
		e.tasks.remove(en.id)
		return nil
	}
	if _, err := e.learn(en, &u.Task); err != nil {
		e.log.Error("trigger in force can not be used", "task_name", en.name, "error", err)
	}
	return due(u.Recorded)
}

// declared tells of what a program's start or reload makes of a task that nobody may expect.
func (n *notices) declared(e *Engine, stored *task.Task, o *reconcile.Outcome) {
	t, name := &o.Task, o.Task.Declaration.Name
	if p := t.Pause; o.Changed && p != nil && p.Actor == reconcile.Self && (stored == nil || stored.Pause == nil) {
		*n = append(*n, func() { e.log.Error("task parked", "task_name", name, "reason", p.Reason) })
	}
	if stored == nil && t.State == task.Exhausted {
		*n = append(*n, func() {
			e.log.Warn("task never fires: its times have passed, or exclusions leave none of them", "task_name", name, "trigger", t.Trigger().String())
		})
	}
	if y := o.Yielded; y != nil {
		*n = append(*n, func() {
			e.log.Info("override yields to a new declaration", "task_name", name,
				"override", y.Trigger.String(), "actor", y.Actor, "override_reason", y.Reason,
				"declared", t.Declaration.Trigger.String())
		})
	}
	for _, event := range o.Audit {
		if event.Action == task.DeclarationRefused {
			*n = append(*n, func() {
				e.log.Warn("declaration refused: a program with a higher revision has declared the task otherwise",
					"task_name", name, "reason", event.Reason)
			})
		}
	}
}

// rename gives a task that the store has under a former name its new one. It returns the runs that are due because
// of it.
func (e *Engine) rename(ctx context.Context, en *entry) ([]*pending, error) {
	program := en.program.Load()
	if len(program.FormerNames) == 0 {
		return nil, nil
	}
	if free, err := e.vacant(ctx, en.id); err != nil || !free {
		return nil, err
	}
	for _, former := range program.FormerNames {
		id := task.IDOf(e.cfg.Namespace, former)
		if e.tasks.get(id) != nil {
			continue // it is declared, and another task
		}
		found := false
		var was task.Task
		updated, err := e.store.Update(ctx, []uuid.UUID{id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			if found = stored != nil && !reconcile.IsMarker(stored); !found {
				return store.Change{}, nil
			}
			was = *stored
			o, err := e.rules.Load().Rename(*stored, program.Declaration, e.now())
			return changeOf(&o), err
		})
		if err != nil {
			return nil, fmt.Errorf("renaming task %q to %q: %w", former, en.name, err)
		}
		e.recorded(updated[0].Recorded)
		if found && updated[0].Task.ID == en.id {
			e.log.Info("task renamed", "task_name", en.name, "former_name", former)
			return due(updated[0].Recorded), e.mark(ctx, was, en.name)
		}
	}
	return nil, nil
}

// due returns the runs that are to start of those that a decision has recorded.
func due(recorded []task.Run) []*pending {
	var runs []*pending
	for _, run := range recorded {
		if run.State == task.Scheduled {
			runs = append(runs, &pending{run: run, at: run.DueTime()})
		}
	}
	return runs
}

// vacant reports whether a task may get a name by being renamed: nothing is stored under it, or a marker, which it
// deletes. A task that is there was renamed at an earlier start, or was there beside the other.
func (e *Engine) vacant(ctx context.Context, id uuid.UUID) (bool, error) {
	free := false
	_, err := e.store.Update(ctx, []uuid.UUID{id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		free = stored == nil || e.rules.Load().Replaces(stored)
		return store.Change{Delete: free && stored != nil}, nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for a former name: %w", err)
	}
	return free, nil
}

// mark leaves a marker under the former name of a task.
func (e *Engine) mark(ctx context.Context, was task.Task, name string) error {
	_, err := e.store.Update(ctx, []uuid.UUID{was.ID}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		if m, ok := e.rules.Load().Marker(stored, was, name, e.now()); ok {
			return store.Change{Task: &m}, nil
		}
		return store.Change{}, nil
	})
	if err != nil {
		return fmt.Errorf("keeping the former name %q from an older program: %w", was.Declaration.Name, err)
	}
	return nil
}

// notDueYet returns the fires, by task, that the last process recorded and whose instants have not come.
func (e *Engine) notDueYet(ctx context.Context) (map[uuid.UUID][]task.Run, error) {
	ahead := make(map[uuid.UUID][]task.Run)
	now := e.now()
	for after := task.RunID(0); ; {
		runs, err := e.store.Unfinished(ctx, after, recoverBatch)
		if err != nil {
			return nil, fmt.Errorf("looking for unfinished runs: %w", err)
		}
		for i := range runs {
			if r := &runs[i]; r.Cause == task.ByFire && r.State == task.Scheduled && r.ScheduledTime.After(now) {
				ahead[r.TaskID] = append(ahead[r.TaskID], *r)
			}
		}
		if len(runs) < recoverBatch {
			return ahead, nil
		}
		after = runs[len(runs)-1].ID
	}
}

// adopt deals with tasks in the store that this program does not declare: it takes on those that were made through
// the API, and orphans the others. It returns the runs that are due because of it.
func (e *Engine) adopt(ctx context.Context, strangers []task.Task) ([]*pending, error) {
	var ids []uuid.UUID
	orphaned, first := 0, ""
	reasons := make(map[uuid.UUID]string)
	for i := range strangers {
		t := &strangers[i]
		reason := e.take(t)
		switch {
		case reason == "" && t.State != task.Orphaned && t.OrphanTime.IsZero() && reconcile.Deadline(t).IsZero():
			// It is as it was: an update would change nothing.
			if _, err := e.learn(e.tasks.get(t.ID), t); err == nil && !t.Trigger().UsesExtensions() {
				continue
			}
		case reason != "" && !t.OrphanTime.IsZero() && (t.OrphanReason == reason || reconcile.IsMarker(t)):
			e.deadlines.set(t.ID, reconcile.Deadline(t))
			continue
		case reason != "":
			if orphaned++; orphaned == 1 {
				first = t.Declaration.Name
			}
			reasons[t.ID] = reason
		}
		ids = append(ids, t.ID)
	}
	if orphaned > 0 {
		e.log.Info("tasks orphaned: they are in the store, and this program can not run them", "tasks", orphaned, "first", first)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	now := e.now()
	updated, err := e.store.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil {
			return store.Change{}, nil
		}
		now := e.changeTime(stored, now)
		if reason := reasons[id]; reason != "" {
			o := e.rules.Load().Orphan(*stored, reason, now)
			return changeOf(&o), nil
		}
		o, err := e.rules.Load().Adopt(*stored, now)
		return changeOf(&o), err
	})
	if err != nil {
		return nil, err
	}
	var late []*pending
	for i := range updated {
		e.deadlines.set(ids[i], reconcile.Deadline(&updated[i].Task))
		if en := e.tasks.get(ids[i]); en != nil {
			late = append(late, e.declared(en, &updated[i])...)
		}
	}
	return late, nil
}

// take makes an entry for a task that lives in the store, or says why this daemon can not run it.
func (e *Engine) take(t *task.Task) (reason string) {
	if !t.Origin.Lives() || t.Declaration.Spec == nil {
		return notDeclared(e.rules.Load().Revision)
	}
	tg, err := e.newTarget(t.Declaration.Spec)
	if err != nil {
		return err.Error()
	}
	e.tasks.put(t.ID, Task{Declaration: t.Declaration, Target: tg})
	return ""
}

// notDeclared is why a task is orphaned that no program declares.
func notDeclared(revision int64) string {
	if revision == 0 {
		return "the program that runs does not declare it"
	}
	return fmt.Sprintf("the program that runs, revision %d, does not declare it", revision)
}
