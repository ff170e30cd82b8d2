package daemon_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	_, err := daemon.New(daemon.Config{
		Namespace: " spaced", ClaimAhead: time.Hour, StopGrace: -time.Second,
		Tasks: []daemon.Task{
			{Trigger: schedule.MustParse("once"), Do: nothing},
			{
				Name: "odd", Description: "\xff", Group: "g\x00", Labels: map[string]string{"": "x"},
				Trigger: schedule.MustParse("once"), Do: nothing, Policy: task.Policy{Overlap: 99},
			},
			{Name: "idle", Trigger: schedule.MustParse("once")},
			{Name: "twice", Trigger: schedule.MustParse("once"), Do: nothing},
			{Name: "twice", Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: "61 * * * *"}}, Do: nothing, Policy: task.Policy{Timeout: -1}},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`namespace: " spaced" starts with a space`,
		`claim ahead: 1h0m0s is outside 1ms to 10s`,
		`stop grace: -1s is less than 1ms`,
		`tasks[0]: name: a name is missing`,
		`task "idle": Do is missing`,
		`task "twice": tasks[4] has the same name as tasks[3]`,
		`task "twice": policy.timeout: -1ns is negative`,
		`task "odd": group: "g\x00" has a control character`,
		`task "odd": description: "\xff" is not valid UTF-8`,
		`task "odd": labels: a name is missing`,
		`task "odd": policy.overlap: 99 is unknown`,
		`task "twice": trigger.cron.expression: minute "61" is outside 0-59`,
		`task "twice": trigger.cron.time_zone: `,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestNewSaysEverythingThatIsWrongWithCalendarsAndCustomKinds(t *testing.T) {
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	cfg := daemon.Config{
		Calendars: map[string][]schedule.Exclusion{
			"holidays": {schedule.Dates{First: schedule.Date{Year: 2026, Month: 2, Day: 30}, TimeZone: "UTC"}},
			"closed":   {schedule.Calendar{Name: "holidays"}},
			"-":        nil,
		},
		Tasks: []daemon.Task{
			// What calendars and kinds there are is not known, so this one is not blamed.
			{Name: "tide", Trigger: every(time.Hour), Do: nothing},
			{Name: "cron", Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: "61 * * * *", TimeZone: "UTC"}}, Do: nothing},
		},
	}
	newSource := func(*wrapperspb.StringValue) (schedule.Source, error) { return steps(time.Hour), nil }
	daemon.RegisterTrigger(&cfg, newSource)
	daemon.RegisterTrigger(&cfg, newSource)
	daemon.RegisterTrigger[*durationpb.Duration](&cfg, nil)
	daemon.RegisterTrigger(&cfg, func(proto.Message) (schedule.Source, error) { return steps(time.Hour), nil })
	daemon.RegisterTrigger(&cfg, func(*dynamicpb.Message) (schedule.Source, error) { return steps(time.Hour), nil })
	daemon.RegisterTrigger(&cfg, func(*anypb.Any) (schedule.Source, error) { return steps(time.Hour), nil })
	daemon.RegisterTrigger(&cfg, func(wrapped) (schedule.Source, error) { return steps(time.Hour), nil })
	_, err := daemon.New(cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"calendars.holidays[0].dates.first: 2026-02-30 is no date",
		`calendars.closed[0].calendar: "holidays": a calendar can not hold another one`,
		`calendars: "-"`,
		"RegisterTrigger of *wrapperspb.StringValue: type.googleapis.com/google.protobuf.StringValue is registered already",
		"RegisterTrigger of *durationpb.Duration: newSource is nil",
		"RegisterTrigger of protoreflect.ProtoMessage: the type must be that of a generated message",
		"RegisterTrigger of *dynamicpb.Message: the type must be that of a generated message",
		"RegisterTrigger of *anypb.Any: an Any is what custom triggers are sent in",
		"RegisterTrigger of daemon_test.wrapped: the type must be that of a generated message",
		`task "cron": trigger.cron.expression: minute "61" is outside 0-59`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `task "tide"`) {
		t.Errorf("a task is blamed for what may be right:\n%v", err)
	}
}

// wrapped is a message only in that it holds one.
type wrapped struct{ *durationpb.Duration }

