package task

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// A Run is what a fire or a call started, or the record of fires that started nothing.
type Run struct {
	// ID is given by the store when the run is recorded.
	ID RunID
	// TaskID and TaskName name the task. TaskName is filled in by the store when it reads.
	TaskID   uuid.UUID
	TaskName string
	// State is how far it has come. Reason says why it was Skipped or Missed or, while it is Scheduled and its
	// instant has come, what it waits for: in a store, a Scheduled run with a Reason has not been started.
	State  RunState
	Reason Reason
	// Cause is what brought it about.
	Cause Cause
	// ScheduledTime is the planned instant; of a call, when it was made.
	ScheduledTime time.Time
	// JitteredTime is when it is to start: ScheduledTime and the jitter of its trigger. Zero: no jitter.
	JitteredTime time.Time
	// NextAttemptTime is when the attempt that comes next is to start, after one that failed or as the rate of a
	// backfill says. Zero: at JitteredTime or ScheduledTime.
	NextAttemptTime time.Time
	// StartTime is when the last attempt started. Zero: none has.
	StartTime time.Time
	// EndTime is when the run ended. Zero: it has not.
	EndTime time.Time

	// Fires is how many due instants the record stands for; 0 for a call.
	Fires int64
	// FirstScheduledTime is the first of them, if there are several; ScheduledTime is the last.
	FirstScheduledTime time.Time

	// Attempt is the attempt that comes next, is going or was the last, counted from 1. 0: there is none,
	// because the run was skipped or missed, or because its node stopped in good order while it waited for its
	// start; then the next is the one after those in Earlier.
	Attempt int
	// Earlier are the attempts before it, oldest first. If their errors together are long, those of the oldest are
	// not kept.
	Earlier []Attempt

	// Input and Output are JSON. Nil: none.
	Input, Output []byte
	// Error says what went wrong. Empty: nothing.
	Error string
	// Actor made the call, or canceled the run.
	Actor string
	// Worker is the name of the worker that makes the last attempt, or made it. Empty: none.
	Worker string
	// Node is the node that has the run in hand or, if it has ended, had it last; it is the store's. Zero: none has, or
	// the store is of one daemon alone.
	Node uuid.UUID
	// Change is the number of the commit that last changed the run. It is the store's.
	Change int64
}

// DueTime is when the run, or its next attempt, is to start: NextAttemptTime, JitteredTime or ScheduledTime,
// whichever is set first.
func (r *Run) DueTime() time.Time {
	switch {
	case !r.NextAttemptTime.IsZero():
		return r.NextAttemptTime
	case !r.JitteredTime.IsZero():
		return r.JitteredTime
	}
	return r.ScheduledTime
}

// Lateness is how long after DueTime the last attempt started. Zero if none has.
func (r *Run) Lateness() time.Duration {
	if r.StartTime.IsZero() {
		return 0
	}
	return r.StartTime.Sub(r.DueTime())
}

// An Attempt is one start of a run that was not its last.
type Attempt struct {
	// Number counts from 1.
	Number int
	// StartTime is zero if the node died before it was recorded.
	StartTime, EndTime time.Time
	State              RunState
	Error              string
	// Worker is the name of the worker that made it. Empty: none.
	Worker string
	// Node is the node that made it, if another made the next one. Zero: it was the same, or there is no cluster.
	Node uuid.UUID
}

// RunState says how far a run has come. Stores keep the numbers: they are never reused.
type RunState int

const (
	// Scheduled runs are recorded and wait for their instant.
	Scheduled RunState = 1
	// Running runs have been started.
	Running RunState = 2
	// Succeeded runs ended well.
	Succeeded RunState = 3
	// Failed runs ended with an error.
	Failed RunState = 4
	// TimedOut runs took longer than their task allows.
	TimedOut RunState = 5
	// Canceled runs were ended by a caller or by the stop of their node.
	Canceled RunState = 6
	// Lost runs were under way when their node died, and are not started again.
	Lost RunState = 7
	// Skipped runs were due and not started: see Reason.
	Skipped RunState = 8
	// Missed runs were due while nobody was there: see Reason.
	Missed RunState = 9
)

var runStates = [...]string{
	Scheduled: "scheduled", Running: "running", Succeeded: "succeeded", Failed: "failed", TimedOut: "timed out",
	Canceled: "canceled", Lost: "lost", Skipped: "skipped", Missed: "missed",
}

