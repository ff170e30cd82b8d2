package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const triggerForm = `"every 10s", or {every: {interval: 10s}}`

// trigger reads either form of a trigger.
func (r *reader) trigger(f field) schedule.Trigger {
	switch {
	case f.node == nil:
		return schedule.Trigger{}
	case f.node.kind == mappingNode:
		t := r.message(f)
		r.barren(f, t)
		return t
	case f.node.kind == nullNode, f.node.kind == sequenceNode:
		r.wrong(f, "a trigger is needed, such as %s, not %s", triggerForm, what(f.node))
		return schedule.Trigger{}
	}
	text, ok := r.verbatim(f)
	if !ok {
		return schedule.Trigger{}
	}
	t, err := schedule.Parse(text)
	if err != nil {
		r.unparsed(f, text, err)
		return t
	}
	// Parse has checked all the rest: to compile every trigger once more would double the time of a large file.
	if !r.unresolved && t.UsesExtensions() {
		_, err := r.extensions.Compile(t)
		r.refusedBy(err, nil, f, f.path)
	}
	r.barren(f, t)
	return t
}

// barren notes that the exclusions of a trigger leave no fire from now on, which only a search tells.
func (r *reader) barren(f field, t schedule.Trigger) {
	if r.unresolved || !excluding(t) {
		return
	}
	c, err := r.extensions.Compile(t)
	if err != nil {
		return // it is said already
	}
	c.First(schedule.Progress{Anchor: time.Now()})
	if err := c.Err(); err != nil {
		r.wrong(f, "%s", err)
	}
}

// excluding reports whether a trigger, or any inside, has exclusions.
func excluding(t schedule.Trigger) bool {
	if any, ok := t.Kind.(schedule.AnyOf); ok && slices.ContainsFunc(any.Triggers, excluding) {
		return true
	}
	return len(t.Exclusions) > 0
}

// unparsed notes what is wrong with a text form.
func (r *reader) unparsed(f field, text string, err error) {
	if syntax, ok := errors.AsType[*schedule.SyntaxError](err); ok {
		r.wrong(f, "column %d of %s: %s", syntax.Column, short(text), syntax.Message)
		return
	}
	r.refusedBy(err, nil, f, f.path)
}

// message reads the fields of a trigger. It walks the descriptor of the message instead of handing JSON
// to protojson, because that stops at the first problem and knows no lines.
func (r *reader) message(f field) schedule.Trigger {
	pb := &clockdv1.Trigger{}
	m := messageReader{reader: r, said: map[string]bool{}}
	m.message(f, pb.ProtoReflect())
	var t schedule.Trigger
	var found []task.Violation
	if r.unresolved {
		t, found = wire.TriggerFromProto(f.path, pb)
	} else {
		t, found = wire.ResolvedTriggerFromProto(f.path, pb, r.extensions)
	}
	m.violations(f, found)
	return t
}

// A messageReader fills messages from mappings.
type messageReader struct {
	*reader
	// said are the paths of which something was said that also says what a check of the message would
	// find there, true if this holds for all below them too.
	said map[string]bool
}

