package engine

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// takeBatch is the runs of how many tasks are taken over in one transaction.
const takeBatch = 500

// takeOver takes over what nobody has in hand and this node can go on with, as a start does with what the process before
// has left. It reports whether there may be more.
func (e *Engine) takeOver(ctx context.Context) (more bool) {
	// As with a claim: no edit comes between the store and the queue.
	e.gate.Lock()
	defer e.gate.Unlock()
	if e.refusal != nil || !e.resolveGated(ctx) {
		return false
	}
	paused := make(map[uuid.UUID]time.Time)
	runs, more, err := e.node.store.Take(ctx, takeBatch, func(t task.Task) bool {
		paused[t.ID] = e.stoodStill(&t)
		if t.State == task.Orphaned && !t.OrphanTime.IsZero() {
			return true // nobody will go on with it: its runs are lost
		}
		en := e.know(&t)
		return en != nil && !e.workElsewhere(en)
	})
	if err != nil {
		e.node.took.Store(true)
		e.failedWrite(err)
		return false
	}
	if len(runs) == 0 {
		return more
	}
	e.takeIn(ctx, runs, paused, nil)
	e.log.Info("runs taken over", "runs", len(runs), "first_task", runs[0].TaskName, "from_node", runs[0].Node)
	return more
}

// takeIn goes on with runs that have come into the hands of this node, and with others that are as good as new: all in
// one step, so that each of them sees which of the others go. The caller has gate.
func (e *Engine) takeIn(ctx context.Context, runs []task.Run, paused map[uuid.UUID]time.Time, fresh []*pending) {
	again, reports, err := e.goOn(ctx, runs, paused, nil)
	if err != nil {
		e.node.took.Store(true) // they are in hand, and not known
		e.node.doubt.Store(true)
		e.arm(fresh...)
		return
	}
	going := make(map[uuid.UUID]bool, len(again))
	reported := make(map[task.RunID]bool, len(reports))
	for i := range reports {
		reported[reports[i].Run.ID] = true
	}
	for _, p := range again {
		p.at = p.run.DueTime()
		// What it is at now is recorded before it starts.
		p.told = p.told || reported[p.run.ID]
		going[p.run.TaskID] = true
	}
	e.unstickLost(reports, going)
	e.rec.ended(reports...)
	e.arm(append(again, fresh...)...)
}

// unstickLost lets triggers that wait for the end of a run hear of the last of those that are lost, if nothing of their
// tasks goes on: it may have been skipped because of a call that was going.
func (e *Engine) unstickLost(reports []store.Report, going map[uuid.UUID]bool) {
	for i := len(reports) - 1; i >= 0; i-- {
		r := &reports[i]
		if id := r.Run.TaskID; r.Run.State.Ended() && !going[id] {
			going[id] = true
			if en := e.tasks.get(id); en != nil && en.inForce() != nil && en.inForce().FollowsRuns() {
				r.Decide = true
				e.rec.told(r.Run.ID)
			}
		}
	}
}

// failedWrite takes note of an error of the store that the engine does not write to through watched.
func (e *Engine) failedWrite(err error) { watched{e: e}.saw(err) }

// doubt keeps runs of which it is not known whether they have been taken back, until resolve knows it.
func (e *Engine) doubt(runs ...*pending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.fenced {
		e.doubted = append(e.doubted, runs...)
	}
}

// uncertain reports whether an error of a write leaves it open what it has done.
func (e *Engine) uncertain(err error) bool { return e.node != nil && unavailable(err) }

// resolve finds out what became of writes that failed, and may have been carried through all the same: runs that this
// node has in hand and does not know of go on as if they had just been recorded, or taken over, and those that it has not
// are no more. It comes before anything that may make this node the holder of more: what is not known of overlaps nothing.
func (e *Engine) resolve(ctx context.Context) {
	if e.node == nil || !e.node.doubt.Load() {
		return
	}
	e.gate.Lock()
	defer e.gate.Unlock()
	if e.refusal == nil {
		e.resolveGated(ctx)
	}
}

// resolveGated is resolve for a caller that has gate, and reports whether everything is known.
func (e *Engine) resolveGated(ctx context.Context) bool {
	if !e.node.doubt.Swap(false) {
		return true
	}
	took := e.node.took.Swap(false)
	again := func() {
		e.node.doubt.Store(true)
		if took {
			e.node.took.Store(true)
		}
	}
	// What is known is collected first: nothing comes to be in hand without gate, but runs end.
	known := make(map[task.RunID]bool)
	e.rec.knows(known)
	e.mu.Lock()
	for id := range e.queue.byRun {
		known[id] = true
	}
	for id := range e.waiting {
		known[id] = true
	}
	for id := range e.active {
		known[id] = true
	}
	doubted := make(map[task.RunID]*pending, len(e.doubted))
	for _, p := range e.doubted {
		doubted[p.run.ID] = p
	}
	e.mu.Unlock()
	e.rec.knows(known) // an attempt may have ended between the two

	ids, err := e.node.store.InHand(ctx)
	if err != nil {
		again()
		return false
	}
	var back []*pending
	var fresh, left []task.Run
	paused := make(map[uuid.UUID]time.Time)
	for _, id := range ids {
		if p := doubted[id]; p != nil {
			back = append(back, p)
			delete(doubted, id)
			continue
		}
		if known[id] {
			continue
		}
		run, err := e.store.Run(ctx, id)
		if isRunGone(err) || err == nil && (run.State.Ended() || run.Node != e.Self()) {
			continue
		}
		if err == nil {
			err = e.knowByID(ctx, run.TaskID)
		}
		if err != nil {
			again() // what is not taken in now is next time
			continue
		}
		if !took && run.State == task.Scheduled && len(run.Earlier) == 0 && run.Attempt == 1 {
			fresh = append(fresh, run)
		} else {
			left = append(left, run)
		}
	}
	var none []*pending
	for _, p := range doubted {
		none = append(none, p)
	}
	e.mu.Lock()
	e.doubted = nil
	e.mu.Unlock()
	for i := range fresh {
		back = append(back, &pending{run: fresh[i], at: fresh[i].DueTime(), told: fresh[i].Reason != 0})
	}
	e.vanish(none)
	e.takeIn(ctx, left, paused, back)
	if n := len(fresh) + len(left); n > 0 {
		e.log.Info("runs found in hand that a write which seemed to have failed has left", "runs", n)
	}
	return !e.node.doubt.Load()
}

// knowByID is know for a task that is not at hand.
func (e *Engine) knowByID(ctx context.Context, id uuid.UUID) error {
	if e.tasks.get(id) != nil {
		return nil
	}
	t, err := e.store.Task(ctx, task.ByID(id))
	if err == nil {
		e.know(&t)
	}
	return err
}

// polled ends overrides and pauses whose time has come, until ctx ends: it asks the store, where other nodes set them.
func (e *Engine) polled(ctx context.Context) {
	for ctx.Err() == nil {
		ids, err := e.node.store.Elapsed(ctx, declareBatch)
		if err == nil {
			for _, id := range ids {
				if ctx.Err() == nil {
					e.elapsed(ctx, id)
				}
			}
		}
		wait(ctx, jittered(maxSleep))
	}
}
