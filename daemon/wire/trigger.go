package wire

import (
	"errors"
	"math"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What is read of a trigger, at most. These are guards against messages built to hurt, set at or above what
// schedule.Compile allows; its own limits are the ones that users meet.
const (
	maxDepth    = 16   // any_of inside any_of
	maxTriggers = 1024 // in all
	maxDays     = 64   // in one days_of_week
)

// days are the days of the week in the API's numbers.
var days = enum[time.Weekday, clockdv1.DayOfWeek]{
	{time.Monday, clockdv1.DayOfWeek_DAY_OF_WEEK_MONDAY},
	{time.Tuesday, clockdv1.DayOfWeek_DAY_OF_WEEK_TUESDAY},
	{time.Wednesday, clockdv1.DayOfWeek_DAY_OF_WEEK_WEDNESDAY},
	{time.Thursday, clockdv1.DayOfWeek_DAY_OF_WEEK_THURSDAY},
	{time.Friday, clockdv1.DayOfWeek_DAY_OF_WEEK_FRIDAY},
	{time.Saturday, clockdv1.DayOfWeek_DAY_OF_WEEK_SATURDAY},
	{time.Sunday, clockdv1.DayOfWeek_DAY_OF_WEEK_SUNDAY},
}

// TriggerToProto returns the API's form of a trigger, valid or not.
func TriggerToProto(t schedule.Trigger) *clockdv1.Trigger {
	pb := &clockdv1.Trigger{
		MaxFires:  t.MaxFires,
		StartTime: TimeToProto(t.StartTime),
		EndTime:   TimeToProto(t.EndTime),
	}
	switch k := t.Kind.(type) {
	case schedule.Every:
		pb.Kind = &clockdv1.Trigger_Every{Every: &clockdv1.Every{
			Interval:  durationpb.New(k.Interval),
			FirstFire: firstFires.to(k.FirstFire),
			Pacing:    pacings.to(k.Pacing),
		}}
	case schedule.At:
		at := &clockdv1.At{Hour: int32Of(k.Hour), Minute: int32Of(k.Minute), Second: int32Of(k.Second), TimeZone: clean(k.TimeZone)}
		for _, d := range k.DaysOfWeek {
			at.DaysOfWeek = append(at.DaysOfWeek, days.to(d))
		}
		pb.Kind = &clockdv1.Trigger_At{At: at}
	case schedule.Cron:
		pb.Kind = &clockdv1.Trigger_Cron{Cron: &clockdv1.Cron{Expression: clean(k.Expression), TimeZone: clean(k.TimeZone)}}
	case schedule.Once:
		pb.Kind = &clockdv1.Trigger_Once{Once: &clockdv1.Once{Time: TimeToProto(k.Time)}}
	case schedule.Forever:
		pb.Kind = &clockdv1.Trigger_Forever{Forever: &clockdv1.Forever{}}
	case schedule.AnyOf:
		anyOf := &clockdv1.AnyOf{}
		for _, inner := range k.Triggers {
			anyOf.Triggers = append(anyOf.Triggers, TriggerToProto(inner))
		}
		pb.Kind = &clockdv1.Trigger_AnyOf{AnyOf: anyOf}
	case schedule.OnStartUp:
		pb.Kind = &clockdv1.Trigger_OnStartUp{OnStartUp: &clockdv1.OnStartUp{}}
	case schedule.OnShutDown:
		pb.Kind = &clockdv1.Trigger_OnShutDown{OnShutDown: &clockdv1.OnShutDown{}}
	}
	return pb
}

// TriggerFromProto returns the trigger that a caller asks for, and everything that is wrong with it: what
// cannot be read, and what schedule.Compile finds. If there is a violation, the trigger is not to be used.
// field is the path of the message, "trigger" for instance; violations have whole paths below it.
func TriggerFromProto(field string, pb *clockdv1.Trigger) (schedule.Trigger, []task.Violation) {
	var r reader
	root := &path{name: field}
	if pb == nil {
		r.add(root, "missing: a trigger is needed")
		return schedule.Trigger{}, r.found
	}
	t := r.trigger(root, pb, 0)
	if r.overfull {
		return t, r.violations() // what was left out would be wrong for Compile
	}
	if _, err := schedule.Compile(t); err != nil {
		r.compiled(root, err)
	}
	return t, r.violations()
}

// compiled adds what Compile found, but for the fields that are placeholders.
func (r *reader) compiled(root *path, err error) {
	var invalid *schedule.InvalidError
	if !errors.As(err, &invalid) {
		r.add(root, "%s", err)
		return
	}
	for _, v := range invalid.Violations {
		at := root
		if v.Field != "" {
			at = root.field(v.Field)
		}
		if !r.guessed[at.String()] {
			r.add(at, "%s", v.Description)
		}
	}
}

// trigger reads one trigger and those inside it.
func (r *reader) trigger(p *path, pb *clockdv1.Trigger, depth int) schedule.Trigger {
	r.triggers++
	r.unknown(p, pb)
	t := schedule.Trigger{
		MaxFires:  pb.GetMaxFires(),
		StartTime: r.time(p.field("start_time"), pb.GetStartTime()),
		EndTime:   r.time(p.field("end_time"), pb.GetEndTime()),
	}
	switch k := pb.GetKind().(type) {
	case *clockdv1.Trigger_Every:
		t.Kind = r.every(p.field("every"), k.Every)
	case *clockdv1.Trigger_At:
		t.Kind = r.at(p.field("at"), k.At)
	case *clockdv1.Trigger_Cron:
		r.unknown(p.field("cron"), k.Cron)
		t.Kind = schedule.Cron{Expression: k.Cron.GetExpression(), TimeZone: k.Cron.GetTimeZone()}
	case *clockdv1.Trigger_Once:
		once := p.field("once")
		r.unknown(once, k.Once)
		t.Kind = schedule.Once{Time: r.time(once.field("time"), k.Once.GetTime())}
	case *clockdv1.Trigger_Forever:
		r.unknown(p.field("forever"), k.Forever)
		t.Kind = schedule.Forever{}
	case *clockdv1.Trigger_AnyOf:
		t.Kind = r.anyOf(p.field("any_of"), k.AnyOf, depth)
	case *clockdv1.Trigger_OnStartUp:
		r.unknown(p.field("on_start_up"), k.OnStartUp)
		t.Kind = schedule.OnStartUp{}
	case *clockdv1.Trigger_OnShutDown:
		r.unknown(p.field("on_shut_down"), k.OnShutDown)
		t.Kind = schedule.OnShutDown{}
	default:
		r.guess(p, "exactly one of every, at, cron, once, forever, any_of, on_start_up and on_shut_down must be set")
	}
	return t
}

func (r *reader) every(p *path, pb *clockdv1.Every) schedule.Every {
	r.unknown(p, pb)
	if pb.GetInterval() == nil {
		r.guess(p.field("interval"), "missing: a distance of at least 1ms is needed")
	}
	return schedule.Every{
		Interval:  r.duration(p.field("interval"), pb.GetInterval()),
		FirstFire: firstFires.from(r, p.field("first_fire"), pb.GetFirstFire()),
		Pacing:    pacings.from(r, p.field("pacing"), pb.GetPacing()),
	}
}

func (r *reader) at(p *path, pb *clockdv1.At) schedule.At {
	r.unknown(p, pb)
	at := schedule.At{
		Hour: int(pb.GetHour()), Minute: int(pb.GetMinute()), Second: int(pb.GetSecond()),
		TimeZone: pb.GetTimeZone(),
	}
	field := p.field("days_of_week")
	given := pb.GetDaysOfWeek()
	if len(given) > maxDays {
		r.add(field, "%d days: a week has 7", len(given))
		return at
	}
	for i, d := range given {
		at.DaysOfWeek = append(at.DaysOfWeek, days.from(r, field.at(i), d))
	}
	return at
}

func (r *reader) anyOf(p *path, pb *clockdv1.AnyOf, depth int) schedule.AnyOf {
	r.unknown(p, pb)
	given := pb.GetTriggers()
	if depth >= maxDepth {
		return schedule.AnyOf{} // Compile refuses the nesting where it passes its own limit, which is lower
	}
	if left := max(0, maxTriggers-r.triggers); len(given) > left {
		if !r.overfull {
			r.add(p.field("triggers"), "too many: a trigger may hold at most %d in all", maxTriggers)
		}
		r.overfull = true
		given = given[:left]
	}
	anyOf := schedule.AnyOf{Triggers: make([]schedule.Trigger, 0, len(given))}
	for i, inner := range given {
		anyOf.Triggers = append(anyOf.Triggers, r.trigger(p.field("triggers").at(i), inner, depth+1))
	}
	return anyOf
}

// int32Of returns n, or the nearest number there is.
func int32Of(n int) int32 {
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}