// String returns the state in small letters, for logs and people.
func (s RunState) String() string {
	if s < Scheduled || int(s) >= len(runStates) {
		return fmt.Sprintf("run state %d", int(s))
	}
	return runStates[s]
}

// Ended reports whether nothing more will happen to the run.
func (s RunState) Ended() bool { return s >= Succeeded }

// Cause is what brought a run about. Stores keep the numbers.
type Cause int

const (
	// ByFire is a fire of the trigger.
	ByFire Cause = 1
	// ByCall is a call.
	ByCall Cause = 2
	// ByBackfill is a call that makes runs of fires of the past.
	ByBackfill Cause = 3
)

// Reason says why a run was skipped or missed, or what a Scheduled run waits for. Stores keep the numbers. Zero:
// none of that.
type Reason int

const (
	// ReasonOverlap: the run before was still going.
	ReasonOverlap Reason = 1
	// ReasonPaused: the task was paused.
	ReasonPaused Reason = 2
	// ReasonLate: nobody was there at the instant, and the task does not catch up.
	ReasonLate Reason = 3
	// ReasonOrphaned: no live node declared the task.
	ReasonOrphaned Reason = 4
	// ReasonExcluded: an exclusion of the trigger took the instants out.
	ReasonExcluded Reason = 5
	// ReasonLimit: there was no place among the runs that may go at once, or start at once.
	ReasonLimit Reason = 6
	// ReasonWorker: no worker has a place. Only of a Scheduled run.
	ReasonWorker Reason = 7
)

// Counts says what became of all fires and calls of a task: runs by how they ended, and instants that did not
// become a run of their own.
type Counts struct {
	Succeeded, Failed, TimedOut, Canceled, Lost                                   int64
	SkippedOverlap, SkippedPaused, SkippedOrphaned, SkippedExcluded, SkippedLimit int64
	Missed, Merged                                                                int64
}

// Of is what a run that has just been recorded, or has just ended, adds to the counts. Stores add it once when
// they record a run, with recorded, and once when it ends, without; a run that has ended when it is recorded is
// added once, with recorded. A run that is taken back takes with it what Of says then, with recorded.
func (Counts) Of(r *Run, recorded bool) Counts {
	var c Counts
	if r.Fires > 1 {
		switch idle := r.State == Skipped || r.State == Missed; {
		case recorded && !idle:
			c.Merged = r.Fires - 1
		case !recorded && idle:
			c.Merged = 1 - r.Fires // they were merged into a run that has come to nothing itself
		}
	}
	instants := max(r.Fires, 1) // a call is one
	switch r.State {
	case Succeeded:
		c.Succeeded = 1
	case Failed:
		c.Failed = 1
	case TimedOut:
		c.TimedOut = 1
	case Canceled:
		c.Canceled = 1
	case Lost:
		c.Lost = 1
	case Missed:
		c.Missed = instants
	case Skipped:
		switch r.Reason {
		case ReasonOverlap:
			c.SkippedOverlap = instants
		case ReasonPaused:
			c.SkippedPaused = instants
		case ReasonOrphaned:
			c.SkippedOrphaned = instants
		case ReasonExcluded:
			c.SkippedExcluded = instants
		case ReasonLimit:
			c.SkippedLimit = instants
		}
	}
	return c
}

// Add returns the sum of both.
func (c Counts) Add(o Counts) Counts { return c.plus(o, 1) }

// Sub returns what is left of c without o.
func (c Counts) Sub(o Counts) Counts { return c.plus(o, -1) }

// plus returns c with o so many times.
func (c Counts) plus(o Counts, times int64) Counts {
	return Counts{
		Succeeded:       c.Succeeded + times*o.Succeeded,
		Failed:          c.Failed + times*o.Failed,
		TimedOut:        c.TimedOut + times*o.TimedOut,
		Canceled:        c.Canceled + times*o.Canceled,
		Lost:            c.Lost + times*o.Lost,
		SkippedOverlap:  c.SkippedOverlap + times*o.SkippedOverlap,
		SkippedPaused:   c.SkippedPaused + times*o.SkippedPaused,
		SkippedOrphaned: c.SkippedOrphaned + times*o.SkippedOrphaned,
		SkippedExcluded: c.SkippedExcluded + times*o.SkippedExcluded,
		SkippedLimit:    c.SkippedLimit + times*o.SkippedLimit,
		Missed:          c.Missed + times*o.Missed,
		Merged:          c.Merged + times*o.Merged,
	}
}
