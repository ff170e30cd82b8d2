package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// Call calls f with everything injected, once and on the caller's goroutine, and returns what it returns. f is a
// function as [Func] takes it, but need not be a task's, and no run is recorded: its [Run] is the zero Run, its [Input]
// not given. What is made per run is made for this call. T is what f returns, or an interface that it implements; if f
// returns no value, say
//
//	_, err := daemon.Call[any](ctx, d, f)
//
// Before Run is ready Call waits for it, so neither OnStart nor a constructor of a provider can use it. From the moment
// that the daemon begins to stop it returns task.ErrStopping. The stop waits for calls that are under way, as for runs:
// their contexts end after StopGrace, with task.ErrStopping as the cause, and those that go on for as long again, and 2s,
// are left behind. Shut-down triggers do not wait for them.
//
// Errors: those of f and of providers, a panic in one of them, ctx's while it waits, task.ErrStopping, and
// task.ErrInvalid, if f is no such function, takes what nothing provides, or returns no T.
func Call[T any](ctx context.Context, d *Daemon, f any) (T, error) {
	var out T
	v, err := d.call(ctx, f, reflect.TypeFor[T]())
	if v != nil {
		out = v.(T)
	}
	return out, err
}

func (d *Daemon) call(ctx context.Context, f any, want reflect.Type) (v any, err error) {
	compiled, problems := d.cfg.set.Compile(f)
	if len(problems) == 0 {
		switch got := compiled.Result(); {
		case got == nil && want != reflect.TypeFor[any]():
			problems = append(problems, fmt.Errorf("the function returns no value, and %s is asked for: use Call[any]", want))
		case got != nil && !got.AssignableTo(want):
			problems = append(problems, fmt.Errorf("the function returns %s, and %s is asked for: use Call[%s]", got, want, got))
		}
	}
	if len(problems) > 0 {
		invalid := &task.InvalidError{}
		for _, p := range problems {
			invalid.Violations = append(invalid.Violations, task.Violation{Field: "f", Description: p.Error()})
		}
		return nil, invalid
	}
	select {
	case <-d.Ready():
	case <-d.ended:
		return nil, task.ErrStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !d.callers.enter() {
		return nil, task.ErrStopping
	}
	defer d.callers.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.callers.ctx, func() { cancel(context.Cause(d.callers.ctx)) })()
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("call panicked", "error", fmt.Sprint(p), "stack", string(debug.Stack()))
			v, err = nil, &target.PanicError{Value: fmt.Sprint(p), Stack: debug.Stack()}
		}
	}()
	given := make([]reflect.Value, len(compiled.Given()))
	for i, t := range compiled.Given() {
		if given[i], err = newInput(t, nil); err != nil {
			return nil, err
		}
	}
	return compiled.Call(ctx, Run{Output: io.Discard}, given...)
}

// callers are the calls that are under way.
type callers struct {
	ctx    context.Context // of all of them; it ends when their grace is over
	cancel context.CancelCauseFunc
	quiet  chan struct{} // poked when the last leaves; size one

	mu       sync.Mutex // guards what follows
	going    int
	stopping bool
}

func newCallers() *callers {
	c := &callers{quiet: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// enter reports whether a call may begin; then leave must follow.
func (c *callers) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return false
	}
	c.going++
	return true
}

func (c *callers) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.going--; c.going == 0 {
		select {
		case c.quiet <- struct{}{}:
		default:
		}
	}
}

// callMargin is how much longer than StopGrace calls may take to return once their contexts have ended, as runs may.
const callMargin = 2 * time.Second

// stop lets no call begin any more, and waits for those that go: for as long as runs are waited for.
func (c *callers) stop(grace time.Duration, log *slog.Logger) {
	defer c.cancel(task.ErrStopping)
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	if c.wait(grace) {
		return
	}
	log.Warn("grace period is over: calls are canceled")
	c.cancel(task.ErrStopping)
	if !c.wait(grace + callMargin) {
		log.Error("calls ignore their contexts and are left behind")
	}
}

// wait reports whether all calls have ended within that time.
func (c *callers) wait(d time.Duration) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	for {
		c.mu.Lock()
		going := c.going
		c.mu.Unlock()
		if going == 0 {
			return true
		}
		select {
		case <-c.quiet:
		case <-limit.C:
			return false
		}
	}
}
