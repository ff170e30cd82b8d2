package client

import (
	"context"
	"iter"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

// RunOptions say how a task is run by a call. The zero RunOptions are the default.
type RunOptions struct {
	// Input is what the run gets, marshaled by encoding/json: hand in JSON that is ready as
	// json.RawMessage. Nil: nothing. Numbers travel as float64, and one that would arrive as another is
	// refused (task.ErrInvalid).
	Input any
	// RequestID makes repeated calls return the same run, for as long as that run is kept. Zero: RunTask
	// makes one, so that a repetition after a broken connection starts nothing twice. Set it to repeat
	// the call yourself after an error whose outcome is not known.
	RequestID uuid.UUID
	// Wait says to answer when the run has ended, else as soon as it is recorded. The call then takes as
	// long as the run; when ctx ends, the run goes on.
	Wait bool
	// Overlap is the policy for this run alone. Nil: the task's.
	Overlap *task.Overlap
}

// RunTask starts a run of a task now; the trigger's clock does not move. A run that failed, or that was
// skipped because another is going, is no error of the call: look at its State.
//
// task.ErrTaskNotFound; task.ErrOrphaned: no live node can run it; task.ErrInvalid: the input can not be
// sent, or RequestID was used for another task.
func (c *Client) RunTask(ctx context.Context, ref task.Ref, o RunOptions) (task.Run, error) {
	input, err := valueOf("input", o.Input)
	if err != nil {
		return task.Run{}, err
	}
	if o.RequestID == uuid.Nil {
		o.RequestID, err = uuid.NewRandom()
		if err != nil {
			return task.Run{}, err
		}
	}
	req := &clockdv1.RunTaskRequest{
		Input:     input,
		RequestId: o.RequestID.String(),
		Wait:      o.Wait,
		Overlap:   wire.OverlapToProto(o.Overlap),
	}
	setTask(req, ref)
	resp, err := invoke(ctx, c, c.tasks.RunTask, req)
	return runOf(resp, err)
}

// RunFilter selects runs. The zero RunFilter selects all.
type RunFilter struct {
	// Task restricts to the runs of one task. Zero: all tasks.
	Task task.Ref
	// States restricts to runs in one of these states. Empty: all.
	States []task.RunState
}

// Runs goes through the runs, the newest first, without their Input and Output: [Client.Run] has them.
// It reads a page at a time. After an error, which comes with a zero run, it ends. Each use of the
// sequence starts anew. task.ErrTaskNotFound if the filter names a task that is not there.
func (c *Client) Runs(ctx context.Context, f RunFilter) iter.Seq2[task.Run, error] {
	return pages(func(token string) ([]task.Run, string, error) {
		return c.RunsPage(ctx, f, iteratorPage, token)
	})
}

// RunsPage returns one page of what [Client.Runs] goes through, and the token of the next, which is
// empty after the last. A page may hold fewer runs than asked for, even none, and not be the last. A
// pageSize of 0 means 100, more than 1000 means 1000. An empty pageToken asks for the first page; a
// token belongs to its filter, and with another it is refused (task.ErrInvalid).
func (c *Client) RunsPage(ctx context.Context, f RunFilter, pageSize int, pageToken string) (runs []task.Run, next string, err error) {
	req := &clockdv1.ListRunsRequest{PageSize: clampPage(pageSize), PageToken: pageToken}
	for _, s := range f.States {
		req.States = append(req.States, wire.RunStateToProto(s))
	}
	setTask(req, f.Task)
	resp, err := invoke(ctx, c, c.runs.ListRuns, req)
	if err != nil {
		return nil, "", err
	}
	runs, err = each(resp.GetRuns(), wire.RunFromProto)
	return runs, resp.GetNextPageToken(), unreadable(err)
}

// Run returns one run whole. task.ErrRunNotFound.
func (c *Client) Run(ctx context.Context, id task.RunID) (task.Run, error) {
	resp, err := invoke(ctx, c, c.runs.GetRun, &clockdv1.GetRunRequest{RunId: id.String()})
	return runOf(resp, err)
}

// CancelRun ends a run and returns it when it has ended; one that had ended before is returned as it
// is. The reason, at most 1024 bytes, becomes part of its Error. If ctx ends first, the run is being
// canceled all the same. task.ErrRunNotFound.
func (c *Client) CancelRun(ctx context.Context, id task.RunID, reason string) (task.Run, error) {
	resp, err := invoke(ctx, c, c.runs.CancelRun, &clockdv1.CancelRunRequest{RunId: id.String(), Reason: reason})
	return runOf(resp, err)
}

// FollowRun hands on what a run writes to its standard output and standard error, from the beginning as far as
// it is kept and then as it is written, and how far it says that it has come, and returns the run as it ended, with
// its Output. A run that has not started is waited for; a function may write nothing, and an HTTP call does not
// before its end. A caller that takes its time is told how much it has missed: see task.Output.Dropped. It ends
// early with the error of f, which is called by one goroutine and may keep Data, or with task.ErrRunNotFound,
// task.ErrStopping, [ErrNoDaemon] or the error of ctx; the run goes on.
func (c *Client) FollowRun(ctx context.Context, id task.RunID, f func(task.Output) error) (task.Run, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream if f does not want more of it
	defer cancel()
	stream, err := open(ctx, c, c.runs.FollowRun, &clockdv1.FollowRunRequest{RunId: id.String()})
	if err != nil {
		return task.Run{}, err
	}
	for {
		resp, err := receive(c, stream)
		if err != nil {
			return task.Run{}, err
		}
		if resp.GetRun() != nil {
			return runOf(resp, nil)
		}
		var told task.Output
		if resp.GetProgress() != nil {
			p := wire.ProgressFromProto(resp.GetProgress())
			told.Progress = &p
		} else if told, err = wire.OutputFromProto(resp.GetChunk()); err != nil {
			return task.Run{}, unreadable(err)
		}
		if err := f(told); err != nil {
			return task.Run{}, err
		}
	}
}
