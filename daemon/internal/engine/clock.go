package engine

import (
	"sync"
	"time"
)

// storeClock is the clock of a store that several nodes share, carried on by the monotonic clock: a node whose own wall
// clock is wrong, or is set, runs everything in time and records right times. Before it is first set it is the machine's.
type storeClock struct {
	machine func() time.Time

	mu sync.Mutex
	// base is what it showed when the monotonic clock showed that of at. Zero: it was never set.
	base, at time.Time
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

// compare takes note of what the store's clock showed between sent and now. It is left alone unless that says that it is
// wrong: a measurement is no better than the round trip that it took.
func (c *storeClock) compare(sent, store time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	received := time.Now()
	trip := received.Sub(sent) + time.Microsecond // stores cut off what is less
	middle := store.Add(trip / 2)
	c.offset = c.machine().Round(0).Sub(middle).Truncate(time.Microsecond)
	if shown := c.read(); c.base.IsZero() || shown.Before(store) || shown.After(store.Add(trip)) {
		c.base, c.at = middle, received
		if trip < 2*time.Microsecond {
			c.base = store
		}
	}
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
