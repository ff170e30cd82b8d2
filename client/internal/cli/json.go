package cli

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// printAnswer prints a message of the API: the names of its fields as in the .proto files, empty lists and
// zeros included so that a script finds every field, times in RFC 3339, 64-bit numbers as strings. An Any of
// a type that this program does not know is {"@type": URL, "value": BASE64}.
func (s *session) printAnswer(m proto.Message) error {
	data, err := exact(m)
	if err != nil {
		return err
	}
	if s.yaml {
		_, err = s.out.Write(yamlOf(data))
		return err
	}
	// protojson varies its white space from build to build, on purpose; Indent and Compact take it out.
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(s.out)
	return err
}

// printPart prints a message of a stream as printAnswer does, but JSON on one line and YAML as a document of its
// own, and does not wait for the next.
func (s *session) printPart(m proto.Message) error {
	data, err := exact(m)
	if err != nil {
		return err
	}
	return s.printPartOf(data)
}

func (s *session) printPartOf(data []byte) error {
	var b bytes.Buffer
	if s.yaml {
		b.WriteString("---\n")
		b.Write(yamlOf(data))
	} else {
		if err := json.Compact(&b, data); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	if _, err := b.WriteTo(s.out); err != nil {
		return err
	}
	return s.out.Flush()
}

func exact(m proto.Message) ([]byte, error) {
	m, types := readable(m)
	return protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true, Resolver: types}.Marshal(m)
}

// readable returns a message that protojson can write, and the types to do it with. It would fail at an Any
// of a type that is not linked into this program, as those of custom triggers are: their bytes are put into
// a BytesValue, which is said to be the type of that URL. A well-known type is written as "@type" and "value".
func readable(m proto.Message) (proto.Message, *opaqueTypes) {
	opaque := map[string]bool{}
	eachAny(m.ProtoReflect(), func(a *anypb.Any) {
		// To try finds also bytes that are not of their type, and one inside another.
		if _, err := protojson.Marshal(a); err != nil {
			opaque[a.GetTypeUrl()] = true
		}
	})
	types := &opaqueTypes{Types: protoregistry.GlobalTypes, opaque: opaque}
	if len(opaque) == 0 {
		return m, types
	}
	m = proto.Clone(m)
	eachAny(m.ProtoReflect(), func(a *anypb.Any) {
		if !opaque[a.GetTypeUrl()] {
			return
		}
		wrapped, err := proto.Marshal(wrapperspb.Bytes(a.GetValue()))
		if err != nil {
			return // bytes alone can always be written
		}
		a.Value = wrapped
		if a.GetTypeUrl() == "" {
			a.TypeUrl = noURL // protojson wants one
		}
	})
	opaque[noURL] = true
	return m, types
}

// noURL stands for the type of an Any that has none.
const noURL = "/"

// eachAny calls f with each Any in a message.
func eachAny(m protoreflect.Message, f func(*anypb.Any)) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		f(a)
		return
	}
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsMap():
			if d.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					eachAny(v.Message(), f)
					return true
				})
			}
		case d.Message() == nil:
		case d.IsList():
			for i := range v.List().Len() {
				eachAny(v.List().Get(i).Message(), f)
			}
		default:
			eachAny(v.Message(), f)
		}
		return true
	})
}

// opaqueTypes are the types of this program, but that some are taken for BytesValue.
type opaqueTypes struct {
	*protoregistry.Types
	opaque map[string]bool // by URL
}

// FindMessageByURL is that of protojson's Resolver.
func (t *opaqueTypes) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if t.opaque[url] {
		return (*wrapperspb.BytesValue)(nil).ProtoReflect().Type(), nil
	}
	return t.Types.FindMessageByURL(url)
}
