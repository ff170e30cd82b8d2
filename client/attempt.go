package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// Bounds of what a worker says, in bytes. They are the daemon's.
const (
	maxPiece  = 64 << 10  // of output in one message
	maxOutput = 256 << 10 // of the JSON of a result
	maxWords  = 1024      // of a reason, and of what a progress says
	maxError  = 64 << 10  // of the error of a result, of which the daemon keeps less
)

// maxUnsent is how much output of an attempt waits to be sent before the function that writes it does: enough for one
// message to be filled while another is on its way.
const maxUnsent = 2 * maxPiece

// An Assignment is an attempt that a function of a worker makes.
type Assignment struct {
	task.Assignment
	// Output takes what is to be read by those who follow the run: it comes to them as standard output, as it is
	// written, and is not kept. It may be written to by several goroutines until the function returns. When more is
	// written than the daemon takes, or while the connection is broken, a write waits; it fails when the context of
	// the function has ended meanwhile. What is on its way when a connection breaks is lost.
	Output io.Writer

	attempt *attempt // nil: made by a test of a function
}

// Decode reads the input of the run, which is JSON, into what v points to. Without an input it leaves v as it is.
func (a *Assignment) Decode(v any) error {
	if len(a.Input) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.Input, v); err != nil {
		return fmt.Errorf("the input of the run: %w", err)
	}
	return nil
}

// Progress tells those who follow the run how far it has come: fraction is how much is done, 0 to 1, or negative if it
// is not known, and message says it in at most 1024 bytes. It does not block; of several that come faster than they
// can be sent the last is told.
func (a *Assignment) Progress(fraction float64, message string) {
	if a.attempt != nil {
		a.attempt.report(fraction, message)
	}
}

// An attempt is what the worker holds: an attempt whose function is going, or whose end is not recorded yet.
type attempt struct {
	work   *work
	ref    task.AttemptRef
	name   string // of the task
	cancel context.CancelCauseFunc
	ctx    context.Context

	// The rest is guarded by work.mu. What is there is to be sent, in this order.
	progress *clockdv1.WorkerProgress
	output   []byte
	end      *clockdv1.WorkRequest // a result or a give-back; nil: the function is going

	sent    bool       // the end, on the stream that there is
	queued  bool       // it is in the outbox of the stream
	dropped bool       // it is not held any more
	room    *sync.Cond // told when output is taken away, and when nobody is to wait for that any more
}

// stop ends the context of the function. work.mu is held.
func (a *attempt) stop(why error) {
	a.cancel(why)
	a.room.Broadcast()
}

// silent reports whether what the function says is not sent any more. work.mu is held.
func (a *attempt) silent() bool { return a.dropped || a.end != nil }

func (a *attempt) report(fraction float64, message string) {
	if math.IsNaN(fraction) || fraction < 0 {
		fraction = -1
	}
	w := a.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if !a.silent() {
		a.progress = &clockdv1.WorkerProgress{
			RunId: a.ref.Run.String(), Attempt: int32(a.ref.Attempt), Fraction: min(fraction, 1), Message: cut(message, maxWords),
		}
		w.queue(a)
	}
}

// Write takes output, as much as there is room for at a time.
func (a *attempt) Write(p []byte) (n int, err error) {
	w := a.work
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(p) {
		for len(a.output) >= maxUnsent && a.ctx.Err() == nil && !a.silent() {
			a.room.Wait()
		}
		switch {
		case a.end != nil:
			return n, errors.New("output written after the function has returned")
		case a.dropped, len(a.output) >= maxUnsent:
			return n, context.Cause(a.ctx)
		}
		part := p[n:min(len(p), n+maxUnsent-len(a.output))]
		a.output = append(a.output, part...)
		n += len(part)
		w.queue(a)
	}
	return n, nil
}

// next takes what is to be sent next. Nil: nothing. work.mu is held.
func (a *attempt) next() *clockdv1.WorkRequest {
	switch {
	case a.dropped:
	case a.progress != nil:
		p := a.progress
		a.progress = nil
		return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: p}}
	case len(a.output) > 0:
		piece := bytes.Clone(a.output[:min(len(a.output), maxPiece)])
		a.output = a.output[:copy(a.output, a.output[len(piece):])]
		a.room.Broadcast()
		return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{
			RunId: a.ref.Run.String(), Attempt: int32(a.ref.Attempt), Data: piece,
		}}}
	case a.end != nil && !a.sent:
		a.sent = true
		return a.end
	}
	return nil
}

// more reports whether next has something. work.mu is held.
func (a *attempt) more() bool {
	return !a.dropped && (a.progress != nil || len(a.output) > 0 || a.end != nil && !a.sent)
}

// result is how the function has ended.
func (a *attempt) result(output *structpb.Value, failure string) *clockdv1.WorkRequest {
	return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Result{Result: &clockdv1.WorkerResult{
		RunId: a.ref.Run.String(), Attempt: int32(a.ref.Attempt), Output: output, Error: cut(failure, maxError),
	}}}
}

// giveBack says that an attempt is not made, or not to its end.
func giveBack(ref task.AttemptRef, started bool, reason string) *clockdv1.WorkRequest {
	return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{
		RunId: ref.Run.String(), Attempt: int32(ref.Attempt), Started: started, Reason: cut(reason, maxWords),
	}}}
}

// make calls the function, and tells the worker how it has ended, whatever it does.
func (a *attempt) make(do func(context.Context, *Assignment) (any, error), as *Assignment) {
	var output *structpb.Value
	err := errors.New("the function has ended its goroutine") // unless it returns or panics
	defer func() {
		if v := recover(); v != nil {
			a.work.log.Error("function of a worker panicked", "task_name", as.TaskName, "run_id", a.ref.Run, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			output, err = nil, fmt.Errorf("panic: %v", v)
		}
		a.work.returned(a, output, err)
	}()
	var v any
	if v, err = do(a.ctx, as); err == nil {
		output, err = outputOf(v)
	}
}

// outputOf is what a function returned, as it is sent.
func outputOf(v any) (*structpb.Value, error) {
	output, err := valueOf("output", v)
	if err != nil {
		return nil, err
	}
	text, found := wire.JSONFromProto("output", output)
	switch {
	case found != nil:
		return nil, &task.InvalidError{Violations: found}
	case len(text) > maxOutput:
		return nil, task.Invalid("output", "it is %d bytes of JSON, and at most %d are kept: put it elsewhere and return where", len(text), maxOutput)
	}
	return output, nil
}

// cut fits a text into a field: valid UTF-8 of at most so many bytes.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
