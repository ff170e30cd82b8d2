package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// yamlOf writes JSON as YAML in blocks, with its members in the order they have. Texts are in quotes unless they
// can not be taken for anything else: which words are numbers, times or truth values depends on who reads.
func yamlOf(data []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	w := yamlWriter{tokens: d}
	w.value(0, false)
	return bytes.TrimPrefix(w.out.Bytes(), []byte(" ")) // of what is no block
}

type yamlWriter struct {
	tokens *json.Decoder // of JSON that was just written, so it has no errors
	out    bytes.Buffer
}

// value writes a value and ends its line. Of a list inside a list, and an object inside one, the first line goes
// on behind the dash.
func (w *yamlWriter) value(depth int, behindDash bool) {
	token, _ := w.tokens.Token()
	switch v := token.(type) {
	case json.Delim:
		w.block(depth, v == '[', behindDash)
	case string:
		w.out.WriteString(" " + scalar(v) + "\n")
	case json.Number:
		w.out.WriteString(" " + number(v) + "\n")
	default: // true, false and null are written alike
		raw, _ := json.Marshal(v)
		w.out.WriteString(" " + string(raw) + "\n")
	}
}

func (w *yamlWriter) block(depth int, list, behindDash bool) {
	if !w.tokens.More() {
		_, _ = w.tokens.Token()
		if list {
			w.out.WriteString(" []\n")
		} else {
			w.out.WriteString(" {}\n")
		}
		return
	}
	first := true
	switch {
	case behindDash:
		w.out.WriteString(" ")
	case w.out.Len() > 0:
		w.out.WriteString("\n")
	}
	for w.tokens.More() {
		if !behindDash || !first {
			w.out.WriteString(strings.Repeat("  ", depth))
		}
		first = false
		if list {
			w.out.WriteString("-")
			w.value(depth+1, true)
			continue
		}
		name, _ := w.tokens.Token()
		key, _ := name.(string)
		w.out.WriteString(scalar(key) + ":")
		w.value(depth+1, false)
	}
	_, _ = w.tokens.Token()
}

// number is a number that every YAML takes for one: to YAML 1.1, 1e-9 is a text.
func number(n json.Number) string {
	digits, exponent, ok := strings.Cut(strings.ToLower(n.String()), "e")
	if !ok {
		return digits
	}
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	if exponent[0] != '-' && exponent[0] != '+' {
		exponent = "+" + exponent
	}
	return digits + "e" + exponent
}

// plain are texts that every YAML takes for texts, if they are no word of its own.
var plain = regexp.MustCompile(`^([0-9]+(h|m|s))+$|^[A-Za-z/][A-Za-z0-9_./@=,+%()*-]*( [A-Za-z0-9_./@=,+%()*-]+)*$`)

var yamlWords = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

func scalar(s string) string {
	if plain.MatchString(s) && !slices.Contains(yamlWords, strings.ToLower(s)) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text and a buffer: neither can fail
	return jsonText(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
