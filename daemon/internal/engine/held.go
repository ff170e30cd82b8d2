package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// elsewhere says which node to ask about a task that this one can not run, if there is one: what is decided about its
// trigger depends on what that one knows. The error is a *task.HeldError, or that of the store.
func (e *Engine) elsewhere(ctx context.Context, t *task.Task) error {
	e.resolve(ctx)
	if e.node == nil || t.State == task.Orphaned || e.know(t) != nil {
		return nil
	}
	nodes, err := e.node.store.Nodes(ctx)
	if err != nil {
		return err
	}
	var others []task.Node
	for _, o := range nodes {
		if o.State == task.Alive && o.ID != e.Self() && o.Address != "" && (t.Origin.Lives() || o.Revision == t.Revision) {
			others = append(others, o)
		}
	}
	if len(others) == 0 {
		return nil
	}
	o := others[rand.IntN(len(others))]
	return &task.HeldError{Tasks: []task.HeldTask{{TaskID: t.ID, Node: o.ID, Address: o.Address}}}
}

// inOtherHands says which node has a run in hand that has not ended, if this one has not. The error is a *task.HeldError,
// or that of the store.
func (e *Engine) inOtherHands(ctx context.Context, run *task.Run) error {
	if e.node == nil || run.Node == e.Self() {
		return nil
	}
	held := task.HeldTask{TaskID: run.TaskID}
	if run.Node != uuid.Nil {
		nodes, err := e.node.store.Nodes(ctx)
		if err != nil {
			return err
		}
		for _, o := range nodes {
			if o.ID == run.Node && o.State == task.Alive {
				held.Node, held.Address = o.ID, o.Address
			}
		}
	}
	return &task.HeldError{Tasks: []task.HeldTask{held}}
}

// notHeld drops an error that says that another node holds a task.
func notHeld(err error) error {
	if errors.Is(err, task.ErrHeld) {
		return nil
	}
	return err
}

func isRunGone(err error) bool { return errors.Is(err, task.ErrRunNotFound) }

// lookout says when whoever waits for the end of a run is to look for it in the store: it may be in the hands of another
// node. Nil: never.
type lookout struct {
	timer *time.Timer
	pause time.Duration
}

func (e *Engine) lookouts() *lookout {
	if e.node == nil {
		return nil
	}
	const first = 100 * time.Millisecond
	return &lookout{timer: time.NewTimer(first), pause: first}
}

func (l *lookout) c() <-chan time.Time {
	if l == nil {
		return nil
	}
	return l.timer.C
}

func (l *lookout) next() {
	l.pause = min(2*l.pause, 2*time.Second)
	l.timer.Reset(l.pause)
}

func (l *lookout) stop() {
	if l != nil {
		l.timer.Stop()
	}
}
