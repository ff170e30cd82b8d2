package schedule_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

func cron(expression string) schedule.Trigger {
	return schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: "UTC"}}
}

func anyOf(triggers ...schedule.Trigger) schedule.Trigger {
	return schedule.Trigger{Kind: schedule.AnyOf{Triggers: triggers}}
}

// everyProblem is wrong in every way that does not hide another.
var everyProblem = anyOf(
	schedule.Trigger{},
	schedule.Trigger{Kind: schedule.Every{Interval: 1500 * time.Nanosecond, FirstFire: 7, Pacing: -1}, MaxFires: -1},
	schedule.Trigger{Kind: schedule.Every{Interval: time.Second + time.Nanosecond}},
	schedule.Trigger{Kind: schedule.At{Hour: 24, Minute: -1, Second: 60, DaysOfWeek: []time.Weekday{1, 7}, TimeZone: "Local"}},
	schedule.Trigger{Kind: schedule.Cron{Expression: "61 24 0 JANUARY 8", TimeZone: ""}},
	schedule.Trigger{
		Kind:      schedule.Once{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		StartTime: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), EndTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	},
	schedule.Trigger{Kind: schedule.Once{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, StartTime: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	schedule.Trigger{Kind: schedule.Forever{}, StartTime: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC), EndTime: time.Time{}.Add(1)},
	anyOf(),
	anyOf(slices.Repeat([]schedule.Trigger{{Kind: schedule.Forever{}}}, 65)...),
	anyOf(anyOf(anyOf(schedule.Trigger{Kind: schedule.Forever{}}, anyOf(schedule.Trigger{Kind: schedule.Forever{}})))),
	schedule.Trigger{Kind: &schedule.Forever{}},
)

func TestAllProblemsAreReportedAtOnceWithTheirPaths(t *testing.T) {
	_, err := schedule.Compile(everyProblem)
	var invalid *schedule.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, schedule.ErrInvalid) {
		t.Fatalf("%v is no InvalidError", err)
	}
	want := []string{
		`any_of.triggers[0]: kind missing: one of every, at, cron, once, forever, any_of, on_start_up, on_shut_down and custom is needed`,
		`any_of.triggers[1].max_fires: -1 is below 0 (0 means no limit)`,
		`any_of.triggers[1].every.pacing: -1 is unknown: FIXED_RATE or FIXED_DELAY`,
		`any_of.triggers[1].every.first_fire: 7 is unknown: WAIT or IMMEDIATE`,
		`any_of.triggers[1].every.interval: "1.5µs" is below 1ms`,
		`any_of.triggers[2].every.interval: "1.000000001s" is not a whole number of microseconds`,
		`any_of.triggers[3].at.hour: 24 is outside 0-23`,
		`any_of.triggers[3].at.minute: -1 is outside 0-59`,
		`any_of.triggers[3].at.second: 60 is outside 0-59`,
		`any_of.triggers[3].at.days_of_week[1]: 7 is no weekday: 0 (Sunday) to 6 (Saturday)`,
		`any_of.triggers[3].at.time_zone: "Local" depends on the machine: write UTC or an IANA name such as Europe/Berlin`,
		`any_of.triggers[4].cron.expression: minute "61" is outside 0-59`,
		`any_of.triggers[4].cron.expression: hour "24" is outside 0-23`,
		`any_of.triggers[4].cron.expression: day of month "0" is outside 1-31`,
		`any_of.triggers[4].cron.expression: month "JANUARY" is not a number from 1 to 12 or a name from JAN to DEC`,
		`any_of.triggers[4].cron.expression: day of week "8" is outside 0-7`,
		`any_of.triggers[4].cron.time_zone: missing: write UTC or an IANA name such as Europe/Berlin`,
		`any_of.triggers[5].end_time: 2026-01-01T00:00:00Z is before start_time 2027-01-01T00:00:00Z`,
		`any_of.triggers[5].once.time: 10000-01-01 is outside the years 1 to 9999`,
		`any_of.triggers[6].once.time: 2026-01-01T00:00:00Z is before start_time, so it never fires`,
		`any_of.triggers[7].start_time: 0000-12-31 is outside the years 1 to 9999`,
		`any_of.triggers[7].end_time: 0001-01-01 is outside the years 1 to 9999`,
		`any_of.triggers[8].any_of.triggers: empty: at least one trigger is needed`,
		`any_of.triggers[9].any_of.triggers: 65 triggers, at most 64 are allowed`,
		`any_of.triggers[10].any_of.triggers[0].any_of.triggers[0].any_of.triggers[1].any_of: nested more than 4 deep`,
		`any_of.triggers[11]: kind *schedule.Forever is unknown: a kind is a value of this package, not a pointer`,
	}
	var got []string
	for _, v := range invalid.Violations {
		got = append(got, v.Field+": "+v.Description)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err.Error() != strings.Join(want, "; ") {
		t.Errorf("the text is not the list of violations: %s", err)
	}
	if _, err := schedule.Compile(schedule.Trigger{}); !strings.HasPrefix(err.Error(), "kind missing") {
		t.Errorf("a violation of the whole trigger reads %q", err)
	}
}

func TestATriggerIsSmallInAll(t *testing.T) {
	inner := anyOf(slices.Repeat([]schedule.Trigger{{Kind: schedule.Forever{}}}, 64)...)
	wide := anyOf(slices.Repeat([]schedule.Trigger{inner}, 64)...)
	_, err := schedule.Compile(anyOf(slices.Repeat([]schedule.Trigger{wide}, 64)...))
	if err == nil || !strings.HasSuffix(err.Error(), "triggers in all, at most 1024 are allowed") {
		t.Error(err)
	}
	if _, err := schedule.Compile(anyOf(slices.Repeat([]schedule.Trigger{inner}, 15)...)); err != nil {
		t.Error(err)
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for expression, want := range map[string]string{
		"":                      "empty, want 5 fields (minute hour day month weekday) or 6 (second first)",
		" \t ":                  "empty, want 5 fields (minute hour day month weekday) or 6 (second first)",
		"* * * *":               "5 fields (minute hour day month weekday) or 6 (second first), found 4",
		"0 * * * * * 2030":      "5 fields (minute hour day month weekday) or 6 (second first), found 7",
		"60 * * * * *":          `second "60" is outside 0-59`,
		"-5 * * * *":            `minute "-5" is not a number from 0 to 59`,
		"+5 * * * *":            `minute "+5" is not a number from 0 to 59`,
		"*-5 * * * *":           `minute "*-5": "*" is not a number from 0 to 59`,
		"5- * * * *":            `minute "5-" is not a number from 0 to 59`,
		"1-2-3 * * * *":         `minute "1-2-3": "2-3" is not a number from 0 to 59`,
		"1,,2 * * * *":          `minute "1,,2" has an empty item`,
		"1, * * * *":            `minute "1," has an empty item`,
		"*/0 * * * *":           `minute "*/0": step "0" is not a whole number of at least 1`,
		"*/ * * * *":            `minute "*/": step "" is not a whole number of at least 1`,
		"*/-1 * * * *":          `minute "*/-1": step "-1" is not a whole number of at least 1`,
		"*/2/3 * * * *":         `minute "*/2/3": step "2/3" is not a whole number of at least 1`,
		"/5 * * * *":            `minute "/5" is not a number from 0 to 59`,
		"** * * * *":            `minute "**" is not a number from 0 to 59`,
		"٣ * * * *":             `minute "٣" is not a number from 0 to 59`,
		"1.5 * * * *":           `minute "1.5" is not a number from 0 to 59`,
		"? * * * *":             `minute "?" is not a number from 0 to 59`,
		"0 0 ?,1 * *":           `day of month "?" is not a number from 1 to 31`,
		"0 0 * ? *":             `month "?" is not a number from 1 to 12 or a name from JAN to DEC`,
		"0 0 * * MONDAY":        `day of week "MONDAY" is not a number from 0 to 7 or a name from SUN to SAT`,
		"0 0 * * MON-":          `day of week "MON-" is not a number from 0 to 7 or a name from SUN to SAT`,
		"0 0 L-0 * *":           `day of month "L-0": "0" days before the last is outside 1-30`,
		"0 0 L-31 * *":          `day of month "L-31": "31" days before the last is outside 1-30`,
		"0 0 32W * *":           `day of month "32W": "32" is outside 1-31`,
		"0 0 W * *":             `day of month "W": "" is not a number from 1 to 31`,
		"0 0 1-5W * *":          `day of month "1-5W": "1-5" is not a number from 1 to 31`,
		"0 0 * * L":             `day of week "L": L follows a weekday, as in 5L or FRIL`,
		"0 0 * * 8L":            `day of week "8L": "8" is outside 0-7`,
		"0 0 * * 5#6":           `day of week "5#6": "6" after # is outside 1-5`,
		"0 0 * * 5#0":           `day of week "5#0": "0" after # is outside 1-5`,
		"0 0 * * #1":            `day of week "#1": "" is not a number from 0 to 7 or a name from SUN to SAT`,
		"H * * * *":             `minute "H" is not a number from 0 to 59`,
		"R * * * *":             `minute "R" is not a number from 0 to 59`,
		"0 0 5#2 * *":           `day of month "5#2" is not a number from 1 to 31`,
		"0 L * * *":             `hour "L" is not a number from 0 to 23`,
		"99999999999 * * * *":   `minute "99999999999" is not a number from 0 to 59`,
		"@every 5m":             `"@every" is not a cron expression: use an every trigger`,
		"@reboot":               `"@reboot" is not a cron expression: use an on_start_up trigger`,
		"@noon":                 `"@noon" is unknown: @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand alone`,
		"@daily 5":              `"@daily 5" is unknown: @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand alone`,
		"TZ=UTC 0 0 * * *":      `time zone "TZ=UTC" inside the expression: it has a field of its own, time_zone`,
		"CRON_TZ=UTC 0 0 * * *": `time zone "CRON_TZ=UTC" inside the expression: it has a field of its own, time_zone`,
		"0 0 31 2 *":            `day of month "31" with month "2" and day of week "*" is a date that never comes`,
		"0 0 30,31 FEB ?":       `day of month "30,31" with month "FEB" and day of week "?" is a date that never comes`,
		"0 0 31 4,6,9,11 *":     `day of month "31" with month "4,6,9,11" and day of week "*" is a date that never comes`,
		"0 0 31W 2 *":           `day of month "31W" with month "2" and day of week "*" is a date that never comes`,
		"0 0 L-29 2 *":          `day of month "L-29" with month "2" and day of week "*" is a date that never comes`,
	} {
		_, err := schedule.Compile(cron(expression))
		if got := fmt.Sprint(err); got != "cron.expression: "+want {
			t.Errorf("%q: %s\nwant cron.expression: %s", expression, got, want)
		}
	}
}

// TestExpressionsThatMeanTheSame also says which are accepted.
func TestExpressionsThatMeanTheSame(t *testing.T) {
	for _, same := range [][]string{
		{"@yearly", "@annually", "0 0 1 1 *", "0 0 0 1 JAN ?", "00 00 01 01 *"},
		{"@monthly", "0 0 1 * *", "@MONTHLY"},
		{"@weekly", "0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 ? * SUN-SUN", "0 0 * * 7-7", "0 0 * * 0/9"},
		{"@daily", "@midnight", "0 0 * * *", "0 0 0 * * *", "\t0\r\n0 * *  * "},
		{"@hourly", "0 * * * *"},
		{"0 22-2 * * *", "0 22,23,0,1,2 * * *", "0 22-2/1 * * *"},
		{"0 0 * * FRI-MON", "0 0 * * 5-1", "0 0 * * 5,6,7,1", "0 0 * * 0,1,5,6"},
		{"0 0 * * 5-7", "0 0 * * FRI-SUN", "0 0 * * 0,5,6"},
		{"0 0 * * 7-2", "0 0 * * 0-2"},
		{"0 0 * * 1-7/2", "0 0 * * 1,3,5,0"},
		{"0 0 * * 7/2", "0 0 * * 0/2", "0 0 * * */2"},
		{"0 0 * * 4-2/2", "0 0 * * 4,6,1"},
		{"0 0 1 NOV-FEB *", "0 0 1 11,12,1,2 *"},
		{"0 0 28-3 * *", "0 0 28,29,30,31,1,2,3 * *"},
		{"50-10/10 1 * * *", "50,0,10 1 * * *"},
		{"0 0 L * *", "0 0 l * *"},
		{"0 0 L-2,15W,LW * *", "0 0 lw,l-2,15w * *"},
		{"0 0 * * 5L", "0 0 * * FRIL", "0 0 ? * fril"},
		{"0 0 * * 0L", "0 0 * * 7L"},
		{"0 0 * * 7#2", "0 0 * * SUN#2", "0 0 * * 0#2"},
		{"0 0 31 2 MON", "0 0 * FEB 1"}, // the weekday saves it
		{"*/90 1 * * *", "*/60 1 * * *"},
	} {
		want := sequence(t, same[0], 200)
		for _, other := range same[1:] {
			if !slices.Equal(want, sequence(t, other, 200)) {
				t.Errorf("%q does not mean the same as %q", other, same[0])
			}
		}
	}
}

func sequence(t *testing.T, expression string, n int) []time.Time {
	t.Helper()
	c, err := schedule.Compile(cron(expression))
	if err != nil {
		t.Fatalf("%q: %v", expression, err)
	}
	last := at(t, "2026-01-31T12:00:00Z")
	var out []time.Time
	for range n {
		next, status := c.Next(last, schedule.Progress{})
		if status != schedule.Fires {
			break
		}
		out, last = append(out, next), next
	}
	return out
}

func TestWhatIsCompiledIsACanonicalCopy(t *testing.T) {
	days := []time.Weekday{time.Sunday, time.Friday, time.Monday, time.Friday}
	berlin := loadLocation("Europe/Berlin")
	given := anyOf(
		schedule.Trigger{Kind: schedule.At{Hour: 1, DaysOfWeek: days, TimeZone: "UTC"}, StartTime: time.Date(2026, 1, 1, 0, 0, 0, 1999, berlin)},
		schedule.Trigger{Kind: schedule.Cron{Expression: " 0  3 *\t* * ", TimeZone: "UTC"}},
		schedule.Trigger{Kind: schedule.At{DaysOfWeek: []time.Weekday{0, 1, 2, 3, 4, 5, 6}, TimeZone: "UTC"}},
		schedule.Trigger{Kind: schedule.Once{Time: time.Date(2026, 1, 1, 1, 0, 0, 999, berlin)}},
	)
	want := anyOf(
		schedule.Trigger{
			Kind:      schedule.At{Hour: 1, DaysOfWeek: []time.Weekday{time.Monday, time.Friday, time.Sunday}, TimeZone: "UTC"},
			StartTime: time.Date(2025, 12, 31, 23, 0, 0, 1000, time.UTC),
		},
		schedule.Trigger{Kind: schedule.Cron{Expression: "0 3 * * *", TimeZone: "UTC"}},
		schedule.Trigger{Kind: schedule.At{TimeZone: "UTC"}},
		schedule.Trigger{Kind: schedule.Once{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
	)
	c, err := schedule.Compile(given)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Trigger(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if !schedule.Equal(given, want) || schedule.Equal(given, anyOf()) {
		t.Error("Equal does not compare canonical forms")
	}
	c.Trigger().Kind.(schedule.AnyOf).Triggers[0].Kind.(schedule.At).DaysOfWeek[0] = time.Saturday
	days[0] = time.Saturday
	if got := c.Trigger(); !reflect.DeepEqual(got, want) {
		t.Error("what is compiled shares a slice with the outside")
	}
	if days[1] != time.Friday {
		t.Error("what was given has been changed")
	}
}
