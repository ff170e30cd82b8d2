package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/metrics"
)

// exposition serves metrics over HTTP.
type exposition struct {
	metrics *metrics.Metrics
	server  *http.Server
	serving sync.WaitGroup
}

// serveMetrics serves metrics at /metrics of an address until close.
func serveMetrics(ctx context.Context, address string, insecure bool, log *slog.Logger) (*exposition, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	switch {
	case err != nil:
		return nil, usageError{fmt.Errorf("--metrics %q: write HOST:PORT, for instance 127.0.0.1:9433", address)}
	case !resolved.IP.IsLoopback() && !insecure:
		return nil, usageError{fmt.Errorf("--metrics %q can be reached from other machines, and tells them the names of groups and what becomes of runs: give a loopback address, or say --insecure if that is meant", address)}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--metrics %q: %w", address, err)
	}
	x := &exposition{metrics: metrics.New()}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", x.metrics)
	x.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	x.serving.Go(func() {
		if err := x.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	})
	log.Info("metrics are served", "address", l.Addr().String())
	return x, nil
}

// close ends it.
func (x *exposition) close() {
	_ = x.server.Close() // what it was sending is of no use any more
	x.serving.Wait()
}
