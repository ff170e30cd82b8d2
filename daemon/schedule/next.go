package schedule

import "time"

// First returns the first fire of a trigger that comes into force at p.Anchor: at the anchor itself
// for what fires at once (an Every with Immediate, Once without a time or with exactly that one,
// Forever), after it for everything else. The instant is in UTC and zero unless the status is Fires.
func (c *Compiled) First(p Progress) (time.Time, Status) {
	anchor := micros(p.Anchor)
	s := search{c: c, p: p, budget: maxStretches}
	at, status := c.root.next(anchor, anchor+1, anchor, &s)
	return instant(at, status)
}

// AtOnce returns whether the anchor itself is an instant of a trigger that comes into force there: see First. It
// may be one that exclusions take out.
func (c *Compiled) AtOnce(p Progress) bool {
	anchor := micros(p.Anchor)
	// Raw, it knows nothing of what follows runs; not raw, nothing of what is excluded.
	for _, raw := range []bool{false, true} {
		s := search{c: c, p: p, raw: raw, budget: maxStretches}
		if at, status := c.root.next(anchor, anchor+1, anchor, &s); status == Fires && at == anchor {
			return true
		}
	}
	return false
}

// Next returns the first fire strictly after an instant, which may have nanoseconds and any location.
// The result is in UTC, in whole microseconds, and zero unless the status is Fires. The fires of At,
// Cron, a fixed-rate Every and Once depend on the trigger, its anchor and the instant only; MaxFires
// and what follows the end of a run depend on p as well. Next does not allocate, unless an AnyOf has
// exclusions, a long way over exclusions is remembered, or a Source does.
//
// What follows a run and is overdue (after is past its instant: the task was paused, or the node was
// down) fires one microsecond after the instant asked for.
//
// Whatever it answers, the trigger may turn out to have a fault: see [Compiled.Err].
func (c *Compiled) Next(after time.Time, p Progress) (time.Time, Status) {
	lo := micros(after) + 1
	s := search{c: c, p: p, budget: maxStretches}
	at, status := c.root.next(lo, lo, micros(p.Anchor), &s)
	return instant(at, status)
}

// Listens returns whether the trigger, or any trigger inside, names the event.
func (c *Compiled) Listens(e Event) bool { return c.root.listens(e) }

// FiresOn returns whether the event, happening at that instant, is a fire: something names it whose
// bounds hold the instant and whose MaxFires is not reached.
func (c *Compiled) FiresOn(e Event, at time.Time, p Progress) bool {
	return c.root.firesOn(e, micros(at), &p)
}

// FollowsRuns returns whether the trigger, or any trigger inside, counts from the end of a run
// (Forever, an Every with FixedDelay), so that the next fire must be asked for again when one ends.
func (c *Compiled) FollowsRuns() bool { return c.root.followsRun }

// micros returns an instant in microseconds, rounded down. What lies outside the years 1 to 9999
// becomes the last microsecond before them, or the last one in them.
func micros(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < minSecond:
		return minMicro - 1
	case s > maxSecond:
		return maxMicro
	}
	return t.UnixMicro()
}

func instant(at int64, status Status) (time.Time, Status) {
	if status != Fires {
		return time.Time{}, status
	}
	return time.UnixMicro(at).UTC(), Fires
}

// done returns whether the limit of fires is reached.
func (n *node) done(p *Progress) bool {
	limit := n.maxFires
	if n.kind == onceAt || n.kind == onceNow {
		limit = 1
	}
	return limit > 0 && n.fires(p) >= limit
}

func (n *node) fires(p *Progress) int64 {
	if n.index < len(p.Fires) {
		return p.Fires[n.index]
	}
	return 0
}

// A search is one question for the next fire on its way through the triggers.
type search struct {
	c *Compiled
	p Progress // its Fires are shared with the caller's
	// raw leaves exclusions out of account, and what follows a run: it has no instants of its own.
	raw bool
	// budget is how many stretches of exclusions may still be met.
	budget int
	// known are the answers so far, by node. They are kept once an AnyOf has met an exclusion: it then asks
	// again only those of its triggers whose answer lies before the end of it.
	known []answer
}

type answer struct {
	at     int64
	status Status
	valid  bool
}

// next returns the first fire at or after an instant that is not excluded: see bare.
func (n *node) next(now, later, anchor int64, s *search) (int64, Status) {
	at, status := n.bare(now, later, anchor, s)
	if n.exclusions == nil || s.raw {
		return at, status
	}
	first, before := at, s.budget
	if k := n.skipped.Load(); k != nil && status == Fires && k.from <= at && (k.status != Fires || at <= k.at) {
		return k.at, k.status
	}
	for status == Fires {
		clear, excluded := n.exclusions.clear(at, n.end, &s.budget)
		switch {
		case s.budget < 0:
			s.c.fail("exclusions leave no fire from %s to %s, where the search gave up: exclude less",
				rfc3339(time.UnixMicro(first)), rfc3339(time.UnixMicro(clear)))
			n.remember(first, 0, Over, before-s.budget)
			return 0, Over
		case !excluded:
			n.remember(first, at, status, before-s.budget)
			return at, Fires
		case clear > n.end:
			return 0, Over
		}
		if n.kind == anyOf && s.known == nil {
			s.known = make([]answer, s.c.size)
		}
		at, status = n.bare(clear, clear, anchor, s)
	}
	n.remember(first, at, status, before-s.budget)
	return at, status
}

