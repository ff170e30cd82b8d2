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
		Reason:             task.Reason(s.IntN(8)),
		Cause:              pick(s, task.ByFire, task.ByCall, task.ByBackfill),
		ScheduledTime:      s.instant(),
		JitteredTime:       s.instant(),
		NextAttemptTime:    s.instant(),
		StartTime:          s.instant(),
		EndTime:            s.instant(),
		Fires:              s.Int64N(1 << 40),
		FirstScheduledTime: s.instant(),
		Attempt:            s.IntN(1 << 20),
		Input:              s.json(),
		Output:             s.json(),
		Error:              s.text(),
		Actor:              s.text(),
		Worker:             s.text(),
		Node:               s.node(),
	}
	for i := range s.IntN(3) {
		run.Earlier = append(run.Earlier, task.Attempt{
			Number: i + 1, StartTime: s.instant(), EndTime: s.instant(),
			State: task.RunState(1 + s.IntN(9)), Error: s.text(), Worker: s.text(), Node: s.node(),
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
			Policy: s.policy(),
			Target: task.Target{Kind: s.text(), Summary: s.text()},
			Spec:   s.spec(),
		},
		OrphanTime:   s.instant(),
		OrphanReason: s.text(),
		Origin:       pick(s, task.Declared, task.Created, task.Announced),
		Revision:     s.Int64(),
		FailureCount: s.Int64(),
		Counts: task.Counts{
			Succeeded: s.Int64(), Failed: s.Int64(), TimedOut: s.Int64(), Canceled: s.Int64(), Lost: s.Int64(),
			SkippedOverlap: s.Int64(), SkippedPaused: s.Int64(), SkippedOrphaned: s.Int64(), SkippedExcluded: s.Int64(), SkippedLimit: s.Int64(),
			Missed: s.Int64(), Merged: s.Int64(),
		},
		State:      pick(s, task.Active, task.Paused, task.Exhausted, task.Orphaned),
		Version:    s.Int64(),
		CreateTime: s.instant(),
		UpdateTime: s.instant(),
		Clock:      task.Clock{NextFireTime: s.instant(), FireCount: s.Int64()},
	}
	t.Declaration.Labels = s.words()
	if s.IntN(2) == 0 {
		t.Override = &task.Override{
			Trigger: s.trigger(2), Actor: s.text(), Reason: s.text(), CreateTime: s.instant(),
			OnDeclaredChange: pick(s, task.Yield, task.Keep), DeclarationChanged: s.IntN(2) == 0,
			ExpireTime: s.instant(),
		}
	}
	if s.IntN(2) == 0 {
		t.Pause = &task.Pause{Actor: s.text(), Reason: s.text(), CreateTime: s.instant(), ResumeTime: s.instant()}
	}
	if s.IntN(2) == 0 {
		last := s.run()
		last.Input, last.Output = nil, nil
		t.LastRun = &last
	}
	return t
}

// words returns a map, or nil.
func (s source) words() map[string]string {
	var m map[string]string
	for i := range s.IntN(3) {
		if m == nil {
			m = map[string]string{}
		}
		m[fmt.Sprintf("%d %s", i, s.text())] = s.text()
	}
	return m
}

// span returns a span as a policy may have it, or zero.
func (s source) span() time.Duration { return pick(s, 0, time.Duration(s.Int64N(int64(task.MaxSpan)))) }

