package schedule

// horizonYears is how far a search for the next date looks. The rarest date that an expression can
// name, a fifth weekday in February, comes at least every 40 years.
const horizonYears = 50

const (
	horizonSeconds = horizonYears * 366 * secondsPerDay
	// maxGap is the widest gap whose wall times are made up for at its end, as in Debian's cron(8):
	// a wider one is a correction of the calendar (Apia skipped 2011-12-30), and its times are lost.
	maxGap = 3 * 3600
)

// A clock is a pattern on the wall clock of a zone: it knows when it fires. Immutable.
//
// Where the zone changes its offset, the rule is Vixie's, that of Debian's cron(8). A pattern whose
// minute or hour starts with * fires at each instant at which the wall clock matches: nothing in a
// gap, both passes of an overlap. Any other names fixed times, and each of them fires once: on the
// first pass of an overlap; at the first instant after a gap of up to three hours, where several
// times make one fire.
type clock struct {
	pattern pattern
	zone    *zone
}

// next returns the first fire in [lo, hi], in Unix seconds, and looks no further than the horizon.
func (c *clock) next(lo, hi int64) (int64, bool) {
	hi = min(hi, lo+horizonSeconds)
	// Calendar and zone repeat after a cycle, so the far future is looked up in the table's last one.
	var shift int64
	if lo >= cycleEnd {
		shift = (lo - cycleStart) / cycleSeconds * cycleSeconds
		lo, hi = lo-shift, hi-shift
	}
	z := c.zone
	for i := z.segment(lo); i < len(z.start) && z.start[i] <= hi; i++ {
		if _, ok := c.madeUpAt(i, lo); ok {
			return z.start[i] + shift, true
		}
		offset := int64(z.offset[i])
		limit := min(z.end(i), hi+1) + offset
		wall := max(lo, z.start[i]) + offset
		for {
			var ok bool
			if wall, ok = c.pattern.next(wall, limit); !ok {
				break
			}
			if !c.pattern.everyTime {
				if end, shown := z.shownBefore(i, wall); shown {
					wall = end
					continue
				}
			}
			return wall - offset + shift, true
		}
	}
	return 0, false
}

// madeUpAt returns whether segment i begins at lo or later, after a gap that holds a fixed time, and the
// first of those.
func (c *clock) madeUpAt(i int, lo int64) (int64, bool) {
	z := c.zone
	if c.pattern.everyTime || i == 0 || z.start[i] < lo {
		return 0, false
	}
	wall, limit := z.start[i]+int64(z.offset[i-1]), z.start[i]+int64(z.offset[i])
	if limit-wall > maxGap {
		return 0, false
	}
	for wall < limit {
		var ok bool
		if wall, ok = c.pattern.next(wall, limit); !ok {
			return 0, false
		}
		// With a second change close by, the clock may show after all what this one skips.
		end, shown := z.shownBefore(i, wall)
		if !shown {
			end, shown = z.shownAfter(i, wall)
		}
		if !shown {
			return wall, true
		}
		wall = end
	}
	return 0, false
}
