package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// printFires prints fires, one on a line, with a head if there are any: the instant, what the clocks here and those
// of the trigger's zone show then, how far it is, what jitter does to the start, and what else is worth knowing
// of it (see marker).
func (s *session) printFires(head string, t schedule.Trigger, fires []task.Fire) error {
	if head != "" && len(fires) > 0 {
		fmt.Fprintln(s.out, head)
	}
	clocks := s.clocksOf(t, fires)
	marked := marker(t, fires)
	var rows table
	if len(fires) > 0 {
		if names := clocks.names(); names != nil {
			rows.row(append([]string{"UTC"}, names...)...)
		}
	}
	for _, f := range fires {
		cells := append([]string{instant(f.Time)}, clocks.show(f.Time)...)
		rows.row(append(append(cells, s.distance(f.Time)), marked(f)...)...)
	}
	return rows.write(s.out)
}

// lookAhead is how many fires of a trigger the answer to a change holds at most. One that holds so many may
// have more of them.
const lookAhead = 10

// printChange prints the fires with and without a change of the trigger side by side, those of one instant
// on one line, and says which are new and which are gone. t is the trigger with the change.
func (s *session) printChange(t schedule.Trigger, before, after []task.Fire) error {
	if len(before)+len(after) == 0 {
		fmt.Fprintln(s.out, "No fire has a known instant, neither with this trigger nor with the one in force.")
		return nil
	}
	marked := marker(t, after)
	clocks := s.clocksOf(t, slices.Concat(before, after))
	names := clocks.names()
	if names == nil && clocks.zone != nil {
		names = []string{clocks.zone.String()} // other columns have a name too
	}
	rows := table{append([]string{"BEFORE", "AFTER"}, names...)}
	var added, gone, kept int
	beyond := false
	// missing is the cell for an instant that a list does not hold, of which left are still to come.
	missing := func(fires, left []task.Fire) (cell string, known bool) {
		if len(left) == 0 && len(fires) >= lookAhead {
			beyond = true
			return "…", false
		}
		return "-", true
	}
	for b, a := before, after; len(b)+len(a) > 0; {
		var known bool
		old, now, note := "", "", ""
		fire := task.Fire{}
		marks := marked(fire) // empty cells keep the columns where they are
		switch {
		case len(a) == 0 || len(b) > 0 && b[0].Time.Before(a[0].Time):
			fire, old, b = b[0], instant(b[0].Time), b[1:]
			if now, known = missing(after, a); known {
				note = "gone"
				gone++
			}
		case len(b) == 0 || a[0].Time.Before(b[0].Time):
			fire, now, marks, a = a[0], instant(a[0].Time), marked(a[0]), a[1:]
			if old, known = missing(before, b); known {
				note = "new"
				added++
			}
		default:
			fire, old, now, marks, a, b = a[0], instant(b[0].Time), instant(a[0].Time), marked(a[0]), a[1:], b[1:]
			kept++
		}
		cells := append([]string{old, now}, clocks.show(fire.Time)...)
		rows.row(append(append(cells, s.distance(fire.Time), note), marks...)...)
	}
	if err := rows.write(s.out); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d new, %d gone, %d unchanged.\n", added, gone, kept)
	if beyond {
		fmt.Fprintf(s.out, "… is past the %d fires of that side that were looked at.\n", lookAhead)
	}
	return nil
}

// marker returns what says of a fire of the trigger, in one or two cells, what is worth knowing beside its
// instant. The first cell, when the run starts, is there if any of the fires has jitter.
func marker(t schedule.Trigger, fires []task.Fire) func(task.Fire) []string {
	jitter := slices.ContainsFunc(fires, func(f task.Fire) bool { return f.JitterLimit > 0 })
	moved := shifts(t)
	return func(f task.Fire) []string {
		var cells, marks []string
		if jitter {
			cells = append(cells, starts(f))
		}
		for _, mark := range []string{moved(f), excluded(f.Excluded)} {
			if mark != "" {
				marks = append(marks, "("+mark+")")
			}
		}
		return append(cells, strings.Join(marks, " "))
	}
}

// starts says when the run of a fire starts, if jitter delays it: exactly, if that is known, or how much later.
func starts(f task.Fire) string {
	switch {
	case !f.JitteredTime.IsZero():
		return "starts " + instant(f.JitteredTime)
	case f.JitterLimit > 0:
		return "+0s.." + duration(f.JitterLimit)
	}
	return ""
}

// lookBack is how many excluded instants before a fire the daemon looks at. If it tells of so many, there may
// be more of them.
const lookBack = 1000

// excluded says which instants before a fire exclusions took out.
func excluded(s schedule.Span) string {
	switch {
	case s.Count < 1:
		return ""
	case s.Count == 1:
		return "after 1 excluded, " + instant(s.First)
	case s.Count >= lookBack:
		return fmt.Sprintf("after %d or more excluded, from %s on", s.Count, instant(s.First))
	}
	return fmt.Sprintf("after %d excluded, %s .. %s", s.Count, instant(s.First), instant(s.Last))
}

// shifts returns what says of a fire of the trigger that a change of the clocks has moved it. That it has
// is the daemon's word; the wall time it stands for is found out here.
func shifts(t schedule.Trigger) func(task.Fire) string {
	c, err := schedule.Compile(known(t))
	return func(f task.Fire) string {
		if f.DSTShift == schedule.NoShift {
			return ""
		}
		wall := ""
		if err == nil {
			if shift, found := c.DSTShift(f.Time, schedule.Progress{}); shift == f.DSTShift {
				wall = found
			}
		}
		if wall == "" { // this program and the daemon know different rules of the zone
			wall = "its wall time"
		}
		if f.DSTShift == schedule.Gap {
			return "moved: " + wall + " does not exist that day"
		}
		return wall + " comes twice that day; this is the first"
	}
}

// known returns the trigger without what only the daemon knows, its calendars and custom kinds, and without
// what has no wall time anyway.
func known(t schedule.Trigger) schedule.Trigger {
	t.Jitter, t.Exclusions = 0, nil
	switch k := t.Kind.(type) {
	case schedule.Custom:
		t.Kind = schedule.OnStartUp{} // which has no instants either
	case schedule.AnyOf:
		inner := make([]schedule.Trigger, len(k.Triggers))
		for i := range k.Triggers {
			inner[i] = known(k.Triggers[i])
		}
		t.Kind = schedule.AnyOf{Triggers: inner}
	}
	return t
}
