package engine

import (
	"container/heap"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// pending is a run that is recorded and is not making an attempt: it waits for its instant in the queue, or, once
// that has come, for another run (see overlap.go), for a place (see places.go) or for a worker (see hall.go).
type pending struct {
	run task.Run
	// at is when to start it.
	at time.Time
	// before is the clock of its task before the fire was claimed. Nil: the clock can not go back to where it
	// was, because the task was edited since, another process claimed the fire, or one that was claimed later, or
	// what was recorded with it, has a record that stays.
	before *task.Clock
	// caughtUp says that it is one of several fires that were missed and each become a run.
	caughtUp bool
	// overlap is the policy for this run alone. Nil: the task's.
	overlap *task.Overlap
	// begun says that it counts as going while it is in the queue: it is between two attempts, or went or had
	// waited for a place in the process before.
	begun bool
	// placed says that it has a place among those of group, which it keeps between attempts.
	placed bool
	group  string
	// told says that the store may hold a Reason for it, which means there that it has not been started.
	told bool
	// recovered says that the process before has left it.
	recovered bool
	// gap is the least time between its start and that of another of its backfill.
	gap time.Duration
	// seq is its turn among those that wait for a place, or for one at a worker. 0: it has not come there.
	seq uint64
	// place is where its attempt is to be made, while it is about to be launched. Nil: here.
	place target.Place
	// bench is where it waits for a worker. Nil: it does not.
	bench *bench
	// refusals is how often in a row a worker that had been given it has not begun.
	refusals int
	// waits says for what it waits outside the queue. 0: for nothing.
	waits task.Reason
	// index is its place in the heap.
	index int
}

// exempt reports whether it waits for a place however many do so: skipping it would lose what has begun or was
// promised.
func (p *pending) exempt() bool {
	return p.begun || p.recovered || p.seq != 0 || len(p.run.Earlier) > 0 || p.run.Cause == task.ByBackfill
}

// queue holds pending runs whose instants have not come: the earliest first, and by task. Those of one instant leave
// it in the order in which they were recorded.
type queue struct {
	heap   pendingHeap
	byTask map[uuid.UUID][]*pending
	byRun  map[task.RunID]*pending
	// begun counts by task the runs in the queue that have begun; placed by group those that have places, and
	// allPlaced all of these.
	begun     map[uuid.UUID]int
	placed    map[string]int
	allPlaced int
}

func newQueue() queue {
	return queue{
		byTask: make(map[uuid.UUID][]*pending), byRun: make(map[task.RunID]*pending),
		begun: make(map[uuid.UUID]int), placed: make(map[string]int),
	}
}

func (q *queue) push(p *pending) {
	heap.Push(&q.heap, p)
	q.byTask[p.run.TaskID] = append(q.byTask[p.run.TaskID], p)
	q.byRun[p.run.ID] = p
	q.count(p, 1)
}

func (q *queue) remove(p *pending) {
	heap.Remove(&q.heap, p.index)
	delete(q.byRun, p.run.ID)
	// Mostly it is the first.
	rest := q.byTask[p.run.TaskID]
	if i := slices.Index(rest, p); i == 0 {
		rest[0] = nil
		rest = rest[1:]
	} else if i > 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) == 0 {
		delete(q.byTask, p.run.TaskID)
	} else {
		q.byTask[p.run.TaskID] = rest
	}
	q.count(p, -1)
}

// count keeps begun and placed, so that whoever takes a run out of the queue gives its place back.
func (q *queue) count(p *pending, n int) {
	if p.begun {
		if q.begun[p.run.TaskID] += n; q.begun[p.run.TaskID] == 0 {
			delete(q.begun, p.run.TaskID)
		}
	}
	if p.placed {
		q.allPlaced += n
		if q.placed[p.group] += n; q.placed[p.group] == 0 {
			delete(q.placed, p.group)
		}
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
		if p.run.Cause == task.ByFire && !p.begun && !at.After(by) && (since.IsZero() || at.Before(since)) {
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
