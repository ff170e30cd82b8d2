package engine

import (
	"errors"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// drop forgets all that is in memory. What goes is told to end, and nobody waits for it.
func (e *Engine) drop(why error) {
	e.rec.drop()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fenced = true
	for _, a := range e.active {
		a.stray = true
		a.tell.end()
		a.cancel(why)
		e.strays++
	}
	for id, all := range e.waiters {
		for _, c := range all {
			select {
			case c <- task.Run{}:
			default:
			}
		}
		delete(e.waiters, id)
	}
	s := &e.places
	for group := range s.lines {
		delete(s.told, group)
		if e.cfg.Meter != nil {
			e.cfg.Meter.Waiting(group, task.ReasonLimit, 0)
		}
	}
	clear(s.running)
	clear(s.lines)
	s.all, s.rateTime, s.granted = 0, time.Time{}, nil
	h := &e.hall
	for group := range h.waiting {
		if e.cfg.Meter != nil {
			e.cfg.Meter.Waiting(group, task.ReasonWorker, 0)
		}
	}
	clear(h.benches)
	clear(h.waiting)
	h.all, h.look, h.lookAll = 0, false, false
	e.queue = newQueue()
	clear(e.lanes)
	clear(e.waiting)
	clear(e.active)
	e.doubted = nil
	e.countRunning()
	e.outputs.Clear()
	poke(e.quiet)
}

// try asks the store once to accept a batch. over says that the node was given up: the batch counts for nothing.
func (r *recorder) try(batch []store.Report, era int) (late []task.RunID, paused []uuid.UUID, over bool, err error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	if r.over(era) {
		return nil, nil, true, nil
	}
	late, paused, err = r.e.record(batch)
	return late, paused, errors.Is(err, task.ErrGivenUp) || r.over(era), err
}

func (r *recorder) over(era int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deaf || r.era != era
}

// rest waits for d, or until the node is given up.
func (r *recorder) rest(d time.Duration) {
	r.mu.Lock()
	dropped := r.dropped
	r.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-dropped:
	case <-timer.C:
	}
}

// drop forgets all that is to be written, and makes the recorder deaf.
func (r *recorder) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		return
	}
	r.deaf = true
	r.era++
	close(r.dropped)
	r.dropped = make(chan struct{})
	r.ends, r.begun, r.waiting = nil, nil, nil
	clear(r.going)
	clear(r.waits)
	clear(r.begins)
	clear(r.of)
	r.room.Broadcast()
}

// listen ends drop, once what was being written is written or not.
func (r *recorder) listen() {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = false
}

// knows adds the runs of which something is to be written.
func (r *recorder) knows(ids map[task.RunID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reports := range [][]store.Report{r.ends, r.writing} {
		for i := range reports {
			ids[reports[i].Run.ID] = true
		}
	}
}
