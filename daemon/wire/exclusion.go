package wire

import (
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// maxText is how much of a date or time of day is looked at, in bytes: what is longer is none.
const maxText = 64

// exclusionToProto returns the API's form of an exclusion, valid or not.
func exclusionToProto(e schedule.Exclusion) *clockdv1.Exclusion {
	pb := &clockdv1.Exclusion{}
	switch k := e.(type) {
	case schedule.Dates:
		pb.Kind = &clockdv1.Exclusion_Dates{Dates: &clockdv1.Dates{
			First: dateToProto(k.First), Last: dateToProto(k.Last), TimeZone: clean(k.TimeZone),
		}}
	case schedule.Window:
		w := &clockdv1.Window{From: k.From.String(), Until: k.Until.String(), TimeZone: clean(k.TimeZone)}
		for _, d := range k.DaysOfWeek {
			w.DaysOfWeek = append(w.DaysOfWeek, days.to(d))
		}
		pb.Kind = &clockdv1.Exclusion_Window{Window: w}
	case schedule.Cron:
		pb.Kind = &clockdv1.Exclusion_Cron{Cron: cronToProto(k)}
	case schedule.Calendar:
		pb.Kind = &clockdv1.Exclusion_Calendar{Calendar: clean(k.Name)}
	}
	return pb
}

// dateToProto leaves the zero date, which is none, empty.
func dateToProto(d schedule.Date) string {
	if d == (schedule.Date{}) {
		return ""
	}
	return d.String()
}

// ExclusionFromProto returns an exclusion and what cannot be read of it; whether it makes sense is for those
// who compile it. field is the path of the message. If there is a violation of a field, that field holds a
// placeholder, of which nothing more needs to be said. Without a kind the exclusion is nil.
func ExclusionFromProto(field string, pb *clockdv1.Exclusion) (schedule.Exclusion, []task.Violation) {
	var r reader
	e := r.exclusion(&path{name: field}, pb)
	return e, r.violations()
}

func (r *reader) exclusions(p *path, given []*clockdv1.Exclusion) []schedule.Exclusion {
	if len(given) == 0 {
		return nil
	}
	if len(given) > maxExclusions {
		r.add(p, "%d of them, at most %d are allowed", len(given), maxExclusions)
		return nil
	}
	list := make([]schedule.Exclusion, len(given))
	for i, pb := range given {
		list[i] = r.exclusion(p.at(i), pb)
	}
	return list
}

func (r *reader) exclusion(p *path, pb *clockdv1.Exclusion) schedule.Exclusion {
	r.unknown(p, pb)
	switch k := pb.GetKind().(type) {
	case *clockdv1.Exclusion_Dates:
		at := p.field("dates")
		r.unknown(at, k.Dates)
		return schedule.Dates{
			First:    r.date(at.field("first"), k.Dates.GetFirst()),
			Last:     r.date(at.field("last"), k.Dates.GetLast()),
			TimeZone: k.Dates.GetTimeZone(),
		}
	case *clockdv1.Exclusion_Window:
		at := p.field("window")
		r.unknown(at, k.Window)
		return schedule.Window{
			From:       r.timeOfDay(at.field("from"), k.Window.GetFrom()),
			Until:      r.timeOfDay(at.field("until"), k.Window.GetUntil()),
			DaysOfWeek: r.daysOfWeek(at.field("days_of_week"), k.Window.GetDaysOfWeek()),
			TimeZone:   k.Window.GetTimeZone(),
		}
	case *clockdv1.Exclusion_Cron:
		return r.cron(p.field("cron"), k.Cron)
	case *clockdv1.Exclusion_Calendar:
		return schedule.Calendar{Name: k.Calendar}
	}
	r.guess(p, "exactly one of dates, window, cron and calendar must be set")
	return nil
}

// date reads a date; empty is none.
func (r *reader) date(p *path, text string) schedule.Date {
	if text == "" {
		return schedule.Date{}
	}
	d, err := schedule.ParseDate(truncate(text, maxText))
	if err != nil {
		r.guess(p, "%s", err)
	}
	return d
}

func (r *reader) timeOfDay(p *path, text string) schedule.TimeOfDay {
	if text == "" {
		r.guess(p, "missing: write a time such as 22:00")
		return schedule.TimeOfDay{}
	}
	t, err := schedule.ParseTimeOfDay(truncate(text, maxText))
	if err != nil {
		r.guess(p, "%s", err)
	}
	return t
}
