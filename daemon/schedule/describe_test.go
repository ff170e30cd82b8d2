package schedule_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// TestDescriptions compares the descriptions with those in testdata/descriptions.txt, which a person can
// review: each trigger stands above its description.
func TestDescriptions(t *testing.T) {
	const name = "testdata/descriptions.txt"
	given, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for line := range strings.Lines(string(given)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "\t"):
		case line == "" || line[0] == '#':
			fmt.Fprintln(&got, line)
		default:
			fmt.Fprintf(&got, "%s\n\t%s\n", line, schedule.MustParse(line).Describe())
		}
	}
	if *rewrite {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(given, got.Bytes()) {
		t.Errorf("%s is\n%s\nDescribe says\n%s", name, given, got.Bytes())
	}
}

func TestDescribeIsOneLineAndAlwaysTheSame(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	for range 2000 * *rounds {
		trigger := randomFullTrigger(r)
		text := trigger.Describe()
		if text == "" || strings.ContainsAny(text, "\n\t") || strings.Contains(text, "  ") {
			t.Fatalf("%s: %q", trigger, text)
		}
		if again := trigger.Describe(); again != text || schedule.MustParse(trigger.String()).Describe() != text {
			t.Fatalf("%s: %q, then %q, in canonical form %q", trigger, text, again, schedule.MustParse(trigger.String()).Describe())
		}
	}
}

func TestDescribeGivesTheTextFormOfWhatCheckRefuses(t *testing.T) {
	forever := func(e ...schedule.Exclusion) schedule.Trigger {
		return schedule.Trigger{Kind: schedule.Forever{}, Exclusions: e}
	}
	for _, trigger := range []schedule.Trigger{
		{},
		{Kind: schedule.Every{}},
		{Kind: schedule.At{Hour: 99, DaysOfWeek: []time.Weekday{12}}},
		{Kind: schedule.Cron{Expression: "0 0 31 2 *", TimeZone: "UTC"}},
		{Kind: schedule.AnyOf{}},
		{Kind: schedule.AnyOf{Triggers: make([]schedule.Trigger, 2)}},
		{Kind: schedule.Custom{}},
		{Kind: schedule.Forever{}, Jitter: -1},
		forever(nil),
		forever(schedule.Dates{}),
		forever(schedule.Dates{First: schedule.Date{Year: 2026, Month: 13, Day: 1}, TimeZone: "UTC"}),
		forever(schedule.Window{TimeZone: "UTC", DaysOfWeek: []time.Weekday{-1}}),
		forever(schedule.Cron{Expression: "0 0 12 * * *", TimeZone: "UTC"}),
		forever(schedule.Calendar{}),
		forever((*schedule.Calendar)(nil)),
	} {
		if got := trigger.Describe(); got != trigger.String() {
			t.Errorf("%s: %q", trigger, got)
		}
	}
}

