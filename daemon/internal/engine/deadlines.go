package engine

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// deadlines are the instants at which an override expires or a pause ends by itself: one for each task that has
// one.
type deadlines struct {
	mu   sync.Mutex
	heap deadlineHeap
	byID map[uuid.UUID]*deadline
	wake chan struct{} // size one
	// off says that the store is asked instead: see polled.
	off bool
}

type deadline struct {
	id    uuid.UUID
	at    time.Time
	index int
}

// set says when a task is to be looked at; zero: never.
func (d *deadlines) set(id uuid.UUID, at time.Time) {
	if d.off {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byID[id]
	switch {
	case at.IsZero() && known == nil:
		return
	case at.IsZero():
		heap.Remove(&d.heap, known.index)
		delete(d.byID, id)
		return
	case known == nil:
		known = &deadline{id: id, at: at}
		d.byID[id] = known
		heap.Push(&d.heap, known)
	default:
		known.at = at
		heap.Fix(&d.heap, known.index)
	}
	if known.index == 0 {
		poke(d.wake)
	}
}

// due takes out a task whose instant has come, or says how long to sleep.
func (d *deadlines) due(now time.Time) (id uuid.UUID, ok bool, sleep time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.heap) == 0 {
		return id, false, maxSleep
	}
	if sleep := d.heap[0].at.Sub(now); sleep > 0 {
		return id, false, min(sleep, maxSleep)
	}
	first := heap.Pop(&d.heap).(*deadline)
	delete(d.byID, first.id)
	return first.id, true, 0
}

// elapse ends overrides and pauses whose time has come, until ctx ends.
func (e *Engine) elapse(ctx context.Context) {
	if e.node != nil {
		e.polled(ctx)
		return
	}
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for ctx.Err() == nil {
		id, ok, sleep := e.deadlines.due(e.now())
		if ok {
			e.elapsed(ctx, id)
			continue
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-e.deadlines.wake:
		case <-timer.C:
		}
	}
}

// elapsed applies to one task what has come to pass by now.
func (e *Engine) elapsed(ctx context.Context, id uuid.UUID) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	_, err := e.change(ctx, id, none, func(stored *task.Task, now time.Time) (store.Change, error) {
		if stored == nil || e.node != nil && stored.State != task.Orphaned && e.know(stored) == nil {
			return store.Change{}, nil
		}
		o := e.rules.Load().Elapse(*stored, now)
		return changeOf(&o), nil
	})
	if err != nil && ctx.Err() == nil && e.refusal == nil {
		if unavailable(err) {
			e.storeFailed("ending overrides and pauses whose time has come", err)
		} else {
			e.log.Error("override or pause not ended", "task_id", id, "error", err)
		}
		e.deadlines.set(id, e.now().Add(time.Second))
	}
}

type deadlineHeap []*deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *deadlineHeap) Push(x any) {
	d := x.(*deadline)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *deadlineHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
