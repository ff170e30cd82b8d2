package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
)

// A change is what an audit event or a diff tells: the fields that changed, on one line.
type change struct {
	actor, reason string // of the event: what a field says of them again is left out
	before, after map[string]any
}

func changeOf(before, after []byte, actor, reason string) change {
	return change{actor: actor, reason: reason, before: object(before), after: object(after)}
}

// object reads a JSON object; what is none has no members.
func object(data []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a revision is an int64
	var members map[string]any
	if d.Decode(&members) != nil {
		return nil
	}
	return members
}

// The fields that are told first, in this order; the others follow by name.
var firstFields = []string{"task_name", "trigger", "declared_trigger", "override", "pause", "state"}

// String is "trigger: every 10s -> every 5m; description: -> text". A field that was not there is told without
// what was before it.
func (c change) String() string {
	names := maps.Clone(c.before)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, c.after)
	order := func(name string) int {
		if i := slices.Index(firstFields, name); i >= 0 {
			return i
		}
		return len(firstFields)
	}
	sorted := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		if d := order(a) - order(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range sorted {
		before, wasThere := c.before[name]
		after, isThere := c.after[name]
		switch name {
		case "declared_trigger":
			// Most often it is the trigger in force too, and changes with it.
			if same(before, c.before["trigger"]) && same(after, c.after["trigger"]) {
				continue
			}
		case "override":
			before, after = c.override(before, c.before), c.override(after, c.after)
		case "pause":
			if before, after = c.pause(before), c.pause(after); !wasThere && after == told {
				continue
			}
		}
		parts = append(parts, difference(name, before, after, wasThere, isThere)...)
	}
	return strings.Join(parts, "; ")
}

// difference tells of a field, or of the members of an object that differ.
func difference(name string, before, after any, wasThere, isThere bool) []string {
	from, fromObject := before.(map[string]any)
	to, toObject := after.(map[string]any)
	if (fromObject || !wasThere || before == nil) && (toObject || !isThere || after == nil) && (fromObject || toObject) {
		var parts []string
		names := maps.Clone(from)
		if names == nil {
			names = map[string]any{}
		}
		maps.Copy(names, to)
		for _, member := range slices.Sorted(maps.Keys(names)) {
			old, was := from[member]
			now, is := to[member]
			if !same(old, now) || was != is {
				parts = append(parts, difference(name+"."+member, old, now, was, is)...)
			}
		}
		return parts
	}
	name = text(name)
	switch {
	case same(before, after):
		return nil
	case !wasThere:
		return []string{name + ": " + value(after)}
	case !isThere:
		return []string{name + ": " + value(before) + " -> none"}
	}
	return []string{name + ": " + value(before) + " -> " + value(after)}
}

// same compares what JSON holds.
func same(a, b any) bool { return value(a) == value(b) }

// value is a value on one line, safe to print.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return `""`
		}
		return text(v)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // what was JSON can be written as such
	}
	return jsonText(data)
}

// override says of an override what the trigger in force and the event do not say already: as text, or nil if
// there is none.
func (c change) override(v any, side map[string]any) any {
	o, ok := v.(map[string]any)
	if !ok {
		return v
	}
	var parts []string
	if trigger, ok := o["trigger"].(string); ok && !same(trigger, side["trigger"]) {
		parts = append(parts, trigger)
	}
	parts = append(parts, c.author(o)...)
	if word, ok := o["on_declared_change"].(string); ok {
		parts = append(parts, word)
	}
	if until, ok := o["expire_time"].(string); ok {
		parts = append(parts, "until "+until)
	}
	if changed, ok := o["declaration_changed"].(bool); ok && changed {
		parts = append(parts, "declaration changed")
	}
	return strings.Join(parts, ", ")
}

// pause says of a pause what the event does not say already, or nil if there is none.
func (c change) pause(v any) any {
	p, ok := v.(map[string]any)
	if !ok {
		return v
	}
	parts := c.author(p)
	if until, ok := p["resume_time"].(string); ok {
		parts = append(parts, "until "+until)
	}
	if len(parts) == 0 {
		return told
	}
	return strings.Join(parts, ", ")
}

// told stands for a pause of which the event says all.
const told = "yes"

// author says who made an override or a pause and why, if the event does not.
func (c change) author(o map[string]any) []string {
	var parts []string
	if actor, ok := o["actor"].(string); ok && actor != "" && actor != c.actor {
		parts = append(parts, "by "+actor)
	}
	if reason, ok := o["reason"].(string); ok && reason != "" && reason != c.reason {
		parts = append(parts, "because "+reason)
	}
	return parts
}

// line is the change of an event, what it is about beside the task, and why.
func (c change) line(about string) string {
	var parts []string
	for _, part := range []string{about, c.String()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	line := strings.Join(parts, "; ")
	if c.reason != "" {
		line = strings.TrimSpace(line + " (" + text(c.reason) + ")")
	}
	if line == "" {
		return "-"
	}
	return line
}

// about says what an event is about beside the task: its run, or that nothing has come of it.
func about(a task.Action, id task.RunID) string {
	switch {
	case a == task.DeclarationRefused:
		return "nothing was changed"
	case id != 0:
		return "run " + id.String()
	}
	return ""
}
