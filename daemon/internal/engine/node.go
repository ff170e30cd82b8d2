package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// node is what an engine is in a cluster: one of several that share a store. It has one life after the other: each
// begins with a Join under a new id, and ends when the node is given up, or fears that it is. Nothing of what is in
// memory is taken from one to the next but what the program says.
//
// When a life ends, everything is dropped at once: contexts end, and what was queued, waited, or was to be recorded is
// forgotten. Then gate is had, so that whatever asked the store on behalf of that life has ended, and the next one begins.
// arm takes nothing in between.
type node struct {
	store   store.Cluster
	peers   Peers
	machine func() time.Time
	clock   storeClock
	lease   lease
	// wake is poked when the lease is found to have ended; size one.
	wake chan struct{}
	self atomic.Pointer[uuid.UUID]
	// end ends the life that goes on. Nil: none does.
	end atomic.Pointer[context.CancelCauseFunc]
	// draining says that the engine stops, and told is poked to make that known; size one.
	draining atomic.Bool
	told     chan struct{}
	// doubt says that it is not known what a write that failed has done, and took that it may have taken runs over.
	doubt, took atomic.Bool

	offers offers
	late   late
	grants grants
	// others is how many other nodes live, and newest the highest revision of all, at the last look, which was when the
	// store's clock showed looked, in microseconds since 1970.
	others, newest, looked atomic.Int64
	// living are the nodes that lived at the last look. It is the keeper's.
	living map[uuid.UUID]bool
}

func newNode(c store.Cluster, cfg Config) *node {
	if cfg.NodeLease == 0 {
		cfg.NodeLease = DefaultNodeLease
	}
	n := &node{
		store: c, peers: cfg.Peers, machine: cfg.Now, wake: make(chan struct{}, 1), told: make(chan struct{}, 1),
		clock: storeClock{machine: cfg.Now}, lease: lease{machine: cfg.Now, length: cfg.NodeLease},
		offers: offers{except: make(map[uuid.UUID]time.Time)},
		late:   late{tasks: make(map[uuid.UUID]Task), wake: make(chan struct{}, 1)},
		grants: grants{wanted: make(map[string]bool), wake: make(chan struct{}, 1)},
	}
	n.self.Store(&uuid.UUID{})
	return n
}

// Self is the id of this node. Zero: it has not joined yet.
func (e *Engine) Self() uuid.UUID {
	if e.node == nil {
		return e.alone.ID
	}
	return *e.node.self.Load()
}

// Nodes returns the nodes of the cluster that live, and those that ended a short while ago, in the order in which they
// joined. A daemon whose store is its own is one. Errors: task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) Nodes(ctx context.Context) ([]task.Node, error) {
	if err := e.up(); err != nil {
		return nil, err
	}
	if e.node == nil {
		one := e.alone
		one.Revision, one.NodeLoad = e.rules.Load().Revision, e.load()
		return []task.Node{one}, nil
	}
	return e.node.store.Nodes(ctx)
}

// runNode is Run in a cluster.
func (e *Engine) runNode(ctx context.Context) error {
	n := e.node
	var recording, dispatching, keeping sync.WaitGroup
	recordCtx, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	dispatchCtx, stopDispatching := context.WithCancel(context.WithoutCancel(ctx))
	recording.Go(func() { e.rec.run(recordCtx) })
	dispatching.Go(func() { e.dispatch(dispatchCtx) })
	keepCtx, stopKeeping := context.WithCancel(ctx)
	e.rec.drop() // until it has joined
	var failure error
	first := true
	for ctx.Err() == nil && failure == nil {
		// What gives signs of life goes on while the engine stops.
		life, end := context.WithCancelCause(context.WithoutCancel(ctx))
		if !e.join(ctx, end) {
			end(nil)
			break
		}
		var living sync.WaitGroup
		living.Go(func() { e.heartbeat(life) })
		living.Go(func() { e.guard(life) })
		living.Go(func() { e.askPlaces(life) })
		work, stopWork := context.WithCancel(life)
		release := context.AfterFunc(ctx, stopWork)

		if failure = e.live(work, first, func() {
			keeping.Go(func() { e.elapse(keepCtx) })
			keeping.Go(func() { e.tidy(keepCtx) })
		}); life.Err() != nil {
			failure = nil // whatever it was, it was because of that
		}
		select {
		case <-e.ready:
			first = false
		default:
		}
		release()
		stopWork()
		if ctx.Err() != nil || failure != nil {
			stopKeeping()
			keeping.Wait()
			n.draining.Store(true)
			poke(n.told)
			if first || life.Err() != nil {
				// It never began, or has nothing any more.
				e.refuse(task.ErrStopping)
				e.drop(task.ErrStopping)
				e.drain()
			} else {
				e.stop(stopDispatching, &dispatching)
			}
			stopRecording()
			recording.Wait()
			end(nil)
			living.Wait()
			n.end.Store(nil)
			e.within(e.cfg.StopGrace, func(ctx context.Context) {
				if err := n.store.Leave(ctx); err != nil {
					e.log.Warn("node has not left: the others give it up when its lease ends", "error", err)
				}
			})
			break
		}
		living.Wait()
		n.end.Store(nil)
	}
	stopKeeping()
	keeping.Wait()
	stopDispatching()
	dispatching.Wait()
	stopRecording()
	recording.Wait()
	e.outputs.Stop(task.ErrStopping)
	e.hub.Close(task.ErrStopping)
	return failure
}

