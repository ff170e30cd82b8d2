package cli

import (
	"strings"
)

// A bashLine is the command line as bash has it up to the cursor, split into words as bash would. Of what the last
// word becomes, bash wants only what follows the place where it takes the word to begin.
type bashLine struct {
	words []string // without the program; the last one may be empty
	quote rune     // the quote in which the last word stands, or 0
	begin int      // where in the last word bash takes it to begin, in bytes: after a quote, or one of the breaks
}

// parseBash splits a line. breaks are the characters of COMP_WORDBREAKS.
func parseBash(line, breaks string) bashLine {
	var l bashLine
	var word strings.Builder
	var all []string
	started, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			if l.quote == '"' && !strings.ContainsRune("$`\"\\\n", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && l.quote != '\'':
			escaped, started = true, true
		case l.quote != 0 && r == l.quote:
			l.quote = 0
		case l.quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			l.quote, started, l.begin = r, true, word.Len()
		case r == ' ' || r == '\t' || r == '\n':
			if started {
				all = append(all, word.String())
			}
			word.Reset()
			started, l.begin = false, 0
		default:
			word.WriteRune(r)
			started = true
			if (r == '=' || r == ':') && strings.ContainsRune(breaks, r) {
				l.begin = word.Len()
			}
		}
	}
	all = append(all, word.String())
	l.words = all[1:]
	if len(all) == 1 { // the cursor is still at the program, where bash does not ask
		l.words = []string{""}
	}
	return l
}

// escape is what bash is to put in the place of the last word so that it becomes this one.
func (l bashLine) escape(word string) string {
	word = word[min(l.begin, len(word)):]
	var special string
	switch l.quote {
	case '\'':
		return strings.ReplaceAll(word, "'", `'\''`)
	case '"':
		special = "$`\"\\"
	default:
		special = " !\"#$&'()*;<>?[\\]^`{|}~"
	}
	var b strings.Builder
	for _, r := range word {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
