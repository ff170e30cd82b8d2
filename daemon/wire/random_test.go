package wire_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// A source makes random values that are in good order: what a daemon could hold.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 1))} }

func pick[T any](s source, from ...T) T { return from[s.IntN(len(from))] }

func (s source) text() string {
	return pick(s, "", "a", "nightly report", "naïve – ☃ 日本", "\x00\t\n", `"quoted" <b>&amp;</b>`, strings.Repeat("long ", 100))
}

func (s source) instant() time.Time {
	if s.IntN(4) == 0 {
		return time.Time{}
	}
	return time.UnixMicro(s.Int64N(8e15) - 2e15).UTC() // 1906 to 2160
}

func (s source) uuid() uuid.UUID {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(s.IntN(256))
	}
	return id
}

func (s source) zone() string { return pick(s, "UTC", "Europe/Berlin", "America/New_York") }

// trigger returns one as a whole; only there may be jitter.
func (s source) trigger(depth int) schedule.Trigger {
	t := s.part(depth)
	switch t.Kind.(type) {
	case schedule.OnStartUp, schedule.OnShutDown:
	default:
		t.Jitter = time.Duration(pick(s, 0, s.Int64N(1e10))) * time.Microsecond
	}
	return t
}

func (s source) part(depth int) schedule.Trigger {
	t := schedule.Trigger{Kind: s.kind(depth), MaxFires: pick(s, 0, s.Int64N(1000))}
	for range pick(s, 0, 0, 1, 3) {
		t.Exclusions = append(t.Exclusions, s.exclusion())
	}
	if _, ok := t.Kind.(schedule.Once); ok {
		return t // its time must lie within the bounds
	}
	t.StartTime = s.instant()
	if s.IntN(3) == 0 {
		t.EndTime = t.StartTime.AddDate(1, 0, 0).Truncate(time.Microsecond)
	}
	return t
}

func (s source) kind(depth int) schedule.Kind {
	switch s.IntN(9) {
	case 0:
		return schedule.Every{
			Interval:  time.Millisecond + time.Duration(s.Int64N(1e12))*time.Microsecond,
			FirstFire: pick(s, schedule.Wait, schedule.Immediate),
			Pacing:    pick(s, schedule.FixedRate, schedule.FixedDelay),
		}
	case 1:
		return schedule.At{Hour: s.IntN(24), Minute: s.IntN(60), Second: s.IntN(60), DaysOfWeek: s.weekdays(), TimeZone: s.zone()}
	case 2:
		return schedule.Cron{Expression: pick(s, "0 3 * * *", "*/5 * * * * *", "0 0 1 1 *", "@daily"), TimeZone: s.zone()}
	case 3:
		return schedule.Once{Time: s.instant()}
	case 4:
		return schedule.Forever{}
	case 5:
		return schedule.OnStartUp{}
	case 6:
		return schedule.OnShutDown{}
	case 7:
		return schedule.Custom{
			TypeURL: pick(s, "type.googleapis.com/acme.v1.Tide", "/T", "a.b:1/~c/_x.Y2"),
			Value:   pick(s, "", "\x0a\x03abc", "\x00\xff\xfe"),
		}
	}
	if depth == 0 {
		return schedule.Forever{}
	}
	inner := make([]schedule.Trigger, 1+s.IntN(4))
	for i := range inner {
		inner[i] = s.part(depth - 1)
	}
	return schedule.AnyOf{Triggers: inner}
}

func (s source) weekdays() []time.Weekday {
	var days []time.Weekday
	for d := time.Sunday; d <= time.Saturday; d++ {
		if s.IntN(2) == 0 {
			days = append(days, d)
		}
	}
	return days
}

func (s source) exclusion() schedule.Exclusion {
	switch s.IntN(4) {
	case 0:
		day := func(year int) schedule.Date {
			return schedule.Date{Year: year, Month: 1 + s.IntN(12), Day: 1 + s.IntN(28)}
		}
		return schedule.Dates{First: day(1 + s.IntN(5000)), Last: pick(s, schedule.Date{}, day(5001+s.IntN(4998))), TimeZone: s.zone()}
	case 1:
		from := schedule.TimeOfDay{Hour: s.IntN(12), Minute: s.IntN(60), Second: pick(s, 0, s.IntN(60))}
		until := schedule.TimeOfDay{Hour: 12 + s.IntN(12), Minute: s.IntN(60), Second: pick(s, 0, s.IntN(60))}
		if s.IntN(2) == 0 {
			from, until = until, from
		}
		return schedule.Window{From: from, Until: pick(s, until, schedule.TimeOfDay{Hour: 24}), DaysOfWeek: s.weekdays(), TimeZone: s.zone()}
	case 2:
		return schedule.Cron{Expression: pick(s, "* 12 * * *", "0-29 * L * MON-FRI"), TimeZone: s.zone()}
	}
	return schedule.Calendar{Name: pick(s, "holidays", "9-to.5_")}
}

