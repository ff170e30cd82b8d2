package schedule

import "time"

// Progress is what must be remembered of a trigger in force, and nothing else: Next is a pure
// function of the trigger, an instant and this. A trigger that comes into force at t starts with
// Progress{Anchor: t}.
type Progress struct {
	// Anchor is when the trigger came into force, truncated to microseconds. A trigger with a StartTime
	// is anchored there instead, and so is what is inside it and has none of its own.
	Anchor time.Time
	// LastFire is the last fire that was counted. Zero: none yet.
	LastFire time.Time
	// LastEnd is when the run of the last fire ended; counting a fire makes it zero. While LastFire is
	// set and LastEnd is before it, that run is still going, and what counts from its end (Forever,
	// FixedDelay) waits.
	LastEnd time.Time
	// Fires counts the fires of each trigger, depth first, the outermost first. Nil: none yet. It is
	// shared by copies of the Progress; Count makes a new one instead of changing it.
	Fires []int64
}

// Status says what an answer about the next fire means.
type Status int

const (
	// Fires means there is a next fire and its instant is known.
	Fires Status = iota
	// Waits means that more fires may come, but their instants are not known yet: they follow the
	// end of a run, or the start or stop of a node.
	Waits
	// Over means that no fire will ever come: a limit or the end time is reached, or no such date
	// exists within the horizon.
	Over
)

// An Event is something that happens to a node and that a trigger may name.
type Event int

const (
	// StartUp is the start of a node.
	StartUp Event = iota + 1
	// ShutDown is the orderly stop of a node.
	ShutDown
)
