package client

import (
	"context"
	"io"

	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxMessage is the largest answer taken. gRPC's own limit of 4 MiB is there against servers that are
// not trusted, and a page of 1000 tasks with long labels, or the output of a run, can pass it.
const maxMessage = 64 << 20

// A Client speaks to one daemon. Make it with [Dial] or [New]. Its methods may be called at the same time.
type Client struct {
	tasks   clockdv1.TaskServiceClient
	runs    clockdv1.RunServiceClient
	workers clockdv1.WorkerServiceClient
	nodes   clockdv1.NodeServiceClient

	actor   string
	address string    // for messages; empty if it is not known
	dialer  *dialer   // nil: the connection was handed in
	conn    io.Closer // nil: the connection was handed in
}

// New returns a Client on a connection that the caller owns and closes: one of the caller's own making,
// or one into a daemon in the same process. Of the options only [WithActor] has a meaning here: address,
// security and retries are those of the connection.
func New(conn grpc.ClientConnInterface, opts ...Option) *Client {
	c := newClient(conn, collect(opts))
	if t, ok := conn.(interface{ Target() string }); ok {
		c.address = t.Target()
	}
	return c
}

func newClient(conn grpc.ClientConnInterface, o options) *Client {
	return &Client{
		tasks:   clockdv1.NewTaskServiceClient(conn),
		runs:    clockdv1.NewRunServiceClient(conn),
		workers: clockdv1.NewWorkerServiceClient(conn),
		nodes:   clockdv1.NewNodeServiceClient(conn),
		actor:   o.actor,
	}
}

// Close closes the connection that [Dial] made, and ends the calls that are going on it. After [New] it
// does nothing: the connection is the caller's.
func (c *Client) Close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// invoke makes one call: every call of the package with one answer goes through here, every other through open.
func invoke[Req, Resp any](
	ctx context.Context, c *Client,
	rpc func(context.Context, *Req, ...grpc.CallOption) (*Resp, error), req *Req,
) (*Resp, error) {
	ctx, err := c.outgoing(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := rpc(ctx, req, grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		return nil, c.explain(err)
	}
	return resp, nil
}

// open makes a call that is answered by a stream. The stream ends with ctx, which the caller must end.
func open[Req, Resp any](
	ctx context.Context, c *Client,
	rpc func(context.Context, *Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Resp], error), req *Req,
) (grpc.ServerStreamingClient[Resp], error) {
	ctx, err := c.outgoing(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := rpc(ctx, req, grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		return nil, c.explain(err)
	}
	return stream, nil
}

// receive returns the next answer of a stream. That it is over is an error: those who follow know when they
// have all.
func receive[Resp any](c *Client, stream grpc.ServerStreamingClient[Resp]) (*Resp, error) {
	resp, err := stream.Recv()
	switch {
	case err == io.EOF:
		return nil, c.explain(status.Error(codes.Unavailable, "the stream ended too early"))
	case err != nil:
		return nil, c.explain(err)
	}
	return resp, nil
}

// outgoing adds the actor, unless the caller's context has one: a program that acts for many people
// names each in the context of the call.
func (c *Client) outgoing(ctx context.Context) (context.Context, error) {
	if c.actor == "" {
		return ctx, nil
	}
	if err := CheckActor(c.actor); err != nil {
		return nil, err
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok && len(md.Get(wire.ActorMetadata)) > 0 {
		return ctx, nil
	}
	return metadata.AppendToOutgoingContext(ctx, wire.ActorMetadata, c.actor), nil
}
