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
	dec24 := schedule.Date{Year: 2026, Month: 12, Day: 24}
	excluding := func(k schedule.Kind, e ...schedule.Exclusion) schedule.Trigger {
		return schedule.Trigger{Kind: k, Exclusions: e}
	}
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
		{"forever JITTER=90s", "forever jitter=1m30s", schedule.Trigger{Kind: schedule.Forever{}, Jitter: 90 * time.Second}},
		{"forever jitter=1µs max=1", "forever max=1 jitter=1us", schedule.Trigger{Kind: schedule.Forever{}, MaxFires: 1, Jitter: time.Microsecond}},
		{"once jitter=1500US", "once jitter=1.5ms", schedule.Trigger{Kind: schedule.Once{}, Jitter: 1500 * time.Microsecond}},
		{"once jitter=8784h", "", schedule.Trigger{Kind: schedule.Once{}, Jitter: 366 * 24 * time.Hour}},
		{"once exclude(calendar holidays)", "", excluding(schedule.Once{}, schedule.Calendar{Name: "holidays"})},
		{"once exclude(calendar Exclude)", "", excluding(schedule.Once{}, schedule.Calendar{Name: "Exclude"})},
		{"at 9:30 UTC Exclude( DATES 2026-12-24 UTC )", "at 09:30 UTC exclude(dates 2026-12-24 UTC)", excluding(schedule.At{Hour: 9, Minute: 30, TimeZone: "UTC"}, schedule.Dates{First: dec24, TimeZone: "UTC"})},
		{`cron "@daily" UTC exclude(dates 2026-12-24..2026-12-24 UTC)`, `cron "@daily" UTC exclude(dates 2026-12-24 UTC)`, excluding(schedule.Cron{Expression: "@daily", TimeZone: "UTC"}, schedule.Dates{First: dec24, TimeZone: "UTC"})},
		{
			`every 1h exclude(window 22:00-6:00:15 sat-mon Europe/Berlin;cron" * 12  * * * "UTC ; dates 0001-01-01..9999-12-31 UTC;window 9:00-00:00 UTC)`,
			`every 1h exclude(window 22:00-06:00:15 mon,sat,sun Europe/Berlin; cron "* 12 * * *" UTC; dates 0001-01-01..9999-12-31 UTC; window 09:00-24:00 UTC)`,
			excluding(
				schedule.Every{Interval: time.Hour},
				schedule.Window{From: schedule.TimeOfDay{Hour: 22}, Until: schedule.TimeOfDay{Hour: 6, Second: 15}, DaysOfWeek: []time.Weekday{1, 6, 0}, TimeZone: "Europe/Berlin"},
				schedule.Cron{Expression: "* 12 * * *", TimeZone: "UTC"},
				schedule.Dates{First: schedule.Date{Year: 1, Month: 1, Day: 1}, Last: schedule.Date{Year: 9999, Month: 12, Day: 31}, TimeZone: "UTC"},
				schedule.Window{From: schedule.TimeOfDay{Hour: 9}, Until: schedule.TimeOfDay{Hour: 24}, TimeZone: "UTC"},
			),
		},
		{
			"forever exclude(calendar a)jitter=1s until=2028-01-01T00:00:00Z max=1 from=2027-01-01T00:00:00Z",
			"forever max=1 from=2027-01-01T00:00:00Z until=2028-01-01T00:00:00Z jitter=1s exclude(calendar a)",
			schedule.Trigger{Kind: schedule.Forever{}, MaxFires: 1, StartTime: jan, EndTime: jan.AddDate(1, 0, 0), Jitter: time.Second, Exclusions: []schedule.Exclusion{schedule.Calendar{Name: "a"}}},
		},
		{"forever jitter=0s", "forever", schedule.Trigger{Kind: schedule.Forever{}}},
		{"any(startup jitter=-0h; once) jitter=0us", "any(startup; once)", anyOf(schedule.Trigger{Kind: schedule.OnStartUp{}}, schedule.Trigger{Kind: schedule.Once{}})},
		{"custom type.googleapis.com/acme.v1.Tide", "", schedule.Trigger{Kind: schedule.Custom{TypeURL: "type.googleapis.com/acme.v1.Tide"}}},
		{`Custom Acme.example/acme.v1.Tide "CAE=" max=2`, `custom Acme.example/acme.v1.Tide "CAE=" max=2`, schedule.Trigger{Kind: schedule.Custom{TypeURL: "Acme.example/acme.v1.Tide", Value: "\x08\x01"}, MaxFires: 2}},
		{`custom /Tide""exclude(calendar a)`, `custom /Tide exclude(calendar a)`, excluding(schedule.Custom{TypeURL: "/Tide"}, schedule.Calendar{Name: "a"})},
		{"any(custom /Tide exclude(calendar a); once) exclude(calendar b)", "", excluding(schedule.AnyOf{Triggers: []schedule.Trigger{excluding(schedule.Custom{TypeURL: "/Tide"}, schedule.Calendar{Name: "a"}), {Kind: schedule.Once{}}}}, schedule.Calendar{Name: "b"})},
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
	const kinds = "every, at, cron, once, forever, startup, shutdown, custom or any( )"
	const options = "(max=, from=, until=, jitter=, exclude( ))"
	const zone = "time zone missing: write UTC or an IANA name such as Europe/Berlin"
	const base64 = "from here on the value is no base64: write A-Z, a-z, 0-9, + and /, and = at the end up to a multiple of 4"
	for text, want := range map[string]string{
		"":                              "column 1: a trigger begins with " + kinds + ", found the end",
		"  ":                            "column 3: a trigger begins with " + kinds + ", found the end",
		"daily":                         `column 1: "daily" is unknown: a trigger begins with ` + kinds,
		"(once)":                        `column 1: a trigger begins with ` + kinds + `, found "("`,
		"every":                         "column 6: interval missing: write a number and a unit, such as 10m or 1h30m",
		"every max=3":                   "column 7: interval missing: write a number and a unit, such as 10m or 1h30m",
		"every 10":                      `column 7: "10" is no interval: write a number and a unit (h, m, s, ms), such as 10m or 1h30m`,
		"every 1d":                      `column 7: "1d" is no interval: write a number and a unit (h, m, s, ms), such as 10m or 1h30m`,
		"every 10m 5m":                  `column 11: "5m" is unknown: after an interval come immediate, fixed-delay and options ` + options,
		"every 10m immediate IMMEDIATE": `column 21: "IMMEDIATE" is there twice`,
		"every 10m max=1 immediate":     `column 17: after a trigger come options ` + options + ` or the end, found "immediate"`,
		"at":                            "column 3: time of day missing: write HH:MM or HH:MM:SS, such as 09:30",
		"at 9 UTC":                      `column 4: "9" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"at 9:5 UTC":                    `column 4: "9:5" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"at 09:30":                      "column 9: " + zone,
		"at 09:30 mon,fri":              "column 17: " + zone,
		"at 09:30 mon,fri max=3":        "column 18: " + zone,
		"at 09:30 mon,friday UTC":       `column 14: "friday" is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		"at 09:30 mon,":                 `column 14: the end is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		`cron "0 3 * * *"`:              "column 17: " + zone,
		"cron 0 3 * * * UTC":            `column 6: expression missing: write it in double quotes, such as "0 3 * * *"`,
		`cron "0 3 * * * UTC`:           `column 6: the quote is not closed: " missing`,
		"once tomorrow":                 `column 6: "tomorrow" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"once 2027-01-01":               `column 6: "2027-01-01" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"once 0001-01-01T00:00:00Z":     `column 6: "0001-01-01T00:00:00Z" is the zero time, which means none: leave it out`,
		"once from=now":                 `column 11: "now" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
		"forever max=0":                 `column 13: max "0" is not a whole number of at least 1`,
		"forever max=":                  `column 13: max "" is not a whole number of at least 1`,
		"forever max=+1":                `column 13: max "+1" is not a whole number of at least 1`,
		"forever max=1 max=2":           `column 15: option "max" is there twice`,
		"forever retry=3":               `column 9: option "retry=" is unknown: there are max=, from=, until=, jitter=, exclude( )`,
		"forever exclude=holidays":      `column 9: option "exclude=" is unknown: there are max=, from=, until=, jitter=, exclude( )`,
		"forever jitter=3":              `column 16: jitter "3" is no span of time: write a number and a unit (h, m, s, ms, us), such as 30s`,
		"forever jitter=":               `column 16: jitter "" is no span of time: write a number and a unit (h, m, s, ms, us), such as 30s`,
		"forever jitter=-3s":            `column 16: jitter "-3s" is below 0 (0 means none)`,
		"forever jitter=1s jitter=1s":   `column 19: option "jitter" is there twice`,

		"every 10m jitter = 5s":            "column 11: write jitter=5s without spaces",
		"every 10m Jitter =5s":             "column 11: write jitter=5s without spaces",
		"every 10m jitter= 5s":             "column 11: write jitter=5s without spaces",
		"forever max = 10 jitter=1s":       "column 9: write max=10 without spaces",
		"forever max=10 jitter\t=\n1s":     "column 16: write jitter=1s without spaces",
		"forever max = \x1b\\":             `column 9: write max=\x1b\\ without spaces`,
		"once from = 2027-01-01T00:00:00Z": "column 6: write from=2027-01-01T00:00:00Z without spaces",
		"at 09:30 UTC until = 2027":        "column 14: write until=2027 without spaces",
		"at 09:30 jitter = 5s":             "column 10: " + zone,
		"every jitter = 5s":                "column 7: interval missing: write a number and a unit, such as 10m or 1h30m",
		"any(every 1h max = 2; once)":      "column 14: write max=2 without spaces",
		"custom /Tide jitter = 5s":         "column 14: write jitter=5s without spaces",
		`cron "@daily" UTC jitter = 5s`:    "column 19: write jitter=5s without spaces",
		"once exclude(calendar a) max = 1": "column 26: write max=1 without spaces",
		"forever max=1 max = 2":            `column 15: option "max" is there twice`,
		"forever jitter = ":                `column 17: jitter "" is no span of time: write a number and a unit (h, m, s, ms, us), such as 30s`,
		"forever max = jitter=1s":          `column 14: max "" is not a whole number of at least 1`,
		"forever max= exclude(calendar a)": `column 13: max "" is not a whole number of at least 1`,
		"forever max 3":                    `column 9: after a trigger come options ` + options + ` or the end, found "max"`,

		"at 09:30 UTC mon-fri":           `column 14: "mon-fri" is out of place: the days come before the time zone`,
		"at 09:30 Europe/Berlin mon,fri": `column 24: "mon" is out of place: the days come before the time zone`,
		"at 09:30 mon UTC FRI":           `column 18: "FRI" is out of place: the days come before the time zone`,
		"at 09:30 daily UTC":             `column 10: "daily" is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		"at mon-fri 09:30 UTC":           `column 4: "mon-fri" is out of place: the time of day comes first, as in 09:30 mon-fri`,

		"at exclude(calendar a)":                                "column 4: time of day missing: write HH:MM or HH:MM:SS, such as 09:30",
		"at 09:30 exclude(calendar a)":                          "column 10: " + zone,
		"at 09:30 mon exclude(calendar a)":                      "column 14: " + zone,
		`cron "@daily" exclude(calendar a)`:                     "column 15: " + zone,
		"every exclude(calendar a)":                             "column 7: interval missing: write a number and a unit, such as 10m or 1h30m",
		"custom exclude(calendar a)":                            "column 8: type URL missing: write one such as type.googleapis.com/acme.v1.Tide",
		"forever exclude":                                       "column 16: ( missing after exclude",
		"forever exclude max=1":                                 "column 17: ( missing after exclude",
		"forever exclude()":                                     `column 17: an exclusion begins with dates, window, cron or calendar, found ")"`,
		"forever exclude(":                                      "column 17: an exclusion begins with dates, window, cron or calendar, found the end",
		"forever exclude(calendar a;)":                          `column 28: an exclusion begins with dates, window, cron or calendar, found ")"`,
		"forever exclude(holidays)":                             `column 17: "holidays" is unknown: an exclusion begins with dates, window, cron or calendar`,
		"forever exclude(calendar)":                             "column 25: name missing: write that of a calendar without quotes, such as holidays",
		`forever exclude(calendar "holidays")`:                  "column 26: name missing: write that of a calendar without quotes, such as holidays",
		"forever exclude(calendar a, calendar b)":               `column 27: after an exclusion inside exclude( ) comes ; or ), found ","`,
		"forever exclude(calendar a":                            "column 27: after an exclusion inside exclude( ) comes ; or ), found the end",
		"forever exclude(calendar a max=1)":                     `column 28: after an exclusion inside exclude( ) comes ; or ), found "max=1"`,
		"once exclude(calendar a)exclude(calendar)":             "column 25: exclude is there twice: write all exclusions into one, as in exclude(calendar holidays; calendar nights)",
		"once exclude(calendar a) tomorrow":                     `column 26: after a trigger come options ` + options + ` or the end, found "tomorrow"`,
		"once exclude(dates)":                                   "column 19: date missing: write 2026-12-24, or 2026-12-24..2026-12-26 for a span of days",
		"once exclude(dates 24.12.2026 UTC)":                    `column 20: "24.12.2026" is no date such as 2026-12-24`,
		"once exclude(dates 2026-12-24.. UTC)":                  `column 32: "" is no date such as 2026-12-24`,
		"once exclude(dates 2026-12-24..26 UTC)":                `column 32: "26" is no date such as 2026-12-24`,
		"once exclude(dates 2026-12-24..0000-00-00 UTC)":        `column 32: "0000-00-00" is no date such as 2026-12-24`,
		"once exclude(dates 2026-12-24)":                        "column 30: " + zone,
		"once exclude(dates 2026-12-24, 2026-12-26 UTC)":        "column 30: here comes the time zone: other dates are an exclusion of their own, after a ;",
		"once exclude(dates 2026-12-24 2026-12-26 UTC)":         `column 31: "2026-12-26" is no time zone: write UTC or an IANA name such as Europe/Berlin; a span of days is written as 2026-12-24..2026-12-26`,
		"once exclude(window)":                                  "column 20: times of day missing: write FROM-UNTIL, such as 22:00-06:00",
		"once exclude(window 22:00 - 06:00 UTC)":                `column 21: "22:00" is no window: write FROM-UNTIL as one word, such as 22:00-06:00`,
		"once exclude(window 22-06:00 UTC)":                     `column 21: "22" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"once exclude(window 22:00-6 UTC)":                      `column 27: "6" is no time of day: write HH:MM or HH:MM:SS, such as 09:30`,
		"once exclude(window 22:00-06:00)":                      "column 32: " + zone,
		"once exclude(window 22:00-06:00 mon,fri)":              "column 40: " + zone,
		"once exclude(window 22:00-06:00 mon,friday UTC)":       `column 37: "friday" is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		"once exclude(window 22:00-06:00 daily UTC)":            `column 33: "daily" is no weekday: write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri`,
		"once exclude(window 22:00-06:00 UTC mon-fri)":          `column 37: "mon-fri" is out of place: the days come before the time zone`,
		"once exclude(window mon-fri 22:00-06:00 UTC)":          `column 21: "mon-fri" is out of place: the times come first, as in 22:00-06:00 mon-fri`,
		"once exclude(window mon,fri 22:00-06:00 UTC)":          `column 21: "mon" is out of place: the times come first, as in 22:00-06:00 mon-fri`,
		`once exclude(cron * 12 * * * UTC)`:                     `column 19: expression missing: write it in double quotes, such as "0 3 * * *"`,
		`once exclude(cron "* 12 * * *")`:                       "column 31: " + zone,
		`custom`:                                                "column 7: type URL missing: write one such as type.googleapis.com/acme.v1.Tide",
		`custom "CAE="`:                                         "column 8: type URL missing: write one such as type.googleapis.com/acme.v1.Tide",
		`custom /Tide fast`:                                     `column 14: "fast" is no value: write it as base64 in double quotes, such as "CAE="`,
		`custom /Tide "CA-E"`:                                   "column 17: " + base64,
		`custom /Tide "CAE"`:                                    "column 15: " + base64,
		`custom /Tide "CAF="`:                                   "column 18: " + base64, // bits that are left over
		`custom /Tide "CAE= max=1`:                              `column 14: the quote is not closed: " missing`,
		`custom /Tide "CAE=" "CAE="`:                            `column 21: after a trigger come options ` + options + ` or the end, found "CAE="`,
		"once exclude(" + strings.Repeat("exclude(", 1_000_000): `column 14: "exclude" is unknown: an exclusion begins with dates, window, cron or calendar`,

		"forever;":                        `column 8: after a trigger come options ` + options + ` or the end, found ";"`,
		"any":                             "column 4: ( missing after any",
		"any()":                           `column 5: a trigger begins with ` + kinds + `, found ")"`,
		"any(once;)":                      `column 10: a trigger begins with ` + kinds + `, found ")"`,
		"any(once":                        "column 9: after a trigger inside any( ) come options " + options + ", ; or ), found the end",
		"any(once, once)":                 `column 9: after a trigger inside any( ) come options ` + options + `, ; or ), found ","`,
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

func TestParseRefusesWhatCheckRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"every 1us":                       `every.interval: "1µs" is below 1ms`,
		"at 24:00 UTC":                    "at.hour: 24 is outside 0-23",
		"any(once; at 12:00 Mars/Phobos)": `any_of.triggers[1].at.time_zone: "Mars/Phobos" is not an IANA name: write UTC or an IANA name such as Europe/Berlin`,
		`cron "0 0 31 2 *" UTC`:           `cron.expression: day of month "31" with month "2" and day of week "*" is a date that never comes`,
		"every 1h jitter=1.5us":           `jitter: "1.5µs" is not a whole number of microseconds`,
		"every 1h jitter=999ns":           `jitter: "999ns" is not a whole number of microseconds`,
		"any(every 1h jitter=1s; once)":   `any_of.triggers[0].jitter: only the outermost trigger may have one: write it after the any( )`,
		"startup jitter=1s":               "jitter: a start or stop of a node does not wait: leave it out",
		"custom Tide":                     `custom.type_url: "Tide" is no type URL such as type.googleapis.com/acme.v1.Tide`,

		"once exclude(calendar a; dates 2026-02-30..2026-02-28 Moon)": `exclusions[1].dates.first: 2026-02-30 is no date of the calendar; exclusions[1].dates.time_zone: "Moon" is not an IANA name: write UTC or an IANA name such as Europe/Berlin`,
		"once exclude(window 25:00-06:60 UTC)":                        `exclusions[0].window.from: 25:00 is no time of day from 00:00 to 24:00; exclusions[0].window.until: 06:60 is no time of day from 00:00 to 24:00`,
		"any(once; once exclude(calendar a=b))":                       `any_of.triggers[1].exclusions[0].calendar: "a=b" is no name of a calendar: 1 to 64 letters, digits, -, _ and ., the first a letter or digit`,

		"once 0000-01-01T00:00:00Z": "once.time: 0000-01-01 is outside the years 1 to 9999",
	} {
		_, err := schedule.Parse(text)
		var invalid *schedule.InvalidError
		if !errors.As(err, &invalid) || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestParseExclusionReadsOneItem(t *testing.T) {
	for text, canonical := range map[string]string{
		" Dates 2026-12-24..2026-12-26 Europe/Berlin ": "dates 2026-12-24..2026-12-26 Europe/Berlin",
		"window 22:00-6:00 fri,mon UTC":                "window 22:00-06:00 mon,fri UTC",
		`cron "  * 12 * * *" UTC`:                      `cron "* 12 * * *" UTC`,
		"calendar bank-holidays":                       "calendar bank-holidays",
	} {
		e, err := schedule.ParseExclusion(text)
		if err != nil || e.String() != canonical {
			t.Errorf("%q is %v (%v), want %s", text, e, err, canonical)
		}
	}
	for text, want := range map[string]string{
		"":                                 "column 1: an exclusion begins with dates, window, cron or calendar, found the end",
		"holidays":                         `column 1: "holidays" is unknown: an exclusion begins with dates, window, cron or calendar`,
		"exclude(calendar a)":              `column 1: "exclude" is unknown: an exclusion begins with dates, window, cron or calendar`,
		"calendar a; calendar b":           `column 11: after an exclusion comes the end, found ";"`,
		"calendar a)":                      `column 11: after an exclusion comes the end, found ")"`,
		"dates 2026-02-30 Moon":            `dates.first: 2026-02-30 is no date of the calendar; dates.time_zone: "Moon" is not an IANA name: write UTC or an IANA name such as Europe/Berlin`,
		"dates 2026-12-24..2026-12-01 UTC": "dates.last: 2026-12-01 is before first 2026-12-24",
		"calendar -":                       `calendar: "-" is no name of a calendar: 1 to 64 letters, digits, -, _ and ., the first a letter or digit`,
		`cron "0 0 12 * * *" UTC`:          `cron.expression: "0 0 12 * * *" has six fields: an exclusion is of whole minutes, so it has five`,
	} {
		e, err := schedule.ParseExclusion(text)
		if e != nil || err == nil || err.Error() != want || !errors.Is(err, schedule.ErrInvalid) {
			t.Errorf("%q is %v: %v\nwant %s", text, e, err, want)
		}
	}
}

func TestDatesAndTimesOfDayComeBackFromTheirText(t *testing.T) {
	for _, text := range []string{"2026-12-24", "0001-01-01", "9999-12-31", "2026-02-30", "2026-00-99"} {
		if d, err := schedule.ParseDate(text); err != nil || d.String() != text {
			t.Errorf("%q is %v (%v)", text, d, err)
		}
	}
	for _, text := range []string{"", "0000-00-00", "2026-12-4", "2026-12-240", "2026/12/24", "2026-12/24", "12026-12-24", "+026-12-24", "2026-1a-24", "20261224  "} {
		if d, err := schedule.ParseDate(text); err == nil || d != (schedule.Date{}) {
			t.Errorf("%q is %v", text, d)
		}
	}
	for text, canonical := range map[string]string{"09:30": "09:30", "9:30": "09:30", "00:00:00": "00:00", "23:59:59": "23:59:59", "24:00": "24:00", "24:00:00": "24:00"} {
		if d, err := schedule.ParseTimeOfDay(text); err != nil || d.String() != canonical {
			t.Errorf("%q is %v (%v)", text, d, err)
		}
	}
	for _, text := range []string{"", "9", ":30", "9:3", "9:300", "009:30", "9:30:", "9:30:5", "9:30:00:00", "-9:30", "9:60", "9:30:60", "24:01", "24:00:01", "25:00"} {
		if d, err := schedule.ParseTimeOfDay(text); err == nil || d != (schedule.TimeOfDay{}) {
			t.Errorf("%q is %v", text, d)
		}
	}
}

func TestStringOfAnExclusionIsCanonical(t *testing.T) {
	day := schedule.Date{Year: 2026, Month: 5, Day: 1}
	for want, e := range map[string]schedule.Exclusion{
		"dates 2026-05-01 UTC":           schedule.Dates{First: day, Last: day, TimeZone: "UTC"},
		"window 09:00-24:00 mon,sun UTC": schedule.Window{From: schedule.TimeOfDay{Hour: 9}, DaysOfWeek: []time.Weekday{0, 1, 0}, TimeZone: "UTC"},
		`cron "* 12 * * *" UTC`:          schedule.Cron{Expression: " * 12\t* * * ", TimeZone: "UTC"},
		"calendar holidays":              schedule.Calendar{Name: "holidays"},
	} {
		if got := e.String(); got != want {
			t.Errorf("%#v prints as %q, want %q", e, got, want)
		}
	}
}

func TestStringOfAnyTriggerDoesNotPanic(t *testing.T) {
	deep := schedule.Trigger{Kind: schedule.Forever{}}
	for range 1000 {
		deep = anyOf(deep)
	}
	exclusions := schedule.Trigger{Jitter: -time.Hour, Exclusions: []schedule.Exclusion{
		nil,
		schedule.Dates{First: schedule.Date{Year: -1, Month: 99, Day: -5}},
		&schedule.Dates{}, (*schedule.Window)(nil),
		schedule.Window{From: schedule.TimeOfDay{Hour: -1, Minute: 1e9}, DaysOfWeek: []time.Weekday{99, -1}},
		schedule.Cron{Expression: "\"\n)"},
		(*schedule.Cron)(nil),
		schedule.Calendar{Name: "; )"},
		(*schedule.Calendar)(nil),
	}}
	custom := schedule.Trigger{Kind: schedule.Custom{TypeURL: " \xFF\"", Value: "\x00"}, Jitter: 1}
	for _, trigger := range []schedule.Trigger{{}, everyProblem, deep, anyOf(), exclusions, anyOf(exclusions, custom), custom, {Kind: (*schedule.Custom)(nil)}} {
		if trigger.String() == "" || trigger.Describe() == "" {
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

// randomFullTrigger returns a trigger that [schedule.Check] accepts, in canonical form or not, with jitter,
// exclusions, calendars and custom kinds, which a Compile without extensions does not take.
func randomFullTrigger(r *rand.Rand) schedule.Trigger {
	t := randomTrigger(r, 0)
	dress(r, &t)
	switch t.Kind.(type) {
	case schedule.OnStartUp, schedule.OnShutDown:
	default:
		if r.Intn(3) == 0 {
			t.Jitter = time.Duration(1+r.Int63n(8000)) * []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour}[r.Intn(4)]
		}
	}
	return t
}

// dress adds exclusions, and makes some of the triggers custom ones.
func dress(r *rand.Rand, t *schedule.Trigger) {
	if k, ok := t.Kind.(schedule.AnyOf); ok {
		for i := range k.Triggers {
			dress(r, &k.Triggers[i])
		}
	} else if r.Intn(6) == 0 {
		value := make([]byte, r.Intn(3)*r.Intn(40))
		r.Read(value)
		urls := []string{"type.googleapis.com/acme.v1.Tide", "/Tide", "https://Acme.example:443/~a-b/_c.D_9"}
		t.Kind = schedule.Custom{TypeURL: urls[r.Intn(len(urls))], Value: string(value)}
	}
	if r.Intn(2) == 0 {
		for range r.Intn(5) {
			t.Exclusions = append(t.Exclusions, randomExclusion(r))
		}
	}
}

func randomExclusion(r *rand.Rand) schedule.Exclusion {
	zones := []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}
	zone := zones[r.Intn(len(zones))]
	switch r.Intn(5) {
	case 0:
		day := func(year int) schedule.Date {
			return schedule.Date{Year: year, Month: 1 + r.Intn(12), Day: 1 + r.Intn(28)}
		}
		k := schedule.Dates{First: day(1 + r.Intn(9998)), TimeZone: zone}
		switch r.Intn(3) {
		case 0:
			k.Last = k.First
		case 1:
			k.Last = day(k.First.Year + 1)
		}
		return k
	case 1:
		second := func() int { return r.Intn(2) * r.Intn(60) }
		k := schedule.Window{
			From:     schedule.TimeOfDay{Hour: r.Intn(12), Minute: r.Intn(60), Second: second()},
			Until:    schedule.TimeOfDay{Hour: 12 + r.Intn(12), Minute: r.Intn(60), Second: second()},
			TimeZone: zone,
		}
		switch r.Intn(4) {
		case 0:
			k.From, k.Until = k.Until, k.From
		case 1:
			k.Until = schedule.TimeOfDay{Hour: 24 * r.Intn(2)}
		}
		for range r.Intn(9) {
			k.DaysOfWeek = append(k.DaysOfWeek, time.Weekday(r.Intn(7)))
		}
		return k
	case 2:
		names := []string{"holidays", "Bank.holidays-2026", "9", "exclude", "dates", strings.Repeat("a_", 32)}
		return schedule.Calendar{Name: names[r.Intn(len(names))]}
	}
	k := schedule.Cron{Expression: randomExpression(r), TimeZone: zone}
	if schedule.Check(schedule.Trigger{Kind: schedule.Forever{}, Exclusions: []schedule.Exclusion{k}}) != nil { // six fields, or never
		k.Expression = " *\t8-17 L-3,15W  * fri#2,7L"
	}
	return k
}

func TestTextComesBackAsTheSameTrigger(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 * *rounds {
		trigger := randomFullTrigger(r)
		if err := schedule.Check(trigger); err != nil {
			t.Fatalf("%#v: %v", trigger, err)
		}
		text := trigger.String()
		got, err := schedule.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !schedule.Equal(got, trigger) || got.String() != text {
			t.Fatalf("%#v\ncomes back from %s as\n%#v", trigger, text, got)
		}
		x, err := extensionsFor(trigger)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x.Compile(trigger)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.Trigger(), got) {
			t.Fatalf("%s: Parse gives %#v, Compile %#v", text, got, c.Trigger())
		}
		for _, e := range got.Exclusions {
			alone, err := schedule.ParseExclusion(e.String())
			if err != nil || !reflect.DeepEqual(alone, e) {
				t.Fatalf("%s alone is %v (%v)", e, alone, err)
			}
		}
	}
}

// BenchmarkParseStored parses what stores keep: each listed task costs one of these.
func BenchmarkParseStored(b *testing.B) {
	for _, bm := range []struct{ name, text string }{
		{"Every", "every 10m"},
		{"At", "at 09:30 mon,fri Europe/Berlin"},
		{"Cron", `cron "0 3 * * *" Europe/Berlin`},
		{"Bounded", "every 10m max=10 from=2027-01-01T00:00:00Z until=2027-12-31T22:59:59Z"},
		{"Any", `any(every 1h; at 12:00 mon,fri UTC; cron "0 3 * * SUN" Europe/Berlin max=3)`},
		{"Jitter", "every 10m jitter=30s"},
		{"Calendar", "every 10m exclude(calendar holidays)"},
		{"Exclusions", `at 09:30 UTC exclude(dates 2026-12-24..2026-12-26 Europe/Berlin; window 22:00-06:00 mon-fri Europe/Berlin; cron "* 12 * * *" UTC; calendar holidays)`},
		{"Custom", `custom type.googleapis.com/acme.v1.Tide "CAESBQ=="`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schedule.Parse(bm.text); err != nil {
					b.Fatal(err)
				}
			}
		})
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