// TestExclusionsWithOneDescriptionAreOneSet compares the minutes of a day that exclusions take out.
func TestExclusionsWithOneDescriptionAreOneSet(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	field := func(limit int) string {
		a, b, step := r.Intn(limit), r.Intn(limit), 1+r.Intn(30)
		switch r.Intn(7) {
		case 0:
			return fmt.Sprint(a)
		case 1:
			return fmt.Sprintf("%d,%d", a, b)
		case 2:
			return fmt.Sprintf("%d-%d", a, b)
		case 3:
			return fmt.Sprintf("%d-%d/%d", a, b, step)
		case 4:
			return fmt.Sprintf("*/%d", step)
		}
		return "*"
	}
	clock := func() string { return fmt.Sprintf("%02d:%02d", r.Intn(24), []int{0, 0, 0, 30}[r.Intn(4)]) }
	midnight := at(t, "2026-06-01")
	left := func(trigger schedule.Trigger) string {
		c, err := schedule.Compile(trigger)
		if err != nil {
			t.Fatalf("%s: %v", trigger, err)
		}
		minutes := bytes.Repeat([]byte("-"), 24*60)
		for after := midnight.Add(-time.Microsecond); ; {
			next, status := c.Next(after, schedule.Progress{Anchor: midnight.AddDate(0, 0, -1)})
			minute := int(next.Sub(midnight) / time.Minute)
			if status != schedule.Fires || minute >= len(minutes) {
				return string(minutes)
			}
			minutes[minute] = '+'
			after = next
		}
	}
	seen := map[string][2]string{} // description: minutes left, text
	compared := 0
	for range 1500 * *rounds {
		text := fmt.Sprintf(`cron "%s %s * * *" UTC`, field(60), field(24))
		if from, until := clock(), clock(); r.Intn(3) == 0 && from != until {
			text = fmt.Sprintf("window %s-%s UTC", from, until)
		}
		trigger := schedule.MustParse("every 1m until=2026-06-03T00:00:00Z exclude(" + text + ")")
		description, minutes := trigger.Describe(), left(trigger)
		before, ok := seen[description]
		if !ok {
			seen[description] = [2]string{minutes, text}
			continue
		}
		if before[1] != text {
			compared++
		}
		if before[0] != minutes {
			t.Errorf("%s and %s are both %q", before[1], text, description)
		}
	}
	if compared < 20 {
		t.Errorf("only %d pairs compared", compared)
	}
}

// TestExpressionsWithOneDescriptionAreOneSchedule finds descriptions that leave something out: two
// expressions that read the same must match the same times.
func TestExpressionsWithOneDescriptionAreOneSchedule(t *testing.T) {
	r := rand.New(rand.NewSource(8))
	pick := func(items ...string) string { return items[r.Intn(len(items))] }
	number := func(from, to int) string { return fmt.Sprint(from + r.Intn(to-from+1)) }
	field := func(from, to int, special ...string) string {
		a, b := from+r.Intn(to-from+1), from+r.Intn(to-from+1)
		return pick(append(special, "*", "*", "*/"+number(1, 9), number(from, to), number(from, to)+","+number(from, to),
			fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("%d-%d/%d", a, b, 1+r.Intn(4)), fmt.Sprintf("%d/%d", a, 1+r.Intn(12)))...)
	}
	starts := []time.Time{at(t, "2026-01-01"), at(t, "2027-02-26"), at(t, "2028-02-28"), at(t, "2029-07-13")}
	fires := func(c *schedule.Compiled) string {
		var out strings.Builder
		for _, after := range starts {
			for range 12 {
				next, status := c.Next(after, schedule.Progress{})
				if status != schedule.Fires {
					break
				}
				fmt.Fprintln(&out, next.Unix())
				after = next
			}
		}
		for day := range 120 {
			next, _ := c.Next(starts[0].Add(time.Duration(day)*3*25*time.Hour), schedule.Progress{})
			fmt.Fprintln(&out, next.Unix())
		}
		return out.String()
	}
	seen := map[string][2]string{} // description: fires, expression
	compared := 0
	for range 12000 * *rounds {
		expression := strings.Join([]string{
			field(0, 59), field(0, 23),
			field(1, 31, "*", "*", "*", "*", "L", "LW", "L-"+number(1, 30), number(1, 31)+"W", "L,1"),
			field(1, 12, "*", "*", "*", "*", "*", "*"),
			field(0, 7, "*", "*", "*", "*", number(0, 7)+"L", number(0, 7)+"#"+number(1, 5), "?"),
		}, " ")
		if r.Intn(3) == 0 {
			expression = field(0, 59, "0", "0") + " " + expression
		}
		c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: "UTC"}})
		if err != nil {
			continue
		}
		text, times := c.Trigger().Describe(), fires(c)
		before, ok := seen[text]
		if !ok {
			seen[text] = [2]string{times, expression}
			continue
		}
		if before[1] != expression {
			compared++
		}
		if before[0] != times {
			t.Errorf("%q and %q are both %q", before[1], expression, text)
		}
	}
	if compared < 100 {
		t.Errorf("only %d pairs compared", compared)
	}
}
