package schedule

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones, also on a machine without a database of them
)

// A zone is one IANA time zone as a table of its offset changes. Seconds are Unix seconds. It is
// immutable and safe for concurrent use.
//
// We keep our own table because time.Time.ZoneBounds may answer an end that is not after the instant
// asked for (golang/go#81583) and because time.Date in a gap may land on either side. The table is
// built once per zone with a step that always advances, and is then only searched.
type zone struct {
	// start[i] is the first second of segment i, offset[i] the seconds east of UTC in it. Segment i ends
	// where the next one starts. start[0] is far before year 1. Neighbours always differ in offset.
	start  []int64
	offset []int32
}

const (
	secondsPerDay = 86400
	// cycleSeconds is the Gregorian cycle: 400 years are 146,097 days, a whole number of weeks, so
	// calendar and daylight saving rules repeat exactly after it.
	cycleSeconds = 146097 * secondsPerDay
	// cycleStart is 2101-01-01. After it no zone has anything but a yearly rule (Casablanca and Gaza,
	// which follow the moon, are tabulated until 2087). cycleEnd is one cycle later.
	cycleStart = 4133980800
	cycleEnd   = cycleStart + cycleSeconds
	// tableEnd leaves room for a search that begins just before cycleEnd.
	tableEnd = cycleEnd + (horizonYears+2)*366*secondsPerDay

	// maxShift is more than any two offsets differ: the extremes are -15:13:42 and +15:13:42.
	maxShift = 31 * 3600

	distantPast = math.MinInt64 / 4
)

// zones caches the tables by name; only names that exist get in, so it is bounded by the database.
var zones sync.Map // string -> *zone

// loadZone returns the zone of an IANA name. The error is the description of a violation.
func loadZone(name string) (*zone, error) {
	if z, ok := zones.Load(name); ok {
		return z.(*zone), nil
	}
	switch {
	case name == "":
		return nil, fmt.Errorf("missing: %s", zoneAdvice)
	case strings.EqualFold(name, "local"):
		return nil, fmt.Errorf("%q depends on the machine: %s", name, zoneAdvice)
	case !plausibleZone(name):
		return nil, fmt.Errorf("%q is not an IANA name: %s", name, zoneAdvice)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not an IANA name: %s", name, zoneAdvice)
	}
	z, _ := zones.LoadOrStore(name, newZone(loc))
	return z.(*zone), nil
}

const zoneAdvice = "write UTC or an IANA name such as Europe/Berlin"

// plausibleZone keeps out what time.LoadLocation finds on some machines only: files of the zone
// folder that are no zones, and the "right/" tree, which counts leap seconds.
func plausibleZone(name string) bool {
	switch name {
	case "localtime", "posixrules", "Factory", "leapseconds":
		return false
	}
	if len(name) > 64 || strings.HasPrefix(name, "right/") || strings.HasPrefix(name, "posix/") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] < 'A' || part[0] > 'Z' {
			return false
		}
		for i := range len(part) {
			c := part[i]
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (c < '0' || c > '9') && c != '_' && c != '-' && c != '+' {
				return false
			}
		}
	}
	return true
}

func newZone(loc *time.Location) *zone {
	z := &zone{}
	for at := int64(minSecond - 2*secondsPerDay); at < tableEnd; {
		t := time.Unix(at, 0).In(loc)
		_, off := t.Zone()
		if n := len(z.offset); n == 0 {
			z.start, z.offset = append(z.start, distantPast), append(z.offset, int32(off))
		} else if z.offset[n-1] != int32(off) {
			z.start, z.offset = append(z.start, at), append(z.offset, int32(off))
		}
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		next := end.Unix()
		if next <= at {
			// golang/go#81583: 31 December of a leap year. No rule changes the offset within that day.
			next = (floorDiv(at, secondsPerDay) + 1) * secondsPerDay
		}
		at = next
	}
	return z
}

// segment returns the index of the segment that holds the second.
func (z *zone) segment(second int64) int {
	return sort.Search(len(z.start), func(i int) bool { return z.start[i] > second }) - 1
}

// end returns the first second after segment i.
func (z *zone) end(i int) int64 {
	if i+1 < len(z.start) {
		return z.start[i+1]
	}
	return math.MaxInt64 / 4
}

// holds returns whether the clock shows the wall second during segment i, and the wall second at
// which the segment ends.
func (z *zone) holds(i int, wall int64) (end int64, ok bool) {
	off := int64(z.offset[i])
	end = z.end(i) + off
	return end, z.start[i]+off <= wall && wall < end
}

// shownBefore returns whether the clock showed the wall second in a segment before i, and the wall
// second up to which it did.
func (z *zone) shownBefore(i int, wall int64) (end int64, ok bool) {
	at := wall - int64(z.offset[i])
	for j := i - 1; j >= 0 && at-z.start[j+1] < maxShift; j-- {
		if end, ok := z.holds(j, wall); ok {
			return end, true
		}
	}
	return 0, false
}

// shownAfter is shownBefore for the segments from i on.
func (z *zone) shownAfter(i int, wall int64) (end int64, ok bool) {
	first := z.start[i]
	for j := i; j < len(z.start) && z.start[j]-first < maxShift; j++ {
		if end, ok := z.holds(j, wall); ok {
			return end, true
		}
	}
	return 0, false
}
