package schedule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// A vectorTrigger is one trigger of testdata/upstream_cases.jsonl.
type vectorTrigger struct {
	Cron *string
	At   *struct {
		Hour, Minute, Second int
		Weekdays             []string
	}
	Every *struct {
		Seconds  float64
		FirstRun string `json:"first_run"`
		MaxCount int64  `json:"max_count"`
	}
	Once   *struct{}
	OnceAt *time.Time `json:"once_at"`
	Or     []vectorTrigger
	Start  time.Time
	End    time.Time
}

// A vector is one case: what another project's own tests assert, as data.
type vector struct {
	ID           string
	SourceRepo   string `json:"source_repo"`
	Syntax       string
	Status       string
	Policy       string
	Note         string
	CronEquiv    string `json:"cron_equiv"`
	Trigger      vectorTrigger
	SameAs       *vectorTrigger `json:"same_as"`
	TZ           string
	After        time.Time
	Anchor       time.Time
	Start, End   time.Time
	Next         []time.Time
	Nth          int
	NotNext      time.Time   `json:"not_next"`
	CorrectNext  correctNext `json:"correct_next"`
	InclusiveNow bool        `json:"inclusive_now"`
	Exhausted    bool
	Never        bool
}

// correctNext is a time, or a list of them.
type correctNext []time.Time

