package client

import (
	"context"
	"iter"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// iteratorPage is how many tasks or runs an iterator asks for at once: few round trips for many, and
// still a small answer.
const iteratorPage = 500

// TaskFilter selects tasks. The zero TaskFilter selects all.
type TaskFilter struct {
	// NamePrefix restricts to tasks whose name starts with it. Empty: all.
	NamePrefix string
	// States restricts to tasks in one of these states. Empty: all.
	States []task.State
}

// Tasks goes through the tasks in the order of their names, by bytes. It reads a page at a time, each at
// its own moment: a task that is created behind the place reached is not seen. After an error, which
// comes with a zero task, it ends. Each use of the sequence starts anew.
func (c *Client) Tasks(ctx context.Context, f TaskFilter) iter.Seq2[task.Task, error] {
	return pages(func(token string) ([]task.Task, string, error) {
		return c.TasksPage(ctx, f, iteratorPage, token)
	})
}

// TasksPage returns one page of what [Client.Tasks] goes through, and the token of the next, which is
// empty after the last. A pageSize of 0 means 100, more than 1000 means 1000. An empty pageToken asks
// for the first page; a token belongs to its filter, and with another it is refused (task.ErrInvalid).
func (c *Client) TasksPage(ctx context.Context, f TaskFilter, pageSize int, pageToken string) (tasks []task.Task, next string, err error) {
	req := &clockdv1.ListTasksRequest{PageSize: clampPage(pageSize), PageToken: pageToken}
	if f.NamePrefix != "" || len(f.States) > 0 {
		req.Filter = &clockdv1.TaskFilter{NamePrefix: f.NamePrefix}
		for _, s := range f.States {
			req.Filter.States = append(req.Filter.States, wire.TaskStateToProto(s))
		}
	}
	resp, err := invoke(ctx, c, c.tasks.ListTasks, req)
	if err != nil {
		return nil, "", err
	}
	tasks, err = each(resp.GetTasks(), wire.TaskFromProto)
	return tasks, resp.GetNextPageToken(), unreadable(err)
}

// Task returns one task with its last run. task.ErrTaskNotFound.
func (c *Client) Task(ctx context.Context, ref task.Ref) (task.Task, error) {
	req := &clockdv1.GetTaskRequest{}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.GetTask, req)
	return taskOf(resp, err)
}

// UpdateOptions say how a trigger is put in force. The zero UpdateOptions are the default.
type UpdateOptions struct {
	// Etag is that of the task as the caller knows it; if the task was changed since, nothing happens
	// and the error is task.ErrStale. Empty: whatever the task is now.
	Etag string
	// Reason is kept with the override, for those who read it later. At most 1024 bytes.
	Reason string
	// OnDeclaredChange says what happens to the override when the declared trigger changes. Defaults to
	// task.Yield: it ends.
	OnDeclaredChange task.OnDeclaredChange
	// ExpireTime is when the override ends by itself. It must lie in the future. Zero: never.
	ExpireTime time.Time
	// ValidateOnly checks everything and answers as if, but changes nothing.
	ValidateOnly bool
}

// TriggerUpdate is what UpdateTrigger answers: the task, and its fires with and without the change.
type TriggerUpdate = task.TriggerUpdate

// UpdateTrigger puts a trigger in force in place of the declared one, counted from now, until
// ResetTrigger, a changed declaration or its ExpireTime ends it. A pause stays. In case of an error nothing was changed,
// except under [ErrNoDaemon] and the errors of ctx: then it is not known.
//
// task.ErrTaskNotFound, task.ErrStale, and task.ErrInvalid with each violation, such as
// "trigger.cron.expression". Calendars and custom kinds are those of the daemon: a trigger that names
// others is refused.
func (c *Client) UpdateTrigger(ctx context.Context, ref task.Ref, trigger schedule.Trigger, o UpdateOptions) (TriggerUpdate, error) {
	req := &clockdv1.UpdateTriggerRequest{
		Trigger:          wire.TriggerToProto(trigger),
		Etag:             o.Etag,
		Reason:           o.Reason,
		OnDeclaredChange: wire.OnDeclaredChangeToProto(o.OnDeclaredChange),
		ExpireTime:       wire.TimeToProto(o.ExpireTime),
		ValidateOnly:     o.ValidateOnly,
	}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.UpdateTrigger, req)
	if err != nil {
		return TriggerUpdate{}, err
	}
	u, err := wire.TriggerUpdateFromProto(resp)
	return u, unreadable(err)
}

