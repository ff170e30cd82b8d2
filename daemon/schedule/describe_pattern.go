package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

const (
	all60 = 1<<60 - 1
	all24 = 1<<24 - 1
)

// describePattern returns when a pattern matches, without the zone. It looks at the sets, not at how they
// were written: "0/10" and "0,10,20,30,40,50" read the same. Only what follows the wall clock (everyTime)
// is said to recur even where a list of its times would be as short.
func describePattern(p *pattern) string {
	when := p.describeTime()
	days := p.describeDays()
	if days == "every day" && p.hour == all24 {
		return when // "every 10 minutes" says it
	}
	return when + " " + days
}

// describeTime describes the second, minute and hour of a pattern.
func (p *pattern) describeTime() string {
	seconds, minutes, hours := bits.OnesCount64(p.second), bits.OnesCount64(p.minute), bits.OnesCount32(p.hour)
	minuteStep, minutesStepped := steps(p.minute)
	secondStep, secondsStepped := steps(p.second)
	firstHour, lastHour := bits.TrailingZeros32(p.hour), 31-bits.LeadingZeros32(p.hour)
	hourStep, even := progression(uint64(p.hour))
	const listed = 8 // times that a reader still takes in
	recurs := minutesStepped && (minutes > 2 || p.everyTime) || secondsStepped && seconds > 2 || p.everyTime && minutes == 1 && even
	if seconds*minutes*hours <= listed && !recurs {
		return "at " + and(p.times())
	}
	if p.second == 1 {
		switch {
		case minutes == 1 && p.hour == all24 && p.minute == 1:
			return "every hour"
		case minutes == 1 && p.hour != all24 && even:
			m := bits.TrailingZeros64(p.minute) * 60
			return fmt.Sprintf("every %s from %s to %s", counted(hourStep, "hour"), timeOfDay(firstHour*3600+m, false), timeOfDay(lastHour*3600+m, false))
		case minutesStepped:
			return "every " + counted(minuteStep, "minute") + p.describeHours(3600-minuteStep*60, false)
		}
		return "at " + labeled("minute", p.minute) + p.ofHours()
	}
	if secondsStepped {
		when := "every " + counted(secondStep, "second")
		if p.minute == all60 {
			return when + p.describeHours(3600-secondStep, true)
		}
		return when + " in " + labeled("minute", p.minute) + p.ofHours()
	}
	when := "at " + labeled("second", p.second) + " of "
	if p.minute == all60 {
		return when + "every minute" + p.describeHours(3600-60, false)
	}
	return when + labeled("minute", p.minute) + p.ofHours()
}

// describeHours says in which hours something recurs whose last time in an hour is that many seconds into
// it. A stretch that goes over midnight is not one: the days hold for the date of each hour.
func (p *pattern) describeHours(last int, seconds bool) string {
	if p.hour == all24 {
		return ""
	}
	from, to := bits.TrailingZeros32(p.hour), 31-bits.LeadingZeros32(p.hour)
	if bits.OnesCount32(p.hour) == to-from+1 {
		return fmt.Sprintf(" from %s to %s", timeOfDay(from*3600, seconds), timeOfDay(to*3600+last, seconds))
	}
	return " in " + labeled("hour", uint64(p.hour))
}

func (p *pattern) ofHours() string {
	if p.hour == all24 {
		return " of every hour"
	}
	return " of " + labeled("hour", uint64(p.hour))
}

// times lists the times of day, with seconds if one of them has some.
func (p *pattern) times() []string {
	var out []string
	for h := uint64(p.hour); h != 0; h &= h - 1 {
		for m := p.minute; m != 0; m &= m - 1 {
			for s := p.second; s != 0; s &= s - 1 {
				second := bits.TrailingZeros64(h)*3600 + bits.TrailingZeros64(m)*60 + bits.TrailingZeros64(s)
				out = append(out, timeOfDay(second, p.second != 1))
			}
		}
	}
	return out
}

// describeDays describes the days and the month of a pattern.
func (p *pattern) describeDays() string {
	d := &p.days
	const allDays, allWeek, allMonths = 1<<32 - 2, 1<<7 - 1, 1<<13 - 2
	months := "every month"
	everyMonth := p.month == allMonths
	if !everyMonth {
		months = and(pieces(uint64(p.month), func(m int) string { return monthNames[m] }))
	}
	// Either field may match, so one that names every day makes the other one idle.
	if !d.domRestricted && !d.dowRestricted || d.domRestricted && d.dom == allDays || d.dowRestricted && d.dow == allWeek {
		if everyMonth {
			return "every day"
		}
		return "on every day of " + months
	}
	ofMonths := " of " + months
	switch {
	case d.domRestricted && d.dowRestricted:
		return "on " + list(append(d.monthDays(true), d.weekDays("any ")...), "or") + ofMonths
	case d.domRestricted:
		if everyMonth && d.rare() {
			ofMonths = " of every long enough month"
		}
		return "on " + and(d.monthDays(false)) + ofMonths
	}
	if d.onlyPlainWeekdays() {
		week := pieces(mondayFirst(d.dow), dayName)
		stretch := len(week) == 1 && strings.Contains(week[0], " to ")
		switch {
		case !everyMonth && stretch:
			return "on every day from " + week[0] + ofMonths
		case !everyMonth:
			return "on every " + and(week) + ofMonths
		case stretch:
			return week[0]
		}
		return "on " + and(week)
	}
	return "on " + and(d.weekDays("every ")) + ofMonths
}