func TestNewSaysWhichCalendarsAndCustomKindsThereAre(t *testing.T) {
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	custom := func(url, value string) schedule.Trigger {
		return schedule.Trigger{Kind: schedule.Custom{TypeURL: url, Value: value}}
	}
	const duration = "type.googleapis.com/google.protobuf.Duration"
	cfg := daemon.Config{
		Calendars: map[string][]schedule.Exclusion{"nights": nil, "weekends": nil},
		Tasks: []daemon.Task{
			{Name: "calendar", Trigger: but("every 1h"), Do: nothing},
			{Name: "kind", Trigger: custom("example.com/google.protobuf.Duration", ""), Do: nothing},
			{Name: "bytes", Trigger: custom(duration, "\xff"), Do: nothing},
			{Name: "text", Trigger: custom("type.googleapis.com/google.protobuf.StringValue", "\x0a\x01\xff"), Do: nothing},
			{Name: "inner", Trigger: custom("type.googleapis.com/google.protobuf.ListValue", "\x0a\x02\x78\x01"), Do: nothing},
			{Name: "entry", Trigger: custom("type.googleapis.com/google.protobuf.Struct", "\x0a\x07\x0a\x01a\x12\x02\x78\x01"), Do: nothing},
			{Name: "code", Trigger: every(time.Millisecond), Do: nothing},
			{Name: "panic", Trigger: daemon.CustomTrigger(wrapperspb.String("reef")), Do: nothing},
			{Name: "good", Trigger: every(time.Hour), Do: nothing},
		},
	}
	registerSteps(&cfg)
	daemon.RegisterTrigger(&cfg, func(m *wrapperspb.StringValue) (schedule.Source, error) { panic("struck a " + m.GetValue()) })
	daemon.RegisterTrigger(&cfg, func(*structpb.ListValue) (schedule.Source, error) { return steps(time.Hour), nil })
	daemon.RegisterTrigger(&cfg, func(*structpb.Struct) (schedule.Source, error) { return steps(time.Hour), nil })
	cfg.Logger = slog.New(slog.DiscardHandler)
	_, err := daemon.New(cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`task "calendar": trigger.exclusions[0].calendar`,
		"there are nights, weekends",
		`task "kind": trigger.custom.type_url: "example.com/google.protobuf.Duration" is not known: there are ` + duration + ",",
		`task "bytes": trigger.custom.value: the bytes are no google.protobuf.Duration: `,
		`task "text": trigger.custom.value: the bytes are no google.protobuf.StringValue: `,
		`task "inner": trigger.custom.value: the bytes have a field that google.protobuf.Value does not know here`,
		`task "entry": trigger.custom.value: the bytes have a field that google.protobuf.Value does not know here`,
		`task "code": trigger.custom.value: 1ms is below 1s: say how far apart the fires are`,
		`task "panic": trigger.custom.value: panic: struck a reef`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `task "good"`) || strings.Contains(err.Error(), "\u00a0") {
		t.Errorf("%q", err)
	}
}

func TestCopiesOfAConfigDoNotShareTheirCustomKinds(t *testing.T) {
	var base daemon.Config
	registerSteps(&base)
	one, two := base, base
	daemon.RegisterTrigger(&one, func(*wrapperspb.StringValue) (schedule.Source, error) { return steps(time.Hour), nil })
	daemon.RegisterTrigger(&two, func(*wrapperspb.Int64Value) (schedule.Source, error) { return steps(time.Hour), nil })
	one.Tasks = []daemon.Task{does("job", daemon.CustomTrigger(wrapperspb.String("")), 0)}
	two.Tasks = []daemon.Task{does("job", daemon.CustomTrigger(wrapperspb.Int64(0)), 0)}
	for _, cfg := range []daemon.Config{one, two} {
		if _, err := daemon.New(cfg); err != nil {
			t.Error(err)
		}
	}
}

func TestACustomTriggerIsTheSameForTheSameMessage(t *testing.T) {
	message := func() *structpb.Struct {
		m := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for i := range 50 {
			m.Fields[strings.Repeat("x", i)] = structpb.NewNumberValue(float64(i))
		}
		return m
	}
	first := daemon.CustomTrigger(message())
	for range 20 {
		if !schedule.Equal(first, daemon.CustomTrigger(message())) {
			t.Fatal("the same message makes different triggers")
		}
	}
	for name, m := range map[string]proto.Message{"nil": nil, "not UTF-8": wrapperspb.String("\xff")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			daemon.CustomTrigger(m)
		}()
	}
}

func TestTheZeroConfigWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		for got, err := range d.Client().Tasks(t.Context(), client.TaskFilter{}) {
			t.Errorf("task %v, %v", got, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Run(t.Context()); err == nil {
			t.Error("a second Run did not fail")
		}
		if _, err := d.Client().Task(t.Context(), task.ByName("x")); status.Code(err) != codes.Canceled && status.Code(err) != codes.Unavailable {
			t.Errorf("a call after the end: %v", err)
		}
	})
}

func TestACallBeforeRunWaitsForIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		d, err := daemon.New(daemon.Config{Tasks: []daemon.Task{at("job", "every 1h", 0)}, Logger: w.log})
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := d.Client().Task(t.Context(), task.ByName("job"))
			answered <- err
		}()
		w.sleep(time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestADaemonThatNeverRanLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(*testing.T) { // fails if a goroutine is left
		d, err := daemon.New(daemon.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_ = d
	})
}
