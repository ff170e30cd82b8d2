package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// lane is where the runs of one task go. It is there for as long as something of it goes or waits, whatever becomes
// of the task. Guarded by Engine.mu.
type lane struct {
	id uuid.UUID
	// active are those that make an attempt, line those that wait for a place among all that do, or for one at a
	// worker. Those between two attempts are in the queue: see queue.begun. All of these are going.
	active map[task.RunID]*active
	line   map[task.RunID]*pending
	// waiting are those that wait until nothing goes, in their order: one at most, but for those that the process
	// before has left. backfill are those of backfills, by id, that wait for that and for waiting.
	waiting, backfill []*pending
	// owed says that a fire has started or was skipped since the trigger was last told that a run had ended, or
	// may have in the process before.
	owed bool
	// settling counts the ends of which it is not known yet whether they pause the task.
	settling int
	// backfillTime is when a run of a backfill last started.
	backfillTime time.Time
}

// lane returns that of a task. It needs mu, as all here do.
func (e *Engine) lane(id uuid.UUID) *lane {
	l := e.lanes[id]
	if l == nil {
		l = &lane{id: id, active: make(map[task.RunID]*active, 1)}
		e.lanes[id] = l
	}
	return l
}

// leaveLane forgets a lane that nothing is in.
func (e *Engine) leaveLane(l *lane) {
	if e.going(l) == 0 && len(l.waiting) == 0 && len(l.backfill) == 0 && l.settling == 0 && !l.owed &&
		(l.backfillTime.IsZero() || len(e.queue.byTask[l.id]) == 0) && e.lanes[l.id] == l {
		delete(e.lanes, l.id)
	}
}

// going counts the runs of a task that are going: those between two attempts and those that wait for a place too.
func (e *Engine) going(l *lane) int { return len(l.active) + len(l.line) + e.queue.begun[l.id] }

// freed lets go what waits until nothing of its task does, if nothing does.
func (e *Engine) freed(l *lane) {
	for e.going(l) == 0 && l.settling == 0 && !e.leaving {
		var p *pending
		switch {
		case len(l.waiting) > 0:
			p, l.waiting = l.waiting[0], l.waiting[1:]
		case len(l.backfill) > 0:
			p, l.backfill = l.backfill[0], l.backfill[1:]
		default:
			e.leaveLane(l)
			return
		}
		p.waits = 0
		delete(e.waiting, p.run.ID)
		if e.early(p, l) {
			return // those behind it are of the same backfill, or wait until that has gone on
		}
		e.enter(p, l)
	}
}

// shelve keeps a run whose instant has come out of the queue until something happens, and makes that visible.
func (e *Engine) shelve(p *pending, why task.Reason) {
	p.waits = why
	e.waiting[p.run.ID] = p
	if p.run.Reason != why {
		p.run.Reason = why
		e.rec.shelved(p.run)
	}
}

// unwait takes a run that waits outside the queue out of wherever it does.
func (e *Engine) unwait(p *pending) {
	l := e.lane(p.run.TaskID)
	delete(e.waiting, p.run.ID)
	switch {
	case p.bench != nil:
		e.rise(p)
		delete(l.line, p.run.ID)
	case p.waits == task.ReasonLimit:
		e.places.remove(p)
		delete(l.line, p.run.ID)
		e.countLine(p.group)
	case p.run.Cause == task.ByBackfill:
		l.backfill = slices.DeleteFunc(l.backfill, func(o *pending) bool { return o == p })
	default:
		l.waiting = slices.DeleteFunc(l.waiting, func(o *pending) bool { return o == p })
	}
	p.waits = 0
}

// takeWaiting takes out what waits for another run, for a place or for a worker: of a task that is paused its fires that have
// not begun; or else everything of it that makes no attempt, so that nothing of it starts any more. arm puts it back,
// and whoever does not do that ends the runs, with skipWaiting, or deletes them.
func (e *Engine) takeWaiting(id uuid.UUID, fires bool) []*pending {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[id]
	if l == nil {
		return nil
	}
	var taken []*pending
	for _, p := range slices.Concat(l.waiting, l.backfill, slices.Collect(maps.Values(l.line))) {
		// What waited for a place before this process began is marked as begun, and has made no attempt all the same.
		if fires && (p.run.Cause != task.ByFire || len(p.run.Earlier) > 0) {
			continue
		}
		e.unwait(p)
		// In the queue again, it is as if its instant had just come.
		p.at = p.run.DueTime()
		taken = append(taken, p)
	}
	slices.SortFunc(taken, byTurn)
	if !fires {
		l.owed = false
	}
	e.leaveLane(l)
	poke(e.wakeUp) // a run may have left the queue with its place, and another can have that
	return taken
}

// byTurn is the order in which runs began to wait.
func byTurn(a, b *pending) int {
	if c := a.at.Compare(b.at); c != 0 {
		return c
	}
	return int(min(max(a.run.ID-b.run.ID, -1), 1))
}

// skipWaiting ends runs that takeWaiting has taken out, and that were not put back, because their task has become
// paused or orphaned.
func (e *Engine) skipWaiting(taken []*pending, t *task.Task) {
	if t.State != task.Orphaned {
		e.skip(taken, task.ReasonPaused)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range taken {
		e.gone(p)
	}
}

// skip ends runs that are in nobody's hands and will not start.
func (e *Engine) skip(taken []*pending, why task.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range taken {
		e.end(p, task.Skipped, why, "")
	}
}

// moveRuns makes the runs of a task that wait or go those of the task that it was renamed to. In the store they
// are already. What makes an attempt makes it with the old policy.
func (e *Engine) moveRuns(from, to uuid.UUID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range slices.Clone(e.queue.byTask[from]) {
		e.queue.remove(p)
		p.run.TaskID = to
		e.queue.push(p)
	}
	old := e.lanes[from]
	if old == nil {
		return
	}
	for _, p := range slices.Concat(old.waiting, old.backfill, slices.Collect(maps.Values(old.line))) {
		p.run.TaskID = to
	}
	delete(e.lanes, from)
	if l := e.lanes[to]; l != nil { // what is left of a task of that name that was deleted
		for id, a := range l.active {
			a.lane = old
			old.active[id] = a
		}
	}
	old.id = to
	e.lanes[to] = old
	en := e.tasks.get(to)
	if en == nil {
		return
	}
	for _, p := range old.line { // a bench has the name of its task
		if p.bench != nil {
			e.rise(p)
			e.sit(p, en, old)
		}
	}
	e.lookAround()
}

func (l *lane) toLine(id task.RunID, p *pending) {
	if l.line == nil {
		l.line = make(map[task.RunID]*pending, 1)
	}
	l.line[id] = p
}
