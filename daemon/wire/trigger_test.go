package wire_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func fields(found []task.Violation) []string {
	var out []string
	for _, v := range found {
		out = append(out, v.Field)
	}
	return out
}

func violations(t *testing.T, err error) []task.Violation {
	t.Helper()
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("%v is no InvalidError", err)
	}
	return invalid.Violations
}

func unknownField(n protowire.Number) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), 1)
}

func withUnknown[M proto.Message](m M, n protowire.Number) M {
	m.ProtoReflect().SetUnknown(unknownField(n))
	return m
}

func anyOf(inner ...*clockdv1.Trigger) *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{AnyOf: &clockdv1.AnyOf{Triggers: inner}}}
}

func forever() *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_Forever{Forever: &clockdv1.Forever{}}}
}

func everyTrigger(e *clockdv1.Every) *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_Every{Every: e}}
}

func atTrigger(at *clockdv1.At) *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_At{At: at}}
}

func cronTrigger(expression, zone string) *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_Cron{Cron: &clockdv1.Cron{Expression: expression, TimeZone: zone}}}
}

func excluding(list ...*clockdv1.Exclusion) *clockdv1.Trigger {
	pb := forever()
	pb.Exclusions = list
	return pb
}

func dates(d *clockdv1.Dates) *clockdv1.Exclusion {
	return &clockdv1.Exclusion{Kind: &clockdv1.Exclusion_Dates{Dates: d}}
}

func window(w *clockdv1.Window) *clockdv1.Exclusion {
	return &clockdv1.Exclusion{Kind: &clockdv1.Exclusion_Window{Window: w}}
}

func minutes(c *clockdv1.Cron) *clockdv1.Exclusion {
	return &clockdv1.Exclusion{Kind: &clockdv1.Exclusion_Cron{Cron: c}}
}

func calendar(name string) *clockdv1.Exclusion {
	return &clockdv1.Exclusion{Kind: &clockdv1.Exclusion_Calendar{Calendar: name}}
}

func customTrigger(url string, value []byte) *clockdv1.Trigger {
	return &clockdv1.Trigger{Kind: &clockdv1.Trigger_Custom{Custom: &anypb.Any{TypeUrl: url, Value: value}}}
}