func (c *correctNext) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return json.Unmarshal(data, (*[]time.Time)(c))
	}
	var t time.Time
	err := json.Unmarshal(data, &t)
	*c = correctNext{t}
	return err
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.Open("testdata/upstream_cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []vector
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// trigger restates the case's trigger as ours.
func (v *vector) trigger() schedule.Trigger {
	t := v.Trigger.trigger(v.TZ)
	if k, ok := t.Kind.(schedule.Cron); ok && v.CronEquiv != "" {
		k.Expression = v.CronEquiv
		t.Kind = k
	}
	t.StartTime, t.EndTime = v.Start, v.End
	return t
}

func (v vectorTrigger) trigger(zone string) schedule.Trigger {
	t := schedule.Trigger{StartTime: v.Start, EndTime: v.End}
	switch {
	case v.Cron != nil:
		t.Kind = schedule.Cron{Expression: *v.Cron, TimeZone: zone}
	case v.At != nil:
		k := schedule.At{Hour: v.At.Hour, Minute: v.At.Minute, Second: v.At.Second, TimeZone: zone}
		for _, name := range v.At.Weekdays {
			k.DaysOfWeek = append(k.DaysOfWeek, time.Weekday(slices.Index(weekdays, name)))
		}
		t.Kind = k
	case v.Every != nil:
		k := schedule.Every{Interval: time.Duration(v.Every.Seconds * float64(time.Second))}
		if v.Every.FirstRun == "immediate" {
			k.FirstFire = schedule.Immediate
		}
		t.Kind, t.MaxFires = k, v.Every.MaxCount
	case v.Once != nil:
		t.Kind = schedule.Once{}
	case v.OnceAt != nil:
		t.Kind = schedule.Once{Time: *v.OnceAt}
	case v.Or != nil:
		var k schedule.AnyOf
		for _, inner := range v.Or {
			k.Triggers = append(k.Triggers, inner.trigger(zone))
		}
		t.Kind = k
	}
	return t
}

var weekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// check returns how we differ from the case, or "".
func (v *vector) check(want []time.Time) string {
	c, err := schedule.Compile(v.trigger())
	if v.Never && err != nil {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	p := schedule.Progress{Anchor: v.Anchor}
	if p.Anchor.IsZero() {
		p.Anchor = v.After
	}
	last, first := v.After, v.InclusiveNow && !v.Anchor.IsZero()
	fire := func() (time.Time, schedule.Status) {
		next, status := c.Next(last, p)
		if first {
			next, status = c.First(p)
			first = false
		}
		if status == schedule.Fires {
			p = c.Count(next, 0, p)
		}
		last = next
		return next, status
	}
	for range v.Nth - 1 {
		fire()
	}
	for i, w := range want {
		if got, status := fire(); status != schedule.Fires || !got.Equal(w) {
			return fmt.Sprintf("fire %d is %v (status %d), want %v", i+1, got, status, w)
		}
	}
	if !v.NotNext.IsZero() {
		if got, _ := fire(); got.Equal(v.NotNext) {
			return fmt.Sprintf("fires at %v", got)
		}
	}
	if v.Exhausted || v.Never {
		if got, status := fire(); status != schedule.Over {
			return fmt.Sprintf("fires at %v, should be over", got)
		}
	}
	if v.SameAs != nil {
		return v.checkSame(c)
	}
	return ""
}

// checkSame compares a case with the second spelling that it gives.
func (v *vector) checkSame(c *schedule.Compiled) string {
	other, err := schedule.Compile(v.SameAs.trigger(v.TZ))
	if err != nil {
		return err.Error()
	}
	a, b := v.After, v.After
	for range 10_000 {
		a, _ = c.Next(a, schedule.Progress{})
		b, _ = other.Next(b, schedule.Progress{})
		if !a.Equal(b) {
			return fmt.Sprintf("fires at %v, its second spelling at %v", a, b)
		}
	}
	return ""
}

// An explanation is a rule of ours by which a case may differ: a reason, and what must be true of the
// case and of the difference. Each is as narrow as the cases allow.
type explanation struct {
	reason string
	holds  func(v *vector, expression, difference string) bool
}

func refused(parts ...string) func(*vector, string, string) bool {
	return func(_ *vector, _, difference string) bool {
		for _, part := range parts {
			if !strings.Contains(difference, part) {
				return false
			}
		}
		return true
	}
}

// dayFields returns the day-of-month and day-of-week fields, * if there is no expression.
func dayFields(expression string) (dom, dow string) {
	f := strings.Fields(expression)
	if len(f) < 5 {
		return "*", "*"
	}
	return f[len(f)-3], f[len(f)-1]
}

var explanations = []explanation{
	{"rule 2: a field for the year is refused", func(v *vector, expression, difference string) bool {
		seven := strings.Contains(difference, "found 7") && len(strings.Fields(expression)) == 7
		return seven || v.Syntax == "cron5+year"
	}},
	{"rule 2: fields of a year or a week do not exist", func(v *vector, _, _ string) bool { return v.Syntax == "apscheduler" }},
	{"rule 3: full names are refused", refused(`"friday" is not a number from 0 to 7 or a name`)},
	{"rule 3: ? stands in day fields only", refused(`minute "?" is not`)},
	{"rule 3: a-a is one value, not the whole week", func(_ *vector, expression, _ string) bool {
		_, dow := dayFields(expression)
		return dow == "Sun-Sun" || dow == "7-7" || dow == "0-0"
	}},
	{"rule 3: the step of a wrapped range counts on over the end", func(v *vector, expression, _ string) bool {
		return v.Status == "own_only" && (strings.HasSuffix(strings.ToLower(expression), "thu-tue/2") || strings.HasSuffix(expression, "Apr-Mar/2 *"))
	}},
	{"rule 4: both day fields restricted means either, also with a * inside", func(_ *vector, expression, _ string) bool {
		dom, dow := dayFields(expression)
		return dom != "*" && dow != "*" && dom != "?" && dow != "?" && (strings.HasPrefix(dom, "*/") || dom == "1,15")
	}},
	{"rule 3: a * in a list matches every value", func(v *vector, expression, _ string) bool {
		return strings.HasSuffix(expression, "*,sat#3") && v.Status == "upstream_alone"
	}},
	{"rule 5: a month without the day of nW does not fire", func(_ *vector, expression, _ string) bool { return strings.Contains(expression, "31W") }},
	{"rule 5: L is no end of a range, W15 is no 15W, # follows one weekday", func(_ *vector, expression, difference string) bool {
		mixed := strings.Contains(expression, "1-l/8") || strings.Contains(expression, "29-L") ||
			strings.Contains(expression, "W15") || strings.Contains(expression, "MON-FRI#1")
		return mixed && strings.Contains(difference, "is not a number")
	}},
	{"rule 7: Vixie's rule where the offset changes", func(v *vector, expression, _ string) bool { return v.vixieDecides(expression) }},
	{"rule 10: at() is strictly after, aioclock waits 0 s", func(v *vector, _, _ string) bool { return v.Policy == "inclusive_now" }},
	{"rule 10: equal instants of an any_of are one fire", func(v *vector, _, _ string) bool {
		return strings.HasPrefix(v.Policy, "or:no_collapse")
	}},
	{"bounds: a window that ends before it starts is refused", refused("end_time", "is before start_time")},
	{"upstream's bug: correct_next is right", func(v *vector, _, _ string) bool {
		return len(v.CorrectNext) > 0 && v.check(v.CorrectNext) == ""
	}},
}

// vixieDecides returns whether what we answer for the case is exactly what the second-by-second oracle
// says, in a stretch of time in which the offset changes.
func (v *vector) vixieDecides(expression string) bool {
	if v.Trigger.At != nil {
		expression = fmt.Sprintf("%d %d %d * * %s", v.Trigger.At.Second, v.Trigger.At.Minute, v.Trigger.At.Hour,
			strings.Join(append([]string{}, v.Trigger.At.Weekdays...), ","))
		if len(v.Trigger.At.Weekdays) == 0 {
			expression += "*"
		}
	}
	if expression == "" || len(v.Next) == 0 {
		return false
	}
	trigger := v.trigger()
	trigger.StartTime, trigger.EndTime = time.Time{}, time.Time{}
	c, err := schedule.Compile(trigger)
	if err != nil {
		return false
	}
	// Only the fires next to the disputed ones are looked at, since the oracle is slow.
	first := v.After
	for _, want := range v.Next {
		got, _ := c.Next(first, schedule.Progress{})
		if first = got; want.Before(got) {
			first = want
		}
		if !got.Equal(want) {
			break
		}
	}
	w := newWallWindow(loadLocation(v.TZ), first.Add(-36*time.Hour), 72*time.Hour)
	if !w.changes() {
		return false
	}
	fires := w.fires(naiveExpression(expression))
	return slices.Equal(fires, w.ours(c))
}

func TestUpstreamCasesAreMetOrExplained(t *testing.T) {
	counts := map[string]int{}
	confirmed, met := 0, 0
	for _, v := range readVectors(t) {
		if v.Status == "confirmed" {
			confirmed++
		}
		difference := v.check(v.Next)
		if difference == "" {
			counts["met, "+v.Status]++
			met++
			continue
		}
		expression := v.CronEquiv
		if expression == "" && v.Trigger.Cron != nil {
			expression = *v.Trigger.Cron
		}
		reason := ""
		for _, e := range explanations {
			if e.holds(&v, expression, difference) {
				reason = e.reason
				break
			}
		}
		if reason == "" {
			t.Errorf("%s (%s, %s) %q in %s after %v: %s", v.ID, v.Status, v.SourceRepo, expression, v.TZ, v.After, difference)
			continue
		}
		counts["explained, "+v.Status+", "+reason]++
	}
	t.Logf("%d cases met", met)
	for _, line := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%4d %s", counts[line], line)
	}
	if confirmed != 794 {
		t.Errorf("%d confirmed cases in the file, want 794", confirmed)
	}
}
