package task

import (
	"time"

	"github.com/google/uuid"
)

// AttemptRef names an attempt of a run.
type AttemptRef struct {
	Run     RunID
	Attempt int
}

// Bounds of a lease: how long a worker is trusted without an answer.
const (
	MinWorkerLease = 100 * time.Millisecond
	MaxWorkerLease = time.Hour
)

// MaxPlaces is how many attempts a worker makes at the same time at most.
const MaxPlaces = 10_000

// Hello is what a worker says of itself when it connects.
type Hello struct {
	// ID is made by the process when it starts, and kept when it connects again.
	ID uuid.UUID
	// Name is for people. It need not be unique.
	Name string
	// Peer is from where it connects.
	Peer string
	// Tasks are the names of the tasks that it runs, in order, each once.
	Tasks []string
	// Revision is the version of the worker. 0: none.
	Revision int64
	// Places is how many attempts it makes at the same time: 1 to MaxPlaces.
	Places int
	// Held is what it holds of an earlier connection.
	Held []AttemptRef
}

// Worker is a worker that is connected, or was less than a lease ago.
type Worker struct {
	Hello
	// Held of the Hello is what it holds now. ConnectTime is when it connected first.
	ConnectTime time.Time
	// LeaseExpireTime is when it is lost, unless it answers a ping until then.
	LeaseExpireTime time.Time
	// Draining says that it takes nothing new, Disconnected that its connection has ended.
	Draining, Disconnected bool
}

// Order is what the daemon says to a worker. Exactly one field is set.
type Order struct {
	Assign *Assignment
	// Cancel says to stop an attempt.
	Cancel *Cancel
	// Recorded says that a result need not be kept any more.
	Recorded *Recorded
	// Ping is a number to be answered. They begin with 1.
	Ping int64
	// Drain says that the daemon stops.
	Drain bool
}

// Assignment is an attempt that a worker is to make.
type Assignment struct {
	AttemptRef
	TaskID        uuid.UUID
	TaskName      string
	ScheduledTime time.Time
	// Input is JSON. Nil: none.
	Input []byte
	// Timeout is how long it may take from now. Zero: as long as it likes.
	Timeout time.Duration
}

// Cancel says that an attempt is to be stopped.
type Cancel struct {
	AttemptRef
	// Reason is for people.
	Reason string
}

// Recorded says that a result was taken. Late: it changes nothing, because the worker does not hold the attempt.
type Recorded struct {
	AttemptRef
	Late bool
}

// Result is how an attempt at a worker has ended.
type Result struct {
	AttemptRef
	// Output is JSON. Nil: none.
	Output []byte
	// Error says what went wrong. Empty: nothing.
	Error string
}

// GiveBack says that a worker does not make an attempt, or does not go on with it.
type GiveBack struct {
	AttemptRef
	Reason string
	// Started says that it has begun.
	Started bool
}

// Announcement is a task that a worker declares.
type Announcement struct {
	// Declaration has a Spec whose Worker is set; its Target is filled in by whoever knows the spec's kind.
	Declaration Declaration
	// Revision is the version of the worker. 0: none.
	Revision int64
	// Worker is the name of the worker, and Peer from where it is connected.
	Worker, Peer string
}

// Progress is how far an attempt has come.
type Progress struct {
	Attempt int
	// Fraction is how much is done, 0 to 1. Negative: not known.
	Fraction float64
	// Message says it in words.
	Message string
}
