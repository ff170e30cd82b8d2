package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// A reader turns nodes into values and collects what is wrong with them. Each of its methods for a kind
// of value answers ok if the value can be used, and has noted a problem if not.
type reader struct {
	file     string
	problems []Problem
	more     int // problems beyond maxProblems
	// placing says to note where things are. Nearly all files are right, and to make the paths of all their
	// fields takes longer than all else: the first time a file is read without, and if there is a problem,
	// once more.
	placing bool
	// lines has the line of each field that was looked at in the current task or calendar.
	lines map[string]int
	// kept is where entries are kept: those of a task until the next one is read.
	kept []entry
	// former has where each former name was first said.
	former map[string]field
	// groupOf has the groups that are sound, by name.
	groupOf map[string]task.Group
	// extensions has the calendars of the file, which triggers may name. If they are wrong in a way that
	// leaves none, unresolved says not to look for them.
	extensions *schedule.Extensions
	unresolved bool
}

// A field is a place in the file. node is nil if nothing is there that could be read, which was noted.
type field struct {
	path string
	line int
	node *node
}

// maxProblems is how many problems are kept: more are a file of another kind, or one mistake made by a
// program very often.
const maxProblems = 1000

func (r *reader) problem(line int, path, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Path: path, Description: fmt.Sprintf(format, args...)})
}

// err returns what is wrong, each thing once and in the order of the file, or nil.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	said := make(map[Problem]bool, len(r.problems))
	r.problems = slices.DeleteFunc(r.problems, func(p Problem) bool {
		twice := said[p] // a tag inside a tag
		said[p] = true
		return twice
	})
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if r.more > 0 {
		r.problems = append(r.problems, Problem{File: r.file, Description: fmt.Sprintf("and %d more problems", r.more)})
	}
	return &Error{Problems: r.problems}
}

func (r *reader) wrong(f field, format string, args ...any) {
	r.problem(f.line, f.path, format, args...)
}

// nearest returns the line of the field with this path or of the innermost around it, or the other line.
func (r *reader) nearest(path string, other int) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return other
}

// path returns the path of a field inside another, if it will be needed.
func (r *reader) path(parent, name string) string {
	switch {
	case !r.placing:
		return ""
	case parent == "":
		return name
	}
	return parent + "." + name
}

// at makes the field of a node, whose key or entry is on line. It takes off what a node may be wrapped in.
func (r *reader) at(path string, line int, n *node) field {
	f := field{path: path, line: n.lineOr(line), node: n}
	if r.placing {
		r.lines[path] = f.line
	}
	for f.node != nil {
		switch wrapped := f.node; wrapped.kind {
		case anchorNode:
			r.wrong(f, "anchors are not supported: write the value out where it is needed")
			f.node = wrapped.first
		case aliasNode:
			r.wrong(f, "aliases are not supported: write the value out")
			f.node = nil
		case tagNode:
			if wrapped.text == "!!str" && wrapped.first != nil {
				if text, ok := wrapped.first.literal(); ok {
					// Text by decree: quotes say the same.
					f.node = &node{kind: quotedNode, line: wrapped.first.line, text: text}
					return f
				}
			}
			r.wrong(f, "tag %s is not supported: leave it out", wrapped.text)
			f.node = wrapped.first
		case commentNode:
			f.node = nil
			r.wrong(f, "empty")
		default:
			return f
		}
	}
	return f
}

// what says what a node is, for messages.
func what(n *node) string {
	switch n.kind {
	case nullNode:
		return "nothing"
	case mappingNode:
		return "a mapping"
	case sequenceNode:
		return "a list"
	case plainNode, quotedNode, valueNode:
		return short(n.text)
	}
	return "something else"
}

// short quotes a value for a message.
func short(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return strconv.Quote(text)
}

// An entry is a key of a mapping and its value, which may begin some lines below.
type entry struct {
	key     string
	keyLine int
	field
}

