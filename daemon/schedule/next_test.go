package schedule_test

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// An answer is what First or Next say.
type answer struct {
	at     string // RFC 3339, or "" if the status is not Fires
	status schedule.Status
}

func (a answer) String() string {
	return a.at + " " + [...]string{"fires", "waits", "over"}[a.status]
}

func answerOf(t time.Time, s schedule.Status) answer {
	if s != schedule.Fires {
		if !t.IsZero() {
			return answer{"not zero: " + t.String(), s}
		}
		return answer{"", s}
	}
	if t.Location() != time.UTC {
		return answer{"not in UTC: " + t.String(), s}
	}
	return answer{t.Format(time.RFC3339Nano), s}
}

var (
	waits = answer{"", schedule.Waits}
	over  = answer{"", schedule.Over}
)

func fires(at string) answer { return answer{at, schedule.Fires} }

func TestFirst(t *testing.T) {
	const anchor = "2026-05-01T12:00:00.0000015Z" // finer than a microsecond
	for _, tt := range []struct {
		name, trigger string
		want          answer
	}{
		{"EveryWaits", "every 10m", fires("2026-05-01T12:10:00.000001Z")},
		{"EveryImmediateIsTheAnchor", "every 10m immediate", fires("2026-05-01T12:00:00.000001Z")},
		{"EveryFromTheFuture", "every 10m from=2026-06-01T00:00:00Z", fires("2026-06-01T00:10:00Z")},
		{"EveryImmediateFromTheFuture", "every 10m immediate from=2026-06-01T00:00:00Z", fires("2026-06-01T00:00:00Z")},
		{"EveryFromThePastKeepsItsPhase", "every 10m from=2026-01-01T00:03:00Z", fires("2026-05-01T12:03:00Z")},
		{"FixedDelayWaits", "every 10m fixed-delay", fires("2026-05-01T12:10:00.000001Z")},
		{"FixedDelayImmediate", "every 10m immediate fixed-delay", fires("2026-05-01T12:00:00.000001Z")},
		{"FixedDelayImmediateFromThePastIsOverdue", "every 10m immediate fixed-delay from=2026-01-01T00:00:00Z", fires("2026-05-01T12:00:00.000001Z")},
		{"OnceIsTheAnchor", "once", fires("2026-05-01T12:00:00.000001Z")},
		{"OnceFromThePastIsTheAnchor", "once from=2020-01-01T00:00:00Z", fires("2026-05-01T12:00:00.000001Z")},
		{"OnceFromTheFuture", "once from=2026-06-01T00:00:00Z", fires("2026-06-01T00:00:00Z")},
		{"OnceInTheFuture", "once 2026-06-01T00:00:00Z", fires("2026-06-01T00:00:00Z")},
		{"OnceExactlyNow", "once 2026-05-01T12:00:00.000001Z", fires("2026-05-01T12:00:00.000001Z")},
		{"OnceInThePastIsOver", "once 2026-05-01T12:00:00Z", over},
		{"ForeverIsTheAnchor", "forever", fires("2026-05-01T12:00:00.000001Z")},
		{"ForeverFromTheFuture", "forever from=2026-06-01T00:00:00Z", fires("2026-06-01T00:00:00Z")},
		{"StartUpWaits", "startup", waits},
		{"ShutDownWaits", "shutdown", waits},
		{"EndTimePassed", "startup until=2026-01-01T00:00:00Z", over},
		{"EndTimeBeforeTheFirst", "every 10m until=2026-05-01T12:05:00Z", over},
		{"CronIsAfterTheAnchor", `cron "0 * * * *" UTC`, fires("2026-05-01T13:00:00Z")},
		{"AnyTakesTheEarliest", `any(every 1h; at 12:30 UTC; startup)`, fires("2026-05-01T12:30:00Z")},
		{"AnyWaitsIfNothingFires", `any(startup; once 2020-01-01T00:00:00Z)`, waits},
		{"AnyIsOverIfAllAre", `any(startup until=2020-01-01T00:00:00Z; once 2020-01-01T00:00:00Z)`, over},
		{"AnyGivesItsStartTimeToTheInside", `any(every 1h immediate; at 12:30 UTC) from=2026-06-01T00:00:00Z`, fires("2026-06-01T00:00:00Z")},
		{"AnyBoundsTheInside", `any(every 1h) until=2026-05-01T12:30:00Z`, over},
		{"AnyBoundsTheInsideButWaitsForEvents", `any(every 1h; startup) until=2026-05-01T12:30:00Z`, waits},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustCompile(t, tt.trigger)
			if got := answerOf(c.First(schedule.Progress{Anchor: at(t, anchor)})); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.trigger, got, tt.want)
			}
		})
	}
}

