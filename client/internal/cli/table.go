package cli

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// A table is rows of cells. Every cell is printed as it is, so what comes from outside goes through text
// first: a name with an escape sequence or a line break must not break the table, or the terminal.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

// write prints the rows in columns, without spaces at the ends of lines.
func (t table) write(w io.Writer) error {
	for _, line := range t.columns() {
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// columns are the rows as lines.
func (t table) columns() []string {
	var aligned bytes.Buffer
	tw := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, cells := range t {
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	tw.Flush() // the writer is a buffer: neither it nor Fprintln can fail
	var lines []string
	for line := range strings.Lines(aligned.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

// text makes a string from outside safe to print on one line: in quotes if it holds anything that does
// not print, or could be taken for such a quotation. An empty one is a dash.
func text(s string) string {
	if s == "" {
		return "-"
	}
	if s[0] == '"' || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// short is text cut to what fits beside other columns.
func short(s string) string {
	const limit = 60
	s = text(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// jsonText makes JSON safe to print: encoders leave control characters of Unicode as they are. They can
// only stand inside strings, where an escape means the same.
func jsonText(data []byte) string {
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			// A surrogate pair would be needed; nothing of value is there.
			b.WriteRune(utf8.RuneError)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// instant is a time in UTC, to the second or, if it is not a whole one, the millisecond.
func instant(t time.Time) string {
	if t = t.UTC(); t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format(instantForm)
}

// instantForm is the longest form of an instant.
const instantForm = "2006-01-02T15:04:05.000Z"

// when is an instant and how far it is from now.
func (s *session) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", instant(t), s.distance(t))
}

// distance is "in 5m", "5m ago" or "now".
func (s *session) distance(t time.Time) string {
	d := t.Sub(s.now).Round(time.Second) // the answer took some milliseconds to come
	switch {
	case d >= time.Second:
		return "in " + span(d)
	case d <= -time.Second:
		return span(-d) + " ago"
	default:
		return "now"
	}
}

// span is a duration as people say it: its two largest units, cut off.
func span(d time.Duration) string {
	seconds := int64(d.Seconds())
	for _, u := range []struct {
		large, small         string
		largeSize, smallSize int64
	}{{"d", "h", 86400, 3600}, {"h", "m", 3600, 60}, {"m", "s", 60, 1}} {
		if seconds < u.largeSize {
			continue
		}
		out := fmt.Sprintf("%d%s", seconds/u.largeSize, u.large)
		if rest := seconds % u.largeSize / u.smallSize; rest > 0 {
			out += fmt.Sprintf("%d%s", rest, u.small)
		}
		return out
	}
	return fmt.Sprintf("%ds", seconds)
}

// duration is a duration in full, without units that are zero: 30s, 1h30m.
func duration(d time.Duration) string {
	out := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(out, zero) {
			out = out[:len(out)-len(zero)+1]
		}
	}
	return out
}

// took is a duration that was measured, to some three digits.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
