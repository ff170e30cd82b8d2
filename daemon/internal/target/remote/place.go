package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// workers does the work of all tasks that are left to workers.
type workers struct{ hub *Hub }

// Describe says that somebody else does the work.
func (workers) Describe() task.Target {
	return target.Worker{}.Describe()
}

// Do is for who does not reserve a place before. If there is none, nothing is started.
func (t workers) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	p := t.Reserve(a.TaskName)
	if p == nil {
		return nil, &target.LostError{Why: fmt.Sprintf("no worker that runs task %q has a place", a.TaskName), NotStarted: true}
	}
	return p.Do(ctx, a)
}

// Reserve takes a place at the worker that runs the task and has the most of them free; among equals, at the one that
// was not asked for longest. It looks at each worker of the task.
func (t workers) Reserve(taskName string) target.Place {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	var best *worker
	most := 0
	for _, w := range h.byTask[taskName] {
		free := w.free()
		if free == 0 || free < most || free == most && w.turn >= best.turn || w.refused[taskName] {
			continue
		}
		best, most = w, free
	}
	if best == nil {
		for _, w := range h.byTask[taskName] {
			w.wanted = true
		}
		return nil
	}
	h.turn++
	best.turn = h.turn
	best.reserved++
	return &place{w: best, name: best.hello.Name}
}

// A place is one that was reserved at a worker.
type place struct {
	w    *worker
	name string
	used bool // guarded by the hub's lock
}

// Worker is the name of the worker.
func (p *place) Worker() string { return p.name }

// Release gives the place back. After Do, or a second time, it does nothing.
func (p *place) Release() {
	p.w.hub.mu.Lock()
	defer p.w.hub.mu.Unlock()
	if p.use() {
		p.w.offer()
	}
}

// use ends the reservation, if it has not ended.
func (p *place) use() bool {
	if p.used {
		return false
	}
	p.used = true
	p.w.reserved--
	return true
}

// An attempt is one that a worker is to make. The hub's lock guards it, but for what is said otherwise.
type attempt struct {
	order    task.Assignment
	deadline time.Time // zero: none
	// sent says that it was handed out: from there on nobody knows whether the worker has begun.
	sent bool
	// canceled says why it is to be stopped. Empty: it is not.
	canceled string
	// left says that nobody waits for its end any more.
	left bool
	// over is closed when it has ended. After that output and err do not change.
	over   chan struct{}
	output []byte
	err    error

	// telling guards mute, which says that nobody listens any more. Do sets it before it returns: what is written
	// after the end of an attempt must not reach those who follow it.
	telling sync.Mutex
	mute    bool
	write   func(task.OutputStream, []byte)
	report  func(task.Progress)
}

// Do gives the attempt to the worker and waits for its end. If the worker is lost, leaves or gives it back, the error is
// a *target.LostError. When ctx ends, the worker is told to stop, and has one lease to say how the attempt has ended;
// then Do returns the cause, and what the worker says later changes nothing.
func (p *place) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	at := &attempt{
		order: task.Assignment{
			AttemptRef: task.AttemptRef{Run: a.RunID, Attempt: a.Number},
			TaskID:     a.TaskID, TaskName: a.TaskName, ScheduledTime: a.ScheduledTime, Input: a.Input,
		},
		over: make(chan struct{}), write: a.Write, report: a.Report,
	}
	at.deadline, _ = ctx.Deadline()
	if err := p.assign(at); err != nil {
		return nil, err
	}
	defer func() {
		at.telling.Lock()
		at.mute = true
		at.telling.Unlock()
	}()
	select {
	case <-at.over:
	case <-ctx.Done():
		if !p.w.cancel(at, context.Cause(ctx)) {
			break
		}
		limit := time.NewTimer(p.w.hub.cfg.Lease)
		defer limit.Stop()
		select {
		case <-at.over:
		case <-limit.C:
			if p.w.leave(at) {
				return nil, context.Cause(ctx)
			}
		}
	}
	// Nobody waits for the next attempt of one that was to be stopped.
	if lost := (*target.LostError)(nil); ctx.Err() != nil && errors.As(at.err, &lost) {
		return nil, context.Cause(ctx)
	}
	return at.output, at.err
}

// assign puts the attempt into the outbox of the worker's session.
func (p *place) assign(at *attempt) error {
	h, w := p.w.hub, p.w
	h.mu.Lock()
	defer h.mu.Unlock()
	if !p.use() {
		return errors.New("remote: a place was used twice")
	}
	refuse := func(why string) error {
		w.offer()
		return w.notStarted(why)
	}
	switch {
	case h.draining:
		return refuse("the daemon stops")
	case h.workers[w.hello.ID] != w:
		return refuse("it has gone")
	case w.session == nil:
		return refuse("its connection has ended")
	case w.draining:
		return refuse("it takes nothing new")
	case w.held[at.order.AttemptRef] != nil && w.held[at.order.AttemptRef].left:
		return refuse("it says that it has it already")
	case w.held[at.order.AttemptRef] != nil:
		w.offer()
		return fmt.Errorf("remote: %s holds attempt %d of run %s already", w, at.order.Attempt, at.order.Run)
	}
	w.held[at.order.AttemptRef] = at
	w.session.assign(at)
	return nil
}

// cancel tells the worker to stop an attempt, and reports whether its end is to be waited for: if the worker was not
// even given it, it ends at once.
func (w *worker) cancel(at *attempt, cause error) bool {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	switch {
	case w.held[at.order.AttemptRef] != at:
		return false // it has ended, a moment ago
	case !at.sent:
		w.session.assigned = slices.DeleteFunc(w.session.assigned, func(o *attempt) bool { return o == at })
		w.end(at, nil, cause)
		return false
	}
	at.canceled = cause.Error()
	if w.session != nil {
		w.session.cancel(at.order.AttemptRef, at.canceled)
	}
	return true
}

// leave says that nobody waits for the end of an attempt any more, unless it has ended. Its place is taken until the
// worker says that it is not.
func (w *worker) leave(at *attempt) bool {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	at.left = w.held[at.order.AttemptRef] == at
	return at.left
}
