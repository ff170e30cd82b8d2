// Package function runs a Go function as the target of a task. It knows nothing of parameters that are
// resolved or injected: whoever makes the function binds them.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// errGoexit is the end of an attempt whose function left by runtime.Goexit, as t.FailNow does.
var errGoexit = errors.New("the function ended its goroutine with runtime.Goexit instead of returning")

// MaxOutput is the largest output, in bytes of JSON. A larger one fails the attempt: half of it would be
// no JSON, and as a protobuf Value, six times as large at worst, it must fit into the 4 MiB that a gRPC
// client takes by default.
const MaxOutput = 256 << 10

// Func is what a task does, in Go. What it returns is the output of the run.
type Func func(ctx context.Context, a target.Attempt) (any, error)

type fn struct {
	name string
	call Func
}

// New returns a target that calls f, which must not be nil and must be safe to be called at the same
// time if the task's runs may overlap. name is what people see.
//
// What f returns is marshalled with encoding/json and is the output, beside an error too; nil is no
// output, and a []byte becomes a base64 string as encoding/json has it (hand JSON over as a
// json.RawMessage). A value that can not be marshalled fails the attempt. A panic in f, or in a
// MarshalJSON of what it returns, ends the attempt with a *target.PanicError, runtime.Goexit with an
// error.
//
// f is given the context of the attempt and must return when it ends. If it does not, Do waits for it
// for as long as it takes: Go can not kill a goroutine, and an attempt that were given up while it goes
// on would break the promise that runs of a task do not overlap.
func New(name string, f Func) target.Target {
	if f == nil {
		panic("function: New of a nil function " + name)
	}
	return &fn{name: name, call: f}
}

// Describe returns the name.
func (f *fn) Describe() task.Target { return task.Target{Kind: "function", Summary: f.name} }

// Do calls the function on a goroutine of its own and waits for it: only there can a Goexit end without
// taking the caller's goroutine with it.
func (f *fn) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var (
		output []byte
		err    = errGoexit
		done   = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				output, err = nil, &target.PanicError{Value: fmt.Sprint(v), Stack: debug.Stack()}
			}
		}()
		output, err = f.attempt(ctx, a)
	}()
	<-done
	if len(output) > MaxOutput {
		return nil, errors.Join(err, fmt.Errorf("what the function returned is %d bytes as JSON, at most %d are kept", len(output), MaxOutput))
	}
	return output, err
}

func (f *fn) attempt(ctx context.Context, a target.Attempt) ([]byte, error) {
	value, err := f.call(ctx, a)
	if value == nil {
		return nil, err
	}
	output, failed := json.Marshal(value)
	if failed != nil {
		// The function's own error stays first: it is why the attempt failed.
		return nil, errors.Join(err, fmt.Errorf("what the function returned, a %T, is not JSON: %w", value, failed))
	}
	return output, err
}
