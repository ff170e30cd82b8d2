// Package target is the port to what a run does: it starts one attempt and reports its end. The
// adapters are in the folders below it: a Go function, a command, an HTTP call, a gRPC call, a worker.
package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Target does the work of a task. Its methods may be called at the same time.
type Target interface {
	// Describe says, for people, what it does. It never shows a secret.
	Describe() task.Target

	// Do makes one attempt and returns when all of it has ended. The output is JSON or nil; it may come
	// with an error. When ctx ends, Do stops as soon as it can and returns; context.Cause(ctx) says why:
	// ErrTimeout, ErrCanceled or ErrStopping.
	Do(ctx context.Context, a Attempt) (output []byte, err error)
}

// Checked is a Target that can say what is wrong with an input before a run is made of it.
type Checked interface {
	Target
	// CheckInput returns a task.InvalidError, with the fields "input" and what is in it. input is JSON or, for none, nil.
	CheckInput(input []byte) error
}

// Placed is a Target whose work is done elsewhere, where there are only so many places for it: at workers.
type Placed interface {
	Target
	// Reserve takes a place for an attempt of a task. Nil: none is free; whoever gave it the Target is told when that
	// may have changed. It does not block.
	Reserve(taskName string) Place
}

// Place is where one attempt can be made. Either Do is called, once, or Release.
type Place interface {
	// Worker is the name of who makes the attempt.
	Worker() string
	// Do is that of a Target, there. An error may be a *LostError.
	Do(ctx context.Context, a Attempt) (output []byte, err error)
	// Release gives the place back.
	Release()
}

// LostError is the end of an attempt of which nobody knows how it has ended: who made it was lost, or gave it up. It
// is made again or ends as Lost, as its task says.
type LostError struct {
	// Why says what happened, for people.
	Why string
	// NotStarted says that the attempt is known not to have begun.
	NotStarted bool
}

func (e *LostError) Error() string { return e.Why }

// Attempt is what a target is told of the run.
type Attempt struct {
	RunID         task.RunID
	TaskID        uuid.UUID
	TaskName      string
	ScheduledTime time.Time
	// Number counts from 1.
	Number int
	// Input is JSON. Nil: none.
	Input []byte
	// Write is told what the attempt writes, as it does, for those who follow the run. It does not block, and
	// does not keep data. Nil: nobody can follow it.
	Write func(stream task.OutputStream, data []byte)
	// Report is told how far the attempt has come; the Attempt of the progress is filled in. It does not block. Nil:
	// nobody can follow it.
	Report func(task.Progress)
}

// Why the context of an attempt ended.
var (
	// ErrTimeout: the attempt took longer than its task allows.
	ErrTimeout = errors.New("timed out")
	// ErrCanceled: a caller canceled the run.
	ErrCanceled = errors.New("canceled")
	// ErrStopping: the daemon stops, and its grace period is over.
	ErrStopping = errors.New("daemon is stopping")
)

// PanicError is the end of an attempt that panicked.
type PanicError struct {
	// Value is what was handed to panic, printed.
	Value string
	// Stack is for the daemon's log and never leaves it.
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %s", e.Value) }
