package schedule_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// naiveExclusion says whether exclusions hold an instant, by reading the wall clock with package time.
func naiveExclusion(list []schedule.Exclusion, calendars map[string][]schedule.Exclusion) func(time.Time) bool {
	var any []func(time.Time) bool
	for _, e := range list {
		switch k := e.(type) {
		case schedule.Dates:
			loc, first, last := loadLocation(k.TimeZone), k.First.String(), k.Last.String()
			if k.Last == (schedule.Date{}) {
				last = first
			}
			any = append(any, func(at time.Time) bool {
				day := at.In(loc).Format(time.DateOnly)
				return first <= day && day <= last
			})
		case schedule.Window:
			loc := loadLocation(k.TimeZone)
			from, until := k.From.Hour*3600+k.From.Minute*60+k.From.Second, k.Until.Hour*3600+k.Until.Minute*60+k.Until.Second
			on := func(d time.Weekday) bool { return len(k.DaysOfWeek) == 0 || slices.Contains(k.DaysOfWeek, d) }
			any = append(any, func(at time.Time) bool {
				wall := at.In(loc)
				now := wall.Hour()*3600 + wall.Minute()*60 + wall.Second()
				if from < until {
					return on(wall.Weekday()) && from <= now && now < until
				}
				return on(wall.Weekday()) && from <= now || on((wall.Weekday()+6)%7) && now < until
			})
		case schedule.Cron:
			loc, naive := loadLocation(k.TimeZone), naiveExpression(k.Expression)
			any = append(any, func(at time.Time) bool {
				_, offset := at.In(loc).Zone()
				wall := at.Unix() + int64(offset)
				return naive.matches(wall - (wall%60+60)%60)
			})
		case schedule.Calendar:
			any = append(any, naiveExclusion(calendars[k.Name], nil))
		}
	}
	return func(at time.Time) bool {
		return slices.ContainsFunc(any, func(f func(time.Time) bool) bool { return f(at) })
	}
}

// randomExclusions returns exclusions that matter around an instant.
func randomExclusions(r *rand.Rand, zones []string, around time.Time) []schedule.Exclusion {
	var out []schedule.Exclusion
	for range 1 + r.Intn(4) {
		zone := zones[r.Intn(len(zones))]
		clock := func() schedule.TimeOfDay {
			t := schedule.TimeOfDay{Hour: r.Intn(24), Minute: r.Intn(60)}
			if r.Intn(3) == 0 {
				t.Second = r.Intn(60)
			}
			return t
		}
		switch r.Intn(6) {
		case 0, 1:
			day := around.AddDate(0, 0, r.Intn(7)-3)
			d := schedule.Dates{First: schedule.Date{Year: day.Year(), Month: int(day.Month()), Day: day.Day()}, TimeZone: zone}
			if day = day.AddDate(0, 0, r.Intn(2)); r.Intn(2) == 0 {
				d.Last = schedule.Date{Year: day.Year(), Month: int(day.Month()), Day: day.Day()}
			}
			out = append(out, d)
		case 2, 3, 4:
			w := schedule.Window{From: clock(), Until: clock(), TimeZone: zone}
			for range r.Intn(4) {
				w.DaysOfWeek = append(w.DaysOfWeek, time.Weekday(r.Intn(7)))
			}
			if w.From == w.Until {
				w.Until = schedule.TimeOfDay{Hour: 24}
			}
			out = append(out, w)
		default:
			expression := randomExpression(r)
			if f := strings.Fields(expression); len(f) == 6 {
				expression = strings.Join(f[1:], " ")
			}
			c := schedule.Cron{Expression: expression, TimeZone: zone}
			if _, err := schedule.Compile(schedule.Trigger{Kind: c}); err == nil {
				out = append(out, c)
			}
		}
	}
	return out
}

