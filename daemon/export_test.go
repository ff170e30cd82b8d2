package daemon

import (
	"context"

	"google.golang.org/grpc/health/grpc_health_v1"
)

// Health asks the health service as a client would.
func (d *Daemon) Health(ctx context.Context) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	d.Client() // opens the connection
	resp, err := grpc_health_v1.NewHealthClient(d.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return resp.GetStatus(), err
}
