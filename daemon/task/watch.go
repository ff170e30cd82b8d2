package task

import "github.com/google/uuid"

// TaskWatch says which tasks to watch.
type TaskWatch struct {
	// NamePrefix restricts to tasks whose name starts with it. Empty: all.
	NamePrefix string
	// Resume is where an earlier watch with the same restriction had come to. Zero: begin with what is.
	Resume WatchPosition
}

// RunWatch says which runs to watch.
type RunWatch struct {
	// TaskID restricts to runs of one task. Zero: all tasks.
	TaskID uuid.UUID
	// Resume is where an earlier watch with the same restriction had come to. Zero: begin with the runs that have
	// not ended.
	Resume WatchPosition
}

// WatchPosition is how far a watch has come. It is of the store, and outlives processes.
type WatchPosition struct {
	// Store is the store.
	Store uuid.UUID
	// Change is the number of the last commit that was told of whole.
	Change int64
	// OldestOpen is the lowest id of a run that can change after that commit.
	OldestOpen RunID
}

// TaskChanges is a part of what is, or some changes.
type TaskChanges struct {
	// Tasks are as they are, or have become, in the order of the changes. Never together with Deleted.
	Tasks []Task
	// Deleted are tasks that are no more under these ids.
	Deleted []uuid.UUID
	// Reset says to forget what is known: what follows is all that is. Only in the first.
	Reset bool
	// Synced says that all that is has been told. Once in a watch.
	Synced bool
	// Position is where this has brought the watch.
	Position WatchPosition
}

// RunChanges is a part of what is, or some changes.
type RunChanges struct {
	// Runs are as they are, or have become, in the order of the changes, without Input and Output. Never together
	// with TakenBack.
	Runs []Run
	// TakenBack are runs that never were.
	TakenBack []RunID
	// Reset says to forget the runs that had not ended: what follows is all that have not. Only in the first.
	Reset bool
	// Synced says that all has been told. Once in a watch.
	Synced bool
	// Position is where this has brought the watch.
	Position WatchPosition
}

// Output is a piece of what a run writes while it goes, or how far it has come.
type Output struct {
	Stream OutputStream
	// Data is as it was written; it may end within a character.
	Data []byte
	// Dropped is how many bytes of the stream before Data were not kept, or not read in time.
	Dropped int64
	// Attempt is which attempt wrote it.
	Attempt int
	// Progress is how far the run has come. Nil: this is output. If it is set, nothing else is.
	Progress *Progress
}

// OutputStream is a stream that a run writes.
type OutputStream int

const (
	// Stdout is standard output.
	Stdout OutputStream = 1
	// Stderr is standard error.
	Stderr OutputStream = 2
)
