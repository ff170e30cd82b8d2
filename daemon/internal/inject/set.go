package inject

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"

	"go.uber.org/dig"
)

// Config is what a Set is made of.
type Config struct {
	Providers []Provider
	// Facts is the type of what is known of a run: functions and per-run providers may take it, and so they may
	// take a context.Context.
	Facts reflect.Type
	// Given reports whether parameters of this type are handed in by who calls a function. Nil: none are.
	Given func(reflect.Type) bool
	// Logger is told of clean-ups that panic. It must not be nil.
	Logger *slog.Logger
}

// Set is what providers make. Its methods may be called at the same time, but Start and Stop: they are called once
// and one after the other, and before Start has returned, and after Stop was called, no Func may be.
type Set struct {
	cfg    Config
	byType map[reflect.Type]*provider
	// order has each provider after those that it needs. Nil if there is a problem.
	order []*provider
	// slots is how many providers there are of each life.
	slots [2]int

	// What Start makes, by the slots of the singletons.
	values   []reflect.Value
	cleanups cleanups
	cancel   context.CancelFunc
}

// New checks providers. It returns everything that is wrong with them; then the Set serves for nothing but to Compile
// functions, for more problems.
func New(cfg Config) (*Set, []error) {
	s := &Set{cfg: cfg, byType: make(map[reflect.Type]*provider, len(cfg.Providers))}
	var problems []error
	add := func(place string, err error) { problems = append(problems, fmt.Errorf("%s: %w", place, err)) }
	var providers, overrides []*provider
	for i, c := range cfg.Providers {
		place := fmt.Sprintf("providers[%d]", i)
		p, err := parse(c)
		if err != nil {
			add(place, err)
			continue
		}
		p.place = place
		before := s.byType[p.makes]
		switch {
		case s.handedIn(p.makes):
			add(place, fmt.Errorf("%s makes %s, which every function is given anyway", p.name, p.makes))
		case c.Override:
			overrides = append(overrides, p)
		case before != nil:
			add(place, fmt.Errorf("%s makes %s, and so does %s, %s: leave one out, or give one a type of its own", p.name, p.makes, before.place, before.name))
		default:
			s.byType[p.makes] = p
			providers = append(providers, p)
		}
	}
	overridden := make(map[reflect.Type]*provider, len(overrides))
	for _, o := range overrides {
		p, before := s.byType[o.makes], overridden[o.makes]
		switch {
		case p == nil:
			add(o.place, fmt.Errorf("%s overrides the provider of %s, and there is none%s", o.name, o.makes, s.near(o.makes)))
		case before != nil:
			add(o.place, fmt.Errorf("%s overrides the provider of %s, and so does %s, %s: leave one out", o.name, o.makes, before.place, before.name))
		default:
			overridden[o.makes] = o
			o.life = p.life
			*p = *o // in its place in the order
		}
	}
	for _, p := range providers {
		p.slot = s.slots[p.life]
		s.slots[p.life]++
	}
	for _, p := range providers {
		sources, found := s.sources(p.name, p.params, p)
		p.sources = sources
		for _, err := range found {
			add(p.place, err)
		}
	}
	return s, append(problems, s.arrange(providers, len(problems) == 0)...)
}

// arrange finds circles and, if all else is well, the order.
func (s *Set) arrange(providers []*provider, well bool) (problems []error) {
	graph := dig.New()
	var order []*provider
	for _, p := range providers {
		var needs []reflect.Type
		for _, t := range p.params {
			if s.byType[t] != nil {
				needs = append(needs, t)
			}
		}
		standIn := reflect.MakeFunc(reflect.FuncOf(needs, []reflect.Type{p.makes}, false), func([]reflect.Value) []reflect.Value {
			order = append(order, p)
			return []reflect.Value{reflect.Zero(p.makes)}
		})
		err := graph.Provide(standIn.Interface(), dig.LocationForPC(p.fn.Pointer()))
		if dig.IsCycleDetected(err) {
			circle := strings.ReplaceAll(dig.RootCause(err).Error(), "\n\t", " ")
			problems = append(problems, fmt.Errorf("%s: %s needs what needs it: %s", p.place, p.name, circle))
		} else if err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", p.place, p.name, dig.RootCause(err)))
		}
	}
	if !well || len(problems) > 0 {
		return problems
	}
	for _, p := range providers {
		wanted := reflect.MakeFunc(reflect.FuncOf([]reflect.Type{p.makes}, nil, false), func([]reflect.Value) []reflect.Value { return nil })
		if err := graph.Invoke(wanted.Interface()); err != nil {
			return []error{fmt.Errorf("%s: %s: %w", p.place, p.name, dig.RootCause(err))}
		}
	}
	s.order = order
	return nil
}

// Start makes the singletons, each after those that it needs. A singleton that takes a context gets one that ends when
// ctx does while they are being made, and after that only when all are cleaned up. If one fails, the error names its
// provider, a panic is an error too, and those that were made are left to Stop.
func (s *Set) Start(ctx context.Context) (err error) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	defer context.AfterFunc(ctx, cancel)()
	s.values = make([]reflect.Value, s.slots[Singleton])
	s.cleanups.log = s.cfg.Logger
	a := attempt{set: s, ctx: lasting}
	for _, p := range s.order {
		if p.life != Singleton {
			continue
		}
		if err := s.startOne(&a, p); err != nil {
			return fmt.Errorf("provider %w", err)
		}
	}
	return nil
}

func (s *Set) startOne(a *attempt, p *provider) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", p.name, v, debug.Stack())
		}
	}()
	v, cleanup, err := p.make(a.args(p.sources))
	if err != nil {
		return err
	}
	s.values[p.slot] = v
	s.cleanups.add(p, cleanup)
	return nil
}

// Stop cleans up what Start made, the last first. A clean-up that panics is logged, and the others follow.
func (s *Set) Stop() {
	s.cleanups.run()
	if s.cancel != nil {
		s.cancel()
	}
}

// handedIn reports whether a type is given by the caller rather than made.
func (s *Set) handedIn(t reflect.Type) bool {
	return t == contextType || t == s.cfg.Facts || s.given(t)
}

func (s *Set) given(t reflect.Type) bool { return s.cfg.Given != nil && s.cfg.Given(t) }
