package rpc

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What another node of the cluster holds is done by that node: a call about it is passed on, the same request to the same
// method, and what that node answers is the answer. A call passes from one node to another once at most.
//
//	caller ─▶ this node ─▶ Engine: held by A ─▶ Peers ─▶ A ─▶ Engine ─▶ answer, as it is ─▶ caller
//	              ▲            │ nobody, yet         │ A does not hold it any more
//	              └── a pause ─┴─────────────────────┘

// Peers are the ways to the other nodes. Their methods may be called at the same time, and take the outgoing metadata and
// the deadline of ctx along. Errors are gRPC statuses; UNAVAILABLE without an ErrorInfo of clockd says that no node
// answers.
type Peers interface {
	// Invoke makes a call with one answer.
	Invoke(ctx context.Context, address, fullMethod string, request, answer proto.Message) error
	// Stream makes a call that is answered by a stream, and hands each answer, a new message of the same type as answer,
	// to send, whose error it returns.
	Stream(ctx context.Context, address, fullMethod string, request, answer proto.Message, send func(proto.Message) error) error
}

const (
	// maxPasses is how often a call is passed on: between one look at who holds a task and the next, it may be another.
	maxPasses = 3
	// firstPause is how long a call waits that nobody can take for the moment. Each pause is twice as long as the one
	// before, and all together are not longer than maxPaused.
	firstPause = 50 * time.Millisecond
	maxPaused  = 2 * time.Second
)

// A call is how a request is answered.
type call[Q, A any] struct {
	// here answers it with what this node has.
	here func(context.Context, *Q) (*A, error)
	// there has another node answer it.
	there func(ctx context.Context, address, fullMethod string, q *Q) (*A, error)
	// begun says that a part of the answer was sent, so that it can not be answered anew. Nil: it has one part.
	begun func() bool
}

// somewhere answers a request here or, if another node holds what it is about, there.
func somewhere[Q, A any](ctx context.Context, a *API, q *Q, c call[Q, A]) (*A, error) {
	fullMethod, passable := methods[messageName(q)]
	passable = passable && !forwarded(ctx)
	passes, silent := 0, false
	for pause, paused := firstPause, time.Duration(0); ; pause *= 2 {
		answer, err := c.here(ctx, q)
		held, ok := errors.AsType[*task.HeldError](err)
		if !ok || len(held.Tasks) == 0 || !passable || c.begun != nil && c.begun() {
			return answer, err
		}
		if by := held.Tasks[0]; by.Node != uuid.Nil && by.Node != a.engine.Self() {
			if by.Address == "" || a.peers == nil || passes == maxPasses {
				return nil, err
			}
			passes++
			if q, err = identified(q); err != nil {
				return nil, err
			}
			answer, said := c.there(a.onward(ctx), by.Address, fullMethod, q)
			if said == nil {
				return answer, nil
			}
			unsent, own := errors.AsType[*unsentError](said)
			switch known := wire.FromError(said); {
			case own:
				return nil, unsent.err
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case status.Code(said) == codes.Unavailable && known == said: // nobody answers
				a.log.LogAttrs(ctx, slog.LevelWarn, "a call could not be passed on", slog.String(keyMethod, fullMethod),
					slog.String(keyNode, by.Node.String()), slog.String(keyAddress, by.Address), slog.String(keyError, said.Error()))
				if silent || !repeatable(q) || c.begun != nil && c.begun() {
					return nil, held
				}
				silent = true // the connection may have broken, and the node be there
			case c.begun != nil && c.begun():
				return nil, &answeredError{status.Convert(said)}
			case errors.Is(known, task.ErrHeld), errors.Is(known, task.ErrGivenUp), errors.Is(known, task.ErrStopping), errors.Is(known, task.ErrStarting):
				// It has done nothing, and does not hold it any more, or not for long.
			default:
				return nil, &answeredError{status.Convert(said)}
			}
		}
		if paused += pause; paused > maxPaused {
			return nil, held
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// invoking has another node answer a call with one answer.
func invoking[Q, A any](a *API) func(context.Context, string, string, *Q) (*A, error) {
	return func(ctx context.Context, address, fullMethod string, q *Q) (*A, error) {
		answer := new(A)
		return answer, a.peers.Invoke(ctx, address, fullMethod, any(q).(proto.Message), any(answer).(proto.Message))
	}
}

// streaming has another node answer a call with a stream, which goes to send.
func streaming[Q, A any](a *API, send func(*A) error) func(context.Context, string, string, *Q) (*A, error) {
	return func(ctx context.Context, address, fullMethod string, q *Q) (*A, error) {
		return nil, a.peers.Stream(ctx, address, fullMethod, any(q).(proto.Message), any(new(A)).(proto.Message), func(m proto.Message) error {
			if err := send(any(m).(*A)); err != nil {
				return &unsentError{err}
			}
			return nil
		})
	}
}

// methods are those that can be passed on, by their requests: each has one of its own.
var methods = func() map[protoreflect.FullName]string {
	byRequest := map[protoreflect.FullName]string{}
	for _, file := range []protoreflect.FileDescriptor{
		clockdv1.File_clockd_v1_task_service_proto, clockdv1.File_clockd_v1_run_service_proto, clockdv1.File_clockd_v1_node_service_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				byRequest[m.Input().FullName()] = "/" + string(service.FullName()) + "/" + string(m.Name())
			}
		}
	}
	return byRequest
}()

func messageName(q any) protoreflect.FullName {
	if m, ok := q.(proto.Message); ok {
		return m.ProtoReflect().Descriptor().FullName()
	}
	return ""
}

// identified is the request with an id, if the same request must not start anything twice: a connection may break after
// the other node has done what was asked for and before it has said so.
func identified[Q any](q *Q) (*Q, error) {
	run, ok := any(q).(*clockdv1.RunTaskRequest)
	if !ok || run.GetRequestId() != "" {
		return q, nil
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	run = proto.CloneOf(run)
	run.RequestId = id.String()
	return any(run).(*Q), nil
}

// repeatable reports whether a request that was passed on can be made again without doing anything twice.
func repeatable(q any) bool {
	switch q.(type) {
	case *clockdv1.RunTaskRequest, *clockdv1.CancelRunRequest, *clockdv1.FollowRunRequest, *clockdv1.PreviewTriggerRequest,
		*clockdv1.DeclareTaskRequest:
		return true
	}
	return false
}

// onward is the context of a call that is passed on: it says whose call it is, and from where.
func (a *API) onward(ctx context.Context) context.Context {
	said := metadata.MD{}
	for key, value := range map[string]string{
		wire.ActorMetadata: actor(ctx), wire.PeerMetadata: address(ctx), wire.ForwardedMetadata: a.engine.Self().String(),
	} {
		if !printable(value) {
			key += binarySuffix
		}
		said.Set(key, value)
	}
	return metadata.NewOutgoingContext(ctx, said)
}

// An unsentError says that an answer of another node could not be sent on. It never leaves this file.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }

// An answeredError is what another node answered. It leaves as it came.
type answeredError struct{ status *status.Status }

func (e *answeredError) Error() string { return e.status.Message() }

// Unwrap returns the error as that node meant it, with its class.
func (e *answeredError) Unwrap() error { return wire.FromError(e.status.Err()) }
