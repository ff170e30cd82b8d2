package client_test

import (
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestNodesListsThem(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		sample := fakedaemon.SampleNodes()
		s.AddNodes(sample...)
		got, err := c.Nodes(t.Context())
		if err != nil || len(got) != len(sample) {
			t.Fatalf("%v, %v", got, err)
		}
		for i, pb := range sample {
			want, err := wire.NodeFromProto(pb)
			if diff := cmp.Diff(client.Node{Node: want, Self: want.ID == task.IDOf("node", "alpha")}, got[i]); err != nil || diff != "" {
				t.Errorf("%v -want +got\n%s", err, diff)
			}
		}
		sample[0].NodeId = "x"
		if _, err := c.Nodes(t.Context()); err == nil || status.Code(err) == codes.OK {
			t.Errorf("an answer that can not be read: %v", err)
		}
	})
}
