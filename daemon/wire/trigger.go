package wire

import (
	"errors"
	"math"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What is read of a trigger, at most. These are guards against messages built to hurt, set at or above what
// package schedule allows; its own limits are the ones that users meet.
const (
	maxDepth      = 16   // any_of inside any_of
	maxTriggers   = 1024 // in all
	maxDays       = 64   // in one days_of_week
	maxExclusions = 64   // of one trigger
	maxTypeURL    = 512  // bytes

	// maxSize is in bytes. A task shows its trigger, the declared one, the one of its override and that of its
	// spec; as they are, they fit with all the rest into the 4 MiB that gRPC takes for the largest message.
	maxSize = 768 << 10
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
	if t.Jitter != 0 {
		pb.Jitter = durationpb.New(t.Jitter)
	}
	for _, e := range t.Exclusions {
		pb.Exclusions = append(pb.Exclusions, exclusionToProto(e))
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
		pb.Kind = &clockdv1.Trigger_Cron{Cron: cronToProto(k)}
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
	case schedule.Custom:
		pb.Kind = &clockdv1.Trigger_Custom{Custom: &anypb.Any{TypeUrl: clean(k.TypeURL), Value: []byte(k.Value)}}
	}
	return pb
}

func cronToProto(k schedule.Cron) *clockdv1.Cron {
	return &clockdv1.Cron{Expression: clean(k.Expression), TimeZone: clean(k.TimeZone)}
}

// TriggerFromProto returns the trigger that a caller asks for, and everything that is wrong with it: what
// cannot be read, and what schedule.Check finds. Whether its calendars are declared and its custom kinds
// known is for those who have them: see [ResolvedTriggerFromProto]. If there is a violation, the trigger is
// not to be used. field is the path of the message, "trigger" for instance; violations have whole paths
// below it.
func TriggerFromProto(field string, pb *clockdv1.Trigger) (schedule.Trigger, []task.Violation) {
	return triggerFromProto(field, pb, schedule.Check)
}

// ResolvedTriggerFromProto is [TriggerFromProto] with calendars and custom kinds: a trigger that names others
// is refused. Nil has none of either.
func ResolvedTriggerFromProto(field string, pb *clockdv1.Trigger, x *schedule.Extensions) (schedule.Trigger, []task.Violation) {
	return triggerFromProto(field, pb, func(t schedule.Trigger) error {
		_, err := x.Compile(t)
		return err
	})
}

func triggerFromProto(field string, pb *clockdv1.Trigger, check func(schedule.Trigger) error) (schedule.Trigger, []task.Violation) {
	var r reader
	t := r.askedTrigger(&path{name: field}, pb, check)
	return t, r.violations()
}

// askedTrigger reads the trigger that a caller asks for, once with a reader.
func (r *reader) askedTrigger(root *path, pb *clockdv1.Trigger, check func(schedule.Trigger) error) schedule.Trigger {
	if pb == nil {
		r.add(root, "missing: a trigger is needed")
		return schedule.Trigger{}
	}
	if n := proto.Size(pb); n > maxSize {
		r.add(root, "%d bytes, at most %d are allowed", n, maxSize)
		return schedule.Trigger{}
	}
	t := r.trigger(root, pb, 0)
	if r.overfull {
		return t // what was left out would be wrong for the check
	}
	if err := check(t); err != nil {
		r.checked(root, err)
	}
	return t
}

// checked adds what a check of the whole found, but for the fields that are placeholders.
func (r *reader) checked(root *path, err error) {
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
		Jitter:    r.duration(p.field("jitter"), pb.GetJitter()),

		Exclusions: r.exclusions(p.field("exclusions"), pb.GetExclusions()),
	}
	switch k := pb.GetKind().(type) {
	case *clockdv1.Trigger_Every:
		t.Kind = r.every(p.field("every"), k.Every)
	case *clockdv1.Trigger_At:
		t.Kind = r.at(p.field("at"), k.At)
	case *clockdv1.Trigger_Cron:
		t.Kind = r.cron(p.field("cron"), k.Cron)
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
	case *clockdv1.Trigger_Custom:
		t.Kind = r.custom(p.field("custom"), k.Custom)
	default:
		r.guess(p, "exactly one of every, at, cron, once, forever, any_of, on_start_up, on_shut_down and custom must be set")
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
	return schedule.At{
		Hour: int(pb.GetHour()), Minute: int(pb.GetMinute()), Second: int(pb.GetSecond()),
		DaysOfWeek: r.daysOfWeek(p.field("days_of_week"), pb.GetDaysOfWeek()),
		TimeZone:   pb.GetTimeZone(),
	}
}

func (r *reader) daysOfWeek(p *path, given []clockdv1.DayOfWeek) []time.Weekday {
	if len(given) > maxDays {
		r.add(p, "%d days: a week has 7", len(given))
		return nil
	}
	var list []time.Weekday
	for i, d := range given {
		list = append(list, days.from(r, p.at(i), d))
	}
	return list
}

func (r *reader) cron(p *path, pb *clockdv1.Cron) schedule.Cron {
	r.unknown(p, pb)
	return schedule.Cron{Expression: pb.GetExpression(), TimeZone: pb.GetTimeZone()}
}

func (r *reader) custom(p *path, pb *anypb.Any) schedule.Custom {
	r.unknown(p, pb)
	url := pb.GetTypeUrl()
	if len(url) > maxTypeURL {
		r.guess(p.field("type_url"), "%d bytes, at most %d are allowed", len(url), maxTypeURL)
		url = ""
	}
	return schedule.Custom{TypeURL: url, Value: string(pb.GetValue())}
}

func (r *reader) anyOf(p *path, pb *clockdv1.AnyOf, depth int) schedule.AnyOf {
	r.unknown(p, pb)
	given := pb.GetTriggers()
	if depth >= maxDepth {
		return schedule.AnyOf{} // the check refuses the nesting where it passes its own limit, which is lower
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
