package task

import (
	"time"

	"github.com/google/uuid"
)

// An Event is the record of a change to a task, or of a request to run it. It is written in one step with that.
type Event struct {
	// ID is given by the store, in the order of recording, from 1.
	ID int64
	// Time is when.
	Time time.Time
	// Action is what was done.
	Action Action
	// TaskID and TaskName name the task, as it was called then.
	TaskID   uuid.UUID
	TaskName string
	// RunID is the run that was asked for or canceled. 0: none was.
	RunID RunID
	// Actor is who; Peer from where; Reason why. Any may be empty.
	Actor, Peer, Reason string
	// Before and After are the fields that changed, as JSON objects with the names of the API's TaskMetadata;
	// triggers are in their text form. Nil: nothing.
	Before, After []byte
}

// Action is what an Event tells of. Stores keep the numbers: they are never reused.
type Action int

const (
	// TaskDeclared: a program declared a task that was not there.
	TaskDeclared Action = 1
	// DeclarationChanged: a program declared a task otherwise than before, or again.
	DeclarationChanged Action = 2
	// DeclarationRefused: a program with a lower revision declared a task otherwise, not at all, or again.
	DeclarationRefused Action = 3
	// OverrideYielded: an override ended because the declared trigger changed.
	OverrideYielded Action = 4
	// OverrideExpired: an override ended because its time came.
	OverrideExpired Action = 5
	// TaskOrphaned: a program no longer declares the task.
	TaskOrphaned Action = 6
	// TaskRenamed: a program declares the task under another name.
	TaskRenamed Action = 7
	// TaskCreated, TaskUpdated, TaskDeleted, TriggerUpdated, TriggerReset, TaskPaused, TaskResumed,
	// RunRequested, RunCanceled and BackfillRequested are the calls; the daemon itself pauses and resumes too.
	TaskCreated       Action = 8
	TaskUpdated       Action = 9
	TaskDeleted       Action = 10
	TriggerUpdated    Action = 11
	TriggerReset      Action = 12
	TaskPaused        Action = 13
	TaskResumed       Action = 14
	RunRequested      Action = 15
	RunCanceled       Action = 16
	BackfillRequested Action = 17
)

// AuditQuery selects events.
type AuditQuery struct {
	// TaskID restricts to events of one task. Zero: all tasks.
	TaskID uuid.UUID
	// Before restricts to events with a lower id. Zero: all.
	Before int64
	// Limit is how many at most. It must be positive.
	Limit int
}

// TaskDiff is what a config file would change in a task: an Event that has not come to pass.
type TaskDiff struct {
	TaskName      string
	Action        Action
	Reason        string
	Before, After []byte
}