func TestExclusionsAreThoseOfTheWallClockInstantByInstant(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	excluded := 0
	for i := range 300 * *rounds {
		w := oracleWindows[i%len(oracleWindows)]
		around := at(t, w.change)
		zones := []string{w.zone, w.zone, "UTC"}
		calendars := map[string][]schedule.Exclusion{"c": randomExclusions(r, zones, around)}
		x, err := schedule.NewExtensions(calendars, nil)
		if err != nil {
			t.Fatal(err)
		}
		bare := schedule.Trigger{Kind: schedule.Every{Interval: time.Duration(20+r.Intn(400)) * time.Second}}
		if r.Intn(2) == 0 {
			bare.Kind = schedule.Cron{Expression: randomExpression(r), TimeZone: zones[r.Intn(len(zones))]}
		}
		trigger := bare
		trigger.Exclusions = randomExclusions(r, zones, around)
		if r.Intn(3) == 0 {
			trigger.Exclusions = append(trigger.Exclusions, schedule.Calendar{Name: "c"})
		}
		if r.Intn(4) == 0 { // the same, one floor down
			trigger = schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{bare}}, Exclusions: trigger.Exclusions}
		}
		all, err := schedule.Compile(bare)
		if err != nil {
			continue // never comes
		}
		c, err := x.Compile(trigger)
		if err != nil {
			t.Fatalf("%s: %v", trigger, err)
		}
		from, until := around.Add(-30*time.Hour), around.Add(30*time.Hour)
		p := schedule.Progress{Anchor: from}
		var fires, lost []time.Time
		holds := naiveExclusion(trigger.Exclusions, calendars)
		for at, s := all.Next(from, p); s == schedule.Fires && !at.After(until); at, s = all.Next(at, p) {
			if holds(at) {
				lost = append(lost, at)
			} else {
				fires = append(fires, at)
			}
		}
		got := fires[:0:0]
		for at, s := c.Next(from, p); s == schedule.Fires && !at.After(until); at, s = c.Next(at, p) {
			got = append(got, at)
		}
		if !slices.Equal(got, fires) {
			t.Fatalf("%s around %s: %d fires\n%v\nwant %d\n%v", trigger, w.change, len(got), got, len(fires), fires)
		}
		want := schedule.Span{Count: int64(len(lost))}
		if len(lost) > 0 {
			want.First, want.Last = lost[0], lost[len(lost)-1]
		}
		if span := c.Excluded(from, until, p, 1e6); span != want {
			t.Fatalf("%s around %s: excluded %v, want %v", trigger, w.change, span, want)
		}
		if limit := int64(len(lost) / 2); limit > 0 {
			if span := c.Excluded(from, until, p, limit); span.Count > limit || span.Count > 0 && (span.First != lost[0] || span.Last != lost[span.Count-1]) {
				t.Fatalf("%s around %s: of the first %d instants %v are excluded", trigger, w.change, limit, span)
			}
		}
		excluded += len(lost)
	}
	if excluded < 1000 {
		t.Errorf("only %d instants were excluded", excluded)
	}
}

// firesOf returns the next fires of a trigger's text from an instant on, as if each run ended at once, joined.
func firesOf(t *testing.T, text, from string, n int) string {
	t.Helper()
	c := mustCompile(t, text)
	p := schedule.Progress{Anchor: at(t, from)}
	var out []string
	next, status := c.First(p)
	for status == schedule.Fires && len(out) < n {
		out = append(out, strings.TrimSuffix(next.Format("2006-01-02T15:04:05.999999"), ":00"))
		p = c.Count(next, 0, p)
		p.LastEnd = next
		next, status = c.Next(next, p)
	}
	if status == schedule.Over {
		out = append(out, "over")
	}
	return strings.Join(out, " ")
}

