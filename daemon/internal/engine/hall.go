package engine

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// hall is where runs wait that may go and for which no worker has a place: each task has a bench, in the order in
// which its runs came. Guarded by Engine.mu.
//
// A run takes its place among the limits first and that at a worker then, in one step: who waits for one of the two
// holds nothing of the other, and so keeps no other task waiting. A run that finds no worker sits down here; once a
// worker has a place for it, it goes back to its turn in the line if the limits have none.
//
// Who comes while others of its task sit here sits down behind them and asks nobody. The others are asked about when
// Freed is poked, in the order in which their runs came, each task until it finds no place.
type hall struct {
	benches map[string]*bench // by the name of the task
	// waiting counts the runs by group, and all of them.
	waiting map[string]int
	all     int
	// look says that a worker may have a place for somebody, lookAll that this is not only so because one has become
	// free; lookTime is when to look at the earliest, and looks counts how often that was done.
	look, lookAll bool
	lookTime      time.Time
	looks         uint64
	// closed says that no worker is given anything any more: who comes is left to the next process.
	closed bool
	// poked says that Freed was, and that the dispatcher has not said so yet. It needs no mu.
	poked atomic.Bool
}

// bench is the runs of one task, in their turn. In a hall it is not empty.
type bench struct {
	name string
	runs []*pending
	// looked is the last look at it.
	looked uint64
}

// lookGap is how long after a look the next one comes at the earliest, for each task that was looked at: however often
// places become free, those who wait for workers that are not there cost the others little.
const lookGap = time.Microsecond

// seat takes a place for the next attempt of a run, if there is to be one. The run is in nobody's hands. It needs mu,
// as all here do.
func (e *Engine) seat(p *pending, en *entry) bool {
	tg, ok := en.target().(target.Placed)
	switch {
	case !ok:
		e.unseat(p)
		return true
	case p.place != nil:
		return true
	case e.behind(en):
		return false
	}
	p.place = tg.Reserve(en.name)
	return p.place != nil
}

// unseat gives back a place that is not needed, if a run has one.
func (e *Engine) unseat(p *pending) {
	if p.place == nil {
		return
	}
	p.place.Release()
	p.place = nil
	e.lookAround()
}

// behind reports whether a run of a task has to wait for those that came before it: others of the task, or whoever is
// about to be asked whether it wants a place that has become free.
func (e *Engine) behind(en *entry) bool {
	h := &e.hall
	return h.all > 0 && (h.look || h.poked.Load() || len(e.cfg.Freed) > 0 || h.benches[en.name] != nil)
}

// sit lets a run wait for a worker. It goes on counting as going.
func (e *Engine) sit(p *pending, en *entry, l *lane) {
	if e.leaving || e.hall.closed {
		e.leave(p, task.ReasonWorker)
		return
	}
	h := &e.hall
	b := h.benches[en.name]
	if b == nil {
		b = &bench{name: en.name}
		h.benches[en.name] = b
	}
	i, _ := slices.BinarySearchFunc(b.runs, p.seq, func(o *pending, seq uint64) int { return cmp.Compare(o.seq, seq) })
	b.runs = slices.Insert(b.runs, i, p)
	p.bench = b
	h.all++
	h.waiting[p.group]++
	l.toLine(p.run.ID, p)
	e.shelve(p, task.ReasonWorker)
	e.countHall(p.group)
}

// rise takes a run off its bench.
func (e *Engine) rise(p *pending) {
	h, b := &e.hall, p.bench
	p.bench = nil
	if i, _ := slices.BinarySearchFunc(b.runs, p.seq, func(o *pending, seq uint64) int { return cmp.Compare(o.seq, seq) }); i == 0 {
		b.runs[0] = nil
		b.runs = b.runs[1:]
	} else {
		b.runs = slices.Delete(b.runs, i, i+1)
	}
	if len(b.runs) == 0 {
		delete(h.benches, b.name)
	}
	h.all--
	if h.waiting[p.group]--; h.waiting[p.group] == 0 {
		delete(h.waiting, p.group)
	}
	e.countHall(p.group)
}

// hallOverfull reports whether more runs wait for workers than may: as many as may wait for a place of all tasks, and as many
// of a group that has limits as may wait for one of its own.
func (e *Engine) hallOverfull(group string) bool {
	l, ok := e.places.groups[group]
	return e.hall.all > e.places.limits.Waiting() || ok && e.hall.waiting[group] > l.Waiting()
}

// lookAround makes the dispatcher look whether a worker has a place for somebody.
func (e *Engine) lookAround() {
	if e.hall.all > 0 && !e.hall.look {
		e.hall.look = true
		poke(e.wakeUp)
	}
}

// workerFreed says that a worker may have a place.
func (e *Engine) workerFreed() {
	e.hall.poked.Store(true) // who comes before mu is had does not overtake
	defer e.hall.poked.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lookAround()
}

// retargeted says that workers have nothing to do any more with the runs of some task, or have now.
func (e *Engine) retargeted() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hall.lookAll = true
	e.lookAround()
}

// callHall lets those go for whom a worker has a place, and returns when it is to be called again; zero: when something
// has happened. It is the dispatcher's.
func (e *Engine) callHall() time.Time {
	h := &e.hall
	switch {
	case h.all == 0:
		h.look, h.lookAll = false, false
		return time.Time{}
	case !h.look:
		return time.Time{}
	case time.Now().Before(h.lookTime):
		return h.lookTime
	}
	called, looked := e.turns()
	h.look, h.lookAll = false, false // who comes from here on asks for itself
	heap.Init(&called)
	for len(called) > 0 {
		if b := called[0]; len(b.runs) > 0 && e.callNext(b.runs[0]) {
			heap.Fix(&called, 0)
		} else {
			heap.Pop(&called)
		}
	}
	h.lookTime = time.Now().Add(time.Duration(looked) * lookGap)
	if h.look {
		return h.lookTime
	}
	return time.Time{}
}

// turns returns the benches that are to be looked at, and how many names that has cost.
func (e *Engine) turns() (turns, int) {
	h := &e.hall
	if e.cfg.Open == nil || h.lookAll {
		return slices.Collect(maps.Values(h.benches)), len(h.benches)
	}
	h.looks++
	var called turns
	names := e.cfg.Open()
	for _, name := range names {
		if b := h.benches[name]; b != nil && b.looked != h.looks {
			b.looked = h.looks
			called = append(called, b)
		}
	}
	return called, len(names)
}

// callNext lets a run go that sits, if a worker has a place for it, and reports whether it has got up.
func (e *Engine) callNext(p *pending) bool {
	en := e.tasks.get(p.run.TaskID)
	if en == nil {
		e.unwait(p)
		e.gone(p)
		return true
	}
	if tg, ok := en.target().(target.Placed); ok {
		if p.place = tg.Reserve(en.name); p.place == nil {
			return false
		}
	}
	l := e.lane(p.run.TaskID)
	e.unwait(p)
	e.enter(p, l)
	e.unseat(p) // it has gone, or waits in the line
	return true
}

// turns are benches in a heap: that of the run that came first is taken first.
type turns []*bench

func (t turns) Len() int { return len(t) }

func (t turns) Less(i, j int) bool {
	a, b := t[i].runs, t[j].runs
	return len(b) > 0 && (len(a) == 0 || a[0].seq < b[0].seq) // what is empty by now comes off at once
}

func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

func (t *turns) Push(x any) { *t = append(*t, x.(*bench)) }

func (t *turns) Pop() any {
	old := *t
	b := old[len(old)-1]
	*t = old[:len(old)-1]
	return b
}
