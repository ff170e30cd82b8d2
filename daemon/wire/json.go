package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxNesting is how deep arrays and objects may lie inside one another. An object costs three messages, and
// the protobuf runtimes of other languages give up at 100: a run with its input must stay below that.
const maxNesting = 32

// JSONToProto returns the API's form of JSON as it is kept in a run; nil is unset. Numbers become doubles,
// which is all a Value has: beyond 2^53 an integer may lose its last digits. It never fails: what is not
// JSON becomes a string of the same text, and so does a number that no double can hold, and an array or
// object that lies more than 32 deep.
func JSONToProto(text []byte) *structpb.Value {
	if len(text) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return structpb.NewStringValue(clean(string(text)))
	}
	if _, err := d.Token(); err != io.EOF {
		return structpb.NewStringValue(clean(string(text)))
	}
	return valueOf(v, 0)
}

func valueOf(v any, depth int) *structpb.Value {
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue()
	case bool:
		return structpb.NewBoolValue(v)
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return structpb.NewStringValue(v.String())
		}
		return structpb.NewNumberValue(f)
	case string:
		return structpb.NewStringValue(v)
	}
	if depth >= maxNesting {
		return structpb.NewStringValue(string(encode(v)))
	}
	if items, ok := v.([]any); ok {
		list := &structpb.ListValue{Values: make([]*structpb.Value, len(items))}
		for i, item := range items {
			list.Values[i] = valueOf(item, depth+1)
		}
		return structpb.NewListValue(list)
	}
	members := v.(map[string]any) // the decoder makes nothing else
	object := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(members))}
	for key, member := range members {
		object.Fields[key] = valueOf(member, depth+1)
	}
	return structpb.NewStructValue(object)
}

// JSONFromProto returns the JSON of a value, compact and with sorted keys; unset is nil. It refuses what JSON
// has no form for (NaN, an infinity, a Value without a kind) and what is nested more than 32 deep. field is
// the path for violations.
func JSONFromProto(field string, pb *structpb.Value) ([]byte, []task.Violation) {
	var r reader
	text := r.json(&path{name: field}, pb)
	if len(r.found) > 0 {
		return nil, r.violations()
	}
	return text, nil
}

func (r *reader) json(p *path, pb *structpb.Value) []byte {
	if pb == nil {
		return nil
	}
	return encode(r.value(p, pb, 0))
}

func (r *reader) value(p *path, pb *structpb.Value, depth int) any {
	switch k := pb.GetKind().(type) {
	case *structpb.Value_NullValue:
		return nil
	case *structpb.Value_BoolValue:
		return k.BoolValue
	case *structpb.Value_NumberValue:
		if math.IsNaN(k.NumberValue) || math.IsInf(k.NumberValue, 0) {
			r.add(p, "%v is not a number of JSON: use null or a string", k.NumberValue)
			return nil
		}
		return k.NumberValue
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_ListValue:
		if depth >= maxNesting {
			r.add(p, "nested more than %d deep", maxNesting)
			return nil
		}
		items := make([]any, len(k.ListValue.GetValues()))
		for i, item := range k.ListValue.GetValues() {
			items[i] = r.value(p.at(i), item, depth+1)
		}
		return items
	case *structpb.Value_StructValue:
		if depth >= maxNesting {
			r.add(p, "nested more than %d deep", maxNesting)
			return nil
		}
		members := make(map[string]any, len(k.StructValue.GetFields()))
		for key, member := range k.StructValue.GetFields() {
			members[key] = r.value(p.of(key), member, depth+1)
		}
		return members
	default:
		r.add(p, "a value without a kind: null is written as null_value")
		return nil
	}
}

// encode writes what valueOf and reader.value work on. Characters that only HTML minds stay as they are:
// what a task gets should look like what the caller wrote.
func encode(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("wire: a value of JSON cannot be encoded: " + err.Error()) // only NaN could do that
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
