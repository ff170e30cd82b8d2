package feed

import (
	"context"
	"sync"

	"github.com/clockd/clockd/daemon/task"
)

// Outputs are what the runs that go here write, and how far they have come, for those who follow them. A run is opened by whoever has charge of
// it, before its first attempt, and closed when it has ended, so that it can be followed all that time, waits and
// further attempts included. Its methods may be called at the same time.
type Outputs struct {
	mu   sync.Mutex
	open map[task.RunID]*Tail
	err  error // what Stop was given
}

// NewOutputs returns Outputs of no runs.
func NewOutputs() *Outputs { return &Outputs{open: map[task.RunID]*Tail{}} }

// Open returns where the run writes. It costs little: memory is taken up as it is written. A run that is
// open stays so, with what it has written.
func (o *Outputs) Open(id task.RunID) *Tail {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.open[id]
	if t == nil {
		t = &Tail{}
		o.open[id] = t
	}
	return t
}

// Close says that the run writes no more, and lets go of what it has written. Those who follow it read it to the
// end. To close what is not open does nothing.
func (o *Outputs) Close(id task.RunID) {
	o.mu.Lock()
	t := o.open[id]
	delete(o.open, id)
	o.mu.Unlock()
	if t != nil {
		t.end()
	}
}

// Follow hands send what the run has written, as far as it is kept, and then what it writes, and how far it has come
// whenever that changes; of that, what is old when send has returned is left out. It calls send in this
// goroutine, with Data that is send's to keep and of at most 32 KiB. Within a stream the order is that
// of writing; between the two it is kept only between attempts and between one moment of waiting and the next.
//
// It returns true and no error when the run has been closed and all was sent, and false if it is not open. Errors
// are those of ctx and send, and what Stop was given.
func (o *Outputs) Follow(ctx context.Context, id task.RunID, send func(task.Output) error) (found bool, err error) {
	o.mu.Lock()
	t, err := o.open[id], o.err
	o.mu.Unlock()
	if err != nil || t == nil {
		return t != nil, err
	}
	var f follower
	for {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		piece, state := t.next(&f)
		switch {
		case len(piece.Data) > 0 || piece.Progress != nil:
			if err := send(piece); err != nil {
				return true, err
			}
		case state.err != nil:
			return true, state.err
		case state.ended:
			return true, nil
		default:
			select {
			case <-state.changed:
			case <-ctx.Done():
			}
		}
	}
}

// Clear closes all runs.
func (o *Outputs) Clear() {
	o.mu.Lock()
	open := o.open
	o.open = map[task.RunID]*Tail{}
	o.mu.Unlock()
	for _, t := range open {
		t.end()
	}
}

// Stop ends all that follow with err when they have read what there is, and whoever begins to later, at once. Runs
// can still write and be closed. Only the first call counts.
func (o *Outputs) Stop(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	o.err = err
	for _, t := range o.open {
		t.stop(err)
	}
}
