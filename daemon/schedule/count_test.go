package schedule_test

import (
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// run follows a trigger for n fires, each of whose runs ends at once, and returns the fires.
func run(c *schedule.Compiled, p schedule.Progress, n int) ([]time.Time, schedule.Progress, schedule.Status) {
	var out []time.Time
	fire, status := c.First(p)
	for status == schedule.Fires && len(out) < n {
		out = append(out, fire)
		p = c.Count(fire, 0, p)
		p.LastEnd = fire
		fire, status = c.Next(fire, p)
	}
	return out, p, status
}

func TestEachTriggerInsideCountsItsOwnFires(t *testing.T) {
	anchor := at(t, "2026-05-01T12:00:00Z")
	for _, tt := range []struct {
		name, trigger string
		fires         int
		counts        []int64
		status        schedule.Status
	}{
		{"Limit", "every 1h max=3", 3, []int64{3}, schedule.Over},
		{"EqualInstantsAreOneFire", "any(every 1h; every 2h) max=4", 4, []int64{4, 4, 2}, schedule.Over},
		{"InnerLimits", "any(every 1h max=2; every 2h max=3)", 4, []int64{4, 2, 3}, schedule.Over}, // 1h, 2h (both), 4h, 6h
		{"InnerLimitDoesNotEndTheRest", "any(once; every 1h max=2; startup)", 3, []int64{3, 1, 2, 0}, schedule.Waits},
		{"InnerBounds", "any(every 1h until=2026-05-01T13:00:00Z; every 2h max=1)", 2, []int64{2, 1, 1}, schedule.Over},
		{"Nested", "any(any(every 1h max=1; once) max=2; every 3h max=1)", 3, []int64{3, 2, 1, 1, 1}, schedule.Over},
		{"NestedOuterLimitFirst", "any(any(every 1h; every 2h) max=2; every 3h max=1)", 3, []int64{3, 2, 2, 1, 1}, schedule.Over},
		{"Forever", "forever max=5", 5, []int64{5}, schedule.Over},
		{"FixedDelay", "every 1m fixed-delay immediate max=5", 5, []int64{5}, schedule.Over},
		{"ForeverInside", "any(forever max=3; every 1h max=1)", 4, []int64{4, 3, 1}, schedule.Over},
		{"WallClockAtTheAnchorIsNotIn", "any(once; at 12:00 UTC max=1)", 2, []int64{2, 1, 1}, schedule.Over},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fires, p, status := run(mustCompile(t, tt.trigger), schedule.Progress{Anchor: anchor}, 20)
			if len(fires) != tt.fires || !slices.Equal(p.Fires, tt.counts) || status != tt.status {
				t.Errorf("%s: %d fires %v, counts %v, status %d; want %d, %v, %d",
					tt.trigger, len(fires), fires, p.Fires, status, tt.fires, tt.counts, tt.status)
			}
		})
	}
}

func TestCountOfAnEvent(t *testing.T) {
	c := mustCompile(t, "any(startup max=2; shutdown; every 1h; forever)")
	fires := []int64{5, 1, 0, 3, 1}
	p := schedule.Progress{Anchor: at(t, "2026-05-01T12:00:00Z"), Fires: fires}
	out := c.Count(at(t, "2026-05-01T12:30:00.0000017Z"), schedule.StartUp, p)
	if want := []int64{6, 2, 0, 3, 1}; !slices.Equal(out.Fires, want) {
		t.Errorf("counts %v, want %v", out.Fires, want)
	}
	if want := at(t, "2026-05-01T12:30:00.000001Z"); !out.LastFire.Equal(want) {
		t.Errorf("last fire %v, want %v", out.LastFire, want)
	}
	if !slices.Equal(fires, []int64{5, 1, 0, 3, 1}) || !p.LastFire.IsZero() {
		t.Error("the progress that was given has changed")
	}
	// At an instant at which another part says go as well, both count.
	out = c.Count(at(t, "2026-05-01T13:00:00Z"), schedule.StartUp, p)
	if want := []int64{6, 2, 0, 4, 1}; !slices.Equal(out.Fires, want) {
		t.Errorf("counts %v, want %v", out.Fires, want)
	}
}