func TestWallClockKindsDoNotFireAtTheAnchorItself(t *testing.T) {
	p := schedule.Progress{Anchor: at(t, "2026-05-01T12:00:00Z")}
	for trigger, want := range map[string]answer{
		`at 12:00 UTC`:                                 fires("2026-05-02T12:00:00Z"),
		`at 12:00 UTC from=2026-05-01T12:00:00Z`:       fires("2026-05-02T12:00:00Z"),
		`at 12:00 UTC from=2026-06-01T12:00:00Z`:       fires("2026-06-01T12:00:00Z"), // inclusive
		`cron "*/10 * * * *" UTC`:                      fires("2026-05-01T12:10:00Z"),
		`at 12:00 UTC until=2026-05-02T12:00:00Z`:      fires("2026-05-02T12:00:00Z"), // inclusive
		`at 12:00 UTC until=2026-05-02T11:59:59.9Z`:    over,
		`every 1h from=2026-05-01T11:00:00Z`:           fires("2026-05-01T13:00:00Z"),
		`every 1h immediate from=2026-05-01T11:00:00Z`: fires("2026-05-01T12:00:00Z"),
	} {
		if got := answerOf(mustCompile(t, trigger).First(p)); got != want {
			t.Errorf("%s: %v, want %v", trigger, got, want)
		}
	}
}

func TestFixedRateDoesNotDriftFromTheFirstToTheLastYear(t *testing.T) {
	anchor := at(t, "0001-01-01T00:00:00.000001Z")
	p := schedule.Progress{Anchor: anchor}
	for _, tt := range []struct{ interval, after, want string }{
		{"1ms", "9999-12-31T23:59:59.9985Z", "9999-12-31T23:59:59.999001Z"},
		{"1.000001s", "0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:01.000002Z"},
		{"2562047h", "0001-01-01T00:00:00.000001Z", "0293-04-11T23:00:00.000001Z"}, // 106,751 days and 23 hours
		{"2562047h", "9700-01-01T00:00:00Z", ""},
	} {
		got, status := mustCompile(t, "every "+tt.interval).Next(at(t, tt.after), p)
		if status != schedule.Fires {
			t.Errorf("every %s after %s: status %d", tt.interval, tt.after, status)
			continue
		}
		// The distance to the anchor is a whole number of intervals, by arithmetic without limits.
		d, err := time.ParseDuration(tt.interval)
		if err != nil {
			t.Fatal(err)
		}
		distance := new(big.Int).Sub(bigMicros(got), bigMicros(anchor))
		if rest := distance.Mod(distance, big.NewInt(d.Microseconds())); rest.Sign() != 0 {
			t.Errorf("every %s: %v is %v us off", tt.interval, got, rest)
		}
		if got := got.Format(time.RFC3339Nano); tt.want != "" && got != tt.want {
			t.Errorf("every %s after %s: %s, want %s", tt.interval, tt.after, got, tt.want)
		}
	}
	if got := answerOf(mustCompile(t, "every 2562047h").Next(at(t, "9999-12-31T00:00:00Z"), p)); got != over {
		t.Errorf("after the last year: %v", got)
	}
}

