package daemon

import (
	"context"
	"reflect"
	"runtime"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/function"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// A Task is something to run, and when.
type Task struct {
	// Name is unique in the namespace and makes the task's id: 1 to 200 bytes of UTF-8 without control
	// characters and without a space at either end. Another name is another task.
	Name string
	// FormerNames are what the task was called before. If the store has it under one of them, and nothing declares that
	// any more, the task keeps its history, override and pause, under the id of its new name.
	FormerNames []string
	// Description is a sentence for people.
	Description string
	// Group is a name under which tasks belong together.
	Group string
	// Labels are free words of the user.
	Labels map[string]string
	// Trigger says when the task fires, unless a caller put another in force. Required.
	Trigger schedule.Trigger
	// Do is the work. Required.
	Do Target
	// Policy says how fires become runs. The zero Policy skips a fire while the run before is going, makes
	// one run of all fires that were missed, starts a run again whose process died, and has no timeout.
	Policy task.Policy
}

// Target is what a run of a task does. Make one with [Func].
type Target = target.Target

// Run is what a function is told of the run that it is called for.
type Run struct {
	// ID names the run in the store.
	ID task.RunID
	// TaskID and TaskName name the task.
	TaskID   uuid.UUID
	TaskName string
	// ScheduledTime is the instant for which the run was planned, in UTC; of a call, when it was made.
	ScheduledTime time.Time
	// Attempt counts from 1. More than 1 means that the process died in an attempt before.
	Attempt int
	// Input is what the call handed in, as JSON. Nil: nothing.
	Input []byte
}

// Func makes a Go function the work of a task. What it returns is marshalled with encoding/json and kept as
// the output of the run; nil is no output. An error fails the run, and so does a panic, which ends nothing
// else. f may be called at the same time if the task's policy lets runs overlap, or a caller does.
//
// f must return when ctx ends; context.Cause(ctx) says why it did: the task's timeout, a caller who canceled
// the run, or the stop of the daemon. A function that does not return holds up the stop for two grace
// periods and is then left behind.
func Func(f func(ctx context.Context, run Run) (any, error)) Target {
	if f == nil {
		return nil
	}
	name := "func"
	if pc := runtime.FuncForPC(reflect.ValueOf(f).Pointer()); pc != nil {
		name = pc.Name()
	}
	return function.New(name, func(ctx context.Context, a target.Attempt) (any, error) {
		return f(ctx, Run{
			ID: a.RunID, TaskID: a.TaskID, TaskName: a.TaskName,
			ScheduledTime: a.ScheduledTime, Attempt: a.Number, Input: a.Input,
		})
	})
}

// declaration is the task as the engine takes it.
func (t *Task) declaration() task.Declaration {
	d := task.Declaration{
		Name: t.Name, Description: t.Description, Group: t.Group, Labels: t.Labels,
		Trigger: t.Trigger, Policy: t.Policy,
	}
	if t.Do != nil {
		d.Target = t.Do.Describe()
	}
	return d
}
