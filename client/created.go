package client

import (
	"context"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// CreateOptions go with a new task. The zero CreateOptions are the default.
type CreateOptions struct {
	// Reason says why, for those who read it later. At most 1024 bytes.
	Reason string
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// CreateTask makes a task that lives in the store of the daemon, whatever program runs. It needs a Name, a
// Trigger and a Spec; its Target is not looked at. It fires from now on.
//
// task.ErrInvalid with each violation, such as "task.policy.timeout"; task.ErrExists: there is a task of that
// name; task.ErrNotAllowed: it would run a command, and the daemon was not started so that it may.
func (c *Client) CreateTask(ctx context.Context, d task.Declaration, o CreateOptions) (task.Task, error) {
	resp, err := invoke(ctx, c, c.tasks.CreateTask, &clockdv1.CreateTaskRequest{
		Task: wire.SetSpecToProto(d), Reason: o.Reason, ValidateOnly: o.ValidateOnly,
	})
	return taskOf(resp, err)
}

// UpdateTaskOptions say what of a task is changed, and how. The zero UpdateTaskOptions are the default.
type UpdateTaskOptions struct {
	// Fields are the fields to change: "description", "group", "labels", "trigger", "policy", "policy.timeout"
	// and so on, "command" or "http". What is named and is zero gets its default. Empty: all that are not zero,
	// and of the policy each for itself.
	Fields []string
	// Etag is that of the task as the caller knows it; if the task was changed since, nothing happens
	// and the error is task.ErrStale. Empty: whatever the task is now.
	Etag string
	// Reason says why, for those who read it later. At most 1024 bytes.
	Reason string
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// UpdateTask changes a task that was made by CreateTask. The Name of the new values must be empty or that of
// the task.
//
// task.ErrTaskNotFound, task.ErrStale; task.ErrInvalid with each violation, such as "update.policy.timeout" or
// "update_mask"; task.ErrDeclared: a program declares the task, so that is where to change it;
// task.ErrNotAllowed.
func (c *Client) UpdateTask(ctx context.Context, ref task.Ref, d task.Declaration, o UpdateTaskOptions) (task.Task, error) {
	req := &clockdv1.UpdateTaskRequest{
		Update: wire.SetSpecToProto(d), Etag: o.Etag, Reason: o.Reason, ValidateOnly: o.ValidateOnly,
	}
	if len(o.Fields) > 0 {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: slices.Clone(o.Fields)}
	}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.UpdateTask, req)
	return taskOf(resp, err)
}

// DeleteTask deletes a task that was made by CreateTask, or one that is orphaned, with its history. Runs that
// are going are canceled. task.ErrTaskNotFound, task.ErrStale; task.ErrDeclared: a program declares the task,
// so that is where to remove it.
func (c *Client) DeleteTask(ctx context.Context, ref task.Ref, o EditOptions) error {
	req := &clockdv1.DeleteTaskRequest{Etag: o.Etag, Reason: o.Reason}
	setTask(req, ref)
	_, err := invoke(ctx, c, c.tasks.DeleteTask, req)
	return err
}

// BackfillOptions say how the fires of a past range are made up for. The zero BackfillOptions are the default.
type BackfillOptions struct {
	// Interval is the least time between two starts. Zero: none.
	Interval time.Duration
	// Allow lets the runs overlap; else each waits for the one before.
	Allow bool
	// Reason says why, for those who read it later. At most 1024 bytes.
	Reason string
	// ValidateOnly says what would be run, and runs nothing.
	ValidateOnly bool
}

// Backfilled is what BackfillTask answers.
type Backfilled struct {
	// Count is how many runs there are, or would be.
	Count int64
	// Fires are the instants that they stand for: the first 1000.
	Fires []time.Time
	// Runs are the first 1000 of them, in the order of their fires, without Input and Output. None if nothing
	// was to be run.
	Runs []task.Run
}

// BackfillTask makes a run of each fire that the trigger in force of a task has from start on and before end,
// whatever became of it then. A zero end is now. The trigger's clock does not move.
//
// task.ErrTaskNotFound; task.ErrInvalid: the range is empty, reaches into the future or holds more than 10000
// fires; task.ErrOrphaned, task.ErrTriggerFault.
func (c *Client) BackfillTask(ctx context.Context, ref task.Ref, start, end time.Time, o BackfillOptions) (Backfilled, error) {
	req := &clockdv1.BackfillTaskRequest{
		StartTime: wire.TimeToProto(start), EndTime: wire.TimeToProto(end), Reason: o.Reason, ValidateOnly: o.ValidateOnly,
	}
	if o.Interval != 0 {
		req.Interval = durationpb.New(o.Interval)
	}
	if o.Allow {
		req.Overlap = clockdv1.Overlap_OVERLAP_ALLOW
	}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.BackfillTask, req)
	if err != nil {
		return Backfilled{}, err
	}
	b, count, err := wire.BackfilledFromProto(resp)
	return Backfilled{Count: count, Fires: b.Fires, Runs: b.Runs}, unreadable(err)
}

// DiffConfig says what a config file would change if the daemon were started with it, or read it now, in the
// order of the names of the tasks. It changes nothing. fileName is for messages; the file has at most 3 MiB.
//
// task.ErrInvalid: the file is wrong, and each violation has its line and path; task.ErrNoConfig: the daemon
// takes no config file, because a program embeds it.
func (c *Client) DiffConfig(ctx context.Context, fileName string, config []byte) ([]task.TaskDiff, error) {
	resp, err := invoke(ctx, c, c.tasks.DiffConfig, &clockdv1.DiffConfigRequest{Config: config, FileName: fileName})
	if err != nil {
		return nil, err
	}
	diffs, err := each(resp.GetDiffs(), wire.DiffFromProto)
	return diffs, unreadable(err)
}
