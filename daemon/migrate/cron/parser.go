package cron

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/migrate/internal/zone"
	"github.com/clockd/clockd/daemon/schedule"
)

// ParseOption says which fields a spec has, and what else it may be. The order of the fields is always that of
// these constants.
type ParseOption int

const (
	// Second is a field of seconds. Left out, it is 0.
	Second ParseOption = 1 << iota
	// SecondOptional is one that may be there or not.
	SecondOptional
	// Minute is a field of minutes. Left out, it is 0.
	Minute
	// Hour is a field of hours. Left out, it is 0.
	Hour
	// Dom is the day of the month. Left out, it is *.
	Dom
	// Month is the month. Left out, it is *.
	Month
	// Dow is the day of the week. Left out, it is *.
	Dow
	// DowOptional is one that may be there or not.
	DowOptional
	// Descriptor allows @hourly and the like, and @every.
	Descriptor
)

// standard is what a Cron takes unless it is told otherwise.
const standard = Minute | Hour | Dom | Month | Dow | Descriptor

// Parser reads specs. Make one with NewParser.
type Parser struct{ options ParseOption }

// NewParser returns a Parser for specs with these fields. That both optional fields are given, so that nobody can
// tell which one is there, is said when a spec is read; the original panics.
func NewParser(options ParseOption) Parser { return Parser{options} }

// Trigger returns the trigger that a spec means: a Cron, or an Every if it begins with @every. The zone is that
// of a prefix TZ= or CRON_TZ=, else that of loc; an @every needs none. The package comment says what differs.
func (p Parser) Trigger(spec string, loc *time.Location) (schedule.Trigger, error) {
	rest := spec
	name, prefixed := "", false
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if after, ok := strings.CutPrefix(spec, prefix); ok {
			if name, rest, ok = strings.Cut(after, " "); !ok {
				return schedule.Trigger{}, fmt.Errorf("spec %q: nothing follows the time zone", spec)
			}
			prefixed = true
		}
	}
	rest = strings.TrimSpace(rest)
	if every, ok := strings.CutPrefix(rest, "@every "); ok && p.options&Descriptor != 0 {
		t, err := everyTrigger(strings.TrimSpace(every))
		if err != nil {
			return schedule.Trigger{}, fmt.Errorf("spec %q: %w", spec, err)
		}
		return t, nil
	}
	expression, err := p.expression(rest)
	if err != nil {
		return schedule.Trigger{}, fmt.Errorf("spec %q: %w", spec, err)
	}
	switch {
	case prefixed && name == "":
		name = "UTC" // as time.LoadLocation has it
	case !prefixed || name == "Local":
		if name, err = zone.Of(loc); err != nil {
			return schedule.Trigger{}, fmt.Errorf("spec %q: %w", spec, err)
		}
	}
	t := schedule.Trigger{Kind: schedule.Cron{Expression: expression, TimeZone: name}}
	if err := schedule.Check(t); err != nil {
		return schedule.Trigger{}, fmt.Errorf("spec %q: %w", spec, err)
	}
	return t, nil
}

func everyTrigger(text string) (schedule.Trigger, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return schedule.Trigger{}, fmt.Errorf("%q is no interval: write a number and a unit, such as 90m or 1h30m", text)
	case d <= 0:
		return schedule.Trigger{}, fmt.Errorf("interval %s is not above 0", d)
	}
	return schedule.Trigger{Kind: schedule.Every{Interval: Every(d).Delay}}, nil
}

// expression returns the expression of ours that has the same fires.
func (p Parser) expression(text string) (string, error) {
	if strings.HasPrefix(text, "@") {
		if p.options&Descriptor == 0 {
			return "", errors.New("this parser takes no descriptors: add cron.Descriptor to its options")
		}
		return text, nil // ours know the same ones, and refuse the rest
	}
	fields, err := p.fields(strings.Fields(text))
	if err != nil {
		return "", err
	}
	for i := range fields {
		if fields[i], err = field(fields[i]); err != nil {
			return "", err
		}
	}
	if fields[0] == "0" {
		fields = fields[1:]
	}
	return strings.Join(fields, " "), nil
}

// fields returns all six fields, with defaults for those that are not in the spec.
func (p Parser) fields(given []string) ([]string, error) {
	required := p.options &^ (SecondOptional | DowOptional | Descriptor)
	optional := ParseOption(0)
	switch p.options & (SecondOptional | DowOptional) {
	case SecondOptional | DowOptional:
		return nil, errors.New("the parser has two optional fields, so which one is there can not be told: leave out SecondOptional or DowOptional")
	case SecondOptional:
		optional = Second
	case DowOptional:
		optional = Dow
	}
	required &^= optional
	places := []ParseOption{Second, Minute, Hour, Dom, Month, Dow}
	count := func(of ParseOption) (n int) {
		for _, place := range places {
			if of&place != 0 {
				n++
			}
		}
		return n
	}
	present, least, most := required, count(required), count(required|optional)
	switch {
	case len(given) == most:
		present |= optional
	case len(given) != least && least == 5 && most == 5 && len(given) == 6:
		return nil, errors.New("6 fields where 5 are wanted: cron.WithSeconds takes the seconds in front")
	case len(given) != least && least == most:
		return nil, fmt.Errorf("%d fields where %d are wanted", len(given), most)
	case len(given) != least:
		return nil, fmt.Errorf("%d fields where %d or %d are wanted", len(given), least, most)
	}
	all := []string{"0", "0", "0", "*", "*", "*"}
	for i, place := range places {
		if present&place != 0 {
			all[i], given = given[0], given[1:]
		}
	}
	return all, nil
}

// field returns what a field means in ours. In theirs a ? is a *, wherever it stands; empty items of a list are
// passed over; and a list in which * comes with no step, or with a step of 1, is not restricted, which counts in
// the rule for the two day fields.
func field(text string) (string, error) {
	items := slices.DeleteFunc(strings.Split(text, ","), func(item string) bool { return item == "" })
	if len(items) == 0 {
		return "", fmt.Errorf("field %q has no values, so it never fires", text)
	}
	for i, item := range items {
		base, step, stepped := strings.Cut(item, "/")
		if base != "*" && base != "?" {
			continue
		}
		if n, err := strconv.Atoi(step); !stepped || err == nil && n == 1 {
			return "*", nil
		}
		items[i] = "*/" + step
	}
	return strings.Join(items, ","), nil
}
