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

// active is a run that is going.
type active struct {
	run    task.Run
	entry  *entry
	ctx    context.Context
	cancel context.CancelCauseFunc
	// canceledBy and why are set under Engine.mu before cancel is called by CancelRun.
	canceledBy, why string
}

// arm puts recorded runs into the queue and starts those whose instant has come: an edit that takes back
// what has not started never finds one of them.
func (e *Engine) arm(runs ...*pending) {
	if len(runs) == 0 {
		return
	}
	e.mu.Lock()
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
	for _, p := range runs {
		p.at = never
		e.queue.push(p)
	}
}

// release lets postponed runs start at their instants, as far as nobody has taken them out of the queue.
func (e *Engine) release(runs []*pending) {
	e.mu.Lock()
	kept := runs[:0]
	for _, p := range runs {
		if e.queue.byRun[p.run.ID] == p {
			e.queue.remove(p)
			p.at = p.run.DueTime()
			kept = append(kept, p)
		}
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
		case <-timer.C:
		}
	}
}

// startDue starts what is due and returns how long to sleep.
func (e *Engine) startDue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.startDueLocked()
}

// startDueLocked is startDue for a caller that holds mu.
func (e *Engine) startDueLocked() time.Duration {
	for {
		p := e.queue.first()
		if p == nil {
			return maxSleep
		}
		if sleep := p.at.Sub(e.cfg.Now()); sleep > 0 {
			return min(sleep, maxSleep)
		}
		// A run leaves the queue and counts as going in one step: an edit finds it in one place or the
		// other.
		e.queue.remove(p)
		e.start(p)
	}
}

// start starts a run, or records that it is skipped. The caller holds mu.
func (e *Engine) start(p *pending) {
	en := e.tasks[p.run.TaskID]
	if p.run.Cause == task.ByFire {
		en.owed = true
		e.queue.stays(&p.run)
	}
	overlap := en.Declaration.Policy.Overlap
	if p.overlap != nil {
		overlap = *p.overlap
	}
	if en.going > 0 && overlap == task.OverlapSkip {
		from := p.run.Attempt
		p.run.State, p.run.Reason, p.run.Attempt, p.run.EndTime = task.Skipped, task.ReasonOverlap, 0, e.now()
		e.rec.ended(store.Report{Run: p.run, FromAttempt: from})
		poke(e.quiet)
		return
	}
	en.going++
	a := &active{run: p.run, entry: en}
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	e.active[a.run.ID] = a
	go e.attempt(a) // stop waits until active is empty
}

// attempt makes one attempt of a run and hands its end to the recorder.
func (e *Engine) attempt(a *active) {
	defer a.cancel(nil)
	a.run.State, a.run.StartTime = task.Running, e.now()
	e.rec.started(a.run)

	ctx := a.ctx
	timeout := a.entry.Declaration.Policy.Timeout
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, timeout, target.ErrTimeout)
		defer stop()
	}
	output, err := e.do(ctx, a)

	a.run.EndTime, a.run.Output = e.now(), output
	a.run.State, a.run.Error = task.Succeeded, ""
	e.mu.Lock()
	if err != nil {
		a.run.Error = cut(err.Error(), maxError)
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, target.ErrTimeout):
			a.run.State = task.TimedOut
			a.run.Error = fmt.Sprintf("timed out after %s", timeout)
		case errors.Is(cause, target.ErrCanceled):
			a.run.State, a.run.Actor = task.Canceled, a.canceledBy
			a.run.Error = canceled(a.why)
		case errors.Is(cause, target.ErrStopping):
			a.run.State, a.run.Actor = task.Canceled, reconcile.Self
			a.run.Error = canceled(target.ErrStopping.Error())
		default:
			a.run.State = task.Failed
		}
	}
	a.entry.going--
	delete(e.active, a.run.ID)
	reschedule := false
	if a.entry.going == 0 && a.entry.owed {
		a.entry.owed = false
		f := a.entry.trigger.Load()
		reschedule = f == nil || f.FollowsRuns()
		e.rec.follow(a.run.ID, e.queue.waitsSince(a.run.TaskID, a.run.EndTime))
	}
	if a.run.State == task.Failed || a.run.State == task.TimedOut {
		e.log.Warn("run did not succeed", "task_name", a.entry.Declaration.Name, "run_id", a.run.ID.String(),
			"state", a.run.State.String(), "error", cut(a.run.Error, maxLogged))
	}
	// Before mu is given up: whoever finds no run going finds the ends of all of them with the recorder.
	e.rec.ended(store.Report{Run: a.run, FromAttempt: a.run.Attempt, Reschedule: reschedule})
	e.mu.Unlock()
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
			e.log.Error("task panicked", "task_name", a.entry.Declaration.Name, "run_id", a.run.ID.String(),
				"error", err, "stack", string(p.Stack))
		}
	}()
	return a.entry.Target.Do(ctx, target.Attempt{
		RunID: a.run.ID, TaskID: a.run.TaskID, TaskName: a.entry.Declaration.Name,
		ScheduledTime: a.run.ScheduledTime, Number: a.run.Attempt, Input: a.run.Input,
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
