package client

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// Node is a daemon of a cluster.
type Node struct {
	task.Node
	// Self says that it is the one that answered.
	Self bool
}

// Nodes returns the daemons that share the store of this one and live, and those that ended less than an hour ago, in the
// order in which they joined. A daemon whose store is its own is alone.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	resp, err := invoke(ctx, c, c.nodes.ListNodes, &clockdv1.ListNodesRequest{})
	if err != nil {
		return nil, err
	}
	nodes, err := each(resp.GetNodes(), func(pb *clockdv1.Node) (Node, error) {
		n, err := wire.NodeFromProto(pb)
		return Node{Node: n, Self: pb.GetSelf()}, err
	})
	return nodes, unreadable(err)
}
