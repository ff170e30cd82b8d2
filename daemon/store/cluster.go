package store

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Cluster is a Store that several daemons share, each of which is a node. Each has a Cluster of its own; all of them see
// the same tasks and runs, and their commits have one order, that of their numbers: Position, RunsChanged and what an
// Observer is told are of all nodes.
//
// # Holding
//
// A run that has not ended is in the hands of the node that recorded it or has taken it over (task.Run.Node), and a task
// is held by the node that has runs of it in hand, from the first of them until the last has ended. All that a daemon
// keeps in memory of a task, such as what waits for what and what is to start when, is therefore in one place. So:
//
//   - A node that ends leaves its runs in nobody's hands. Once no run of a task is in a node's hands, but some are in
//     nobody's, nobody holds it, and no new node does before it has taken all of these runs over: see Take.
//   - Claim claims tasks that are not held, or are by this node. Of two nodes that claim at the same time each gets other
//     tasks, and neither waits for what the other decides. Claimed.NextFireTime is that of tasks that it may claim.
//   - Update and Call of a task that another node or nobody holds change nothing and return a *task.HeldError, which names
//     all such tasks: whoever holds one has to do it. An UpdateFunc is called for all of them all the same, and if it wants
//     nothing changed there is no error. A call that is repeated gets its run whoever holds what.
//   - The exception is Change.Beside. Runs that it records are in the hands of this node, but do not count for who holds
//     the task. The same is true of what a RecordFunc records after such a run, if another holds the task then.
//   - Record is late for runs that are not in the hands of this node. A report of a Scheduled run at attempt 0 gives the
//     run up: it is in nobody's hands from then on. (The zero node gives nothing up.)
//   - Prune and Sweep work whoever holds what.
//
// # Nodes
//
// Without Join, a Cluster is a Store for one daemon: the node is the zero UUID, which has no lease and holds like any
// other, and what only a node can do, which is Renew, Take, Offer and Places, fails with task.ErrGivenUp. From Join on it
// acts for that node, and everything that writes fails with task.ErrGivenUp, and has changed nothing, once the node was
// given up: that is decided in the order of commits, so that nothing a node wrote after it was given up is ever seen.
// Whoever has left has been given up in this sense. Reads go on. A later Join makes it act for another node. To Close is
// not to leave: the node lives until its lease ends.
//
// Leases are by the clock of the store alone. Whose hands a run is in is no part of what the numbers of commits count:
// when a node ends or takes runs over, no run has changed and no Observer is told. What is reported of them next tells.
type Cluster interface {
	Store

	// Join makes a node, and makes this Cluster act for it. Of n the ID, Name, Address, Version, Revision, Lease and
	// NodeLoad count. It returns the clock of the store.
	Join(ctx context.Context, n task.Node) (now time.Time, err error)

	// Renew is a sign of life: the lease begins anew. It returns the clock of the store. task.ErrGivenUp.
	Renew(ctx context.Context, load task.NodeLoad) (now time.Time, err error)

	// Leave ends the node in good order: its runs, if it has any, are in nobody's hands from then on, and what it offered
	// and the places it had are gone. A node that was given up has left already.
	Leave(ctx context.Context) error

	// Nodes returns the nodes that live, and those that ended less than an hour ago, in the order in which they joined.
	Nodes(ctx context.Context) ([]task.Node, error)

	// Reap gives up nodes whose leases have ended, which is as if each had left, and returns them. A node may find itself
	// among them.
	Reap(ctx context.Context) ([]task.Node, error)

	// Take takes runs over that are in nobody's hands, of up to limit tasks that no other node that lives holds, all runs
	// of a task at once, and returns them whole in the order of their ids: each as it was, with the Node that had it in
	// hand. able says, of each task with such runs once, whether this node can go on with it; it is as UpdateFunc. more
	// says that there may be others.
	Take(ctx context.Context, limit int, able func(t task.Task) bool) (runs []task.Run, more bool, err error)

	// InHand returns the ids of the runs that are in the hands of this node.
	InHand(ctx context.Context) ([]task.RunID, error)

	// Offer says that this node runs tasks, or does not any more; they need not be stored. What was offered counts until
	// the node ends.
	Offer(ctx context.Context, by Offerer, add, remove []uuid.UUID) error

	// OfferedElsewhere returns the tasks that other nodes that live offer, each once, in the order of their ids.
	OfferedElsewhere(ctx context.Context, by Offerer) ([]uuid.UUID, error)

	// Unoffered returns up to limit tasks with the origin task.Declared that are not orphaned and that no node that lives
	// offers as ByProgram.
	Unoffered(ctx context.Context, limit int) ([]uuid.UUID, error)

	// Elapsed returns up to limit tasks that this node may change and whose override or pause is to end by now: those
	// whose Override.ExpireTime or Pause.ResumeTime has come, the earliest first.
	Elapsed(ctx context.Context, limit int) ([]uuid.UUID, error)

	// Places says how many places this node needs in groups that have a limit across the cluster, and returns how many
	// it has now, in their order: at least as many as it uses, and never so many that all nodes that live have more than
	// the limit together, unless they use more already. What is not there for all is divided: a node that has more than
	// its share gives up what it does not use, and gets no more until it has fallen below. What can not be divided goes
	// round. What is not named keeps its places; a demand of 0 gives those up that are not used.
	Places(ctx context.Context, demands []Demand) ([]Places, error)
}

// Offerer is on whose behalf a node offers to run tasks. Stores keep the numbers.
type Offerer int

const (
	// ByProgram are tasks that the program declares.
	ByProgram Offerer = 1
	// ByWorker are tasks that workers run which are connected to the node.
	ByWorker Offerer = 2
)

// Demand is what a node needs in a group.
type Demand struct {
	Group string
	// Limit is how many places the group has in the cluster. Where nodes disagree, each goes by its own.
	Limit int
	// Used is how many the node uses; Wanted how many it could use, those included.
	Used, Wanted int
}

// Places are what a node has in a group.
type Places struct {
	// Granted is how many it may use.
	Granted int
	// Contended says that the node uses more than its share while another wants more than it has: places that become free
	// should be given up soon, with another call.
	Contended bool
}
