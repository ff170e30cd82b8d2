package config

import (
	"strconv"
	"strings"
	"unicode"
)

// Error is everything that is wrong with a file.
type Error struct {
	// Problems are in the order of their lines. There is at least one; of more than 1000, the last says how
	// many there are besides.
	Problems []Problem
}

// Error returns one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problem is one thing that is wrong with a file.
type Problem struct {
	// File is the name of the file, as it was given.
	File string
	// Line counts from 1. 0: it is not about a line.
	Line int
	// Path is the field, such as "tasks[2].trigger.cron.expression". Empty: it is not about a field.
	Path string
	// Description says what is wrong, with the value, and what would be right.
	Description string
}

// String returns "FILE:LINE: PATH: DESCRIPTION" without the parts that are not known, as a single line
// whatever is in it.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Description)
	return oneLine(b.String())
}

// oneLine escapes what would break a line or move a terminal's cursor.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
