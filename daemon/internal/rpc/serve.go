package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// serve answers a call: every method of the services with one answer is one call of it. A nil request, which
// only a caller in the same process can send, is an empty one.
func serve[Q, A any](ctx context.Context, a *API, q *Q, do func(context.Context, *Q) (*A, error)) (*A, error) {
	return answered(ctx, a, q, call[Q, A]{here: do, there: invoking[Q, A](a)})
}

// answered is what serve and serveStream have in common.
func answered[Q, A any](ctx context.Context, a *API, q *Q, c call[Q, A]) (answer *A, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, leave(ctx, a.log, panicked(p))
		}
	}()
	if q == nil {
		q = new(Q)
	}
	if answer, err = somewhere(ctx, a, q, c); err != nil {
		return nil, leave(ctx, a.log, err)
	}
	return answer, nil
}

// serveStream is serve for calls that are answered by a stream. do has no answer to give but what it sends.
func serveStream[Q, A any](stream grpc.ServerStreamingServer[A], a *API, q *Q, do func(context.Context, *Q, func(*A) error) error) error {
	ctx, begun := stream.Context(), false
	send := func(answer *A) error {
		begun = true
		return gone(ctx, stream.Send(answer))
	}
	_, err := answered(ctx, a, q, call[Q, A]{
		here:  func(ctx context.Context, q *Q) (*A, error) { return nil, do(ctx, q, send) },
		there: streaming[Q](a, send),
		begun: func() bool { return begun },
	})
	return err
}

// gone gives the error of a stream its class. That the caller has gone is not the daemon's to mind; that a
// message cannot be sent is.
func gone(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case status.Code(err) == codes.Unavailable, status.Code(err) == codes.Canceled, errors.Is(err, io.EOF):
		return fmt.Errorf("the caller has gone: %w", context.Canceled) // and its context is about to end
	}
	return err
}

// leave returns an error as it may leave the daemon, and logs it if that is not all of it. What another node answered has
// left it already, and is in the log there.
func leave(ctx context.Context, log *slog.Logger, err error) error {
	if said, ok := errors.AsType[*answeredError](err); ok {
		return said.status.Err()
	}
	return wire.ToStatus(err, func(err error) string { return note(ctx, log, err) }).Err()
}

// Keys of the log.
const (
	keyID      = "error_id"
	keyMethod  = "method"
	keyError   = "error"
	keyStack   = "stack"
	keyNode    = "node_id"
	keyAddress = "address"
)

// note logs an error in full and returns the id to find it by.
func note(ctx context.Context, log *slog.Logger, err error) string {
	id := rand.Text()[:12] // 60 bits: unique among all that are ever looked for
	method, _ := grpc.Method(ctx)
	attrs := []slog.Attr{slog.String(keyID, id), slog.String(keyMethod, method), slog.String(keyError, err.Error())}
	if p := (*panicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String(keyStack, string(p.stack)))
	}
	level, message := slog.LevelError, "call ended with an unexpected error"
	if errors.Is(err, task.ErrUnavailable) {
		level, message = slog.LevelWarn, "call ended because the store is unavailable"
	}
	log.LogAttrs(ctx, level, message, attrs...)
	return id
}

// A panicError is a panic of a handler. It does not unwrap: whatever the value was, it is a defect.
type panicError struct {
	value any
	stack []byte
}

// panicked must be called by the deferred function that recovered, so that the stack is the panic's.
func panicked(value any) error { return &panicError{value: value, stack: debug.Stack()} }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