func TestWhatExclusionsTakeOut(t *testing.T) {
	for _, row := range []struct{ name, trigger, from, want string }{
		{
			"both dates are included", `at 12:00 UTC exclude(dates 2026-12-24..2026-12-26 UTC)`,
			"2026-12-23", "2026-12-23T12:00 2026-12-27T12:00",
		},
		{
			"one date", `at 12:00 UTC exclude(dates 2026-12-24 UTC)`,
			"2026-12-23", "2026-12-23T12:00 2026-12-25T12:00",
		},
		{
			"dates are those of their own zone", `at 23:30 UTC exclude(dates 2026-12-24 Europe/Berlin)`,
			"2026-12-23", "2026-12-24T23:30 2026-12-25T23:30",
		},
		{
			"a window begins at its first time and ends before its last", `cron "0 * * * *" UTC exclude(window 02:00-23:00 UTC)`,
			"2026-01-01T00:30:00Z", "2026-01-01T01:00 2026-01-01T23:00 2026-01-02T00:00 2026-01-02T01:00",
		},
		{
			"a window over midnight is of the day on which it begins", `cron "0 */6 * * *" UTC exclude(window 18:00-12:00 fri UTC)`,
			"2026-01-02T00:30:00Z", "2026-01-02T06:00 2026-01-02T12:00 2026-01-03T12:00 2026-01-03T18:00",
		},
		{
			"a window to 24:00 leaves midnight alone", `cron "0 */6 * * *" UTC exclude(window 06:00-24:00 UTC)`,
			"2026-01-01T00:30:00Z", "2026-01-02T00:00 2026-01-03T00:00",
		},
		{
			"minutes that match", `every 30s from=2026-01-01T00:00:00Z exclude(cron "0-58 * * * *" UTC)`,
			"2026-01-01", "2026-01-01T00:59 2026-01-01T00:59:30 2026-01-01T01:59",
		},
		{
			"both passes of an hour that comes twice", `every 30m from=2026-10-25T00:00:00Z exclude(window 02:00-03:00 Europe/Berlin)`,
			"2026-10-25", "2026-10-25T02:00 2026-10-25T02:30",
		},
		{
			"what follows a run waits for the end", `forever exclude(window 08:00-09:00 UTC)`,
			"2026-01-01T08:30:00Z", "2026-01-01T09:00 2026-01-01T09:00:00.000001",
		},
		{
			"a delay that ends inside waits for the end", `every 1h fixed-delay exclude(window 08:00-09:30 UTC)`,
			"2026-01-01T07:30:00Z", "2026-01-01T09:30 2026-01-01T10:30",
		},
		{
			"an instant inside is lost", `any(once 2026-01-01T08:30:00Z; once 2026-01-01T10:00:00Z) exclude(window 08:00-09:00 UTC)`,
			"2026-01-01T07:30:00Z", "2026-01-01T10:00 over",
		},
		{
			"as soon as possible is an instant too", `once exclude(window 08:00-09:00 UTC)`,
			"2026-01-01T08:30:00Z", "over",
		},
		{
			"lost instants do not count", `every 1h max=2 exclude(window 01:00-04:00 UTC)`,
			"2026-01-01T00:30:00Z", "2026-01-01T04:30 2026-01-01T05:30 over",
		},
		{
			"an inner exclusion is that of one trigger", `any(every 1h exclude(window 01:00-04:00 UTC); every 2h)`,
			"2026-01-01", "2026-01-01T02:00 2026-01-01T04:00 2026-01-01T05:00",
		},
		{
			"an outer exclusion is that of all", `any(every 1h; every 90m) exclude(window 01:00-04:00 UTC)`,
			"2026-01-01", "2026-01-01T04:00 2026-01-01T04:30 2026-01-01T05:00",
		},
		{
			"exclusions that touch are one", `every 1h exclude(window 00:00-12:00 UTC; window 12:00-24:00 mon-fri UTC; dates 2026-01-03 UTC)`,
			"2026-01-01", "2026-01-04T12:00 2026-01-04T13:00",
		},
		{
			"nothing is left", `every 1h exclude(window 00:00-24:00 UTC)`,
			"2026-01-01", "over",
		},
		{
			"nothing is left in two halves", `every 1h exclude(window 00:00-12:00 UTC; window 12:00-24:00 UTC)`,
			"2026-01-01", "over",
		},
		{
			"nothing is left of minutes", `every 1s exclude(cron "* * * * *" Europe/Berlin)`,
			"2026-01-01", "over",
		},
		{
			"a century", `at 12:00 UTC exclude(dates 2026-01-01..2125-12-31 UTC)`,
			"2026-01-01", "2126-01-01T12:00",
		},
		{
			"all that is left of time", `at 12:00 UTC exclude(dates 2026-01-01..9999-12-31 UTC)`,
			"2026-01-01", "over",
		},
		{
			"the far future", `at 12:00 Europe/Berlin exclude(dates 9000-06-30..9000-12-31 Europe/Berlin; window 11:00-13:00 sun Europe/Berlin)`,
			"9000-06-27", "9000-06-27T10:00 9000-06-28T10:00 9001-01-01T11:00",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := strings.Count(row.want, " ") + 1
			if strings.HasSuffix(row.want, "over") {
				n += 5
			}
			if got := firesOf(t, row.trigger, row.from, n); got != row.want {
				t.Errorf("%s from %s:\ngot  %s\nwant %s", row.trigger, row.from, got, row.want)
			}
		})
	}
}

