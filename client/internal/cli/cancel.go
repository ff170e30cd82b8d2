package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type cancelCommand struct {
	RunID    string `complete:"run" going:"" arg:"" name:"run" help:"Id of the run; with --backfill, name or id of a task."`
	Backfill bool   `help:"End all runs of the task that a backfill has made and that have not ended."`
	Reason   string `help:"Why, for those who read it later."`
}

// Help is the text below the summary.
func (cancelCommand) Help() string {
	return "The answer comes when the run has ended, which takes as long as its task needs to stop. A run that had ended before is shown as it is. " +
		"With --backfill those that wait are ended before those that go, so that none takes their place; with --output json or yaml there is an answer of the API for each."
}

func (c *cancelCommand) Run(s *session) error {
	if c.Backfill {
		ref, err := taskArg(c.RunID).ref()
		if err != nil {
			return err
		}
		return s.cancelBackfill(ref, c.Reason)
	}
	id, err := runID(c.RunID)
	if err != nil {
		return err
	}
	run, err := s.client.CancelRun(s.ctx, id, c.Reason)
	s.now = s.env.Now()
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.CancelRunResponse{Run: wire.RunToProto(run)})
	}
	return s.printRun(run)
}

// cancelBackfill ends the runs of a task that a backfill has made, and says how many, also if it can not end all.
func (s *session) cancelBackfill(ref task.Ref, reason string) error {
	f := client.RunFilter{Task: ref, States: []task.RunState{task.Scheduled, task.Running}}
	runs, _, err := collect(s, 0, func(ctx context.Context, size int, token string) ([]task.Run, string, error) {
		return s.client.RunsPage(ctx, f, size, token)
	})
	if err != nil {
		return err
	}
	var waiting, going []task.RunID
	for _, run := range runs {
		switch {
		case run.Cause != task.ByBackfill:
		case run.State == task.Running:
			going = append(going, run.ID)
		default:
			waiting = append(waiting, run.ID)
		}
	}
	var canceled, before int
	took := func(run task.Run) error {
		if run.State == task.Canceled {
			canceled++
		} else {
			before++
		}
		if s.exact {
			return s.printPart(&clockdv1.CancelRunResponse{Run: wire.RunToProto(run)})
		}
		return nil
	}
	if err = s.cancelAll(waiting, reason, took); err == nil {
		err = s.cancelAll(going, reason, took)
	}
	if s.exact {
		return err
	}
	switch {
	case err != nil && canceled == 0:
	case len(waiting)+len(going) == 0:
		fmt.Fprintln(s.out, "No run that a backfill has made is waiting or going.")
	default:
		fmt.Fprintf(s.out, "Runs canceled: %d\n", canceled)
	}
	if before > 0 {
		fmt.Fprintf(s.out, "Runs that ended before they were canceled: %d\n", before)
	}
	return err
}

// cancelAll ends runs, a few at a time, and hands each to took as it ended. After the first error, which it returns,
// it begins with no other, but waits for those it has begun with: they count. Runs that are no more are left out.
func (s *session) cancelAll(ids []task.RunID, reason string, took func(task.Run) error) error {
	const atOnce = 8 // enough that the way to the daemon does not count, and no burden for its store
	type answer struct {
		run task.Run
		err error
	}
	next, answers, stop := make(chan task.RunID), make(chan answer), make(chan struct{})
	var workers sync.WaitGroup
	for range min(atOnce, len(ids)) {
		workers.Go(func() {
			for id := range next {
				run, err := s.client.CancelRun(s.ctx, id, reason)
				answers <- answer{run, err}
			}
		})
	}
	workers.Go(func() {
		defer close(next)
		for _, id := range ids {
			select {
			case next <- id:
			case <-stop:
				return
			}
		}
	})
	go func() {
		workers.Wait()
		close(answers)
	}()
	var first error
	for a := range answers {
		if a.err == nil {
			a.err = took(a.run)
		}
		if a.err != nil && !errors.Is(a.err, task.ErrRunNotFound) && first == nil {
			first = a.err
			close(stop)
		}
	}
	return first
}
