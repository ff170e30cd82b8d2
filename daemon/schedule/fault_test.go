package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

type sourceFunc func(after time.Time) (time.Time, error)

func (f sourceFunc) Next(after time.Time) (time.Time, error) { return f(after) }

const tide = "type.googleapis.com/acme.v1.Tide"

// compileCustom compiles a trigger whose custom kind is what f says.
func compileCustom(t *testing.T, trigger schedule.Trigger, f sourceFunc) *schedule.Compiled {
	t.Helper()
	x, err := schedule.NewExtensions(nil, map[string]schedule.NewSource{
		tide: func(string) (schedule.Source, error) { return f, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := x.Compile(trigger)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACustomKindFiresWhenItSaysWithinTheBoundsOfItsTrigger(t *testing.T) {
	start := at(t, "2026-01-01")
	hourly := func(after time.Time) (time.Time, error) {
		next := after.Truncate(time.Hour).Add(time.Hour)
		if next.Hour() == 9 {
			return time.Time{}, nil
		}
		return next, nil
	}
	c := compileCustom(t, schedule.Trigger{
		Kind:       schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Custom{TypeURL: tide}, MaxFires: 5}, {Kind: schedule.Once{Time: start.Add(90 * time.Minute)}}}},
		Exclusions: []schedule.Exclusion{schedule.Window{From: schedule.TimeOfDay{Hour: 3}, Until: schedule.TimeOfDay{Hour: 5}, TimeZone: "UTC"}},
	}, hourly)
	p := schedule.Progress{Anchor: start}
	var got []string
	for next, s := c.First(p); s == schedule.Fires; next, s = c.Next(next, p) {
		got = append(got, next.Format("15:04"))
		p = c.Count(next, 0, p)
	}
	if want := "01:00 01:30 02:00 05:00 06:00 07:00"; strings.Join(got, " ") != want {
		t.Errorf("fires at %s, want %s", got, want)
	}
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func TestAFaultOfACustomKindEndsItsFiresAndIsTold(t *testing.T) {
	after := at(t, "2026-01-01")
	for _, row := range []struct {
		name string
		says sourceFunc
		want string
	}{
		{"the instant itself", func(after time.Time) (time.Time, error) { return after, nil }, "after 2026-01-01T00:00:00Z it says 2026-01-01T00:00:00Z, which is not after it"},
		{"an instant before", func(after time.Time) (time.Time, error) { return after.Add(-time.Hour), nil }, "it says 2025-12-31T23:00:00Z, which is not after it"},
		{"an error", func(time.Time) (time.Time, error) { return time.Time{}, errors.New("no moon") }, "after 2026-01-01T00:00:00Z: no moon"},
	} {
		t.Run(row.name, func(t *testing.T) {
			calls := 0
			c := compileCustom(t, schedule.Trigger{Kind: schedule.Custom{TypeURL: tide}}, func(after time.Time) (time.Time, error) {
				calls++
				return row.says(after)
			})
			for range 3 {
				if next, status := c.Next(after, schedule.Progress{}); status != schedule.Over || !next.IsZero() {
					t.Errorf("%v at %v", status, next)
				}
			}
			var fault *schedule.FaultError
			if err := c.Err(); !errors.As(err, &fault) || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), tide) {
				t.Errorf("fault %v, want %s", err, row.want)
			}
			if calls != 1 {
				t.Errorf("asked %d times", calls)
			}
		})
	}
}

func TestACustomKindThatIsOverIsNoFault(t *testing.T) {
	c := compileCustom(t, schedule.Trigger{Kind: schedule.Custom{TypeURL: tide}}, func(time.Time) (time.Time, error) { return time.Time{}, nil })
	if _, status := c.Next(at(t, "2026-01-01"), schedule.Progress{}); status != schedule.Over || c.Err() != nil {
		t.Errorf("%v, %v", status, c.Err())
	}
}

func TestAnInstantOfACustomKindIsRoundedUpToAMicrosecond(t *testing.T) {
	c := compileCustom(t, schedule.Trigger{Kind: schedule.Custom{TypeURL: tide}}, func(after time.Time) (time.Time, error) { return after.Add(1), nil })
	next, _ := c.Next(at(t, "2026-01-01"), schedule.Progress{})
	if want := at(t, "2026-01-01").Add(time.Microsecond); !next.Equal(want) || c.Err() != nil {
		t.Errorf("%v, %v", next, c.Err())
	}
}

func TestACustomKindThatIsNotKnownIsRefusedByItsTypeURL(t *testing.T) {
	trigger := schedule.Trigger{Kind: schedule.Custom{TypeURL: tide}}
	if err := schedule.Check(trigger); err != nil {
		t.Error(err)
	}
	_, err := schedule.Compile(trigger)
	if want := `custom.type_url: "` + tide + `" is not known: there are no custom kinds`; err == nil || err.Error() != want {
		t.Error(err)
	}
	x, err := schedule.NewExtensions(nil, map[string]schedule.NewSource{
		tide: func(string) (schedule.Source, error) { return nil, errors.New("high or low is needed") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Compile(trigger); err == nil || err.Error() != "custom.value: high or low is needed" {
		t.Error(err)
	}
	trigger.Kind = schedule.Custom{TypeURL: "acme.Moon"}
	if _, err := x.Compile(trigger); err == nil || err.Error() != `custom.type_url: "acme.Moon" is no type URL such as `+tide {
		t.Error(err)
	}
}
