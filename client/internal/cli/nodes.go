package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type nodesCommand struct{}

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
	rows := table{{"NODE", "ID", "ADDRESS", "STATE", "VERSION", "REVISION", "JOINED", "LEASE-ENDS", "CLOCK", "TASKS", "GOING", "WAITING", "WORKERS"}}
	for _, n := range nodes {
		name := text(n.Name)
		if n.Self {
			name += " *" // it has answered
		}
		rows.row(name, n.ID.String(), text(n.Address), nodeState(n), text(n.Version), revisionWord(n.Revision), s.distance(n.StartTime),
			s.leaseEnd(n), clockWord(n.ClockOffset), strconv.FormatInt(n.Tasks, 10), strconv.FormatInt(n.Going, 10),
			strconv.FormatInt(n.Waiting, 10), strconv.FormatInt(n.NodeLoad.Workers, 10))
	}
	return rows.write(s.out)
}

// nodeState is a word for how a node stands.
func nodeState(n client.Node) string {
	if n.State == task.Alive && n.Draining {
		return "draining"
	}
	return n.State.String()
}

// leaseEnd is when a node that lives is given up, unless it gives a sign of life.
func (s *session) leaseEnd(n client.Node) string {
	if n.State != task.Alive || n.LeaseExpireTime.IsZero() {
		return "-"
	}
	return s.distance(n.LeaseExpireTime)
}

func revisionWord(revision int64) string {
	if revision == 0 {
		return "-"
	}
	return strconv.FormatInt(revision, 10)
}

// clockWord is by how much the clock of a node is ahead of that of the store.
func clockWord(offset time.Duration) string {
	if offset.Abs() < time.Millisecond {
		return "-"
	}
	return fmt.Sprintf("%+.3fs", offset.Seconds())
}
