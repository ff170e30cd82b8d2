package schedule_test

import (
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

func TestTextForm(t *testing.T) {
	jan := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text, canonical string // "": the text is canonical
		want            schedule.Trigger
	}{
		{"every 10m", "", schedule.Trigger{Kind: schedule.Every{Interval: 10 * time.Minute}}},
		{"EVERY 60M  Immediate", "every 1h immediate", schedule.Trigger{Kind: schedule.Every{Interval: time.Hour, FirstFire: schedule.Immediate}}},
		{"every 90s fixed-delay immediate", "every 1m30s immediate fixed-delay", schedule.Trigger{Kind: schedule.Every{Interval: 90 * time.Second, FirstFire: schedule.Immediate, Pacing: schedule.FixedDelay}}},
		{"every 1500ms", "every 1.5s", schedule.Trigger{Kind: schedule.Every{Interval: 1500 * time.Millisecond}}},
		{"every 1h0.5s", "", schedule.Trigger{Kind: schedule.Every{Interval: time.Hour + 500*time.Millisecond}}},
		{"every 1.001ms", "", schedule.Trigger{Kind: schedule.Every{Interval: 1001 * time.Microsecond}}},
		{"every 2562047h47m16.854775s", "", schedule.Trigger{Kind: schedule.Every{Interval: 9223372036854775 * time.Microsecond}}},
		{"at 09:30 UTC", "", schedule.Trigger{Kind: schedule.At{Hour: 9, Minute: 30, TimeZone: "UTC"}}},
		{"At 9:30:00 Fri , MON Europe/Berlin", "at 09:30 mon,fri Europe/Berlin", schedule.Trigger{Kind: schedule.At{Hour: 9, Minute: 30, DaysOfWeek: []time.Weekday{1, 5}, TimeZone: "Europe/Berlin"}}},
		{"at 09:30:15 sat-mon,sun Etc/GMT+5", "at 09:30:15 mon,sat,sun Etc/GMT+5", schedule.Trigger{Kind: schedule.At{Hour: 9, Minute: 30, Second: 15, DaysOfWeek: []time.Weekday{1, 6, 0}, TimeZone: "Etc/GMT+5"}}},
		{"at 00:00 mon-sun UTC", "at 00:00 UTC", schedule.Trigger{Kind: schedule.At{TimeZone: "UTC"}}},
		{`cron "0 3 * * *" Europe/Berlin`, "", schedule.Trigger{Kind: schedule.Cron{Expression: "0 3 * * *", TimeZone: "Europe/Berlin"}}},
		{`cron"  @Daily "UTC`, `cron "@Daily" UTC`, schedule.Trigger{Kind: schedule.Cron{Expression: "@Daily", TimeZone: "UTC"}}},
		{"once", "", schedule.Trigger{Kind: schedule.Once{}}},
		{"once 2027-01-01t01:00:00+01:00", "once 2027-01-01T00:00:00Z", schedule.Trigger{Kind: schedule.Once{Time: jan}}},
		{"once 2027-01-01T00:00:00.1234567Z", "once 2027-01-01T00:00:00.123456Z", schedule.Trigger{Kind: schedule.Once{Time: jan.Add(123456 * time.Microsecond)}}},
		{" forever ", "forever", schedule.Trigger{Kind: schedule.Forever{}}},
		{"startup", "", schedule.Trigger{Kind: schedule.OnStartUp{}}},
		{"ShutDown max=1", "shutdown max=1", schedule.Trigger{Kind: schedule.OnShutDown{}, MaxFires: 1}},
		{"forever until=2028-01-01T00:00:00Z MAX=9223372036854775807 from=2027-01-01T00:00:00Z", "forever max=9223372036854775807 from=2027-01-01T00:00:00Z until=2028-01-01T00:00:00Z", schedule.Trigger{Kind: schedule.Forever{}, MaxFires: 9223372036854775807, StartTime: jan, EndTime: jan.AddDate(1, 0, 0)}},
		{"any(every 1h; at 12:00 UTC)", "", anyOf(schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}, schedule.Trigger{Kind: schedule.At{Hour: 12, TimeZone: "UTC"}})},
		{
			"any\n(\tonce max=2;any(startup max=3)max=4)max=5", "any(once max=2; any(startup max=3) max=4) max=5",
			schedule.Trigger{MaxFires: 5, Kind: schedule.AnyOf{Triggers: []schedule.Trigger{
				{Kind: schedule.Once{}, MaxFires: 2},
				{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.OnStartUp{}, MaxFires: 3}}}, MaxFires: 4},
			}}},
		},
	} {
		got, err := schedule.Parse(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q is %#v, want %#v", tt.text, got, tt.want)
		}
		canonical := tt.canonical
		if canonical == "" {
			canonical = tt.text
		}
		if got.String() != canonical || tt.want.String() != canonical {
			t.Errorf("%q prints as %q, want %q", tt.text, got, canonical)
		}
	}
}

