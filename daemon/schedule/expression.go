package schedule

import (
	"fmt"
	"strings"
)

// A cronField is one field of an expression: its name in messages, its range, and the names of its
// values, of which the first stands for min.
type cronField struct {
	name     string
	min, max int
	names    []string
}

var (
	cronFields = [6]cronField{
		{name: "second", max: 59},
		{name: "minute", max: 59},
		{name: "hour", max: 23},
		{name: "day of month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: []string{
			"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
		}},
		// 7 is Sunday too; it is folded into 0.
		{name: "day of week", max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
	}

	descriptors = map[string]string{
		"@yearly":   "0 0 1 1 *",
		"@annually": "0 0 1 1 *",
		"@monthly":  "0 0 1 * *",
		"@weekly":   "0 0 * * 0",
		"@daily":    "0 0 * * *",
		"@midnight": "0 0 * * *",
		"@hourly":   "0 * * * *",
	}
)

const (
	fieldSecond = iota
	fieldMinute
	fieldHour
	fieldDayOfMonth
	fieldMonth
	fieldDayOfWeek
)

const fieldAdvice = "5 fields (minute hour day month weekday) or 6 (second first)"

// words splits an expression where its fields are separated: at ASCII white space and nowhere else.
func words(expression string) []string {
	return strings.FieldsFunc(expression, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r'
	})
}

// maxExpression is how long an expression may be, in bytes: every value of every field, listed one by one,
// fits twice.
const maxExpression = 2048

// parseExpression returns the pattern of a cron expression, or a description of each problem in it.
func parseExpression(expression string) (pattern, []string) {
	if len(expression) > maxExpression {
		return pattern{}, []string{fmt.Sprintf("%d bytes long, at most %d are allowed", len(expression), maxExpression)}
	}
	fields := words(expression)
	if len(fields) == 0 {
		return pattern{}, []string{"empty, want " + fieldAdvice}
	}
	if problem := refusePrefix(fields[0]); problem != "" {
		return pattern{}, []string{problem}
	}
	if strings.HasPrefix(fields[0], "@") {
		long, ok := descriptors[strings.ToLower(fields[0])]
		if !ok || len(fields) > 1 {
			return pattern{}, []string{descriptorProblem(fields)}
		}
		fields = words(long)
	}
	switch len(fields) {
	case 5:
		fields = append([]string{"0"}, fields...)
	case 6:
	default:
		return pattern{}, []string{fmt.Sprintf("%s, found %d", fieldAdvice, len(fields))}
	}

	var p pattern
	var problems []string
	for i, text := range fields {
		if err := p.parseField(i, text); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return pattern{}, problems
	}
	p.everyTime = fields[fieldMinute][0] == '*' || fields[fieldHour][0] == '*'
	if !p.comes() {
		return pattern{}, []string{fmt.Sprintf("day of month %q with month %q and day of week %q is a date that never comes",
			fields[fieldDayOfMonth], fields[fieldMonth], fields[fieldDayOfWeek])}
	}
	return p, nil
}

func refusePrefix(word string) string {
	upper := strings.ToUpper(word)
	if strings.HasPrefix(upper, "TZ=") || strings.HasPrefix(upper, "CRON_TZ=") {
		return fmt.Sprintf("time zone %q inside the expression: it has a field of its own, time_zone", word)
	}
	return ""
}

func descriptorProblem(fields []string) string {
	switch strings.ToLower(fields[0]) {
	case "@every":
		return `"@every" is not a cron expression: use an every trigger`
	case "@reboot":
		return `"@reboot" is not a cron expression: use an on_start_up trigger`
	}
	return fmt.Sprintf("%q is unknown: @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand alone",
		strings.Join(fields, " "))
}

// parseField reads one field into the pattern.
func (p *pattern) parseField(index int, text string) error {
	f := &cronFields[index]
	isDay := index == fieldDayOfMonth || index == fieldDayOfWeek
	restricted := text != "*" && (text != "?" || !isDay)
	if isDay && !restricted {
		return nil
	}
	var set uint64
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			return fmt.Errorf("%s %q has an empty item", f.name, text)
		}
		done, err := p.parseSpecialDay(index, item)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		values, err := f.parseItem(item)
		if err != nil {
			return err
		}
		set |= values
	}
	switch index {
	case fieldSecond:
		p.second = set
	case fieldMinute:
		p.minute = set
	case fieldHour:
		p.hour = uint32(set)
	case fieldDayOfMonth:
		p.days.dom, p.days.domRestricted = uint32(set), true
	case fieldMonth:
		p.month = uint16(set)
	case fieldDayOfWeek:
		p.days.dow, p.days.dowRestricted = uint8(set), true
	}
	return nil
}

