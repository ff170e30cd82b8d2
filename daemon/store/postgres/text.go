package postgres

import (
	"bytes"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
)

// Texts of PostgreSQL hold neither NUL nor what is not UTF-8, and ours may hold any byte. Such a byte is kept as mark and
// its two hexadecimal digits, and so is mark itself, which no one uses: whoever looks with psql sees all else as it is.
const (
	mark   = '\x10'
	digits = "0123456789abcdef"
)

// escape returns the stored form of a text.
func escape(s string) string {
	if strings.IndexByte(s, 0) < 0 && strings.IndexByte(s, mark) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == 0 || r == mark || r == utf8.RuneError && n == 1 {
			b.WriteByte(mark)
			b.WriteByte(digits[s[0]>>4])
			b.WriteByte(digits[s[0]&15])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// unescape returns the text that escape was given. What escape has not written stays as it is.
func unescape(s string) string {
	at := strings.IndexByte(s, mark)
	if at < 0 {
		return s
	}
	var b strings.Builder
	for ; at >= 0; at = strings.IndexByte(s, mark) {
		b.WriteString(s[:at])
		s = s[at:]
		if len(s) < 3 {
			break
		}
		high, low := strings.IndexByte(digits, s[1]), strings.IndexByte(digits, s[2])
		if high < 0 || low < 0 {
			b.WriteByte(mark)
			s = s[1:]
			continue
		}
		b.WriteByte(byte(high<<4 | low))
		s = s[3:]
	}
	b.WriteString(s)
	return b.String()
}

// last is greater than every name: it is longer, and of the greatest rune.
var last = strings.Repeat(string(utf8.MaxRune), task.MaxName/utf8.UTFMax+1)

// ceiling returns the least text that PostgreSQL can hold and that is not less than s by bytes, or last if there is none.
// Names are such texts, so that the same names are less than either.
func ceiling(s string) string {
	whole := 0 // bytes at the beginning that can stay
	for whole < len(s) {
		r, n := utf8.DecodeRuneInString(s[whole:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			break
		}
		whole += n
	}
	if whole == len(s) {
		return s
	}
	if r, ok := runeFrom(s[whole:]); ok {
		return s[:whole] + string(r)
	}
	return after(s[:whole])
}

// beyond returns the least text that is greater than every name with the prefix, or last.
func beyond(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return ceiling(prefix[:i] + string([]byte{prefix[i] + 1}))
		}
	}
	return last
}

// after returns the least text that is greater than all that begin with s, which is valid, or last.
func after(s string) string {
	for len(s) > 0 {
		r, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
		if r < utf8.MaxRune {
			if r++; r == 0xd800 {
				r = 0xe000 // surrogates are no runes
			}
			return s + string(r)
		}
	}
	return last
}

// runeFrom returns the least rune but NUL whose bytes are not less than b, and false if there is none.
func runeFrom(b string) (rune, bool) {
	runes := int(utf8.MaxRune) - 0x800 // but NUL and the surrogates
	nth := func(i int) rune {
		if i++; i >= 0xd800 {
			i += 0x800
		}
		return rune(i)
	}
	var buffer [utf8.UTFMax]byte
	i := sort.Search(runes, func(i int) bool {
		return bytes.Compare(utf8.AppendRune(buffer[:0], nth(i)), []byte(b)) >= 0
	})
	return nth(i), i < runes
}
