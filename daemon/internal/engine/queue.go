package engine

import (
	"container/heap"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// pending is a run that is recorded and waits for its instant.
type pending struct {
	run task.Run
	// at is when to start it.
	at time.Time
	// before is the clock of its task before the fire was claimed. Nil: the clock can not go back to where it
	// was, because the task was edited since, another process claimed the fire, or one that was claimed later has
	// a record that stays.
	before *task.Clock
	// beside are the runs that were recorded with it and go with it if the clock goes back. Only with before.
	beside []task.RunID
	// overlap is the policy for this run alone. Nil: the task's.
	overlap *task.Overlap
	// index is its place in the heap.
	index int
}

// queue holds pending runs: the earliest first, and by task. Those of one instant leave it in the order
// in which they were recorded.
type queue struct {
	heap   pendingHeap
	byTask map[uuid.UUID][]*pending
	byRun  map[task.RunID]*pending
}

func newQueue() queue {
	return queue{byTask: make(map[uuid.UUID][]*pending), byRun: make(map[task.RunID]*pending)}
}

func (q *queue) push(p *pending) {
	heap.Push(&q.heap, p)
	q.byTask[p.run.TaskID] = append(q.byTask[p.run.TaskID], p)
	q.byRun[p.run.ID] = p
}

func (q *queue) remove(p *pending) {
	heap.Remove(&q.heap, p.index)
	delete(q.byRun, p.run.ID)
	rest := slices.DeleteFunc(q.byTask[p.run.TaskID], func(o *pending) bool { return o == p })
	if len(rest) == 0 {
		delete(q.byTask, p.run.TaskID)
	} else {
		q.byTask[p.run.TaskID] = rest
	}
}

// stays says that the record of a fire stays, so that the clock of its task can not go back to before it.
func (q *queue) stays(run *task.Run) {
	for _, o := range q.byTask[run.TaskID] {
		if o.run.ScheduledTime.Before(run.ScheduledTime) {
			o.before = nil
		}
	}
}

// waitsSince returns the instant of the earliest fire of a task that has come by then and waits for its start,
// because of jitter. Zero: none does.
func (q *queue) waitsSince(id uuid.UUID, by time.Time) time.Time {
	var since time.Time
	for _, p := range q.byTask[id] {
		at := p.run.ScheduledTime
		if p.run.Cause == task.ByFire && !at.After(by) && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	return since
}

// first returns the earliest; nil if there is none.
func (q *queue) first() *pending {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

type pendingHeap []*pending

func (h pendingHeap) Len() int { return len(h) }

func (h pendingHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].run.ID < h[j].run.ID
}

func (h pendingHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *pendingHeap) Push(x any) {
	p := x.(*pending)
	p.index = len(*h)
	*h = append(*h, p)
}

func (h *pendingHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return p
}
