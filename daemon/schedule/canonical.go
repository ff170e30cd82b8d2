package schedule

import (
	"reflect"
	"strings"
	"time"
)

// Equal returns whether two triggers are the same in canonical form, the one that [Compile] keeps:
// times in UTC and in whole microseconds, days of the week once each from Monday on (all seven are
// the same as none), cron fields separated by one space. The order inside an [AnyOf] counts, because
// [Progress] follows it. Expressions are compared as text: "0 0 * * 7" is not "0 0 * * SUN".
func Equal(a, b Trigger) bool {
	// Canonical triggers hold no time.Location and no monotonic reading, so comparing them deeply is exact.
	return reflect.DeepEqual(canonical(a, 0), canonical(b, 0))
}

// canonical returns the canonical form of a trigger that need not be valid. It shares no slice with it.
func canonical(t Trigger, depth int) Trigger {
	t.StartTime, t.EndTime = canonicalTime(t.StartTime), canonicalTime(t.EndTime)
	t.Exclusions = canonicalExclusions(t.Exclusions)
	switch k := t.Kind.(type) {
	case At:
		k.DaysOfWeek = canonicalDays(k.DaysOfWeek)
		t.Kind = k
	case Cron:
		k.Expression = strings.Join(words(k.Expression), " ")
		t.Kind = k
	case Once:
		k.Time = canonicalTime(k.Time)
		t.Kind = k
	case AnyOf:
		if depth > maxDepth {
			return t // refused by Compile; only a nesting without end could come here
		}
		inner := make([]Trigger, len(k.Triggers))
		for i := range k.Triggers {
			inner[i] = canonical(k.Triggers[i], depth+1)
		}
		t.Kind = AnyOf{Triggers: inner}
	}
	return t
}

func canonicalTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC().Truncate(time.Microsecond)
}

// canonicalDays sorts weekdays from Monday on and drops doubles. A value that is no weekday keeps the
// whole slice as it is, so that its index is right in the violation.
func canonicalDays(in []time.Weekday) []time.Weekday {
	var set uint8
	for _, d := range in {
		if d < time.Sunday || d > time.Saturday {
			return append([]time.Weekday(nil), in...)
		}
		set |= 1 << d
	}
	if set == 0x7F {
		return nil
	}
	var out []time.Weekday
	for i := range 7 {
		if d := time.Weekday((i + 1) % 7); set>>d&1 != 0 {
			out = append(out, d)
		}
	}
	return out
}

// canonicalExclusions copies exclusions in canonical form. Their order counts.
func canonicalExclusions(in []Exclusion) []Exclusion {
	if len(in) == 0 {
		return nil
	}
	out := make([]Exclusion, len(in))
	for i, e := range in {
		out[i] = canonicalExclusion(e)
	}
	return out
}

// canonicalExclusion leaves out a last date that is the first, makes a window until 00:00 one until 24:00, and
// does as in a trigger for the rest.
func canonicalExclusion(e Exclusion) Exclusion {
	switch k := e.(type) {
	case Dates:
		if k.Last == k.First {
			k.Last = Date{}
			return k
		}
	case Window:
		if k.Until == (TimeOfDay{}) && k.From != k.Until {
			k.Until = TimeOfDay{Hour: 24}
		}
		k.DaysOfWeek = canonicalDays(k.DaysOfWeek)
		return k
	case Cron:
		k.Expression = strings.Join(words(k.Expression), " ")
		return k
	}
	return e
}
