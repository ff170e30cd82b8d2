package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/internal/custom"
	"github.com/clockd/clockd/daemon/schedule"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// typeHost is the host of every type URL here, as that of anypb.New.
const typeHost = "type.googleapis.com/"

// RegisterTrigger adds a custom kind of trigger to a Config: tasks may then have, and callers may put in force,
// triggers that are a message of type M, such as *tidev1.Tide. Its type URL is type.googleapis.com/ and the
// full name of M. [CustomTrigger] makes such a trigger; over the API it is the arm "custom", an Any.
//
// newSource makes of a message what says when to fire: see [schedule.Source]. Its error says what is wrong
// with the message and what would be right, and is a violation of whoever sent it. The message is fresh and
// newSource's to keep. Bytes that are no M, or have fields that M does not know, do not come to it.
//
// newSource is called whenever a trigger is compiled: by New and by Run for each task, when a trigger is put in
// force, and for previews. It and the sources must be pure, safe for concurrent use, and quick: fires are
// decided on while other work waits, and a source is asked once for each instant, also of those that passed while
// nothing ran. What they do wrong costs the task its fires and nothing else: the task is paused by "clockd"
// with a reason, after an error, an instant that is not after the one asked for, a panic, and a call that takes
// more than a quarter of a second. Resuming it tries again. While such a slow call has not returned, further
// calls for an equal message fail at once, and those for other messages do not: a task, or a preview, with a
// message that hangs leaves the other tasks of M alone. Only while calls for four different messages have not
// returned, all calls for M fail at once. A goroutine can not be ended from outside, so one that never returns
// stays until the process ends. Calls that are slow, but not that slow, may take a tenth of the time together
// for one message, and four tenths for all of M.
//
// That M is registered twice, is no generated message, or that newSource is nil, is said by New. Do not call
// RegisterTrigger for the same Config at the same time.
func RegisterTrigger[M proto.Message](cfg *Config, newSource func(M) (schedule.Source, error)) {
	k := kind{goType: reflect.TypeFor[M]().String()}
	fresh, err := freshMessage[M]()
	switch {
	case err != nil:
		k.problem = err
	case newSource == nil:
		k.problem = errors.New("newSource is nil: it makes the source of a message")
	}
	if err == nil {
		k.typeURL = typeURL(fresh().ProtoReflect().Descriptor())
		k.newSource = func(value string) (schedule.Source, error) {
			m := fresh()
			if err := unmarshal(value, m); err != nil {
				return nil, err
			}
			return newSource(m)
		}
	}
	// Clipped, because copies of a Config share the slice.
	cfg.kinds = append(slices.Clip(cfg.kinds), k)
}

// CustomTrigger makes a trigger of a message, whose kind the daemon in question must know: see
// [RegisterTrigger]. Bounds, jitter and exclusions may be added to it.
//
// A trigger is stored and compared as type URL and bytes. The bytes are those of protobuf's deterministic
// serialization: the same message makes the same bytes at every start of the same program. That another
// build makes them too is likely, but protobuf does not promise it, least of all when the message's definition
// or protobuf itself has changed. If they differ, the declaration has changed: an override made with YIELD
// ends and the trigger's count begins anew.
//
// It panics if m is nil or can not be serialized, because a string in it is not UTF-8 or a required field is
// missing. Where that may be, serialize it and make the schedule.Custom by hand.
func CustomTrigger(m proto.Message) schedule.Trigger {
	if m == nil {
		panic("daemon.CustomTrigger: the message is nil")
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("daemon.CustomTrigger: %s: %s", m.ProtoReflect().Descriptor().FullName(), plain(err)))
	}
	return schedule.Trigger{Kind: schedule.Custom{TypeURL: typeURL(m.ProtoReflect().Descriptor()), Value: string(value)}}
}

// kind is a registered custom kind.
type kind struct {
	goType    string // of the message
	typeURL   string // empty if there is a problem with the type
	newSource schedule.NewSource
	problem   error // nil: none
}

// extensions makes what triggers are compiled with. All problems are returned; nil extensions if there are any.
func (c *Config) extensions(log *slog.Logger) (*schedule.Extensions, []error) {
	var problems []error
	kinds := make(map[string]schedule.NewSource, len(c.kinds))
	for _, k := range c.kinds {
		switch {
		case k.problem != nil:
			problems = append(problems, fmt.Errorf("RegisterTrigger of %s: %w", k.goType, k.problem))
		case kinds[k.typeURL] != nil:
			problems = append(problems, fmt.Errorf("RegisterTrigger of %s: %s is registered already: leave out one of them", k.goType, k.typeURL))
		default:
			kinds[k.typeURL] = custom.Guard(k.typeURL, k.newSource, log)
		}
	}
	x, err := schedule.NewExtensions(c.Calendars, kinds)
	var invalid *schedule.InvalidError
	if errors.As(err, &invalid) {
		for _, v := range invalid.Violations {
			problems = append(problems, fmt.Errorf("%s: %s", v.Field, v.Description))
		}
	} else if err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return x, nil
}

// freshMessage returns a function that makes messages of type M.
func freshMessage[M proto.Message]() (fresh func() M, err error) {
	var zero M
	if any(zero) == nil {
		return nil, errors.New("the type must be that of a generated message, such as *tidev1.Tide, not an interface")
	}
	if _, ok := any(zero).(*anypb.Any); ok {
		return nil, errors.New("an Any is what custom triggers are sent in: register the message inside")
	}
	// The methods of generated messages work on nil pointers; those of other types need not.
	defer func() {
		if recover() != nil {
			fresh, err = nil, errors.New("the type must be that of a generated message, such as *tidev1.Tide")
		}
	}()
	t := zero.ProtoReflect().Type()
	_ = t.New().Interface().(M)
	return func() M { return t.New().Interface().(M) }, nil
}

func typeURL(d protoreflect.MessageDescriptor) string { return typeHost + string(d.FullName()) }

// unmarshal reads bytes that came from outside into a fresh message.
func unmarshal(value string, m proto.Message) error {
	name := m.ProtoReflect().Descriptor().FullName()
	if err := proto.Unmarshal([]byte(value), m); err != nil {
		return fmt.Errorf("the bytes are no %s: %s", name, plain(err))
	}
	if in, ok := unknown(m.ProtoReflect()); ok {
		return fmt.Errorf("the bytes have a field that %s does not know here: leave it out, or update this program", in)
	}
	return nil
}

// unknown returns the name of the first message, m or one inside, that has fields it does not know.
func unknown(m protoreflect.Message) (in protoreflect.FullName, found bool) {
	if len(m.GetUnknown()) > 0 {
		return m.Descriptor().FullName(), true
	}
	inside := func(v protoreflect.Value) bool {
		in, found = unknown(v.Message())
		return !found
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { return inside(v) })
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				if !inside(v.List().Get(i)) {
					break
				}
			}
		case !f.IsMap() && !f.IsList() && f.Message() != nil:
			inside(v)
		}
		return !found
	})
	return in, found
}

// plain is the text of an error of protobuf, which writes its prefix with one of two kinds of space, at random.
func plain(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
}
