package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// declareBatch is how many tasks are declared in one transaction.
const declareBatch = 1000

// declare brings the store in line with what this program declares.
func (e *Engine) declare(ctx context.Context) error {
	ids := slices.SortedFunc(maps.Keys(e.tasks), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for batch := range slices.Chunk(ids, declareBatch) {
		now := now()
		updated, err := e.store.Update(ctx, batch, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			o, err := reconcile.Declare(e.cfg.Namespace, stored, e.tasks[id].Declaration, now)
			if err != nil || !o.Changed {
				return store.Change{}, err
			}
			if y := o.Yielded; y != nil {
				e.log.Info("override yields to a new declaration", "task_name", o.Task.Declaration.Name,
					"override", y.Trigger.String(), "actor", y.Actor, "override_reason", y.Reason,
					"declared", o.Task.Declaration.Trigger.String())
			}
			return store.Change{Task: &o.Task, Record: o.Record}, nil
		})
		if err != nil {
			return fmt.Errorf("declaring tasks: %w", err)
		}
		for i := range updated {
			if _, err := e.tasks[batch[i]].learn(&updated[i].Task); err != nil {
				return fmt.Errorf("task %q: %w", updated[i].Task.Declaration.Name, err)
			}
		}
	}
	return e.orphan(ctx)
}

// orphan marks the tasks in the store that this program does not declare.
func (e *Engine) orphan(ctx context.Context) error {
	q := task.TaskQuery{Limit: declareBatch}
	for {
		page, err := e.store.Tasks(ctx, q)
		if err != nil {
			return fmt.Errorf("looking for orphaned tasks: %w", err)
		}
		var orphans []uuid.UUID
		for i := range page {
			if e.tasks[page[i].ID] == nil && page[i].OrphanTime.IsZero() {
				orphans = append(orphans, page[i].ID)
				e.log.Info("task orphaned: this program does not declare it", "task_name", page[i].Declaration.Name)
			}
		}
		if len(orphans) > 0 {
			now := now()
			_, err := e.store.Update(ctx, orphans, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
				if stored == nil {
					return store.Change{}, nil
				}
				o, err := reconcile.Orphan(*stored, now)
				return store.Change{Task: &o.Task, Record: o.Record}, err
			})
			if err != nil {
				return fmt.Errorf("orphaning tasks: %w", err)
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].Declaration.Name
	}
}
