package schedule

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads the text form of a trigger and checks it. The error is a [*SyntaxError] for the first
// departure from the form, else the [*InvalidError] that [Check] gives: whether calendars are declared and
// custom kinds are known is found out by [Extensions.Compile]. The result is canonical: see [Equal].
//
//	every 10m [immediate] [fixed-delay]        units h, m, s, ms, us
//	at 09:30[:15] [mon,fri] Europe/Berlin      also ranges: mon-fri
//	cron "0 3 * * *" Europe/Berlin
//	once [2027-01-01T00:00:00Z]
//	forever
//	startup
//	shutdown
//	custom type.googleapis.com/acme.v1.Tide ["BASE64"]
//	any(TRIGGER; TRIGGER; ...)
//
// Each may be followed by options, in any order:
//
//	max=10                                     MaxFires
//	from=2027-01-01T00:00:00Z                  StartTime, RFC 3339
//	until=2027-12-31T22:59:59Z                 EndTime, RFC 3339
//	jitter=30s                                 units as in every; 0s means none
//	exclude(EXCLUSION; EXCLUSION; ...)         each in the form that [ParseExclusion] reads
//
// Inside any( ) they belong to the inner trigger, after it to the any. Keywords may be in any case, and
// white space may be wherever words end.
func Parse(text string) (Trigger, error) {
	p := parser{text: text}
	p.advance()
	t := p.trigger(0)
	if p.err == nil && p.tok.kind != tokenEnd {
		p.fail(p.tok, "after a trigger come options ("+optionAdvice+") or the end, found %s", p.tok)
	}
	if p.err != nil {
		return Trigger{}, p.err
	}
	b := builder{unresolved: true}
	c, err := b.compile(t)
	if err != nil {
		return Trigger{}, err
	}
	return c.trigger, nil // c has no other reader, so it need not be copied
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted // text is without the quotes
	tokenMark   // one of ( ) ; ,
)

type token struct {
	kind   tokenKind
	text   string
	column int
}

func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return strconv.Quote(t.text)
}

func (t token) isMark(mark string) bool { return t.kind == tokenMark && t.text == mark }

// A parser reads from left to right with one token of look-ahead. After the first error tok is the
// end, so that nothing loops.
type parser struct {
	text string
	pos  int
	tok  token
	err  error
}

func (p *parser) fail(at token, format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{Text: p.text, Column: at.column, Message: fmt.Sprintf(format, args...)}
	}
	p.pos = len(p.text)
	p.tok = token{column: at.column}
}

const (
	spaces = " \t\r\n"
	marks  = "();,"
)

// advance reads the next token into tok.
func (p *parser) advance() {
	for p.pos < len(p.text) && strings.IndexByte(spaces, p.text[p.pos]) >= 0 {
		p.pos++
	}
	rest := p.text[p.pos:]
	p.tok = token{column: p.pos + 1}
	switch {
	case rest == "":
		return
	case rest[0] == '"':
		n := strings.IndexByte(rest[1:], '"')
		if n < 0 {
			p.fail(p.tok, `the quote is not closed: " missing`)
			return
		}
		p.tok.kind, p.tok.text = tokenQuoted, rest[1:n+1]
		p.pos += n + 2
	case strings.IndexByte(marks, rest[0]) >= 0:
		p.tok.kind, p.tok.text = tokenMark, rest[:1]
		p.pos++
	default:
		n := strings.IndexAny(rest, spaces+marks+`"`)
		if n < 0 {
			n = len(rest)
		}
		n += spacedOption(rest[:n], rest[n:])
		p.tok.kind, p.tok.text = tokenWord, rest[:n]
		p.pos += n
	}
}

// spacedOption returns how much of rest belongs to the word before it because both are an option with spaces
// around its =, which is an error. They are one word so that nothing else takes a part of them for its own.
func spacedOption(word, rest string) int {
	key, assigned := strings.CutSuffix(word, "=")
	if key = strings.ToLower(key); key == "exclude" || !slices.Contains(optionKeys[:], key) {
		return 0
	}
	value := rest
	if !assigned {
		if value, assigned = strings.CutPrefix(strings.TrimLeft(rest, spaces), "="); !assigned {
			return 0
		}
	}
	noValue := len(rest) - len(value) // 0 if the word has the =
	value = strings.TrimLeft(value, spaces)
	at := len(rest) - len(value)
	n := strings.IndexAny(value, spaces+marks+`"`)
	if n < 0 {
		n = len(value)
	}
	if next := value[:n]; next == "" || strings.Contains(next, "=") || strings.EqualFold(next, "exclude") {
		return noValue // what comes next is another option, or none
	}
	return at + n
}

// take returns the current token and reads on.
func (p *parser) take() token {
	t := p.tok
	p.advance()
	return t
}

