package schedule_test

import (
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// The oracle knows the rules of the package comment and nothing of how the engine works: it looks at
// each second of a stretch of time, asks the time package what the wall clock shows, and matches that
// field by field.

var rounds = flag.Int("rounds", 1, "how many times the random tests run, each time with other values")

// A naiveField is the set of values that one field matches.
type naiveField map[int]bool

// A naiveCron is an expression of six fields: second, minute, hour, day of month, month, day of week.
type naiveCron struct {
	fields [6]naiveField
	text   [6]string
}

var naiveRanges = [6][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}

// naiveExpression reads numbers, short names, ranges that do not wrap, steps and lists.
func naiveExpression(text string) naiveCron {
	words := strings.Fields(text)
	if len(words) == 5 {
		words = append([]string{"0"}, words...)
	}
	var c naiveCron
	for i, word := range words {
		c.text[i] = word
		c.fields[i] = naiveField{}
		for item := range strings.SplitSeq(strings.ToUpper(word), ",") {
			base, step := item, 1
			if b, s, ok := strings.Cut(item, "/"); ok {
				base = b
				step, _ = strconv.Atoi(s)
			}
			lo, hi := naiveRanges[i][0], naiveRanges[i][1]
			if base != "*" && base != "?" {
				from, to, ranged := strings.Cut(base, "-")
				lo = naiveValue(i, from)
				if ranged {
					hi = naiveValue(i, to)
				} else if base == item {
					hi = lo
				}
			}
			for v := lo; v <= hi; v += step {
				if i == 5 {
					c.fields[i][v%7] = true
				} else {
					c.fields[i][v] = true
				}
			}
		}
	}
	return c
}

func naiveValue(field int, text string) int {
	if field == 5 && slices.Contains(weekdays, text) {
		return slices.Index(weekdays, text)
	}
	if field == 4 && len(text) == 3 {
		m, err := time.Parse("Jan", text[:1]+strings.ToLower(text[1:]))
		if err != nil {
			panic(err)
		}
		return int(m.Month())
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		panic(fmt.Sprintf("the oracle does not read %q", text))
	}
	return v
}

func (c *naiveCron) matchesTime(wall int64) bool {
	s := int(((wall % 86400) + 86400) % 86400)
	return c.fields[0][s%60] && c.fields[1][s/60%60] && c.fields[2][s/3600]
}

func (c *naiveCron) matches(wall int64) bool {
	if !c.matchesTime(wall) {
		return false
	}
	t := time.Unix(wall, 0).UTC()
	if !c.fields[4][int(t.Month())] {
		return false
	}
	dom, dow := c.fields[3][t.Day()], c.fields[5][int(t.Weekday())]
	anyDom, anyDow := c.text[3] == "*" || c.text[3] == "?", c.text[5] == "*" || c.text[5] == "?"
	if !anyDom && !anyDow {
		return dom || dow
	}
	return dom && dow
}

func (c *naiveCron) everyTime() bool {
	return strings.HasPrefix(c.text[1], "*") || strings.HasPrefix(c.text[2], "*")
}

// A wallWindow holds what the wall clock shows at each second of a stretch of time. A margin at each
// end is there only to know what was shown before and will be shown after.
type wallWindow struct {
	start int64
	walls []int64
	again []bool          // the same wall second was shown before
	lost  map[int][]int64 // the wall seconds, at most three hours, that are skipped just before a second and never shown
}

const windowMargin = 26 * 3600 // no zone ever went back by more than a day

func newWallWindow(loc *time.Location, from time.Time, length time.Duration) wallWindow {
	n := int(length/time.Second) + 2*windowMargin
	w := wallWindow{start: from.Unix() - windowMargin, walls: make([]int64, n), again: make([]bool, n), lost: map[int][]int64{}}
	offset := func(i int) int64 {
		_, o := time.Unix(w.start+int64(i), 0).In(loc).Zone()
		return int64(o)
	}
	for i := 0; i < n; i += 60 { // each second, but the time package is asked only where the offset changes
		first, same := offset(i), offset(i) == offset(i+60)
		for j := i; j < min(i+60, n); j++ {
			if !same {
				first = offset(j)
			}
			w.walls[j] = w.start + int64(j) + first
		}
	}
	low := slices.Min(w.walls)
	times := make([]int, slices.Max(w.walls)-low+1)
	for i, wall := range w.walls {
		w.again[i] = times[wall-low] > 0
		times[wall-low]++
	}
	for i := 1; i < n; i++ {
		if gap := w.walls[i] - w.walls[i-1] - 1; gap > 0 && gap <= 3*3600 {
			for wall := w.walls[i-1] + 1; wall < w.walls[i]; wall++ {
				if times[wall-low] == 0 {
					w.lost[i] = append(w.lost[i], wall)
				}
			}
		}
	}
	return w
}

func (w *wallWindow) changes() bool {
	for i := windowMargin; i < len(w.walls)-windowMargin; i++ {
		if w.walls[i] != w.walls[i-1]+1 {
			return true
		}
	}
	return false
}

// fires returns the Unix seconds of the fires in the window, without its margins.
func (w *wallWindow) fires(c naiveCron) []int64 {
	// The times of day that match are few: decide them once.
	var ofDay [86400]bool
	for s := range ofDay {
		ofDay[s] = c.matchesTime(int64(s))
	}
	match := func(wall int64) bool { return ofDay[((wall%86400)+86400)%86400] && c.matches(wall) }

	var out []int64
	for i := windowMargin; i < len(w.walls)-windowMargin; i++ {
		fires := match(w.walls[i])
		if !c.everyTime() {
			fires = fires && !w.again[i] || slices.ContainsFunc(w.lost[i], match)
		}
		if fires {
			out = append(out, w.start+int64(i))
		}
	}
	return out
}

// ours returns what the engine says for the same seconds.
func (w *wallWindow) ours(c *schedule.Compiled) []int64 {
	last := time.Unix(w.start+windowMargin-1, 0)
	end := time.Unix(w.start+int64(len(w.walls))-windowMargin-1, 0)
	var out []int64
	for {
		next, status := c.Next(last, schedule.Progress{})
		if status != schedule.Fires || next.After(end) {
			return out
		}
		out = append(out, next.Unix())
		last = next
	}
}

func loadLocation(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// randomExpression returns an expression of five or six fields which fires a few times to a few
// thousand times in a window of some days.
func randomExpression(r *rand.Rand) string {
	value := func(i int) int { return naiveRanges[i][0] + r.Intn(naiveRanges[i][1]-naiveRanges[i][0]+1) }
	field := func(i int) string {
		var items []string
		for range 1 + r.Intn(2) {
			a, b := value(i), value(i)
			switch r.Intn(6) {
			case 0:
				items = append(items, fmt.Sprintf("%d-%d", min(a, b), max(a, b)))
			case 1:
				items = append(items, fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), 1+r.Intn(9)))
			case 2:
				items = append(items, fmt.Sprintf("%d/%d", a, 1+r.Intn(30)))
			case 3:
				items = append(items, fmt.Sprintf("*/%d", 1+r.Intn(30)))
			default:
				items = append(items, strconv.Itoa(a))
			}
		}
		return strings.Join(items, ",")
	}
	star := func(text string, chance float64) string {
		if r.Float64() < chance {
			return "*"
		}
		return text
	}
	out := []string{star(field(1), 0.1), star(strconv.Itoa(r.Intn(5))+","+field(2), 0.3), star(field(3), 0.7), star(field(4), 0.9), star(field(5), 0.7)}
	if r.Intn(4) == 0 {
		out = append([]string{strconv.Itoa(value(0))}, out...)
	}
	return strings.Join(out, " ")
}

