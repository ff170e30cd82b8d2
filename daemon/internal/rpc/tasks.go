package rpc

import (
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
)

// maxPageBytes ends a page before its page_size is reached: clients refuse messages of more than 4 MiB.
const maxPageBytes = 2 << 20

// tasks is the TaskService.
type tasks struct {
	clockdv1.UnimplementedTaskServiceServer
	api *API
}

func (s tasks) ListTasks(ctx context.Context, q *clockdv1.ListTasksRequest) (*clockdv1.ListTasksResponse, error) {
	return serve(ctx, s.api, q, s.listTasks)
}

func (s tasks) listTasks(ctx context.Context, q *clockdv1.ListTasksRequest) (*clockdv1.ListTasksResponse, error) {
	var c check
	query := task.TaskQuery{
		NamePrefix: c.namePrefix(q.GetFilter().GetNamePrefix()),
		States:     states(&c, "filter.states", q.GetFilter().GetStates(), wire.TaskStateFromProto),
	}
	size := c.pageSize(q.GetPageSize())
	list := listingOf("ListTasks", query.NamePrefix, digits(query.States))
	if token := q.GetPageToken(); token != "" {
		position, problem := list.position(pageToken, token)
		query.After = string(position)
		if problem == "" && task.CheckName(query.After) != nil {
			problem = "names no place in this list"
		}
		if problem != "" {
			c.add("page_token", "%q %s", token, problem)
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}

	query.Limit = size + 1 // one more tells whether this is the last page
	found, err := s.api.engine.Tasks(ctx, query)
	if err != nil {
		return nil, err
	}
	answer := &clockdv1.ListTasksResponse{}
	bytes := 0
	for i, t := range found {
		pb := wire.TaskToProto(t)
		bytes += proto.Size(pb)
		if i == size || i > 0 && bytes > maxPageBytes {
			answer.NextPageToken = list.token([]byte(found[i-1].Declaration.Name))
			break
		}
		answer.Tasks = append(answer.Tasks, pb)
	}
	return answer, nil
}

// digits writes a set of states for a hash, whatever their order.
func digits[S ~int](states []S) string {
	sorted := slices.Sorted(slices.Values(states))
	text := make([]byte, len(sorted))
	for i, s := range sorted {
		text[i] = byte(s)
	}
	return string(text)
}

func (s tasks) GetTask(ctx context.Context, q *clockdv1.GetTaskRequest) (*clockdv1.GetTaskResponse, error) {
	return serve(ctx, s.api, q, s.getTask)
}

func (s tasks) getTask(ctx context.Context, q *clockdv1.GetTaskRequest) (*clockdv1.GetTaskResponse, error) {
	var c check
	ref := c.task(q)
	if err := c.err(); err != nil {
		return nil, err
	}
	t, err := s.api.engine.Task(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &clockdv1.GetTaskResponse{Task: wire.TaskToProto(t)}, nil
}

func (s tasks) RunTask(ctx context.Context, q *clockdv1.RunTaskRequest) (*clockdv1.RunTaskResponse, error) {
	return serve(ctx, s.api, q, s.runTask)
}

func (s tasks) runTask(ctx context.Context, q *clockdv1.RunTaskRequest) (*clockdv1.RunTaskResponse, error) {
	var c check
	ref := c.task(q)
	call := task.Call{Actor: actor(ctx), Peer: address(ctx), Wait: q.GetWait()}
	if id := q.GetRequestId(); id != "" {
		call.RequestID = c.uuid("request_id", id)
	}
	var found []task.Violation
	call.Input, found = wire.JSONFromProto("input", q.GetInput())
	c.all(found)
	if n := len(call.Input); n > maxInput {
		c.add("input", "%d bytes as JSON, at most %d are allowed", n, maxInput)
	}
	call.Overlap, found = wire.OverlapFromProto("overlap", q.GetOverlap())
	c.all(found)
	if err := c.err(); err != nil {
		return nil, err
	}
	run, err := s.api.engine.RunTask(ctx, ref, call)
	if err != nil {
		return nil, err
	}
	return &clockdv1.RunTaskResponse{Run: wire.RunToProto(run)}, nil
}

func (s tasks) UpdateTrigger(ctx context.Context, q *clockdv1.UpdateTriggerRequest) (*clockdv1.UpdateTriggerResponse, error) {
	return serve(ctx, s.api, q, s.updateTrigger)
}

func (s tasks) updateTrigger(ctx context.Context, q *clockdv1.UpdateTriggerRequest) (*clockdv1.UpdateTriggerResponse, error) {
	var c check
	ref := c.task(q)
	change := task.TriggerChange{Edit: c.edit(ctx, q.GetEtag(), q.GetReason()), ValidateOnly: q.GetValidateOnly()}
	var found []task.Violation
	change.Trigger, found = wire.TriggerFromProto("trigger", q.GetTrigger())
	c.all(found)
	change.OnDeclaredChange, found = wire.OnDeclaredChangeFromProto("on_declared_change", q.GetOnDeclaredChange())
	c.all(found)
	change.ExpireTime = c.time("expire_time", q.GetExpireTime())
	if err := c.err(); err != nil {
		return nil, err
	}
	u, err := s.api.engine.UpdateTrigger(ctx, ref, change)
	if err != nil {
		return nil, err
	}
	return wire.TriggerUpdateToProto(u), nil
}

func (s tasks) ResetTrigger(ctx context.Context, q *clockdv1.ResetTriggerRequest) (*clockdv1.ResetTriggerResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.ResetTriggerRequest) (*clockdv1.ResetTriggerResponse, error) {
		t, err := edit(ctx, q, s.api.engine.ResetTrigger)
		if err != nil {
			return nil, err
		}
		return &clockdv1.ResetTriggerResponse{Task: wire.TaskToProto(t)}, nil
	})
}

