package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// How often a server that can not be reached is tried: a little later each time, so that one that comes up again is not
// rushed by all of its clients; and how often the log says that it still is not there.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
	sayAgain   = time.Minute
)

// awaitStore opens a store. While its server can not be reached it tries again until ctx ends, and says so to whoever
// calls: a database that restarts, or comes up after the daemon, needs nobody's help. Everything else is an error.
func awaitStore(ctx context.Context, listeners []net.Listener, log *slog.Logger, open func() (store.Store, string, error)) (store.Store, string, error) {
	st, name, err := open()
	if !errors.Is(err, task.ErrUnavailable) {
		return st, name, err
	}
	w := wait(listeners)
	defer w.end()
	said, pause := time.Time{}, firstPause
	for text := ""; ; {
		if err.Error() != text || time.Since(said) > sayAgain {
			log.Warn("the store can not be reached: trying until it can be", "error", err)
			text, said = err.Error(), time.Now()
		}
		again := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, "", ctx.Err()
		}
		pause = min(2*pause, lastPause)
		if st, name, err = open(); !errors.Is(err, task.ErrUnavailable) {
			return st, name, err
		}
	}
}

// waiting serves in the place of a daemon that has no store yet: health says NOT_SERVING, and calls are answered that it
// is starting.
type waiting struct {
	server  *grpc.Server
	lent    []*loan
	serving sync.WaitGroup
}

func wait(listeners []net.Listener) *waiting {
	w := &waiting{server: grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return wire.ToStatus(fmt.Errorf("%w: its store can not be reached yet", task.ErrStarting), nil).Err()
	}))}
	h := health.NewServer()
	for _, service := range []string{"", "clockd.v1.TaskService", "clockd.v1.RunService", "clockd.v1.WorkerService", "clockd.v1.NodeService"} {
		h.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(w.server, h)
	for _, l := range listeners {
		if l, ok := l.(revocable); ok {
			lent := &loan{revocable: l}
			w.lent = append(w.lent, lent)
			w.serving.Go(func() { _ = w.server.Serve(lent) }) // it ends when the server is stopped
		}
	}
	return w
}

// end gives the listeners back. Callers that are connected are told to connect again.
func (w *waiting) end() {
	w.server.Stop()
	w.serving.Wait()
	for _, l := range w.lent {
		l.giveBack()
	}
}

// revocable is what all our listeners are: one whose Accept can be called off.
type revocable interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// loan is a listener that another server will have: to close it calls Accept off and leaves the socket open.
type loan struct {
	revocable
	once sync.Once
}

func (l *loan) Close() (err error) {
	l.once.Do(func() { err = l.SetDeadline(time.Unix(1, 0)) })
	return err
}

// giveBack makes the listener as it was.
func (l *loan) giveBack() { _ = l.SetDeadline(time.Time{}) } // it fails if the socket was closed, and then so does serving on it
