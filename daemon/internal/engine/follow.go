package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/task"
)

// FollowRun hands send what a run writes, from the beginning as far as that is kept, and returns the run as it ended.
// A run that has not started is waited for. Of one that has ended send gets what its output holds. Errors:
// task.ErrRunNotFound, task.ErrStarting, task.ErrStopping, task.ErrUnavailable, ctx's and send's.
func (e *Engine) FollowRun(ctx context.Context, id task.RunID, send func(task.Output) error) (task.Run, error) {
	if err := e.up(); err != nil {
		return task.Run{}, err
	}
	// Whoever tells of the end closes the outputs after that: one of the two is heard.
	ended := e.await(id)
	defer e.forget(id, ended)
	run, err := e.store.Run(ctx, id)
	if err != nil {
		return task.Run{}, err
	}
	if run.State.Ended() {
		return run, sendKept(&run, send)
	}
	e.outputs.Open(id)
	select {
	case run := <-ended:
		e.outputs.Close(id)
		ended <- run // has room for one
	default:
	}
	_, err = e.outputs.Follow(ctx, id, send)
	if err != nil && !errors.Is(err, task.ErrStopping) {
		return task.Run{}, err
	}
	return e.hear(ctx, id, ended)
}

// sendKept hands over what the output of a command holds.
func sendKept(run *task.Run, send func(task.Output) error) error {
	var kept struct {
		Stdout        string `json:"stdout"`
		Stderr        string `json:"stderr"`
		StdoutDropped int64  `json:"stdout_dropped"`
		StderrDropped int64  `json:"stderr_dropped"`
	}
	if json.Unmarshal(run.Output, &kept) != nil {
		return nil // it is no command's
	}
	for _, o := range []task.Output{
		{Stream: task.Stdout, Data: []byte(kept.Stdout), Dropped: kept.StdoutDropped},
		{Stream: task.Stderr, Data: []byte(kept.Stderr), Dropped: kept.StderrDropped},
	} {
		o.Attempt = run.Attempt
		for all := o.Data; len(all) > 0 || o.Dropped > 0; o.Dropped = 0 {
			o.Data = all[:min(len(all), keptPiece)]
			all = all[len(o.Data):]
			if err := send(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptPiece is how many bytes are handed over at once.
const keptPiece = 32 << 10

// writer is what an attempt writes to. Memory is taken up with the first byte.
func (e *Engine) writer(a *active) func(task.OutputStream, []byte) {
	id, attempt := a.run.ID, a.run.Attempt
	tail := sync.OnceValue(func() *feed.Tail { return e.outputs.Open(id) })
	return func(stream task.OutputStream, data []byte) { tail().Write(stream, attempt, data) }
}
