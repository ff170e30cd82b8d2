package rpc

import (
	"context"
	"strconv"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
)

func (s tasks) ListAuditEvents(ctx context.Context, q *clockdv1.ListAuditEventsRequest) (*clockdv1.ListAuditEventsResponse, error) {
	return serve(ctx, s.api, q, s.listAuditEvents)
}

func (s tasks) listAuditEvents(ctx context.Context, q *clockdv1.ListAuditEventsRequest) (*clockdv1.ListAuditEventsResponse, error) {
	var c check
	ref := c.taskIfAny(q)
	size := c.pageSize(q.GetPageSize())
	query := task.AuditQuery{Limit: size + 1} // one more tells whether this is the last page
	list := listingOf("ListAuditEvents", q.GetTaskId(), q.GetTaskName())
	if token := q.GetPageToken(); token != "" {
		position, problem := list.position(pageToken, token)
		id, err := task.ParseRunID(string(position)) // the same digits
		if problem == "" && err != nil {
			problem = "names no place in this list"
		}
		if query.Before = int64(id); problem != "" {
			c.add("page_token", "%q %s", token, problem)
		}
	}
	if err := c.err(); len(c.found) > 0 {
		return nil, err
	}
	answer := &clockdv1.ListAuditEventsResponse{}
	if c.missing != nil {
		return answer, nil // there never was a task with such a name
	}
	found, err := s.api.engine.AuditEvents(ctx, ref, query)
	if err != nil {
		return nil, err
	}
	bytes := 0
	for i, e := range found {
		pb := wire.EventToProto(e)
		bytes += proto.Size(pb)
		if i == size || i > 0 && bytes > maxPageBytes {
			answer.NextPageToken = list.token([]byte(strconv.FormatInt(found[i-1].ID, 10)))
			break
		}
		answer.Events = append(answer.Events, pb)
	}
	return answer, nil
}
