package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// maxViolations is how many violations are kept of one message. A hostile one could otherwise make a few
// bytes each into a few hundred.
const maxViolations = 256

// A path is a place in a message. It is written out only when there is something to say of it, so walking a
// message in good order costs no strings.
type path struct {
	parent *path
	name   string // a field's name; empty: an index or key
	index  int
	key    string // of a JSON object; used if index is negative
}

func (p *path) field(name string) *path { return &path{parent: p, name: name} }
func (p *path) at(index int) *path      { return &path{parent: p, index: index} }
func (p *path) of(key string) *path     { return &path{parent: p, index: -1, key: key} }

func (p *path) String() string {
	var b strings.Builder
	p.write(&b)
	return b.String()
}

func (p *path) write(b *strings.Builder) {
	if p.parent != nil {
		p.parent.write(b)
	}
	switch {
	case p.name != "":
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p.name)
	case p.parent == nil: // the root, when the caller named none
	case p.index >= 0:
		b.WriteString("[" + strconv.Itoa(p.index) + "]")
	default:
		b.WriteString("[" + strconv.Quote(truncate(p.key, maxField)) + "]")
	}
}

// A reader collects what is wrong with a message.
type reader struct {
	found []task.Violation
	more  int // violations beyond maxViolations
	// guessed are the fields that hold a placeholder because what was sent is wrong. What a check of the
	// trigger has to say of those would be said twice.
	guessed map[string]bool
	// triggers counts those that were read; overfull says that there were more than maxTriggers.
	triggers int
	overfull bool
	// asked says that the message is what a caller wants done, and not an answer: see extra.
	asked bool
}

// add notes a violation.
func (r *reader) add(p *path, format string, args ...any) {
	if len(r.found) >= maxViolations {
		r.more++
		return
	}
	r.found = append(r.found, task.Violation{Field: p.String(), Description: fmt.Sprintf(format, args...)})
}

// guess notes a violation of a field for which a placeholder goes on.
func (r *reader) guess(p *path, format string, args ...any) {
	r.add(p, format, args...)
	if r.guessed == nil {
		r.guessed = map[string]bool{}
	}
	if len(r.guessed) < maxViolations {
		r.guessed[p.String()] = true
	}
}

// violations returns all that was found, and says how much more there was.
func (r *reader) violations() []task.Violation {
	if r.more == 0 {
		return r.found
	}
	return append(r.found[:len(r.found):len(r.found)], task.Violation{Description: fmt.Sprintf("… and %d more", r.more)})
}

// err returns the violations as an error, or nil.
func (r *reader) err() error {
	if len(r.found) == 0 {
		return nil
	}
	return &task.InvalidError{Violations: r.violations()}
}

// unknown refuses the fields of a message that this version does not know: to drop them could turn a trigger
// into another one.
func (r *reader) unknown(p *path, m proto.Message) {
	raw := m.ProtoReflect().GetUnknown()
	if len(raw) == 0 {
		return
	}
	const most = 8
	var seen []protowire.Number
next:
	for len(raw) > 0 && len(seen) < most {
		number, _, n := protowire.ConsumeField(raw)
		if n < 0 {
			r.add(p, "holds bytes that are no field")
			return
		}
		raw = raw[n:]
		for _, s := range seen {
			if s == number {
				continue next
			}
		}
		seen = append(seen, number)
		r.add(p, "field %d is not known to this version: leave it out, or use a daemon that knows it", number)
	}
}

// extra is unknown for messages that travel both ways: of a newer daemon's answer one takes what one knows.
func (r *reader) extra(p *path, m proto.Message) {
	if r.asked {
		r.unknown(p, m)
	}
}
