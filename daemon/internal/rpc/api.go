package rpc

import (
	"context"
	"log/slog"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
)

// Engine does what the services promise. Its methods may be called at the same time. Errors have the classes
// of package task or are a context's; anything else is a defect, and so is a panic. A method whose context
// ends returns soon. Methods that change something of a task, and those that cancel or follow a run, return a
// *task.HeldError, and have changed nothing, if another node of the cluster holds it.
type Engine interface {
	// Task returns a task. ErrTaskNotFound.
	Task(ctx context.Context, ref task.Ref) (task.Task, error)
	// Tasks returns tasks in the order of their names by bytes.
	Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error)
	// RunTask starts a run. ErrTaskNotFound, ErrInvalid, ErrOrphaned, ErrStopping.
	RunTask(ctx context.Context, ref task.Ref, c task.Call) (task.Run, error)
	// UpdateTrigger puts a trigger in force that passes schedule.Check. ErrTaskNotFound, ErrStale, and
	// ErrInvalid, with fields from "trigger" on, if it names a calendar or a custom kind that there is not.
	UpdateTrigger(ctx context.Context, ref task.Ref, c task.TriggerChange) (task.TriggerUpdate, error)
	// ResetTrigger ends the override. ErrTaskNotFound, ErrStale, ErrTriggerFault.
	ResetTrigger(ctx context.Context, ref task.Ref, e task.Edit) (task.Task, error)
	// PauseTask pauses. ErrTaskNotFound, ErrStale, ErrInvalid.
	PauseTask(ctx context.Context, ref task.Ref, c task.PauseChange) (task.Task, error)
	// ResumeTask ends a pause. ErrTaskNotFound, ErrStale, ErrTriggerFault.
	ResumeTask(ctx context.Context, ref task.Ref, e task.Edit) (task.Task, error)
	// PreviewTrigger looks ahead at a trigger that passes schedule.Check. A zero start is now. ErrInvalid, as
	// of UpdateTrigger.
	PreviewTrigger(ctx context.Context, t schedule.Trigger, start time.Time, count int) (task.Preview, error)
	// PreviewTask looks ahead at the trigger in force. A zero start is now. ErrTaskNotFound, ErrTriggerFault.
	PreviewTask(ctx context.Context, ref task.Ref, start time.Time, count int) (task.Preview, error)
	// Run returns a run whole. ErrRunNotFound.
	Run(ctx context.Context, id task.RunID) (task.Run, error)
	// Runs returns runs, the newest first.
	Runs(ctx context.Context, q task.RunQuery) (task.RunPage, error)
	// CancelRun ends a run and returns it when it has ended. The Etag has no meaning. ErrRunNotFound.
	CancelRun(ctx context.Context, id task.RunID, e task.Edit) (task.Run, error)

	// CreateTask makes a task of a declaration that passes Declaration.Check and schedule.Check. ErrExists,
	// ErrNotAllowed, and ErrInvalid with fields from "task" on.
	CreateTask(ctx context.Context, c task.TaskCreate) (task.Task, error)
	// UpdateTask changes a task that lives in the store. ErrTaskNotFound, ErrStale, ErrDeclared, ErrNotAllowed,
	// ErrInvalid with fields from "update" on, and what Apply returns.
	UpdateTask(ctx context.Context, ref task.Ref, c task.TaskUpdate) (task.Task, error)
	// DeleteTask deletes a task that lives in the store or is orphaned. ErrTaskNotFound, ErrStale, ErrDeclared.
	DeleteTask(ctx context.Context, ref task.Ref, e task.Edit) error
	// BackfillTask makes runs of the fires of a past range. ErrTaskNotFound, ErrInvalid, ErrOrphaned,
	// ErrTriggerFault.
	BackfillTask(ctx context.Context, ref task.Ref, b task.Backfill) (task.Backfilled, error)
	// AuditEvents returns events, the newest first, of the task that ref names, which may be deleted. The zero
	// Ref is all tasks. TaskID of the query is not set. A task that never was has none.
	AuditEvents(ctx context.Context, ref task.Ref, q task.AuditQuery) ([]task.Event, error)
	// DiffConfig says what a config file would change. ErrNoConfig, ErrInvalid.
	DiffConfig(ctx context.Context, fileName string, config []byte) ([]task.TaskDiff, error)

	// WatchTasks calls send with what is, and then with each change, one call after the other. It returns when
	// it can not go on, with an error: that of send or ctx, ErrTooSlow, ErrStopping.
	WatchTasks(ctx context.Context, w task.TaskWatch, send func(task.TaskChanges) error) error
	// WatchRuns does the same for runs, of the task that ref names. The zero Ref is all tasks. TaskID of the
	// watch is not set. ErrTaskNotFound.
	WatchRuns(ctx context.Context, ref task.Ref, w task.RunWatch, send func(task.RunChanges) error) error
	// DeclareTask takes note of what the program of another node declares of a task that this one holds. ErrHeld,
	// ErrInvalid, ErrTriggerFault.
	DeclareTask(ctx context.Context, d task.Declaration, revision int64) (task.Task, error)
	// Nodes returns the nodes of the cluster, in the order in which they joined. A daemon whose store is its own is one.
	Nodes(ctx context.Context) ([]task.Node, error)
	// Self is the id of this node.
	Self() uuid.UUID
	// AnnounceTask makes a task that a worker declares, or declares it anew, and returns it as it is then. ErrDeclared:
	// a program or a caller has a task of that name, which is returned too; ErrInvalid with fields from "task" on.
	AnnounceTask(ctx context.Context, a task.Announcement) (task.Task, error)

	// FollowRun calls send with what a run writes, one call after the other, and returns the run whole when it
	// has ended. The error may be that of send or ctx. ErrRunNotFound, ErrStopping.
	FollowRun(ctx context.Context, id task.RunID, send func(task.Output) error) (task.Run, error)
}