// plainWord returns whether the current token is a word and no option.
func (p *parser) plainWord() bool {
	return p.tok.kind == tokenWord && strings.IndexByte(p.tok.text, '=') < 0 && !strings.EqualFold(p.tok.text, "exclude")
}

const (
	kindAdvice   = "every, at, cron, once, forever, startup, shutdown, custom or any( )"
	optionAdvice = "max=, from=, until=, jitter=, exclude( )"
	dayAdvice    = "write mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri"
)

func (p *parser) trigger(depth int) Trigger {
	var t Trigger
	if p.tok.kind != tokenWord {
		p.fail(p.tok, "a trigger begins with %s, found %s", kindAdvice, p.tok)
		return t
	}
	word := p.take()
	switch strings.ToLower(word.text) {
	case "every":
		t.Kind = p.every()
	case "at":
		t.Kind = p.at()
	case "cron":
		t.Kind = p.cron()
	case "once":
		var k Once
		if p.plainWord() {
			k.Time = p.time(p.tok, p.tok.text)
			p.advance()
		}
		t.Kind = k
	case "forever":
		t.Kind = Forever{}
	case "startup":
		t.Kind = OnStartUp{}
	case "shutdown":
		t.Kind = OnShutDown{}
	case "custom":
		t.Kind = p.custom()
	case "any":
		t.Kind = p.any(word, depth)
	default:
		p.fail(word, "%s is unknown: a trigger begins with %s", word, kindAdvice)
	}
	p.options(&t)
	return t
}

func (p *parser) every() Every {
	var k Every
	if !p.plainWord() {
		p.fail(p.tok, "interval missing: write a number and a unit, such as 10m or 1h30m")
		return k
	}
	word := p.take()
	d, err := time.ParseDuration(strings.ToLower(word.text))
	if err != nil {
		p.fail(word, "%s is no interval: write a number and a unit (h, m, s, ms), such as 10m or 1h30m", word)
		return k
	}
	k.Interval = d
	for p.plainWord() {
		word := p.take()
		switch keyword := strings.ToLower(word.text); {
		case keyword == "immediate" && k.FirstFire == Wait:
			k.FirstFire = Immediate
		case keyword == "fixed-delay" && k.Pacing == FixedRate:
			k.Pacing = FixedDelay
		case keyword == "immediate" || keyword == "fixed-delay":
			p.fail(word, "%s is there twice", word)
		default:
			p.fail(word, "%s is unknown: after an interval come immediate, fixed-delay and options ("+optionAdvice+")", word)
		}
	}
	return k
}

func (p *parser) at() At {
	var k At
	if !p.plainWord() {
		p.fail(p.tok, "time of day missing: write HH:MM or HH:MM:SS, such as 09:30")
		return k
	}
	word := p.take()
	t, ok := clockTime(word.text)
	if !ok {
		if _, days := weekdayRange(word.text); days {
			p.fail(word, "%s is out of place: the time of day comes first, as in 09:30 mon-fri", word)
		}
		p.fail(word, "%s", notTimeOfDay(word.text))
		return k
	}
	k.Hour, k.Minute, k.Second = t.Hour, t.Minute, t.Second
	k.DaysOfWeek, k.TimeZone = p.daysAndZone()
	return k
}

// daysAndZone reads what comes after a time of day.
func (p *parser) daysAndZone() ([]time.Weekday, string) {
	days := p.weekdays()
	word := p.tok
	zone := p.zone()
	if p.plainWord() {
		if _, ok := weekdayRange(p.tok.text); ok {
			p.fail(p.tok, "%s is out of place: the days come before the time zone", p.tok)
		}
	}
	// Two words are left, and neither is an option: the first was meant for days.
	if len(days) == 0 && (p.tok.isMark(",") || p.plainWord()) {
		p.fail(word, "%s is no weekday: "+dayAdvice, word)
	}
	return days, zone
}

// weekdays reads a list of weekdays and ranges of them, if there is one.
func (p *parser) weekdays() []time.Weekday {
	var days []time.Weekday
	if p.tok.kind != tokenWord {
		return nil
	}
	if _, ok := weekdayRange(p.tok.text); !ok {
		return nil
	}
	for {
		word := p.take()
		more, ok := weekdayRange(word.text)
		if word.kind != tokenWord || !ok {
			p.fail(word, "%s is no weekday: "+dayAdvice, word)
			return nil
		}
		days = append(days, more...)
		if !p.tok.isMark(",") {
			return days
		}
		p.advance()
	}
}

func weekdayRange(text string) ([]time.Weekday, bool) {
	fromText, toText, ranged := strings.Cut(strings.ToLower(text), "-")
	from := slices.Index(weekdayNames[:], fromText)
	to := from
	if ranged {
		to = slices.Index(weekdayNames[:], toText)
	}
	if from < 0 || to < 0 {
		return nil, false
	}
	days := []time.Weekday{time.Weekday(from)}
	for d := from; d != to; {
		d = (d + 1) % 7
		days = append(days, time.Weekday(d))
	}
	return days, true
}

