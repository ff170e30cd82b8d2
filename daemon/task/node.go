package task

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Bounds of the lease of a node: how long the others trust it without a sign of life.
const (
	MinNodeLease = time.Second
	MaxNodeLease = time.Hour
)

// A Node is one daemon process of a cluster.
type Node struct {
	// ID is random, made when the process starts, and made anew if the node was given up meanwhile. It is never that
	// of a host: two processes must not take each other for themselves.
	ID uuid.UUID
	// Name is for people, such as the name of the host. It need not be unique.
	Name string
	// Address is where the other nodes reach its API. Empty: nowhere, so that what it holds can be changed only there.
	Address string
	// Version is that of the program, Revision that of its declarations; see Task.Revision.
	Version  string
	Revision int64
	// StartTime is when it joined.
	StartTime time.Time
	// Lease is how long the node is trusted without a sign of life, LeaseExpireTime until when it is now, by the clock
	// of the store.
	Lease           time.Duration
	LeaseExpireTime time.Time
	// State is how it stands. EndTime is since when it does not live any more; zero: it does.
	State   NodeState
	EndTime time.Time
	NodeLoad
}

// NodeLoad is what a node says of itself with each sign of life.
type NodeLoad struct {
	// Tasks is how many tasks it can run as far as it knows, Going how many runs make an attempt, Waiting how many are
	// due and wait for something, Workers how many workers are connected.
	Tasks, Going, Waiting, Workers int64
	// ClockOffset is by how much its clock is ahead of that of the store; it does not go by its own.
	ClockOffset time.Duration
	// Draining says that it stops: it claims nothing any more.
	Draining bool
}

// NodeState says how a node stands. Stores keep the numbers.
type NodeState int

const (
	// Alive nodes have a lease.
	Alive NodeState = 1
	// Left nodes have stopped in good order.
	Left NodeState = 2
	// GivenUp nodes have not given a sign of life for a whole lease. What they held is taken over by others, and what
	// they say late changes nothing.
	GivenUp NodeState = 3
)

// String returns the state in small letters.
func (s NodeState) String() string {
	switch s {
	case Alive:
		return "alive"
	case Left:
		return "left"
	case GivenUp:
		return "given up"
	}
	return fmt.Sprintf("node state %d", int(s))
}

// HeldError says that another node of the cluster has runs of a task in hand, so that only that one can do what was
// asked for. Its class is ErrHeld.
type HeldError struct {
	// Tasks are those that are held, in the order in which they were asked for.
	Tasks []HeldTask
}

// HeldTask is a task, and the node that holds it.
type HeldTask struct {
	TaskID uuid.UUID
	// Node holds it; zero: nobody does, because the node that did has ended, and another is about to. Address is where
	// Node is reached; empty: nowhere.
	Node    uuid.UUID
	Address string
}

func (e *HeldError) Error() string {
	h := e.Tasks[0]
	if h.Node == uuid.Nil {
		return fmt.Sprintf("the node that held task %s has ended, and another is about to take over: try again", h.TaskID)
	}
	if h.Address == "" {
		return fmt.Sprintf("task %s is held by node %s, which has no address: start it with one that the others reach (--advertise)", h.TaskID, h.Node)
	}
	return fmt.Sprintf("task %s is held by node %s at %s, which does not answer now: it will, or another takes over within its lease", h.TaskID, h.Node, h.Address)
}

// Unwrap returns the class.
func (e *HeldError) Unwrap() error { return ErrHeld }
