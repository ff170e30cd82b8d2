package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// lookAgain is how long a task is left alone that this node can not run: its program may change.
const lookAgain = 10 * time.Second

// offers is which node can run what, as far as this one needs to know.
type offers struct {
	mu sync.Mutex
	// except are tasks that this node can not run, and until when it does not look at them again.
	except map[uuid.UUID]time.Time
	// here and there are the tasks that workers run which are connected to this node, and to others. asked says that
	// somebody wants to know of the latter.
	here, there map[uuid.UUID]bool
	asked       bool
}

// forget makes it what it is at the beginning of a life.
func (o *offers) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.except)
	o.here, o.there = nil, nil
}

// except returns the tasks that are not to be claimed here.
func (e *Engine) except() []uuid.UUID {
	if e.node == nil {
		return nil
	}
	o := &e.node.offers
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.except) == 0 {
		return nil
	}
	now := time.Now()
	ids := make([]uuid.UUID, 0, len(o.except))
	for id, until := range o.except {
		if until.After(now) {
			ids = append(ids, id)
		} else {
			delete(o.except, id)
		}
	}
	return ids
}

// ours returns the entry of a task that is due; nil: it is to be left to other nodes, and is until lookAgain.
func (e *Engine) ours(d store.Due) *entry {
	en := e.tasks.get(d.ID)
	if en == nil || !en.known.Load().is(d.Version, d.Clock.Progress.Anchor, e.rules.Load().Extensions) {
		t, err := d.Load()
		if err != nil {
			en = nil
		} else {
			en = e.know(&t)
		}
	}
	if en == nil || e.workElsewhere(en) {
		o := &e.node.offers
		o.mu.Lock()
		defer o.mu.Unlock()
		o.except[d.ID] = time.Now().Add(lookAgain)
		return nil
	}
	return en
}

// know returns the entry of a task that was read, as it is now: in a cluster it is made when it is first needed, and other
// nodes may have changed what it says. Nil: this daemon can not run it.
func (e *Engine) know(t *task.Task) *entry {
	en := e.tasks.get(t.ID)
	if e.node == nil {
		return en
	}
	spec := t.Declaration.Spec
	switch {
	case en == nil:
		if !t.OrphanTime.IsZero() || e.take(t) != "" {
			return nil
		}
		en = e.tasks.get(t.ID)
	case en.program.Load().Declaration.Spec == nil:
		// What the program says of it runs here, whatever is in force.
	case !t.Origin.Lives() || spec == nil:
		e.tasks.remove(t.ID) // a program has taken it over
		return nil
	case !spec.Equal(en.program.Load().Declaration.Spec):
		if e.take(t) != "" {
			e.tasks.remove(t.ID)
			return nil
		}
	}
	if _, err := e.learn(en, t); err != nil && e.beyond(t) {
		return nil
	}
	return en
}

// beyond reports whether a node with a newer program lives, which can use a trigger that this one can not: it knows the
// calendars and custom kinds that came with it.
func (e *Engine) beyond(t *task.Task) bool {
	if e.node == nil {
		return false
	}
	revision := e.rules.Load().Revision
	if t.Revision > revision && e.node.looked.Load() <= t.UpdateTime.UnixMicro() {
		return true // who has changed it may have joined since the last look
	}
	newest := e.node.newest.Load()
	return newest > revision && newest >= t.Revision
}

// workElsewhere reports whether only other nodes have workers that do the work of a task.
func (e *Engine) workElsewhere(en *entry) bool {
	if !isPlaced(en.target()) {
		return false
	}
	o := &e.node.offers
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = true
	return !o.here[en.id] && o.there[en.id]
}