// EditOptions go with a change to a task. The zero EditOptions are the default.
type EditOptions struct {
	// Etag is that of the task as the caller knows it; if the task was changed since, nothing happens
	// and the error is task.ErrStale. Empty: whatever the task is now.
	Etag string
	// Reason says why, for those who read it later. At most 1024 bytes.
	Reason string
}

// ResetTrigger ends the override, so that the declared trigger is in force again, counted from now. A
// task without an override is returned as it is. task.ErrTaskNotFound, task.ErrStale, task.ErrTriggerFault.
func (c *Client) ResetTrigger(ctx context.Context, ref task.Ref, o EditOptions) (task.Task, error) {
	req := &clockdv1.ResetTriggerRequest{Etag: o.Etag, Reason: o.Reason}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.ResetTrigger, req)
	return taskOf(resp, err)
}

// PauseOptions say how a task is paused. The zero PauseOptions are the default.
type PauseOptions struct {
	// Etag is that of the task as the caller knows it; if the task was changed since, nothing happens
	// and the error is task.ErrStale. Empty: whatever the task is now.
	Etag string
	// Reason says why, for those who read it later. At most 1024 bytes.
	Reason string
	// ResumeTime is when the pause ends by itself. It must lie in the future. Zero: never.
	ResumeTime time.Time
}

// PauseTask stops a task from firing until ResumeTask or ResumeTime. Runs that are going go on, and RunTask
// works. Pausing a paused task replaces the reason and the ResumeTime. task.ErrTaskNotFound, task.ErrStale,
// task.ErrInvalid.
func (c *Client) PauseTask(ctx context.Context, ref task.Ref, o PauseOptions) (task.Task, error) {
	req := &clockdv1.PauseTaskRequest{Etag: o.Etag, Reason: o.Reason, ResumeTime: wire.TimeToProto(o.ResumeTime)}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.PauseTask, req)
	return taskOf(resp, err)
}

// ResumeTask ends a pause. The next fire is the first of the trigger after now. A task that is not
// paused is returned as it is. task.ErrTaskNotFound, task.ErrStale, task.ErrTriggerFault.
func (c *Client) ResumeTask(ctx context.Context, ref task.Ref, o EditOptions) (task.Task, error) {
	req := &clockdv1.ResumeTaskRequest{Etag: o.Etag, Reason: o.Reason}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.ResumeTask, req)
	return taskOf(resp, err)
}

// PreviewTrigger looks ahead at the fires of a trigger as if it came into force at start: the fires
// strictly after start, and start itself for a trigger that fires at once. A zero start means now. A
// count of 0 means 5; at most 1000. Jitter is not in the times: how far it can delay a start is said beside
// them, and of a task also by how much. task.ErrInvalid with each violation.
func (c *Client) PreviewTrigger(ctx context.Context, t schedule.Trigger, start time.Time, count int) (task.Preview, error) {
	return c.preview(ctx, &clockdv1.PreviewTriggerRequest{
		Subject: &clockdv1.PreviewTriggerRequest_Trigger{Trigger: wire.TriggerToProto(t)},
	}, start, count)
}

// PreviewTask looks ahead at the fires of the trigger in force of a task, anchored and counted as it
// stands, strictly after start. A pause is left out of account. start and count are those of
// PreviewTrigger. task.ErrTaskNotFound, task.ErrInvalid, task.ErrTriggerFault.
func (c *Client) PreviewTask(ctx context.Context, ref task.Ref, start time.Time, count int) (task.Preview, error) {
	req := &clockdv1.PreviewTriggerRequest{}
	setTask(req, ref)
	return c.preview(ctx, req, start, count)
}
