package engine

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// PreviewTrigger looks ahead at a trigger as if it came into force at start. Zero: now. Errors:
// task.ErrInvalid.
func (e *Engine) PreviewTrigger(_ context.Context, t schedule.Trigger, start time.Time, count int) (task.Preview, error) {
	c, err := schedule.Compile(t)
	if err != nil {
		return task.Preview{}, err
	}
	if start.IsZero() {
		start = now()
	}
	p := schedule.Progress{Anchor: task.Instant(start)}
	next, status := c.First(p)
	return look(c, p, next, status, count), nil
}

// PreviewTask looks ahead at the trigger in force of a task. Zero start: now. Errors:
// task.ErrTaskNotFound, task.ErrUnavailable.
func (e *Engine) PreviewTask(ctx context.Context, ref task.Ref, start time.Time, count int) (task.Preview, error) {
	t, err := e.Task(ctx, ref)
	if err != nil {
		return task.Preview{}, err
	}
	c, err := schedule.Compile(t.Trigger())
	if err != nil {
		return task.Preview{}, err
	}
	if start.IsZero() {
		start = now()
	}
	next, status := c.Next(start, t.Clock.Progress)
	return look(c, t.Clock.Progress, next, status, count), nil
}

// ahead returns the next fires of the trigger in force of a task, as far as they are known. What its clock
// does not know, because the task is paused or nothing runs it, begins with first. Errors: task.ErrInvalid.
func ahead(t task.Task, first func(*schedule.Compiled, schedule.Progress) (time.Time, schedule.Status)) ([]task.Fire, error) {
	c, err := schedule.Compile(t.Trigger())
	if err != nil {
		return nil, err
	}
	p := t.Clock.Progress
	next, status := t.Clock.NextFireTime, schedule.Fires
	if next.IsZero() {
		next, status = first(c, p)
	}
	return look(c, p, next, status, nextFires).Fires, nil
}

// look follows a trigger from its next fire on. Each fire is counted as it would be.
func look(c *schedule.Compiled, p schedule.Progress, next time.Time, status schedule.Status, count int) task.Preview {
	out := task.Preview{Description: c.Trigger().Describe()}
	for ; status == schedule.Fires && len(out.Fires) < count; next, status = c.Next(next, p) {
		shift, _ := c.DSTShift(next, p)
		out.Fires = append(out.Fires, task.Fire{Time: next, DSTShift: shift})
		p = c.Count(next, 0, p)
	}
	switch status {
	case schedule.Fires:
		out.End = task.PreviewCount
	case schedule.Waits:
		out.End = task.PreviewWaits
	default:
		out.End = task.PreviewOver
	}
	return out
}
