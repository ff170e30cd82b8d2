package fakedaemon

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ListTasks filters and pages.
func (s *Server) ListTasks(_ context.Context, req *clockdv1.ListTasksRequest) (*clockdv1.ListTasksResponse, error) {
	var list []*clockdv1.TaskMetadata
	for _, t := range s.tasks {
		states := req.GetFilter().GetStates()
		if strings.HasPrefix(t.Declaration.Name, req.GetFilter().GetNamePrefix()) &&
			(len(states) == 0 || slices.Contains(states, wire.TaskStateToProto(t.State))) {
			list = append(list, wire.TaskToProto(t))
		}
	}
	items, next, err := page(list, req.GetPageSize(), req.GetPageToken())
	return &clockdv1.ListTasksResponse{Tasks: items, NextPageToken: next}, err
}

// GetTask finds.
func (s *Server) GetTask(_ context.Context, req *clockdv1.GetTaskRequest) (*clockdv1.GetTaskResponse, error) {
	t, err := s.find(req)
	if err != nil {
		return nil, err
	}
	return &clockdv1.GetTaskResponse{Task: wire.TaskToProto(*t)}, nil
}

// RunTask records a run that waits, or, if the call waits, one that has ended: well, unless the input is
// the string "fail". Its output is its input.
func (s *Server) RunTask(ctx context.Context, req *clockdv1.RunTaskRequest) (*clockdv1.RunTaskResponse, error) {
	t, err := s.find(req)
	if err != nil {
		return nil, err
	}
	if t.State == task.Orphaned {
		return nil, task.ErrOrphaned
	}
	input, _ := wire.JSONFromProto("input", req.GetInput())
	run := task.Run{
		ID: task.RunID(len(s.runs) + 1), TaskID: t.ID, TaskName: t.Declaration.Name,
		State: task.Scheduled, Cause: task.ByCall, ScheduledTime: Now, Input: input,
		Actor: actor(ctx),
	}
	if req.GetWait() {
		run.State, run.StartTime, run.EndTime, run.Attempt = task.Succeeded, Now, Now, 1
		if run.Output = input; string(input) == `"fail"` {
			run.State, run.Error = task.Failed, "exit status 3"
		}
	}
	s.putRun(run)
	s.record(task.Event{
		Time: Now, Action: task.RunRequested, TaskID: t.ID, TaskName: t.Declaration.Name, RunID: run.ID, Actor: actor(ctx), Peer: peer,
	})
	return &clockdv1.RunTaskResponse{Run: wire.RunToProto(run)}, nil
}

// UpdateTrigger overrides.
func (s *Server) UpdateTrigger(ctx context.Context, req *clockdv1.UpdateTriggerRequest) (*clockdv1.UpdateTriggerResponse, error) {
	trigger, found := wire.TriggerFromProto("trigger", req.GetTrigger())
	if found != nil {
		return nil, &task.InvalidError{Violations: found}
	}
	old, _ := s.find(req)
	p, err := fires(trigger, Now, 10, old)
	if err != nil {
		return nil, err
	}
	var before task.Preview
	if old != nil {
		before, _ = fires(old.Trigger(), Now, 10, old)
	}
	change, _ := wire.OnDeclaredChangeFromProto("on_declared_change", req.GetOnDeclaredChange())
	expire, err := future("expire_time", req.GetExpireTime())
	if err != nil {
		return nil, err
	}
	t, err := s.edit(ctx, task.TriggerUpdated, req, req.GetValidateOnly(), func(t *task.Task) {
		t.Override = &task.Override{
			Trigger: trigger, Actor: actor(ctx), Reason: req.GetReason(), CreateTime: Now,
			OnDeclaredChange: change, ExpireTime: expire,
		}
		t.Clock.NextFireTime = next(*t)
	})
	if err != nil {
		return nil, err
	}
	return &clockdv1.UpdateTriggerResponse{
		Task: t, NextFires: wire.FiresToProto(p.Fires), PreviousFires: wire.FiresToProto(before.Fires),
	}, nil
}

// ResetTrigger ends the override.
func (s *Server) ResetTrigger(ctx context.Context, req *clockdv1.ResetTriggerRequest) (*clockdv1.ResetTriggerResponse, error) {
	t, err := s.edit(ctx, task.TriggerReset, req, false, func(t *task.Task) {
		t.Override = nil
		t.Clock.NextFireTime = next(*t)
	})
	return &clockdv1.ResetTriggerResponse{Task: t}, err
}

// PauseTask pauses.
func (s *Server) PauseTask(ctx context.Context, req *clockdv1.PauseTaskRequest) (*clockdv1.PauseTaskResponse, error) {
	resume, err := future("resume_time", req.GetResumeTime())
	if err != nil {
		return nil, err
	}
	t, err := s.edit(ctx, task.TaskPaused, req, false, func(t *task.Task) {
		t.Pause = &task.Pause{Actor: actor(ctx), Reason: req.GetReason(), CreateTime: Now, ResumeTime: resume}
		t.State = task.Paused
		t.Clock.NextFireTime = time.Time{}
	})
	return &clockdv1.PauseTaskResponse{Task: t}, err
}

// ResumeTask ends a pause.
func (s *Server) ResumeTask(ctx context.Context, req *clockdv1.ResumeTaskRequest) (*clockdv1.ResumeTaskResponse, error) {
	t, err := s.edit(ctx, task.TaskResumed, req, false, func(t *task.Task) {
		t.Pause, t.State, t.FailureCount = nil, task.Active, 0
		t.Clock.NextFireTime = next(*t)
	})
	return &clockdv1.ResumeTaskResponse{Task: t}, err
}