// parseItem reads one item of a list: *, a value, a range, and each of them with a step.
func (f *cronField) parseItem(item string) (uint64, error) {
	top := f.max
	if top == 7 {
		top = 6 // a range without an end runs to Saturday
	}
	base, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		n, ok := number(stepText)
		if !ok || n < 1 {
			return 0, fmt.Errorf("%s %q: step %q is not a whole number of at least 1", f.name, item, stepText)
		}
		step = n
	}
	if base == "*" {
		return stride(f.min, top, step), nil
	}
	fromText, toText, ranged := strings.Cut(base, "-")
	if fromText == "" || ranged && toText == "" {
		return 0, fmt.Errorf("%s %q is not %s", f.name, item, f.want())
	}
	from, err := f.value(item, fromText)
	if err != nil {
		return 0, err
	}
	if !ranged {
		if !stepped {
			return f.fold(1 << from), nil
		}
		if from > top {
			from = f.min // 7/2 is 0/2
		}
		return stride(from, top, step), nil
	}
	to, err := f.value(item, toText)
	if err != nil {
		return 0, err
	}
	if from <= to {
		return f.fold(stride(from, to, step)), nil
	}
	// A wrapped range, such as 22-2 or FRI-MON: go on from the start of the field.
	span := top - f.min + 1
	var set uint64
	for v := from; v <= to+span; v += step {
		set |= 1 << (f.min + (v-f.min)%span)
	}
	return set, nil
}

// fold makes 7 of a day of the week what it means, 0.
func (f *cronField) fold(set uint64) uint64 {
	if f.max == 7 && set>>7&1 != 0 {
		set = set&^(1<<7) | 1
	}
	return set
}

// stride returns the bits from, from+step, ... up to and including to.
func stride(from, to, step int) uint64 {
	var set uint64
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set
}

// value reads one value of the field, a number or a name. item is what it is part of, for the message.
func (f *cronField) value(item, text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	v, ok := number(text)
	switch {
	case !ok && text == item:
		return 0, fmt.Errorf("%s %q is not %s", f.name, item, f.want())
	case !ok:
		return 0, fmt.Errorf("%s %q: %q is not %s", f.name, item, text, f.want())
	case (v < f.min || v > f.max) && text == item:
		return 0, fmt.Errorf("%s %q is outside %d-%d", f.name, item, f.min, f.max)
	case v < f.min || v > f.max:
		return 0, fmt.Errorf("%s %q: %q is outside %d-%d", f.name, item, text, f.min, f.max)
	}
	return v, nil
}

func (f *cronField) want() string {
	if f.names == nil {
		return fmt.Sprintf("a number from %d to %d", f.min, f.max)
	}
	return fmt.Sprintf("a number from %d to %d or a name from %s to %s", f.min, f.max, f.names[0], f.names[len(f.names)-1])
}

// number reads ASCII digits, without a sign. Nothing in an expression has more than nine digits.
func number(text string) (int, bool) {
	if text == "" || len(text) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, true
}

// parseSpecialDay reads the items with L, W and #. It returns false for any other item.
func (p *pattern) parseSpecialDay(index int, item string) (bool, error) {
	f := &cronFields[index]
	upper := asciiUpper(item)
	switch index {
	case fieldDayOfMonth:
		switch {
		case upper == "L":
			p.days.fromEnd |= 1
		case upper == "LW":
			p.days.lastWorkday = true
		case strings.HasPrefix(upper, "L-"):
			n, ok := number(upper[2:])
			if !ok || n < 1 || n > 30 {
				return false, fmt.Errorf("%s %q: %q days before the last is outside 1-30", f.name, item, item[2:])
			}
			p.days.fromEnd |= 1 << n
		case strings.HasSuffix(upper, "W"):
			day, err := f.value(item, item[:len(item)-1])
			if err != nil {
				return false, err
			}
			p.days.nearest |= 1 << day
		default:
			return false, nil
		}
		return true, nil
	case fieldDayOfWeek:
		if upper == "L" {
			return false, fmt.Errorf(`%s %q: L follows a weekday, as in 5L or FRIL`, f.name, item)
		}
		if strings.HasSuffix(upper, "L") {
			day, err := f.value(item, item[:len(item)-1])
			if err != nil {
				return false, err
			}
			p.days.dowLast |= 1 << (day % 7)
			return true, nil
		}
		if dayText, nthText, ok := strings.Cut(item, "#"); ok {
			day, err := f.value(item, dayText)
			if err != nil {
				return false, err
			}
			nth, ok := number(nthText)
			if !ok || nth < 1 || nth > 5 {
				return false, fmt.Errorf("%s %q: %q after # is outside 1-5", f.name, item, nthText)
			}
			p.days.dowNth[nth] |= 1 << (day % 7)
			return true, nil
		}
	}
	return false, nil
}

// asciiUpper is strings.ToUpper for ASCII letters only: no other letter may become an L or a W.
func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// fixedTime is the pattern of an [At]: one time of day on some weekdays, bit 0 being Sunday.
func fixedTime(hour, minute, second int, weekdays uint8) pattern {
	return pattern{
		second: 1 << second,
		minute: 1 << minute,
		hour:   1 << hour,
		month:  1<<13 - 2,
		days:   days{dowRestricted: weekdays != 0, dow: weekdays},
	}
}
