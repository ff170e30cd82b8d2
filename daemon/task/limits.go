package task

import (
	"fmt"
	"math"
)

// Limits bound what a daemon does at the same time: of all its tasks, or of those of one group. They may change
// between two starts of a daemon, and a run that waits goes on waiting under the new ones. The zero Limits let
// any number run; they hold a queue of DefaultMaxWaiting all the same.
type Limits struct {
	// MaxRunning is how many runs may be going. One that waits between two attempts is going. Zero: any number.
	MaxRunning int
	// MaxWaiting is how many runs may wait for a place; what comes beyond that is Skipped, with ReasonLimit.
	// Defaults to DefaultMaxWaiting.
	MaxWaiting int
	// StartRate is how many runs may start per second, and may be a fraction: 0.1 is one in ten seconds. Zero:
	// any number. Groups have none.
	StartRate float64
}

// Default and bounds of Limits.
const (
	// DefaultMaxWaiting is how many runs may wait for a place.
	DefaultMaxWaiting = 10_000
	// MaxLimit is the greatest MaxRunning and MaxWaiting.
	MaxLimit = 1_000_000
	// MinStartRate is the least StartRate: about one run a day.
	MinStartRate = 0.00001
	// MaxStartRate is the greatest StartRate.
	MaxStartRate = 1_000_000
)

// Waiting returns how many runs may wait: MaxWaiting, or its default.
func (l Limits) Waiting() int {
	if l.MaxWaiting == 0 {
		return DefaultMaxWaiting
	}
	return l.MaxWaiting
}

// Check returns what is wrong with limits of all tasks, with each field after prefix, such as "limits.".
func (l Limits) Check(prefix string) []Violation { return l.check(prefix, false) }

// CheckGroup does the same for limits of a group.
func (l Limits) CheckGroup(prefix string) []Violation { return l.check(prefix, true) }

func (l Limits) check(prefix string, group bool) []Violation {
	var found []Violation
	add := func(field, format string, args ...any) {
		found = append(found, Violation{Field: prefix + field, Description: fmt.Sprintf(format, args...)})
	}
	if n := l.MaxRunning; n < 0 || n > MaxLimit {
		add("max_running", "%d is outside 0-%d (0 means no limit)", n, MaxLimit)
	}
	if n := l.MaxWaiting; n < 0 || n > MaxLimit {
		add("max_waiting", "%d is outside 0-%d (0 means %d)", n, MaxLimit, DefaultMaxWaiting)
	}
	switch r := l.StartRate; {
	case r == 0:
	case group:
		add("start_rate", "%v: only all tasks together have a rate; leave it out for a group", r)
	case math.IsNaN(r) || r < MinStartRate || r > MaxStartRate:
		add("start_rate", "%v is outside %v-%d (0 means no limit)", r, MinStartRate, MaxStartRate)
	}
	return found
}
