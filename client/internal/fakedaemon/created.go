package fakedaemon

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// CreateTask makes a task. Commands are allowed.
func (s *Server) CreateTask(ctx context.Context, req *clockdv1.CreateTaskRequest) (*clockdv1.CreateTaskResponse, error) {
	d, found := wire.SpecFromProto("task", req.GetTask())
	if found != nil {
		return nil, &task.InvalidError{Violations: found}
	}
	if slices.ContainsFunc(s.tasks, func(t task.Task) bool { return t.Declaration.Name == d.Name }) {
		return nil, &task.ExistsError{Name: d.Name}
	}
	d.Target = sum(d.Spec)
	t := task.Task{
		ID: task.IDOf(namespace, d.Name), Namespace: namespace, Declaration: d, Origin: task.Created,
		State: task.Active, Version: 1, CreateTime: Now, UpdateTime: Now,
	}
	t.Clock.NextFireTime = next(t)
	if !req.GetValidateOnly() {
		s.put(t)
		s.record(event(ctx, task.TaskCreated, t, req.GetReason()))
	}
	return &clockdv1.CreateTaskResponse{Task: wire.TaskToProto(t)}, nil
}

// UpdateTask changes a task that was created.
func (s *Server) UpdateTask(ctx context.Context, req *clockdv1.UpdateTaskRequest) (*clockdv1.UpdateTaskResponse, error) {
	apply, found := wire.UpdateFromProto("update", req.GetUpdate(), "update_mask", req.GetUpdateMask())
	if found != nil {
		return nil, &task.InvalidError{Violations: found}
	}
	t, err := s.fresh(req)
	if err != nil {
		return nil, err
	}
	if t.Origin != task.Created {
		return nil, task.ErrDeclared
	}
	d := t.Declaration
	if err := apply(&d); err != nil {
		return nil, err
	}
	d.Target = sum(d.Spec)
	changed, err := s.edit(ctx, task.TaskUpdated, req, req.GetValidateOnly(), func(t *task.Task) {
		if !schedule.Equal(t.Declaration.Trigger, d.Trigger) && t.Override != nil && t.Override.OnDeclaredChange == task.Yield {
			t.Override = nil
		}
		t.Declaration = d
		t.Clock.NextFireTime = next(*t)
	})
	return &clockdv1.UpdateTaskResponse{Task: changed}, err
}

// DeleteTask deletes a task that was created or is orphaned, and its runs.
func (s *Server) DeleteTask(ctx context.Context, req *clockdv1.DeleteTaskRequest) (*clockdv1.DeleteTaskResponse, error) {
	t, err := s.fresh(req)
	if err != nil {
		return nil, err
	}
	if t.Origin != task.Created && t.State != task.Orphaned {
		return nil, task.ErrDeclared
	}
	s.record(event(ctx, task.TaskDeleted, *t, req.GetReason()))
	id := t.ID
	s.remove(*t)
	s.runs = slices.DeleteFunc(s.runs, func(run task.Run) bool { return run.TaskID == id })
	return &clockdv1.DeleteTaskResponse{}, nil
}

// sum is what a target does, for people.
func sum(spec *task.TargetSpec) task.Target {
	switch {
	case spec.Command != nil:
		return task.Target{Kind: "command", Summary: strings.Join(spec.Command.Args, " ")}
	case spec.GRPC != nil:
		return task.Target{Kind: "grpc", Summary: spec.GRPC.Method + " at " + spec.GRPC.Address}
	case spec.Worker != nil:
		return task.Target{Kind: "worker"}
	}
	return task.Target{Kind: "http", Summary: cmp.Or(spec.HTTP.Method, "GET") + " " + spec.HTTP.URL}
}

// BackfillTask records a run that waits for each fire of the range, of a trigger that is in force since its
// start.
func (s *Server) BackfillTask(ctx context.Context, req *clockdv1.BackfillTaskRequest) (*clockdv1.BackfillTaskResponse, error) {
	t, err := s.find(req)
	if err != nil {
		return nil, err
	}
	start, end := req.GetStartTime().AsTime(), Now
	if req.GetEndTime() != nil {
		end = req.GetEndTime().AsTime()
	}
	switch {
	case req.GetStartTime() == nil:
		return nil, task.Invalid("start_time", "missing")
	case !start.Before(end):
		return nil, task.Invalid("end_time", "%s is not after start_time", end.Format(time.RFC3339))
	case end.After(Now):
		return nil, task.Invalid("end_time", "%s is in the future", end.Format(time.RFC3339))
	case t.State == task.Orphaned:
		return nil, task.ErrOrphaned
	}
	p, err := fires(t.Trigger(), start, task.MaxBackfill+1, nil)
	if err != nil {
		return nil, err
	}
	var b task.Backfilled
	for _, f := range p.Fires {
		if f.Time.Before(end) {
			b.Fires = append(b.Fires, f.Time)
		}
	}
	if len(b.Fires) > task.MaxBackfill {
		return nil, task.Invalid("start_time", "the range holds more than %d fires", task.MaxBackfill)
	}
	if req.GetValidateOnly() {
		return wire.BackfilledToProto(b), nil
	}
	for i, at := range b.Fires {
		run := task.Run{
			ID: task.RunID(len(s.runs) + 1), TaskID: t.ID, TaskName: t.Declaration.Name, State: task.Scheduled,
			Cause: task.ByBackfill, ScheduledTime: at, Fires: 1, Actor: actor(ctx),
			NextAttemptTime: Now.Add(time.Duration(i) * req.GetInterval().AsDuration()),
		}
		if i > 0 && req.GetOverlap() != clockdv1.Overlap_OVERLAP_ALLOW {
			run.Reason = task.ReasonOverlap
		}
		b.Runs = append(b.Runs, run)
		s.putRun(run)
	}
	s.record(event(ctx, task.BackfillRequested, *t, req.GetReason()))
	return wire.BackfilledToProto(b), nil
}

// ListAuditEvents filters and pages.
func (s *Server) ListAuditEvents(_ context.Context, req *clockdv1.ListAuditEventsRequest) (*clockdv1.ListAuditEventsResponse, error) {
	var list []*clockdv1.AuditEvent
	for _, e := range slices.Backward(s.events) {
		if (req.GetTaskId() == "" || e.TaskID.String() == req.GetTaskId()) &&
			(req.GetTaskName() == "" || e.TaskID == task.IDOf(namespace, req.GetTaskName())) {
			list = append(list, wire.EventToProto(e))
		}
	}
	items, next, err := page(list, req.GetPageSize(), req.GetPageToken())
	return &clockdv1.ListAuditEventsResponse{Events: items, NextPageToken: next}, err
}

// DiffConfig answers with [SampleDiffs] whatever the file says; an empty file changes nothing, and one that
// begins with "bad" is wrong.
func (s *Server) DiffConfig(_ context.Context, req *clockdv1.DiffConfigRequest) (*clockdv1.DiffConfigResponse, error) {
	resp := &clockdv1.DiffConfigResponse{}
	switch config := string(req.GetConfig()); {
	case strings.HasPrefix(config, "bad"):
		return nil, &task.InvalidError{Violations: []task.Violation{
			{Field: req.GetFileName() + ":3: tasks[0].trigger", Description: `column 1: "evry" is no kind of trigger`},
			{Field: req.GetFileName() + ":7: tasks[1].name", Description: "a name is missing"},
		}}
	case config != "":
		for _, d := range SampleDiffs() {
			resp.Diffs = append(resp.Diffs, wire.DiffToProto(d))
		}
	}
	return resp, nil
}
