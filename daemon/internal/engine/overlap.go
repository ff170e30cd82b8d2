package engine

import (
	"maps"
	"slices"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// mayGo decides what a run does whose instant has come while others of its task go: it goes, waits, or is skipped.
// Only if it goes, nothing is done yet. It needs mu, as all here do.
func (e *Engine) mayGo(p *pending, en *entry, l *lane) bool {
	if p.run.Cause == task.ByBackfill && p.overlap == nil {
		return e.backfillMayGo(p, l)
	}
	policy := en.policy().Overlap
	if p.overlap != nil {
		policy = *p.overlap
	}
	switch {
	case policy == task.OverlapAllow:
		return !e.early(p, l)
	case e.going(l) == 0 && (len(l.waiting) == 0 || l.settling == 0):
		return true
	case p.run.Reason == task.ReasonOverlap:
		// It has waited before, and goes on with that.
		e.inTurn(p, l)
	case policy == task.OverlapQueue && len(l.waiting) == 0:
		e.inTurn(p, l)
	case p.caughtUp && policy != task.OverlapCancel:
		// The task wants each of the fires that it has missed: one after another, since they come all at once.
		e.inTurn(p, l)
	case policy == task.OverlapCancel:
		e.replace(p, l)
	default:
		e.end(p, task.Skipped, task.ReasonOverlap, "")
	}
	return false
}

// replace lets a run wait for the end of those that go, and ends them.
func (e *Engine) replace(p *pending, l *lane) {
	// All of them are known before the first ends: with the end of the last, p itself may go.
	older := slices.Clone(l.waiting)
	var begun []*pending
	for _, o := range l.line {
		if !o.begun && len(o.run.Earlier) == 0 {
			older = append(older, o)
		} else {
			begun = append(begun, o)
		}
	}
	active := slices.Collect(maps.Values(l.active))
	between := slices.Clone(e.queue.byTask[l.id])
	e.inTurn(p, l)
	for _, o := range older {
		e.unwait(o)
		e.end(o, task.Skipped, task.ReasonOverlap, "")
	}
	why := "replaced by run " + p.run.ID.String()
	for _, a := range active {
		a.end(reconcile.Self, why)
	}
	for _, o := range begun {
		e.unwait(o)
		e.cancelPending(o, reconcile.Self, why)
	}
	for _, o := range between {
		if o.begun {
			e.queue.remove(o)
			e.cancelPending(o, reconcile.Self, why)
		}
	}
}

// backfillMayGo is mayGo for a run of a backfill that does not go beside others.
func (e *Engine) backfillMayGo(p *pending, l *lane) bool {
	if e.early(p, l) {
		return false
	}
	i, _ := slices.BinarySearchFunc(l.backfill, p.run.ID, func(o *pending, id task.RunID) int { return int(min(max(o.run.ID-id, -1), 1)) })
	l.backfill = slices.Insert(l.backfill, i, p)
	e.shelve(p, task.ReasonOverlap)
	e.freed(l)
	return false
}

// early puts a run of a backfill back into the queue if another of it has started a moment ago, and reports
// whether it did.
func (e *Engine) early(p *pending, l *lane) bool {
	if p.gap == 0 || l.backfillTime.IsZero() {
		return false
	}
	at := l.backfillTime.Add(p.gap)
	if !at.After(e.now()) {
		return false
	}
	p.at = at
	e.queue.push(p)
	poke(e.wakeUp)
	return true
}

// end ends the context of an attempt. The first who does that is the one who did.
func (a *active) end(by, why string) bool {
	if a.ctx.Err() != nil {
		return false
	}
	a.canceledBy, a.why = by, why
	a.cancel(target.ErrCanceled)
	return true
}

// inTurn lets a run wait until nothing of its task goes.
func (e *Engine) inTurn(p *pending, l *lane) {
	if e.leaving {
		e.leave(p, task.ReasonOverlap)
		return
	}
	l.waiting = append(l.waiting, p)
	e.shelve(p, task.ReasonOverlap)
}
