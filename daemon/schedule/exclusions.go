package schedule

import (
	"fmt"
	"slices"
	"time"
)

// Bounds of exclusions.
const (
	maxExclusions      = 64   // of one trigger
	maxExclusionsInAll = 1024 // of a trigger and all inside it
	maxCalendar        = 4096 // in one calendar
	maxCalendars       = 1024 // of one program
	maxName            = 64   // bytes of a calendar's name
)

// exclusions are compiled ones: a set of instants. Immutable.
type exclusions struct {
	zones     []zoneExclusions
	calendars []*exclusions
	// cost is how many of them are looked at one by one, those of calendars included.
	cost int
}

// zoneExclusions are those of one time zone, in seconds of its wall clock.
type zoneExclusions struct {
	name    string
	zone    *zone
	dates   []stretch // sorted and apart from each other
	windows []window
	minutes []pattern
}

// A stretch is [from, until).
type stretch struct{ from, until int64 }

// A window is a part of the days on which it begins: [from, until) in seconds of that day. until is
// greater than from, and may reach into the next day.
type window struct {
	from, until int64
	weekdays    uint8 // bits 0 to 6, Sunday first
}

// clear returns the first instant from at on that is not excluded, and whether at is. All are microseconds. It
// stops beyond the limit, or when nothing is left of the budget, of which each stretch takes one; a stretch for
// which many windows and patterns are looked at takes as many more as keep the time about the same.
func (x *exclusions) clear(at, limit int64, budget *int) (int64, bool) {
	until := at
	for until <= limit {
		next, ok := x.step(until)
		if !ok {
			break
		}
		if *budget -= 1 + x.cost/8; *budget < 0 {
			break
		}
		until = next
	}
	return until, until > at
}

// step returns an instant up to which everything from at on is excluded, if at is.
func (x *exclusions) step(at int64) (int64, bool) {
	second := floorDiv(at, 1_000_000)
	for i := range x.zones {
		if until, ok := x.zones[i].step(second); ok {
			return until * 1_000_000, true
		}
	}
	for _, c := range x.calendars {
		if until, ok := c.step(at); ok {
			return until, true
		}
	}
	return 0, false
}

// step is that of exclusions, in Unix seconds.
func (z *zoneExclusions) step(at int64) (until int64, ok bool) {
	// Calendar and zone repeat after a cycle, as in clock.next; dates do not, so the wall clock is told in full.
	var shift int64
	if at >= cycleEnd {
		shift = (at - cycleStart) / cycleSeconds * cycleSeconds
	}
	i := z.zone.segment(at - shift)
	offset := int64(z.zone.offset[i])
	wall := at + offset
	if until, ok = z.wallStep(wall); ok {
		// What the wall clock shows after a change is another question.
		until = min(until-offset, z.zone.end(i)+shift)
	}
	return until, ok
}

// wallStep is step on the wall clock.
func (z *zoneExclusions) wallStep(wall int64) (int64, bool) {
	if i, ok := slices.BinarySearchFunc(z.dates, wall, func(s stretch, wall int64) int {
		switch {
		case wall < s.from:
			return 1
		case wall >= s.until:
			return -1
		}
		return 0
	}); ok {
		return z.dates[i].until, true
	}
	day := floorDiv(wall, secondsPerDay)
	second := wall - day*secondsPerDay
	for _, w := range z.windows {
		if w.weekdays>>weekday(day)&1 != 0 && w.from <= second && second < w.until {
			return day*secondsPerDay + w.until, true
		}
		if w.weekdays>>weekday(day-1)&1 != 0 && second+secondsPerDay < w.until {
			return (day-1)*secondsPerDay + w.until, true
		}
	}
	for i := range z.minutes {
		if until := z.minutes[i].endOfMinutes(wall); until > wall {
			return until, true
		}
	}
	return 0, false
}

