package postgres

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
)

// odd are texts that an encoding could get wrong.
var odd = []string{
	"", "plain", "ä日本𝄞", "\x00", "\x10", "\x1000", "\x10", "a\x10b", "\x10\x10zz", "\xff", "\xc3", "\xed\xa0\x80", "a\x00b\xfe\x10", "\ufffd", "\U0010ffff",
	"C:\\temp\\00", strings.Repeat("\x00", 9),
}

func TestEveryTextSurvivesAndCanBeHeldByPostgreSQL(t *testing.T) {
	texts := slices.Clone(odd)
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = "\x00\x10a0f\xc3\xa4\xff\xf0\x9f"[r.IntN(10)]
		}
		texts = append(texts, string(b))
	}
	stored := make(map[string]string)
	for _, s := range texts {
		e := escape(s)
		if !utf8.ValidString(e) || strings.Contains(e, "\x00") {
			t.Errorf("%q is stored as %q", s, e)
		}
		if got := unescape(e); got != s {
			t.Errorf("%q is read back as %q", s, got)
		}
		if other, there := stored[e]; there && other != s {
			t.Errorf("%q and %q are stored as the same", s, other)
		}
		stored[e] = s
		if utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\x10") && e != s {
			t.Errorf("%q is stored as %q for no reason", s, e)
		}
	}
}

func TestNamesAreSelectedByBoundsThatPostgreSQLCanHold(t *testing.T) {
	names := []string{
		"\x01", "a", "a\x01", "a\x7f", "ab", "b", "\x7f", "\u0080", "ä", "ä!", "\u07ff", "\u0800", "日", "日本", "\ud7ff", "\ue000", "\uffff", "\U00010000", "𝄞",
		"\U0010ffff", "\U0010fffe\U0010ffff", "\U0010ffff\U0010ffff", strings.Repeat("\U0010ffff", task.MaxName/utf8.UTFMax),
	}
	bounds := append(slices.Clone(names), odd...)
	for _, n := range slices.Clone(bounds) {
		for _, tail := range []string{"\x00", "\xff", "\x80", "\xbf", "\xc2"} {
			bounds = append(bounds, n+tail)
		}
		for i := range n {
			bounds = append(bounds, n[:i])
		}
		for i := range len(n) {
			bounds = append(bounds, n[:i]+string([]byte{n[i] + 1}))
		}
	}
	for _, b := range bounds {
		c, up := ceiling(b), beyond(b)
		for _, bound := range []string{c, up} {
			if !utf8.ValidString(bound) || strings.Contains(bound, "\x00") {
				t.Errorf("the bound for %q is %q", b, bound)
			}
		}
		for _, n := range names {
			if (n >= b) != (n >= c) {
				t.Errorf("%q is selected by >= %q, though not by >= %q, or the other way round", n, c, b)
			}
			if n >= b && strings.HasPrefix(n, b) != (n < up) {
				t.Errorf("%q is selected by < %q, though it does not begin with %q, or the other way round", n, up, b)
			}
		}
	}
}
