package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lastWords is how long a stream whose session is over waits for what is still to be said. Who reads has it at once.
const lastWords = time.Second

// workers is the WorkerService.
type workers struct {
	clockdv1.UnimplementedWorkerServiceServer
	api *API
}

// workStream is one end of Work.
type workStream = grpc.BidiStreamingServer[clockdv1.WorkRequest, clockdv1.WorkResponse]

func (s workers) ListWorkers(ctx context.Context, q *clockdv1.ListWorkersRequest) (*clockdv1.ListWorkersResponse, error) {
	return serve(ctx, s.api, q, func(context.Context, *clockdv1.ListWorkersRequest) (*clockdv1.ListWorkersResponse, error) {
		answer := &clockdv1.ListWorkersResponse{}
		for _, w := range s.api.workers.Workers() {
			answer.Workers = append(answer.Workers, wire.WorkerToProto(w))
		}
		return answer, nil
	})
}

func (s workers) Work(stream workStream) error {
	_, err := serve(stream.Context(), s.api, nil, func(ctx context.Context, _ *clockdv1.WorkRequest) (*clockdv1.WorkResponse, error) {
		return nil, s.work(ctx, stream)
	})
	return err
}

// work serves one connection of a worker. What it says is taken here; beside that, one goroutine only reads the stream
// and one only writes it. Neither can be stopped while it is in Recv or Send: gRPC ends those two when the stream ends,
// and the stream ends when work returns (or the worker or the connection has gone). So work, which must return for a
// worker that does not read, does not wait for them; gRPC lets Send and Recv go on while a handler returns. They hold
// nothing but the stream and the session, which is over by then.
func (s workers) work(ctx context.Context, stream workStream) error {
	serving, done := context.WithCancel(ctx)
	defer done()
	requests := hear(serving, stream)
	lease := s.api.workers.Lease()
	hello, declared, err := greeted(ctx, requests, lease)
	if err != nil {
		return err
	}
	if said := hello.namespace; said != "" && said != s.api.namespace {
		return fmt.Errorf("%w: the worker asks for %q, and the daemon has %q; connect to another daemon, or leave the namespace out",
			task.ErrOtherNamespace, said, s.api.namespace)
	}
	warnings, err := s.announce(ctx, hello.Hello, declared)
	if err != nil {
		return err
	}
	session, err := s.api.workers.Connect(hello.Hello)
	if err != nil {
		return err
	}
	defer session.Disconnect() // unless it is over before
	welcome := &clockdv1.Welcome{
		Namespace: s.api.namespace, Lease: durationpb.New(lease), Warnings: warnings, DaemonVersion: s.api.version,
	}
	if err := gone(ctx, stream.Send(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Welcome{Welcome: welcome}})); err != nil {
		return err
	}
	told := tell(serving, stream, session)
	for {
		select {
		case said := <-requests:
			switch {
			case errors.Is(said.err, io.EOF):
				session.Leave()
				return nil
			case said.err != nil:
				return gone(ctx, said.err)
			}
			if err := take(session, said.request); err != nil {
				return err
			}
		case err := <-told:
			return err
		case <-session.Done():
			select {
			case err := <-told:
				return err
			case <-time.After(lastWords):
			}
			for {
				if _, err := session.Next(ctx); err != nil {
					return err
				}
			}
		}
	}
}

// A heard is what was read from a stream.
type heard struct {
	request *clockdv1.WorkRequest
	err     error
}

// hear reads a stream until it ends, or until ctx has ended and the stream too.
func hear(ctx context.Context, stream workStream) <-chan heard {
	requests := make(chan heard)
	go func() {
		for {
			request, err := recv(stream)
			select {
			case requests <- heard{request, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return requests
}

func recv(stream workStream) (request *clockdv1.WorkRequest, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return stream.Recv()
}

// tell writes to a stream what there is to say, until the session is over or the stream broken; then it says why.
func tell(ctx context.Context, stream workStream, session Session) <-chan error {
	end := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				end <- panicked(p)
			}
		}()
		for {
			order, err := session.Next(ctx)
			if err == nil {
				err = gone(stream.Context(), stream.Send(wire.OrderToProto(order)))
			}
			if err != nil {
				end <- err
				return
			}
		}
	}()
	return end
}

// greeted waits for the hello.
func greeted(ctx context.Context, requests <-chan heard, lease time.Duration) (greeting, []task.Declaration, error) {
	limit := time.NewTimer(lease)
	defer limit.Stop()
	var first heard
	select {
	case first = <-requests:
	case <-limit.C:
		return greeting{}, nil, fmt.Errorf("%w: it has not said hello within %s", task.ErrWorkerLost, lease)
	case <-ctx.Done():
		return greeting{}, nil, ctx.Err()
	}
	var c check
	switch {
	case first.err == nil && first.request.GetHello() != nil:
		hello, declared := c.hello(first.request.GetHello())
		hello.Peer = address(ctx)
		return hello, declared, c.err()
	case first.err == nil, errors.Is(first.err, io.EOF):
		return greeting{}, nil, task.Invalid("hello", "missing: the first message of a worker says who it is")
	}
	return greeting{}, nil, gone(ctx, first.err)
}

// take hands on what a worker says.
func take(session Session, q *clockdv1.WorkRequest) error {
	var c check
	var then func()
	switch m := q.GetMessage().(type) {
	case *clockdv1.WorkRequest_Pong:
		then = func() { session.Pong(m.Pong.GetSequence()) }
	case *clockdv1.WorkRequest_Output:
		ref, stream, data := c.written(m.Output)
		then = func() { session.Write(ref, stream, data) }
	case *clockdv1.WorkRequest_Progress:
		ref, p := c.progress(m.Progress)
		then = func() { session.Report(ref, p) }
	case *clockdv1.WorkRequest_Result:
		r := c.result(m.Result)
		then = func() { session.End(r) }
	case *clockdv1.WorkRequest_GiveBack:
		g := c.giveBack(m.GiveBack)
		then = func() { session.GiveBack(g) }
	case *clockdv1.WorkRequest_Drain:
		then = session.Drain
	case *clockdv1.WorkRequest_Places:
		n := c.places("places.places", m.Places.GetPlaces(), 0)
		then = func() { session.SetPlaces(n) }
	case *clockdv1.WorkRequest_Hello:
		c.add("hello", "a worker says hello once, in its first message")
	default:
		c.add("message", "missing, or not known to this version: say one thing")
	}
	if err := c.err(); err != nil {
		return err
	}
	then()
	return nil
}
