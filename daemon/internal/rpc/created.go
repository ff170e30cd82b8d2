package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

func (s tasks) CreateTask(ctx context.Context, q *clockdv1.CreateTaskRequest) (*clockdv1.CreateTaskResponse, error) {
	return serve(ctx, s.api, q, s.createTask)
}

func (s tasks) createTask(ctx context.Context, q *clockdv1.CreateTaskRequest) (*clockdv1.CreateTaskResponse, error) {
	var c check
	create := task.TaskCreate{Edit: c.edit(ctx, "", q.GetReason()), ValidateOnly: q.GetValidateOnly()}
	var found []task.Violation
	create.Declaration, found = wire.SpecFromProto("task", q.GetTask())
	c.all(found)
	if err := c.err(); err != nil {
		return nil, err
	}
	t, err := s.api.engine.CreateTask(ctx, create)
	if errors.Is(err, task.ErrExists) {
		err = &task.ExistsError{Name: create.Declaration.Name} // whatever the engine said, with its data
	}
	if err != nil {
		return nil, err
	}
	return &clockdv1.CreateTaskResponse{Task: wire.TaskToProto(t)}, nil
}

func (s tasks) UpdateTask(ctx context.Context, q *clockdv1.UpdateTaskRequest) (*clockdv1.UpdateTaskResponse, error) {
	return serve(ctx, s.api, q, s.updateTask)
}

func (s tasks) updateTask(ctx context.Context, q *clockdv1.UpdateTaskRequest) (*clockdv1.UpdateTaskResponse, error) {
	var c check
	ref := c.task(q)
	update := task.TaskUpdate{Edit: c.edit(ctx, q.GetEtag(), q.GetReason()), ValidateOnly: q.GetValidateOnly()}
	var found []task.Violation
	update.Apply, found = wire.UpdateFromProto("update", q.GetUpdate(), "update_mask", q.GetUpdateMask())
	c.all(found)
	if err := c.err(); err != nil {
		return nil, err
	}
	t, err := s.api.engine.UpdateTask(ctx, ref, update)
	if err != nil {
		return nil, err
	}
	return &clockdv1.UpdateTaskResponse{Task: wire.TaskToProto(t)}, nil
}

func (s tasks) DeleteTask(ctx context.Context, q *clockdv1.DeleteTaskRequest) (*clockdv1.DeleteTaskResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.DeleteTaskRequest) (*clockdv1.DeleteTaskResponse, error) {
		_, err := edit(ctx, q, func(ctx context.Context, ref task.Ref, e task.Edit) (task.Task, error) {
			return task.Task{}, s.api.engine.DeleteTask(ctx, ref, e)
		})
		if err != nil {
			return nil, err
		}
		return &clockdv1.DeleteTaskResponse{}, nil
	})
}

func (s tasks) BackfillTask(ctx context.Context, q *clockdv1.BackfillTaskRequest) (*clockdv1.BackfillTaskResponse, error) {
	return serve(ctx, s.api, q, s.backfillTask)
}

func (s tasks) backfillTask(ctx context.Context, q *clockdv1.BackfillTaskRequest) (*clockdv1.BackfillTaskResponse, error) {
	var c check
	ref := c.task(q)
	b := task.Backfill{Edit: c.edit(ctx, "", q.GetReason()), ValidateOnly: q.GetValidateOnly()}
	before := len(c.found)
	b.Start = c.time("start_time", q.GetStartTime())
	b.End = c.time("end_time", q.GetEndTime())
	switch {
	case q.GetStartTime() == nil:
		c.add("start_time", "missing: the first instant of the range is needed")
	case len(c.found) == before && !b.End.IsZero() && !b.Start.Before(b.End):
		c.add("end_time", "%s is not after start_time, %s: the range is empty", b.End.Format(time.RFC3339Nano), b.Start.Format(time.RFC3339Nano))
	}
	var found []task.Violation
	b.Interval, found = wire.SpanFromProto("interval", q.GetInterval())
	c.all(found)
	if b.Interval < 0 || b.Interval > task.MaxSpan {
		c.add("interval", "%s is outside 0s-%s", b.Interval, task.MaxSpan)
	}
	overlap, found := wire.OverlapFromProto("overlap", q.GetOverlap())
	c.all(found)
	switch {
	case overlap == nil:
	case *overlap == task.OverlapAllow:
		b.Allow = true
	default:
		c.add("overlap", "%s is not for a backfill: leave it unset for one run after another, or use OVERLAP_ALLOW", q.GetOverlap())
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	done, err := s.api.engine.BackfillTask(ctx, ref, b)
	if err != nil {
		return nil, err
	}
	return wire.BackfilledToProto(done), nil
}

func (s tasks) DiffConfig(ctx context.Context, q *clockdv1.DiffConfigRequest) (*clockdv1.DiffConfigResponse, error) {
	return serve(ctx, s.api, q, s.diffConfig)
}

func (s tasks) diffConfig(ctx context.Context, q *clockdv1.DiffConfigRequest) (*clockdv1.DiffConfigResponse, error) {
	var c check
	name := c.fileName(q.GetFileName())
	if n := len(q.GetConfig()); n > maxConfig {
		c.add("config", "%d bytes, at most %d are allowed", n, maxConfig)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	diffs, err := s.api.engine.DiffConfig(ctx, name, q.GetConfig())
	if err != nil {
		return nil, err
	}
	answer := &clockdv1.DiffConfigResponse{}
	for _, d := range diffs {
		answer.Diffs = append(answer.Diffs, wire.DiffToProto(d))
	}
	return answer, nil
}
