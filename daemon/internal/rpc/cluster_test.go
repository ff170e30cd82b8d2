package rpc_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/clockd/clockd/daemon/internal/peer"
	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/task"
)

// A cluster is some nodes, each with an engine of its own that has the task "gone" and its run 7, and the same word about
// who holds them.
type cluster struct {
	nodes []*node

	mu sync.Mutex
	by func(asked *node) *node // the one that holds them, as one of them sees it; nobody, or nil: it does
}

type node struct {
	*engine
	*door
	address string
	peers   *peer.Peers
	calls   int // guarded by the mutex of the cluster: how often its engine was asked to change something
}

// nobody holds what no node does for the moment.
var nobody = &node{engine: &engine{}}

// newCluster starts nodes. None holds anything. With wrap, the peers of a node are what it returns.
func newCluster(t *testing.T, n int, wrap func(*peer.Peers) rpc.Peers) *cluster {
	t.Helper()
	c := &cluster{by: func(*node) *node { return nil }}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		for _, n := range c.nodes {
			if n.address == address && network == "tcp" {
				return n.listen.DialContext(ctx)
			}
		}
		return nil, fmt.Errorf("there is no %s", address)
	}
	for i := range n {
		e := newEngine("gone")
		id := e.tasks[0].ID
		e.self, e.end = task.IDOf("node", fmt.Sprint(i)), errEnded
		e.runs = []task.Run{{ID: 7, TaskID: id, TaskName: "gone", State: task.Running}}
		node := &node{engine: e, address: fmt.Sprintf("node-%d:7433", i), peers: peer.New(peer.Config{Dial: dial})}
		e.holder = func(context.Context) *task.HeldError {
			c.mu.Lock()
			defer c.mu.Unlock()
			node.calls++
			by := c.by(node)
			if by == nil || by == node {
				return nil
			}
			return &task.HeldError{Tasks: []task.HeldTask{{TaskID: id, Node: by.self, Address: by.address}}}
		}
		h, log := newHub(), &journal{}
		t.Cleanup(h.Close)
		cfg := rpc.Config{Engine: e, Workers: h, Peers: node.peers, Namespace: "default", Logger: log.logger()}
		if wrap != nil {
			cfg.Peers = wrap(node.peers)
		}
		node.door = serveAPI(t, cfg, h, log, nil)
		c.nodes = append(c.nodes, node)
	}
	t.Cleanup(func() { // before the servers stop
		for _, n := range c.nodes {
			if err := n.peers.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// holds makes it known who holds what.
func (c *cluster) holds(by func(asked *node) *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = by
}

// held says that a node holds everything.
func (c *cluster) held(by *node) { c.holds(func(*node) *node { return by }) }

// changes is how often the engine of a node was asked to change something.
func (c *cluster) changes(n *node) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return n.calls
}

// last is what the engine of a node was asked last.
func (n *node) last() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}
