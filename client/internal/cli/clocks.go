package cli

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// The clocks that are shown beside an instant, which is in UTC. Nil: none.
type clocks struct {
	here *time.Location // those of the people who read
	zone *time.Location // those of the trigger
}

// clocksOf returns the clocks to show beside the fires of a trigger: those of its own zone, if it has one, and those
// of here, if they ever show something else than the others.
func (s *session) clocksOf(t schedule.Trigger, fires []task.Fire) clocks {
	c := clocks{zone: zoneOf(t)}
	beside := c.zone
	if beside == nil {
		beside = time.UTC
	}
	for _, f := range fires {
		if here := s.env.Local; here != nil && !(alike(f.Time, here, beside) || alike(f.Time, here, time.UTC)) {
			c.here = here
		}
	}
	return c
}

// alike returns whether the clocks of two zones show the same at an instant.
func alike(t time.Time, a, b *time.Location) bool {
	_, ours := t.In(a).Zone()
	_, theirs := t.In(b).Zone()
	return ours == theirs
}

// show is what they show.
func (c clocks) show(t time.Time) []string {
	var cells []string
	for _, zone := range []*time.Location{c.here, c.zone} {
		if zone != nil {
			cells = append(cells, local(t, zone))
		}
	}
	return cells
}

// names are heads for the columns of show: none if it shows no more than the trigger's own zone, as its offset says.
func (c clocks) names() []string {
	if c.here == nil {
		return nil
	}
	names := []string{"LOCAL"}
	if c.zone != nil {
		names = append(names, c.zone.String())
	}
	return names
}

// local is what the clocks of a zone show, and their offset.
func local(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	if t.Nanosecond() == 0 {
		return t.Format("Mon 2006-01-02 15:04:05 -07:00")
	}
	return t.Format("Mon 2006-01-02 15:04:05.000 -07:00")
}

// zoneOf returns the time zone of a trigger or, if its instants have none, that of its exclusions. It is nil
// if there is none, if it is UTC, which is shown anyway, and if there are several.
func zoneOf(t schedule.Trigger) *time.Location {
	var names, excluded []string
	var collect func(t schedule.Trigger)
	collect = func(t schedule.Trigger) {
		for _, e := range t.Exclusions {
			switch k := e.(type) {
			case schedule.Dates:
				excluded = append(excluded, k.TimeZone)
			case schedule.Window:
				excluded = append(excluded, k.TimeZone)
			case schedule.Cron:
				excluded = append(excluded, k.TimeZone)
			}
		}
		switch k := t.Kind.(type) {
		case schedule.At:
			names = append(names, k.TimeZone)
		case schedule.Cron:
			names = append(names, k.TimeZone)
		case schedule.AnyOf:
			for _, inner := range k.Triggers {
				collect(inner)
			}
		}
	}
	collect(t)
	if len(names) == 0 {
		names = excluded
	}
	if len(names) == 0 || names[0] == "UTC" {
		return nil
	}
	for _, name := range names {
		if name != names[0] {
			return nil
		}
	}
	zone, err := time.LoadLocation(names[0])
	if err != nil { // one that only the daemon knows
		return nil
	}
	return zone
}