func TestALongWayOverExclusionsIsTheSameFromEveryStart(t *testing.T) {
	// Two fires in ten years, and a few hundred stretches of exclusions between them.
	trigger := schedule.MustParse(`cron "0 12 * * *" Europe/Berlin exclude(cron "* * * 1-11 *" Europe/Berlin; cron "* 10-13 1-30 12 *" Europe/Berlin; dates 2028-12-31..2033-12-30 UTC)`)
	r := rand.New(rand.NewSource(4))
	shared, err := schedule.Compile(trigger)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		after := at(t, "2026-01-01").Add(time.Duration(r.Int63n(int64(10 * 366 * 24 * time.Hour))))
		fresh, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatal(err)
		}
		got, status := shared.Next(after, schedule.Progress{})
		if want, s := fresh.Next(after, schedule.Progress{}); !got.Equal(want) || status != s {
			t.Fatalf("after %v comes %v, and %v when asked first", after, got, want)
		}
	}
}

func TestAnExcludedEventIsNoFire(t *testing.T) {
	c := mustCompile(t, `any(startup exclude(dates 2026-05-01 UTC); shutdown) exclude(dates 2026-05-02 UTC)`)
	for _, row := range []struct {
		day               string
		startUp, shutDown bool
	}{{"2026-04-30", true, true}, {"2026-05-01", false, true}, {"2026-05-02", false, false}} {
		when := at(t, row.day).Add(time.Hour)
		p := schedule.Progress{Anchor: at(t, "2026-01-01")}
		if got := c.FiresOn(schedule.StartUp, when, p); got != row.startUp {
			t.Errorf("%s: start-up %v", row.day, got)
		}
		if got := c.FiresOn(schedule.ShutDown, when, p); got != row.shutDown {
			t.Errorf("%s: shut-down %v", row.day, got)
		}
	}
}

func TestExclusionsThatLeaveNothingAreAFaultAndNoEndlessSearch(t *testing.T) {
	for _, text := range []string{
		`every 1h exclude(window 00:00-24:00 UTC)`,
		`cron "0 * * * *" UTC exclude(cron "0 * * * *" UTC)`,
		`cron "*/2 * * * *" UTC exclude(cron "*/2 * * * *" UTC)`,
		`every 1s exclude(cron "*/2 * * * *" UTC; cron "1-59/2 * * * *" UTC)`,
		`any(cron "0 * * * *" UTC; cron "30 * * * *" Europe/Berlin; every 1h from=2026-01-01T00:30:00Z) exclude(cron "0,30 * * * *" UTC)`,
	} {
		c := mustCompile(t, text)
		next, status := c.Next(at(t, "2026-01-01"), schedule.Progress{Anchor: at(t, "2026-01-01")})
		if status != schedule.Over || !next.IsZero() {
			t.Errorf("%s: %v at %v", text, status, next)
		}
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), "exclusions") {
			t.Errorf("%s: fault %v", text, err)
		}
	}
}

