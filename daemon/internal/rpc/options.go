package rpc

import (
	"context"
	"log/slog"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
)

// MaxRequest is the largest request that our own server takes, in bytes. A larger one ends with
// RESOURCE_EXHAUSTED.
const MaxRequest = 4 << 20

// ServerOptions returns what our own gRPC server is made with: a line in the log for each call, panics
// contained in every service mounted beside ours too, a limit for requests, and keepalive that finds dead
// clients and refuses those that ping without need.
func ServerOptions(logger *slog.Logger) []grpc.ServerOption {
	log := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		logger.Log(ctx, slog.Level(level), message, fields...) // the levels have the same numbers
	})
	logs := []logging.Option{
		logging.WithLogOnEvents(logging.FinishCall), // never the payloads: inputs and outputs may be secret
		logging.WithLevels(levelOf),
	}
	contain := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		return leave(ctx, logger, panicked(p))
	})
	// From the outside in. Logging sees what the caller gets. What guards the door (who calls, how often)
	// belongs at the end of both lists: behind recovery, and before any handler.
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			logging.UnaryServerInterceptor(log, logs...),
			recovery.UnaryServerInterceptor(contain),
		),
		grpc.ChainStreamInterceptor(
			logging.StreamServerInterceptor(log, logs...),
			recovery.StreamServerInterceptor(contain),
		),
		grpc.MaxRecvMsgSize(MaxRequest),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		// A client that waits for a run has a call open; one between calls may ping too, to keep its way
		// through a gateway.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
}

// levelOf returns how loud the log is about a call that ended with a code: a defect is an error, a store that
// is away a warning, and whatever else happens is the caller's business.
func levelOf(code codes.Code) logging.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return logging.LevelError
	case codes.Unavailable:
		return logging.LevelWarn
	default:
		return logging.LevelDebug
	}
}
