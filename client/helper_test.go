package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
)

var (
	backup = task.ByName("backup")
	hourly = schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}
)

// dialConn returns a connection of the caller's own making to a server in memory.
func dialConn(t *testing.T, g *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	done := make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		g.Stop()
		// A test without a call can be over before Serve begins.
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
	})
	return conn
}

func actorContext(ctx context.Context, actor string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "clockd-actor", actor)
}

func isInvalid(err error) bool { return errors.Is(err, task.ErrInvalid) }

func sampleTask(i int) task.Task {
	name := fmt.Sprintf("task-%04d", i)
	return task.Task{
		ID: task.IDOf("", name), State: task.Active, Version: 1,
		Declaration: task.Declaration{Name: name, Trigger: hourly},
		CreateTime:  fakedaemon.Now, UpdateTime: fakedaemon.Now,
	}
}