func TestWhatFollowsARun(t *testing.T) {
	type progress struct{ fire, end string }
	anchor := at(t, "2026-05-01T12:00:00Z")
	for _, tt := range []struct {
		name, trigger string
		progress      progress
		after         string
		want          answer
	}{
		{"DelayCountsFromTheEnd", "every 10m fixed-delay", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:13:00.5Z"}, "2026-05-01T12:10:00Z", fires("2026-05-01T12:23:00.5Z")},
		{"DelayWaitsWhileTheRunGoes", "every 10m fixed-delay", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:05:00Z"}, "2026-05-01T13:00:00Z", waits},
		{"DelayAfterAnInstantRun", "every 10m fixed-delay", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:10:00Z"}, "2026-05-01T12:10:00Z", fires("2026-05-01T12:20:00Z")},
		{"DelayOverdueFiresAtOnce", "every 10m fixed-delay", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:11:00Z"}, "2026-05-01T15:00:00Z", fires("2026-05-01T15:00:00.000001Z")},
		{"DelayOverdueAfterNanoseconds", "every 10m fixed-delay", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:11:00Z"}, "2026-05-01T15:00:00.0000009Z", fires("2026-05-01T15:00:00.000001Z")},
		{"DelayNotYetFiredAndOverdue", "every 10m fixed-delay", progress{}, "2026-05-01T15:00:00Z", fires("2026-05-01T15:00:00.000001Z")},
		{"DelayPastItsEndTime", "every 10m fixed-delay until=2026-05-01T12:20:00Z", progress{"2026-05-01T12:10:00Z", "2026-05-01T12:11:00Z"}, "2026-05-01T12:11:00Z", over},
		{"ForeverAgainAtTheEnd", "forever", progress{"2026-05-01T12:00:00Z", "2026-05-01T12:01:00Z"}, "2026-05-01T12:00:00Z", fires("2026-05-01T12:01:00Z")},
		{"ForeverWaitsWhileTheRunGoes", "forever", progress{"2026-05-01T12:00:00Z", ""}, "2026-05-01T12:00:00Z", waits},
		{"ForeverAfterAnInstantRunIsStrictlyAfter", "forever", progress{"2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z"}, "2026-05-01T12:00:00Z", fires("2026-05-01T12:00:00.000001Z")},
		{"ForeverWhoseEndTimePassedWhileTheRunGoes", "forever until=2026-05-01T12:30:00Z", progress{"2026-05-01T12:00:00Z", ""}, "2026-05-01T12:30:00Z", over},
		{"AnyFiresWhileItsForeverWaits", "any(forever; every 1h)", progress{"2026-05-01T12:00:00Z", ""}, "2026-05-01T12:00:00Z", fires("2026-05-01T13:00:00Z")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := schedule.Progress{Anchor: anchor}
			if tt.progress.fire != "" {
				p.LastFire = at(t, tt.progress.fire)
			}
			if tt.progress.end != "" {
				p.LastEnd = at(t, tt.progress.end)
			}
			c := mustCompile(t, tt.trigger)
			if got := answerOf(c.Next(at(t, tt.after), p)); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.trigger, got, tt.want)
			}
			if !c.FollowsRuns() {
				t.Error("does not say that it follows runs")
			}
		})
	}
}

func TestOnceFiresOnce(t *testing.T) {
	for _, trigger := range []string{"once", "once 2026-05-01T12:00:00Z", "any(once; once 2026-05-01T12:00:00Z)"} {
		c := mustCompile(t, trigger)
		p := schedule.Progress{Anchor: at(t, "2026-05-01T12:00:00Z")}
		fire, status := c.First(p)
		if status != schedule.Fires || !fire.Equal(p.Anchor) {
			t.Fatalf("%s: %v", trigger, answerOf(fire, status))
		}
		p = c.Count(fire, 0, p)
		if got := answerOf(c.Next(fire, p)); got != over {
			t.Errorf("%s: then %v", trigger, got)
		}
		if got := answerOf(c.Next(fire.Add(-time.Hour), p)); got != over {
			t.Errorf("%s: counted and asked for an earlier time: %v", trigger, got)
		}
	}
}

func TestEvents(t *testing.T) {
	c := mustCompile(t, "any(every 1h; any(startup max=2; shutdown from=2026-06-01T00:00:00Z)) until=2026-12-31T00:00:00Z")
	if !c.Listens(schedule.StartUp) || !c.Listens(schedule.ShutDown) || mustCompile(t, "any(startup)").Listens(schedule.ShutDown) {
		t.Error("Listens is wrong")
	}
	may, july, later := at(t, "2026-05-01"), at(t, "2026-07-01"), at(t, "2027-07-01")
	p := schedule.Progress{Anchor: may}
	for _, tt := range []struct {
		name  string
		event schedule.Event
		at    time.Time
		fires []int64
		want  bool
	}{
		{"named", schedule.StartUp, may, nil, true},
		{"before its start time", schedule.ShutDown, may, nil, false},
		{"after its start time", schedule.ShutDown, july, nil, true},
		{"after the outer end time", schedule.ShutDown, later, nil, false},
		{"one left", schedule.StartUp, may, []int64{9, 9, 9, 1, 9}, true},
		{"none left", schedule.StartUp, may, []int64{9, 9, 9, 2, 9}, false},
		{"no event", 0, may, nil, false},
	} {
		p.Fires = tt.fires
		if got := c.FiresOn(tt.event, tt.at, p); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAnyInstantMayBeAskedFor(t *testing.T) {
	extremes := []time.Time{
		{},
		time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 999_999_999), time.Unix(1<<55, 1), time.Unix(-1<<55, 1),
		at(t, "0001-01-01"), at(t, "9999-12-31T23:59:59.999999999Z"), at(t, "9999-12-31T23:59:59Z"), at(t, "9999-12-30"),
	}
	for _, trigger := range []string{
		"every 1ms", "every 2562047h immediate", "every 1h fixed-delay", "forever", "once", "once 2026-01-01T00:00:00Z",
		`cron "* * * * * *" Asia/Kabul`, `cron "0 0 29 2 *" America/New_York`, "at 02:30 Pacific/Apia", "startup",
		"any(every 1s; at 03:00 Africa/Cairo)",
	} {
		c := mustCompile(t, trigger)
		for _, after := range extremes {
			for _, anchor := range extremes {
				p := schedule.Progress{Anchor: anchor, LastFire: anchor, LastEnd: after}
				for _, got := range []answer{answerOf(c.Next(after, p)), answerOf(c.First(p))} {
					if got.status == schedule.Fires && (strings.HasPrefix(got.at, "not") || len(got.at) < 20 || got.at[4] != '-') {
						t.Errorf("%s after %v, anchored at %v: %v", trigger, after, anchor, got)
					}
				}
				if next, status := c.Next(after, p); status == schedule.Fires && !next.After(after) {
					t.Errorf("%s after %v: %v is not after", trigger, after, next)
				}
				c.Between(after, anchor, p, 3)
				c.Count(after, schedule.StartUp, p)
				c.FiresOn(schedule.StartUp, after, p)
			}
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	p := schedule.Progress{Anchor: at(t, "2026-01-01"), Fires: []int64{0, 0, 0, 0}}
	for _, bm := range benchmarks {
		c := mustCompile(t, bm.trigger)
		after := at(t, "2026-03-28T12:00:00Z")
		if n := testing.AllocsPerRun(100, func() { sink, _ = c.Next(after, p) }); n != 0 {
			t.Errorf("%s: %v allocations", bm.trigger, n)
		}
	}
}
