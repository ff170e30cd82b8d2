package schedule_test

import (
	"errors"
	"reflect"
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
		"every 10m jitter=1.5us exclude(dates 2026-12-24..2026-12-26 Europe/Berlin; dates 2026-05-01 UTC)",
		`at 09:30 UTC exclude(window 22:00-06:00 mon,fri Europe/Berlin; cron "* 12 * * MON-FRI" UTC; calendar holidays) max=3`,
		`custom type.googleapis.com/acme.v1.Tide "CAESBQ==" jitter=1h from=2027-01-01T00:00:00Z`, `any(custom /Tide; every 1h exclude(calendar a.b))`,
		"exclude(", "once exclude", "once exclude(;)", "forever exclude(dates ..)", "startup exclude(window -)", `custom x/y "=`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trigger, err := schedule.Parse(text)
		if err != nil {
			checkRefusal(t, text, err)
			return
		}
		again, err := schedule.Parse(trigger.String())
		if err != nil || !schedule.Equal(again, trigger) || again.String() != trigger.String() {
			t.Errorf("%q is %q is %q (%v)", text, trigger, again, err)
		}
		if err := schedule.Check(trigger); err != nil {
			t.Fatalf("%q: Parse takes it, Check says %v", text, err)
		}
		x, err := extensionsFor(trigger)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		c, err := x.Compile(trigger)
		if err != nil {
			t.Fatalf("%q: Parse takes it, Compile says %v", text, err)
		}
		checkFires(t, c, time.Date(2026, 3, 29, 0, 0, 0, 1, time.UTC))
	})
}

func FuzzParseExclusion(f *testing.F) {
	for _, text := range []string{
		"dates 2026-12-24..2026-12-26 Europe/Berlin", "DATES 0001-01-01 UTC", "window 22:00-6:00:15 fri-mon,wed America/New_York",
		"window 00:00-00:00 UTC", `cron " @daily " UTC`, "calendar exclude", "calendar a) exclude(calendar b", "window 24:00-25:61 UTC",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := schedule.ParseExclusion(text)
		if err != nil {
			checkRefusal(t, text, err)
			return
		}
		again, err := schedule.ParseExclusion(e.String())
		if err != nil || !reflect.DeepEqual(again, e) || again.String() != e.String() {
			t.Errorf("%q is %q is %q (%v)", text, e, again, err)
		}
		trigger, err := schedule.Parse("once exclude(" + text + ")")
		if err != nil || !reflect.DeepEqual(trigger.Exclusions, []schedule.Exclusion{e}) {
			t.Errorf("%q is %q, but in a trigger %q (%v)", text, e, trigger, err)
		}
	})
}

// checkRefusal checks that an error is of one of the two types, has words, and points into the text.
func checkRefusal(t *testing.T, text string, err error) {
	t.Helper()
	var (
		syntax  *schedule.SyntaxError
		invalid *schedule.InvalidError
	)
	switch {
	case errors.As(err, &syntax):
		if syntax.Text != text || syntax.Column < 1 || syntax.Column > len(text)+1 || syntax.Message == "" {
			t.Errorf("%q: %+v", text, syntax)
		}
	case !errors.As(err, &invalid) || len(invalid.Violations) == 0:
		t.Errorf("%q: %v", text, err)
	}
}

// extensionsFor declares what a trigger names: each calendar is a night of every day, each custom kind
// fires every hour.
func extensionsFor(t schedule.Trigger) (*schedule.Extensions, error) {
	calendars, kinds := map[string][]schedule.Exclusion{}, map[string]schedule.NewSource{}
	var collect func(t schedule.Trigger)
	collect = func(t schedule.Trigger) {
		for _, e := range t.Exclusions {
			if k, ok := e.(schedule.Calendar); ok {
				calendars[k.Name] = []schedule.Exclusion{schedule.Window{From: schedule.TimeOfDay{Hour: 22}, Until: schedule.TimeOfDay{Hour: 6}, TimeZone: "UTC"}}
			}
		}
		switch k := t.Kind.(type) {
		case schedule.Custom:
			kinds[k.TypeURL] = func(string) (schedule.Source, error) { return hourly{}, nil }
		case schedule.AnyOf:
			for _, inner := range k.Triggers {
				collect(inner)
			}
		}
	}
	collect(t)
	return schedule.NewExtensions(calendars, kinds)
}

type hourly struct{}

func (hourly) Next(after time.Time) (time.Time, error) {
	if after.Year() > 9000 {
		return time.Time{}, nil
	}
	return after.Truncate(time.Hour).Add(time.Hour), nil
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
		if status != schedule.Fires || c.Err() != nil {
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