// endOfMinutes returns the first wall second from the given one on that the pattern, which leaves out no
// second of a minute, does not match; or one up to which it matches all, at least a day away.
func (p *pattern) endOfMinutes(wall int64) int64 {
	day := floorDiv(wall, secondsPerDay)
	year, month, dom := date(day)
	if p.month>>month&1 == 0 || p.days.in(weekday(monthStart(year, month)), daysIn(year, month))>>dom&1 == 0 {
		return wall
	}
	second := wall - day*secondsPerDay
	for m := second / 60; m < 24*60; m++ {
		h := m / 60
		if p.hour>>h&1 == 0 || p.minute>>(m%60)&1 == 0 {
			return max(wall, day*secondsPerDay+m*60)
		}
		if p.minute == 1<<60-1 {
			m = h*60 + 59 // the whole hour
		}
	}
	return (day + 1) * secondsPerDay
}

// inZone returns the part of the set that is in a zone.
func (x *exclusions) inZone(name string, z *zone) *zoneExclusions {
	for i := range x.zones {
		if x.zones[i].name == name {
			return &x.zones[i]
		}
	}
	x.zones = append(x.zones, zoneExclusions{name: name, zone: z})
	return &x.zones[len(x.zones)-1]
}

// seal sorts the dates, joins those that touch, and counts the rest.
func (x *exclusions) seal() {
	for i := range x.zones {
		z := &x.zones[i]
		slices.SortFunc(z.dates, func(a, b stretch) int {
			switch {
			case a.from < b.from:
				return -1
			case a.from > b.from:
				return 1
			}
			return 0
		})
		kept := z.dates[:0]
		for _, s := range z.dates {
			if n := len(kept); n > 0 && s.from <= kept[n-1].until {
				kept[n-1].until = max(kept[n-1].until, s.until)
				continue
			}
			kept = append(kept, s)
		}
		z.dates = kept
		x.cost += len(z.windows) + len(z.minutes)
	}
	for _, c := range x.calendars {
		x.cost += c.cost
	}
}

// exclusions compiles the list of a trigger at path, or of a calendar.
func (b *builder) exclusions(list []Exclusion, path string, inCalendar bool) *exclusions {
	if len(list) == 0 {
		return nil
	}
	limit := maxCalendar
	if !inCalendar {
		limit = maxExclusions
		b.excluded += len(list)
		if path != "" {
			path += "."
		}
		path += "exclusions"
	}
	if len(list) > limit {
		b.problems.add(path, "", "%d of them, at most %d are allowed", len(list), limit)
		return nil
	}
	x := &exclusions{}
	for i, e := range list {
		known := len(b.problems.found)
		b.exclusion(x, e, inCalendar)
		for j := range b.problems.found[known:] {
			v := &b.problems.found[known+j]
			if v.Field != "" {
				v.Field = "." + v.Field
			}
			v.Field = fmt.Sprintf("%s[%d]%s", path, i, v.Field)
		}
	}
	x.seal()
	return x
}

// exclusion adds one to a set. What is wrong is noted with the path from the exclusion.
func (b *builder) exclusion(x *exclusions, e Exclusion, inCalendar bool) {
	switch k := e.(type) {
	case nil:
		b.problems.add("", "", "kind missing: one of dates, window, cron and calendar is needed")
	case Dates:
		b.dates(x, k)
	case Window:
		b.window(x, k)
	case Cron:
		b.minutes(x, k)
	case Calendar:
		if inCalendar {
			b.problems.add("", "calendar", "%q: a calendar can not hold another one", k.Name)
			return
		}
		b.calendar(x, k)
	default:
		b.problems.add("", "", "kind %T is unknown: a kind is a value of this package, not a pointer", e)
	}
}

func (b *builder) dates(x *exclusions, k Dates) {
	first, ok := b.date(k.First, "dates.first")
	last := first
	if k.Last != (Date{}) {
		var valid bool
		last, valid = b.date(k.Last, "dates.last")
		ok = ok && valid
	}
	if ok && last < first {
		b.problems.add("", "dates.last", "%s is before first %s", k.Last, k.First)
		ok = false
	}
	z, err := loadZone(k.TimeZone)
	if err != nil {
		b.problems.add("", "dates.time_zone", "%s", err)
	}
	if ok && err == nil {
		in := x.inZone(k.TimeZone, z)
		in.dates = append(in.dates, stretch{first * secondsPerDay, (last + 1) * secondsPerDay})
	}
}