func (p *parser) cron() Cron {
	var k Cron
	if p.tok.kind != tokenQuoted {
		p.fail(p.tok, `expression missing: write it in double quotes, such as "0 3 * * *"`)
		return k
	}
	k.Expression = p.take().text
	k.TimeZone = p.zone()
	return k
}

func (p *parser) custom() Custom {
	var k Custom
	if !p.plainWord() {
		p.fail(p.tok, "type URL missing: write one such as type.googleapis.com/acme.v1.Tide")
		return k
	}
	k.TypeURL = p.take().text
	if p.plainWord() {
		p.fail(p.tok, `%s is no value: write it as base64 in double quotes, such as "CAE="`, p.tok)
		return k
	}
	if p.tok.kind != tokenQuoted {
		return k
	}
	quoted := p.take()
	value, err := base64.StdEncoding.Strict().DecodeString(quoted.text)
	if err != nil {
		// The value may be long, so the message only says where it is wrong.
		at, _ := errors.AsType[base64.CorruptInputError](err)
		p.fail(token{column: quoted.column + 1 + min(int(at), len(quoted.text))},
			"from here on the value is no base64: write A-Z, a-z, 0-9, + and /, and = at the end up to a multiple of 4")
		return k
	}
	k.Value = string(value)
	return k
}

func (p *parser) zone() string {
	if !p.plainWord() {
		p.fail(p.tok, "time zone missing: %s", zoneAdvice)
		return ""
	}
	return p.take().text
}

// time reads an instant. Its zero value means "none" in a [Trigger], so it can not be written.
func (p *parser) time(at token, text string) time.Time {
	var t time.Time
	if err := t.UnmarshalText([]byte(strings.ToUpper(text))); err != nil {
		p.fail(at, "%q is no RFC 3339 time such as 2027-01-01T00:00:00Z", text)
		return time.Time{}
	}
	if t = canonicalTime(t); t.IsZero() {
		p.fail(at, "%q is the zero time, which means none: leave it out", text)
	}
	return t
}

func (p *parser) any(word token, depth int) AnyOf {
	var k AnyOf
	if depth >= maxDepth {
		p.fail(word, "any is nested more than %d deep", maxDepth)
		return k
	}
	if !p.tok.isMark("(") {
		p.fail(p.tok, "( missing after any")
		return k
	}
	for {
		p.advance() // over ( or ;
		k.Triggers = append(k.Triggers, p.trigger(depth+1))
		if p.tok.isMark(")") {
			p.advance()
			return k
		}
		if !p.tok.isMark(";") {
			p.fail(p.tok, "after a trigger inside any( ) come options ("+optionAdvice+"), ; or ), found %s", p.tok)
			return k
		}
	}
}

func (p *parser) options(t *Trigger) {
	var seen [len(optionKeys)]bool
	for p.tok.kind == tokenWord {
		word := p.tok
		key, value, hasValue := strings.Cut(word.text, "=")
		valueAt := token{column: word.column + len(key) + 1}
		key, value = strings.ToLower(strings.TrimRight(key, spaces)), strings.TrimLeft(value, spaces)
		if !hasValue && key != "exclude" {
			return
		}
		i := slices.Index(optionKeys[:], key)
		if i < 0 || hasValue && key == "exclude" {
			p.fail(word, "option %q is unknown: there are "+optionAdvice, key+"=")
			return
		}
		if seen[i] {
			p.twice(word, key)
			return
		}
		seen[i] = true
		if value != "" && strings.ContainsAny(word.text, spaces) {
			quoted := strconv.Quote(value)
			p.fail(word, "write %s=%s without spaces", key, quoted[1:len(quoted)-1])
			return
		}
		switch key {
		case "max":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 1 || value[0] == '+' {
				p.fail(valueAt, "max %q is not a whole number of at least 1", value)
				return
			}
			t.MaxFires = n
		case "from":
			t.StartTime = p.time(valueAt, value)
		case "until":
			t.EndTime = p.time(valueAt, value)
		case "jitter":
			d, err := time.ParseDuration(strings.ToLower(value))
			if err != nil {
				p.fail(valueAt, "jitter %q is no span of time: write a number and a unit (h, m, s, ms, us), such as 30s", value)
				return
			}
			if d < 0 {
				p.fail(valueAt, "jitter %q is below 0 (0 means none)", value)
				return
			}
			t.Jitter = d
		case "exclude":
			t.Exclusions = p.exclude()
			continue // it has read on
		}
		p.advance()
	}
}

var optionKeys = [...]string{"max", "from", "until", "jitter", "exclude"}

func (p *parser) twice(word token, key string) {
	if key == "exclude" {
		p.fail(word, "exclude is there twice: write all exclusions into one, as in exclude(calendar holidays; calendar nights)")
		return
	}
	p.fail(word, "option %q is there twice", key)
}
