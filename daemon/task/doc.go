// Package task holds the words of clockd as Go types: tasks, declarations, overrides, runs and the
// classes of errors. They are plain values without behaviour that touches the world: no clock, no
// gRPC, no SQL. Decisions about them are made in internal/reconcile and internal/engine, their form on
// the wire in package wire, and how they are kept by the adapters of package store.
//
// A task has two layers and a clock:
//
//	Declaration  what code or configuration says; changes with a deploy
//	Override     a trigger that a caller put in its place; durable
//	Clock        how far the trigger in force has come; moves with each fire
//
// Every fire becomes a Run. All instants are in UTC and whole microseconds, because that is what every
// store keeps; [Instant] makes them so.
package task
