package cli

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

type nodesCommand struct{}

// Help is the text below the summary.
func (*nodesCommand) Help() string {
	return "They are the nodes of a cluster. Those that ended less than an hour ago are listed too; the one that has answered has a star. " +
		"OFFSET is by how much the clock of a node is ahead of that of the store: nothing goes by it but the lines of its log."
}

func (*nodesCommand) Run(s *session) error {
	nodes, err := ask(s, s.client.Nodes)
	if err != nil {
		return err
	}
	if s.exact {
		resp := &clockdv1.ListNodesResponse{}
		for _, n := range nodes {
			pb := wire.NodeToProto(n.Node)
			pb.Self = n.Self
			resp.Nodes = append(resp.Nodes, pb)
		}
		return s.printAnswer(resp)
	}
	rows := table{{"NODE", "ID", "ADDRESS", "STATE", "VERSION", "REVISION", "JOINED", "LEASE-ENDS", "OFFSET", "TASKS", "GOING", "WAITING", "WORKERS"}}
	for _, n := range nodes {
		name, revision := text(n.Name), "-"
		if n.Self {
			name += " *"
		}
		if n.Revision != 0 {
			revision = fmt.Sprint(n.Revision)
		}
		cells := []string{name, shortID(n.ID), text(n.Address), s.nodeState(n), text(n.Version), revision, s.distance(n.StartTime)}
		rows.row(append(cells, s.nodeLoad(n)...)...)
	}
	return rows.write(s.out)
}

// nodeState is a word for how a node stands, and since when if it does not live any more.
func (s *session) nodeState(n client.Node) string {
	switch {
	case n.State == task.Alive && n.Draining:
		return "draining"
	case n.State == task.Alive:
		return n.State.String()
	}
	return n.State.String() + " " + s.distance(n.EndTime)
}

// nodeLoad are the cells of what is known only of a node that lives.
func (s *session) nodeLoad(n client.Node) []string {
	if n.State != task.Alive {
		return []string{"-", "-", "-", "-", "-", "-"}
	}
	lease := "-"
	if !n.LeaseExpireTime.IsZero() {
		lease = s.distance(n.LeaseExpireTime)
	}
	return []string{
		lease, offset(n.ClockOffset), fmt.Sprint(n.Tasks), fmt.Sprint(n.Going), fmt.Sprint(n.Waiting), fmt.Sprint(n.NodeLoad.Workers),
	}
}

// offset is by how much a clock is ahead; what is below a millisecond can not be measured.
func offset(d time.Duration) string {
	if d.Abs() < time.Millisecond {
		return "-"
	}
	return fmt.Sprintf("%+.3fs", d.Seconds())
}

// shortID is as much of the id of a node as tells it from others.
func shortID(id uuid.UUID) string { return id.String()[:8] }
