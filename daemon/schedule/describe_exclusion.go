package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// describeExclusion returns what an exclusion in canonical form takes out, so that it can follow "except".
func describeExclusion(e Exclusion) string {
	switch k := e.(type) {
	case Dates:
		return describeDates(k) + " in " + k.TimeZone
	case Window:
		return describeWindow(k) + " in " + k.TimeZone
	case Cron:
		p, _ := parseExpression(k.Expression)
		return p.describeMinutes() + " in " + k.TimeZone
	case Calendar:
		return `as calendar "` + k.Name + `" says`
	}
	return "" // Check knows no other
}

// describeDates writes a month and a year that both ends share once.
func describeDates(k Dates) string {
	last := k.Last
	if last == (Date{}) {
		return "on " + longDate(k.First)
	}
	first := strconv.Itoa(k.First.Day)
	switch {
	case k.First.Year != last.Year:
		first = longDate(k.First)
	case k.First.Month != last.Month:
		first += " " + monthNames[k.First.Month]
	}
	return "from " + first + " to " + longDate(last)
}

func longDate(d Date) string {
	return fmt.Sprintf("%d %s %d", d.Day, monthNames[d.Month], d.Year)
}

func describeWindow(k Window) string {
	p := fixedTime(0, 0, 0, weekdaySet(k.DaysOfWeek))
	from := k.From.Hour*3600 + k.From.Minute*60 + k.From.Second
	until := k.Until.Hour*3600 + k.Until.Minute*60 + k.Until.Second
	return describeStretch(p.describeDays(), from, until)
}

// describeStretch names a part of some days. People differ about whether "to 06:00" includes that time, so it
// is said.
func describeStretch(days string, from, until int) string {
	seconds := from%60 != 0 || until%60 != 0
	switch {
	case from == 0 && until == secondsPerDay:
		return "all day " + days
	case until == secondsPerDay:
		return days + " from " + timeOfDay(from, seconds) + " to the end of the day"
	}
	text := days + " from " + timeOfDay(from, seconds) + " to just before " + timeOfDay(until, seconds)
	if until <= from {
		text += " the next day"
	}
	return text
}

// describeMinutes describes a pattern as the set of minutes that it matches, by the sets as [describePattern]
// does.
func (p *pattern) describeMinutes() string {
	const listed = 8 // times that a reader still takes in
	days := p.describeDays()
	hours, minutes := bits.OnesCount32(p.hour), bits.OnesCount64(p.minute)
	first, last := bits.TrailingZeros32(p.hour), 31-bits.LeadingZeros32(p.hour)
	switch {
	case minutes == 60 && hours == last-first+1:
		return describeStretch(days, first*3600, (last+1)*3600)
	case minutes == 60:
		return "in " + labeled("hour", uint64(p.hour)) + " " + days
	case minutes*hours == 1:
		return "in the minute " + strings.Join(p.times(), "") + " " + days
	case minutes*hours <= listed:
		return "in the minutes " + and(p.times()) + " " + days
	}
	when := "in " + labeled("minute", p.minute) + p.ofHours()
	if days == "every day" && hours == 24 {
		return when // "of every hour" says it
	}
	return when + " " + days
}
