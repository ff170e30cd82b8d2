package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
)

// How much of an output is shown beside what else there is to know of a run.
const (
	shownLines = 10
	shownBytes = 2 << 10
)

// A commandOutput is the output of a run of a command. What was dropped was written before what was kept.
type commandOutput struct {
	ExitCode      *float64 `json:"exit_code"`
	Signal        string   `json:"signal"`
	Stdout        *string  `json:"stdout"`
	Stderr        *string  `json:"stderr"`
	StdoutDropped float64  `json:"stdout_dropped"`
	StderrDropped float64  `json:"stderr_dropped"`
}

// commandOutputOf reads the output of a run; ok is false if it is that of something else.
func commandOutputOf(output []byte) (o commandOutput, ok bool) {
	err := json.Unmarshal(output, &o)
	return o, err == nil && o.Stdout != nil && o.Stderr != nil
}

// A response is the output of a run of an HTTP call. What was dropped came after what was kept.
type response struct {
	StatusCode *float64        `json:"status_code"`
	Body       json.RawMessage `json:"body"`
	Dropped    float64         `json:"body_dropped"`
}

// responseOf reads the output of a run; ok is false if it is that of something else.
func responseOf(output []byte) (r response, ok bool) {
	err := json.Unmarshal(output, &r)
	return r, err == nil && r.StatusCode != nil && r.Body != nil
}

// text is the body as text, of JSON as it is written.
func (r response) text() string {
	var body *string // null is no text
	if json.Unmarshal(r.Body, &body) == nil && body != nil {
		return *body
	}
	return jsonText(r.Body)
}

// A block is lines of text under a label.
type block struct {
	label string
	lines []string
}

// shown is what is shown of the output of a command or an HTTP call: rows, and blocks that follow them. Of others,
// and of none, it is nil.
func shown(run task.Run) (rows [][2]string, blocks []block) {
	logs := "clockctl logs " + run.ID.String()
	add := func(label string, lines []string) {
		if len(lines) > 0 {
			blocks = append(blocks, block{label, lines})
		}
	}
	if o, ok := commandOutputOf(run.Output); ok {
		code := "-"
		if o.ExitCode != nil {
			code = strconv.FormatFloat(*o.ExitCode, 'f', -1, 64)
		}
		if o.Signal != "" {
			code += ", killed by " + text(o.Signal)
		}
		add("Stdout", lastLines(*o.Stdout, int64(o.StdoutDropped), logs))
		add("Stderr", lastLines(*o.Stderr, int64(o.StderrDropped), logs))
		return [][2]string{{"Exit code", code}}, blocks
	}
	if r, ok := responseOf(run.Output); ok {
		add("Body", firstLines(r.text(), int64(r.Dropped), logs))
		return [][2]string{{"Status", strconv.FormatFloat(*r.StatusCode, 'f', -1, 64)}}, blocks
	}
	return nil, nil
}

// lastLines are the last lines of what a stream has kept, after a line that says how much is not shown.
func lastLines(kept string, dropped int64, logs string) []string {
	from := 0
	if len(kept) > shownBytes {
		from = len(kept) - shownBytes
		for from < len(kept) && !utf8.RuneStart(kept[from]) {
			from++
		}
	}
	end := len(strings.TrimSuffix(kept, "\n"))
	for n, at := 0, end; ; n++ {
		if at = strings.LastIndexByte(kept[:at], '\n'); at < from {
			break
		} else if n+1 == shownLines {
			from = at + 1
			break
		}
	}
	lines := linesOf(kept[from:])
	switch before := int64(from); {
	case before > 0 && dropped > 0:
		lines = append([]string{fmt.Sprintf("... %d bytes before, of which %d were not kept; the others: %s", before+dropped, dropped, logs)}, lines...)
	case before > 0:
		lines = append([]string{fmt.Sprintf("... %d bytes before; all of it: %s", before, logs)}, lines...)
	case dropped > 0:
		lines = append([]string{fmt.Sprintf("... %d bytes before that were not kept", dropped)}, lines...)
	}
	return lines
}

// firstLines are the first lines of what was kept, before a line that says how much is not shown.
func firstLines(kept string, dropped int64, logs string) []string {
	to := min(len(kept), shownBytes)
	for to < len(kept) && to > 0 && !utf8.RuneStart(kept[to]) {
		to--
	}
	for n, at := 0, 0; n < shownLines; n++ {
		next := strings.IndexByte(kept[at:to], '\n')
		if next < 0 {
			break
		}
		if at += next + 1; n+1 == shownLines {
			to = at
		}
	}
	lines := linesOf(kept[:to])
	switch after := int64(len(kept) - to); {
	case after > 0 && dropped > 0:
		lines = append(lines, fmt.Sprintf("... %d bytes more, of which %d were not kept; the others: %s", after+dropped, dropped, logs))
	case after > 0:
		lines = append(lines, fmt.Sprintf("... %d bytes more; all of it: %s", after, logs))
	case dropped > 0:
		lines = append(lines, fmt.Sprintf("... %d bytes more that were not kept", dropped))
	}
	return lines
}

// linesOf splits text into lines that are safe to print. Tabs stay.
func linesOf(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		words := strings.Split(strings.TrimRight(line, "\r"), "\t")
		for j, word := range words {
			words[j] = printable(word)
		}
		lines[i] = strings.TrimRight(strings.Join(words, "\t"), " \t")
	}
	return lines
}

// cutJSON is JSON that is safe to print, on one line, cut to what fits on a screen. whole is the command that
// shows all.
func cutJSON(data []byte, whole string) string {
	to := min(len(data), shownBytes)
	for to < len(data) && to > 0 && !utf8.RuneStart(data[to]) {
		to--
	}
	line := jsonText(data[:to])
	if to < len(data) {
		line += fmt.Sprintf(" ... %d bytes more; all of it: %s", len(data)-to, whole)
	}
	return line
}
