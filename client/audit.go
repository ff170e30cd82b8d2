package client

import (
	"context"
	"iter"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// AuditFilter selects audit events. The zero AuditFilter selects all.
type AuditFilter struct {
	// Task restricts to the events of one task, which may be deleted. Zero: all tasks.
	Task task.Ref
}

// AuditEvents goes through who changed what, the newest first. It reads a page at a time. After an error, which
// comes with a zero event, it ends. Each use of the sequence starts anew. A task that never was has no events.
func (c *Client) AuditEvents(ctx context.Context, f AuditFilter) iter.Seq2[task.Event, error] {
	return pages(func(token string) ([]task.Event, string, error) {
		return c.AuditEventsPage(ctx, f, iteratorPage, token)
	})
}

// AuditEventsPage returns one page of what [Client.AuditEvents] goes through, and the token of the next, which
// is empty after the last. Size and token are those of [Client.TasksPage].
func (c *Client) AuditEventsPage(ctx context.Context, f AuditFilter, pageSize int, pageToken string) (events []task.Event, next string, err error) {
	req := &clockdv1.ListAuditEventsRequest{PageSize: clampPage(pageSize), PageToken: pageToken}
	setTask(req, f.Task)
	resp, err := invoke(ctx, c, c.tasks.ListAuditEvents, req)
	if err != nil {
		return nil, "", err
	}
	events, err = each(resp.GetEvents(), wire.EventFromProto)
	return events, resp.GetNextPageToken(), unreadable(err)
}