func TestEverythingWrongWithATriggerIsSaidOnceWithItsWholePath(t *testing.T) {
	hour := durationpb.New(time.Hour)
	for name, c := range map[string]struct {
		trigger *clockdv1.Trigger
		want    map[string]string // field: part of the description
	}{
		"no trigger": {nil, map[string]string{"trigger": "missing"}},
		"no kind": {&clockdv1.Trigger{}, map[string]string{
			"trigger": "exactly one of every, at, cron, once, forever, any_of, on_start_up, on_shut_down and custom must be set",
		}},
		"no kind inside, twice": {anyOf(forever(), &clockdv1.Trigger{}, nil), map[string]string{
			"trigger.any_of.triggers[1]": "exactly one of", "trigger.any_of.triggers[2]": "exactly one of",
		}},
		"arms without a message": {anyOf(
			everyTrigger(nil), atTrigger(nil), &clockdv1.Trigger{Kind: &clockdv1.Trigger_Cron{}},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{}},
		), map[string]string{
			"trigger.any_of.triggers[0].every.interval":  "missing",
			"trigger.any_of.triggers[1].at.time_zone":    "missing",
			"trigger.any_of.triggers[2].cron.expression": "",
			"trigger.any_of.triggers[2].cron.time_zone":  "missing",
			"trigger.any_of.triggers[3].any_of.triggers": "empty",
		}},
		"enums": {anyOf(
			everyTrigger(&clockdv1.Every{Interval: hour, FirstFire: 9, Pacing: -4}),
			atTrigger(&clockdv1.At{TimeZone: "UTC", DaysOfWeek: []clockdv1.DayOfWeek{1, 0, 8}}),
		), map[string]string{
			"trigger.any_of.triggers[0].every.first_fire":   "9 is unknown: one of FIRST_FIRE_WAIT, FIRST_FIRE_IMMEDIATE",
			"trigger.any_of.triggers[0].every.pacing":       "-4 is unknown",
			"trigger.any_of.triggers[1].at.days_of_week[1]": "DAY_OF_WEEK_UNSPECIFIED says nothing: one of DAY_OF_WEEK_MONDAY",
			"trigger.any_of.triggers[1].at.days_of_week[2]": "8 is unknown",
		}},
		"durations": {anyOf(
			everyTrigger(&clockdv1.Every{Interval: &durationpb.Duration{Seconds: math.MaxInt64}}),
			everyTrigger(&clockdv1.Every{Interval: &durationpb.Duration{Seconds: 1, Nanos: -1}}),
			everyTrigger(&clockdv1.Every{Interval: &durationpb.Duration{Seconds: 9223372036}}),
			everyTrigger(&clockdv1.Every{Interval: &durationpb.Duration{Seconds: -9223372037}}),
			everyTrigger(&clockdv1.Every{Interval: durationpb.New(0)}),
			everyTrigger(&clockdv1.Every{Interval: durationpb.New(time.Hour + 1)}),
		), map[string]string{
			"trigger.any_of.triggers[0].every.interval": "no duration",
			"trigger.any_of.triggers[1].every.interval": "no duration",
			"trigger.any_of.triggers[2].every.interval": "292 years",
			"trigger.any_of.triggers[3].every.interval": "292 years",
			"trigger.any_of.triggers[4].every.interval": "below 1ms",
			"trigger.any_of.triggers[5].every.interval": "microseconds",
		}},
		"instants": {&clockdv1.Trigger{
			StartTime: &timestamppb.Timestamp{Seconds: math.MinInt64},
			EndTime:   &timestamppb.Timestamp{Nanos: -1},
			Kind: &clockdv1.Trigger_Once{Once: &clockdv1.Once{
				Time: &timestamppb.Timestamp{Seconds: -62135596800, Nanos: 999}, // 0001-01-01, after cutting off
			}},
		}, map[string]string{
			"trigger.start_time": "no instant", "trigger.end_time": "no instant", "trigger.once.time": "leave it unset",
		}},
		"days without end": {atTrigger(&clockdv1.At{TimeZone: "UTC", DaysOfWeek: make([]clockdv1.DayOfWeek, 100)}), map[string]string{
			"trigger.at.days_of_week": "a week has 7",
		}},
		"fields of a newer version, at every depth": {withUnknown(anyOf(
			withUnknown(everyTrigger(withUnknown(&clockdv1.Every{Interval: withUnknown(durationpb.New(time.Hour), 3)}, 90)), 26),
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_Forever{Forever: withUnknown(&clockdv1.Forever{}, 1)}},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_OnStartUp{OnStartUp: withUnknown(&clockdv1.OnStartUp{}, 1)}},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_OnShutDown{OnShutDown: withUnknown(&clockdv1.OnShutDown{}, 1)}},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_Once{Once: withUnknown(&clockdv1.Once{}, 2)}},
			atTrigger(withUnknown(&clockdv1.At{TimeZone: "UTC"}, 6)),
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_Cron{Cron: withUnknown(&clockdv1.Cron{Expression: "@daily", TimeZone: "UTC"}, 3)}},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{AnyOf: withUnknown(&clockdv1.AnyOf{Triggers: []*clockdv1.Trigger{forever()}}, 2)}},
			&clockdv1.Trigger{Kind: forever().Kind, EndTime: withUnknown(timestamppb.New(time.Unix(1e9, 0)), 3)},
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_Custom{Custom: withUnknown(&anypb.Any{TypeUrl: "a/b"}, 3)}},
			excluding(
				withUnknown(calendar("c"), 5), dates(withUnknown(&clockdv1.Dates{First: "2026-12-24", TimeZone: "UTC"}, 4)),
				window(withUnknown(&clockdv1.Window{From: "9:00", Until: "10:00", TimeZone: "UTC"}, 5)),
				minutes(withUnknown(&clockdv1.Cron{Expression: "* * * * *", TimeZone: "UTC"}, 3)),
			),
		), 25), map[string]string{
			"trigger":                                          "field 25 is not known",
			"trigger.any_of.triggers[9].custom":                "field 3 ",
			"trigger.any_of.triggers[10].exclusions[0]":        "field 5 ",
			"trigger.any_of.triggers[10].exclusions[1].dates":  "field 4 ",
			"trigger.any_of.triggers[10].exclusions[2].window": "field 5 ",
			"trigger.any_of.triggers[10].exclusions[3].cron":   "field 3 ",

			"trigger.any_of.triggers[0]":                "field 26 is not known",
			"trigger.any_of.triggers[0].every":          "field 90 is not known",
			"trigger.any_of.triggers[0].every.interval": "field 3 is not known",
			"trigger.any_of.triggers[1].forever":        "field 1 ",
			"trigger.any_of.triggers[2].on_start_up":    "field 1 ",
			"trigger.any_of.triggers[3].on_shut_down":   "field 1 ",
			"trigger.any_of.triggers[4].once":           "field 2 ",
			"trigger.any_of.triggers[5].at":             "field 6 ",
			"trigger.any_of.triggers[6].cron":           "field 3 ",
			"trigger.any_of.triggers[7].any_of":         "field 2 ",
			"trigger.any_of.triggers[8].end_time":       "field 3 ",
		}},
		"what the message says and what it means, together": {anyOf(
			cronTrigger("61 * * * *", "Mars/Olympus"),
			atTrigger(&clockdv1.At{Hour: 24, TimeZone: "UTC", DaysOfWeek: []clockdv1.DayOfWeek{0}}),
			&clockdv1.Trigger{MaxFires: -1},
		), map[string]string{
			"trigger.any_of.triggers[0].cron.expression":    `minute "61" is outside 0-59`,
			"trigger.any_of.triggers[0].cron.time_zone":     `"Mars/Olympus"`,
			"trigger.any_of.triggers[1].at.hour":            "24 is outside 0-23",
			"trigger.any_of.triggers[1].at.days_of_week[0]": "DAY_OF_WEEK_UNSPECIFIED",
			"trigger.any_of.triggers[2]":                    "exactly one of",
			"trigger.any_of.triggers[2].max_fires":          "-1 is below 0",
		}},
		"jitter": {
			&clockdv1.Trigger{Jitter: durationpb.New(time.Nanosecond), Kind: anyOf(
				&clockdv1.Trigger{Kind: forever().Kind, Jitter: hour},
				&clockdv1.Trigger{Kind: forever().Kind, Jitter: &durationpb.Duration{Seconds: 1, Nanos: -1}},
			).Kind},
			map[string]string{
				"trigger.jitter":                    "is not a whole number of microseconds",
				"trigger.any_of.triggers[0].jitter": "only the outermost trigger may have one",
				"trigger.any_of.triggers[1].jitter": "no duration",
			},
		},
		"exclusions": {
			anyOf(excluding(
				window(&clockdv1.Window{From: "25:00", Until: "24:01", DaysOfWeek: []clockdv1.DayOfWeek{0}, TimeZone: "Berlin"}),
				dates(&clockdv1.Dates{First: "2026-13-01", Last: "tomorrow", TimeZone: "UTC"}),
				dates(&clockdv1.Dates{First: "0000-00-00", Last: "0000-00-00", TimeZone: "UTC"}),
				&clockdv1.Exclusion{}, nil,
				minutes(&clockdv1.Cron{Expression: "0 0 12 * * *", TimeZone: "UTC"}),
				calendar("no name"), calendar(""),
				dates(nil), window(nil), &clockdv1.Exclusion{Kind: &clockdv1.Exclusion_Cron{}},
				window(&clockdv1.Window{From: "09:00", Until: "9:00", TimeZone: "UTC"}),
			)),
			map[string]string{
				"trigger.any_of.triggers[0].exclusions[0].window.from":            `"25:00" is no time of day`,
				"trigger.any_of.triggers[0].exclusions[0].window.until":           `"24:01" is no time of day`,
				"trigger.any_of.triggers[0].exclusions[0].window.days_of_week[0]": "DAY_OF_WEEK_UNSPECIFIED says nothing",
				"trigger.any_of.triggers[0].exclusions[0].window.time_zone":       `"Berlin"`,
				"trigger.any_of.triggers[0].exclusions[1].dates.first":            "2026-13-01 is no date of the calendar",
				"trigger.any_of.triggers[0].exclusions[1].dates.last":             `"tomorrow" is no date such as 2026-12-24`,
				"trigger.any_of.triggers[0].exclusions[2].dates.first":            `"0000-00-00" is no date such as`,
				"trigger.any_of.triggers[0].exclusions[2].dates.last":             `"0000-00-00" is no date such as`,
				"trigger.any_of.triggers[0].exclusions[3]":                        "exactly one of dates, window, cron and calendar",
				"trigger.any_of.triggers[0].exclusions[4]":                        "exactly one of dates, window, cron and calendar",
				"trigger.any_of.triggers[0].exclusions[5].cron.expression":        "has six fields",
				"trigger.any_of.triggers[0].exclusions[6].calendar":               `"no name" is no name of a calendar`,
				"trigger.any_of.triggers[0].exclusions[7].calendar":               `"" is no name of a calendar`,
				"trigger.any_of.triggers[0].exclusions[8].dates.first":            "missing",
				"trigger.any_of.triggers[0].exclusions[8].dates.time_zone":        "missing",
				"trigger.any_of.triggers[0].exclusions[9].window.from":            "missing",
				"trigger.any_of.triggers[0].exclusions[9].window.until":           "missing",
				"trigger.any_of.triggers[0].exclusions[9].window.time_zone":       "missing",
				"trigger.any_of.triggers[0].exclusions[10].cron.expression":       "",
				"trigger.any_of.triggers[0].exclusions[10].cron.time_zone":        "missing",
				"trigger.any_of.triggers[0].exclusions[11].window.until":          "09:00 is the same as from",
			},
		},
		"more exclusions than there may be": {excluding(make([]*clockdv1.Exclusion, 65)...), map[string]string{
			"trigger.exclusions": "65 of them, at most 64 are allowed",
		}},
		"custom": {anyOf(
			customTrigger("", nil), customTrigger("acme.v1.Tide", nil), customTrigger("a/"+strings.Repeat("b", 600), nil),
			customTrigger("a/b", make([]byte, 64<<10+1)), &clockdv1.Trigger{Kind: &clockdv1.Trigger_Custom{}},
		), map[string]string{
			"trigger.any_of.triggers[0].custom.type_url": "missing",
			"trigger.any_of.triggers[1].custom.type_url": `"acme.v1.Tide" is no type URL such as`,
			"trigger.any_of.triggers[2].custom.type_url": "602 bytes, at most 512 are allowed",
			"trigger.any_of.triggers[3].custom.value":    "65537 bytes, at most 65536 are allowed",
			"trigger.any_of.triggers[4].custom.type_url": "missing",
		}},
		"a message that is too large to be shown four times over": {
			&clockdv1.Trigger{Kind: &clockdv1.Trigger_Custom{Custom: &anypb.Any{TypeUrl: "a/b", Value: make([]byte, 1<<20)}}},
			map[string]string{"trigger": "at most 786432 are allowed"},
		},
		"too deep, and something else": {anyOf(anyOf(anyOf(anyOf(anyOf(forever())))), &clockdv1.Trigger{}), map[string]string{
			"trigger.any_of.triggers[0].any_of.triggers[0].any_of.triggers[0].any_of.triggers[0].any_of": "nested more than",
			"trigger.any_of.triggers[1]": "exactly one of",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := wire.TriggerFromProto("trigger", c.trigger)
			seen := map[string]bool{}
			for _, v := range found {
				want, ok := c.want[v.Field]
				if !ok || !strings.Contains(v.Description, want) {
					t.Errorf("%s: %q, want %q", v.Field, v.Description, want)
				}
				if seen[v.Field] {
					t.Errorf("%s: said twice", v.Field)
				}
				seen[v.Field] = true
			}
			for field := range c.want {
				if !seen[field] {
					t.Errorf("nothing is said of %s", field)
				}
			}
		})
	}
}

