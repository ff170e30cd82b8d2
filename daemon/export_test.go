package daemon

import (
	"context"
	"time"

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

// SetClock makes a daemon take something else for the time of the machine.
func (c *Config) SetClock(now func() time.Time) { c.now = now }