// rare returns whether the only day of the month is one that not every month has.
func (d *days) rare() bool {
	if bits.OnesCount32(d.dom)+bits.OnesCount32(d.fromEnd)+bits.OnesCount32(d.nearest) != 1 || d.lastWorkday {
		return false
	}
	return d.dom>>29 != 0 || d.nearest>>29 != 0 || d.fromEnd>>28 != 0
}

// monthDays lists what the day of month names. alone says to write each day on its own, for a list in
// which other things follow.
func (d *days) monthDays(alone bool) []string {
	var out []string
	if plain := uint64(d.dom); plain != 0 {
		if alone && bits.OnesCount64(plain) <= 2 {
			for ; plain != 0; plain &= plain - 1 {
				out = append(out, "day "+strconv.Itoa(bits.TrailingZeros64(plain)))
			}
		} else {
			out = append(out, labeled("day", plain))
		}
	}
	for s := d.nearest; s != 0; s &= s - 1 {
		out = append(out, fmt.Sprintf("the weekday (Monday to Friday) nearest to day %d", bits.TrailingZeros32(s)))
	}
	for s := d.fromEnd &^ 1; s != 0; s &= s - 1 {
		out = append(out, "the "+ordinal(bits.TrailingZeros32(s))+" day before the last day")
	}
	if d.fromEnd&1 != 0 {
		out = append(out, "the last day")
	}
	if d.lastWorkday {
		out = append(out, "the last weekday (Monday to Friday)")
	}
	return out
}

// weekDays lists what the day of week names; each stands before a plain weekday.
func (d *days) weekDays(each string) []string {
	var out []string
	for _, day := range pieces(mondayFirst(d.dow), dayName) {
		if strings.Contains(day, " to ") {
			day = "day from " + day
		}
		out = append(out, each+day)
	}
	for nth := 1; nth < len(d.dowNth); nth++ {
		for s := mondayFirst(d.dowNth[nth]); s != 0; s &= s - 1 {
			out = append(out, "the "+nthNames[nth]+" "+dayName(bits.TrailingZeros64(s)))
		}
	}
	for s := mondayFirst(d.dowLast); s != 0; s &= s - 1 {
		out = append(out, "the last "+dayName(bits.TrailingZeros64(s)))
	}
	return out
}

func (d *days) onlyPlainWeekdays() bool { return d.dowLast == 0 && d.dowNth == [6]uint8{} }

var (
	monthNames = [13]string{
		"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
		"November", "December",
	}
	nthNames = [6]string{"", "first", "second", "third", "fourth", "fifth"}
)

// mondayFirst moves Sunday from bit 0 to bit 7, where people expect it.
func mondayFirst(dow uint8) uint64 { return uint64(dow)&^1 | uint64(dow)&1<<7 }

func dayName(n int) string {
	return [8]string{"", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}[n]
}

// steps returns whether a set of seconds or minutes is 0, n, 2n ... so that it recurs every n, over the end
// of the minute or hour too. All of them are a step of 1; 0 alone is none.
func steps(set uint64) (step int, ok bool) {
	if set&1 == 0 || set == 1 {
		return 0, false
	}
	step = bits.TrailingZeros64(set &^ 1)
	return step, 60%step == 0 && set == stride(0, 59, step)
}

// progression returns whether a set of at least two values has the same distance between all of them.
func progression(set uint64) (step int, ok bool) {
	if bits.OnesCount64(set) < 2 {
		return 0, false
	}
	from, to := bits.TrailingZeros64(set), 63-bits.LeadingZeros64(set)
	step = bits.TrailingZeros64(set&(set-1)) - from
	return step, set == stride(from, to, step)
}

// labeled names values: minute 5, minutes 3, 17 and 44, every 7th minute from 0 to 56.
func labeled(unit string, set uint64) string {
	if step, ok := progression(set); ok && step > 1 && bits.OnesCount64(set) > 4 {
		return fmt.Sprintf("every %s %s from %d to %d", ordinal(step), unit, bits.TrailingZeros64(set), 63-bits.LeadingZeros64(set))
	}
	if bits.OnesCount64(set) > 1 {
		unit += "s"
	}
	return unit + " " + and(pieces(set, strconv.Itoa))
}

// pieces names the values of a set, and stretches of three and more as one: 1, 5 to 7.
func pieces(set uint64, name func(int) string) []string {
	var out []string
	for set != 0 {
		from := bits.TrailingZeros64(set)
		n := bits.TrailingZeros64(^(set >> from))
		if n < 3 {
			out = append(out, name(from))
			n = 1
		} else {
			out = append(out, name(from)+" to "+name(from+n-1))
		}
		set = set >> (from + n) << (from + n)
	}
	return out
}

func and(items []string) string { return list(items, "and") }

// list joins items as people do: a, b and c.
func list(items []string, last string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	n := len(items) - 1
	return strings.Join(items[:n], ", ") + " " + last + " " + items[n]
}

// counted is "minute" or "5 minutes", as it follows every.
func counted(n int, unit string) string {
	if n == 1 {
		return unit
	}
	return plural(strconv.Itoa(n), unit)
}

func ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}
