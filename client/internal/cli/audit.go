package cli

import (
	"context"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type auditCommand struct {
	Task  *taskArg `complete:"task" arg:"" optional:"" help:"Name or id of the task, which may be deleted. Default: all tasks."`
	Limit int      `default:"20" placeholder:"N" help:"Show at most so many; 0 for all. Default: ${default}."`
}

func (c *auditCommand) Run(s *session) error {
	var f client.AuditFilter
	if c.Task != nil {
		var err error
		if f.Task, err = c.Task.ref(); err != nil {
			return err
		}
	}
	events, next, err := collect(s, c.Limit, func(ctx context.Context, size int, token string) ([]task.Event, string, error) {
		return s.client.AuditEventsPage(ctx, f, size, token)
	})
	if err != nil {
		return err
	}
	if s.exact {
		resp := &clockdv1.ListAuditEventsResponse{NextPageToken: next}
		for _, e := range events {
			resp.Events = append(resp.Events, wire.EventToProto(e))
		}
		return s.printAnswer(resp)
	}
	rows := table{{"TIME", "ACTOR", "ACTION", "TASK", "CHANGE"}}
	for _, e := range events {
		rows.row(instant(e.Time), text(e.Actor), actions.of(e.Action), text(e.TaskName),
			changeOf(e.Before, e.After, e.Actor, e.Reason).line(about(e.Action, e.RunID)))
	}
	return rows.write(s.out)
}