func TestInstantsAreCutOffToTheMicrosecond(t *testing.T) {
	pb := forever()
	pb.StartTime = &timestamppb.Timestamp{Seconds: -1, Nanos: 123456789}
	got, found := wire.TriggerFromProto("trigger", pb)
	if want := time.Unix(-1, 123456000).UTC(); len(found) > 0 || !got.StartTime.Equal(want) || got.StartTime.Location() != time.UTC {
		t.Errorf("want %v, got %v, %v", want, got.StartTime, found)
	}
}

func TestAPathWithoutARootHasNoLeadingDot(t *testing.T) {
	_, found := wire.TriggerFromProto("", anyOf(cronTrigger("", "UTC")))
	if got := fields(found); !cmp.Equal(got, []string{"any_of.triggers[0].cron.expression"}) {
		t.Errorf("got %q", got)
	}
}

func TestATriggerAsLargeAsAllowedIsRead(t *testing.T) {
	root := anyOf()
	for range 15 {
		inner := anyOf()
		for range 64 {
			inner.GetAnyOf().Triggers = append(inner.GetAnyOf().Triggers, forever())
		}
		root.GetAnyOf().Triggers = append(root.GetAnyOf().Triggers, inner)
	}
	root.GetAnyOf().Triggers = append(root.GetAnyOf().Triggers, forever())
	got, found := wire.TriggerFromProto("trigger", root)
	if len(found) > 0 {
		t.Fatal(found)
	}
	if n := len(got.Kind.(schedule.AnyOf).Triggers); n != 16 {
		t.Errorf("%d triggers", n)
	}
}

