package memory

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Update implements store.Store. Runs to take back that are not there, or not the task's, are passed
// over, so that a change may be repeated.
func (s *Store) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) (updated []store.Updated, err error) {
	err = s.transact(ctx, func() error {
		updated = make([]store.Updated, 0, len(ids))
		for _, id := range ids {
			u, err := s.update(id, fn)
			if err != nil {
				return err
			}
			updated = append(updated, u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

func (s *Store) update(id uuid.UUID, fn store.UpdateFunc) (u store.Updated, err error) {
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
	for _, run := range change.TakeBack {
		if rec, found := s.runs.Get(run); found && rec.entry == e {
			s.takeBack(rec)
		}
	}
	if change.Task != nil {
		t := cloneTask(change.Task)
		if err := s.checkTask(id, e, &t); err != nil {
			return u, err
		}
		if e == nil {
			e = &entry{seq: len(s.tasks)}
		}
		s.put(e, &t)
	}
	if e == nil {
		if len(change.Record) > 0 {
			return u, fmt.Errorf("task %s is not stored, so no run of it can be recorded", id)
		}
		return u, nil
	}
	for i := range change.Record {
		r, err := s.record(e, &change.Record[i], uuid.Nil)
		if err != nil {
			return u, err
		}
		u.Recorded = append(u.Recorded, r)
	}
	u.Task = cloneTask(e.task)
	return u, nil
}

// checkTask refuses what would break the store: a caller of the port never asks for it.
func (s *Store) checkTask(id uuid.UUID, e *entry, t *task.Task) error {
	name := t.Declaration.Name
	switch {
	case t.ID != id:
		return fmt.Errorf("task %q: the change was asked for %s and is for %s", name, id, t.ID)
	case t.Namespace != s.namespace:
		return fmt.Errorf("task %q is of namespace %q; this store keeps %q", name, t.Namespace, s.namespace)
	case e != nil && e.task.Declaration.Name != name:
		return fmt.Errorf("task %q: a task cannot be renamed to %q", e.task.Declaration.Name, name)
	}
	if other, taken := s.names.Get(name); taken && other != e {
		return fmt.Errorf("task %q: the name is that of task %s already", name, other.task.ID)
	}
	return nil
}

// record records a run of e and returns a copy of it.
func (s *Store) record(e *entry, run *task.Run, request uuid.UUID) (task.Run, error) {
	if run.TaskID != e.task.ID {
		return task.Run{}, fmt.Errorf("task %q: a run to record has the task id %s instead of %s",
			e.task.Declaration.Name, run.TaskID, e.task.ID)
	}
	r := cloneRun(run)
	r.TaskName = e.task.Declaration.Name
	s.addRun(e, &r, request)
	return cloneRun(&r), nil
}

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	err = s.transact(ctx, func() error {
		if id, used := s.requests[requestID]; used {
			rec, _ := s.runs.Get(id)
			run, repeated = cloneRun(rec.run), true
			return nil
		}
		e := s.find(ref)
		if e == nil {
			return task.TaskNotFound(ref)
		}
		r, err := fn(cloneTask(e.task))
		if err != nil {
			return err
		}
		run, err = s.record(e, &r, requestID)
		return err
	})
	if err != nil {
		return task.Run{}, false, err
	}
	return run, repeated, nil
}
