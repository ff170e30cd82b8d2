package rpc

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
)

// runs is the RunService.
type runs struct {
	clockdv1.UnimplementedRunServiceServer
	api *API
}

func (s runs) ListRuns(ctx context.Context, q *clockdv1.ListRunsRequest) (*clockdv1.ListRunsResponse, error) {
	return serve(ctx, s.api, q, s.listRuns)
}

func (s runs) listRuns(ctx context.Context, q *clockdv1.ListRunsRequest) (*clockdv1.ListRunsResponse, error) {
	var c check
	ref := c.taskIfAny(q)
	query := task.RunQuery{
		States: states(&c, "states", q.GetStates(), wire.RunStateFromProto),
		Limit:  c.pageSize(q.GetPageSize()),
	}
	// The task counts as it was named, so that a token can be judged before the task is looked up.
	list := listingOf("ListRuns", q.GetTaskId(), q.GetTaskName(), digits(query.States))
	if token := q.GetPageToken(); token != "" {
		position, problem := list.position(pageToken, token)
		var err error
		if query.From, err = task.ParseRunID(string(position)); problem == "" && err != nil {
			problem = "names no place in this list"
		}
		if problem != "" {
			c.add("page_token", "%q %s", token, problem)
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}

	if !ref.IsZero() {
		t, err := s.api.engine.Task(ctx, ref)
		if err != nil {
			return nil, err
		}
		query.TaskID = t.ID
	}
	page, err := s.api.engine.Runs(ctx, query)
	if err != nil {
		return nil, err
	}
	answer := &clockdv1.ListRunsResponse{}
	bytes := 0
	for i, run := range page.Runs {
		run.Input, run.Output = nil, nil
		pb := wire.RunToProto(run)
		bytes += proto.Size(pb)
		if i > 0 && bytes > maxPageBytes {
			page.Next = run.ID
			break
		}
		answer.Runs = append(answer.Runs, pb)
	}
	if page.Next != 0 {
		answer.NextPageToken = list.token([]byte(page.Next.String()))
	}
	return answer, nil
}

func (s runs) GetRun(ctx context.Context, q *clockdv1.GetRunRequest) (*clockdv1.GetRunResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.GetRunRequest) (*clockdv1.GetRunResponse, error) {
		var c check
		id := c.runID(q.GetRunId())
		if err := c.err(); err != nil {
			return nil, err
		}
		run, err := s.api.engine.Run(ctx, id)
		if err != nil {
			return nil, err
		}
		return &clockdv1.GetRunResponse{Run: wire.RunToProto(run)}, nil
	})
}

func (s runs) CancelRun(ctx context.Context, q *clockdv1.CancelRunRequest) (*clockdv1.CancelRunResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, q *clockdv1.CancelRunRequest) (*clockdv1.CancelRunResponse, error) {
		var c check
		id := c.runID(q.GetRunId())
		e := c.edit(ctx, "", q.GetReason())
		if err := c.err(); err != nil {
			return nil, err
		}
		run, err := s.api.engine.CancelRun(ctx, id, e)
		if err != nil {
			return nil, err
		}
		return &clockdv1.CancelRunResponse{Run: wire.RunToProto(run)}, nil
	})
}