func TestSyntaxErrorsSayWhereAndWhatWouldBeRight(t *testing.T) {
	const kinds = "every, at, cron, once, forever, startup, shutdown or any( )"
	const zone = "time zone missing: write UTC or an IANA name such as Europe/Berlin"
	for text, want := range map[string]string{
		"":                                "column 1: a trigger begins with " + kinds + ", found the end",
		"  ":                              "column 3: a trigger begins with " + kinds + ", found the end",
		"daily":                           `column 1: "daily" is unknown: a trigger begins with ` + kinds,
		"(once)":                          `column 1: a trigger begins with ` + kinds + `, found "("`,
		"every":                           "column 6: interval missing: write a number and a unit, such as 10m or 1h30m",
		"every max=3":                     "column 7: interval missing: write a number and a unit, such as 10m or 1h30m",
		"every 10":                        `column 7: "10" is no interval: write a number and a unit (h, m, s, ms), such as 10m or 1h30m`,
		"every 1d":                        `column 7: "1d" is no interval: write a number and a unit (h, m, s, ms), such as 10m or 1h30m`,
		"every 10m 5m":                    `column 11: "5m" is unknown: after an interval come immediate, fixed-delay and options (max=, from=, until=)`,
		"every 10m immediate IMMEDIATE":   `column 21: "IMMEDIATE" is there twice`,
		"every 10m max=1 immediate":       `column 17: after a trigger come options (max=, from=, until=) or the end, found "immediate"`,
		"at":                              "column 3: time of day missing: write HH:MM or HH:MM:SS, such as 09:30",
		"at 9 UTC":                        `column 4: "9" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"at 9:5 UTC":                      `column 4: "9:5" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"at 09:30":                        "column 9: " + zone,
		"at 09:30 mon,fri":                "column 17: " + zone,
		"at 09:30 mon,fri max=3":          "column 18: " + zone,
		"at 09:30 mon,friday UTC":         `column 14: "friday" is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		"at 09:30 mon,":                   `column 14: the end is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		`cron "0 3 * * *"`:                "column 17: " + zone,
		"cron 0 3 * * * UTC":              `column 6: expression missing: write it in double quotes, such as "0 3 * * *"`,
		`cron "0 3 * * * UTC`:             `column 6: the quote is not closed: " missing`,
		"once tomorrow":                   `column 6: "tomorrow" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"once 2027-01-01":                 `column 6: "2027-01-01" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"once 0001-01-01T00:00:00Z":       `column 6: "0001-01-01T00:00:00Z" is the zero time, which means none: leave it out`,
		"once from=now":                   `column 11: "now" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"forever max=0":                   `column 13: max "0" is not a whole number of at least 1`,
		"forever max=":                    `column 13: max "" is not a whole number of at least 1`,
		"forever max=+1":                  `column 13: max "+1" is not a whole number of at least 1`,
		"forever max=1 max=2":             `column 15: option "max" is there twice`,
		"forever jitter=3s":               `column 9: option "jitter" is unknown: max=, from= and until= are`,
		"forever;":                        `column 8: after a trigger come options (max=, from=, until=) or the end, found ";"`,
		"any":                             "column 4: ( missing after any",
		"any()":                           `column 5: a trigger begins with ` + kinds + `, found ")"`,
		"any(once;)":                      `column 10: a trigger begins with ` + kinds + `, found ")"`,
		"any(once":                        `column 9: after a trigger inside any( ) come options (max=, from=, until=), ; or ), found the end`,
		"any(once, once)":                 `column 9: after a trigger inside any( ) come options (max=, from=, until=), ; or ), found ","`,
		"any(any(any(any(any(once)))))":   "column 17: any is nested more than 4 deep",
		strings.Repeat("any(", 1_000_000): "column 17: any is nested more than 4 deep",
	} {
		_, err := schedule.Parse(text)
		var syntax *schedule.SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, schedule.ErrInvalid) {
			t.Errorf("%.40q: %v is no SyntaxError", text, err)
			continue
		}
		if err.Error() != want || syntax.Text != text {
			t.Errorf("%.40q: %s\nwant %s", text, err, want)
		}
	}
}

func TestParseRefusesWhatCompileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"every 1us":                       `every.interval: "1µs" is below 1ms`,
		"at 24:00 UTC":                    "at.hour: 24 is outside 0-23",
		"any(once; at 12:00 Mars/Phobos)": `any_of.triggers[1].at.time_zone: "Mars/Phobos" is not an IANA name: write UTC or an IANA name such as Europe/Berlin`,
		`cron "0 0 31 2 *" UTC`:           `cron.expression: day of month "31" with month "2" and day of week "*" is a date that never comes`,
		"once 0000-01-01T00:00:00Z":       "once.time: 0000-01-01 is outside the years 1 to 9999",
	} {
		_, err := schedule.Parse(text)
		var invalid *schedule.InvalidError
		if !errors.As(err, &invalid) || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestStringOfAnyTriggerDoesNotPanic(t *testing.T) {
	deep := schedule.Trigger{Kind: schedule.Forever{}}
	for range 1000 {
		deep = anyOf(deep)
	}
	for _, trigger := range []schedule.Trigger{{}, everyProblem, deep, anyOf()} {
		if trigger.String() == "" {
			t.Errorf("%#v has no text", trigger)
		}
	}
}

// randomTrigger returns a valid trigger, in canonical form or not.
func randomTrigger(r *rand.Rand, depth int) schedule.Trigger {
	var t schedule.Trigger
	instant := func() time.Time {
		return time.UnixMicro(r.Int63n(4e15)).In(time.FixedZone("", r.Intn(80000)-40000))
	}
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Argentina/Buenos_Aires", "Etc/GMT-14"}
	zone := zones[r.Intn(len(zones))]
	if r.Intn(3) == 0 {
		t.StartTime = instant()
	}
	if r.Intn(3) == 0 {
		t.EndTime = instant()
		if t.EndTime.Before(t.StartTime) {
			t.StartTime, t.EndTime = t.EndTime, t.StartTime
		}
	}
	if r.Intn(3) == 0 {
		t.MaxFires = 1 + r.Int63n(20)
	}
	switch n := r.Intn(9); {
	case n == 0:
		t.Kind = schedule.Forever{}
	case n == 1:
		t.Kind = schedule.Once{}
		if r.Intn(2) == 0 {
			t.StartTime, t.EndTime = time.Time{}, time.Time{}
			t.Kind = schedule.Once{Time: instant()}
		}
	case n == 2 && r.Intn(2) == 0:
		t.Kind = schedule.OnStartUp{}
	case n == 2:
		t.Kind = schedule.OnShutDown{}
	case n == 3:
		k := schedule.At{Hour: r.Intn(24), Minute: r.Intn(60), Second: r.Intn(2) * r.Intn(60), TimeZone: zone}
		for range r.Intn(9) {
			k.DaysOfWeek = append(k.DaysOfWeek, time.Weekday(r.Intn(7)))
		}
		t.Kind = k
	case n <= 5 && depth < 4:
		var k schedule.AnyOf
		for range 1 + r.Intn(3) {
			k.Triggers = append(k.Triggers, randomTrigger(r, depth+1))
		}
		t.Kind = k
	case n <= 6:
		t.Kind = schedule.Cron{Expression: randomExpression(r), TimeZone: zone}
		if _, err := schedule.Compile(t); err != nil { // a date that never comes
			t.Kind = schedule.Cron{Expression: "5 4 L-3,15W * fri#2,7L", TimeZone: zone}
		}
	default:
		interval := time.Duration(1+r.Int63n(1e4)) * []time.Duration{time.Millisecond, time.Second, time.Minute}[r.Intn(3)]
		t.Kind = schedule.Every{
			Interval:  interval + time.Duration(r.Intn(2)*r.Intn(1e6))*time.Microsecond,
			FirstFire: schedule.FirstFire(r.Intn(2)), Pacing: schedule.Pacing(r.Intn(3) / 2),
		}
	}
	return t
}

func TestTextComesBackAsTheSameTrigger(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 * *rounds {
		trigger := randomTrigger(r, 0)
		text := trigger.String()
		got, err := schedule.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !schedule.Equal(got, trigger) {
			t.Fatalf("%#v\ncomes back from %s as\n%#v", trigger, text, got)
		}
		c, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.Trigger(), got) || got.String() != text {
			t.Fatalf("%s comes back as %s", text, got)
		}
	}
}

func TestMustParsePanicsOnWhatIsNoTrigger(t *testing.T) {
	if got := schedule.MustParse("every 10m").String(); got != "every 10m" {
		t.Errorf("MustParse gave %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	schedule.MustParse("now and then")
}
