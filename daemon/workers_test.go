package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// employ starts a worker for a task that it declares, and returns what stops it and waits for it.
func employ(t *testing.T, w *world, c *client.Client, name string, one client.WorkerTask) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Work(ctx, client.Worker{Name: name, Places: 2, Grace: time.Second, Tasks: []client.WorkerTask{one}, Logger: w.log})
	}()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker %s: %v", name, err)
		}
	}
}

func TestAWorkerRunsTheTaskThatItDeclares(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		stop := employ(t, w, c, "one", client.WorkerTask{
			Name: "report", Trigger: schedule.MustParse("every 1h"), Description: "reports",
			Do: func(_ context.Context, a *client.Assignment) (any, error) {
				fmt.Fprintln(a.Output, "working")
				a.Progress(0.5, "half")
				time.Sleep(time.Minute)
				return a.ScheduledTime, nil
			},
		})
		got := w.task("report")
		if got.Origin != task.Announced || got.Declaration.Description != "reports" || got.Declaration.Target.Kind != "worker" {
			t.Errorf("task %+v", got)
		}
		w.sleep(time.Hour)
		var said []string
		run, err := c.FollowRun(t.Context(), w.runs("report")[0].ID, func(o task.Output) error {
			if o.Progress != nil {
				said = append(said, fmt.Sprint(o.Progress.Fraction, " ", o.Progress.Message))
			} else {
				said = append(said, string(o.Data))
			}
			return nil
		})
		if err != nil || run.State != task.Succeeded || run.Worker != "one" || string(run.Output) != `"2000-01-01T01:00:00Z"` {
			t.Errorf("run %+v, %v", run, err)
		}
		if joined := strings.Join(said, ","); !strings.Contains(joined, "working\n") || !strings.Contains(joined, "0.5 half") {
			t.Errorf("it said %q", said)
		}
		if workers, err := c.Workers(t.Context()); err != nil || len(workers) != 1 || workers[0].Name != "one" || workers[0].Places != 2 {
			t.Errorf("workers %+v, %v", workers, err)
		}
		stop()
		if workers, err := c.Workers(t.Context()); err != nil || len(workers) != 0 {
			t.Errorf("workers %+v, %v", workers, err)
		}
		// The task stays, and what it is to do waits for a worker.
		w.sleep(time.Hour)
		if waiting := w.runs("report")[1]; waiting.State != task.Scheduled || waiting.Reason != task.ReasonWorker {
			t.Errorf("run %+v", waiting)
		}
		stop = employ(t, w, c, "two", client.WorkerTask{
			Name: "report", Do: func(context.Context, *client.Assignment) (any, error) { return nil, nil },
		})
		if run := w.runs("report")[1]; run.State != task.Succeeded || run.Worker != "two" {
			t.Errorf("run %+v", run)
		}
		stop()
	})
}

func TestAWorkerThatStopsGivesItsRunToAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		slow := client.WorkerTask{
			Name: "report", Trigger: schedule.MustParse("every 1h"),
			Do: func(ctx context.Context, _ *client.Assignment) (any, error) {
				select {
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				case <-time.After(time.Minute):
					return "done", nil
				}
			},
		}
		stopOne := employ(t, w, c, "one", slow)
		w.sleep(time.Hour)
		stopTwo := employ(t, w, c, "two", slow)
		stopOne() // its grace is a second
		synctest.Wait()
		if run := w.runs("report")[0]; run.State != task.Running || run.Attempt != 2 || run.Worker != "two" || run.Earlier[0].Worker != "one" {
			t.Errorf("run %+v", run)
		}
		stopped := time.Now()
		w.sleep(2 * time.Minute)
		if run := w.runs("report")[0]; run.State != task.Succeeded || run.EndTime.Sub(stopped) != time.Minute {
			t.Errorf("run %+v", run)
		}
		stopTwo()
	})
}

func TestAFunctionOfAWorkerIsToldThatItsRunIsCanceledOrTakesTooLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		var why []string
		stop := employ(t, w, c, "one", client.WorkerTask{
			Name: "report", Trigger: schedule.MustParse("every 1h"), Policy: task.Policy{Timeout: time.Minute},
			Do: func(ctx context.Context, _ *client.Assignment) (any, error) {
				<-ctx.Done()
				if !errors.Is(ctx.Err(), context.Canceled) {
					t.Errorf("context ended with %v", ctx.Err())
				}
				why = append(why, context.Cause(ctx).Error())
				return nil, context.Cause(ctx)
			},
		})
		run, err := c.RunTask(t.Context(), ref("report"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if run, err = c.CancelRun(t.Context(), run.ID, "not needed"); err != nil || run.State != task.Canceled {
			t.Errorf("run %+v, %v", run, err)
		}
		if run, err = c.RunTask(t.Context(), ref("report"), client.RunOptions{Wait: true}); err != nil || run.State != task.TimedOut {
			t.Errorf("run %+v, %v", run, err)
		}
		if len(why) != 2 || !strings.Contains(why[0], "canceled") || !strings.Contains(why[1], "timed out") {
			t.Errorf("functions were told %q", why)
		}
		stop()
	})
}

func TestATaskThatTheProgramLeavesToWorkersIsRunByOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		report := daemon.Task{Name: "report", Trigger: schedule.MustParse("every 1h"), Do: daemon.Worker()}
		c := w.start(report)
		w.sleep(time.Hour + time.Minute)
		if waiting := w.runs("report")[0]; waiting.State != task.Scheduled || waiting.Reason != task.ReasonWorker {
			t.Errorf("run %+v", waiting)
		}
		stop := employ(t, w, c, "one", client.WorkerTask{
			Name: "report", Do: func(context.Context, *client.Assignment) (any, error) { return "done", nil },
		})
		if got := w.task("report"); got.Origin != task.Declared || got.Declaration.Target.Kind != "worker" {
			t.Errorf("task %+v", got)
		}
		run, err := c.Run(t.Context(), w.runs("report")[0].ID)
		if err != nil || run.State != task.Succeeded || run.Worker != "one" || string(run.Output) != `"done"` {
			t.Errorf("run %+v, %v", run, err)
		}

		// A reload moves tasks between the process and its workers.
		cfg := daemon.Config{Tasks: []daemon.Task{at("report", "every 1h", 0), {Name: "other", Trigger: schedule.MustParse("every 1h"), Do: daemon.Worker()}}}
		if err := w.d.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Hour)
		if run := w.runs("report")[1]; run.State != task.Succeeded || run.Worker != "" {
			t.Errorf("run %+v", run)
		}
		stop()
		stop = employ(t, w, c, "two", client.WorkerTask{
			Name: "other", Do: func(context.Context, *client.Assignment) (any, error) { return nil, nil },
		})
		if run := w.runs("other")[0]; run.State != task.Succeeded || run.Worker != "two" {
			t.Errorf("run %+v", run)
		}
		stop()

		// What a start would change is known without a daemon, to which workers connect.
		w.stop()
		cfg.SetClock(w.now)
		if diffs, err := daemon.Diff(t.Context(), cfg, w.store); err != nil || len(diffs) > 0 {
			t.Errorf("differences %+v, %v", diffs, err)
		}
		cfg.Tasks[0] = report
		diffs, err := daemon.Diff(t.Context(), cfg, w.store)
		if err != nil || len(diffs) != 1 || !strings.Contains(string(diffs[0].After), "a worker that runs the task") {
			t.Errorf("differences %+v, %v", diffs, err)
		}
	})
}
