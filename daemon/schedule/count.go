package schedule

import "time"

// Count returns p with one fire counted: in the trigger itself, and in every trigger inside that says
// go at that instant or names that event. e is 0 for a fire that no event caused. LastFire becomes
// the instant and LastEnd zero, so that the run counts as going until the caller sets it. p and its
// slice are not modified.
//
// The outermost count always grows: the caller says that this was a fire.
func (c *Compiled) Count(fire time.Time, e Event, p Progress) Progress {
	fires := make([]int64, c.size)
	copy(fires, p.Fires)
	out := p
	out.Fires = fires
	c.count(micros(fire), e, &out)
	return out
}

// count is Count on the progress itself, whose slice must be as long as the trigger is large.
func (c *Compiled) count(at int64, e Event, p *Progress) {
	if !c.root.count(at, e, micros(p.Anchor), &search{c: c, p: *p, budget: maxStretches}) {
		p.Fires[0]++
	}
	p.LastFire, p.LastEnd = time.UnixMicro(at).UTC(), time.Time{}
}

// count counts the fire in n and in what is inside, where they say go, and returns whether n does.
func (n *node) count(at int64, e Event, anchor int64, s *search) bool {
	p := &s.p
	if at < n.start || at > n.end || n.done(p) || n.excludes(at) {
		return false
	}
	var says bool
	switch n.kind {
	case anyOf:
		if n.hasStart {
			anchor = n.start
		}
		for i := range n.children {
			if n.children[i].count(at, e, anchor, s) {
				says = true
			}
		}
	case onEvent:
		says = n.event == e
	case everyDelay, forever:
		if n.hasStart {
			anchor = n.start
		}
		due, waits := n.afterRun(anchor, p)
		// An overdue one fires late, at whatever instant Next was asked for. An event is not that.
		says = !waits && (due == at || due < at && e == 0)
	default:
		later := at
		if at == micros(p.Anchor) {
			later++ // as in First
		}
		next, status := n.next(at, later, anchor, s)
		says = status == Fires && next == at
	}
	if says {
		p.Fires[n.index]++
	}
	return says
}

// A Span is a number of instants in a row: of fires, or of what exclusions took out.
type Span struct {
	// Count is the number of instants. First and Last are zero if it is 0.
	Count       int64
	First, Last time.Time
}

// Between returns the fires in (after, until], as if each were counted when it comes and no run ended
// meanwhile: a Forever is in it at most once. It stops after limit fires, with Count == limit and Last
// the last of those; a limit below 1 finds nothing. A fixed-rate Every without exclusions is not bound by the
// limit, since there the answer is arithmetic; otherwise the work is one search per fire.
func (c *Compiled) Between(after, until time.Time, p Progress, limit int64) Span {
	lo, hi := micros(after)+1, micros(until)
	if c.root.kind == everyRate && c.root.exclusions == nil {
		return c.root.ratesBetween(lo, hi, &search{c: c, p: p})
	}
	fires := make([]int64, c.size)
	copy(fires, p.Fires)
	p.Fires = fires
	anchor := micros(p.Anchor)
	var s Span
	for s.Count < limit {
		at, status := c.root.next(lo, lo, anchor, &search{c: c, p: p, budget: maxStretches})
		if status != Fires || at > hi {
			break
		}
		c.count(at, 0, &p)
		s.Count++
		s.Last = p.LastFire
		if s.Count == 1 {
			s.First = s.Last
		}
		lo = at + 1
	}
	return s
}

// Excluded returns the instants in (after, until] that exclusions took out: at which the trigger would fire
// without them, and does not. What follows a run has no such instants. It looks at no more than limit
// instants, fires included, so that with Count == limit there may be more; a limit below 1 finds nothing.
// The work is one search per instant, but of a fixed-rate Every one per stretch of excluded ones.
func (c *Compiled) Excluded(after, until time.Time, p Progress, limit int64) Span {
	var s Span
	if !c.excluding {
		return s
	}
	lo, hi, anchor := micros(after)+1, micros(until), micros(p.Anchor)
	for fires := int64(0); s.Count+fires < limit; fires++ {
		raw, status := c.root.next(lo, lo, anchor, &search{c: c, p: p, raw: true})
		if status != Fires || raw > hi {
			break
		}
		fire, status := c.root.next(raw, raw, anchor, &search{c: c, p: p, budget: maxStretches})
		switch {
		case c.custom && c.Err() != nil:
			return s // what a custom kind fails to say is not excluded
		case status != Fires:
			fire = hi + 1
		}
		// All up to that fire are excluded.
		for raw < fire && raw <= hi && s.Count < limit {
			last, count := raw, int64(1)
			if n := &c.root; n.kind == everyRate {
				count = min((min(fire-1, hi, n.end)-raw)/n.interval+1, limit-s.Count)
				last = raw + (count-1)*n.interval
			}
			if s.Count == 0 {
				s.First = time.UnixMicro(raw).UTC()
			}
			s.Count += count
			s.Last = time.UnixMicro(last).UTC()
			if raw, status = c.root.next(last+1, last+1, anchor, &search{c: c, p: p, raw: true}); status != Fires {
				return s
			}
		}
		lo = max(raw, fire+1)
	}
	return s
}

// ratesBetween is Between for a fixed-rate Every, in microseconds and both ends included.
func (n *node) ratesBetween(lo, hi int64, s *search) Span {
	p := &s.p
	first, status := n.next(lo, lo, micros(p.Anchor), s)
	hi = min(hi, n.end)
	if status != Fires || first > hi {
		return Span{}
	}
	count := (hi-first)/n.interval + 1
	if n.maxFires > 0 {
		count = min(count, n.maxFires-n.fires(p))
	}
	return Span{
		Count: count,
		First: time.UnixMicro(first).UTC(),
		Last:  time.UnixMicro(first + (count-1)*n.interval).UTC(),
	}
}