func TestExclusionsThatCanNotBeUsedAreRefusedWithTheirPaths(t *testing.T) {
	x, err := schedule.NewExtensions(map[string][]schedule.Exclusion{"holidays": nil}, nil)
	if err != nil {
		t.Fatal(err)
	}
	utc, noon := "UTC", schedule.TimeOfDay{Hour: 12}
	may := schedule.Date{Year: 2026, Month: 5, Day: 1}
	_, err = x.Compile(schedule.Trigger{
		Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Forever{}, Exclusions: []schedule.Exclusion{nil}}}},
		Exclusions: []schedule.Exclusion{
			schedule.Dates{TimeZone: utc},
			schedule.Dates{First: schedule.Date{Year: 2026, Month: 2, Day: 29}, Last: schedule.Date{Year: 2026, Month: 13, Day: 1}, TimeZone: "Local"},
			schedule.Dates{First: may, Last: schedule.Date{Year: 2026, Month: 4, Day: 30}, TimeZone: utc},
			schedule.Window{From: noon, Until: noon, TimeZone: utc},
			schedule.Window{From: schedule.TimeOfDay{Hour: 24}, Until: schedule.TimeOfDay{Hour: 24, Minute: 1}, DaysOfWeek: []time.Weekday{9}},
			schedule.Cron{Expression: "0 * * * * *", TimeZone: utc},
			schedule.Cron{Expression: "61 * * * *", TimeZone: "Mars"},
			schedule.Calendar{Name: "bank holidays"},
			schedule.Calendar{Name: "vacation"},
			schedule.Calendar{Name: "holidays"},
			&schedule.Calendar{Name: "holidays"},
		},
	})
	want := []string{
		"exclusions[0].dates.first: missing: write a date such as 2026-12-24",
		"exclusions[1].dates.first: 2026-02-29 is no date of the calendar",
		"exclusions[1].dates.last: 2026-13-01 is no date of the calendar",
		`exclusions[1].dates.time_zone: "Local" depends on the machine: write UTC or an IANA name such as Europe/Berlin`,
		"exclusions[2].dates.last: 2026-04-30 is before first 2026-05-01",
		"exclusions[3].window.until: 12:00 is the same as from: for a whole day write 00:00 and 24:00",
		"exclusions[4].window.until: 24:01 is no time of day from 00:00 to 24:00",
		"exclusions[4].window.days_of_week[0]: 9 is no weekday: 0 (Sunday) to 6 (Saturday)",
		"exclusions[4].window.time_zone: missing: write UTC or an IANA name such as Europe/Berlin",
		`exclusions[5].cron.expression: "0 * * * * *" has six fields: an exclusion is of whole minutes, so it has five`,
		`exclusions[6].cron.expression: minute "61" is outside 0-59`,
		`exclusions[6].cron.time_zone: "Mars" is not an IANA name: write UTC or an IANA name such as Europe/Berlin`,
		`exclusions[7].calendar: "bank holidays" is no name of a calendar: 1 to 64 letters, digits, -, _ and ., the first a letter or digit`,
		`exclusions[8].calendar: "vacation" is not declared: there are holidays`,
		"exclusions[10]: kind *schedule.Calendar is unknown: a kind is a value of this package, not a pointer",
		"any_of.triggers[0].exclusions[0]: kind missing: one of dates, window, cron and calendar is needed",
	}
	if err == nil || err.Error() != strings.Join(want, "; ") {
		t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(fmt.Sprint(err), "; ", "\n"), strings.Join(want, "\n"))
	}
	many := make([]schedule.Exclusion, 65)
	for i := range many {
		many[i] = schedule.Dates{First: may, TimeZone: utc}
	}
	if _, err := schedule.Compile(schedule.Trigger{Kind: schedule.Forever{}, Exclusions: many}); err == nil ||
		err.Error() != "exclusions: 65 of them, at most 64 are allowed" {
		t.Error(err)
	}
}

func TestCalendarsThatCanNotBeUsedAreRefusedWithTheirPaths(t *testing.T) {
	_, err := schedule.NewExtensions(map[string][]schedule.Exclusion{
		"":  nil,
		"a": {schedule.Calendar{Name: "b"}, schedule.Dates{TimeZone: "UTC"}},
		"b": {schedule.Window{TimeZone: "UTC"}},
	}, map[string]schedule.NewSource{"acme": nil})
	want := []string{
		`calendars: "" is no name of a calendar: 1 to 64 letters, digits, -, _ and ., the first a letter or digit`,
		`calendars.a[0].calendar: "b": a calendar can not hold another one`,
		"calendars.a[1].dates.first: missing: write a date such as 2026-12-24",
		"calendars.b[0].window.until: 00:00 is the same as from: for a whole day write 00:00 and 24:00",
		`kinds: "acme" is no type URL such as type.googleapis.com/acme.v1.Tide`,
		`kinds: "acme" has no function that makes its source`,
	}
	if err == nil || err.Error() != strings.Join(want, "; ") {
		t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(fmt.Sprint(err), "; ", "\n"), strings.Join(want, "\n"))
	}
}
