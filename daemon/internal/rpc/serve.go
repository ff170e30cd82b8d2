package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"google.golang.org/grpc"
)

// serve answers a call: every method of the services is one call of it. A nil request, which only a caller in
// the same process can send, is an empty one.
func serve[Q, A any](ctx context.Context, a *API, q *Q, do func(context.Context, *Q) (*A, error)) (answer *A, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, leave(ctx, a.log, panicked(p))
		}
	}()
	if q == nil {
		q = new(Q)
	}
	if answer, err = do(ctx, q); err != nil {
		return nil, leave(ctx, a.log, err)
	}
	return answer, nil
}

// leave returns an error as it may leave the daemon, and logs it if that is not all of it.
func leave(ctx context.Context, log *slog.Logger, err error) error {
	return wire.ToStatus(err, func(err error) string { return note(ctx, log, err) }).Err()
}

// Keys of the log.
const (
	keyID     = "error_id"
	keyMethod = "method"
	keyError  = "error"
	keyStack  = "stack"
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
