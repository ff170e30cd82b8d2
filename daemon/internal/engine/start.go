package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// active is a run that makes an attempt.
type active struct {
	run    task.Run
	entry  *entry
	ctx    context.Context
	cancel context.CancelCauseFunc
	// told says that the store may hold a Reason for it, so that its start must be recorded before it is made.
	told bool
	gap  time.Duration
	// target does the work or, if it is at a worker, place. seq and refusals are those of the pending.
	target   target.Target
	place    target.Place
	seq      uint64
	refusals int
	tell     *telling

	// Guarded by Engine.mu: where it goes and in which group it has a place; who canceled it and why, before cancel
	// is called, and the event that tells of that.
	lane  *lane
	group string
	// stray says that the node was given up meanwhile: its end changes nothing.
	stray           bool
	canceledBy, why string
	audit           []task.Event
}

// arm puts recorded runs into the queue and starts those whose instant has come: an edit that takes back
// what has not started never finds one of them.
func (e *Engine) arm(runs ...*pending) {
	if len(runs) == 0 {
		return
	}
	e.mu.Lock()
	if e.fenced {
		e.mu.Unlock()
		return // it is in other hands, or soon is
	}
	first := e.queue.first()
	for _, p := range runs {
		e.queue.push(p)
	}
	e.startDueLocked()
	earlier := e.queue.first() != first
	e.mu.Unlock()
	if earlier {
		poke(e.wakeUp)
	}
}

// never is an instant that does not come.
var never = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// postpone puts recorded runs into the queue, to be started after release.
func (e *Engine) postpone(runs []*pending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fenced {
		return
	}
	for _, p := range runs {
		p.at = never
		e.queue.push(p)
	}
}

// release lets postponed runs start at their instants, as far as nobody has taken them out of the queue.
func (e *Engine) release(runs []*pending) {
	for _, id := range e.paused {
		e.takeFires(id)
	}
	e.gate.RLock() // or the node may be another one when they are armed
	defer e.gate.RUnlock()
	e.mu.Lock()
	kept := runs[:0]
	for _, p := range runs {
		if e.queue.byRun[p.run.ID] == p {
			e.queue.remove(p)
			kept = append(kept, p)
		}
		p.at = p.run.DueTime() // also of one that an edit has in its hands, and may put back
	}
	e.mu.Unlock()
	e.arm(kept...)
}

// poke leaves a wake-up in a channel of size one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// dispatch starts each run at its instant, until ctx ends.
func (e *Engine) dispatch(ctx context.Context) {
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for {
		timer.Reset(e.startDue())
		select {
		case <-ctx.Done():
			return
		case <-e.wakeUp:
		case <-e.cfg.Freed:
			e.workerFreed()
		case <-e.tasks.retargeted:
			e.retargeted()
		case <-timer.C:
		}
	}
}

// startDue starts what is due and returns how long to sleep.
func (e *Engine) startDue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	sleep := e.startDueLocked()
	if at := e.callHall(); !at.IsZero() {
		sleep = min(sleep, max(0, time.Until(at)))
	}
	return sleep
}

// startDueLocked is startDue for a caller that holds mu.
func (e *Engine) startDueLocked() time.Duration {
	for {
		p := e.queue.first()
		if p == nil {
			break
		}
		if p.at.After(e.cfg.Now()) {
			break
		}
		// A run leaves the queue and counts as going or waits elsewhere in one step: an edit finds it in one
		// place or the other.
		e.queue.remove(p)
		e.start(p)
	}
	e.admit()
	sleep := maxSleep
	if p := e.queue.first(); p != nil {
		sleep = min(sleep, p.at.Sub(e.cfg.Now()))
	}
	if at := e.places.rateTime; !at.IsZero() {
		sleep = min(sleep, time.Until(at))
	}
	return max(sleep, 0)
}

