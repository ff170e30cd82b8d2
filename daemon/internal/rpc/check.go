package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bounds of what a request may say.
const (
	maxReason       = 1024      // bytes
	maxInput        = 256 << 10 // bytes of JSON: as a Value, and with its output, a run must fit into 4 MiB
	defaultPageSize = 100
	maxPageSize     = 1000
	defaultPreview  = 5
	maxPreview      = 1000
	maxFound        = 256 // violations that are kept of one request
	maxConfig       = 3 << 20
	maxFileName     = 1024 // bytes
)

// A check collects everything that is wrong with a request.
type check struct {
	found []task.Violation
	// missing says that the request names a task that cannot exist.
	missing error
}

func (c *check) add(field, format string, args ...any) {
	if len(c.found) < maxFound {
		c.found = append(c.found, task.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
}

func (c *check) all(found []task.Violation) { c.found = append(c.found, found...) }

// err returns the violations; if there are none, whether the task can exist.
func (c *check) err() error {
	if len(c.found) > 0 {
		return &task.InvalidError{Violations: c.found}
	}
	return c.missing
}

// named is a request with the oneof that names a task. The arms are strings that must not be empty, so
// whether one is set need not be told from whether it is empty.
type named interface {
	GetTaskId() string
	GetTaskName() string
}

// task reads which task the request is about.
func (c *check) task(q named) task.Ref {
	ref := c.taskIfAny(q)
	if unnamed(q) {
		c.add("task", "missing: name a task by task_id or task_name")
	}
	return ref
}

func unnamed(q named) bool { return q.GetTaskId() == "" && q.GetTaskName() == "" }

// taskIfAny is task for requests that need not name one.
func (c *check) taskIfAny(q named) task.Ref {
	if s := q.GetTaskId(); s != "" {
		return task.ByID(c.uuid("task_id", s))
	}
	ref := task.ByName(q.GetTaskName())
	if ref.Name != "" && task.CheckName(ref.Name) != nil {
		c.missing = task.TaskNotFound(ref) // and some stores choke on such a name
	}
	return ref
}

// uuid reads a UUID in the form of RFC 9562. The nil UUID names nothing.
func (c *check) uuid(field, s string) uuid.UUID {
	id, err := uuid.Parse(s)
	switch {
	case err != nil || len(s) != 36:
		c.add(field, "%q is not a UUID such as 6ba7b811-9dad-51d1-80b4-00c04fd430c8", s)
		return uuid.Nil
	case id == uuid.Nil:
		c.add(field, "%q is the nil UUID, which names nothing", s)
	}
	return id
}

func (c *check) runID(s string) task.RunID {
	id, err := task.ParseRunID(s)
	if err != nil {
		c.add("run_id", "%s", err)
	}
	return id
}

func (c *check) reason(s string) string {
	if len(s) > maxReason {
		c.add("reason", "%d bytes are too long: at most %d", len(s), maxReason)
	}
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		c.add("reason", "holds a NUL or is not UTF-8, which not every store can keep")
	}
	return s
}

// edit reads what all changes have in common.
func (c *check) edit(ctx context.Context, etag, reason string) task.Edit {
	return task.Edit{Etag: etag, Actor: actor(ctx), Peer: address(ctx), Reason: c.reason(reason)}
}

func (c *check) pageSize(n int32) int {
	switch {
	case n < 0:
		c.add("page_size", "%d is below 0 (0 means %d)", n, defaultPageSize)
	case n == 0:
		return defaultPageSize
	}
	return min(int(n), maxPageSize)
}

func (c *check) namePrefix(s string) string {
	if s == "" || task.CheckName(s) == nil {
		return s
	}
	if err := task.CheckName(s + "x"); err != nil {
		c.add("filter.name_prefix", "no task name can start with it: %s", err)
	}
	return s
}

// time reads an instant that need not be set.
func (c *check) time(field string, pb *timestamppb.Timestamp) time.Time {
	t, found := wire.TimeFromProto(field, pb)
	c.all(found)
	return t
}

func (c *check) fileName(s string) string {
	switch {
	case len(s) > maxFileName:
		c.add("file_name", "%d bytes are too long: at most %d", len(s), maxFileName)
	case strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s):
		c.add("file_name", "holds a control character or is not UTF-8")
	}
	return s
}

func (c *check) previewCount(n int32) int {
	switch {
	case n < 0 || n > maxPreview:
		c.add("count", "%d is outside 0-%d", n, maxPreview)
	case n == 0:
		return defaultPreview
	}
	return int(n)
}

// states reads a filter, each state once, in the order that the caller gave.
func states[S any, P comparable](c *check, field string, given []P, from func(string, P) (S, []task.Violation)) []S {
	var out []S
	seen := map[P]bool{}
	for i, pb := range given {
		if seen[pb] || len(c.found) >= maxFound {
			continue
		}
		seen[pb] = true
		s, found := from(fmt.Sprintf("%s[%d]", field, i), pb)
		c.all(found)
		if len(found) == 0 {
			out = append(out, s)
		}
	}
	return out
}
