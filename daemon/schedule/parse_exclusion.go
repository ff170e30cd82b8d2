package schedule

import "strings"

// ParseExclusion reads one exclusion as it stands inside exclude( ), and checks it. The error is a
// [*SyntaxError] for the first departure from the form, else an [*InvalidError] whose fields begin at the
// exclusion: "dates.first". Whether a calendar is declared is found out by [Extensions.Compile]. The result
// is canonical, as in [Equal], and its String gives the text back.
//
//	dates 2026-12-24[..2026-12-26] Europe/Berlin
//	window 22:00-06:00 [mon,fri] Europe/Berlin     also ranges: mon-fri
//	cron "* 12 * * *" Europe/Berlin                five fields: the minutes that match
//	calendar holidays
//
// Keywords may be in any case, and white space may be wherever words end.
func ParseExclusion(text string) (Exclusion, error) {
	p := parser{text: text}
	p.advance()
	e := p.exclusion()
	if p.err == nil && p.tok.kind != tokenEnd {
		p.fail(p.tok, "after an exclusion comes the end, found %s", p.tok)
	}
	if p.err != nil {
		return nil, p.err
	}
	e = canonicalExclusion(e)
	b := builder{unresolved: true}
	b.exclusions([]Exclusion{e}, "", false)
	if found := b.problems.found; len(found) > 0 {
		for i := range found {
			found[i].Field = strings.TrimPrefix(found[i].Field, "exclusions[0].")
		}
		return nil, &InvalidError{Violations: found}
	}
	return e, nil
}

const exclusionAdvice = "dates, window, cron or calendar"

// exclude reads the list that follows the word exclude, which is the current token.
func (p *parser) exclude() []Exclusion {
	p.advance()
	if !p.tok.isMark("(") {
		p.fail(p.tok, "( missing after exclude")
		return nil
	}
	var out []Exclusion
	for {
		p.advance() // over ( or ;
		out = append(out, p.exclusion())
		if p.tok.isMark(")") {
			p.advance()
			return out
		}
		if !p.tok.isMark(";") {
			p.fail(p.tok, "after an exclusion inside exclude( ) comes ; or ), found %s", p.tok)
			return out
		}
	}
}

func (p *parser) exclusion() Exclusion {
	if p.tok.kind != tokenWord {
		p.fail(p.tok, "an exclusion begins with %s, found %s", exclusionAdvice, p.tok)
		return nil
	}
	word := p.take()
	switch strings.ToLower(word.text) {
	case "dates":
		return p.dates()
	case "window":
		return p.window()
	case "cron":
		return p.cron()
	case "calendar":
		// Options do not come here, so any word is meant for a name, "exclude" too.
		if p.tok.kind != tokenWord {
			p.fail(p.tok, "name missing: write that of a calendar without quotes, such as holidays")
			return nil
		}
		return Calendar{Name: p.take().text}
	}
	p.fail(word, "%s is unknown: an exclusion begins with %s", word, exclusionAdvice)
	return nil
}

func (p *parser) dates() Dates {
	var k Dates
	if !p.plainWord() {
		p.fail(p.tok, "date missing: write 2026-12-24, or 2026-12-24..2026-12-26 for a span of days")
		return k
	}
	word := p.take()
	first, last, span := strings.Cut(word.text, "..")
	k.First = p.date(word.column, first)
	if span {
		k.Last = p.date(word.column+len(first)+len(".."), last)
	}
	if p.tok.isMark(",") {
		p.fail(p.tok, "here comes the time zone: other dates are an exclusion of their own, after a ;")
		return k
	}
	word = p.tok
	k.TimeZone = p.zone()
	if p.plainWord() {
		// Two words are left: the first was meant for a date.
		p.fail(word, "%s is no time zone: %s; a span of days is written as 2026-12-24..2026-12-26", word, zoneAdvice)
	}
	return k
}

func (p *parser) date(column int, text string) Date {
	d, err := ParseDate(text)
	if err != nil {
		p.fail(token{column: column}, "%s", err)
	}
	return d
}

func (p *parser) window() Window {
	var k Window
	if !p.plainWord() {
		p.fail(p.tok, "times of day missing: write FROM-UNTIL, such as 22:00-06:00")
		return k
	}
	word := p.take()
	if _, days := weekdayRange(word.text); days {
		p.fail(word, "%s is out of place: the times come first, as in 22:00-06:00 mon-fri", word)
		return k
	}
	from, until, ok := strings.Cut(word.text, "-")
	if !ok {
		p.fail(word, "%s is no window: write FROM-UNTIL as one word, such as 22:00-06:00", word)
		return k
	}
	k.From = p.timeOfDay(word.column, from)
	k.Until = p.timeOfDay(word.column+len(from)+len("-"), until)
	k.DaysOfWeek, k.TimeZone = p.daysAndZone()
	return k
}

// timeOfDay leaves it to the check whether the day has that time.
func (p *parser) timeOfDay(column int, text string) TimeOfDay {
	t, ok := clockTime(text)
	if !ok {
		p.fail(token{column: column}, "%s", notTimeOfDay(text))
	}
	return t
}
