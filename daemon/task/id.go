package task

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// root is the namespace of RFC 9562 under which clockd's own namespaces lie: version 5 of the DNS
// namespace and "clockd". It must never change, or every task of every user gets another id.
var root = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("clockd"))

// IDOf returns the id of the task with this name in this namespace: a UUID of version 5, the same on
// every start and every node.
func IDOf(namespace, name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NewSHA1(root, []byte(namespace)), []byte(name))
}

// A RunID names a run within a store. Stores hand them out in the order of recording, starting at 1.
type RunID int64

// String returns the form that the API uses: the decimal digits.
func (id RunID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseRunID reads the form that String writes.
func ParseRunID(s string) (RunID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%q is not a run id: a run id is a positive decimal number", s)
	}
	return RunID(n), nil
}

// A Ref names a task, by its id or by its name. The zero Ref names none.
type Ref struct {
	// ID is the id. It goes before Name if both are set.
	ID uuid.UUID
	// Name is the name within the namespace.
	Name string
}

// ByID returns a Ref to the task with this id.
func ByID(id uuid.UUID) Ref { return Ref{ID: id} }

// ByName returns a Ref to the task with this name.
func ByName(name string) Ref { return Ref{Name: name} }

// IsZero reports whether the Ref names no task.
func (r Ref) IsZero() bool { return r.ID == uuid.Nil && r.Name == "" }

// String returns the quoted id or name, for messages.
func (r Ref) String() string {
	if r.ID != uuid.Nil {
		return strconv.Quote(r.ID.String())
	}
	return strconv.Quote(r.Name)
}

// Instant returns t as every store keeps it: in UTC, cut off to the microsecond, without a monotonic
// reading. The zero time stays zero.
func Instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
