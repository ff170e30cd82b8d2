package cli

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type backfillCommand struct {
	Task         taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	From         string  `required:"" placeholder:"TIME" help:"The first instant of the range (RFC 3339)."`
	To           string  `placeholder:"TIME" help:"The end of the range: the fires lie before it. Default: now."`
	Interval     string  `placeholder:"SPAN" help:"The least time between two starts, such as 10s. Default: none."`
	AllowOverlap bool    `help:"Let the runs overlap. Default: each starts when the one before has ended."`
	Reason       string  `help:"Why, for those who read it later."`
	DryRun       bool    `help:"Show what would be run, and run nothing."`
}

// Help is the text below the summary.
func (backfillCommand) Help() string {
	return "Each fire that the trigger in force has in the range becomes a run, whatever became of it then. The trigger's clock does not move."
}

func (c *backfillCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	start, err := parseTime("--from", c.From)
	if err != nil {
		return err
	}
	end, err := parseTime("--to", c.To)
	if err != nil {
		return err
	}
	o := client.BackfillOptions{Reason: c.Reason, Allow: c.AllowOverlap, ValidateOnly: c.DryRun}
	if o.Interval, err = parseSpan("--interval", c.Interval); err != nil {
		return err
	}
	b, err := ask(s, func(ctx context.Context) (client.Backfilled, error) {
		return s.client.BackfillTask(ctx, ref, start, end, o)
	})
	if err != nil {
		return err
	}
	if s.exact {
		resp := &clockdv1.BackfillTaskResponse{Count: b.Count}
		for _, t := range b.Fires {
			resp.FireTimes = append(resp.FireTimes, wire.TimeToProto(t))
		}
		for _, run := range b.Runs {
			resp.Runs = append(resp.Runs, wire.RunToProto(run))
		}
		return s.printAnswer(resp)
	}
	return s.printBackfilled(b, c.DryRun)
}

func (s *session) printBackfilled(b client.Backfilled, dry bool) error {
	const enough = 20 // to see that it is what was meant; JSON has more, and runs has all
	switch {
	case b.Count == 0:
		_, err := fmt.Fprintln(s.out, "No fire lies in the range.")
		return err
	case dry:
		fmt.Fprintf(s.out, "Runs that would be made; nothing was changed: %d\n", b.Count)
	default:
		fmt.Fprintf(s.out, "Runs made: %d\n", b.Count)
	}
	var rows table
	if dry {
		rows.row("SCHEDULED")
		for _, t := range b.Fires[:min(enough, len(b.Fires))] {
			rows.row(s.when(t))
		}
	} else {
		rows.row("RUN", "SCHEDULED", "NOTE")
		for _, run := range b.Runs[:min(enough, len(b.Runs))] {
			rows.row(run.ID.String(), s.when(run.ScheduledTime), s.noteCell(run))
		}
	}
	if err := rows.write(s.out); err != nil {
		return err
	}
	if more := b.Count - int64(len(rows)-1); more > 0 {
		fmt.Fprintf(s.out, "and %d more\n", more)
	}
	return nil
}
