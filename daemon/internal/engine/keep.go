package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// keep does what falls to a node now and then, until ctx ends: it gives up others whose leases have ended, takes over
// what nobody has in hand, and gives up itself what others can do better.
func (e *Engine) keep(ctx context.Context) {
	n := e.node
	var reapTime time.Time
	left := true // there may be tasks that no node offers any more
	tick := min(maxSleep, n.lease.length/3)
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(reapTime) {
			reapTime = now.Add(jittered(n.lease.length / 8)) // of a takeover, that is what comes on top of the lease
			left = e.reap(ctx) || left
		}
		e.resolve(ctx)
		e.offerWorkers(ctx)
		for e.takeOver(ctx) && ctx.Err() == nil {
		}
		if left && e.orphanUnoffered(ctx) == nil {
			left = false
		}
		wait(ctx, jittered(tick))
	}
}

// jittered is about d: nodes that began together do not go on so.
func jittered(d time.Duration) time.Duration { return d*7/8 + rand.N(d/4) }

// reap gives up nodes whose leases have ended, and reports whether some have ended since the last look.
func (e *Engine) reap(ctx context.Context) (ended bool) {
	n := e.node
	gone, err := n.store.Reap(ctx)
	for _, o := range gone {
		e.log.Warn("node is given up: it gave no sign of life for its lease", "node", o.ID, "node_name", o.Name, "lease", o.Lease)
		if o.ID == e.Self() {
			e.fence(task.ErrGivenUp)
		}
	}
	if err != nil {
		return len(gone) > 0
	}
	left, _ := e.lookAtNodes(ctx)
	return left || len(gone) > 0
}

// lookAtNodes takes note of the nodes that live, and reports whether some have ended since the last look.
func (e *Engine) lookAtNodes(ctx context.Context) (ended bool, _ error) {
	n := e.node
	now := e.now()
	nodes, err := n.store.Nodes(ctx)
	if err != nil {
		return false, err
	}
	living, newest := make(map[uuid.UUID]bool, len(nodes)), int64(0)
	for _, o := range nodes {
		if o.State == task.Alive {
			living[o.ID], newest = true, max(newest, o.Revision)
		}
	}
	n.newest.Store(newest)
	n.looked.Store(now.UnixMicro())
	for id := range n.living {
		ended = ended || !living[id]
	}
	if ended {
		n.offers.retry() // what was left to it
	}
	n.living = living
	n.others.Store(int64(len(living)) - 1)
	return ended, nil
}

// eldest reports whether this is the node that has lived longest, which does what one has to do.
func (e *Engine) eldest(ctx context.Context) bool {
	if e.node == nil {
		return true
	}
	nodes, err := e.node.store.Nodes(ctx)
	if err != nil {
		return false
	}
	for _, o := range nodes {
		if o.State == task.Alive {
			return o.ID == e.Self()
		}
	}
	return false
}

// untilDue waits until something is to be claimed, as far as this node knows, or another may have left something, and
// reports whether nothing was when it was called.
func (e *Engine) untilDue(ctx context.Context, claimed *store.Claimed) (waited bool) {
	if next := claimed.NextFireTime; len(claimed.Fires) == 0 && !next.IsZero() && !next.After(e.now().Add(e.lead())) {
		wait(ctx, min(50*time.Millisecond, e.cfg.ClaimAhead/4)) // it was left, or only recorded as passed
		return false
	}
	var due <-chan struct{}
	if d, ok := e.node.store.(interface{ Due() <-chan struct{} }); ok {
		due = d.Due()
	}
	for until := time.Now().Add(maxSleep); ctx.Err() == nil; {
		sleep := time.Until(until)
		if at := e.alarm.time(); !at.IsZero() {
			sleep = min(sleep, at.Sub(e.cfg.Now()))
		}
		if sleep <= 0 {
			return waited
		}
		waited = true
		timer := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
		case <-e.alarm.c:
		case <-due:
			until = time.Now()
		case <-timer.C:
		}
		timer.Stop()
	}
	return waited
}
