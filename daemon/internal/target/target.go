// Package target is the port to what a run does: it starts one attempt and reports its end. The
// adapters are in the folders below it: a Go function, a command, an HTTP call.
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
