package schedule

import (
	"fmt"
	"time"
)

// DSTShift says what a change of a zone's offset did to a fire.
type DSTShift int

const (
	// NoShift is a fire that no change touched, or one that does not stand for a fixed time.
	NoShift DSTShift = iota
	// Gap is a fire whose wall time does not exist that day: it comes at the first instant after the gap.
	Gap
	// Overlap is a fire whose wall time comes twice: it comes in the first pass.
	Overlap
)

// DSTShift returns whether a fire was moved by a change of the clocks, and the wall time it stands for, as
// 02:30 or, if it has seconds, 02:30:15; that is empty if it was not. p is the progress before the fire is
// counted.
//
// Only [At] and a [Cron] with fixed times are ever marked: an expression whose minute or hour starts with
// * follows the wall clock, and the others do not look at it. Of an [AnyOf] those triggers inside count
// that fire at that instant; a gap goes before an overlap. A fire that stands for several times of a gap
// names the first; it is marked also when one more of its times is the end of the gap itself. An
// instant at which the trigger does not fire is not marked.
func (c *Compiled) DSTShift(fire time.Time, p Progress) (shift DSTShift, wall string) {
	at := micros(fire)
	if fire.Nanosecond() != 0 || at < minMicro {
		return NoShift, ""
	}
	shift, second := c.root.shiftAt(at, &p)
	if shift == NoShift {
		return NoShift, ""
	}
	return shift, timeOfDay(int(second-floorDiv(second, secondsPerDay)*secondsPerDay), false)
}

// shiftAt is DSTShift in microseconds. The wall second is meaningless without a shift.
func (n *node) shiftAt(at int64, p *Progress) (found DSTShift, wall int64) {
	if at < n.start || at > n.end || n.done(p) || n.excludes(at) {
		return NoShift, 0
	}
	if n.kind == wallClock {
		return n.clock.shiftAt(at / 1_000_000)
	}
	for i := range n.children {
		s, w := n.children[i].shiftAt(at, p)
		if s == NoShift || found == Gap && (s == Overlap || w >= wall) || found == Overlap && s == Overlap && w >= wall {
			continue
		}
		found, wall = s, w
	}
	return found, wall
}

// shiftAt returns what a change of the offset did to the fire at that second, if there is one, and the
// wall second that it stands for.
func (c *clock) shiftAt(at int64) (DSTShift, int64) {
	if next, ok := c.next(at, at); !ok || next != at || c.pattern.everyTime {
		return NoShift, 0
	}
	if at >= cycleEnd {
		at -= (at - cycleStart) / cycleSeconds * cycleSeconds // as in next
	}
	z := c.zone
	i := z.segment(at)
	if z.start[i] == at {
		if wall, ok := c.madeUpAt(i, at); ok {
			return Gap, wall
		}
	}
	wall := at + int64(z.offset[i])
	if i+1 < len(z.start) {
		if _, again := z.shownAfter(i+1, wall); again {
			return Overlap, wall
		}
	}
	return NoShift, 0
}

// timeOfDay writes a second of a day as 15:04, or as 15:04:05 if it has seconds or they are wanted.
func timeOfDay(second int, seconds bool) string {
	h, m, s := second/3600, second/60%60, second%60
	if s == 0 && !seconds {
		return fmt.Sprintf("%02d:%02d", h, m)
	}
	return fmt.Sprintf("%02d:%02d:%02d", h, m, s)
}
