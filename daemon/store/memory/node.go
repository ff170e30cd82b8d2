package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// keepEnded is for how long Nodes shows a node that has ended.
const keepEnded = time.Hour

// Node is a Store as one of several daemons has it. It implements store.Cluster, and is safe for concurrent use. It is
// for tests of clusters: nodes that share a memory share a process.
type Node struct {
	handle
}

var _ store.Cluster = (*Node)(nil)

// Node returns another way to the same tasks and runs, with an Observer of its own. Until it has joined it is the same
// node as the Store. To close it is not to leave: it is what the end of a process is.
func (s *Store) Node() *Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Node{handle{data: s.data}}
	s.handles = append(s.handles, &n.handle)
	return n
}

// Cut says what is wrong between a Node and what it shares with others.
type Cut int

const (
	// Healed: nothing.
	Healed Cut = iota
	// Unreachable: every call fails with task.ErrUnavailable and has done nothing.
	Unreachable
	// AnswersLost: every call does what it shall, and fails with task.ErrUnavailable.
	AnswersLost
)

// Cut sets what is wrong, for tests. What the Observer would have been told meanwhile it is told when it is healed.
func (n *Node) Cut(c Cut) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = c
	if c != Healed {
		return
	}
	for _, commit := range n.kept {
		n.observer.Committed(commit)
	}
	n.kept = nil
}

// member is a node as the others see it.
type member struct {
	task.Node
	offers map[store.Offerer]map[uuid.UUID]bool
	shares map[string]store.Share // by group
}

func (m *member) alive() bool { return m.State == task.Alive }

// member returns the node with this id, or nil.
func (s *data) member(id uuid.UUID) *member {
	if at := slices.IndexFunc(s.members, func(m *member) bool { return m.ID == id }); at >= 0 {
		return s.members[at]
	}
	return nil
}

// fenced refuses a node that has joined and does not live any more.
func (s *handle) fenced() error {
	if s.node == uuid.Nil {
		return nil
	}
	if m := s.member(s.node); m == nil || !m.alive() {
		return fmt.Errorf("%w: it is %s", task.ErrGivenUp, s.node)
	}
	return nil
}

// act runs f, which must not fail, as a transaction of a node that has joined. It must change nothing that is told of.
func (n *Node) act(ctx context.Context, f func(m *member)) error {
	return n.transact(ctx, func() error {
		m := n.member(n.node)
		if m == nil {
			return fmt.Errorf("%w: it has not joined", task.ErrGivenUp)
		}
		f(m)
		return nil
	})
}

// Join implements store.Cluster.
func (n *Node) Join(ctx context.Context, in task.Node) (now time.Time, err error) {
	err = n.view(ctx, func() error {
		if n.member(in.ID) != nil {
			return fmt.Errorf("node %s has joined already: every start needs an id of its own", in.ID)
		}
		now = n.now()
		n.forget(now)
		m := &member{
			Node: task.Node{
				ID: in.ID, Name: in.Name, Address: in.Address, Version: in.Version, Revision: in.Revision,
				Lease: in.Lease, NodeLoad: in.NodeLoad, StartTime: now, LeaseExpireTime: now.Add(in.Lease), State: task.Alive,
			},
			offers: make(map[store.Offerer]map[uuid.UUID]bool),
			shares: make(map[string]store.Share),
		}
		n.members = append(n.members, m)
		n.node = in.ID
		return nil
	})
	return now, err
}

// forget takes out the nodes that nobody is shown any more.
func (s *data) forget(now time.Time) {
	s.members = slices.DeleteFunc(s.members, func(m *member) bool { return !m.alive() && now.Sub(m.EndTime) >= keepEnded })
}

// Renew implements store.Cluster.
func (n *Node) Renew(ctx context.Context, load task.NodeLoad) (now time.Time, err error) {
	err = n.act(ctx, func(m *member) {
		now = n.now()
		m.NodeLoad, m.LeaseExpireTime = load, now.Add(m.Lease)
	})
	return now, err
}

// Leave implements store.Cluster.
func (n *Node) Leave(ctx context.Context) error {
	err := n.act(ctx, func(m *member) { n.end(m, task.Left) })
	if errors.Is(err, task.ErrGivenUp) {
		return nil
	}
	return err
}

// Reap implements store.Cluster.
func (n *Node) Reap(ctx context.Context) (reaped []task.Node, err error) {
	err = n.transact(ctx, func() error {
		now := n.now()
		for _, m := range n.members {
			if m.alive() && !now.Before(m.LeaseExpireTime) {
				n.end(m, task.GivenUp)
				reaped = append(reaped, m.Node)
			}
		}
		n.forget(now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reaped, nil
}

// end makes a node one that does not live any more.
func (n *Node) end(m *member, state task.NodeState) {
	m.State, m.EndTime = state, n.now()
	m.offers, m.shares = nil, nil
	for _, rec := range n.inHand(m.ID) {
		n.hand(rec, uuid.Nil)
	}
}

// Nodes implements store.Cluster.
func (n *Node) Nodes(ctx context.Context) (nodes []task.Node, err error) {
	err = n.view(ctx, func() error {
		n.forget(n.now())
		for _, m := range n.members {
			nodes = append(nodes, m.Node)
		}
		return nil
	})
	return nodes, err
}

// inHand returns the runs in the hands of a node, in the order of their ids.
func (s *data) inHand(node uuid.UUID) (records []*record) {
	s.open.Scan(func(_ task.RunID, rec *record) bool {
		if rec.inHandOf(node) {
			records = append(records, rec)
		}
		return true
	})
	return records
}

// InHand implements store.Cluster.
func (n *Node) InHand(ctx context.Context) (ids []task.RunID, err error) {
	err = n.view(ctx, func() error {
		for _, rec := range n.inHand(n.node) {
			ids = append(ids, rec.run.ID)
		}
		return nil
	})
	return ids, err
}
