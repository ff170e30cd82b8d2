package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// walked is the number of fires asked for from each start. Twelve leap days from the last start end in
// 2080: within what every library can see.
const walked = 12

func BenchmarkNext(b *testing.B) {
	for _, e := range expressions {
		for _, zone := range []string{"UTC", "Europe/Berlin"} {
			for _, lib := range append([]library{ours}, others...) {
				b.Run(fmt.Sprintf("%s/%s/%s", e.name, zone, lib.name), func(b *testing.B) {
					walk(b, lib.parse(b, e.text, zone), starts(location(b, zone)))
				})
			}
		}
	}
}

func walk(b *testing.B, next nextFunc, from []time.Time) {
	var at time.Time
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i%walked == 0 {
			at = from[i/walked%len(from)]
		}
		i++
		fire := next(at)
		if !fire.After(at) { // to give up, or to stand still, would look fast
			b.Fatalf("after %v comes %v", at, fire)
		}
		at = fire
	}
}

// BenchmarkWorst asks for what took longest of all that was tried: a fifth Monday in February, the
// rarest date an expression can name, in every zone and from years all over the range; then, in the
// slowest of those zones, the other weekdays, other rare dates and other times of the day. It is the
// wait of 40 years over 2100, in a zone that changes its offset twice a year. AnyOf asks each trigger
// inside, so its worst is that many times the worst of one.
func BenchmarkWorst(b *testing.B) {
	after := time.Date(2080, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, worst := range []struct {
		name    string
		trigger schedule.Trigger
	}{
		{"RarestDate", rare(0)},
		{"AnyOf64", anyOf(64, rare)},
		// 1021 triggers: 1024 are the most that Compile takes.
		{"AnyOf60x16", anyOf(60, func(i int) schedule.Trigger {
			return anyOf(16, func(j int) schedule.Trigger { return rare(16*i + j) })
		})},
	} {
		b.Run(worst.name, func(b *testing.B) {
			next := compile(b, worst.trigger)
			b.ReportAllocs()
			for b.Loop() {
				if fire := next(after); fire.Year() != 2120 {
					b.Fatal(fire)
				}
			}
		})
	}
}

// rare fires at the i-th minute of the day on the fifth Thursday of February.
func rare(i int) schedule.Trigger {
	return schedule.Trigger{Kind: schedule.Cron{
		Expression: fmt.Sprintf("%d %d * 2 THU#5", i%60, i/60),
		TimeZone:   "America/New_York",
	}}
}

func anyOf(n int, nth func(int) schedule.Trigger) schedule.Trigger {
	var all schedule.AnyOf
	for i := range n {
		all.Triggers = append(all.Triggers, nth(i))
	}
	return schedule.Trigger{Kind: all}
}