// join begins a life: whatever asked the store on behalf of the one before has ended when it does. It tries until it
// succeeds, and reports whether it has before ctx ended.
func (e *Engine) join(ctx context.Context, end context.CancelCauseFunc) bool {
	n := e.node
	for retry := (backoff{}); ctx.Err() == nil; wait(ctx, retry.next()) {
		e.gate.Lock()
		if e.refusal == nil {
			e.refusal = fmt.Errorf("%w, and joins again", task.ErrGivenUp)
		}
		e.drop(task.ErrGivenUp) // what was armed before it was known
		in := e.cfg.Node
		in.ID, in.Lease, in.Revision, in.NodeLoad = uuid.New(), n.lease.length, e.rules.Load().Revision, e.load()
		e.rec.listen()
		if e.Self() != uuid.Nil {
			// What it had is free for others at once, and not only when the lease ends, which a late sign of life may
			// just have renewed. If that fails they wait for that.
			_ = n.store.Leave(ctx)
		}
		mono, wall := time.Now(), n.machine().Round(0)
		now, err := n.store.Join(ctx, in)
		if err == nil {
			n.self.Store(&in.ID)
			n.lease.renewed(mono, wall)
			n.clock.compare(mono, now)
			n.doubt.Store(false)
			n.took.Store(false)
			n.offers.forget()
			n.living = nil
			n.end.Store(&end)
			e.mu.Lock()
			e.fenced = false
			e.mu.Unlock()
		} else {
			e.rec.drop()
		}
		e.gate.Unlock()
		if err == nil {
			e.log.Info("node has joined", "node", in.ID, "address", in.Address, "lease", in.Lease, "clock_ahead", n.clock.ahead())
			return true
		}
		if ctx.Err() == nil {
			e.storeFailed("joining the cluster", err)
		}
	}
	return false
}

// live does what the engine is there for until ctx ends. first says that it was never ready before; keep is called when it
// is. The error is that of a start that can not go well.
func (e *Engine) live(ctx context.Context, first bool, keep func()) error {
	err := e.persist(ctx, "looking at the nodes", func() error { _, err := e.lookAtNodes(ctx); return err })
	if err != nil {
		return err
	}
	late, err := e.declareShared(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	e.postpone(late)
	e.refuse(nil)
	e.storeWorks()
	rest := late
	if first {
		keep()
		close(e.ready)
		rest = e.startUp(ctx, late)
	}
	e.release(rest)
	var keeping sync.WaitGroup
	keeping.Go(func() { e.keep(ctx) })
	keeping.Go(func() { e.declareLate(ctx) })
	e.claim(ctx)
	keeping.Wait()
	return nil
}

// persist calls f until it does not fail because the store does, or ctx ends.
func (e *Engine) persist(ctx context.Context, doing string, f func() error) error {
	for retry := (backoff{}); ; wait(ctx, retry.next()) {
		err := f()
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case errors.Is(err, task.ErrGivenUp):
			<-ctx.Done() // the life ends with it
			return nil
		case !unavailable(err):
			return fmt.Errorf("%s: %w", doing, err)
		}
		e.storeFailed(doing, err)
	}
}

// load is what the node says of itself.
func (e *Engine) load() task.NodeLoad {
	l := task.NodeLoad{Tasks: int64(e.tasks.count())}
	if n := e.node; n != nil {
		l.ClockOffset, l.Draining = n.clock.ahead(), n.draining.Load()
	}
	if e.cfg.Workers != nil {
		_, workers := e.cfg.Workers()
		l.Workers = int64(workers)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l.Going, l.Waiting = int64(len(e.active)), int64(len(e.waiting))
	return l
}

// pause is how long it is to the next sign of life: less while what is known of the time of the store is vague, as it is
// when the connections that the last one went through had to be made first.
func (n *node) pause() time.Duration {
	if n.clock.vague() {
		return min(time.Second, n.lease.length/15)
	}
	return n.lease.length / 3
}

// heartbeat renews the lease until ctx ends.
func (e *Engine) heartbeat(ctx context.Context) {
	n := e.node
	pause := n.pause()
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-n.told:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		mono, wall := time.Now(), n.machine().Round(0)
		now, err := n.store.Renew(ctx, e.load())
		switch {
		case err == nil && n.lease.left() > 0: // what has ended stays so
			n.lease.renewed(mono, wall)
			n.clock.compare(mono, now)
			pause = n.pause()
		case errors.Is(err, task.ErrGivenUp):
			e.fence(err)
			return
		default:
			pause = min(time.Second, n.lease.length/15)
		}
	}
}

// guard ends the life when its lease can not be trusted any more.
func (e *Engine) guard(ctx context.Context) {
	n := e.node
	for ctx.Err() == nil {
		left := n.lease.left()
		if left <= 0 {
			e.fence(fmt.Errorf("%w: it could not renew its lease of %s", task.ErrGivenUp, n.lease.length))
			return
		}
		timer := time.NewTimer(min(left, maxSleep))
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// trusted reports whether an attempt may start. Once it says no it does until the node has joined anew. It needs mu.
func (e *Engine) trusted() bool {
	if e.node == nil {
		return true
	}
	if !e.fenced && e.node.lease.left() <= 0 {
		e.fenced = true
		poke(e.node.wake)
	}
	return !e.fenced
}

// fence ends the life that goes on: nothing of it starts, is claimed or recorded any more. It needs none of the locks,
// and must not be called with mu.
func (e *Engine) fence(why error) {
	end := e.node.end.Swap(nil)
	if end == nil {
		return // it has ended, or another call ends it
	}
	e.drop(why)
	(*end)(why)
	if e.health.set(why) {
		e.log.Error("this node can not go on: it drops what it had, and joins again", "node", e.Self(), "error", why)
	}
}
