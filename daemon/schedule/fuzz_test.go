package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"every 1h30m immediate fixed-delay max=3", "at 09:30:15 mon-fri Europe/Berlin", `cron "0 3 L-2,15W * FRI#2" UTC`,
		"once 2027-01-01T00:00:00.5+01:00", "any(forever; any(startup; shutdown) from=2027-01-01T00:00:00Z) until=2028-01-01T00:00:00Z",
		"any(any(any(any(any(", `cron "`, "at :: UTC", "every -1h",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trigger, err := schedule.Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		again, err := schedule.Parse(trigger.String())
		if err != nil || !schedule.Equal(again, trigger) || again.String() != trigger.String() {
			t.Errorf("%q is %q is %q (%v)", text, trigger, again, err)
		}
		c, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatalf("%q: Parse takes it, Compile says %v", text, err)
		}
		checkFires(t, c, time.Date(2026, 3, 29, 0, 0, 0, 1, time.UTC))
	})
}

func FuzzCompileCron(f *testing.F) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Africa/Casablanca"}
	for i, expression := range []string{
		"*/5 * * * *", "30 2 * * MON-FRI", "0 0 29 2 *", "0 0 0 L-3,LW,15W * 5L,1#2", "22-2/3 50-10 28-3 NOV-FEB FRI-MON", "@daily", "0 0 31 2 *",
	} {
		f.Add(expression, int64(i)*1e9, uint8(i))
	}
	f.Fuzz(func(t *testing.T, expression string, second int64, zone uint8) {
		c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: zones[int(zone)%len(zones)]}})
		if err == nil {
			checkFires(t, c, time.Unix(second, 0))
		}
	})
}

// checkFires checks a few fires after an instant for what holds of every trigger.
func checkFires(t *testing.T, c *schedule.Compiled, after time.Time) {
	t.Helper()
	p := schedule.Progress{Anchor: after}
	c.First(p)
	if text := c.Trigger().Describe(); text == "" || strings.ContainsAny(text, "\r\n\t") {
		t.Fatalf("%s: described as %q", c.Trigger(), text)
	}
	for range 5 {
		next, status := c.Next(after, p)
		if status != schedule.Fires {
			return
		}
		if !next.After(after) || next.Year() > 9999 {
			t.Fatalf("%s: after %v comes %v", c.Trigger(), after, next)
		}
		if again, _ := c.Next(next.Add(-time.Microsecond), p); !again.Equal(next) {
			t.Fatalf("%s: after %v comes %v, but just before it %v", c.Trigger(), after, next, again)
		}
		if shift, wall := c.DSTShift(next, p); (shift == schedule.NoShift) != (wall == "") {
			t.Fatalf("%s: at %v shift %d of %q", c.Trigger(), next, shift, wall)
		}
		p = c.Count(next, 0, p)
		p.LastEnd = next
		after = next
	}
}
