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
	// was, because another trigger is in force since, another process claimed the fire, or one that was claimed
	// later has a record that stays.
	before *task.Clock
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