func (s tasks) PauseTask(ctx context.Context, q *clockdv1.PauseTaskRequest) (*clockdv1.PauseTaskResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.PauseTaskRequest) (*clockdv1.PauseTaskResponse, error) {
		var c check
		ref := c.task(q)
		change := task.PauseChange{Edit: c.edit(ctx, q.GetEtag(), q.GetReason()), ResumeTime: c.time("resume_time", q.GetResumeTime())}
		if err := c.err(); err != nil {
			return nil, err
		}
		t, err := s.api.engine.PauseTask(ctx, ref, change)
		if err != nil {
			return nil, err
		}
		return &clockdv1.PauseTaskResponse{Task: wire.TaskToProto(t)}, nil
	})
}

func (s tasks) ResumeTask(ctx context.Context, q *clockdv1.ResumeTaskRequest) (*clockdv1.ResumeTaskResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.ResumeTaskRequest) (*clockdv1.ResumeTaskResponse, error) {
		t, err := edit(ctx, q, s.api.engine.ResumeTask)
		if err != nil {
			return nil, err
		}
		return &clockdv1.ResumeTaskResponse{Task: wire.TaskToProto(t)}, nil
	})
}

// edit makes a change that says no more than which task, which etag and why.
func edit(ctx context.Context, q interface {
	named
	GetEtag() string
	GetReason() string
}, change func(context.Context, task.Ref, task.Edit) (task.Task, error),
) (task.Task, error) {
	var c check
	ref := c.task(q)
	e := c.edit(ctx, q.GetEtag(), q.GetReason())
	if err := c.err(); err != nil {
		return task.Task{}, err
	}
	return change(ctx, ref, e)
}

func (s tasks) PreviewTrigger(ctx context.Context, q *clockdv1.PreviewTriggerRequest) (*clockdv1.PreviewTriggerResponse, error) {
	return serve(ctx, s.api, q, s.previewTrigger)
}

func (s tasks) previewTrigger(ctx context.Context, q *clockdv1.PreviewTriggerRequest) (*clockdv1.PreviewTriggerResponse, error) {
	var c check
	count := c.previewCount(q.GetCount())
	start := c.time("start_time", q.GetStartTime())
	var p task.Preview
	var err error
	if subject, ok := q.GetSubject().(*clockdv1.PreviewTriggerRequest_Trigger); ok {
		t, found := wire.TriggerFromProto("trigger", subject.Trigger)
		c.all(found)
		if err := c.err(); err != nil {
			return nil, err
		}
		p, err = s.api.engine.PreviewTrigger(ctx, t, start, count)
	} else {
		ref := c.taskIfAny(q)
		if unnamed(q) {
			c.add("subject", "missing: give a trigger, or name a task by task_id or task_name")
		}
		if err := c.err(); err != nil {
			return nil, err
		}
		p, err = s.api.engine.PreviewTask(ctx, ref, start, count)
	}
	if err != nil {
		return nil, err
	}
	return wire.PreviewToProto(p), nil
}