// Workers is where workers connect. Its methods may be called at the same time.
type Workers interface {
	// Connect lets a worker in, whose Hello is well-formed. A session of the same ID ends with task.ErrReplaced.
	// Errors: ErrStopping.
	Connect(h task.Hello) (Session, error)
	// Workers returns those that are connected or were less than a lease ago, in the order of their names.
	Workers() []task.Worker
	// Lease is how long a worker is trusted without an answer.
	Lease() time.Duration
}

// Session is the connection of a worker. Its methods may be called at the same time, and do not block but for Next.
type Session interface {
	// Next waits for what is to be said to the worker. Its error is why the session is over: ErrReplaced,
	// ErrWorkerLost, ErrStopping, or ctx's.
	Next(ctx context.Context) (task.Order, error)
	// Done is closed when the session is over, though Next may have something to say before its error.
	Done() <-chan struct{}
	// Pong is the answer to a Ping.
	Pong(sequence int64)
	// Write is what an attempt writes; Report how far it has come.
	Write(a task.AttemptRef, stream task.OutputStream, data []byte)
	Report(a task.AttemptRef, p task.Progress)
	// End is how an attempt has ended; an Order says when it is recorded.
	End(r task.Result)
	// GiveBack gives an attempt back.
	GiveBack(g task.GiveBack)
	// Drain says that the worker takes nothing new, SetPlaces how many attempts it makes at the same time.
	Drain()
	SetPlaces(n int)
	// Leave ends the session for good: what the worker holds is given out again at once. Disconnect ends it because
	// the connection has: the worker may come back within its lease. Only the first of them counts.
	Leave()
	Disconnect()
}

// Config is what the services need.
type Config struct {
	// Engine does the work. Required.
	Engine Engine
	// Workers is where workers connect. Required.
	Workers Workers
	// Peers are the ways to the other nodes. Nil: there are none.
	Peers Peers
	// Namespace and Version are the daemon's, which workers are told.
	Namespace, Version string
	// Logger gets what must not reach a caller: unexpected errors and panics, each with its id. Defaults to
	// slog.Default().
	Logger *slog.Logger
}

// API is the services. It holds no state of its own, starts nothing that outlives its call, but for what reads and
// writes the stream of a worker until that has ended, and needs no closing.
type API struct {
	engine             Engine
	workers            Workers
	peers              Peers // or nil
	namespace, version string
	log                *slog.Logger
}

// New returns the services. It panics without an Engine and without Workers.
func New(c Config) *API {
	switch {
	case c.Engine == nil:
		panic("rpc: Config.Engine is missing")
	case c.Workers == nil:
		panic("rpc: Config.Workers is missing")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &API{engine: c.Engine, workers: c.Workers, peers: c.Peers, namespace: c.Namespace, version: c.Version, log: c.Logger}
}

// Register mounts the services on a server, which may be the user's own.
func (a *API) Register(s grpc.ServiceRegistrar) {
	clockdv1.RegisterTaskServiceServer(s, tasks{api: a})
	clockdv1.RegisterRunServiceServer(s, runs{api: a})
	clockdv1.RegisterWorkerServiceServer(s, workers{api: a})
	clockdv1.RegisterNodeServiceServer(s, nodes{api: a})
}