// skipped is an answer that was found by going over many stretches of exclusions: from that instant on, at is
// the first fire, or there is none.
type skipped struct {
	from, at int64
	status   Status
}

// remember keeps an answer that took many steps: of a trigger that stands beside others in an AnyOf, it is
// asked for again at each of their fires.
func (n *node) remember(from, at int64, status Status, steps int) {
	const many = 100
	if steps > many && n.kind == wallClock {
		n.skipped.Store(&skipped{from: from, at: at, status: status})
	}
}

// bare returns the first fire, its own exclusions left out of account, at or after an instant: now for what
// fires at once, later for the others. They differ in First only. anchor is where the trigger is anchored if it
// has no StartTime: that of the nearest trigger around it which has one, else Progress.Anchor.
func (n *node) bare(now, later, anchor int64, s *search) (int64, Status) {
	p := &s.p
	now, later = max(now, n.start), max(later, n.start)
	if now > n.end || n.done(p) {
		return 0, Over
	}
	if n.hasStart {
		anchor = n.start
	}
	var at int64
	switch n.kind {
	case everyRate:
		if n.immediate {
			later = now
		}
		at = n.rate(later, anchor)
	case everyDelay, forever:
		if s.raw {
			return 0, Waits
		}
		var waits bool
		if at, waits = n.afterRun(anchor, p); waits {
			return 0, Waits
		}
		at = max(at, now)
	case wallClock:
		second, ok := n.clock.next(-floorDiv(-later, 1_000_000), floorDiv(n.end, 1_000_000))
		if !ok {
			return 0, Over
		}
		at = second * 1_000_000
	case onceAt, onceNow:
		at = n.at
		if n.kind == onceNow {
			at = max(anchor, micros(p.Anchor))
		}
		if at < now {
			return 0, Over
		}
	case anyOf:
		return n.nextOfAny(now, later, anchor, s)
	case onEvent:
		return 0, Waits
	case custom:
		var ok bool
		if at, ok = n.ask(later, s.c); !ok {
			return 0, Over
		}
	}
	if at > n.end {
		return 0, Over
	}
	return at, Fires
}

func (n *node) nextOfAny(now, later, anchor int64, s *search) (int64, Status) {
	var earliest int64
	status := Over
	for i := range n.children {
		c := &n.children[i]
		var at int64
		var answered Status
		if s.known == nil {
			at, answered = c.next(now, later, anchor, s)
		} else {
			known := &s.known[c.index]
			if !known.valid || known.status == Fires && known.at < now {
				// An instant only moves on within a search, so whoever answered Waits or Over does so again.
				known.at, known.status = c.next(now, later, anchor, s)
				known.valid = true
			}
			at, answered = known.at, known.status
		}
		switch {
		case answered == Waits && status == Over:
			status = Waits
		case answered == Fires && at <= n.end && (status != Fires || at < earliest):
			earliest, status = at, Fires
		}
	}
	return earliest, status
}

// rate returns the first anchor + i*interval at or after lo. It can not overflow: the years 1 to
// 9999 are 3.2e17 microseconds, an interval at most 9.3e15.
func (n *node) rate(lo, anchor int64) int64 {
	first := anchor
	if !n.immediate {
		first += n.interval
	}
	if lo <= first {
		return first
	}
	return first + (lo-first+n.interval-1)/n.interval*n.interval
}

// afterRun returns the instant at which what follows a run is due, which may have passed.
func (n *node) afterRun(anchor int64, p *Progress) (at int64, waits bool) {
	if p.LastFire.IsZero() {
		if n.kind == everyDelay && !n.immediate {
			anchor += n.interval
		}
		return anchor, false
	}
	end := micros(p.LastEnd)
	if end < micros(p.LastFire) {
		return 0, true
	}
	return end + n.interval, false // Forever has the interval 0
}

// excludes returns whether its own exclusions hold the instant.
func (n *node) excludes(at int64) bool {
	if n.exclusions == nil {
		return false
	}
	_, excluded := n.exclusions.step(at)
	return excluded
}

func (n *node) listens(e Event) bool {
	if n.kind == onEvent {
		return n.event == e
	}
	for i := range n.children {
		if n.children[i].listens(e) {
			return true
		}
	}
	return false
}

func (n *node) firesOn(e Event, at int64, p *Progress) bool {
	if at < n.start || at > n.end || n.done(p) {
		return false
	}
	if n.excludes(at) {
		return false
	}
	if n.kind == onEvent {
		return n.event == e
	}
	for i := range n.children {
		if n.children[i].firesOn(e, at, p) {
			return true
		}
	}
	return false
}