// covers reports whether what was said covers a violation of this field.
func (m *messageReader) covers(path string) bool {
	if _, ok := m.said[path]; ok {
		return true
	}
	for path != "" {
		if m.said[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return false
}

// bad notes a value that can not be read.
func (m *messageReader) bad(f field, format string, args ...any) {
	m.said[f.path] = true
	m.wrong(f, format, args...)
}

func (m *messageReader) message(f field, to protoreflect.Message) {
	if f.node == nil {
		m.said[f.path] = true
		return
	}
	if f.node.kind == nullNode {
		return // "forever:" has no fields to write
	}
	descriptors := to.Descriptor().Fields()
	entries, ok := m.entries(f, example(to.Descriptor()))
	if !ok {
		m.said[f.path] = true
		return
	}
	lines := make(map[protoreflect.Name]int, len(entries))
	for _, e := range entries {
		d := descriptors.ByName(protoreflect.Name(e.key))
		if d == nil {
			d = descriptors.ByJSONName(e.key)
		}
		if d == nil {
			known := make([]string, descriptors.Len())
			for i := range known {
				known[i] = string(descriptors.Get(i).Name())
			}
			m.unknown(f, e, known)
			if _, ok := m.said[f.path]; !ok {
				m.said[f.path] = false // what is missing here may be what was meant
			}
			continue
		}
		e.path = m.path(f.path, string(d.Name()))
		if m.placing {
			m.lines[e.path] = e.line
		}
		if line, twice := lines[d.Name()]; twice {
			m.wrong(e.field, "is there twice, first on line %d", line)
			continue
		}
		lines[d.Name()] = e.line
		if one := d.ContainingOneof(); one != nil {
			if other := to.WhichOneof(one); other != nil {
				m.wrong(e.field, "line %d has %s: exactly one kind is allowed; %s", lines[other.Name()], other.Name(), several(to.Descriptor()))
				continue
			}
		}
		if d.IsList() {
			m.list(e.field, to.Mutable(d).List(), d)
			continue
		}
		if d.Message() != nil {
			m.nested(e.field, to.Mutable(d).Message())
			continue
		}
		v, ok := m.scalar(e.field, d)
		if !ok {
			m.said[e.path] = true
			v = d.Default() // so that a oneof is not empty
		}
		to.Set(d, v)
	}
}

func (m *messageReader) list(f field, to protoreflect.List, d protoreflect.FieldDescriptor) {
	form := "[...]"
	if d.Enum() != nil {
		form = "[" + strings.ToLower(shortName(d.Enum(), d.Enum().Values().Get(1))) + "]"
	}
	items, ok := m.items(f, form)
	if !ok {
		m.said[f.path] = true
		return
	}
	for _, item := range items {
		if d.Message() != nil {
			m.nested(item, to.AppendMutable().Message())
			continue
		}
		if v, ok := m.scalar(item, d); ok {
			to.Append(v)
			continue
		}
		m.said[item.path] = true
		to.Append(to.NewElement()) // keeps the others where they are
	}
}

// nested reads a message inside a message, of which two have a form of their own.
func (m *messageReader) nested(f field, to protoreflect.Message) {
	switch special := to.Interface().(type) {
	case *durationpb.Duration:
		d, ok := m.span(f)
		if !ok {
			m.said[f.path] = true
			return
		}
		proto.Merge(special, durationpb.New(d))
	case *timestamppb.Timestamp:
		text, ok := m.verbatim(f)
		if !ok {
			m.said[f.path] = true
			return
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			m.bad(f, "%s is no RFC 3339 time such as 2027-01-01T00:00:00Z", short(text))
			return
		}
		proto.Merge(special, timestamppb.New(t))
	default:
		m.message(f, to)
	}
}

func (m *messageReader) scalar(f field, d protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	switch d.Kind() {
	case protoreflect.StringKind:
		text, ok := m.verbatim(f)
		return protoreflect.ValueOfString(text), ok
	case protoreflect.BytesKind:
		text, ok := m.verbatim(f)
		if !ok {
			return protoreflect.Value{}, false
		}
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			m.wrong(f, "%s is no base64, with + and / and padded with =, such as CAESAA==", short(text))
		}
		return protoreflect.ValueOfBytes(value), err == nil
	case protoreflect.Int32Kind:
		n, ok := m.number(f, math.MinInt32, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(n)), ok
	case protoreflect.Int64Kind:
		n, ok := m.number(f, math.MinInt64, math.MaxInt64)
		return protoreflect.ValueOfInt64(n), ok
	case protoreflect.EnumKind:
		return m.enum(f, d.Enum())
	}
	// A test walks all fields there are.
	panic(fmt.Sprintf("config: a trigger's %s of kind %s can not be read", d.FullName(), d.Kind()))
}

// enum reads FIRST_FIRE_IMMEDIATE, IMMEDIATE, immediate, and of a day also mon.
func (m *messageReader) enum(f field, d protoreflect.EnumDescriptor) (protoreflect.Value, bool) {
	text, ok := m.verbatim(f)
	if !ok {
		return protoreflect.Value{}, false
	}
	given := strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
	var words []string
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		if v.Number() == 0 {
			continue // UNSPECIFIED
		}
		word := shortName(d, v)
		if given == string(v.Name()) || given == word || d == days && given == word[:3] {
			return protoreflect.ValueOfEnum(v.Number()), true
		}
		words = append(words, strings.ToLower(word))
	}
	last := len(words) - 1
	m.wrong(f, "%s is unknown: write %s or %s", short(text), strings.Join(words[:last], ", "), words[last])
	return protoreflect.Value{}, false
}

var days = clockdv1.DayOfWeek_DAY_OF_WEEK_UNSPECIFIED.Descriptor()

// shortName returns the name of a value without the prefix that all values of its enumeration have.
func shortName(d protoreflect.EnumDescriptor, v protoreflect.EnumValueDescriptor) string {
	prefix := strings.TrimSuffix(string(d.Values().ByNumber(0).Name()), "UNSPECIFIED")
	return strings.TrimPrefix(string(v.Name()), prefix)
}

// example returns a mapping as it would be written for a message.
func example(d protoreflect.MessageDescriptor) string {
	switch d.Name() {
	case "Every":
		return "{interval: 10s}"
	case "At":
		return "{hour: 9, time_zone: UTC}"
	case "Cron":
		return `{expression: "0 3 * * *", time_zone: UTC}`
	case "Once":
		return "{time: 2027-01-01T00:00:00Z}"
	case "AnyOf":
		return "{triggers: [...]}"
	case "Trigger":
		return "{every: {interval: 10s}}"
	case "Any":
		return `{type_url: type.googleapis.com/acme.v1.Tide, value: CAESAA==}`
	case "Exclusion":
		return "{dates: {first: 2026-12-24, time_zone: Europe/Berlin}}"
	case "Dates":
		return "{first: 2026-12-24, last: 2026-12-26, time_zone: Europe/Berlin}"
	case "Window":
		return "{from: 22:00, until: 06:00, time_zone: Europe/Berlin}"
	}
	return "{}"
}

// several says what to do for several kinds where one is allowed.
func several(d protoreflect.MessageDescriptor) string {
	if d.Name() == "Exclusion" {
		return "make an item of the list of each"
	}
	return "any_of can hold several triggers"
}
