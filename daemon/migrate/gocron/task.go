package gocron

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Task is what a job does: a function and what it is called with.
type Task struct {
	function   any
	parameters []any
}

// NewTask returns a Task that calls a function with these parameters. If the first parameter of the function is a
// context.Context and the first given is none, it gets the context of the run, which ends when the run is
// canceled, takes longer than its timeout, or the daemon stops. The first error among what it returns, if it is not
// nil, fails the run; what else it returns is dropped, as in the original: to keep it as the output of the run, use
// daemon.Func.
func NewTask(function any, parameters ...any) Task { return Task{function, parameters} }

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// bind checks that the parameters fit and returns the call.
func (t Task) bind() (func(context.Context) error, error) {
	f := reflect.ValueOf(t.function)
	if !f.IsValid() || f.Kind() != reflect.Func || f.IsNil() {
		return nil, fmt.Errorf("task of type %T is no function: hand one to NewTask, with its parameters behind it", t.function)
	}
	signature := f.Type()
	given := t.parameters
	injected := signature.NumIn() > 0 && signature.In(0) == contextType
	if injected && len(given) > 0 {
		_, is := given[0].(context.Context)
		injected = !is
	}
	first := 0 // of the function's parameters that is not injected
	if injected {
		first = 1
	}
	fixed := signature.NumIn() - first
	if signature.IsVariadic() {
		fixed--
	}
	if len(given) < fixed || len(given) > fixed && !signature.IsVariadic() {
		return nil, fmt.Errorf("%d parameters for %s, want %d", len(given), signature, fixed)
	}
	in := make([]reflect.Value, first, first+len(given))
	var problems []error
	for i, p := range given {
		var want reflect.Type
		if i < fixed {
			want = signature.In(first + i)
		} else {
			want = signature.In(signature.NumIn() - 1).Elem()
		}
		v := reflect.ValueOf(p)
		switch {
		case !v.IsValid() && nilable(want.Kind()):
			v = reflect.Zero(want)
		case !v.IsValid() || !v.Type().AssignableTo(want):
			problems = append(problems, fmt.Errorf("parameter %d is %T, want %s", i+1, p, want))
		}
		in = append(in, v)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return func(ctx context.Context) error {
		in := in
		if injected {
			in = append([]reflect.Value{reflect.ValueOf(ctx)}, in[1:]...)
		}
		for _, out := range f.Call(in) {
			if out.Type() != errorType && !out.Type().Implements(errorType) {
				continue
			}
			if err, ok := out.Interface().(error); ok && !(nilable(out.Kind()) && out.IsNil()) {
				return err
			}
		}
		return nil
	}, nil
}

func nilable(k reflect.Kind) bool {
	switch k {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.UnsafePointer:
		return true
	}
	return false
}
