package schedule_test

import (
	"math/rand"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// stateless returns whether the fires do not depend on runs, events and counts.
func stateless(t schedule.Trigger) bool {
	switch k := t.Kind.(type) {
	case schedule.Every:
		return k.Pacing == schedule.FixedRate && t.MaxFires == 0
	case schedule.At, schedule.Cron, schedule.Once:
		return t.MaxFires == 0
	case schedule.AnyOf:
		for _, inner := range k.Triggers {
			if !stateless(inner) {
				return false
			}
		}
		return t.MaxFires == 0
	}
	return false
}

func TestNextIsAfterMonotoneAndTheSameFromEveryStart(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	tested := 0
	for range 3000 * *rounds {
		trigger := randomTrigger(r, 0)
		c, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatalf("%s: %v", trigger, err)
		}
		p := schedule.Progress{Anchor: time.UnixMicro(r.Int63n(4e15))}
		after := time.Unix(0, 1000*r.Int63n(4e15)+r.Int63n(1000))
		next, status := c.Next(after, p)
		if status != schedule.Fires {
			continue
		}
		if !next.After(after) || next.Location() != time.UTC || next.Nanosecond()%1000 != 0 {
			t.Fatalf("%s after %v: %v", trigger, after, next)
		}
		if !stateless(trigger) {
			continue
		}
		tested++
		// From any instant between the two it is the same one; just before it too; at it, it is a later one.
		between := after.Add(time.Duration(r.Int63n(int64(next.Sub(after)))))
		for _, start := range []time.Time{between, next.Add(-time.Microsecond), next.Add(-1)} {
			if start.Before(after) {
				continue
			}
			if again, _ := c.Next(start, p); !again.Equal(next) {
				t.Fatalf("%s: after %v comes %v, but after %v comes %v", trigger, after, next, start, again)
			}
		}
		if later, status := c.Next(next, p); status == schedule.Fires && !later.After(next) {
			t.Fatalf("%s: after %v comes %v", trigger, next, later)
		}
	}
	if tested < 500 {
		t.Errorf("only %d triggers tested", tested)
	}
}

func TestBetweenAgreesWithNext(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for range 1500 * *rounds {
		trigger := randomTrigger(r, 0)
		c, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatal(err)
		}
		p := schedule.Progress{Anchor: time.UnixMicro(r.Int63n(4e15))}
		after := p.Anchor.Add(time.Duration(r.Int63n(1e15)))
		var want schedule.Span
		limit := int64(1 + r.Intn(60))
		last, q := after, p
		for want.Count < limit {
			next, status := c.Next(last, q)
			if status != schedule.Fires {
				break
			}
			if want.Count++; want.Count == 1 {
				want.First = next
			}
			want.Last, last, q = next, next, c.Count(next, 0, q)
		}
		if want.Count == 0 {
			continue
		}
		if got := c.Between(after, want.Last, p, limit); got != want {
			t.Fatalf("%s after %v until %v: %v, want %v", trigger, after, want.Last, got, want)
		}
		until := want.Last.Add(-time.Microsecond)
		if got := c.Between(after, until, p, limit); got.Count != want.Count-1 {
			t.Fatalf("%s after %v until %v: %v, want %d", trigger, after, until, got, want.Count-1)
		}
	}
}

func TestAnyOfOneIsThatOne(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for range 1500 * *rounds {
		trigger := randomTrigger(r, 1)
		alone, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := schedule.Compile(anyOf(trigger))
		if err != nil {
			t.Fatal(err)
		}
		anchor := time.UnixMicro(r.Int63n(4e15))
		a, b := schedule.Progress{Anchor: anchor}, schedule.Progress{Anchor: anchor}
		fire, status := alone.First(a)
		fireB, statusB := wrapped.First(b)
		for i := 0; ; i++ {
			if status != statusB || !fire.Equal(fireB) {
				t.Fatalf("%s anchored at %v, fire %d: %v, inside any( ) %v", trigger, anchor, i, answerOf(fire, status), answerOf(fireB, statusB))
			}
			if status != schedule.Fires || i == 20 {
				break
			}
			a, b = alone.Count(fire, 0, a), wrapped.Count(fire, 0, b)
			a.LastEnd = fire.Add(time.Duration(r.Intn(3)) * time.Second)
			b.LastEnd = a.LastEnd
			fire, status = alone.Next(fire, a)
			fireB, statusB = wrapped.Next(fireB, b)
		}
	}
}

// TestNothingIsSlowInAnyYear asks for far years, in which a search that leans on the zone database
// walks forever (golang/go#81583). It asserts the answers; a hang would show as a time-out.
func TestNothingIsSlowInAnyYear(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll", "America/Nuuk"} {
		for _, expression := range []string{"*/5 * * * *", "30 2 * * *", "0 0 29 2 *", "0 0 31W 12 *", "59 59 23 31 12 *", "0 0 * 2 MON#5"} {
			c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: zone}})
			if err != nil {
				t.Fatal(err)
			}
			for _, year := range []int{1, 400, 1883, 1999, 2037, 2040, 2100, 2500, 2501, 2899, 2901, 5000, 9940} {
				for _, day := range []int{1, 365} {
					after := time.Date(year, 1, day, 12, 0, 0, 0, time.UTC)
					if next, status := c.Next(after, schedule.Progress{}); status != schedule.Fires || next.Year() > year+40 {
						t.Errorf("%s in %s after %v: %v (%d)", expression, zone, after, next, status)
					}
				}
			}
		}
	}
}

// TestTheFarFutureRepeatsTheCalendar compares an instant with the one 400 years later.
func TestTheFarFutureRepeatsTheCalendar(t *testing.T) {
	const cycle = 146097 * 24 * 3600
	r := rand.New(rand.NewSource(5))
	for range 300 * *rounds {
		expression := randomExpression(r)
		c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: "America/New_York"}})
		if err != nil {
			continue
		}
		after := 4133980800 + r.Int63n(cycle)
		a, _ := c.Next(time.Unix(after, 0), schedule.Progress{})
		for n := int64(1); n < 18; n += 1 + r.Int63n(8) {
			b, status := c.Next(time.Unix(after+n*cycle, 0), schedule.Progress{})
			if status == schedule.Fires && b.Unix()-a.Unix() != n*cycle {
				t.Fatalf("%s: after %v comes %v, %d years later %v", expression, time.Unix(after, 0).UTC(), a, n*400, b)
			}
		}
	}
}
