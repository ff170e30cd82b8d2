package memory

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Update implements store.Store. Runs to take back that are not there, or not the task's, are passed
// over, so that a change may be repeated, and so is a task to delete that is not there.
func (s *handle) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) (updated []store.Updated, err error) {
	err = s.transact(ctx, func() error {
		updated = make([]store.Updated, 0, len(ids))
		var held task.HeldError
		for _, id := range ids {
			u, err := s.update(id, fn, &held)
			if err != nil {
				return err
			}
			updated = append(updated, u)
		}
		if len(held.Tasks) > 0 {
			return &held
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// update changes one task, or adds it to those that are held.
func (s *data) update(id uuid.UUID, fn store.UpdateFunc, held *task.HeldError) (u store.Updated, err error) {
	e := s.tasks[id]
	var stored *task.Task
	if e != nil {
		t := cloneTask(e.task)
		stored = &t
	}
	change, err := fn(id, stored)
	if err != nil {
		return u, err
	}
	if e != nil && !change.Beside && !e.hold.lets(s.tx.by.node) && !idle(&change) {
		held.Tasks = append(held.Tasks, s.heldTask(e))
		return u, nil
	}
	for _, run := range change.TakeBack {
		if rec, found := s.runs.Get(run); found && rec.entry == e {
			s.takeBack(rec)
		}
	}
	switch {
	case change.Delete && (change.Task != nil || len(change.Record) > 0):
		return u, fmt.Errorf("task %s is to be deleted, so nothing of it can be written", id)
	case change.Delete && e != nil:
		s.remove(e)
	case change.Task != nil || e != nil && len(change.Record) > 0:
		if u, err = s.write(id, e, &change); err != nil {
			return u, err
		}
	case e != nil:
		u.Task = cloneTask(e.task)
	case len(change.Record) > 0:
		return u, fmt.Errorf("task %s is not stored, so no run of it can be recorded", id)
	}
	s.addEvents(change.Audit)
	return u, nil
}

// idle reports whether nothing is to be changed.
func idle(c *store.Change) bool {
	return c.Task == nil && !c.Delete && len(c.TakeBack) == 0 && len(c.Record) == 0 && len(c.Audit) == 0
}

// write does what change says of the task and of runs to record. e is nil if the task is not stored.
func (s *data) write(id uuid.UUID, e *entry, change *store.Change) (u store.Updated, err error) {
	t := new(task.Task)
	if change.Task != nil {
		*t = cloneTask(change.Task)
		t.Counts = task.Counts{}
		if err := s.checkTask(id, e, t); err != nil {
			return u, err
		}
	}
	switch {
	case e == nil:
		e = s.newEntry()
	case change.Task == nil:
		*t = *e.task
	default:
		t.Counts = e.task.Counts
		if t.ID != id {
			s.mark(&s.deleted)
			s.tellDeleted(e)
		}
	}
	if u.Recorded, err = s.addRuns(e, t, change.Record, change.Beside, uuid.Nil); err != nil {
		return u, err
	}
	s.put(e, t)
	u.Task = cloneTask(t)
	return u, nil
}

// checkTask refuses what would break the store: a caller of the port asks for none of it but a name that is taken.
func (s *data) checkTask(id uuid.UUID, e *entry, t *task.Task) error {
	name := t.Declaration.Name
	if t.Namespace != s.namespace {
		return fmt.Errorf("task %q is of namespace %q; this store keeps %q", name, t.Namespace, s.namespace)
	}
	if e == nil && t.ID != id {
		return fmt.Errorf("task %q: the change was asked for %s and is for %s", name, id, t.ID)
	}
	if e != nil && (t.ID == id) != (name == e.task.Declaration.Name) {
		return fmt.Errorf("task %q with the id %s can become neither %q nor %s alone: a task that is renamed has another id",
			e.task.Declaration.Name, id, name, t.ID)
	}
	other := s.find(task.ByName(name))
	if other == nil {
		other = s.tasks[t.ID]
	}
	if other != nil && other != e {
		return fmt.Errorf("%w: the name %q is that of task %s", task.ErrExists, name, other.task.ID)
	}
	return nil
}

// Call implements store.Store.
func (s *handle) Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	err = s.transact(ctx, func() error {
		if id, used := s.requests[requestID]; used {
			rec, _ := s.runs.Get(id)
			run, repeated = rec.whole(), true
			return nil
		}
		e := s.find(ref)
		if e == nil {
			return task.TaskNotFound(ref)
		}
		if !e.hold.lets(s.node) {
			return &task.HeldError{Tasks: []task.HeldTask{s.heldTask(e)}}
		}
		r, event, err := fn(cloneTask(e.task))
		if err != nil {
			return err
		}
		t := *e.task
		recorded, err := s.addRuns(e, &t, []task.Run{r}, false, requestID)
		if err != nil {
			return err
		}
		s.put(e, &t)
		run = recorded[0]
		event.RunID = run.ID
		s.addEvents([]task.Event{event})
		return nil
	})
	if err != nil {
		return task.Run{}, false, err
	}
	return run, repeated, nil
}