func TestTheOutermostCountAlwaysGrows(t *testing.T) {
	c := mustCompile(t, "any(every 1h)")
	out := c.Count(at(t, "2026-05-01T12:34:56Z"), 0, schedule.Progress{Anchor: at(t, "2026-05-01"), Fires: []int64{1}})
	if want := []int64{2, 0}; !slices.Equal(out.Fires, want) {
		t.Errorf("counts %v, want %v", out.Fires, want)
	}
}

func TestBetween(t *testing.T) {
	p := schedule.Progress{Anchor: at(t, "2026-05-01T12:00:00Z")}
	none := schedule.Span{}
	span := func(n int64, first, last string) schedule.Span {
		return schedule.Span{Count: n, First: at(t, first), Last: at(t, last)}
	}
	for _, tt := range []struct {
		name, trigger, after, until string
		fires                       []int64
		limit                       int64
		want                        schedule.Span
	}{
		{"UntilIsIncluded", "at 12:00 UTC", "2026-05-01T12:00:00Z", "2026-05-04T12:00:00Z", nil, 10, span(3, "2026-05-02T12:00:00Z", "2026-05-04T12:00:00Z")},
		{"Limit", "at 12:00 UTC", "2026-05-01T12:00:00Z", "2026-06-01T12:00:00Z", nil, 2, span(2, "2026-05-02T12:00:00Z", "2026-05-03T12:00:00Z")},
		{"LimitZero", "at 12:00 UTC", "2026-05-01T12:00:00Z", "2026-06-01T12:00:00Z", nil, 0, none},
		{"Nothing", "at 12:00 UTC", "2026-05-01T12:00:00Z", "2026-05-02T11:00:00Z", nil, 10, none},
		{"Backwards", "every 1s", "2026-05-02T12:00:00Z", "2026-05-01T11:00:00Z", nil, 10, none},
		{"ArithmeticIsFree", "every 1ms", "2026-05-01T12:00:00Z", "2027-05-01T12:00:00Z", nil, 1, span(31_536_000_000, "2026-05-01T12:00:00.001Z", "2027-05-01T12:00:00Z")},
		{"ArithmeticWithAMax", "every 1m max=10", "2026-05-01T12:03:00Z", "2027-05-01T12:00:00Z", []int64{3}, 1, span(7, "2026-05-01T12:04:00Z", "2026-05-01T12:10:00Z")},
		{"ArithmeticWithAnEnd", "every 1m until=2026-05-01T12:05:30Z", "2026-05-01T12:00:00Z", "2027-05-01T12:00:00Z", nil, 1, span(5, "2026-05-01T12:01:00Z", "2026-05-01T12:05:00Z")},
		{"InnerLimitsHold", "any(every 1h max=2; every 2h max=3)", "2026-05-01T12:00:00Z", "2027-05-01T12:00:00Z", nil, 100, span(4, "2026-05-01T13:00:00Z", "2026-05-01T18:00:00Z")},
		{"ForeverAtMostOnce", "any(forever; every 1h)", "2026-05-01T12:10:00Z", "2026-05-01T15:10:00Z", nil, 100, span(4, "2026-05-01T12:10:00.000001Z", "2026-05-01T15:00:00Z")},
		{"Events", "startup", "2026-05-01T12:10:00Z", "2026-05-01T15:10:00Z", nil, 100, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := p
			q.Fires = slices.Clone(tt.fires)
			got := mustCompile(t, tt.trigger).Between(at(t, tt.after), at(t, tt.until), q, tt.limit)
			if got != tt.want {
				t.Errorf("%s: %v, want %v", tt.trigger, got, tt.want)
			}
			if !slices.Equal(q.Fires, tt.fires) {
				t.Error("the progress that was given has changed")
			}
		})
	}
}
