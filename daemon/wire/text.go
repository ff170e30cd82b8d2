package wire

import (
	"strings"
	"unicode/utf8"
)

// clean returns s as valid UTF-8, which strings of the API must be: one bad byte in the output of a command
// would otherwise make the whole answer unsendable.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// truncate returns s as valid UTF-8 of at most limit bytes, with an ellipsis if something was cut off. Its cost
// does not depend on the length of s.
func truncate(s string, limit int) string {
	const ellipsis = "…"
	whole := len(s) <= limit
	if !whole {
		s = s[:runeStart(s, limit)]
	}
	s = clean(s) // may grow: a bad byte becomes three
	if whole && len(s) <= limit {
		return s
	}
	return s[:runeStart(s, limit-len(ellipsis))] + ellipsis
}

// runeStart returns the last index up to limit at which s can be cut without tearing a character.
func runeStart(s string, limit int) int {
	if limit >= len(s) {
		return len(s)
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return limit
}

// cleanMap is clean for every key and value; of an empty map it returns nil.
func cleanMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[clean(k)] = clean(v)
	}
	return out
}

// cleanAll is clean for each of a list.
func cleanAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}
