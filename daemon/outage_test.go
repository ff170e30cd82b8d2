package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestStartUpAndShutDownTriggersWaitForTheStore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		h := &hooked{Store: w.store}
		// The store fails as soon as the daemon has looked at what is unfinished, for the second time.
		looks := 0
		h.before = func(call string) error {
			if call == "Unfinished" {
				if looks++; looks == 2 {
					defer down.Store(true)
				}
			}
			return down.before(call)
		}
		w.store = h
		w.grace = 10 * time.Second
		tasks := []daemon.Task{at("up", "startup", 0), at("tick", "every 1s", 0), at("down", "shutdown", 0)}
		w.start(tasks...)
		w.sleep(2 * time.Second)
		down.Store(false)
		w.sleep(10 * time.Second)
		if runs := w.runs("up"); len(runs) != 1 || runs[0].State != task.Succeeded || runs[0].StartTime.After(w.runs("tick")[0].StartTime) {
			t.Errorf("start-up: %v", runs)
		}
		down.Store(true)
		var wait sync.WaitGroup
		wait.Go(func() {
			time.Sleep(5 * time.Second)
			down.Store(false)
		})
		w.stop()
		wait.Wait()
		h.before = func(string) error { return nil }
		w.start(tasks...)
		if runs := w.runs("down"); len(runs) != 1 || runs[0].State != task.Succeeded {
			t.Errorf("shut-down: %v", runs)
		}
	})
}

func TestACallThatIsRecordedAnswersThoughTheStoreCanNotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store = &hooked{Store: w.store, before: func(call string) error {
			if call == "Run" {
				return task.ErrUnavailable
			}
			return nil
		}}
		c := w.start(at("job", "every 1h", time.Second))
		run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true})
		if err != nil || run.State != task.Succeeded {
			t.Errorf("%s, %v", story(run), err)
		}
	})
}

func TestNobodyWaitsForARunWhoseEndCanNotBeRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var broken atomic.Bool
		w.store = &hooked{Store: w.store, before: func(call string) error {
			if call == "Record" && broken.Load() {
				return errors.New("a defect")
			}
			return nil
		}}
		c := w.start(at("job", "every 1h", time.Second))
		broken.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if run, err := c.RunTask(ctx, ref("job"), client.RunOptions{Wait: true}); err == nil || ctx.Err() != nil {
			t.Errorf("%s, %v", story(run), err)
		}
		broken.Store(false)
	})
}

func TestAStopWithAFailingStoreIsBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: memory.New(memory.Config{Namespace: "default"}), before: down.before}
		var tasks []daemon.Task
		for i := range 5000 { // several batches of records
			tasks = append(tasks, at(fmt.Sprint("job", i), "once", time.Second))
		}
		w.start(tasks...)
		w.sleep(500 * time.Millisecond)
		down.Store(true)
		w.sleep(time.Second)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

func TestNothingIsLostWhileTheStoreFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		every := at("all", "every 10s", 0)
		every.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
		var ran journal
		slow := daemon.Task{Name: "slow", Trigger: schedule.MustParse("once"), Do: daemon.Func(func(context.Context, daemon.Run) (any, error) {
			time.Sleep(15 * time.Second)
			ran.write("ran")
			return "done", nil
		})}
		w.start(every, slow)
		w.sleep(14 * time.Second)
		down.Store(true)
		w.sleep(20 * time.Second)
		if ran.read() != "ran" {
			t.Fatal("the slow task did not end while the store failed")
		}
		down.Store(false)
		w.sleep(10 * time.Second)
		w.wantRuns("slow", "00:00:00 succeeded")
		for i, run := range w.runs("all") {
			if want := midnight.Add(time.Duration(i+1) * 10 * time.Second); !run.ScheduledTime.Equal(want) || run.State != task.Succeeded {
				t.Errorf("run %d: %s, want %s", i, story(run), want)
			}
		}
	})
}

func TestHealthFollowsTheStore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		w.start(at("job", "every 1s", 0))
		healthy := func() grpc_health_v1.HealthCheckResponse_ServingStatus {
			t.Helper()
			status, err := w.d.Health(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return status
		}
		w.sleep(10 * time.Second)
		if got := healthy(); got != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("at first: %s", got)
		}
		down.Store(true)
		w.sleep(10 * time.Second)
		if got := healthy(); got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("while the store fails: %s", got)
		}
		down.Store(false)
		w.sleep(10 * time.Second)
		if got := healthy(); got != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("when it works again: %s", got)
		}
	})
}