// entries returns the entries of a mapping, each key once, in order. form is how a mapping would be
// written here.
func (r *reader) entries(f field, form string) (found []entry, ok bool) {
	if f.node == nil {
		return nil, false
	}
	if f.node.kind != mappingNode {
		r.wrong(f, "a mapping is needed, such as %s, not %s", form, what(f.node))
		return nil, false
	}
	size := f.node.len()
	start := len(r.kept)
	r.kept = slices.Grow(r.kept, size)[:start+size]
	found = r.kept[start:start:len(r.kept)]
	before := firstLines(size)
	for n := f.node.first; n != nil; n = n.next {
		line := f.line
		if n.at != 0 {
			line = int(n.at)
		}
		if n.keyKind == mergeKey {
			r.problem(line, f.path, "merge keys are not supported: write the fields out")
			continue
		}
		if n.keyKind == otherKey {
			r.problem(line, f.path, "a key must be plain text")
			continue
		}
		path := r.path(f.path, n.key)
		if first, twice := before(found, n.key); twice {
			r.problem(line, path, "is there twice, first on line %d", first)
			continue
		}
		found = append(found, entry{n.key, line, r.at(path, line, n)})
	}
	return found, true
}

// firstLines returns what looks for an earlier entry with the same key, of a mapping of that size. It is to be
// asked for each key once.
func firstLines(size int) func(found []entry, key string) (line int, twice bool) {
	if size <= 16 {
		return earlier
	}
	seen := make(map[string]int, size)
	return func(found []entry, key string) (int, bool) {
		if n := len(found); n > 0 {
			seen[found[n-1].key] = found[n-1].keyLine
		}
		line, twice := seen[key]
		return line, twice
	}
}

func earlier(found []entry, key string) (line int, twice bool) {
	for i := range found {
		if found[i].key == key {
			return found[i].keyLine, true
		}
	}
	return 0, false
}

// A fieldSet has entries of a mapping, each key once.
type fieldSet []entry

func (s fieldSet) get(name string) (field, bool) {
	for i := range s {
		if s[i].key == name {
			return s[i].field, true
		}
	}
	return field{}, false
}

// fields returns the entries of a mapping whose keys are all among the known.
func (r *reader) fields(f field, form string, known ...string) (fieldSet, bool) {
	entries, ok := r.entries(f, form)
	for _, e := range entries {
		if !slices.Contains(known, e.key) {
			r.unknown(f, e, known)
		}
	}
	return entries, ok
}

// unknown notes a key that is not known, with what may have been meant.
func (r *reader) unknown(f field, e entry, known []string) {
	hint := "known are " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = "there are none"
	}
	if near, ok := similar(e.key, known); ok {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	r.problem(e.keyLine, f.path, "key %s is not known here: %s", short(e.key), hint)
}

// items returns the fields of a list. form is how a list would be written here.
func (r *reader) items(f field, form string) ([]field, bool) {
	if f.node == nil {
		return nil, false
	}
	if f.node.kind != sequenceNode {
		r.wrong(f, "a list is needed, such as %s, not %s", form, what(f.node))
		return nil, false
	}
	found := make([]field, 0, f.node.len())
	for n := f.node.first; n != nil; n = n.next {
		line, path := f.line, ""
		if n.at != 0 {
			line = int(n.at)
		}
		if r.placing {
			path = f.path + "[" + strconv.Itoa(len(found)) + "]"
		}
		found = append(found, r.at(path, line, n))
	}
	return found, true
}

// verbatim returns a scalar as it is written: 0755 is "0755".
func (r *reader) verbatim(f field) (string, bool) {
	if f.node == nil {
		return "", false
	}
	text, ok := f.node.literal()
	switch {
	case ok:
		return text, true
	case f.node.kind == nullNode:
		r.wrong(f, `nothing is there: write "" for an empty text`)
	default:
		r.wrong(f, "a text is needed, not %s", what(f.node))
	}
	return "", false
}

// filled returns the text of a field that means something else if it is left out than if it is empty.
func (r *reader) filled(fields fieldSet, name, otherwise string) string {
	f, ok := fields.get(name)
	if !ok {
		return ""
	}
	text, ok := r.verbatim(f)
	if ok && text == "" {
		r.wrong(f, "empty; leave it out %s", otherwise)
	}
	return text
}

