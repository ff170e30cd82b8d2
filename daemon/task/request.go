package task

import (
	"strconv"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/google/uuid"
)

// TaskQuery selects tasks.
type TaskQuery struct {
	// NamePrefix restricts to tasks whose name starts with it. Empty: all.
	NamePrefix string
	// States restricts to tasks in one of these states. Empty: all.
	States []State
	// After restricts to tasks whose name is greater by bytes. Empty: all.
	After string
	// ChangedAfter restricts to tasks whose Change is greater. 0: all.
	ChangedAfter int64
	// Group restricts to tasks of a group. Empty: all.
	Group string
	// Lean says that nobody wants to know LastRun, Counts and Change: they may be left out, which is faster.
	Lean bool
	// Limit is how many at most. It must be positive.
	Limit int
}

// RunQuery selects runs.
type RunQuery struct {
	// TaskID restricts to runs of one task. Zero: all tasks.
	TaskID uuid.UUID
	// From is the newest run to look at, inclusive. Zero: the newest there is.
	From RunID
	// States restricts to runs in one of these states. Empty: all.
	States []RunState
	// Limit is how many at most. It must be positive.
	Limit int
}

// ChangedQuery selects runs by when they were changed.
type ChangedQuery struct {
	// TaskID restricts to runs of one task. Zero: all tasks.
	TaskID uuid.UUID
	// From is the lowest id to look at, inclusive.
	From RunID
	// After restricts to runs that were recorded or changed by a commit with a greater number.
	After int64
	// Limit is how many at most. It must be positive.
	Limit int
}

// RunPage is some runs, and where to go on.
type RunPage struct {
	Runs []Run
	// Next is the From of the next page. Zero: there is none. The page may hold fewer runs than Limit
	// and still have a next one, because a store looks at a bounded number of runs for a page.
	Next RunID
}

// Etag returns the etag of the task: its Version as the API shows it.
func (t *Task) Etag() string { return strconv.FormatInt(t.Version, 10) }

// Edit is the part that all changes to a task have in common.
type Edit struct {
	// Etag is that of the task as the caller knows it. Empty: whatever it is now.
	Etag string
	// Actor is who asks.
	Actor string
	// Peer is from where. Empty: the daemon itself.
	Peer string
	// Reason is why.
	Reason string
}

// TaskCreate asks for a task that lives in the store.
type TaskCreate struct {
	Edit
	// Declaration has a Spec; its Target is filled in by whoever knows the spec's kind.
	Declaration Declaration
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// TaskUpdate asks for a change of a task that lives in the store.
type TaskUpdate struct {
	Edit
	// Apply changes the declaration; it may be called more than once. Its error is the answer.
	Apply func(*Declaration) error
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// PauseChange asks for a pause.
type PauseChange struct {
	Edit
	// ResumeTime is when it ends by itself. Zero: never.
	ResumeTime time.Time
}

// Backfill asks for runs of the fires of a past range.
type Backfill struct {
	Edit
	// Start is the first instant of the range, End the first one after it; zero: now.
	Start, End time.Time
	// Interval is the least time between two starts.
	Interval time.Duration
	// Allow lets the runs overlap; else each waits for the one before.
	Allow bool
	// ValidateOnly says what would be run, and runs nothing.
	ValidateOnly bool
}

// Backfilled is the answer to a Backfill.
type Backfilled struct {
	// Fires are the instants, all of them.
	Fires []time.Time
	// Runs are their runs, in the same order. None if nothing was to be run.
	Runs []Run
}

// MaxBackfill is how many runs a Backfill makes at most.
const MaxBackfill = 10_000

// TriggerChange asks for another trigger.
type TriggerChange struct {
	Edit
	Trigger          schedule.Trigger
	OnDeclaredChange OnDeclaredChange
	// ExpireTime is when the override ends by itself. Zero: never.
	ExpireTime time.Time
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// Call asks for a run now.
type Call struct {
	// Actor is who asks; Peer is from where.
	Actor, Peer string
	// Input is JSON. Nil: none.
	Input []byte
	// RequestID makes a repeated call return the same run. Zero: every call starts a run.
	RequestID uuid.UUID
	// Wait says to answer when the run has ended.
	Wait bool
	// Overlap is the policy for this run alone. Nil: the task's.
	Overlap *Overlap
}

// TriggerUpdate is the answer to a TriggerChange.
type TriggerUpdate struct {
	// Task is the task after the change.
	Task Task
	// NextFires are the next 10 fires, as far as they are known.
	NextFires []Fire
	// PreviousFires are the next 10 fires of the trigger that was in force before, as they would have come
	// without the change, as far as they are known. A pause is left out of account.
	PreviousFires []Fire
}

// Fire is an instant at which a trigger says go.
type Fire struct {
	// Time is the instant, in UTC.
	Time time.Time
	// DSTShift says whether a change of the clocks has moved it.
	DSTShift schedule.DSTShift
	// JitterLimit is how far jitter can delay the start: by at least 0 and by less than this. Zero: not at all.
	JitterLimit time.Duration
	// JitteredTime is when it starts, jitter included. Zero: there is none, or the task is not known.
	JitteredTime time.Time
	// Excluded are the instants between the fire before and this one that exclusions took out, of 1,000 at most.
	Excluded schedule.Span
}

// Preview is a look ahead at a trigger.
type Preview struct {
	// Fires are the fires, in order.
	Fires []Fire
	// End says why there are no more.
	End PreviewEnd
	// Description is the trigger in plain English: see schedule.Trigger.Describe.
	Description string
}

// PreviewEnd says why a look ahead ends.
type PreviewEnd int

const (
	// PreviewCount: there are as many fires as were asked for.
	PreviewCount PreviewEnd = iota + 1
	// PreviewOver: the trigger has no further fire.
	PreviewOver
	// PreviewWaits: what comes next has no known instant.
	PreviewWaits
)
