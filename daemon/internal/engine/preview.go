package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// maxExcluded is how many excluded instants are counted before each fire of a look ahead.
const maxExcluded = 1000

// PreviewTrigger looks ahead at a trigger as if it came into force at start. Zero: now. Errors:
// task.ErrInvalid, and ctx's.
func (e *Engine) PreviewTrigger(ctx context.Context, t schedule.Trigger, start time.Time, count int) (task.Preview, error) {
	c, err := e.rules.Load().Extensions.Compile(t)
	if err != nil {
		return task.Preview{}, reconcile.Within("trigger", err)
	}
	if start.IsZero() {
		start = e.now()
	}
	l := look{c: c, progress: schedule.Progress{Anchor: task.Instant(start)}, from: start}
	if c.AtOnce(l.progress) {
		l.from = start.Add(-time.Microsecond) // start itself is looked at
	}
	next, status := c.First(l.progress)
	out, err := l.ahead(ctx, next, status, count)
	if fault := c.Err(); fault != nil {
		return task.Preview{}, task.Invalid("trigger", "%s", fault)
	}
	return out, err
}

// PreviewTask looks ahead at the trigger in force of a task. Zero start: now. Errors:
// task.ErrTaskNotFound, task.ErrTriggerFault, task.ErrUnavailable, and ctx's.
func (e *Engine) PreviewTask(ctx context.Context, ref task.Ref, start time.Time, count int) (task.Preview, error) {
	t, err := e.Task(ctx, ref)
	if err != nil {
		return task.Preview{}, err
	}
	c, err := e.rules.Load().InForce(&t)
	if err != nil {
		return task.Preview{}, err
	}
	if start.IsZero() {
		start = e.now()
	}
	l := look{c: c.Compiled, progress: t.Clock.Progress, from: start, seed: t.ID}
	next, status := c.Next(start, l.progress)
	out, err := e.aheadOf(ctx, &t, c, l, next, status, count)
	if fault := c.Err(); fault != nil {
		return task.Preview{}, fmt.Errorf("task %q: %w: %w", t.Declaration.Name, task.ErrTriggerFault, fault)
	}
	return out, err
}

// nextFires returns the next fires of the trigger in force of a task, as far as they are known. What its
// clock does not know, because the task is paused or nothing runs it, begins with first. Errors:
// task.ErrTriggerFault, and ctx's.
func (e *Engine) nextFires(ctx context.Context, t task.Task, first func(*schedule.Compiled, schedule.Progress) (time.Time, schedule.Status)) ([]task.Fire, error) {
	c, err := e.rules.Load().InForce(&t)
	if err != nil {
		return nil, err
	}
	next, status := t.Clock.NextFireTime, schedule.Fires
	if next.IsZero() {
		next, status = first(c.Compiled, t.Clock.Progress)
	}
	l := look{c: c.Compiled, progress: t.Clock.Progress, from: t.Clock.RecordedTime, seed: t.ID}
	out, err := e.aheadOf(ctx, &t, c, l, next, status, shownFires)
	return out.Fires, err
}

// aheadOf follows the trigger in force of a task and, if that is an override that expires, the declared one from
// then on.
func (e *Engine) aheadOf(ctx context.Context, t *task.Task, f *reconcile.InForce, l look, next time.Time, status schedule.Status, count int) (task.Preview, error) {
	out, err := l.ahead(ctx, next, status, count)
	if err != nil || !f.Expires || out.End != task.PreviewOver {
		return out, err
	}
	c, err := e.rules.Load().Extensions.Compile(t.Declaration.Trigger)
	if err != nil {
		return out, nil // it can not be used, and pauses the task when it comes into force
	}
	from := later(t.Override.ExpireTime, l.from)
	then := look{c: c, progress: schedule.Progress{Anchor: t.Override.ExpireTime}, from: from, seed: t.ID}
	next, status = c.First(then.progress)
	if status == schedule.Fires && next.Before(from) {
		next, status = c.Next(from, then.progress)
	}
	rest, err := then.ahead(ctx, next, status, count-len(out.Fires))
	out.Fires, out.End = append(out.Fires, rest.Fires...), rest.End
	return out, err
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// look is a look ahead at a trigger.
type look struct {
	c        *schedule.Compiled
	progress schedule.Progress
	// from is the instant after which it looks.
	from time.Time
	// seed is the id of the task. Zero: there is none.
	seed uuid.UUID
}

// ahead follows the trigger from its next fire on. Each fire is counted as it would be.
func (l look) ahead(ctx context.Context, next time.Time, status schedule.Status, count int) (task.Preview, error) {
	c, from, p := l.c, l.from, l.progress
	out := task.Preview{Description: c.Trigger().Describe()}
	for status == schedule.Fires && len(out.Fires) < count && c.Err() == nil {
		if err := ctx.Err(); err != nil {
			return task.Preview{}, err
		}
		fire := task.Fire{Time: next, Excluded: c.Excluded(from, next, p, maxExcluded)}
		fire.DSTShift, _ = c.DSTShift(next, p)
		from, p = next, c.Count(next, 0, p)
		next, status = c.Next(next, p)
		if fire.JitterLimit = c.JitterLimit(fire.Time, next); fire.JitterLimit > 0 && l.seed != uuid.Nil {
			fire.JitteredTime = c.Jittered(l.seed, fire.Time, next)
		}
		out.Fires = append(out.Fires, fire)
	}
	switch status {
	case schedule.Fires:
		out.End = task.PreviewCount
	case schedule.Waits:
		out.End = task.PreviewWaits
	default:
		out.End = task.PreviewOver
	}
	return out, nil
}
