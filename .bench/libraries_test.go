package bench

import (
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"github.com/hashicorp/cronexpr"
	"github.com/robfig/cron/v3"

	"github.com/clockd/clockd/daemon/schedule"
)

// A nextFunc returns the first fire after an instant, in any location, and zero if it finds none.
type nextFunc func(after time.Time) time.Time

// A library is one answer to when an expression fires.
type library struct {
	name string
	// parse prepares a cron expression for a zone. All but ours take the zone from the instant asked
	// for, and ignore the argument.
	parse func(tb testing.TB, expression, zone string) nextFunc
}

var ours = library{"clockd", func(tb testing.TB, expression, zone string) nextFunc {
	return compile(tb, schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: zone}})
}}

var others = []library{
	{"robfig", func(tb testing.TB, expression, _ string) nextFunc {
		s, err := cron.ParseStandard(expression)
		if err != nil {
			tb.Fatal(err)
		}
		return s.Next
	}},
	{"cronexpr", func(tb testing.TB, expression, _ string) nextFunc {
		e, err := cronexpr.Parse(expression)
		if err != nil {
			tb.Fatal(err)
		}
		return e.Next
	}},
	{"gronx", func(_ testing.TB, expression, _ string) nextFunc {
		return func(after time.Time) time.Time {
			next, err := gronx.NextTickAfter(expression, after, false)
			if err != nil {
				return time.Time{} // it gives up with an instant that is no fire
			}
			return next
		}
	}},
}

// compile prepares a trigger whose fires depend on nothing but the instant.
func compile(tb testing.TB, t schedule.Trigger) nextFunc {
	c, err := schedule.Compile(t)
	if err != nil {
		tb.Fatal(err)
	}
	return func(after time.Time) time.Time {
		next, _ := c.Next(after, schedule.Progress{})
		return next
	}
}

var expressions = []struct{ name, text string }{
	{"EveryFiveMinutes", "*/5 * * * *"},
	{"Workdays", "30 4 * * MON-FRI"},
	{"LeapDay", "0 0 29 2 *"},
}

// starts returns 16 instants over nine years, at odd times of the day.
func starts(loc *time.Location) []time.Time {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var all []time.Time
	for i := range 16 {
		all = append(all, first.Add(time.Duration(i)*(211*24*time.Hour+7*time.Hour+13*time.Minute+29*time.Second)).In(loc))
	}
	return all
}

func location(tb testing.TB, zone string) *time.Location {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}
