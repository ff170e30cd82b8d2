package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

const (
	// lateGap is how long after a try to declare tasks that others hold comes the next, at first; maxLateGap in the end.
	lateGap    = 200 * time.Millisecond
	maxLateGap = 2 * time.Second
	// peerPatience is how long another node may take to declare a task.
	peerPatience = 5 * time.Second
)

// late are tasks that the program declares, and that could not be declared yet because another node holds them.
type late struct {
	mu    sync.Mutex
	tasks map[uuid.UUID]Task
	wake  chan struct{} // size one
}

func (l *late) add(id uuid.UUID, t Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[id] = t
	poke(l.wake)
}

func (l *late) remove(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tasks, id)
}

func (l *late) all() map[uuid.UUID]Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.tasks)
}

// later is the error of declaring a task; that another node holds it is none: it is declared once that has been done.
func (e *Engine) later(t Task, err error) error {
	id := task.IDOf(e.cfg.Namespace, t.Declaration.Name)
	switch {
	case e.node == nil:
	case errors.Is(err, task.ErrHeld):
		e.node.late.add(id, t)
		return nil
	case err == nil:
		e.node.late.remove(id)
	}
	return err
}

// declareShared is declare in a cluster: it reads and writes only what the program declares, what is orphaned, and what
// nobody offers, so that a start does not depend on how many tasks are stored.
func (e *Engine) declareShared(ctx context.Context) (late []*pending, _ error) {
	var entries []*entry
	var ids []uuid.UUID
	for _, en := range e.tasks.all() {
		if en.program.Load().Declaration.Spec == nil {
			entries, ids = append(entries, en), append(ids, en.id)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	// First of all, so that nobody orphans what is about to be declared.
	err := e.persist(ctx, "offering tasks", func() error { return e.offer(ctx, store.ByProgram, ids, nil) })
	if err != nil || ctx.Err() != nil {
		return nil, err
	}
	for _, en := range slices.Clone(entries) {
		if len(en.program.Load().FormerNames) == 0 {
			continue
		}
		err := e.persist(ctx, "declaring tasks", func() error {
			more, err := e.rename(ctx, en)
			late = append(late, more...)
			if errors.Is(err, task.ErrHeld) {
				entries = slices.DeleteFunc(entries, func(o *entry) bool { return o == en })
			}
			return e.later(*en.program.Load(), err)
		})
		if err != nil || ctx.Err() != nil {
			return nil, err
		}
	}
	for batch := range slices.Chunk(entries, declareBatch) {
		err := e.persist(ctx, "declaring tasks", func() error {
			for len(batch) > 0 {
				more, err := e.declareBatch(ctx, batch, nil)
				var held *task.HeldError
				if err == nil {
					late = append(late, more...)
					return nil
				} else if !errors.As(err, &held) {
					return err
				}
				for _, h := range held.Tasks {
					if en := e.tasks.get(h.TaskID); en != nil {
						e.node.late.add(h.TaskID, *en.program.Load())
					}
				}
				batch = slices.DeleteFunc(slices.Clone(batch), func(en *entry) bool {
					return slices.ContainsFunc(held.Tasks, func(h task.HeldTask) bool { return h.TaskID == en.id })
				})
			}
			return nil
		})
		if err != nil || ctx.Err() != nil {
			return nil, err
		}
	}
	err = e.persist(ctx, "adopting tasks", func() error { return e.wakeOrphans(ctx, &late) })
	return late, err
}

// wakeOrphans takes on the tasks that live in the store, were orphaned, and can be run here.
func (e *Engine) wakeOrphans(ctx context.Context, late *[]*pending) error {
	for q := (task.TaskQuery{States: []task.State{task.Orphaned}, Limit: declareBatch, Lean: true}); ; {
		page, err := e.store.Tasks(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			if !page[i].Origin.Lives() || e.take(&page[i]) != "" {
				continue
			}
			more, err := e.adopt(ctx, page[i:i+1])
			switch {
			case errors.Is(err, task.ErrHeld): // whoever holds it is about to end its runs
			case err != nil:
				return err
			}
			*late = append(*late, more...)
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].Declaration.Name
	}
}

// offerProgram offers what a program declares: before it is declared, so that nobody orphans it.
func (e *Engine) offerProgram(ctx context.Context, tasks []Task) error {
	if e.node == nil {
		return nil
	}
	ids := make([]uuid.UUID, len(tasks))
	for i := range tasks {
		ids[i] = task.IDOf(e.cfg.Namespace, tasks[i].Declaration.Name)
	}
	return e.offer(ctx, store.ByProgram, ids, nil)
}

// reoffer is what becomes, in a cluster, of tasks that a reload does not declare any more, and of those that another
// revision has another say in.
func (e *Engine) reoffer(ctx context.Context, gone []*entry, all bool) error {
	var remove []uuid.UUID
	for _, en := range gone {
		e.tasks.remove(en.id)
		e.node.late.remove(en.id)
		remove = append(remove, en.id)
	}
	if err := e.offer(ctx, store.ByProgram, nil, remove); err != nil {
		return err
	}
	e.node.offers.retry()
	if all {
		e.gate.RLock()
		var late []*pending
		err := e.wakeOrphans(ctx, &late)
		e.arm(late...)
		e.gate.RUnlock()
		if err != nil {
			return err
		}
	}
	return e.orphanUnoffered(ctx)
}

// retry forgets which tasks can not be run here.
func (o *offers) retry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.except)
}

