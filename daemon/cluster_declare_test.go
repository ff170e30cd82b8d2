package daemon_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// What another node holds is declared through that node: a task whose runs take for ever is never free.
func TestADeployReachesATaskThatIsNeverFree(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "every 1s", takes: time.Hour}
		older := c.joinAs(daemon.Config{NodeName: "a", Revision: 1, Tasks: []daemon.Task{long.task("a")}})
		c.sleep(1500 * time.Millisecond)
		newer := &busy{name: "long", trigger: "every 7s", takes: time.Hour}
		c.joinAs(daemon.Config{NodeName: "b", Revision: 2, Tasks: []daemon.Task{newer.task("b")}})
		c.sleep(2 * time.Second)
		got, err := c.store.Task(t.Context(), ref("long"))
		if err != nil || got.Revision != 2 || got.Trigger().String() != "every 7s" {
			t.Errorf("revision %d, %s, %v", got.Revision, got.Trigger(), err)
		}
		if run := c.runs("long")[0]; run.State != task.Running || run.Node != older.d.Self() || len(newer.seen()) != 0 {
			t.Errorf("the run: %+v", run)
		}
	})
}

func TestAWorkerReachesATaskThatIsNeverFree(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		a, b := c.join("a"), c.join("b")
		ctx, cancel := context.WithCancel(t.Context())
		working := 0
		ended := make(chan error, 2)
		work := func(at *member, revision int64, trigger string) {
			working++
			go func() {
				ended <- at.Work(ctx, client.Worker{
					Name: "hand", Revision: revision, Places: 1, Logger: slog.New(slog.DiscardHandler), Tasks: []client.WorkerTask{{
						Name: "long", Trigger: schedule.MustParse(trigger),
						Do: func(ctx context.Context, _ *client.Assignment) (any, error) {
							<-ctx.Done()
							return nil, context.Cause(ctx)
						},
					}},
				})
			}()
		}
		work(a, 1, "every 1s")
		c.sleep(1500 * time.Millisecond)
		work(b, 2, "every 7s")
		c.sleep(2 * time.Second)
		got, err := c.store.Task(t.Context(), ref("long"))
		if err != nil || got.Revision != 2 || got.Trigger().String() != "every 7s" {
			t.Errorf("revision %d, %s, %v", got.Revision, got.Trigger(), err)
		}
		if workers, err := b.Workers(t.Context()); err != nil || len(workers) != 1 {
			t.Errorf("workers at b: %+v, %v", workers, err)
		}
		if run := c.runs("long")[0]; run.State != task.Running || run.Node != a.d.Self() {
			t.Errorf("the run: %+v", run)
		}
		cancel()
		for range working {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
