package inject

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// source is where an argument comes from.
type source struct {
	from from
	slot int // of what a provider makes, or among what the caller hands in
}

type from uint8

const (
	fromContext from = iota
	fromFacts
	fromCaller
	fromSingleton
	fromRun
)

// attempt is one call of a function, or the making of the singletons, as the arguments see it.
type attempt struct {
	set    *Set
	ctx    context.Context
	facts  reflect.Value
	given  []reflect.Value
	values []reflect.Value // of per-run providers, by slot
}

func (a *attempt) args(sources []source) []reflect.Value {
	out := make([]reflect.Value, len(sources))
	for i, s := range sources {
		switch s.from {
		case fromContext:
			out[i] = reflect.ValueOf(a.ctx)
		case fromFacts:
			out[i] = a.facts
		case fromCaller:
			out[i] = a.given[s.slot]
		case fromSingleton:
			out[i] = a.set.values[s.slot]
		case fromRun:
			out[i] = a.values[s.slot]
		}
	}
	return out
}

// sources says where the arguments of a function come from, or what is wrong with its parameters. p is its provider;
// nil: it is a function that is called.
func (s *Set) sources(name string, params []reflect.Type, p *provider) (sources []source, problems []error) {
	singleton := p != nil && p.life == Singleton
	given := 0
	for i, t := range params {
		problem := func(format string, args ...any) {
			what := fmt.Sprintf("parameter %d of %s, %s: ", i+1, name, t)
			problems = append(problems, errors.New(what+fmt.Sprintf(format, args...)))
		}
		var from source
		switch made := s.byType[t]; {
		case t == contextType:
		case t == s.cfg.Facts && singleton:
			problem("there is no run when a singleton is made: provide it with daemon.ProvidePerRun, or leave the parameter out")
		case t == s.cfg.Facts:
			from.from = fromFacts
		case s.given(t) && p != nil:
			problem("only a function that is called is given that: a provider takes %s", s.cfg.Facts)
		case s.given(t):
			from = source{fromCaller, given}
			given++
		case made == nil:
			problem("nothing provides it: add daemon.Provide of a function that returns it to Config.Providers%s", s.near(t))
		case made.life == PerRun && singleton:
			problem("%s makes it for each run, and a singleton lives longer: provide %s with daemon.ProvidePerRun too", made.name, p.makes)
		case made.life == PerRun:
			from = source{fromRun, made.slot}
		default:
			from = source{fromSingleton, made.slot}
		}
		sources = append(sources, from)
	}
	return sources, problems
}

// near names a type that may have been meant, as more words of a message.
func (s *Set) near(t reflect.Type) string {
	if t.Kind() == reflect.Pointer && s.handedIn(t.Elem()) {
		return fmt.Sprintf(" (%s is given without a pointer)", t.Elem())
	}
	for _, c := range s.cfg.Providers {
		p, err := parse(c)
		if err != nil || c.Override {
			continue
		}
		switch {
		case t.Kind() == reflect.Interface && t.NumMethod() > 0 && p.makes.Implements(t):
			return fmt.Sprintf(" (%s makes %s, which implements it, but only the very type counts: let it return %s)", p.name, p.makes, t)
		case p.makes.Kind() == reflect.Interface && p.makes.NumMethod() > 0 && t.Implements(p.makes):
			return fmt.Sprintf(" (%s makes %s, which it implements, but only the very type counts: take %s)", p.name, p.makes, p.makes)
		case p.makes == reflect.PointerTo(t), t == reflect.PointerTo(p.makes):
			return fmt.Sprintf(" (%s makes %s, but only the very type counts)", p.name, p.makes)
		}
	}
	return ""
}