// declareLate declares what others held, until ctx ends.
func (e *Engine) declareLate(ctx context.Context) {
	l := &e.node.late
	gap := lateGap
	for ctx.Err() == nil {
		all := l.all()
		for id, t := range all {
			if ctx.Err() == nil {
				e.tryLate(ctx, id, t)
			}
		}
		if len(all) == 0 {
			gap = lateGap
			select {
			case <-l.wake:
			case <-ctx.Done():
			}
			continue
		}
		wait(ctx, gap)
		gap = min(gap*5/4, maxLateGap)
	}
}

// tryLate declares a task here or, if another node holds it, there.
func (e *Engine) tryLate(ctx context.Context, id uuid.UUID, t Task) {
	err := e.redeclare(ctx, t)
	var held *task.HeldError
	if errors.As(err, &held) && e.node.peers != nil && held.Tasks[0].TaskID == id && held.Tasks[0].Address != "" {
		there, cancel := context.WithTimeout(ctx, peerPatience)
		err = e.node.peers.Declare(there, held.Tasks[0].Address, t.Declaration, e.rules.Load().Revision)
		cancel()
		if err != nil {
			return // it may not understand it, or hold it any more
		}
	}
	switch {
	case err == nil:
		e.node.late.remove(id)
	case errors.Is(err, task.ErrHeld) || unavailable(err) || ctx.Err() != nil || errors.Is(err, task.ErrGivenUp) || errors.Is(err, task.ErrStopping):
	default:
		e.node.late.remove(id)
		e.log.Error("task not declared", "task_name", t.Declaration.Name, "error", err)
	}
}

// DeclareTask declares a task on behalf of the program of another node, which has that revision, and returns it. Errors:
// task.ErrHeld; task.ErrInvalid: this program lacks what the trigger names; task.ErrStarting,
// task.ErrStopping, task.ErrGivenUp, task.ErrUnavailable.
func (e *Engine) DeclareTask(ctx context.Context, d task.Declaration, revision int64) (task.Task, error) {
	rules := *e.rules.Load()
	rules.Revision = revision
	if _, err := rules.Extensions.Compile(d.Trigger); err != nil {
		return task.Task{}, reconcile.Within("task", reconcile.Within("trigger", err))
	}
	id := task.IDOf(e.cfg.Namespace, d.Name)
	mu := e.members.of(id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	var said notices
	t, err := e.change(ctx, id, future, func(stored *task.Task, now time.Time) (store.Change, error) {
		o, err := rules.Declare(stored, d, now)
		if err != nil {
			return store.Change{}, err
		}
		said = said[:0]
		said.declared(e, stored, &o)
		return changeOf(&o), nil
	})
	if err == nil {
		said.write()
	}
	return t, err
}
