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
	// State is how far it has come; Reason says why it was Skipped or Missed.
	State  RunState
	Reason Reason
	// Cause is what brought it about.
	Cause Cause
	// ScheduledTime is the planned instant; of a call, when it was made.
	ScheduledTime time.Time
	// JitteredTime is when it is to start: ScheduledTime and the jitter of its trigger. Zero: no jitter.
	JitteredTime time.Time
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
	// jittered start.
	Attempt int
	// Earlier are the attempts before it, oldest first.
	Earlier []Attempt

	// Input and Output are JSON. Nil: none.
	Input, Output []byte
	// Error says what went wrong. Empty: nothing.
	Error string
	// Actor made the call, or canceled the run.
	Actor string
}

// DueTime is when the run is to start: JitteredTime if it has one, else ScheduledTime.
func (r *Run) DueTime() time.Time {
	if r.JitteredTime.IsZero() {
		return r.ScheduledTime
	}
	return r.JitteredTime
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
)

// Reason says why a run was skipped or missed. Stores keep the numbers. Zero: it was not.
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
)
