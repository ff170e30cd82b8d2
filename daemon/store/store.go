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

	// RunsChanged returns, in the order of their ids, runs that the commits after q.After have recorded or changed,
	// without Input and Output. Like Runs it looks at a bounded number of runs.
	RunsChanged(ctx context.Context, q task.ChangedQuery) (task.RunPage, error)

	// AuditEvents returns events, the newest first. Those of a task that is gone are still there.
	AuditEvents(ctx context.Context, q task.AuditQuery) ([]task.Event, error)

	// Position returns where the store has come to. It takes its turn among the transactions that write: whatever
	// begins after it was asked for commits after it, and is told of if an Observer wants it by then.
	Position(ctx context.Context) (Position, error)

	// Observe makes the store tell what it commits from now on. A later call puts another Observer in place: that of
	// the next daemon on the same store.
	Observe(o Observer)

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

	// Prune deletes runs of a task that keep does not keep, up to limit of them. It goes from the newest run to the
	// oldest and calls keep with each that has ended (without Input and Output) and how many that have ended it
	// has kept before it. Counts stay as they are. ErrTaskNotFound.
	Prune(ctx context.Context, id uuid.UUID, limit int, keep KeepFunc) (Pruned, error)

	// Sweep deletes runs that deleted tasks have left, and events recorded before auditBefore, up to limit of both
	// together, and reports whether there are more.
	Sweep(ctx context.Context, auditBefore time.Time, limit int) (more bool, err error)

	// Close gives everything back. No other method may be called after it.
	Close() error
}

// UpdateFunc decides a change to a task. stored is the function's own copy; nil: not stored.
type UpdateFunc func(id uuid.UUID, stored *task.Task) (Change, error)

// Change is what an UpdateFunc wants done.
type Change struct {
	// Task is written as it is, the clock and FailureCount included, but not Counts, Change and LastRun; a task
	// that is not stored is created. If its ID and name are others than those of the stored task, that is renamed:
	// its runs and counts are those of the new task from then on. ErrExists if the name is taken. Nil: the
	// task is left alone.
	Task *task.Task
	// Delete says that the task is to be deleted, with all its runs. Those that have not ended are taken back. Task and
	// Record must be empty then. It is gone for all methods at once; what it takes up is freed by Sweep.
	Delete bool
	// Beside says that the change may be made though another node holds the task: what is recorded is this node's own,
	// beside whatever that one does. Only stores of several nodes look at it: see Cluster.
	Beside bool
	// TakeBack are runs of the task that are deleted, as if they had never been recorded. The caller
	// sees to it that they have not started.
	TakeBack []task.RunID
	// Record are runs that are recorded, in this order; the store gives them ids.
	Record []task.Run
	// Audit are events that are recorded; the store gives them ids.
	Audit []task.Event
}

// Updated is a task after an Update.
type Updated struct {
	// Task is the task as it is stored now, without LastRun.
	Task task.Task
	// Recorded are the runs of the Change, with their ids.
	Recorded []task.Run
}

// CallFunc makes the run for a call, and the event that tells of it. The store gives both their ids, and the event
// that of the run.
type CallFunc func(t task.Task) (task.Run, task.Event, error)

// ClaimRequest says what to claim.
type ClaimRequest struct {
	// Ahead is how far past the store's clock a fire may lie.
	Ahead time.Duration
	// Limit is how many tasks at most. It must be positive.
	Limit int
	// Except are tasks that are left alone: this node can not run them.
	Except []uuid.UUID
}

// Due is a task as a decision on its clock sees it.
type Due struct {
	ID      uuid.UUID
	Name    string
	Version int64
	State   task.State
	Clock   task.Clock
	// FailureCount is that of the task, with the run that has just ended.
	FailureCount int64
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
	// Leave says that the task is left as it is, for another node to claim: nothing else of the Decision counts. Only
	// after a claim. The caller names it in the Except of its next claims, or it is asked about it again and again.
	Leave bool
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
	// Audit are events that are recorded.
	Audit []task.Event
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
	// Before is the clock of the task before the claim, to which it goes back if the run is taken back. Beside are the
	// runs of its Decision that are not Scheduled: they have ended, and stay.
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
	// Run is the run as it shall be stored: State, Reason, NextAttemptTime, StartTime, EndTime, Attempt, Earlier,
	// Output, Error, Actor and Worker are written; the other fields are not. If it has ended, the store adds it to the
	// Counts of its task, and FailureCount becomes one more if it Failed, TimedOut or is Lost, 0 if it
	// Succeeded, and else stays.
	Run task.Run
	// FromAttempt is the attempt that the run must be at for the report to count.
	FromAttempt int
	// Decide asks the RecordFunc what becomes of the task.
	Decide bool
	// Audit are events that are recorded with it, unless it is late.
	Audit []task.Event
}

// KeepFunc says whether a run that has ended is kept. kept is how many newer ones are.
type KeepFunc func(run *task.Run, kept int64) bool

// Pruned is the outcome of a Prune.
type Pruned struct {
	// Deleted is how many runs were deleted, and Kept how many that have ended were kept.
	Deleted, Kept int64
	// Oldest is the EndTime of the oldest that was kept. Zero: none was.
	Oldest time.Time
	// More says that limit was reached.
	More bool
}

// Position is where a store has come to.
type Position struct {
	// ID is that of the store: made when it was, and kept for as long as its data.
	ID uuid.UUID
	// Change is the number of the last commit that changed something. Numbers grow, and start again only with
	// another ID.
	Change int64
	// Deleted is the number of the last commit that deleted or renamed a task, TakenBack that of the last that
	// took a run back. 0: none did.
	Deleted, TakenBack int64
	// OldestOpen is the lowest id of a run that has not ended; if all have, the id of the next run.
	OldestOpen task.RunID
}

// Observer is told what a store commits.
type Observer interface {
	// Wants reports whether somebody wants to know of tasks, and of runs. It is asked as each transaction begins,
	// and must be quick.
	Wants() (tasks, runs bool)
	// Committed is called after each commit that changed something which was wanted, in the order of commits. It must not
	// block, must not call the store and must not change what it is handed, which others may read too.
	Committed(c Commit)
}

// Commit is what was changed in one step.
type Commit struct {
	// Change is its number.
	Change int64
	// OldestOpen is as in Position.
	OldestOpen task.RunID
	// Changes are in the order in which they were made.
	Changes []Changed
}

// Changed is one change. Exactly one field is set.
type Changed struct {
	// Task is a task as it became, with its last run: it was changed itself, or its clock, its counts or its last run
	// was. Within a commit it may come once, as it was at the end.
	Task *task.Task
	// DeletedTask is a task that is no more under this id.
	DeletedTask uuid.UUID
	// Run is a run as it became, without Input and Output.
	Run *task.Run
	// TakenBack is a run that was taken back.
	TakenBack task.RunID
}
