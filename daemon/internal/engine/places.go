package engine

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"golang.org/x/time/rate"
)

// places are those that runs need to go: of all tasks together, and of each group. Who finds none waits in the line
// of its group; a place that is given back goes to the run that has waited longest among those whose group has a
// place, so that a full group keeps nobody else waiting. Guarded by Engine.mu.
//
// A run keeps its place until it has ended, between two attempts too.
type places struct {
	limits task.Limits
	groups map[string]task.Limits
	// rate lets runs start, on the monotonic clock. Nil: at any rate.
	rate *rate.Limiter
	// rateTime is when it lets the next one start. Zero: nobody waits for that.
	rateTime time.Time
	// running counts the runs that make an attempt, by group and in all. Those between two attempts are counted by
	// the queue.
	running map[string]int
	all     int
	// lines are the runs that wait, by group, in their turn. None is empty.
	lines map[string][]*pending
	seq   uint64
	// told is how long each line is, as the meter was told. Missing: 0.
	told map[string]int
	// granted are the places that this node has of those that a group has in the cluster. Only of nodes.
	granted map[string]store.Places
	// warned is when it was last said that runs are skipped.
	warned time.Time
}

func newPlaces() places {
	return places{running: make(map[string]int), lines: make(map[string][]*pending), told: make(map[string]int)}
}

// setLimits puts limits in force. Runs that go beyond them go on, and those that wait go on waiting.
func (e *Engine) setLimits(l task.Limits, groups map[string]task.Limits) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.places
	if s.limits.StartRate != l.StartRate || s.rate == nil {
		s.rate = nil
		if l.StartRate > 0 {
			// What starts at the same instant is spread over the next, but for a tenth of a second's worth.
			s.rate = rate.NewLimiter(rate.Limit(l.StartRate), max(1, int(l.StartRate/10)))
		}
	}
	s.limits, s.groups = l, groups
	e.admit()
}

// free returns how many places a group has, whether or not there are as many among all.
func (e *Engine) free(group string) int {
	l, ok := e.places.groups[group]
	if !ok || l.MaxRunning == 0 {
		return task.MaxLimit * 2
	}
	most := l.MaxRunning
	if e.node != nil {
		most = min(most, e.places.granted[group].Granted)
	}
	return max(0, most-e.used(group))
}

// used returns how many places of a group are taken up here.
func (e *Engine) used(group string) int { return e.places.running[group] + e.queue.placed[group] }

// freeOfAll returns how many places there are among all.
func (e *Engine) freeOfAll() int {
	if e.places.limits.MaxRunning == 0 {
		return task.MaxLimit * 2
	}
	return max(0, e.places.limits.MaxRunning-e.places.all-e.queue.allPlaced)
}

// enter lets a run go as soon as there is a place. From here on it counts as going.
func (e *Engine) enter(p *pending, l *lane) {
	en := e.tasks.get(p.run.TaskID)
	if en == nil {
		e.gone(p)
		return
	}
	s := &e.places
	p.group = en.group()
	if e.leaving && (len(s.lines) > 0 || e.free(p.group) == 0 || e.freeOfAll() == 0) {
		e.leave(p, task.ReasonLimit)
		return
	}
	exempt := p.exempt()
	if f := en.inForce(); p.run.Cause == task.ByFire && f != nil && f.FollowsRuns() {
		exempt = true // the end of this fire would bring the next at once: skipping would spin
	}
	if p.seq == 0 {
		s.seq++
		p.seq = s.seq
	}
	line := s.lines[p.group]
	i, _ := slices.BinarySearchFunc(line, p.seq, func(o *pending, seq uint64) int {
		if o.seq < seq {
			return -1
		}
		return 1
	})
	s.lines[p.group] = slices.Insert(line, i, p)
	l.toLine(p.run.ID, p)
	p.waits = task.ReasonLimit
	e.waiting[p.run.ID] = p
	e.admit()
	if e.waiting[p.run.ID] != p {
		return
	}
	if over := p.bench == nil && e.overfull(p.group) || p.bench != nil && e.hallOverfull(p.group); over && !exempt {
		worker := p.bench != nil
		e.unwait(p)
		if now := e.now(); now.Sub(s.warned) >= crowdGap {
			s.warned = now
			e.log.Warn("runs are skipped: no place is free, and as many as may wait for one do", "group", p.group, "task_name", en.name, "at_workers", worker)
		}
		e.end(p, task.Skipped, task.ReasonLimit, "")
		return
	}
	if p.bench == nil {
		e.shelve(p, task.ReasonLimit)
		e.countLine(p.group)
		e.wantPlaces(p.group)
	}
}

// overfull reports whether more runs wait than may: for the group's places, if it has not enough, and else for those
// of all tasks.
func (e *Engine) overfull(group string) bool {
	s := &e.places
	free := e.free(group)
	if e.node != nil {
		free = max(free, s.groups[group].MaxRunning-e.used(group)) // they may be granted yet
	}
	if beyond := len(s.lines[group]) - free; beyond > 0 {
		return beyond > s.groups[group].Waiting()
	}
	waiting := 0
	for g, line := range s.lines {
		waiting += min(len(line), e.free(g))
	}
	return waiting > s.limits.Waiting()
}

// admit gives the places that are free to those who wait, in their turn.
func (e *Engine) admit() {
	s := &e.places
	woken := s.rateTime // the dispatcher looks by then
	s.rateTime = time.Time{}
	for len(s.lines) > 0 && e.freeOfAll() > 0 {
		var p *pending
		for g, line := range s.lines {
			if (p == nil || line[0].seq < p.seq) && e.free(g) > 0 {
				p = line[0]
			}
		}
		if p == nil {
			return
		}
		now := time.Now()
		if at := s.startTime(now); !at.IsZero() {
			s.rateTime = at
			if woken.IsZero() || at.Before(woken.Add(-time.Millisecond)) {
				poke(e.wakeUp)
			}
			return
		}
		l := e.lane(p.run.TaskID)
		e.unwait(p)
		en := e.tasks.get(p.run.TaskID)
		switch {
		case en == nil:
			e.gone(p)
		case e.early(p, l):
			e.freed(l)
		case !e.seat(p, en):
			e.sit(p, en, l)
		default:
			if s.rate != nil {
				s.rate.AllowN(now, 1)
			}
			e.launch(p, en, l)
		}
	}
}

// startTime returns when the rate lets the next run start; zero: now. It takes nothing from the rate.
func (s *places) startTime(now time.Time) time.Time {
	if s.rate == nil {
		return time.Time{}
	}
	r := s.rate.ReserveN(now, 1)
	sleep := r.DelayFrom(now)
	r.CancelAt(now)
	if sleep == 0 {
		return time.Time{}
	}
	return now.Add(sleep + time.Microsecond)
}

// remove takes a run out of its line.
func (s *places) remove(p *pending) {
	line := s.lines[p.group]
	switch i := slices.Index(line, p); {
	case i < 0:
		return
	case i == 0:
		line[0] = nil
		line = line[1:]
	default:
		line = slices.Delete(line, i, i+1)
	}
	if len(line) == 0 {
		delete(s.lines, p.group)
	} else {
		s.lines[p.group] = line
	}
}

// take gives a run a place, and give takes it back.
func (s *places) take(group string) { s.all++; s.running[group]++ }

func (s *places) give(group string) {
	s.all--
	if s.running[group]--; s.running[group] == 0 {
		delete(s.running, group)
	}
}
