package daemon

import (
	"io"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
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
	// Group is a name under which tasks belong together: see Config.Groups.
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

// Target is what a run of a task does. Make one with [Func] or [Worker].
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
	// Input is what the call handed in, as JSON. Nil: nothing. See the type Input for a decoded one.
	Input []byte
	// Output takes what is to be read by those who follow the run, with client.FollowRun or clockctl logs: it comes to
	// them as standard output, as it is written, and is not kept. It is never nil and never fails, and may be written
	// to by several goroutines until the function returns. Wrap it in a slog.Handler for a log.
	Output io.Writer
}

// declaration is the task as the engine takes it, with what its group adds.
func (t *Task) declaration(groups map[string]Group) task.Declaration {
	d := task.Declaration{
		Name: t.Name, Description: t.Description, Group: t.Group, Labels: t.Labels,
		Trigger: t.Trigger, Policy: t.Policy,
	}
	if t.Do != nil {
		d.Target = t.Do.Describe()
	}
	return d.In(groups[t.Group])
}