func TestHostileTriggersAreRefusedAtBoundedCost(t *testing.T) {
	deep := forever()
	for range 10000 {
		deep = anyOf(deep)
	}
	wide := anyOf(make([]*clockdv1.Trigger, 1_000_000)...)
	tree := anyOf()
	for range 1000 {
		inner := anyOf()
		for range 100 {
			inner.GetAnyOf().Triggers = append(inner.GetAnyOf().Triggers, anyOf(forever(), &clockdv1.Trigger{}))
		}
		tree.GetAnyOf().Triggers = append(tree.GetAnyOf().Triggers, inner)
	}
	bush := anyOf()
	for range 60 {
		at := &clockdv1.At{}
		for i := range 60 {
			at.DaysOfWeek = append(at.DaysOfWeek, clockdv1.DayOfWeek(100+i))
		}
		bush.GetAnyOf().Triggers = append(bush.GetAnyOf().Triggers, atTrigger(at))
	}
	unknown := forever()
	var raw []byte
	for n := range 100_000 {
		raw = append(raw, unknownField(protowire.Number(1000+n))...)
	}
	unknown.ProtoReflect().SetUnknown(raw)
	busy := anyOf()
	for range 60 {
		inner := excluding()
		for range 64 {
			inner.Exclusions = append(inner.Exclusions, window(&clockdv1.Window{
				From: strings.Repeat("2", 100), DaysOfWeek: make([]clockdv1.DayOfWeek, 64), TimeZone: "UTC",
			}))
		}
		busy.GetAnyOf().Triggers = append(busy.GetAnyOf().Triggers, inner)
	}
	torn := forever()
	torn.ProtoReflect().SetUnknown([]byte{0xff})

	for name, pb := range map[string]*clockdv1.Trigger{
		"very many exclusions": excluding(make([]*clockdv1.Exclusion, 400_000)...), "days and texts in exclusions": busy,
		"a date of 1 MB": excluding(dates(&clockdv1.Dates{First: strings.Repeat("2", 1_000_000), TimeZone: "UTC"})),
		"a URL of 1 MB":  customTrigger(strings.Repeat(".", 1_000_000), nil),
		"deep":           deep, "wide": wide, "tree": tree, "bush": bush, "unknown fields": unknown, "torn field": torn,
		"an expression of 3 MB": cronTrigger(strings.Repeat("* ", 3<<19), "UTC"),
		"a zone of 3 MB":        cronTrigger("@daily", strings.Repeat("A", 3<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			_, found := wire.TriggerFromProto("trigger", pb)
			if len(found) == 0 || len(found) > 300 {
				t.Fatalf("%d violations", len(found))
			}
			st := wire.ToStatus(&task.InvalidError{Violations: found}, nil)
			if n := trailer(t, st); n > 7168 {
				t.Errorf("a trailer of %d bytes", n)
			}
		})
	}
}