func (s source) fires() []task.Fire {
	var fires []task.Fire
	for range s.IntN(4) {
		f := task.Fire{Time: s.instant(), DSTShift: pick(s, schedule.NoShift, schedule.Gap, schedule.Overlap)}
		if s.IntN(2) == 0 {
			f.JitterLimit = time.Duration(1+s.Int64N(1e10)) * time.Microsecond
			f.JitteredTime = s.instant()
		}
		if s.IntN(2) == 0 {
			f.Excluded = schedule.Span{Count: 1 + s.Int64N(1000), First: s.instant(), Last: s.instant()}
		}
		fires = append(fires, f)
	}
	return fires
}

func (s source) run() task.Run {
	run := task.Run{
		ID:                 task.RunID(1 + s.Int64N(1<<62)),
		TaskID:             s.uuid(),
		TaskName:           s.text(),
		State:              task.RunState(1 + s.IntN(9)),
		Reason:             task.Reason(s.IntN(6)),
		Cause:              pick(s, task.ByFire, task.ByCall),
		ScheduledTime:      s.instant(),
		JitteredTime:       s.instant(),
		StartTime:          s.instant(),
		EndTime:            s.instant(),
		Fires:              s.Int64N(1 << 40),
		FirstScheduledTime: s.instant(),
		Attempt:            s.IntN(1 << 20),
		Input:              s.json(),
		Output:             s.json(),
		Error:              s.text(),
		Actor:              s.text(),
	}
	for i := range s.IntN(3) {
		run.Earlier = append(run.Earlier, task.Attempt{
			Number: i + 1, StartTime: s.instant(), EndTime: s.instant(),
			State: task.RunState(1 + s.IntN(9)), Error: s.text(),
		})
	}
	return run
}

// task returns a task without what the API does not show.
func (s source) task() task.Task {
	t := task.Task{
		ID:        s.uuid(),
		Namespace: s.text(),
		Declaration: task.Declaration{
			Name: s.text(), Description: s.text(), Group: s.text(), Trigger: s.trigger(3),
			Policy: task.Policy{
				Overlap:  pick(s, task.OverlapSkip, task.OverlapAllow),
				CatchUp:  pick(s, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
				Delivery: pick(s, task.AtLeastOnce, task.AtMostOnce),
				Timeout:  time.Duration(s.Int64N(1e15)),
			},
			Target: task.Target{Kind: s.text(), Summary: s.text()},
		},
		State:      pick(s, task.Active, task.Paused, task.Exhausted, task.Orphaned),
		Version:    s.Int64(),
		CreateTime: s.instant(),
		UpdateTime: s.instant(),
		Clock:      task.Clock{NextFireTime: s.instant(), FireCount: s.Int64()},
	}
	for i := range s.IntN(3) {
		if t.Declaration.Labels == nil {
			t.Declaration.Labels = map[string]string{}
		}
		t.Declaration.Labels[fmt.Sprintf("%d %s", i, s.text())] = s.text()
	}
	if s.IntN(2) == 0 {
		t.Override = &task.Override{
			Trigger: s.trigger(2), Actor: s.text(), Reason: s.text(), CreateTime: s.instant(),
			OnDeclaredChange: pick(s, task.Yield, task.Keep), DeclarationChanged: s.IntN(2) == 0,
		}
	}
	if s.IntN(2) == 0 {
		t.Pause = &task.Pause{Actor: s.text(), Reason: s.text(), CreateTime: s.instant()}
	}
	if s.IntN(2) == 0 {
		last := s.run()
		last.Input, last.Output = nil, nil
		t.LastRun = &last
	}
	return t
}

// json returns JSON in the form that it has after the wire: compact, keys sorted, numbers as doubles.
func (s source) json() []byte {
	if s.IntN(5) == 0 {
		return nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s.value(4)); err != nil {
		panic(err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

func (s source) value(depth int) any {
	n := 7
	if depth == 0 {
		n = 5
	}
	switch s.IntN(n) {
	case 0:
		return nil
	case 1:
		return s.IntN(2) == 0
	case 2:
		return s.NormFloat64() * pick(s, 1, 1e-300, 1e300)
	case 3:
		return float64(s.Int64N(1 << 53))
	case 4:
		return s.text()
	case 5:
		list := make([]any, s.IntN(4))
		for i := range list {
			list[i] = s.value(depth - 1)
		}
		return list
	}
	object := map[string]any{}
	for range s.IntN(4) {
		object[s.text()] = s.value(depth - 1)
	}
	return object
}
