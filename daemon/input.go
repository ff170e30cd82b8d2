package daemon

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Input is a parameter of a task's function: what the call handed in, as a value of T. A proto message, such as
// Input[*reportv1.Options], is decoded with protojson, anything else with encoding/json. Fields that T does not have are
// refused, and so is whatever does not fit: RunTask then answers with a task.ErrInvalid that names the field "input", and
// nothing is recorded. At a fire, and in [Call], there is no input.
type Input[T any] struct {
	// Value is the input. If there is none it is the zero T or, of a pointer to a proto message, an empty message.
	Value T
	// Given says that there is one.
	Given bool
}

// input is what any Input does. A decoder is made with reflect.New of its type.
type input interface {
	// decode reads JSON; nil is no input. Its errors are of class task.ErrInvalid.
	decode(data []byte) error
	// check says why no input can be decoded.
	check() error
}

var inputInterface = reflect.TypeFor[input]()

// isInput reports whether a type is an Input.
func isInput(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(inputInterface) && strings.HasPrefix(t.Name(), "Input[")
}

// newInput decodes JSON into an Input of type t.
func newInput(t reflect.Type, data []byte) (reflect.Value, error) {
	v := reflect.New(t)
	err := v.Interface().(input).decode(data)
	return v.Elem(), err
}

// message is Value if that is a message. Nil: it is none.
func (i *Input[T]) message() proto.Message {
	if m, ok := any(&i.Value).(proto.Message); ok {
		return m
	}
	m, ok := any(i.Value).(proto.Message)
	if !ok {
		return nil // a nil interface is none either
	}
	if v, ok := m.ProtoReflect().New().Interface().(T); ok {
		i.Value = v
	}
	return any(i.Value).(proto.Message)
}

func (i *Input[T]) check() error {
	if i.message() != nil {
		return nil
	}
	return decodable(reflect.TypeFor[T](), nil)
}

func (i *Input[T]) decode(data []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = task.Invalid("input", "decoding it as %s: panic: %v", reflect.TypeFor[T](), v)
		}
	}()
	m := i.message()
	if i.Given = data != nil; !i.Given {
		return nil
	}
	if m != nil {
		if err := protojson.Unmarshal(data, m); err != nil {
			// The library varies its spaces, so that nobody compares its texts.
			text := strings.ReplaceAll(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: "), "\n", " ")
			return task.Invalid("input", "no %s: %s", m.ProtoReflect().Descriptor().FullName(), text)
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&i.Value); err != nil {
		field, text := "input", strings.TrimPrefix(err.Error(), "json: ")
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			if wrong.Field != "" {
				field += "." + wrong.Field
			}
			text = fmt.Sprintf("a %s does not fit %s", wrong.Value, wrong.Type)
		}
		return task.Invalid(field, "%s", text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return task.Invalid("input", "there is more after the first JSON value")
	}
	return nil
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodable says which part of a type encoding/json has no way to fill, before somebody hands it in. above are the types
// that t is a part of.
func decodable(t reflect.Type, above []reflect.Type) error {
	for _, a := range above {
		if a == t {
			return nil
		}
	}
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return nil
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Errorf("JSON can not be decoded into %s", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("JSON can not be decoded into %s: an interface does not say what to make", t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return decodable(t.Elem(), above)
	case reflect.Map:
		switch k := t.Key(); {
		case k.Kind() == reflect.String, k.Kind() >= reflect.Int && k.Kind() <= reflect.Uintptr, reflect.PointerTo(k).Implements(textUnmarshaler):
		default:
			return fmt.Errorf("JSON can not be decoded into %s: its keys are no strings", t)
		}
		return decodable(t.Elem(), above)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous {
				continue
			}
			if err := decodable(f.Type, above); err != nil {
				return fmt.Errorf("%w, field %s of %s", err, f.Name, t)
			}
		}
	}
	return nil
}

// output is a value as encoding/json takes it. A message, also one that is no pointer, is JSON by protojson.
func output(v any) (any, error) {
	m, ok := v.(proto.Message)
	r := reflect.ValueOf(v)
	switch {
	case v == nil, ok && r.Kind() == reflect.Pointer && r.IsNil():
		return v, nil // null, as of any nil pointer
	case !ok && r.Kind() == reflect.Struct:
		p := reflect.New(r.Type())
		if m, ok = p.Interface().(proto.Message); ok {
			p.Elem().Set(r)
		}
	}
	if !ok {
		return v, nil
	}
	data, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("what the function returned is not JSON: %w", err)
	}
	return json.RawMessage(data), nil // encoding/json takes out the spaces that protojson varies
}