func (s source) policy() task.Policy {
	p := task.Policy{
		Overlap:            pick(s, task.OverlapSkip, task.OverlapAllow, task.OverlapQueue, task.OverlapCancel),
		CatchUp:            pick(s, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
		CatchUpWindow:      s.span(),
		Delivery:           pick(s, task.AtLeastOnce, task.AtMostOnce),
		Timeout:            s.span(),
		PauseAfterFailures: pick(s, 0, s.IntN(1<<31)),
	}
	if s.IntN(2) == 0 {
		p.Retry = task.Retry{
			MaxAttempts: pick(s, 0, s.IntN(task.MaxRetryAttempts)), Backoff: s.span(), MaxBackoff: s.span(), Jitter: pick(s, 0, s.Float64()),
		}
	}
	if s.IntN(2) == 0 {
		p.Retention = task.Retention{
			Keep: pick(s, task.KeepAll, task.KeepFailures, task.KeepNone), MaxRuns: pick(s, 0, s.Int64N(1e9)), MaxAge: s.span(),
		}
	}
	return p
}

func (s source) spec() *task.TargetSpec {
	switch s.IntN(5) {
	case 3:
		return &task.TargetSpec{Worker: &task.WorkerSpec{}}
	case 4:
		g := &task.GRPCSpec{Address: s.text(), Method: s.text(), Body: s.text(), Metadata: s.words(), OutputLimit: s.IntN(1 << 20)}
		if s.IntN(2) == 0 {
			g.TLS = &task.TLSSpec{CAFile: s.text(), CertFile: s.text(), KeyFile: s.text(), ServerName: s.text()}
		}
		return &task.TargetSpec{GRPC: g}
	case 0:
		return &task.TargetSpec{Command: &task.CommandSpec{
			Args: []string{s.text(), s.text()}, Env: s.words(), Dir: s.text(), Stdin: s.text(),
			OutputLimit: s.IntN(1 << 20), KillDelay: s.span(),
		}}
	case 1:
		return &task.TargetSpec{HTTP: &task.HTTPSpec{
			Method: s.text(), URL: s.text(), Headers: s.words(), Body: s.text(),
			ExpectStatus: pick(s, nil, []int{200, 204}), OutputLimit: s.IntN(1 << 20),
		}}
	}
	return nil
}

// declaration returns one of a task that lives in the store, in good order.
func (s source) declaration() task.Declaration {
	d := task.Declaration{
		Name: pick(s, "report", "日本"), Description: s.text(), Group: pick(s, "", "storage"), Labels: pick(s, nil, map[string]string{"team": "ops"}),
		Trigger: s.trigger(3), Policy: s.policy(), Spec: s.spec(),
	}
	for d.Spec == nil {
		d.Spec = s.spec()
	}
	return d
}

func (s source) event() task.Event {
	return task.Event{
		ID: 1 + s.Int64(), Time: s.instant(), Action: task.Action(1 + s.IntN(17)), TaskID: s.uuid(), TaskName: s.text(),
		RunID: pick(s, 0, task.RunID(1+s.Int64N(1<<62))), Actor: s.text(), Peer: s.text(), Reason: s.text(),
		Before: s.object(), After: s.object(),
	}
}

func (s source) diff() task.TaskDiff {
	return task.TaskDiff{TaskName: s.text(), Action: task.Action(1 + s.IntN(7)), Reason: s.text(), Before: s.object(), After: s.object()}
}

func (s source) taskChanges() task.TaskChanges {
	c := task.TaskChanges{Reset: s.IntN(2) == 0, Synced: s.IntN(2) == 0}
	for range s.IntN(3) {
		c.Tasks = append(c.Tasks, s.task())
	}
	for range s.IntN(3) {
		c.Deleted = append(c.Deleted, s.uuid())
	}
	return c
}

func (s source) runChanges() task.RunChanges {
	c := task.RunChanges{Reset: s.IntN(2) == 0, Synced: s.IntN(2) == 0, Runs: s.bareRuns()}
	for range s.IntN(3) {
		c.TakenBack = append(c.TakenBack, task.RunID(1+s.Int64N(1<<62)))
	}
	return c
}

func (s source) bareRuns() []task.Run {
	var runs []task.Run
	for range s.IntN(3) {
		run := s.run()
		run.Input, run.Output = nil, nil
		runs = append(runs, run)
	}
	return runs
}

func (s source) output() task.Output {
	return task.Output{
		Stream: pick(s, task.Stdout, task.Stderr), Data: []byte(pick(s, "x", "\xff\x00", "line\n")), Dropped: s.Int64(), Attempt: s.IntN(1000),
	}
}

// object returns a JSON object as an event has it, or nil.
func (s source) object() []byte {
	if s.IntN(4) == 0 {
		return nil
	}
	object := map[string]any{}
	for range s.IntN(4) {
		object[s.text()] = s.value(3)
	}
	return s.encode(object)
}

// json returns JSON in the form that it has after the wire: compact, keys sorted, numbers as doubles.
func (s source) json() []byte {
	if s.IntN(5) == 0 {
		return nil
	}
	return s.encode(s.value(4))
}

func (source) encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
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

// node returns the id of a node, or none.
func (s source) node() uuid.UUID { return pick(s, uuid.Nil, s.uuid()) }

func (s source) clusterNode() task.Node {
	return task.Node{
		ID: s.uuid(), Name: s.text(), Address: s.text(), Version: s.text(), Revision: s.Int64(), StartTime: s.instant(),
		Lease: s.span(), LeaseExpireTime: s.instant(), State: pick(s, task.Alive, task.Left, task.GivenUp), EndTime: s.instant(),
		NodeLoad: task.NodeLoad{
			Tasks: s.Int64(), Going: s.Int64(), Waiting: s.Int64(), Workers: s.Int64(),
			ClockOffset: pick(s, s.span(), -s.span()), Draining: s.IntN(2) == 0,
		},
	}
}
