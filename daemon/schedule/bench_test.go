package schedule_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

var benchmarks = []struct{ name, trigger string }{
	{"EveryFiveMinutesUTC", `cron "*/5 * * * *" UTC`},
	{"EveryFiveMinutesBerlin", `cron "*/5 * * * *" Europe/Berlin`},
	{"WorkdaysBerlin", `cron "30 4 * * MON-FRI" Europe/Berlin`},
	{"LeapDayUTC", `cron "0 0 29 2 *" UTC`},
	{"LeapDayBerlin", `cron "0 0 29 2 *" Europe/Berlin`},
	{"FifthMondayOfFebruaryBerlin", `cron "0 0 * 2 MON#5" Europe/Berlin`},
	{"LastWorkdayNewYork", `cron "0 18 LW * *" America/New_York`},
	{"At", `at 09:30 mon,fri Europe/Berlin`},
	{"Every", `every 10m`},
	{"AnyOfThree", `any(every 1h; at 12:00 UTC; cron "0 3 * * SUN" Europe/Berlin)`},
}

// sink keeps results alive.
var sink time.Time

func BenchmarkNext(b *testing.B) {
	anchor := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			c := mustCompile(b, bm.trigger)
			p := schedule.Progress{Anchor: anchor}
			at := anchor
			b.ReportAllocs()
			for b.Loop() {
				next, status := c.Next(at, p)
				if at = next; status != schedule.Fires || at.Year() > 2090 {
					at = anchor
				}
			}
			sink = at
		})
	}
}

// BenchmarkNextAcrossAChange starts just before a change of offset, where the walk meets two segments.
func BenchmarkNextAcrossAChange(b *testing.B) {
	c := mustCompile(b, `cron "30 2 * * *" Europe/Berlin`)
	after := time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		sink, _ = c.Next(after, schedule.Progress{})
	}
}

// BenchmarkNextExcluded is Next where exclusions are met, and the worst there is.
func BenchmarkNextExcluded(b *testing.B) {
	var holidays []schedule.Exclusion
	for i := range 200 {
		day := time.Date(2026, 1, 1+9*i, 0, 0, 0, 0, time.UTC)
		holidays = append(holidays, schedule.Dates{
			First: schedule.Date{Year: day.Year(), Month: int(day.Month()), Day: day.Day()}, TimeZone: "Europe/Berlin",
		})
	}
	x, err := schedule.NewExtensions(map[string][]schedule.Exclusion{"holidays": holidays}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct{ name, trigger string }{
		{"WorkdaysButHolidays", `cron "30 4 * * MON-FRI" Europe/Berlin exclude(calendar holidays)`},
		{"EverySecondButNights", `every 1s exclude(window 22:00-06:00 Europe/Berlin)`},
		{"AnyOfThreeButNights", `any(every 1h; at 12:00 UTC; cron "0 3 * * SUN" Europe/Berlin) exclude(window 22:00-06:00 Europe/Berlin)`},
		{"HalfADayOfTwoHalves", `every 1s exclude(window 00:00-12:00 UTC; window 12:00-24:00 UTC)`},
		{"UntilItGivesUp", `cron "*/2 * * * *" Europe/Berlin exclude(cron "*/2 * * * *" UTC)`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			t, err := schedule.Parse(bm.trigger)
			if err != nil {
				b.Fatal(err)
			}
			anchor := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			at := anchor
			c, err := x.Compile(t)
			b.ReportAllocs()
			for b.Loop() {
				if err != nil || c.Err() != nil {
					c, err = x.Compile(t) // a fault stays
				}
				next, status := c.Next(at, schedule.Progress{Anchor: anchor})
				if at = next; status != schedule.Fires || at.Year() > 2030 {
					at = anchor
				}
			}
			sink = at
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			t, err := schedule.Parse(bm.trigger)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schedule.Compile(t); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schedule.Parse(`any(every 1h; at 12:00 mon,fri UTC; cron "0 3 * * SUN" Europe/Berlin max=3)`); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBetween counts a day of fires, one search each.
func BenchmarkBetween(b *testing.B) {
	c := mustCompile(b, `cron "*/5 * * * *" Europe/Berlin`)
	after := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if s := c.Between(after, after.Add(24*time.Hour), schedule.Progress{}, 1000); s.Count != 288 {
			b.Fatal(s)
		}
	}
}