// name returns a text that other readers of YAML would take for text too.
func (r *reader) name(f field) (string, bool) {
	text, ok := r.verbatim(f)
	if !ok {
		return "", false
	}
	if f.node.kind == valueNode {
		r.wrong(f, "%s is not text without quotes: write %s", text, short(text))
		return "", false
	}
	if f.node.kind == plainNode && len(text) <= len("off") {
		switch strings.ToLower(text) {
		case "on", "off", "yes", "no", "y", "n":
			r.wrong(f, "%s is true or false for some readers of YAML: write %s", text, short(text))
			return "", false
		}
	}
	return text, true
}

// duration returns a span that is above 0 and that every store can keep.
func (r *reader) duration(f field) (time.Duration, bool) {
	d, ok := r.span(f)
	switch {
	case !ok:
		return 0, false
	case d <= 0:
		r.wrong(f, "%q is not above 0", d)
	case d%time.Microsecond != 0:
		r.wrong(f, "%q is not a whole number of microseconds", d)
	default:
		return d, true
	}
	return 0, false
}

// lease returns a duration within bounds; 0: the file does not say, or it is wrong.
func (r *reader) lease(fields fieldSet, key string, least, most time.Duration) time.Duration {
	f, ok := fields.get(key)
	if !ok {
		return 0
	}
	d, ok := r.duration(f)
	if ok && (d < least || d > most) {
		r.wrong(f, "%s is outside %s to %s", d, least, most)
	}
	return d
}

// span returns any duration.
func (r *reader) span(f field) (time.Duration, bool) {
	text, ok := r.verbatim(f)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		r.wrong(f, "%s is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m", short(text))
		return 0, false
	}
	return d, true
}

// number returns a whole number in decimal digits. One in quotes will do: JSON has large ones so.
func (r *reader) number(f field, least, most int64) (int64, bool) {
	text, ok := r.verbatim(f)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		r.wrong(f, "%s is no whole number in plain decimal digits", short(text))
		return 0, false
	}
	if n < least || n > most {
		r.wrong(f, "%d is outside %d to %d", n, least, most)
		return 0, false
	}
	return n, true
}

// decimal returns a number that may have a decimal point.
func (r *reader) decimal(f field, least, most float64) (float64, bool) {
	text, ok := r.verbatim(f)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.") != "" {
		r.wrong(f, "%s is no number in plain decimal digits, such as 5 or 0.2", short(text))
		return 0, false
	}
	if n < least || n > most {
		r.wrong(f, "%s is outside %s to %s", text, plainly(least), plainly(most))
		return 0, false
	}
	return n, true
}

func plainly(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// size returns a positive number of bytes.
func (r *reader) size(f field) (int, bool) {
	n, ok := r.number(f, 1, math.MaxInt32)
	return int(n), ok
}

// strings returns a mapping whose values are texts as they are written.
func (r *reader) strings(f field, form string) map[string]string {
	entries, ok := r.entries(f, form)
	if !ok {
		return nil
	}
	values := make(map[string]string, len(entries))
	for _, e := range entries {
		if text, ok := r.verbatim(e.field); ok {
			values[e.key] = text
		}
	}
	return values
}

// choice returns the value that a word stands for.
func choice[T any](r *reader, f field, words []string, values []T) T {
	var none T
	text, ok := r.verbatim(f)
	if !ok {
		return none
	}
	i := slices.Index(words, text)
	if i < 0 {
		last := len(words) - 1
		r.wrong(f, "%s is unknown: write %s or %s", short(text), strings.Join(words[:last], ", "), words[last])
		return none
	}
	return values[i]
}

// similar returns the known word that is at most two changes away from the given one, if it is longer
// than that.
func similar(given string, known []string) (string, bool) {
	best, found := 3, ""
	if len(given) > 64 {
		return "", false
	}
	for _, word := range known {
		if d := distance(given, word); d < best && d < len(word) {
			best, found = d, word
		}
	}
	return found, found != ""
}

// distance is how many bytes must be inserted, deleted or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
