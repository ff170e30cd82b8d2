package rpc

import (
	"context"
	"errors"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// maxBatchBytes ends a response of a stream: what is told together may be more. A thing that is larger goes
// alone.
const maxBatchBytes = 1<<20 - 1024 // with room for the token

// maxChunk is the most output that goes in one response, in bytes.
const maxChunk = 256 << 10

// A resumable is the part of a watch that knows where its caller is.
type resumable struct {
	list  listing
	from  task.WatchPosition // where the caller goes on from
	token string             // of all that was sent
	// synced says that all that is has been sent. Before that there is nowhere to go on from but where the watch
	// began: what is comes in an order of its own.
	synced bool
}

// resume reads where a watch begins.
func (c *check) resume(list listing, token string) (*resumable, task.WatchPosition) {
	position, problem := list.resumed(token)
	if problem != "" {
		c.add("resume_token", "%q %s", token, problem)
	}
	return &resumable{list: list, from: position, token: token}, position
}

// next returns the token to send with a part of what brings the watch to a position. Only the last part gets
// there: who goes on from an earlier one is told all of it again.
func (w *resumable) next(reset, synced, last bool, p task.WatchPosition) string {
	if reset && p != w.from {
		// What the caller had is of another store. Where it is only to forget what was open, it needs its token until
		// it is synced: who is cut off before that and begins anew is not told what has ended since.
		w.token = ""
	}
	w.synced = w.synced || synced
	if w.synced && last && p != (task.WatchPosition{}) {
		w.token = w.list.resume(p)
	}
	return w.token
}

// ended gives the end of a watch that was too slow the token to go on with.
func (w *resumable) ended(err error) error {
	if !errors.Is(err, task.ErrTooSlow) {
		return err
	}
	end := &task.TooSlowError{ResumeToken: w.token}
	if known, ok := errors.AsType[*task.TooSlowError](err); ok {
		end.Position = known.Position // for its text; the token is of what the caller was sent
	}
	return end
}

func (s tasks) WatchTasks(q *clockdv1.WatchTasksRequest, stream grpc.ServerStreamingServer[clockdv1.WatchTasksResponse]) error {
	return serveStream(stream, s.api, q, s.watchTasks)
}

func (s tasks) watchTasks(ctx context.Context, q *clockdv1.WatchTasksRequest, send func(*clockdv1.WatchTasksResponse) error) error {
	var c check
	w := task.TaskWatch{NamePrefix: c.namePrefix(q.GetFilter().GetNamePrefix())}
	if len(q.GetFilter().GetStates()) > 0 {
		c.add("filter.states", "a state changes, so that a watch can not be restricted by it: leave it empty")
	}
	at, resume := c.resume(listingOf("WatchTasks", w.NamePrefix), q.GetResumeToken())
	w.Resume = resume
	if err := c.err(); err != nil {
		return err
	}
	return at.ended(s.api.engine.WatchTasks(ctx, w, func(changes task.TaskChanges) error {
		all := wire.TaskChangesToProto(changes)
		parts := batches(all.GetTasks(), all.GetDeletedTaskIds())
		for i, part := range parts {
			last := i == len(parts)-1
			answer := &clockdv1.WatchTasksResponse{
				Tasks: part.there, DeletedTaskIds: part.gone, Reset_: changes.Reset && i == 0, Synced: changes.Synced && last,
			}
			answer.ResumeToken = at.next(answer.GetReset_(), answer.GetSynced(), last, changes.Position)
			if err := send(answer); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s runs) WatchRuns(q *clockdv1.WatchRunsRequest, stream grpc.ServerStreamingServer[clockdv1.WatchRunsResponse]) error {
	return serveStream(stream, s.api, q, s.watchRuns)
}

func (s runs) watchRuns(ctx context.Context, q *clockdv1.WatchRunsRequest, send func(*clockdv1.WatchRunsResponse) error) error {
	var c check
	ref := c.taskIfAny(q)
	// The task counts as it was named, as in ListRuns.
	at, resume := c.resume(listingOf("WatchRuns", q.GetTaskId(), q.GetTaskName()), q.GetResumeToken())
	if err := c.err(); err != nil {
		return err
	}
	return at.ended(s.api.engine.WatchRuns(ctx, ref, task.RunWatch{Resume: resume}, func(changes task.RunChanges) error {
		all := wire.RunChangesToProto(changes)
		parts := batches(all.GetRuns(), all.GetDeletedRunIds())
		for i, part := range parts {
			last := i == len(parts)-1
			answer := &clockdv1.WatchRunsResponse{
				Runs: part.there, DeletedRunIds: part.gone, Reset_: changes.Reset && i == 0, Synced: changes.Synced && last,
			}
			answer.ResumeToken = at.next(answer.GetReset_(), answer.GetSynced(), last, changes.Position)
			if err := send(answer); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A batch is what goes in one response: things that are there, or the ids of things that are gone.
type batch[M any] struct {
	there []M
	gone  []string
}

// batches cuts what there is to tell into batches. There is always one, which may be empty.
func batches[M proto.Message](there []M, gone []string) []batch[M] {
	var list []batch[M]
	for _, part := range cut(there, func(m M) int { return proto.Size(m) }) {
		list = append(list, batch[M]{there: part})
	}
	for _, part := range cut(gone, func(id string) int { return len(id) }) {
		list = append(list, batch[M]{gone: part})
	}
	if len(list) == 0 {
		list = append(list, batch[M]{})
	}
	return list
}

// cut cuts a list into parts that stay below maxBatchBytes, unless one thing alone passes that.
func cut[T any](list []T, size func(T) int) [][]T {
	const overhead = 8 // of each, at most: its tag and length
	var parts [][]T
	from, bytes := 0, 0
	for i, v := range list {
		more := size(v) + overhead
		if i > from && bytes+more > maxBatchBytes {
			parts = append(parts, list[from:i])
			from, bytes = i, 0
		}
		bytes += more
	}
	if from < len(list) {
		parts = append(parts, list[from:])
	}
	return parts
}

func (s runs) FollowRun(q *clockdv1.FollowRunRequest, stream grpc.ServerStreamingServer[clockdv1.FollowRunResponse]) error {
	return serveStream(stream, s.api, q, s.followRun)
}

func (s runs) followRun(ctx context.Context, q *clockdv1.FollowRunRequest, send func(*clockdv1.FollowRunResponse) error) error {
	var c check
	id := c.runID(q.GetRunId())
	if err := c.err(); err != nil {
		return err
	}
	run, err := s.api.engine.FollowRun(ctx, id, func(o task.Output) error {
		if o.Progress != nil {
			return send(&clockdv1.FollowRunResponse{Progress: wire.ProgressToProto(*o.Progress)})
		}
		for {
			part := o
			part.Data = o.Data[:min(len(o.Data), maxChunk)]
			if err := send(&clockdv1.FollowRunResponse{Chunk: wire.OutputToProto(part)}); err != nil {
				return err
			}
			o.Data, o.Dropped = o.Data[len(part.Data):], 0
			if len(o.Data) == 0 {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	return send(&clockdv1.FollowRunResponse{Run: wire.RunToProto(run)})
}
