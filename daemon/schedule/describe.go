package schedule

import (
	"strconv"
	"strings"
	"time"
)

// Describe returns what the trigger does in plain English, on one line, such as
// "at 09:30 on Monday and Friday in Europe/Berlin, at most 10 times". It is for people: its wording may
// change from version to version. What [Check] refuses is described by its text form.
func (t Trigger) Describe() string {
	if err := Check(t); err != nil {
		return t.String()
	}
	var b strings.Builder
	describe(&b, canonical(t, 0), time.Time{})
	return b.String()
}

// describe writes the description of a trigger that passes [Check]. anchor is the StartTime of the nearest
// trigger around it that has one.
func describe(b *strings.Builder, t Trigger, anchor time.Time) {
	anchored := !t.StartTime.IsZero()
	if anchored {
		anchor = t.StartTime
	}
	limited := t.MaxFires > 0
	switch k := t.Kind.(type) {
	case Every:
		describeEvery(b, k, anchor)
		// Where it counts from is said already, and no fire comes before it.
		anchored = false
	case At:
		p := fixedTime(k.Hour, k.Minute, k.Second, weekdaySet(k.DaysOfWeek))
		b.WriteString(describePattern(&p) + " in " + k.TimeZone)
	case Cron:
		p, _ := parseExpression(k.Expression)
		b.WriteString(describePattern(&p) + " in " + k.TimeZone)
	case Once:
		limited = false // whatever the limit, it is one
		if k.Time.IsZero() {
			b.WriteString("once, as soon as it is in force")
		} else {
			b.WriteString("once, at " + rfc3339(k.Time))
		}
	case Forever:
		b.WriteString("as soon as it is in force, and again whenever its last run has ended")
	case AnyOf:
		b.WriteString("any of (")
		for i, inner := range k.Triggers {
			if i > 0 {
				b.WriteString("; ")
			}
			describe(b, inner, anchor)
		}
		b.WriteString(")")
	case OnStartUp:
		b.WriteString("whenever a node starts")
	case OnShutDown:
		b.WriteString("whenever a node stops")
	case Custom:
		b.WriteString("when custom kind " + k.TypeURL)
		if n := len(k.Value); n > 0 {
			b.WriteString(" with a value of " + plural(strconv.Itoa(n), "byte"))
		}
		b.WriteString(" says so")
	}
	if t.Jitter > 0 {
		b.WriteString(", started up to " + durationWords(t.Jitter) + " later")
	}
	switch {
	case limited && t.MaxFires == 1:
		b.WriteString(", at most once")
	case limited:
		b.WriteString(", at most " + strconv.FormatInt(t.MaxFires, 10) + " times")
	}
	if anchored {
		b.WriteString(", from " + rfc3339(t.StartTime))
	}
	if !t.EndTime.IsZero() {
		b.WriteString(", until " + rfc3339(t.EndTime))
	}
	for _, e := range t.Exclusions {
		b.WriteString(", except " + describeExclusion(e))
	}
}

// describeEvery distinguishes six ways to count: from the moment it is in force or from an instant, and
// whether that is a fire itself.
func describeEvery(b *strings.Builder, k Every, anchor time.Time) {
	span := durationWords(k.Interval)
	if k.Pacing == FixedDelay {
		b.WriteString(span + " after the end of each run, first ")
		switch {
		case anchor.IsZero() && k.FirstFire == Immediate:
			b.WriteString("at once")
		case anchor.IsZero():
			b.WriteString("after " + span)
		case k.FirstFire == Immediate:
			b.WriteString("at " + rfc3339(anchor) + " or, if that has passed, at once")
		default:
			b.WriteString(span + " after " + rfc3339(anchor) + " or, if that has passed, at once")
		}
		return
	}
	if one, unit, _ := strings.Cut(span, " "); one == "1" && !strings.Contains(unit, " ") {
		b.WriteString("every " + unit) // not "every 1 hour"
	} else {
		b.WriteString("every " + span)
	}
	switch {
	case anchor.IsZero() && k.FirstFire == Immediate:
		b.WriteString(", first at once")
	case anchor.IsZero():
		b.WriteString(", first after " + span)
	case k.FirstFire == Immediate:
		b.WriteString(" counted from " + rfc3339(anchor) + ", that instant included")
	default:
		b.WriteString(" counted from " + rfc3339(anchor) + ", that instant left out")
	}
}

// durationWords writes a duration as 1 hour 30 minutes, 1.5 seconds or 250 milliseconds. Days are left as
// hours: an Every does not know how long a day is.
func durationWords(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return plural(decimal(int64(d), 1e3), "microsecond")
	case d < time.Second:
		return plural(decimal(int64(d), 1e6), "millisecond")
	}
	var words []string
	if h := d / time.Hour; h > 0 {
		words = append(words, plural(strconv.FormatInt(int64(h), 10), "hour"))
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		words = append(words, plural(strconv.FormatInt(int64(m), 10), "minute"))
	}
	if s := d % time.Minute; s > 0 {
		words = append(words, plural(decimal(int64(s), 1e9), "second"))
	}
	return strings.Join(words, " ")
}

// decimal writes n/unit, exactly.
func decimal(n, unit int64) string {
	whole := strconv.FormatInt(n/unit, 10)
	if n%unit == 0 {
		return whole
	}
	return whole + "." + strings.TrimRight(strconv.FormatInt(unit+n%unit, 10)[1:], "0")
}

func plural(number, unit string) string {
	if number != "1" {
		unit += "s"
	}
	return number + " " + unit
}

func weekdaySet(days []time.Weekday) uint8 {
	var set uint8
	for _, d := range days {
		set |= 1 << d
	}
	return set
}
