package daemon

import (
	"log/slog"
	"reflect"

	"github.com/clockd/clockd/daemon/internal/inject"
)

// A Provider makes what functions of tasks and other providers take as parameters of its type. Make one with
// [Provide], [ProvidePerRun] or [Override], and put it into Config.Providers.
//
// A constructor is a function that returns
//
//	T
//	(T, error)
//	(T, func())
//	(T, func(), error)
//
// The func() cleans up; it is called once, may be nil, and must return. What is returned beside an error is not used.
// The parameters of a constructor are what other providers make, and a context.Context. Only the very type counts: who
// takes an interface needs a provider that returns that interface. One type has one provider; two things of the same type
// need types of their own. T can not be an error.
//
// [New] says everything that is wrong: a type that nothing provides, or two do, a circle, a singleton that needs what is
// made for each run.
type Provider struct{ made inject.Provider }

// Provide makes one value for all: all singletons are made by [Daemon.Run], once, whether something needs them or not,
// after OnStart and before anything is declared, each after those that it needs. If one fails, or panics, Run returns
// its error, and nothing was started. They are cleaned up, the last first, after the last run and [Call] have ended and
// before OnStop, also if not all of them could be made. A clean-up that panics is logged and ends nothing else.
//
// What it makes is used by many goroutines at the same time. A context that it takes ends when that of Run does while the
// singletons are being made, and else only after the last of them is cleaned up: a pool that lives on it serves runs
// to their end.
//
// A function that does not return when its context ends is left behind in the end: singletons are cleaned up while it
// still goes.
func Provide(constructor any) Provider {
	return Provider{inject.Provider{Constructor: constructor, Life: inject.Singleton}}
}

// ProvidePerRun makes a value for each attempt of a run, and each [Call], that needs it, and only then; within that
// attempt it is the same one for all. Beside what others make, also per run, the constructor may take the attempt's
// [context.Context] and its [Run].
//
// It is cleaned up after the attempt, the last first, also if the function failed, panicked or was canceled: the context has
// ended then, and a clean-up that needs one makes its own. An error fails the attempt, and so does a panic. The time
// that it takes is part of the attempt. A clean-up that panics is logged and changes nothing of the run.
func ProvidePerRun(constructor any) Provider {
	return Provider{inject.Provider{Constructor: constructor, Life: inject.PerRun}}
}

// Override takes the place of the provider in the same Config that makes the same type, in any order, for tests:
//
//	cfg.Providers = append(cfg.Providers, daemon.Override(func() Mailer { return &fakeMailer{} }))
//
// What it makes lives as long as what it replaces: once for all, or per run. The constructor that it replaces is not
// called, and need not find what it needs. That there is nothing to replace, or two replace one, is said by New.
func Override(constructor any) Provider {
	return Provider{inject.Provider{Constructor: constructor, Override: true}}
}

// newSet checks providers. The Set is there even if they are wrong, to check functions against.
func newSet(providers []Provider, log *slog.Logger) (*inject.Set, []error) {
	if log == nil {
		log = slog.Default()
	}
	made := make([]inject.Provider, len(providers))
	for i, p := range providers {
		made[i] = p.made
	}
	return inject.New(inject.Config{Providers: made, Facts: reflect.TypeFor[Run](), Given: isInput, Logger: log})
}