// The check would refuse it too, but only after all of it was copied.
func TestNoMoreTriggersAreReadThanThereMayBe(t *testing.T) {
	_, found := wire.TriggerFromProto("trigger", anyOf(make([]*clockdv1.Trigger, 1024)...))
	if len(found) == 0 || found[0].Field != "trigger.any_of.triggers" || !strings.Contains(found[0].Description, "at most 1024 in all") {
		t.Errorf("got %v", found)
	}
}

// Only those who have calendars and custom kinds can say whether a trigger names one that there is.
func TestWhatATriggerNamesIsLookedUpWhereItIsKnown(t *testing.T) {
	pb := anyOf(customTrigger("type.googleapis.com/acme.v1.Tide", nil), excluding(calendar("holidays"), calendar("holydays"), calendar("")))
	pb.Jitter = durationpb.New(-1)
	all := []string{
		"trigger.any_of.triggers[0].custom.type_url", "trigger.any_of.triggers[1].exclusions[0].calendar",
		"trigger.any_of.triggers[1].exclusions[1].calendar", "trigger.any_of.triggers[1].exclusions[2].calendar", "trigger.jitter",
	}
	x, err := schedule.NewExtensions(map[string][]schedule.Exclusion{"holidays": nil}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, checked := wire.TriggerFromProto("trigger", pb)
	_, none := wire.ResolvedTriggerFromProto("trigger", pb, nil)
	_, some := wire.ResolvedTriggerFromProto("trigger", pb, x)
	for _, c := range []struct {
		name string
		got  []task.Violation
		want []string
	}{
		{"checked", checked, all[3:]},
		{"resolved without any", none, all},
		{"resolved with some", some, []string{all[0], all[2], all[3], all[4]}},
	} {
		if diff := cmp.Diff(c.want, fields(c.got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
	if len(some) > 1 && !strings.Contains(some[1].Description, `"holydays" is not declared: there are holidays`) {
		t.Errorf("got %v", some[1])
	}
}

// The pieces of a calendar are read one by one.
func TestAnExclusionIsReadAndNotChecked(t *testing.T) {
	e, found := wire.ExclusionFromProto("calendars.a[1]", window(&clockdv1.Window{From: "22:00", Until: "24:30"}))
	want := schedule.Window{From: schedule.TimeOfDay{Hour: 22}}
	if diff := cmp.Diff([]string{"calendars.a[1].window.until"}, fields(found)); diff != "" || !cmp.Equal(e, schedule.Exclusion(want)) {
		t.Errorf("got %+v, %v", e, found)
	}
	if e, found := wire.ExclusionFromProto("x", nil); e != nil || len(found) != 1 {
		t.Errorf("got %+v, %v", e, found)
	}
}

func FuzzTriggerFromProto(f *testing.F) {
	for seed := range uint64(20) {
		raw, err := proto.Marshal(wire.TriggerToProto(newSource(seed).trigger(3)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		pb := &clockdv1.Trigger{}
		if proto.Unmarshal(raw, pb) != nil {
			return
		}
		got, found := wire.TriggerFromProto("trigger", pb)
		if len(found) > 0 {
			for _, v := range found {
				if v.Description == "" || v.Field == "" && !strings.HasPrefix(v.Description, "…") {
					t.Errorf("%+v says too little", v)
				}
			}
			return
		}
		again, found := wire.TriggerFromProto("trigger", overTheWire(t, wire.TriggerToProto(got)))
		if len(found) > 0 || !schedule.Equal(got, again) {
			t.Errorf("%+v became %+v, %v", got, again, found)
		}
	})
}
