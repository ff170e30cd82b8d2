package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const summaryRunes = 200

// summary returns the arguments as one line that a shell would read back as the same arguments, cut off
// at summaryRunes.
func summary(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(arg))
		if b.Len() > summaryRunes*utf8.UTFMax {
			break // more than will be shown: an argument list may have megabytes
		}
	}
	return cut(b.String(), summaryRunes)
}

func quote(arg string) string {
	plain, printable := arg != "", utf8.ValidString(arg)
	for _, r := range arg {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-", r) {
			plain = false
		}
		if !unicode.IsPrint(r) {
			printable = false
		}
	}
	switch {
	case plain:
		return arg
	case printable:
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	// $'...' is the only form that keeps a line break or a terminal's control sequence out of a line.
	var b strings.Builder
	b.WriteString("$'")
	for len(arg) > 0 {
		r, size := utf8.DecodeRuneInString(arg)
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\\' || r == '\'':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && size == 1 || !unicode.IsPrint(r):
			for i := range size {
				fmt.Fprintf(&b, `\x%02x`, arg[i])
			}
		default:
			b.WriteString(arg[:size])
		}
		arg = arg[size:]
	}
	b.WriteByte('\'')
	return b.String()
}

// cut returns s with at most limit runes, the last of them an ellipsis if there were more.
func cut(s string, limit int) string {
	n := 0
	last := 0 // where the rune begins that the ellipsis would replace
	for i := range s {
		if n == limit-1 {
			last = i
		}
		if n++; n > limit {
			return s[:last] + "…"
		}
	}
	return s
}
