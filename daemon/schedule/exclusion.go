package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// An Exclusion is a set of instants at which a trigger does not fire: one of [Dates], [Window], [Cron]
// and [Calendar]. It follows the wall clock of its zone at every instant; where the clocks go back, both
// passes of what it names are excluded. As an exclusion, a Cron stands for the whole minutes that match: its
// expression has five fields, and Vixie's rule for the change of clocks, which is for fires, plays no part.
type Exclusion interface {
	isExclusion()
	// String returns the text form, in canonical form, which [ParseExclusion] reads.
	String() string
}

// Dates are whole days of the wall calendar.
type Dates struct {
	// First and Last are the first and the last day, both included. A zero Last is the same as First.
	First, Last Date
	// TimeZone is an IANA name such as "Europe/Berlin" or "UTC". It must not be empty or "Local".
	TimeZone string
}

// Window is a part of the day.
type Window struct {
	// From is the first wall time, Until the first one after it that is not excluded. Until may be 24:00.
	// One that is not after From is of the next day: 22:00 to 06:00 goes over midnight. They must differ.
	From, Until TimeOfDay
	// DaysOfWeek are the days on which the window begins. Empty means every day.
	DaysOfWeek []time.Weekday
	// TimeZone is an IANA name such as "Europe/Berlin" or "UTC". It must not be empty or "Local".
	TimeZone string
}

// Calendar is a list of exclusions with a name, which the program declares once: see [Extensions].
type Calendar struct {
	// Name is 1 to 64 letters, digits, '-', '_' and '.', the first of them a letter or digit.
	Name string
}

// isExclusion: of a Cron these are the minutes that match, so its expression has five fields. That the
// clocks change makes no difference to them: Vixie's rule is for fires.
func (Cron) isExclusion()     {}
func (Dates) isExclusion()    {}
func (Window) isExclusion()   {}
func (Calendar) isExclusion() {}

// String returns the text form: dates 2026-12-24..2026-12-26 Europe/Berlin.
func (k Dates) String() string { return exclusionText(k) }

// String returns the text form: window 22:00-06:00 mon,fri Europe/Berlin.
func (k Window) String() string { return exclusionText(k) }

// String returns the text form, which is that of the trigger too: cron "0 3 * * *" Europe/Berlin.
func (k Cron) String() string { return exclusionText(k) }

// String returns the text form: calendar holidays.
func (k Calendar) String() string { return exclusionText(k) }

// Date is a day of the calendar. The zero Date is none.
type Date struct{ Year, Month, Day int }

// TimeOfDay is a wall time, 00:00:00 to 24:00:00.
type TimeOfDay struct{ Hour, Minute, Second int }

// String writes the date as 2026-12-24.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// ParseDate reads a date written as 2026-12-24 (RFC 3339, full-date). Whether the calendar has it is found
// out by [Compile].
func ParseDate(text string) (Date, error) {
	year, ok1 := fixedNumber(text, 0, 4)
	month, ok2 := fixedNumber(text, 5, 7)
	day, ok3 := fixedNumber(text, 8, 10)
	d := Date{Year: year, Month: month, Day: day}
	// The zero Date means none, so it can not be written.
	if len(text) != 10 || text[4] != '-' || text[7] != '-' || !ok1 || !ok2 || !ok3 || d == (Date{}) {
		return Date{}, fmt.Errorf("%q is no date such as 2026-12-24", text)
	}
	return d, nil
}

// String writes the time as 09:30 or, with seconds, as 09:30:15.
func (t TimeOfDay) String() string {
	text := fmt.Sprintf("%02d:%02d", t.Hour, t.Minute)
	if t.Second != 0 {
		text += fmt.Sprintf(":%02d", t.Second)
	}
	return text
}

// ParseTimeOfDay reads a time written as 9:30, 09:30 or 09:30:15, at most 24:00.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	t, ok := clockTime(text)
	if !ok || t.Minute > 59 || t.Second > 59 || t.Hour > 24 || t.Hour == 24 && t != (TimeOfDay{Hour: 24}) {
		return TimeOfDay{}, errors.New(notTimeOfDay(text))
	}
	return t, nil
}

// clockTime reads H:MM, HH:MM and HH:MM:SS, whether a day has that time or not.
func clockTime(text string) (t TimeOfDay, ok bool) {
	hour, rest, ok1 := strings.Cut(text, ":")
	minute, second, withSecond := strings.Cut(rest, ":")
	var ok2, ok3 bool
	if t.Hour, ok = number(hour); !ok || !ok1 || len(hour) > 2 {
		return TimeOfDay{}, false
	}
	if t.Minute, ok2 = number(minute); !ok2 || len(minute) != 2 {
		return TimeOfDay{}, false
	}
	if !withSecond {
		return t, true
	}
	if t.Second, ok3 = number(second); !ok3 || len(second) != 2 {
		return TimeOfDay{}, false
	}
	return t, true
}

func notTimeOfDay(text string) string {
	return fmt.Sprintf("%q is no time of day: write HH:MM or HH:MM:SS, such as 09:30", text)
}

// fixedNumber reads the digits text[from:to].
func fixedNumber(text string, from, to int) (int, bool) {
	if len(text) < to {
		return 0, false
	}
	return number(text[from:to])
}