// next is the first fire of a task whose trigger comes into force now, or zero.
func next(t task.Task) time.Time {
	p, err := fires(t.Trigger(), Now, 1, nil)
	if err != nil || len(p.Fires) == 0 || t.Pause != nil {
		return time.Time{}
	}
	return p.Fires[0].Time
}

// future reads an instant that must lie in the future, if it is set.
func future(field string, pb *timestamppb.Timestamp) (time.Time, error) {
	t, found := wire.TimeFromProto(field, pb)
	switch {
	case found != nil:
		return t, &task.InvalidError{Violations: found}
	case !t.IsZero() && !t.After(Now):
		return t, task.Invalid(field, "%s is not in the future", t.Format(time.RFC3339))
	}
	return t, nil
}

// An edited is a request to change a task.
type edited interface {
	GetTaskId() string
	GetTaskName() string
	GetEtag() string
	GetReason() string
}

// fresh finds the task of a request whose etag, if there is one, must be right.
func (s *Server) fresh(req edited) (*task.Task, error) {
	t, err := s.find(req)
	if err == nil && req.GetEtag() != "" && req.GetEtag() != t.Etag() {
		err = &task.StaleError{Task: t.Declaration.Name, Have: t.Etag(), Want: req.GetEtag()}
	}
	return t, err
}

// edit changes a task, or a copy of it.
func (s *Server) edit(ctx context.Context, a task.Action, req edited, dry bool, change func(*task.Task)) (*clockdv1.TaskMetadata, error) {
	t, err := s.fresh(req)
	if err != nil {
		return nil, err
	}
	changed := *t
	changed.Version++
	changed.UpdateTime = Now
	change(&changed)
	if !dry {
		s.put(changed)
		s.record(event(ctx, a, changed, req.GetReason()))
	}
	return wire.TaskToProto(changed), nil
}

// peer is the address that every caller has.
const peer = "127.0.0.1:50000"

// event is the record of what was done to a task. Before and After are left out: see [SampleEvents].
func event(ctx context.Context, a task.Action, t task.Task, reason string) task.Event {
	return task.Event{
		Time: Now, Action: a, TaskID: t.ID, TaskName: t.Declaration.Name, Actor: actor(ctx), Peer: peer, Reason: reason,
	}
}

// PreviewTrigger looks ahead.
func (s *Server) PreviewTrigger(_ context.Context, req *clockdv1.PreviewTriggerRequest) (*clockdv1.PreviewTriggerResponse, error) {
	start := Now
	if req.GetStartTime() != nil {
		start = req.GetStartTime().AsTime()
	}
	count := int(req.GetCount())
	if count < 0 || count > 1000 {
		return nil, task.Invalid("count", "%d is not from 0 to 1000", count)
	}
	if count == 0 {
		count = 5
	}
	trigger, found := wire.TriggerFromProto("trigger", req.GetTrigger())
	var of *task.Task
	if req.GetTrigger() == nil {
		var err error
		if of, err = s.find(req); err != nil {
			return nil, err
		}
		trigger = of.Trigger()
	} else if found != nil {
		return nil, &task.InvalidError{Violations: found}
	}
	p, err := fires(trigger, start, count, of)
	return wire.PreviewToProto(p), err
}

// ListRuns filters and pages.
func (s *Server) ListRuns(_ context.Context, req *clockdv1.ListRunsRequest) (*clockdv1.ListRunsResponse, error) {
	var only *task.Task
	if req.GetTask() != nil {
		var err error
		if only, err = s.find(req); err != nil {
			return nil, err
		}
	}
	var list []*clockdv1.Run
	for _, run := range slices.Backward(s.runs) {
		if (only == nil || run.TaskID == only.ID) &&
			(len(req.GetStates()) == 0 || slices.Contains(req.GetStates(), wire.RunStateToProto(run.State))) {
			run.Input, run.Output = nil, nil
			list = append(list, wire.RunToProto(run))
		}
	}
	items, next, err := page(list, req.GetPageSize(), req.GetPageToken())
	return &clockdv1.ListRunsResponse{Runs: items, NextPageToken: next}, err
}

// GetRun finds.
func (s *Server) GetRun(_ context.Context, req *clockdv1.GetRunRequest) (*clockdv1.GetRunResponse, error) {
	run, err := s.run(req.GetRunId())
	if err != nil {
		return nil, err
	}
	return &clockdv1.GetRunResponse{Run: wire.RunToProto(*run)}, nil
}

// CancelRun ends a run that has not.
func (s *Server) CancelRun(ctx context.Context, req *clockdv1.CancelRunRequest) (*clockdv1.CancelRunResponse, error) {
	run, err := s.run(req.GetRunId())
	if err != nil {
		return nil, err
	}
	if !run.State.Ended() {
		run.State, run.EndTime, run.Error = task.Canceled, Now, "canceled: "+req.GetReason()
		run.Actor = actor(ctx)
		s.putRun(*run)
		s.record(task.Event{
			Time: Now, Action: task.RunCanceled, TaskID: run.TaskID, TaskName: run.TaskName, RunID: run.ID,
			Actor: actor(ctx), Peer: peer, Reason: req.GetReason(),
		})
	}
	return &clockdv1.CancelRunResponse{Run: wire.RunToProto(*run)}, nil
}

func (s *Server) run(arg string) (*task.Run, error) {
	id, err := task.ParseRunID(arg)
	if err != nil {
		return nil, task.Invalid("run_id", "%s", err)
	}
	for i := range s.runs {
		if s.runs[i].ID == id {
			return &s.runs[i], nil
		}
	}
	return nil, task.RunNotFound(id)
}
