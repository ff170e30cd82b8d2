package client

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// How long a watch waits before it takes up again what broke off: the first time, and at most.
const (
	firstWatchWait   = 50 * time.Millisecond
	longestWatchWait = 5 * time.Second
)

// TaskWatch says which tasks to watch. The zero TaskWatch watches all, beginning with what is.
type TaskWatch struct {
	// NamePrefix restricts to tasks whose name starts with it. Empty: all.
	NamePrefix string
	// ResumeToken is the last of an earlier watch with the same NamePrefix, of whatever client: tells what has
	// changed since. Empty: begin with what is.
	ResumeToken string
	// Away is told why the watch has broken off, each time that it has or that taking it up again has failed, and
	// then once with nil: it goes on. The loop's goroutine calls it, and waits for it. Not told of what ends the
	// watch. Nil: nobody is told.
	Away func(why error)
}

// TaskChanges is a part of what is, or some changes.
type TaskChanges struct {
	// Tasks are as they are, or have become, in the order of the changes.
	Tasks []task.Task
	// Deleted are tasks that are no more: deleted, or renamed and thereby another task. Never together with
	// Tasks.
	Deleted []uuid.UUID
	// Reset says to forget what is known: what follows is all that is. Always in the first of a watch without
	// a ResumeToken, and where what was deleted meanwhile is not known any more.
	Reset bool
	// Synced says that all that is has been told: from here on each is a change. Once for each time that the
	// watch begins or goes on after it broke off.
	Synced bool
	// ResumeToken is where this has brought the watch. Empty: nowhere from where it could go on.
	ResumeToken string
}

// WatchTasks tells what is, and then each change, in order, until the loop over it ends or ctx does. If the
// daemon goes away, or the loop is too slow for it, the watch goes on by itself when it can, from where it was:
// nothing is lost, and some may be told again. It ends with an error if ctx ends, if no daemon answers in the
// beginning, or if the daemon says that it cannot go on: task.ErrInvalid of a ResumeToken that is not its own
// or has another NamePrefix. The error comes with a zero TaskChanges.
func (c *Client) WatchTasks(ctx context.Context, w TaskWatch) iter.Seq2[TaskChanges, error] {
	read := func(resp *clockdv1.WatchTasksResponse) (TaskChanges, string, error) {
		got, err := wire.TaskChangesFromProto(resp)
		return TaskChanges{
			Tasks: got.Tasks, Deleted: got.Deleted, Reset: got.Reset, Synced: got.Synced, ResumeToken: resp.GetResumeToken(),
		}, resp.GetResumeToken(), err
	}
	return watch(ctx, c, w.ResumeToken, w.Away, c.tasks.WatchTasks, func(token string) *clockdv1.WatchTasksRequest {
		req := &clockdv1.WatchTasksRequest{ResumeToken: token}
		if w.NamePrefix != "" {
			req.Filter = &clockdv1.TaskFilter{NamePrefix: w.NamePrefix}
		}
		return req
	}, read)
}

// RunWatch says which runs to watch. The zero RunWatch watches all, beginning with those that have not ended.
type RunWatch struct {
	// Task restricts to the runs of one task. Zero: all tasks.
	Task task.Ref
	// ResumeToken is the last of an earlier watch of the same task, named in the same way, of whatever client:
	// tells of every run that was recorded or has changed since. Empty: begin with the runs that have not ended.
	ResumeToken string
	// Away is that of TaskWatch.
	Away func(why error)
}

// RunChanges is a part of what is, or some changes.
type RunChanges struct {
	// Runs are as they are, or have become, in the order of the changes, without Input and Output.
	Runs []task.Run
	// TakenBack are runs that were recorded and never were, because their task was changed before their instant.
	// Never together with Runs. Runs that retention deletes are not told of.
	TakenBack []task.RunID
	// Reset says to forget the runs that had not ended: what follows is all that have not. Always in the first
	// of a watch without a ResumeToken, and where what was taken back meanwhile is not known.
	Reset bool
	// Synced says that all has been told: from here on each is a change. Once for each time that the watch
	// begins or goes on after it broke off.
	Synced bool
	// ResumeToken is where this has brought the watch. Empty: nowhere from where it could go on.
	ResumeToken string
}

// WatchRuns tells of the runs that have not ended, and then of each run that is recorded and each change to
// one, in order. It goes on and ends as [Client.WatchTasks] does, and with task.ErrTaskNotFound if the task is
// not there.
func (c *Client) WatchRuns(ctx context.Context, w RunWatch) iter.Seq2[RunChanges, error] {
	read := func(resp *clockdv1.WatchRunsResponse) (RunChanges, string, error) {
		got, err := wire.RunChangesFromProto(resp)
		return RunChanges{
			Runs: got.Runs, TakenBack: got.TakenBack, Reset: got.Reset, Synced: got.Synced, ResumeToken: resp.GetResumeToken(),
		}, resp.GetResumeToken(), err
	}
	return watch(ctx, c, w.ResumeToken, w.Away, c.runs.WatchRuns, func(token string) *clockdv1.WatchRunsRequest {
		req := &clockdv1.WatchRunsRequest{ResumeToken: token}
		setTask(req, w.Task)
		return req
	}, read)
}

// watch reads one stream after the other, each from where the last had come to.
func watch[Req, Resp, Changes any](
	ctx context.Context, c *Client, first string, tell func(why error),
	rpc func(context.Context, *Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Resp], error),
	request func(token string) *Req, read func(*Resp) (changes Changes, token string, err error),
) iter.Seq2[Changes, error] {
	return func(yield func(Changes, error) bool) {
		token, answered, wait, away := first, false, firstWatchWait, false
		for {
			done, err := once(ctx, c, rpc, request(token), func(resp *Resp) (bool, error) {
				changes, reached, err := read(resp)
				if err != nil {
					return false, unreadable(err)
				}
				token, answered, wait = reached, true, firstWatchWait
				if away && tell != nil {
					tell(nil)
				}
				away = false
				return yield(changes, nil), nil
			})
			switch {
			case done:
				return
			case errors.Is(err, task.ErrInvalid) && answered && token != "" && token != first:
				token = "" // the daemon is another one now, and cannot read what it gave before: begin anew
			case !answered || !passes(err):
				var none Changes
				yield(none, err)
				return
			}
			if away = true; tell != nil {
				tell(err)
			}
			timer := time.NewTimer(wait - rand.N(wait/4))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				var none Changes
				yield(none, c.explain(status.FromContextError(ctx.Err()).Err()))
				return
			}
			wait = min(2*wait, longestWatchWait)
		}
	}
}

// once reads one stream, until take does not want more of it (done) or it breaks off.
func once[Req, Resp any](
	ctx context.Context, c *Client,
	rpc func(context.Context, *Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Resp], error),
	req *Req, take func(*Resp) (more bool, err error),
) (done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, c, rpc, req)
	if err != nil {
		return false, err
	}
	for {
		resp, err := receive(c, stream)
		if err != nil {
			return false, err
		}
		more, err := take(resp)
		if err != nil || !more {
			return err == nil, err
		}
	}
}

// passes reports whether what ended a watch passes by itself.
func passes(err error) bool {
	for _, class := range []error{task.ErrTooSlow, task.ErrUnavailable, task.ErrStarting, task.ErrStopping, ErrNoDaemon} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}
