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

// declare brings the store in line with what this program declares. It returns the runs of fires that were
// due before another trigger came into force.
func (e *Engine) declare(ctx context.Context) ([]*pending, error) {
	ahead, err := e.notDueYet(ctx)
	if err != nil {
		return nil, err
	}
	var late []*pending
	ids := slices.SortedFunc(maps.Keys(e.tasks), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for batch := range slices.Chunk(ids, declareBatch) {
		now := e.now()
		var said []func() // logged once the transaction stands
		updated, err := e.store.Update(ctx, batch, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			o, err := e.rules.Declare(stored, e.tasks[id].Declaration, now)
			if err != nil || !o.Changed {
				return store.Change{}, err
			}
			if p := o.Task.Pause; p != nil && p.Actor == reconcile.Self && (stored == nil || stored.Pause == nil) {
				said = append(said, func() {
					e.log.Error("task parked", "task_name", o.Task.Declaration.Name, "reason", p.Reason)
				})
			}
			if stored == nil && o.Task.State == task.Exhausted {
				said = append(said, func() {
					e.log.Warn("task never fires: its times have passed, or exclusions leave none of them", "task_name", o.Task.Declaration.Name,
						"trigger", o.Task.Trigger().String())
				})
			}
			if y := o.Yielded; y != nil {
				said = append(said, func() {
					e.log.Info("override yields to a new declaration", "task_name", o.Task.Declaration.Name,
						"override", y.Trigger.String(), "actor", y.Actor, "override_reason", y.Reason,
						"declared", o.Task.Declaration.Trigger.String())
				})
			}
			change := store.Change{Task: &o.Task, Record: o.Record}
			if stored != nil && !o.Task.Clock.Progress.Anchor.Equal(stored.Clock.Progress.Anchor) {
				// Another trigger is in force, and none of the one before fires from here on.
				change.TakeBack = ahead[id]
				o.Task.Clock.FireCount -= int64(len(ahead[id]))
			}
			return change, nil
		})
		if err != nil {
			return nil, fmt.Errorf("declaring tasks: %w", err)
		}
		for _, say := range said {
			say()
		}
		for i := range updated {
			if _, err := e.learn(e.tasks[batch[i]], &updated[i].Task); err != nil {
				e.log.Error("trigger in force can not be used", "task_name", updated[i].Task.Declaration.Name, "error", err)
			}
			for _, run := range updated[i].Recorded {
				if run.State == task.Scheduled {
					late = append(late, &pending{run: run})
				}
			}
		}
	}
	return late, e.orphan(ctx)
}

// notDueYet returns the fires, by task, that the last process recorded and whose instants have not come.
func (e *Engine) notDueYet(ctx context.Context) (map[uuid.UUID][]task.RunID, error) {
	ahead := make(map[uuid.UUID][]task.RunID)
	now := e.now()
	for after := task.RunID(0); ; {
		runs, err := e.store.Unfinished(ctx, after, recoverBatch)
		if err != nil {
			return nil, fmt.Errorf("looking for unfinished runs: %w", err)
		}
		for i := range runs {
			if r := &runs[i]; r.Cause == task.ByFire && r.State == task.Scheduled && r.ScheduledTime.After(now) {
				ahead[r.TaskID] = append(ahead[r.TaskID], r.ID)
			}
		}
		if len(runs) < recoverBatch {
			return ahead, nil
		}
		after = runs[len(runs)-1].ID
	}
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
			}
		}
		if len(orphans) > 0 {
			first := page[slices.IndexFunc(page, func(t task.Task) bool { return t.ID == orphans[0] })]
			e.log.Info("tasks orphaned: they are in the store, and this program does not declare them",
				"tasks", len(orphans), "first", first.Declaration.Name)
			now := e.now()
			_, err := e.store.Update(ctx, orphans, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
				if stored == nil {
					return store.Change{}, nil
				}
				o := e.rules.Orphan(*stored, now)
				return store.Change{Task: &o.Task, Record: o.Record}, nil
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