func (b *builder) date(d Date, field string) (day int64, ok bool) {
	switch {
	case d == Date{}:
		b.problems.add("", field, "missing: write a date such as 2026-12-24")
		return 0, false
	case d.Year < 1 || d.Year > 9999:
		b.problems.add("", field, "%s is outside the years 1 to 9999", d)
		return 0, false
	case d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > daysIn(d.Year, d.Month):
		b.problems.add("", field, "%s is no date of the calendar", d)
		return 0, false
	}
	return monthStart(d.Year, d.Month) + int64(d.Day) - 1, true
}

func (b *builder) window(x *exclusions, k Window) {
	from, ok := b.timeOfDay(k.From, "window.from")
	until, valid := b.timeOfDay(k.Until, "window.until")
	ok = ok && valid
	switch {
	case !ok:
	case from == secondsPerDay:
		b.problems.add("", "window.from", "24:00 is the end of a day: write 00:00")
		ok = false
	case from == until:
		b.problems.add("", "window.until", "%s is the same as from: for a whole day write 00:00 and 24:00", k.Until)
		ok = false
	case until < from:
		until += secondsPerDay
	}
	weekdays, valid := b.weekdays(k.DaysOfWeek, "", "window.days_of_week")
	if weekdays == 0 {
		weekdays = 0x7F
	}
	z, err := loadZone(k.TimeZone)
	if err != nil {
		b.problems.add("", "window.time_zone", "%s", err)
	}
	if ok && valid && err == nil {
		in := x.inZone(k.TimeZone, z)
		in.windows = append(in.windows, window{from: from, until: until, weekdays: weekdays})
	}
}

func (b *builder) timeOfDay(t TimeOfDay, field string) (second int64, ok bool) {
	second = int64(t.Hour)*3600 + int64(t.Minute)*60 + int64(t.Second)
	if t.Hour < 0 || t.Hour > 24 || t.Minute < 0 || t.Minute > 59 || t.Second < 0 || t.Second > 59 || second > secondsPerDay {
		b.problems.add("", field, "%s is no time of day from 00:00 to 24:00", t)
		return 0, false
	}
	return second, true
}

func (b *builder) minutes(x *exclusions, k Cron) {
	p, found := parseExpression(k.Expression)
	for _, problem := range found {
		b.problems.add("", "cron.expression", "%s", problem)
	}
	six := len(words(k.Expression)) == 6
	if six {
		b.problems.add("", "cron.expression", "%q has six fields: an exclusion is of whole minutes, so it has five", k.Expression)
	}
	z, err := loadZone(k.TimeZone)
	if err != nil {
		b.problems.add("", "cron.time_zone", "%s", err)
	}
	if len(found) == 0 && !six && err == nil {
		in := x.inZone(k.TimeZone, z)
		in.minutes = append(in.minutes, p)
	}
}

func (b *builder) calendar(x *exclusions, k Calendar) {
	if err := checkCalendarName(k.Name); err != nil {
		b.problems.add("", "calendar", "%s", err)
		return
	}
	if b.unresolved {
		return
	}
	var known *exclusions
	if b.extensions != nil {
		known = b.extensions.calendars[k.Name]
	}
	if known == nil {
		b.problems.add("", "calendar", "%q is not declared: %s", k.Name, b.extensions.calendarAdvice())
		return
	}
	x.calendars = append(x.calendars, known)
}

// checkCalendarName says what is wrong with the name of a calendar.
func checkCalendarName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i := 0; ok && i < len(name); i++ {
		c := name[i]

		ok = alphanumeric(c) || i > 0 && (c == '-' || c == '_' || c == '.')
	}
	if !ok {
		return fmt.Errorf("%q is no name of a calendar: 1 to %d letters, digits, -, _ and ., the first a letter or digit", name, maxName)
	}
	return nil
}

// weekdays returns days as bits 0 to 6, Sunday first.
func (b *builder) weekdays(days []time.Weekday, path, field string) (set uint8, ok bool) {
	ok = true
	for i, d := range days {
		if d < time.Sunday || d > time.Saturday {
			b.problems.add(path, fmt.Sprintf("%s[%d]", field, i), "%d is no weekday: 0 (Sunday) to 6 (Saturday)", int(d))
			ok = false
			continue
		}
		set |= 1 << d
	}
	return set, ok
}
