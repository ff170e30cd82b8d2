package engine

import (
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// changeTime is when a task is changed: now, unless another node has recorded an instant of it that comes later by its
// clock, which may be a little ahead, or did so while this one waited for its turn. Nothing that has fired comes again.
func (e *Engine) changeTime(stored *task.Task, now time.Time) time.Time {
	if e.node != nil && stored != nil && stored.Clock.RecordedTime.After(now) {
		return stored.Clock.RecordedTime
	}
	return now
}

// storeClock is the clock of a store that several nodes share, carried on by the monotonic clock: a node whose own wall
// clock is wrong, or is set, runs everything in time and records right times. Before it is first set it is the machine's.
type storeClock struct {
	machine func() time.Time

	mu sync.Mutex
	// base is what it showed when the monotonic clock showed that of at, give or take off. Zero: it was never set.
	base, at time.Time
	off      time.Duration
	// offset is by how much the machine's clock was ahead of it when it was last compared.
	offset time.Duration
}

// now is the time.
func (c *storeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *storeClock) read() time.Time {
	if c.base.IsZero() {
		return c.machine()
	}
	return c.base.Add(time.Since(c.at))
}

// drift is by how much the clocks of two machines go apart, at most: so many parts of what has passed.
const drift = 10_000

// compare takes note of what the store's clock showed between sent and now. A measurement is no better than the round trip
// that it took, so what is known from earlier ones counts too, for as long as it agrees with this one.
func (c *storeClock) compare(sent, store time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	received := time.Now()
	trip := received.Sub(sent) + time.Microsecond // stores cut off what is less
	from, until := store, store.Add(trip)
	if trip < 2*time.Microsecond {
		until = store
	}
	if !c.base.IsZero() {
		shown, off := c.base.Add(received.Sub(c.at)), c.off+received.Sub(c.at)/drift
		if a, b := shown.Add(-off), shown.Add(off); !a.After(until) && !b.Before(from) {
			if a.After(from) {
				from = a
			}
			if b.Before(until) {
				until = b
			}
		}
	}
	c.off = until.Sub(from) / 2
	c.base, c.at = from.Add(c.off), received
	c.offset = c.machine().Round(0).Sub(c.base).Truncate(time.Microsecond)
}

// vagueness is how far off the clock may be before it is worth another look at the store's.
const vagueness = 5 * time.Millisecond

// vague reports whether the clock may be far off.
func (c *storeClock) vague() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off > vagueness
}

// ahead is by how much the machine's clock is ahead.
func (c *storeClock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// lease is until when a node may trust that nobody has given it up. It ends by itself at two thirds of what the others
// wait for, by whichever of the monotonic and the wall clock has gone on by more: a machine that slept knows it from the
// latter.
type lease struct {
	machine func() time.Time
	length  time.Duration

	mu         sync.Mutex
	mono, wall time.Time // when it was last renewed
}

// renewed says that it began anew not before both clocks showed this.
func (l *lease) renewed(mono, wall time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mono, l.wall = mono, wall
}

// left is for how long it can still be trusted; at most zero: it can not.
func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.length*2/3 - max(time.Since(l.mono), l.machine().Round(0).Sub(l.wall))
}
