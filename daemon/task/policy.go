package task

import (
	"fmt"
	"math"
	"time"
)

// Policy says how the fires of a task become runs. The zero Policy is the default.
type Policy struct {
	// Overlap says what a run does when one before it is still going. Defaults to OverlapSkip.
	Overlap Overlap
	// CatchUp says what becomes of missed fires. Defaults to CatchUpOne.
	CatchUp CatchUp
	// CatchUpWindow is how far back fires are caught up: what was due earlier is Missed. Zero: however far.
	CatchUpWindow time.Duration
	// Delivery says what becomes of a run whose node died. Defaults to AtLeastOnce.
	Delivery Delivery
	// Timeout is how long an attempt may take. Zero: as long as it likes.
	Timeout time.Duration
	// Retry says what becomes of a run that failed. The zero Retry: it has failed.
	Retry Retry
	// PauseAfterFailures is after how many failed runs in a row the task is paused. Zero: never.
	PauseAfterFailures int
	// Retention says how much of the history is kept.
	Retention Retention
}

// Overlap says what a run does when a run of the same task is still going at its start. Stores keep the numbers.
type Overlap int

const (
	// OverlapSkip records the run as Skipped.
	OverlapSkip Overlap = iota
	// OverlapAllow starts it beside the other.
	OverlapAllow
	// OverlapQueue lets one wait until the other has ended; what comes meanwhile is Skipped.
	OverlapQueue
	// OverlapCancel cancels the other and starts when that has ended; of those that wait the newest does, and
	// the others are Skipped.
	OverlapCancel
)

// CatchUp says what becomes of fires that nobody was there for. Stores keep the numbers.
type CatchUp int

const (
	// CatchUpOne makes one run of all that are due, at the instant of the last.
	CatchUpOne CatchUp = iota
	// CatchUpAll makes each a run.
	CatchUpAll
	// CatchUpNone records them as Missed.
	CatchUpNone
)

// Delivery says what becomes of a run that was recorded and whose node died before it ended. Stores keep the
// numbers.
type Delivery int

const (
	// AtLeastOnce starts it again, as the next attempt of the same run.
	AtLeastOnce Delivery = iota
	// AtMostOnce ends it as Lost.
	AtMostOnce
)

// Retry says how a run that Failed or TimedOut is tried again, as the next attempt of the same run. The zero
// Retry does not.
type Retry struct {
	// MaxAttempts is how many attempts there are at most, with the first; those whose node died do not count.
	// 0 and 1: one. At most MaxRetryAttempts.
	MaxAttempts int
	// Backoff is how long to wait before the second attempt; twice as long before the third, and so on.
	// Defaults to DefaultBackoff.
	Backoff time.Duration
	// MaxBackoff is the longest wait. Defaults to DefaultMaxBackoff.
	MaxBackoff time.Duration
	// Jitter is how much of the wait is left to chance, 0 to 1: 0.2 makes 10s something between 8s and 10s.
	Jitter float64
}

// Defaults and bounds of a Retry.
const (
	DefaultBackoff    = time.Second
	DefaultMaxBackoff = time.Hour
	MaxRetryAttempts  = 1000
)

// Wait is how long to wait after the n-th attempt, counted from 1, before the next. chance is in [0, 1).
func (r Retry) Wait(n int, chance float64) time.Duration {
	wait, limit := r.Backoff, r.MaxBackoff
	if wait == 0 {
		wait = DefaultBackoff
	}
	if limit == 0 {
		limit = DefaultMaxBackoff
	}
	for ; n > 1 && wait < limit; n-- {
		wait *= 2 // limit is at most MaxSpan, so twice as much is no overflow
	}
	wait = min(wait, limit)
	return wait - time.Duration(float64(wait)*r.Jitter*chance)
}

// Retention says how much of the history of a task is kept. Runs that have not ended always are.
type Retention struct {
	// Keep says which runs. Defaults to KeepAll.
	Keep Kept
	// MaxRuns is how many of them, the newest. Defaults to DefaultMaxRuns. At most 1,000,000,000.
	MaxRuns int64
	// MaxAge is how long after their end. Zero: however long.
	MaxAge time.Duration
}

// DefaultMaxRuns is how many runs of a task are kept.
const DefaultMaxRuns = 1000

// maxMaxRuns is the greatest MaxRuns.
const maxMaxRuns = 1_000_000_000

// Kept says which runs are worth keeping. Stores keep the numbers.
type Kept int

const (
	// KeepAll keeps all.
	KeepAll Kept = iota
	// KeepFailures keeps all but those that Succeeded.
	KeepFailures
	// KeepNone keeps none.
	KeepNone
)

// Keeps reports whether a run that has ended is kept, if kept newer ones are.
func (r Retention) Keeps(run *Run, kept int64, now time.Time) bool {
	limit := r.MaxRuns
	if limit == 0 {
		limit = DefaultMaxRuns
	}
	switch {
	case r.Keep == KeepNone, r.Keep == KeepFailures && run.State == Succeeded, kept >= limit:
		return false
	}
	return r.MaxAge == 0 || run.EndTime.Add(r.MaxAge).After(now)
}

// MaxSpan is the longest span of a policy: a hundred years.
const MaxSpan = 100 * 365 * 24 * time.Hour

// check returns what is wrong, with each field after prefix.
func (p Policy) check(prefix string) []Violation {
	var found []Violation
	add := func(field, format string, args ...any) {
		found = append(found, Violation{Field: prefix + field, Description: fmt.Sprintf(format, args...)})
	}
	span := func(field string, d time.Duration) {
		if d < 0 {
			add(field, "%s is negative", d)
		} else if d > MaxSpan {
			add(field, "%s is too long: at most %s, a hundred years", d, MaxSpan)
		}
	}
	if p.Overlap < OverlapSkip || p.Overlap > OverlapCancel {
		add("overlap", "%d is unknown", p.Overlap)
	}
	if p.CatchUp < CatchUpOne || p.CatchUp > CatchUpNone {
		add("catch_up", "%d is unknown", p.CatchUp)
	}
	span("catch_up_window", p.CatchUpWindow)
	if p.Delivery < AtLeastOnce || p.Delivery > AtMostOnce {
		add("delivery", "%d is unknown", p.Delivery)
	}
	span("timeout", p.Timeout)
	if n := p.Retry.MaxAttempts; n < 0 || n > MaxRetryAttempts {
		add("retry.max_attempts", "%d is outside 0-%d", n, MaxRetryAttempts)
	}
	span("retry.backoff", p.Retry.Backoff)
	span("retry.max_backoff", p.Retry.MaxBackoff)
	if j := p.Retry.Jitter; !(j >= 0 && j <= 1) { // NaN is neither
		add("retry.jitter", "%v is outside 0-1", j)
	}
	if n := p.PauseAfterFailures; n < 0 || n > math.MaxInt32 {
		add("pause_after_failures", "%d is outside 0-%d", n, math.MaxInt32)
	}
	if k := p.Retention.Keep; k < KeepAll || k > KeepNone {
		add("retention.keep", "%d is unknown", k)
	}
	if n := p.Retention.MaxRuns; n < 0 || n > maxMaxRuns {
		add("retention.max_runs", "%d is outside 0-%d", n, maxMaxRuns)
	}
	span("retention.max_age", p.Retention.MaxAge)
	return found
}
