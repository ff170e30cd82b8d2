package inject

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"go.uber.org/dig"
)

// Life says how long what a provider makes is used.
type Life int

const (
	// Singleton is made once, by Start, and cleaned up by Stop.
	Singleton Life = iota
	// PerRun is made for each call of a function that needs it, and cleaned up after it.
	PerRun
)

// Provider makes values of one type.
type Provider struct {
	// Constructor is a function that returns T, (T, error), (T, func()) or (T, func(), error): the func() cleans up, and
	// may be nil. What it returns beside an error is not used, and not cleaned up.
	Constructor any
	Life        Life
	// Override says that it takes the place of the provider that makes the same type, and lives as long as that.
	Override bool
}

// maxParams is how many parameters a constructor may have: reflect makes no function of more than 128, results included.
const maxParams = 100

var (
	errorType   = reflect.TypeFor[error]()
	contextType = reflect.TypeFor[context.Context]()
	cleanupType = reflect.TypeFor[func()]()
)

// provider is a Provider whose shape is right.
type provider struct {
	name   string
	life   Life
	fn     reflect.Value
	params []reflect.Type
	makes  reflect.Type
	// cleans and fails say what it returns beside its value.
	cleans, fails bool

	place   string // in the configuration, such as providers[2]
	slot    int    // among the values of its life
	sources []source
}

// Name is what people know a function by, such as main.newDB. f must be a function.
func Name(f any) string {
	if pc := runtime.FuncForPC(reflect.ValueOf(f).Pointer()); pc != nil {
		return strings.TrimSuffix(pc.Name(), "-fm") // a method value
	}
	return "func"
}

// function returns a value that is a function and can be called with a list of arguments.
func function(f any) (reflect.Value, error) {
	v := reflect.ValueOf(f)
	switch {
	case f == nil:
		return v, errors.New("nil is given where a function is needed")
	case v.Kind() != reflect.Func:
		return v, fmt.Errorf("a value of type %s is given where a function is needed", v.Type())
	case v.IsNil():
		return v, fmt.Errorf("a nil %s is given where a function is needed", v.Type())
	case v.Type().IsVariadic():
		return v, fmt.Errorf("%s takes any number of arguments: nobody knows how many to inject; take a slice", Name(f))
	}
	return v, nil
}

// parse reads the shape of a constructor.
func parse(p Provider) (*provider, error) {
	fn, err := function(p.Constructor)
	if err != nil {
		return nil, err
	}
	t := fn.Type()
	out := &provider{name: Name(p.Constructor), life: p.Life, fn: fn, params: params(t)}
	wrong := fmt.Errorf("%s returns %s: a provider returns T, (T, error), (T, func()) or (T, func(), error)", out.name, results(t))
	rest := t.NumOut()
	if rest > 1 && t.Out(rest-1) == errorType {
		out.fails = true
		rest--
	}
	if rest == 2 && t.Out(1).ConvertibleTo(cleanupType) { // also a context.CancelFunc
		out.cleans = true
		rest--
	}
	if rest != 1 {
		return nil, wrong
	}
	out.makes = t.Out(0)
	switch {
	case out.makes == errorType:
		return nil, wrong
	case out.makes.Implements(errorType):
		return nil, fmt.Errorf("%s makes %s, which is an error: wrap it in a struct", out.name, out.makes)
	case dig.IsIn(out.makes), dig.IsOut(out.makes):
		return nil, fmt.Errorf("%s makes %s, which dig would take apart: a provider makes one thing", out.name, out.makes)
	case len(out.params) > maxParams:
		return nil, fmt.Errorf("%s has %d parameters, at most %d can be injected", out.name, len(out.params), maxParams)
	}
	return out, nil
}

// make calls the constructor. The error names it; a panic is not caught.
func (p *provider) make(args []reflect.Value) (v reflect.Value, cleanup func(), err error) {
	out := p.fn.Call(args)
	if p.fails {
		if err, _ := out[len(out)-1].Interface().(error); err != nil {
			return v, nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if p.cleans && !out[1].IsNil() {
		cleanup = out[1].Convert(cleanupType).Interface().(func())
	}
	return out[0], cleanup, nil
}

func params(t reflect.Type) []reflect.Type {
	out := make([]reflect.Type, t.NumIn())
	for i := range out {
		out[i] = t.In(i)
	}
	return out
}

// results prints what a function returns.
func results(t reflect.Type) string {
	if t.NumOut() == 0 {
		return "nothing"
	}
	out := make([]string, t.NumOut())
	for i := range out {
		out[i] = t.Out(i).String()
	}
	return "(" + strings.Join(out, ", ") + ")"
}
