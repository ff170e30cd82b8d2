// Package store is the port to whatever keeps tasks and runs: one interface, [Store], with its contract
// in its comments. The adapters are in the folders below it, the tests that every adapter passes in
// storetest.
//
// A store holds no policy. Where a decision depends on what is stored, the caller hands in a pure
// function, and the store calls it inside the transaction with what it read, then writes what the
// function answered. Such a function must not block, must not call the store, and may be called again
// if the store has to repeat a transaction; a panic in it is turned into an error and rolled back.
//
// # Contract
//
// Each method is one transaction: it takes effect as a whole or not at all, and what it changed is
// durable when it returns nil. (The memory store is durable for as long as the process lives.) All
// methods may be called at the same time. A method whose context ends before its transaction began
// returns the context's error and has changed nothing; once it has begun, it is carried through.
//
// Errors have one of these classes: task.ErrTaskNotFound, task.ErrRunNotFound, task.ErrUnavailable
// (nothing was changed; the same call may work later), a context's error, or whatever a function that
// was handed in returned, as it is. No error of a driver can be reached with errors.As.
//
// Instants are whole microseconds in UTC: see task.Instant. What is handed in must be.
package store

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Store keeps the tasks and runs of one namespace.
type Store interface {
	// Task returns one task with its last run. ErrTaskNotFound.
	Task(ctx context.Context, ref task.Ref) (task.Task, error)

	// Tasks returns tasks with their last runs, in the order of their names by bytes. It costs the same
	// wherever the page lies and however many tasks do not match a filter by prefix or a single state.
	Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error)

	// Run returns one run whole. ErrRunNotFound.
	Run(ctx context.Context, id task.RunID) (task.Run, error)

	// Runs returns runs, the newest first, without Input and Output. ErrTaskNotFound never: a task that
	// is not there has no runs.
	Runs(ctx context.Context, q task.RunQuery) (task.RunPage, error)

	// Unfinished returns up to limit runs that have not ended and whose id is greater than after, in the
	// order of their ids, whole. It does not depend on how many runs have ended.
	Unfinished(ctx context.Context, after task.RunID, limit int) ([]task.Run, error)

	// Update changes tasks. It calls fn for each id in turn with the task as it is stored (LastRun is
	// not filled in), or nil if it is not, and does what fn answers. If fn returns an error, nothing is
	// changed and Update returns that error. The answer has one Updated for each id, in their order.
	Update(ctx context.Context, ids []uuid.UUID, fn UpdateFunc) ([]Updated, error)

	// Call records a run that a caller asked for. If requestID is not zero and was used before, it
	// records nothing and returns the run that was recorded then (whatever its task) and true. Else it
	// calls fn with the task and records the run that fn returns, whose TaskID must be the task's.
	// ErrTaskNotFound.
	Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn CallFunc) (run task.Run, repeated bool, err error)

	// Claim takes up to req.Limit tasks, the earliest first, whose next fire is not later than the
	// store's clock plus req.Ahead, calls fn for each, and does what it answers. Fires are recorded as
	// runs before anything starts.
	Claim(ctx context.Context, req ClaimRequest, fn ClaimFunc) (Claimed, error)

	// Record writes what became of runs. A report whose run has ended, is at another attempt than
	// FromAttempt, or is not there changes nothing, and its run's id is returned: it is late. For each
	// report that was not late and asks for it, fn decides when the task fires next.
	Record(ctx context.Context, reports []Report, fn RecordFunc) (late []task.RunID, err error)

	// Close gives everything back. No other method may be called after it.
	Close() error
}

// UpdateFunc decides a change to a task. stored is the function's own copy; nil: not stored.
type UpdateFunc func(id uuid.UUID, stored *task.Task) (Change, error)

// Change is what an UpdateFunc wants done.
type Change struct {
	// Task is written as it is, the clock included; a task that is not stored is created. Nil: the task
	// is left alone.
	Task *task.Task
	// TakeBack are runs of the task that are deleted, as if they had never been recorded. The caller
	// sees to it that they have not started.
	TakeBack []task.RunID
	// Record are runs that are recorded, in this order; the store gives them ids.
	Record []task.Run
}

// Updated is a task after an Update.
type Updated struct {
	// Task is the task as it is stored now, without LastRun.
	Task task.Task
	// Recorded are the runs of the Change, with their ids.
	Recorded []task.Run
}

// CallFunc makes the run for a call.
type CallFunc func(t task.Task) (task.Run, error)

// ClaimRequest says what to claim.
type ClaimRequest struct {
	// Ahead is how far past the store's clock a fire may lie.
	Ahead time.Duration
	// Limit is how many tasks at most. It must be positive.
	Limit int
}

// Due is a task as a decision on its clock sees it.
type Due struct {
	ID      uuid.UUID
	Name    string
	Version int64
	State   task.State
	Clock   task.Clock
	// Load reads the whole task, without LastRun, in the same transaction. Callers that know the task
	// at this Version need not call it.
	Load func() (task.Task, error)
}

// ClaimFunc decides what becomes of a task whose next fire has come. now is the store's clock.
type ClaimFunc func(now time.Time, d Due) Decision

// RecordFunc decides when a task fires next after one of its runs ended.
type RecordFunc func(now time.Time, d Due, ended task.Run) Decision

// Decision is what becomes of the clock of a task.
type Decision struct {
	// Record are runs that are recorded, in this order; the store gives them ids. Those that are
	// Scheduled are returned to the claimer.
	Record []task.Run
	// Clock is written as it is. After a claim its NextFireTime must be zero or later than it was:
	// otherwise the store writes nothing for this task but a zero NextFireTime and names it in
	// Claimed.Rejected, so that a fault in a trigger can never make a claim spin.
	Clock task.Clock
	// State is written if it differs from the task's.
	State task.State
	// Pause is written if it is not nil.
	Pause *task.Pause
}

// Claimed is the outcome of a claim.
type Claimed struct {
	// Now is the store's clock when it claimed.
	Now time.Time
	// Fires are the Scheduled runs that were recorded, each with the clock that its task had before.
	Fires []Fire
	// NextFireTime is the earliest next fire of all tasks after the claim. Zero: none.
	NextFireTime time.Time
	// Rejected are tasks whose Decision would have gone backwards, or whose clock can not be read. They
	// have no next fire any more.
	Rejected []uuid.UUID
}

// Fire is a run that was claimed.
type Fire struct {
	Run task.Run
	// Before is the clock of the task before the claim, and Beside are the runs of its Decision that are not
	// Scheduled. If the run is taken back, the clock goes back to Before and those are taken back with it.
	Before task.Clock
	Beside []task.RunID
}

// Beside returns the ids of the runs that are not Scheduled. Stores make a Fire with it.
func Beside(recorded []task.Run) []task.RunID {
	var beside []task.RunID
	for i := range recorded {
		if recorded[i].State != task.Scheduled {
			beside = append(beside, recorded[i].ID)
		}
	}
	return beside
}

// Report says what became of a run.
type Report struct {
	// Run is the run as it shall be stored: State, Reason, StartTime, EndTime, Attempt, Earlier,
	// Output, Error and Actor are written; the other fields are not.
	Run task.Run
	// FromAttempt is the attempt that the run must be at for the report to count.
	FromAttempt int
	// Reschedule asks the RecordFunc for the task's next fire.
	Reschedule bool
}
