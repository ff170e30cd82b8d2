package daemon

import (
	"context"
	"net"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Conn is the connection that Client is on.
func (d *Daemon) Conn() grpc.ClientConnInterface {
	d.Client()
	return d.conn
}

// Health asks the health service as a client would.
func (d *Daemon) Health(ctx context.Context) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	resp, err := grpc_health_v1.NewHealthClient(d.Conn()).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return resp.GetStatus(), err
}

// SetDial makes a daemon reach other nodes in another way than by the network.
func (c *Config) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.dial = dial
}

// SetClock makes a daemon take something else for the time of the machine.
func (c *Config) SetClock(now func() time.Time) { c.now = now }

// Self is the id of the node.
func (d *Daemon) Self() uuid.UUID { return d.engine.Self() }
