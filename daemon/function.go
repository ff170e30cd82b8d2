package daemon

import (
	"context"
	"fmt"
	"io"
	"reflect"

	"github.com/clockd/clockd/daemon/internal/inject"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/function"
	"github.com/clockd/clockd/daemon/task"
)

// Func makes a Go function the work of a task. Its parameters, each of which may be left out, in any order, are
//
//	context.Context   that of the attempt
//	Run               what is known of the run
//	Input[T]          what a call handed in, decoded
//	any other type    what a provider of Config.Providers makes: see Provide and ProvidePerRun
//
// and it returns nothing, (error), (T), or (T, error). T is the output of the run: a proto message is marshalled
// with protojson, anything else with encoding/json; nil is no output. An error fails the run, and so does a panic, which
// ends nothing else. f may be called at the same time if the task's policy lets runs overlap, or a caller does.
//
// Whether f is such a function, and whether everything that it takes is provided, is said by [New], and by Reload. The
// same Target may be used in several tasks and several daemons.
//
// f must return when ctx ends; context.Cause(ctx) says why it did: the task's timeout, a caller who canceled
// the run, or the stop of the daemon. A function that does not return holds up the stop for two grace
// periods and is then left behind.
func Func(f any) Target { return &goFunc{f: f} }

// goFunc is a Target that a daemon gives what it takes: see bind.
type goFunc struct{ f any }

// Describe names the function.
func (g *goFunc) Describe() task.Target {
	name := "func"
	if v := reflect.ValueOf(g.f); v.Kind() == reflect.Func && !v.IsNil() {
		name = inject.Name(g.f)
	}
	return task.Target{Kind: "function", Summary: name}
}

// Do makes no attempt: only what bind returns does.
func (g *goFunc) Do(context.Context, target.Attempt) ([]byte, error) {
	return nil, fmt.Errorf("%s belongs to no daemon", g.Describe().Summary)
}

// bind makes of it what a daemon runs, or says everything that is wrong with it.
func (g *goFunc) bind(set *inject.Set) (target.Target, []error) {
	name := g.Describe().Summary
	if f, ok := g.f.(func(context.Context, Run) (any, error)); ok && f != nil {
		return function.New(name, func(ctx context.Context, a target.Attempt) (any, error) {
			v, err := f(ctx, runOf(&a))
			return outputAnd(v, err)
		}), nil
	}
	f, problems := set.Compile(g.f)
	if f == nil {
		return nil, problems
	}
	given := f.Given()
	if len(given) > 1 {
		problems = append(problems, fmt.Errorf("%s takes %s and %s: there is one input", name, given[0], given[1]))
	}
	for _, t := range given {
		if err := reflect.New(t).Interface().(input).check(); err != nil {
			problems = append(problems, fmt.Errorf("%s takes %s: %w", name, t, err))
		}
	}
	if t := f.Result(); t != nil {
		if k := t.Kind(); k == reflect.Chan || k == reflect.Func || k == reflect.UnsafePointer || k == reflect.Complex64 || k == reflect.Complex128 {
			problems = append(problems, fmt.Errorf("%s returns %s: the output of a run is JSON, which has none", name, t))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if len(given) == 0 {
		return function.New(name, func(ctx context.Context, a target.Attempt) (any, error) {
			return outputAnd(f.Call(ctx, runOf(&a)))
		}), nil
	}
	call := func(ctx context.Context, a target.Attempt) (any, error) {
		in, err := newInput(given[0], a.Input)
		if err != nil {
			return nil, err
		}
		return outputAnd(f.Call(ctx, runOf(&a), in))
	}
	return &choosy{function.New(name, call), given[0]}, nil
}

// choosy is a target that takes an Input.
type choosy struct {
	target.Target
	input reflect.Type
}

// CheckInput says whether an input can be decoded.
func (c *choosy) CheckInput(data []byte) error {
	_, err := newInput(c.input, data)
	return err
}

func outputAnd(v any, err error) (any, error) {
	out, failed := output(v)
	if err == nil {
		err = failed
	}
	return out, err
}

// runOf is what a function is told of an attempt.
func runOf(a *target.Attempt) Run {
	return Run{
		ID: a.RunID, TaskID: a.TaskID, TaskName: a.TaskName, ScheduledTime: a.ScheduledTime, Attempt: a.Number,
		Input: a.Input, Output: outputOf(a),
	}
}

// outputOf is where an attempt writes.
func outputOf(a *target.Attempt) io.Writer {
	if a.Write == nil {
		return io.Discard
	}
	return stdout(a.Write)
}

// stdout writes what those who follow a run read.
type stdout func(task.OutputStream, []byte)

// Write never fails.
func (w stdout) Write(p []byte) (int, error) {
	w(task.Stdout, p)
	return len(p), nil
}
