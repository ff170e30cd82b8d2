package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// BackfillTask makes a run of each fire that the trigger in force has in a range of the past. They do not move its
// clock, and go whether or not the task is paused. Errors: task.ErrTaskNotFound, task.ErrInvalid, task.ErrOrphaned,
// task.ErrTriggerFault, task.ErrStarting, task.ErrStopping, task.ErrUnavailable.
func (e *Engine) BackfillTask(ctx context.Context, ref task.Ref, c task.Backfill) (task.Backfilled, error) {
	now := e.now()
	if c.End.IsZero() {
		c.End = now
	}
	switch {
	case !c.Start.Before(c.End):
		return task.Backfilled{}, task.Invalid("start_time", "%s is not before the end of the range, %s", c.Start.Format(time.RFC3339Nano), c.End.Format(time.RFC3339Nano))
	case c.End.After(now):
		return task.Backfilled{}, task.Invalid("end_time", "%s lies in the future: what is to come fires by itself", c.End.Format(time.RFC3339Nano))
	case c.Interval < 0 || c.Interval > task.MaxSpan:
		return task.Backfilled{}, task.Invalid("interval", "%s is outside 0-%s", c.Interval, task.MaxSpan)
	}
	for {
		t, err := e.Task(ctx, ref)
		if err != nil {
			return task.Backfilled{}, err
		}
		if err := e.elsewhere(ctx, &t); err != nil {
			return task.Backfilled{}, err
		}
		if e.know(&t) == nil {
			return task.Backfilled{}, fmt.Errorf("%w: no live node declares task %q, so nothing can run it", task.ErrOrphaned, t.Declaration.Name)
		}
		fires, err := e.pastFires(&t, c.Start, c.End)
		if n := time.Duration(len(fires)); n > 1 && c.Interval > task.MaxSpan/(n-1) {
			return task.Backfilled{}, task.Invalid("interval", "%s between each two of %d runs is too long: they may take %s, a hundred years, together", c.Interval, n, task.MaxSpan)
		}
		out := task.Backfilled{Fires: fires}
		if err != nil || c.ValidateOnly || len(fires) == 0 {
			return out, err
		}
		out.Runs, err = e.backfill(ctx, &t, c, fires)
		if !errors.Is(err, errChanged) {
			return out, err
		}
	}
}

// pastFires returns the fires of the trigger in force in [start, end), whatever became of them. What counts from
// when the trigger came into force, as an Every without a StartTime does, has none before that; what follows runs, or
// names an event, has none at all; and no limit of fires is counted.
func (e *Engine) pastFires(t *task.Task, start, end time.Time) ([]time.Time, error) {
	// Not what is known of the task: a trigger may find its fault only on this way, and that is no reason to stop
	// its fires to come.
	f, err := e.rules.Load().InForce(t)
	if err != nil {
		return nil, err
	}
	anchor := t.Clock.Progress.Anchor
	p := schedule.Progress{Anchor: anchor, LastFire: anchor} // with a run that goes on, so that nothing follows it
	var fires []time.Time
	for at := start.Add(-time.Nanosecond); ; {
		next, status := f.Next(at, p)
		if status != schedule.Fires || !next.Before(end) {
			break
		}
		if len(fires) == task.MaxBackfill {
			return nil, task.Invalid("start_time", "there are more than %d fires from %s to %s: take a shorter range",
				task.MaxBackfill, start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano))
		}
		fires = append(fires, next)
		at = next
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrTriggerFault, err)
	}
	return fires, nil
}

// errChanged says that a task is not any more as it was read.
var errChanged = errors.New("task has changed")

// backfill records the runs of a backfill and puts them into the queue.
func (e *Engine) backfill(ctx context.Context, t *task.Task, c task.Backfill, fires []time.Time) ([]task.Run, error) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.refusal != nil {
		return nil, e.refusal
	}
	en := e.tasks.get(t.ID)
	if en == nil {
		return nil, errChanged
	}
	en.editing.Lock()
	defer en.editing.Unlock()
	now := e.now()
	// In the store a Scheduled run with a reason has not been started: none of them is lost with this process.
	reason := task.ReasonOverlap
	var overlap *task.Overlap
	if c.Allow {
		reason = task.ReasonLimit
		allow := task.OverlapAllow
		overlap = &allow
	}
	runs := make([]task.Run, len(fires))
	for i, at := range fires {
		runs[i] = task.Run{
			TaskID: t.ID, State: task.Scheduled, Reason: reason, Cause: task.ByBackfill, ScheduledTime: at, Attempt: 1,
			NextAttemptTime: task.Instant(now.Add(time.Duration(i) * c.Interval)), Actor: c.Actor,
		}
	}
	asked, err := json.Marshal(map[string]any{"backfill": map[string]any{
		"start_time": c.Start.UTC().Format(time.RFC3339Nano), "end_time": c.End.UTC().Format(time.RFC3339Nano), "count": len(fires),
	}})
	if err != nil {
		return nil, err
	}
	updated, err := e.store.Update(ctx, []uuid.UUID{t.ID}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		switch {
		case stored == nil:
			return store.Change{}, task.TaskNotFound(task.ByID(t.ID))
		case stored.Version != t.Version:
			return store.Change{}, errChanged
		}
		return store.Change{Record: runs, Audit: []task.Event{{
			Time: now, Action: task.BackfillRequested, TaskID: t.ID, TaskName: t.Declaration.Name,
			Actor: c.Actor, Peer: c.Peer, Reason: c.Reason, After: asked,
		}}}, nil
	})
	if err != nil {
		return nil, err
	}
	recorded := updated[0].Recorded
	waiting := make([]*pending, len(recorded))
	for i, run := range recorded {
		waiting[i] = &pending{run: run, at: run.DueTime(), told: true, overlap: overlap, gap: c.Interval}
	}
	e.recorded(recorded)
	e.arm(waiting...)
	return recorded, nil
}
