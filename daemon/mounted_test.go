package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

func TestCallsBeforeRunAndAfterAFailedRunChangeNothing(t *testing.T) {
	for name, run := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(at("job", "every 1h", 0))
				w.stop()
				fails := &hooked{Store: w.store, before: func(call string) error {
					if call == "Unfinished" {
						return task.ErrUnavailable
					}
					return nil
				}}
				d, err := daemon.New(daemon.Config{Store: fails, Tasks: []daemon.Task{at("job", "every 1h", 0)}, Logger: w.log})
				if err != nil {
					t.Fatal(err)
				}
				if run && d.Run(t.Context()) == nil {
					t.Fatal("the daemon ran")
				}
				c, end := mounted(t, d)
				defer end()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := c.RunTask(ctx, ref("job"), client.RunOptions{}); err == nil || ctx.Err() != nil {
					t.Errorf("RunTask: %v", err)
				}
				if _, err := c.PauseTask(ctx, ref("job"), client.PauseOptions{}); err == nil || ctx.Err() != nil {
					t.Errorf("PauseTask: %v", err)
				}
				if runs, err := w.store.Unfinished(t.Context(), 0, 10); err != nil || len(runs) != 0 {
					t.Errorf("runs %v, %v", runs, err)
				}
			})
		})
	}
}

// mounted serves a daemon on a server of the user's own.
func mounted(t *testing.T, d *daemon.Daemon) (*client.Client, func()) {
	t.Helper()
	server, local := grpc.NewServer(), bufconn.Listen(1<<16)
	d.Register(server)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(local)
	}()
	conn, err := grpc.NewClient("passthrough:user", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return local.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return client.New(conn), func() {
		_ = conn.Close()
		server.Stop()
		<-served
	}
}

func TestADaemonThatIsNotUpAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{Tasks: []daemon.Task{at("job", "every 1h", 0)}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		// As on a server of the user's own, which may serve before Run and after it.
		c, stop := mounted(t, d)
		defer stop()
		refused := func(want error) {
			t.Helper()
			if _, err := c.Task(t.Context(), ref("job")); !errors.Is(err, want) {
				t.Errorf("GetTask: %v, want %v", err, want)
			}
			if _, _, err := c.TasksPage(t.Context(), client.TaskFilter{}, 0, ""); !errors.Is(err, want) {
				t.Errorf("ListTasks: %v, want %v", err, want)
			}
			if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 2h"), client.UpdateOptions{}); !errors.Is(err, want) {
				t.Errorf("UpdateTrigger: %v, want %v", err, want)
			}
			if _, err := c.Run(t.Context(), 1); !errors.Is(err, want) {
				t.Errorf("GetRun: %v, want %v", err, want)
			}
		}
		refused(task.ErrStarting)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		<-d.Ready()
		if _, err := c.Task(t.Context(), ref("job")); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		refused(task.ErrStopping)
	})
}