// changesIn returns instants at which a zone changes its offset, found by looking at each day.
func changesIn(loc *time.Location, fromYear, toYear int) []time.Time {
	offset := func(second int64) int {
		_, o := time.Unix(second, 0).In(loc).Zone()
		return o
	}
	var out []time.Time
	lo := time.Date(fromYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	end := time.Date(toYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for ; lo < end; lo += 86400 {
		a, b := lo, lo+86400
		if offset(a) == offset(b) {
			continue
		}
		for b-a > 1 {
			if mid := (a + b) / 2; offset(mid) == offset(a) {
				a = mid
			} else {
				b = mid
			}
		}
		out = append(out, time.Unix(b, 0).UTC())
	}
	return out
}

// oracleWindows are the changes that differ in kind: plain ones, half an hour, at midnight, a whole
// day, two hours, two changes in a short time, a change of the standard time.
var oracleWindows = []struct{ zone, change string }{
	{"America/New_York", "2026-03-08T07:00:00Z"},
	{"America/New_York", "2026-11-01T06:00:00Z"},
	{"Europe/Berlin", "1945-05-24T00:00:00Z"},
	{"Europe/Berlin", "2037-10-25T01:00:00Z"},
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},
	{"Africa/Cairo", "2026-04-23T22:00:00Z"},
	{"Africa/Cairo", "2026-10-29T21:00:00Z"},
	{"Pacific/Apia", "2011-12-30T10:00:00Z"},
	{"America/Sao_Paulo", "2018-11-04T03:00:00Z"},
	{"America/Sao_Paulo", "2018-02-18T02:00:00Z"},
	{"America/Asuncion", "2022-10-02T04:00:00Z"},
	{"Africa/Casablanca", "2026-02-15T02:00:00Z"},
	{"Africa/Casablanca", "2026-03-22T02:00:00Z"},
	{"Antarctica/Troll", "2026-03-29T01:00:00Z"},
	{"Antarctica/Troll", "2026-10-25T01:00:00Z"},
	{"Pacific/Kwajalein", "1969-09-30T13:00:00Z"},
	{"Pacific/Kwajalein", "1993-08-21T12:00:00Z"},
	{"Asia/Pyongyang", "2018-05-04T15:00:00Z"},
	{"America/Caracas", "2016-05-01T07:00:00Z"},
	{"Asia/Manila", "1844-12-31T00:00:00Z"},
	{"America/Sitka", "1867-10-18T15:00:00Z"},
	{"UTC", "2028-02-29T00:00:00Z"},
}

func TestFiresAreThoseOfTheWallClockSecondBySecond(t *testing.T) {
	for round := range *rounds {
		r := rand.New(rand.NewSource(int64(round) + 1))
		for _, w := range oracleWindows {
			change := at(t, w.change)
			loc := loadLocation(w.zone)
			if round > 0 { // other changes of the same zone
				if all := changesIn(loc, 1850, 2040); len(all) > 0 {
					change = all[r.Intn(len(all))]
				}
			}
			window := newWallWindow(loc, change.Add(-14*time.Hour), 28*time.Hour)
			for range 8 {
				expression := randomExpression(r)
				c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: w.zone}})
				if err != nil {
					if strings.Contains(err.Error(), "never comes") {
						continue
					}
					t.Fatalf("%s: %v", expression, err)
				}
				want, got := window.fires(naiveExpression(expression)), window.ours(c)
				if !slices.Equal(want, got) {
					t.Errorf("%s in %s around %s:\n got %v\nwant %v", expression, w.zone, change, got, want)
				}
			}
		}
	}
}
