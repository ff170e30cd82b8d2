package fakedaemon

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// AddNodes makes the server know these nodes, in the order in which they joined. It makes no use of them.
func (s *Server) AddNodes(nodes ...*clockdv1.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = append(s.nodes, nodes...)
}

// ListNodes lists.
func (s *Server) ListNodes(context.Context, *clockdv1.ListNodesRequest) (*clockdv1.ListNodesResponse, error) {
	return &clockdv1.ListNodesResponse{Nodes: s.nodes}, nil
}

// SampleNodes returns nodes, for [Server.AddNodes], of every kind: the one that answers, one that stops, one whose store
// is its own, one that has stopped and one that was given up.
func SampleNodes() []*clockdv1.Node {
	node := func(name, address string, state task.NodeState) task.Node {
		return task.Node{
			ID: task.IDOf("node", name), Name: name, Address: address, Version: "v1.2.0", Revision: 42, State: state,
			StartTime: Now.Add(-26 * time.Hour), Lease: 15 * time.Second, LeaseExpireTime: Now.Add(12 * time.Second),
		}
	}
	self := node("alpha", "10.0.0.1:7433", task.Alive)
	self.NodeLoad = task.NodeLoad{Tasks: 1200, Going: 14, Waiting: 3, Workers: 2, ClockOffset: 1400 * time.Microsecond}
	stopping := node("bravo", "10.0.0.2:7433", task.Alive)
	stopping.NodeLoad = task.NodeLoad{Tasks: 1200, Going: 1, ClockOffset: -83 * time.Second, Draining: true}
	alone := task.Node{ID: task.IDOf("node", "charlie"), Name: "char\tlie", State: task.Alive, Version: "v1.2.0", StartTime: Now.Add(-5 * time.Minute)}
	left := node("delta", "unix:/run/clockd.sock", task.Left)
	left.EndTime = Now.Add(-10 * time.Minute)
	lost := node("echo", "10.0.0.5:7433", task.GivenUp)
	lost.EndTime, lost.NodeLoad = Now.Add(-90*time.Second), task.NodeLoad{Tasks: 7, Going: 7}
	var all []*clockdv1.Node
	for _, n := range []task.Node{lost, left, self, stopping, alone} {
		pb := wire.NodeToProto(n)
		pb.Self = n.ID == self.ID
		all = append(all, pb)
	}
	return all
}
