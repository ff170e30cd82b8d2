// Package inject resolves the parameters of Go functions: each is of a type that a provider makes, or is handed in
// by whoever calls the function. It knows no tasks, no gRPC and no store.
//
//	providers ──New──▶ Set ──Start──▶ singletons, made once        ──Stop──▶ cleaned up, the last first
//	                    │
//	                    └─Compile(f)─▶ Func ──Call──▶ per-run things, made for this call ─▶ f ─▶ cleaned up
//
// Everything that can be wrong is said by New and Compile: a type that nobody makes, or two do, a circle, a singleton
// that needs what is made per run. After that a call follows a plan and looks nothing up.
//
// The graph is that of go.uber.org/dig, which finds circles and the order in which things can be made. dig is asked
// in New, with stand-ins for the constructors, and makes nothing itself: a dig.Container is not safe for concurrent use,
// which runs that need things of their own at the same time are; a Scope per run is never let go by its parent;
// and it knows no clean-up. What is left to do here is to go through a list.
package inject
