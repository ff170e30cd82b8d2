package inject

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
)

// Func is a function whose arguments are known to be there. It may be called at the same time.
type Func struct {
	set     *Set
	fn      reflect.Value
	sources []source
	given   []reflect.Type
	made    []*provider // per run, each after those that it needs
	result  reflect.Type
	fails   bool
}

// Compile says how to call a function that returns nothing, T, error or (T, error), or everything that is wrong with it.
func (s *Set) Compile(f any) (*Func, []error) {
	fn, err := function(f)
	if err != nil {
		return nil, []error{err}
	}
	name, t := Name(f), fn.Type()
	out := &Func{set: s, fn: fn}
	var problems []error
	rest := t.NumOut()
	if rest > 0 && t.Out(rest-1) == errorType {
		out.fails = true
		rest--
	}
	switch {
	case rest > 1, rest == 1 && t.Out(0) == errorType:
		problems = append(problems, fmt.Errorf("%s returns %s: a function returns nothing, T, error or (T, error)", name, results(t)))
	case rest == 1:
		out.result = t.Out(0)
	}
	types := params(t)
	for _, t := range types {
		if s.given(t) {
			out.given = append(out.given, t)
		}
	}
	sources, found := s.sources(name, types, nil)
	out.sources = sources
	needed := map[*provider]bool{}
	s.need(types, needed)
	for _, p := range s.order {
		if needed[p] {
			out.made = append(out.made, p)
		}
	}
	return out, append(problems, found...)
}

// need collects the per-run providers of these types, and those that they need.
func (s *Set) need(types []reflect.Type, needed map[*provider]bool) {
	for _, t := range types {
		if p := s.byType[t]; p != nil && p.life == PerRun && !needed[p] {
			needed[p] = true
			s.need(p.params, needed)
		}
	}
}

// Given are the types of what Call is to be handed, in this order.
func (f *Func) Given() []reflect.Type { return f.given }

// Result is the type of the value that the function returns. Nil: it returns none.
func (f *Func) Result() reflect.Type { return f.result }

// Call makes what the function needs for this call alone, calls it, and cleans up in reverse order, whatever came of
// it. The value is nil if the function returns none. An error is that of the function, or of a provider, which it
// names. A panic in one of them is not caught, but what was made is cleaned up.
func (f *Func) Call(ctx context.Context, facts any, given ...reflect.Value) (any, error) {
	a := attempt{set: f.set, ctx: ctx, facts: reflect.ValueOf(facts), given: given}
	if len(f.made) > 0 {
		a.values = make([]reflect.Value, f.set.slots[PerRun])
		undo := cleanups{log: f.set.cfg.Logger}
		defer undo.run()
		for _, p := range f.made {
			v, cleanup, err := p.make(a.args(p.sources))
			if err != nil {
				return nil, fmt.Errorf("provider %w", err)
			}
			a.values[p.slot] = v
			undo.add(p, cleanup)
		}
	}
	out := f.fn.Call(a.args(f.sources))
	var value any
	var err error
	if f.result != nil {
		value = out[0].Interface()
	}
	if f.fails {
		err, _ = out[len(out)-1].Interface().(error)
	}
	return value, err
}

// cleanups are what is to be undone.
type cleanups struct {
	log  *slog.Logger
	list []cleanup
}

type cleanup struct {
	provider *provider
	do       func()
}

func (c *cleanups) add(p *provider, do func()) {
	if do != nil {
		c.list = append(c.list, cleanup{p, do})
	}
}

// run does them, the last first. What one does wrong, be it a panic or a runtime.Goexit, keeps no other from
// being done.
func (c *cleanups) run() {
	if len(c.list) == 0 {
		return
	}
	last := c.list[len(c.list)-1]
	c.list = c.list[:len(c.list)-1]
	defer c.run()
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("clean-up panicked", "provider", last.provider.name, "error", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	last.do()
}
