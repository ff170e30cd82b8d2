package wire_test

import (
	"math"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/wire"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestJSONKeepsWhatAValueCanHold(t *testing.T) {
	deep := func(n int, inner string) string { return strings.Repeat("[", n) + inner + strings.Repeat("]", n) }
	for name, c := range map[string]struct{ in, want string }{
		"null":                                 {"null", "null"},
		"spaces and order":                     {` { "b" : 1 , "a" : [ true , null ] } `, `{"a":[true,null],"b":1}`},
		"what only HTML minds":                 {`"<a href='x'>&</a>"`, `"<a href='x'>&</a>"`},
		"the largest exact integer":            {"9007199254740991", "9007199254740991"},
		"one more digit than a double has":     {"9007199254740993", "9007199254740992"},
		"a number beyond any double":           {`[1e400]`, `["1e400"]`},
		"a small number":                       {"0.1", "0.1"},
		"text that is not JSON":                {"exit status 1", `"exit status 1"`},
		"two values":                           {"1 2", `"1 2"`},
		"a value and a torn one":               {"{} [", `"{} ["`},
		"a double key":                         {`{"a":1,"a":2}`, `{"a":2}`},
		"as deep as allowed":                   {deep(32, "1"), deep(32, "1")},
		"deeper than other languages can read": {deep(34, `{"a":1}`), deep(32, `"[[{\"a\":1}]]"`)},
		"far too deep for JSON":                {deep(20000, ""), `"` + deep(20000, "") + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			v := wire.JSONToProto([]byte(c.in))
			got, found := wire.JSONFromProto("input", overTheWire(t, v))
			if len(found) > 0 || string(got) != c.want {
				t.Errorf("got %.200s, %v", got, found)
			}
		})
	}
}

func TestNoJSONIsUnset(t *testing.T) {
	if v := wire.JSONToProto(nil); v != nil {
		t.Errorf("got %v", v)
	}
	if text, found := wire.JSONFromProto("input", nil); text != nil || found != nil {
		t.Errorf("got %q, %v", text, found)
	}
}

func TestAValueThatIsNotJSONIsRefusedWithItsPlace(t *testing.T) {
	deep := structpb.NewNumberValue(1)
	for range 33 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	object := func(key string, v *structpb.Value) *structpb.Value {
		return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{key: v}})
	}
	for name, c := range map[string]struct {
		value *structpb.Value
		want  []string
	}{
		"NaN":            {structpb.NewNumberValue(math.NaN()), []string{"input"}},
		"infinity":       {object("a", structpb.NewNumberValue(math.Inf(-1))), []string{`input["a"]`}},
		"no kind":        {&structpb.Value{}, []string{"input"}},
		"a nil inside":   {structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{nil, {}}}), []string{"input[0]", "input[1]"}},
		"an odd key":     {object("a\"]\n", &structpb.Value{}), []string{`input["a\"]\n"]`}},
		"too deep":       {deep, []string{"input" + strings.Repeat("[0]", 32)}},
		"too deep, keys": {object("k", deep), []string{`input["k"]` + strings.Repeat("[0]", 31)}},
	} {
		t.Run(name, func(t *testing.T) {
			text, found := wire.JSONFromProto("input", c.value)
			if text != nil || !cmp.Equal(fields(found), c.want) {
				t.Errorf("got %q, %v", text, found)
			}
		})
	}
}

func FuzzJSONToProto(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(newSource(seed).json())
	}
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := wire.JSONToProto(text)
		if _, err := proto.Marshal(v); err != nil {
			t.Fatal(err)
		}
		once, found := wire.JSONFromProto("output", v)
		if len(found) > 0 {
			t.Fatal(found)
		}
		if twice, _ := wire.JSONFromProto("output", wire.JSONToProto(once)); string(twice) != string(once) {
			t.Errorf("%q became %q", once, twice)
		}
	})
}