// start starts a run whose instant has come, lets it wait, or records that it is skipped. The caller holds mu and
// has taken it out of the queue.
func (e *Engine) start(p *pending) {
	l := e.lane(p.run.TaskID)
	if p.run.Cause == task.ByFire {
		l.owed = true
		e.queue.stays(&p.run)
	}
	en := e.tasks.get(p.run.TaskID)
	switch {
	case en == nil:
		e.gone(p)
	case p.placed && e.seat(p, en):
		e.launch(p, en, l)
	case p.placed:
		p.placed = false // who waits for a worker keeps no place from others
		e.sit(p, en, l)
	case p.begun || e.mayGo(p, en, l):
		e.enter(p, l)
	}
}

// gone ends a run that is to start and whose task this daemon can not run any more, or leaves it to a node that can.
func (e *Engine) gone(p *pending) {
	if e.node != nil && e.tasks.get(p.run.TaskID) == nil {
		l := e.lane(p.run.TaskID)
		e.leave(p, p.run.Reason)
		e.freed(l)
		e.leaveLane(l)
		return
	}
	if p.begun || len(p.run.Earlier) > 0 {
		e.end(p, task.Lost, 0, "nothing declares its task any more")
		return
	}
	e.end(p, task.Skipped, task.ReasonOrphaned, "")
}

// end records the end of a run that is in nobody's hands. It needs mu.
func (e *Engine) end(p *pending, state task.RunState, why task.Reason, problem string, audit ...task.Event) {
	l := e.lane(p.run.TaskID)
	run := p.run
	run.State, run.Reason, run.EndTime = state, why, e.now()
	run.NextAttemptTime = time.Time{}
	if problem != "" {
		run.Error = problem
	}
	if state == task.Skipped {
		run.Attempt = 0
	}
	if run.Cause == task.ByFire {
		l.owed = true
	}
	e.freed(l)
	report := store.Report{Run: run, FromAttempt: p.run.Attempt, Audit: audit}
	e.decides(&report, l)
	e.rec.ended(report)
	e.leaveLane(l)
	poke(e.quiet)
}

// decides says whether a recorded end is to be told to the trigger, or may pause the task. It needs mu, and
// nothing may go any more that could.
func (e *Engine) decides(report *store.Report, l *lane) {
	run := &report.Run
	var policy task.Policy
	follows := true
	if en := e.tasks.get(l.id); en != nil {
		policy = en.policy()
		if f := en.inForce(); f != nil {
			follows = f.FollowsRuns()
		}
	}
	told := false
	if e.going(l) == 0 && len(l.waiting) == 0 && l.owed {
		l.owed = false
		told = follows
		e.rec.follow(run.ID, e.queue.waitsSince(l.id, run.EndTime))
	}
	report.Decide = told
	if !told && e.rec.ending(run.ID).uncounts {
		report.Decide = true
		e.rec.only(run.ID)
	}
	if failed(run.State) && policy.PauseAfterFailures > 0 {
		report.Decide = true
		if !told {
			e.rec.only(run.ID)
		}
	}
}

// launch makes the next attempt of a run, which counts as going with a place from here on. It needs mu.
func (e *Engine) launch(p *pending, en *entry, l *lane) {
	if !e.trusted() {
		if p.place != nil {
			p.place.Release()
		}
		return
	}
	if !p.placed && p.run.Cause == task.ByBackfill {
		l.backfillTime = e.now()
	}
	a := &active{
		run: p.run, entry: en, lane: l, group: p.group, gap: p.gap,
		target: en.target(), place: p.place, seq: p.seq, refusals: p.refusals,
	}
	p.place = nil
	a.run.Reason, a.run.Worker = 0, ""
	if a.place != nil {
		a.run.Worker = a.place.Worker()
	}
	// It has started from here on, and not when its goroutine comes to its turn: a pause that is answered before that
	// found it going.
	a.run.State, a.run.StartTime = task.Running, e.now()
	a.told = e.rec.hasWaited(p.run.ID) || p.told
	a.tell = e.telling(a)
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	e.active[a.run.ID] = a
	l.active[a.run.ID] = a
	e.places.take(a.group)
	e.countRunning()
	go e.attempt(a) // stop waits until active is empty
}