// offerWorkers tells the others what the workers here run, and gives up what waits here for one that only others have.
func (e *Engine) offerWorkers(ctx context.Context) {
	o := &e.node.offers
	here := make(map[uuid.UUID]bool)
	if e.cfg.Workers != nil {
		names, _ := e.cfg.Workers()
		for _, name := range names {
			here[task.IDOf(e.cfg.Namespace, name)] = true
		}
	}
	o.mu.Lock()
	was, asked := o.here, o.asked
	o.mu.Unlock()
	var add, remove []uuid.UUID
	for id := range here {
		if !was[id] {
			add = append(add, id)
		}
	}
	for id := range was {
		if !here[id] {
			remove = append(remove, id)
		}
	}
	if len(add)+len(remove) > 0 {
		if err := e.offer(ctx, store.ByWorker, add, remove); err != nil {
			return // the next time
		}
		o.mu.Lock()
		o.here = here
		for _, id := range add {
			delete(o.except, id)
		}
		o.mu.Unlock()
	}
	if !asked {
		return
	}
	ids, err := e.node.store.OfferedElsewhere(ctx, store.ByWorker)
	if err != nil {
		return
	}
	there := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	o.mu.Lock()
	o.there = there
	o.mu.Unlock()
	e.leaveToOthers()
}

// leaveToOthers gives up what waits for a worker that only other nodes have, unless something of the task goes here, or
// is about to.
func (e *Engine) leaveToOthers() {
	e.gate.RLock() // no edit has some of it in its hands
	defer e.gate.RUnlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hall.all == 0 || e.fenced {
		return
	}
	for id, l := range e.lanes {
		en := e.tasks.get(id)
		if en == nil || len(l.line) == 0 || len(l.active) > 0 || l.settling > 0 || len(e.queue.byTask[id]) > 0 || !e.workElsewhere(en) {
			continue
		}
		for _, p := range slices.Concat(values(l.line), l.waiting, l.backfill) {
			why := p.waits
			e.unwait(p)
			e.leave(p, why)
		}
		l.owed = false
		e.leaveLane(l)
	}
}

func values(line map[task.RunID]*pending) []*pending {
	all := make([]*pending, 0, len(line))
	for _, p := range line {
		all = append(all, p)
	}
	return all
}

// offerBatch is how many tasks are offered in one transaction.
const offerBatch = 5000

// offer says what this node runs, and does not any more.
func (e *Engine) offer(ctx context.Context, by store.Offerer, add, remove []uuid.UUID) error {
	for len(add)+len(remove) > 0 {
		a, r := add[:min(len(add), offerBatch)], remove[:min(len(remove), offerBatch)]
		if err := e.node.store.Offer(ctx, by, a, r); err != nil {
			e.failedWrite(err)
			return err
		}
		add, remove = add[len(a):], remove[len(r):]
	}
	return nil
}

// orphanUnoffered orphans the declared tasks that no node offers any more, unless this program is too old to say so.
func (e *Engine) orphanUnoffered(ctx context.Context) error {
	ids, err := e.node.store.Unoffered(ctx, 10*declareBatch)
	if err != nil {
		return err
	}
	orphaned := 0
	for _, id := range ids {
		done, err := e.orphan(ctx, id)
		switch {
		case errors.Is(err, task.ErrHeld):
			err = nil // it has runs to end, which whoever holds it can
		case err != nil:
			return err
		}
		if done {
			orphaned++
		}
	}
	if orphaned > 0 {
		e.log.Info("tasks orphaned: no node that lives declares them", "tasks", orphaned)
	}
	return nil
}

func (e *Engine) orphan(ctx context.Context, id uuid.UUID) (done bool, err error) {
	mu := e.members.of(id)
	mu.Lock()
	defer mu.Unlock()
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.declares(id) {
		return false, nil // it is about to be offered
	}
	_, err = e.change(ctx, id, every, func(stored *task.Task, now time.Time) (store.Change, error) {
		if done = false; stored == nil {
			return store.Change{}, nil
		}
		rules := e.rules.Load()
		o := rules.Orphan(*stored, notDeclared(rules.Revision), now)
		if o.Task.OrphanTime.IsZero() {
			return store.Change{}, nil // a newer program has declared it, which may be back soon
		}
		done = o.Changed
		return changeOf(&o), nil
	})
	if err == nil && done {
		e.tasks.remove(id)
	}
	return done, err
}
