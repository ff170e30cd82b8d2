package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
)

func TestHooksComeBeforeTheFirstRunAndAfterTheLast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var j journal
		w.grace = time.Minute
		w.register = func(c *daemon.Config) {
			c.OnStart = func(ctx context.Context) error {
				j.write("start")
				if _, bounded := ctx.Deadline(); bounded {
					t.Error("the start has a deadline")
				}
				return nil
			}
			c.OnStop = func(ctx context.Context) error {
				j.write("stop")
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != time.Minute || ctx.Err() != nil {
					t.Errorf("the stop has until %v, %v", deadline, ctx.Err())
				}
				return nil
			}
		}
		slow := daemon.Task{Name: "slow", Trigger: schedule.MustParse("every 10s"), Do: daemon.Func(func(ctx context.Context, _ daemon.Run) (any, error) {
			j.write("begin")
			time.Sleep(5 * time.Second)
			j.write("end")
			return nil, ctx.Err()
		})}
		w.start(slow, says(&j, "up", "startup", "up"), says(&j, "down", "shutdown", "down"))
		w.sleep(11 * time.Second)
		w.stop()
		if got := j.read(); got != "start up begin end down stop" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestAStartHookThatFailsStartsNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		hook func(context.Context) error
		want string
	}{
		"an error": {func(context.Context) error { return errors.New("no database") }, "start hook: no database"},
		"a panic":  {func(context.Context) error { panic("no database") }, "start hook: panic: no database"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				st := memory.New(memory.Config{Namespace: "default"})
				d, err := daemon.New(daemon.Config{
					Store: st, Tasks: []daemon.Task{says(&j, "up", "startup", "up"), says(&j, "down", "shutdown", "down")},
					OnStart: tt.hook, OnStop: func(context.Context) error { j.write("stop"); return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("Run: %v", err)
				}
				if got := j.read(); got != "" {
					t.Errorf("journal %q", got)
				}
				if tasks, err := st.Tasks(t.Context(), task.TaskQuery{Limit: 9}); err != nil || len(tasks) > 0 {
					t.Errorf("stored: %+v, %v", tasks, err)
				}
			})
		})
	}
}

func TestAStopHookThatFailsFailsRun(t *testing.T) {
	for name, tt := range map[string]struct {
		hook func(context.Context) error
		want string
	}{
		"an error": {func(context.Context) error { return errors.New("no disk") }, "stop hook: no disk"},
		"a panic":  {func(context.Context) error { panic("no disk") }, "stop hook: panic: no disk"},
		"too long": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "stop hook: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				d, err := daemon.New(daemon.Config{Tasks: []daemon.Task{says(&j, "down", "shutdown", "down")}, OnStop: tt.hook, StopGrace: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-d.Ready()
					cancel()
				}()
				if err := d.Run(ctx); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("Run: %v", err)
				}
				if got := j.read(); got != "down" {
					t.Errorf("journal %q", got)
				}
			})
		})
	}
}
