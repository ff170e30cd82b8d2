package schedule_test

import (
	"math/rand"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// TestFiresThatAClockChangeMovesAreMarked asks about single fires: those next to a change, one day before
// it, and of kinds that do not look at the clock.
func TestFiresThatAClockChangeMovesAreMarked(t *testing.T) {
	for _, tt := range []struct {
		name, trigger, after, fire string
		shift                      schedule.DSTShift
		wall                       string
	}{
		{"a fixed time in a gap", `cron "30 2 * * *" Europe/Berlin`, "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:30"},
		{"at in a gap", "at 02:30:15 Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:30:15"},
		{"the first second of a gap", "at 02:00 Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:00"},
		{"the end of a gap", "at 03:00 Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.NoShift, ""},
		{"the last second before a gap", "at 01:59:59 Europe/Berlin", "2027-03-27T12:00:00Z", "2027-03-28T00:59:59Z", schedule.NoShift, ""},
		{"several times of a gap and its end", `cron "15,45 2,3 * * *" Europe/Berlin`, "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:15"},
		{"a time of a gap and its end itself", `cron "0 2,3 * * *" Europe/Berlin`, "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:00"},
		{"the day after", "at 02:30 Europe/Berlin", "2027-03-28T12:00:00Z", "2027-03-29T00:30:00Z", schedule.NoShift, ""},
		{"a fixed time in an overlap", "at 02:30 Europe/Berlin", "2027-10-30T12:00:00Z", "2027-10-31T00:30:00Z", schedule.Overlap, "02:30"},
		{"the first second of an overlap", "at 02:00 Europe/Berlin", "2027-10-30T12:00:00Z", "2027-10-31T00:00:00Z", schedule.Overlap, "02:00"},
		{"the end of an overlap", "at 03:00 Europe/Berlin", "2027-10-30T12:00:00Z", "2027-10-31T02:00:00Z", schedule.NoShift, ""},
		{"half an hour", "at 02:15 Australia/Lord_Howe", "2027-10-02T00:00:00Z", "2027-10-02T15:30:00Z", schedule.Gap, "02:15"},
		{"midnight", "at 00:00 Africa/Cairo", "2027-04-29T12:00:00Z", "2027-04-29T22:00:00Z", schedule.Gap, "00:00"},
		{"a gap of two hours", "at 01:30 Antarctica/Troll", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "01:30"},
		{"a minute that starts with *", `cron "*/30 * * * *" Europe/Berlin`, "2027-10-30T23:59:00Z", "2027-10-31T00:00:00Z", schedule.NoShift, ""},
		{"an hour that starts with *", `cron "30 * * * *" Europe/Berlin`, "2027-10-30T23:59:00Z", "2027-10-31T00:30:00Z", schedule.NoShift, ""},
		{"every", "every 1h from=2027-01-01T00:00:00Z", "2027-10-31T00:00:00Z", "2027-10-31T01:00:00Z", schedule.NoShift, ""},
		{"the far future", "at 02:30 Europe/Berlin", "2427-03-27T12:00:00Z", "2427-03-28T01:00:00Z", schedule.Gap, "02:30"},
		{"year after year later", "at 02:30 Europe/Berlin", "9227-03-27T12:00:00Z", "9227-03-28T01:00:00Z", schedule.Gap, "02:30"},

		{"one of any", "any(every 1h from=2027-01-01T00:00:00Z; at 02:30 Europe/Berlin)", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:30"},
		{"any, another one", "any(every 1h from=2027-01-01T00:00:00Z; at 02:30 Europe/Berlin)", "2027-03-28T01:30:00Z", "2027-03-28T02:00:00Z", schedule.NoShift, ""},
		{"any, the earlier time", "any(at 02:45 Europe/Berlin; any(at 02:15 Europe/Berlin; at 02:30 Europe/Berlin))", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:15"},
		{"any, the other zone has no change", "any(at 02:30 Europe/Berlin; at 02:30 Australia/Lord_Howe)", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", schedule.Gap, "02:30"},
		{"any, the one inside is over", "any(every 1h from=2027-01-01T00:00:00Z; at 02:30 Europe/Berlin until=2027-03-28T00:00:00Z)", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", schedule.NoShift, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustCompile(t, tt.trigger)
			p := schedule.Progress{Anchor: at(t, "2027-01-01")}
			fire, _ := c.Next(at(t, tt.after), p)
			if !fire.Equal(at(t, tt.fire)) {
				t.Fatalf("fires at %v, want %s", fire, tt.fire)
			}
			shift, wall := c.DSTShift(fire, p)
			if shift != tt.shift || wall != tt.wall {
				t.Errorf("shift %d, wall %q, want %d, %q", shift, wall, tt.shift, tt.wall)
			}
		})
	}
}

func TestADSTShiftCountsTheFiresOfWhatIsInside(t *testing.T) {
	c := mustCompile(t, "any(every 1h from=2027-01-01T00:00:00Z; at 02:30 Europe/Berlin max=1)")
	fire := at(t, "2027-03-28T01:00:00Z")
	p := schedule.Progress{Anchor: at(t, "2027-03-28")}
	if shift, _ := c.DSTShift(fire, p); shift != schedule.Gap {
		t.Errorf("the first fire: %d", shift)
	}
	p = c.Count(fire, 0, p)
	if shift, _ := c.DSTShift(fire, p); shift != schedule.NoShift {
		t.Errorf("when its limit is reached: %d", shift)
	}
}

func TestWhatIsNoFireIsNotMarked(t *testing.T) {
	c := mustCompile(t, "at 02:30 Europe/Berlin")
	for _, text := range []string{"2027-03-28T01:30:00Z", "2027-10-31T01:30:00Z", "2027-10-31T00:30:00.5Z", "2027-10-31T00:30:00.0000005Z"} {
		if shift, wall := c.DSTShift(at(t, text), schedule.Progress{}); shift != schedule.NoShift || wall != "" {
			t.Errorf("%s: %d, %q", text, shift, wall)
		}
	}
	for _, far := range []time.Time{{}, time.Unix(-1<<40, 0), time.Unix(1<<40, 0)} {
		if shift, _ := c.DSTShift(far, schedule.Progress{}); shift != schedule.NoShift {
			t.Errorf("%v: %d", far, shift)
		}
	}
}

// TestDSTShiftsAreThoseOfTheWallClock looks at each fire with the zones of package time: an unmarked one
// shows its wall time and shows it once; a gap begins an offset; the wall time of an overlap comes again.
func TestDSTShiftsAreThoseOfTheWallClock(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	marked := map[schedule.DSTShift]int{}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Asuncion", "Africa/Casablanca", "Antarctica/Troll", "America/Sao_Paulo"} {
		loc := loadLocation(zone)
		for _, change := range changesIn(loc, 2005, 2030) {
			// Wall times by the offset before the change, so that those of a gap are among them.
			_, offset := change.Add(-time.Second).In(loc).Zone()
			for range 12 {
				wall := change.Add(time.Duration(r.Intn(6*60)-3*60) * time.Minute).In(time.FixedZone("", offset))
				k := schedule.At{Hour: wall.Hour(), Minute: wall.Minute(), TimeZone: zone}
				c, err := schedule.Compile(schedule.Trigger{Kind: k})
				if err != nil {
					t.Fatal(err)
				}
				after := change.Add(-30 * time.Hour)
				for range 3 {
					fire, _ := c.Next(after, schedule.Progress{})
					shift, text := c.DSTShift(fire, schedule.Progress{})
					marked[shift]++
					local := fire.In(loc)
					shows := local.Hour() == k.Hour && local.Minute() == k.Minute
					again := false
					for m := 1; m <= 4*60; m++ {
						later := fire.Add(time.Duration(m) * time.Minute).In(loc)
						again = again || shows && later.Hour() == k.Hour && later.Minute() == k.Minute
					}
					want := schedule.NoShift
					switch {
					case !shows:
						want = schedule.Gap
					case again:
						want = schedule.Overlap
					}
					if shift != want {
						t.Fatalf("%s at %v: shift %d (%s), want %d", c.Trigger(), local, shift, text, want)
					}
					after = fire
				}
			}
		}
	}
	if marked[schedule.Gap] < 50 || marked[schedule.Overlap] < 50 {
		t.Errorf("marked %v", marked)
	}
}
