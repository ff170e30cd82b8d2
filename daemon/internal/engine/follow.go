package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/task"
)

// FollowRun hands send what a run writes, from the beginning as far as that is kept, and how far it has come, and
// returns the run as it ended. A run that has not started is waited for. Of one that has ended send gets what its output holds. Errors:
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
	if err := e.inOtherHands(ctx, &run); err != nil {
		return task.Run{}, err
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

// telling is where an attempt writes, and says how far it has come. Memory is taken up with the first byte. What is
// told after the end is dropped: who made the attempt may have been given up, and not know it.
type telling struct {
	outputs *feed.Outputs
	id      task.RunID
	attempt int

	mu   sync.Mutex
	tail *feed.Tail
	over bool
}

func (e *Engine) telling(a *active) *telling {
	return &telling{outputs: e.outputs, id: a.run.ID, attempt: a.run.Attempt}
}

func (t *telling) write(stream task.OutputStream, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open() {
		t.tail.Write(stream, t.attempt, data)
	}
}

func (t *telling) report(p task.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open() {
		p.Attempt = t.attempt
		t.tail.Report(p)
	}
}

// open reports whether the attempt has not ended, in which case there is a tail. It needs mu.
func (t *telling) open() bool {
	if t.tail == nil && !t.over {
		t.tail = t.outputs.Open(t.id)
	}
	return !t.over
}

func (t *telling) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}
