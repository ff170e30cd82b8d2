package custom

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// Guard returns a newSource that makes the same sources, and whose sources give the same answers, but that
// returns an error where the user's code does not return, panics, or takes too long: see the package comment.
// typeURL is for the log. All of them together are one kind,
// and those of the same value share their faults. It is safe for concurrent use.
func Guard(typeURL string, newSource schedule.NewSource, log *slog.Logger) schedule.NewSource {
	k := &kind{typeURL: typeURL, log: log}
	return func(value string) (schedule.Source, error) {
		inner, err := ask(k, value, func() (schedule.Source, error) { return newSource(value) })
		switch {
		case err != nil:
			return nil, err
		case inner == nil:
			return nil, errors.New("there is neither a source nor an error: a defect of the custom kind")
		}
		return &source{kind: k, value: value, inner: inner}, nil
	}
}

// source is a guarded one.
type source struct {
	kind  *kind
	value string
	inner schedule.Source
	// last is the last answer. It holds for every instant from the one asked for to the one answered, since a
	// Source is a pure function. Of calls at the same time any may win.
	last atomic.Pointer[answer]
}

// answer says that there is no fire after one instant until the next; none at all if next is zero.
type answer struct{ after, next time.Time }

// Next asks the user's code, unless the last answer holds.
func (s *source) Next(after time.Time) (time.Time, error) {
	if a := s.last.Load(); a != nil && !after.Before(a.after) && (a.next.IsZero() || after.Before(a.next)) {
		return a.next, nil
	}
	next, err := ask(s.kind, s.value, func() (time.Time, error) { return s.inner.Next(after) })
	if err == nil && (next.IsZero() || next.After(after)) {
		s.last.Store(&answer{after, next})
	}
	return next, err
}
