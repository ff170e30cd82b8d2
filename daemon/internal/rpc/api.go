package rpc

import (
	"context"
	"log/slog"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
)

// Engine does what the services promise. Its methods may be called at the same time. Errors have the classes
// of package task or are a context's; anything else is a defect, and so is a panic. A method whose context
// ends returns soon.
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
	// PauseTask pauses. ErrTaskNotFound, ErrStale.
	PauseTask(ctx context.Context, ref task.Ref, e task.Edit) (task.Task, error)
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
	// CancelRun ends a run and returns it when it has ended. ErrRunNotFound.
	CancelRun(ctx context.Context, id task.RunID, actor, reason string) (task.Run, error)
}

// Config is what the services need.
type Config struct {
	// Engine does the work. Required.
	Engine Engine
	// Logger gets what must not reach a caller: unexpected errors and panics, each with its id. Defaults to
	// slog.Default().
	Logger *slog.Logger
}

// API is the services. It holds no state of its own, starts nothing and needs no closing.
type API struct {
	engine Engine
	log    *slog.Logger
}

// New returns the services. It panics without an Engine.
func New(c Config) *API {
	if c.Engine == nil {
		panic("rpc: Config.Engine is missing")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &API{engine: c.Engine, log: c.Logger}
}

// Register mounts the services on a server, which may be the user's own.
func (a *API) Register(s grpc.ServiceRegistrar) {
	clockdv1.RegisterTaskServiceServer(s, tasks{api: a})
	clockdv1.RegisterRunServiceServer(s, runs{api: a})
}