// attempt makes one attempt of a run and hands its end to the recorder.
func (e *Engine) attempt(a *active) {
	defer a.cancel(nil)
	ctx := a.ctx
	var output []byte
	var err error
	there := true
	timeout := a.entry.policy().Timeout
	if a.told {
		there, err = e.rec.begin(ctx, a.run)
	} else {
		e.rec.started(a.run)
	}
	if there && err == nil && a.place != nil {
		err = context.Cause(ctx) // it need not get there
	}
	if there && err == nil {
		if timeout > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeoutCause(ctx, timeout, target.ErrTimeout)
			defer stop()
		}
		output, err = e.do(ctx, a)
	} else if a.place != nil {
		a.place.Release()
	}

	a.run.EndTime, a.run.Output = e.now(), output
	a.run.State, a.run.Error = task.Succeeded, ""
	var lost *target.LostError
	e.mu.Lock()
	if a.stray {
		e.strays--
		e.mu.Unlock()
		poke(e.quiet)
		return
	}
	if err != nil {
		a.run.Error = cut(err.Error(), maxError)
		switch cause := context.Cause(ctx); {
		case errors.Is(context.Cause(a.ctx), target.ErrCanceled): // though it may have timed out before: there is no next attempt
			a.run.State, a.run.Actor = task.Canceled, a.canceledBy
			a.run.Error = canceled(a.why)
		case errors.Is(cause, target.ErrTimeout):
			a.run.State = task.TimedOut
			a.run.Error = fmt.Sprintf("timed out after %s", timeout)
		case errors.Is(cause, target.ErrStopping):
			a.run.State, a.run.Actor = task.Canceled, reconcile.Self
			a.run.Error = canceled(target.ErrStopping.Error())
		case errors.As(err, &lost):
			a.run.State = task.Lost
		default:
			a.run.State = task.Failed
		}
	}
	l := a.lane
	delete(e.active, a.run.ID)
	delete(l.active, a.run.ID)
	e.places.give(a.group)
	e.sparePlaces(a.group)
	again := there && e.again(a, l, lost)
	if failed(a.run.State) {
		e.log.Warn("run did not succeed", "task_name", a.entry.name, "run_id", a.run.ID.String(),
			"state", a.run.State.String(), "error", cut(a.run.Error, maxLogged), "attempt", a.run.Attempt, "next_attempt", again)
	}
	switch {
	case again:
	case !there: // it was deleted with its task
		e.freed(l)
	default:
		e.settle(a, l)
		e.freed(l)
		report := store.Report{Run: a.run, FromAttempt: a.run.Attempt}
		if a.run.State == task.Canceled {
			report.Audit = a.audit
		}
		e.decides(&report, l)
		// Before mu is given up: whoever finds no run going finds the ends of all of them with the recorder.
		e.rec.ended(report)
	}
	e.leaveLane(l)
	e.admit()
	e.countRunning()
	e.mu.Unlock()
	if !there {
		e.vanish([]*pending{{run: a.run}})
	}
	poke(e.quiet)
	e.rec.pace()
}

// do calls the target so that a panic in it ends no more than the run.
func (e *Engine) do(ctx context.Context, a *active) (output []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &target.PanicError{Value: fmt.Sprint(v), Stack: debug.Stack()}
		}
		if p := (*target.PanicError)(nil); errors.As(err, &p) {
			e.log.Error("task panicked", "task_name", a.entry.name, "run_id", a.run.ID.String(),
				"error", err, "stack", string(p.Stack))
		}
	}()
	tell := a.tell
	defer tell.end()
	do := a.target.Do
	if a.place != nil {
		do = a.place.Do
	}
	return do(ctx, target.Attempt{
		RunID: a.run.ID, TaskID: a.run.TaskID, TaskName: a.entry.name,
		ScheduledTime: a.run.ScheduledTime, Number: a.run.Attempt, Input: a.run.Input, Write: tell.write, Report: tell.report,
	})
}

const (
	// maxError is how much of an error is kept, in bytes: a run is shown wherever its task is.
	maxError = 4096
	// maxLogged is how much of it goes into a line of the log.
	maxLogged = 300
)

// cut cuts a text to so many bytes, and says so.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

func canceled(why string) string {
	if why == "" {
		return "canceled"
	}
	return "canceled: " + why
}
