package daemon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestRunsOfAKilledNodeAreTakenOver(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "once 2000-01-02T00:00:00Z", takes: time.Minute}
		once := &busy{name: "once", trigger: "once 2000-01-02T00:00:00Z", takes: time.Minute, policy: task.Policy{Delivery: task.AtMostOnce}}
		a := c.join("a", long.task("a"), once.task("a"))
		c.join("b", long.task("b"), once.task("b"))
		first, err := a.RunTask(t.Context(), ref("long"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		lost, err := a.RunTask(t.Context(), ref("once"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.sleep(5 * time.Second)
		a.kill()
		killed := time.Now()
		c.sleep(20 * time.Second)

		starts := long.seen()
		if len(starts) != 2 || starts[1].at != "b" || starts[1].attempt != 2 || starts[1].time.Sub(killed) > 20*time.Second {
			t.Errorf("starts %+v, want a second at b within 20s", starts)
		}
		run := c.run(first.ID)
		if run.State != task.Running || run.Attempt != 2 || len(run.Earlier) != 1 || run.Earlier[0].State != task.Lost || run.Earlier[0].Node == run.Node {
			t.Errorf("run that was taken over: %+v", run)
		}
		if run := c.run(lost.ID); run.State != task.Lost || len(once.seen()) != 1 {
			t.Errorf("run that may be started once: %s, starts %+v", story(run), once.seen())
		}
		c.sleep(time.Minute)
		if run := c.run(first.ID); run.State != task.Succeeded || run.Attempt != 2 {
			t.Errorf("run that was taken over: %s", story(run))
		}
	})
}

func TestANodeThatIsCutOffStopsBeforeOthersTakeOverAndComesBack(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "once 2000-01-02T00:00:00Z", takes: time.Minute}
		tick := &busy{name: "tick", trigger: "every 1s", takes: 10 * time.Millisecond}
		a := c.join("a", long.task("a"), tick.task("a"))
		b := c.join("b", long.task("b"), tick.task("b"))
		request := uuid.New()
		first, err := a.RunTask(t.Context(), ref("long"), client.RunOptions{RequestID: request})
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error, 1)
		go func() {
			_, err := a.RunTask(t.Context(), ref("long"), client.RunOptions{Wait: true, RequestID: request})
			waits <- err
		}()
		c.sleep(5 * time.Second)
		a.store.Cut(memory.Unreachable)
		c.sleep(20 * time.Second)
		starts := long.seen()
		if len(starts) != 2 || starts[0].canceled.IsZero() || !starts[0].canceled.Before(starts[1].time) || starts[1].at != "b" {
			t.Fatalf("starts %+v, want that of a canceled before that of b", starts)
		}
		if err := <-waits; !errors.Is(err, task.ErrUnavailable) && !errors.Is(err, task.ErrGivenUp) {
			t.Errorf("a call that waits at the node that was given up: %v", err)
		}
		if status, _ := a.d.Health(t.Context()); status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health of the node that was given up: %s", status)
		}
		a.store.Cut(memory.Healed)
		c.sleep(10 * time.Second)
		if status, _ := a.d.Health(t.Context()); status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of the node once it is back: %s", status)
		}
		if run := c.run(first.ID); run.State != task.Running || run.Attempt != 2 {
			t.Errorf("what was taken over: %s", story(run))
		}
		// It works again as one of them: with b gone it does all.
		b.stop()
		c.sleep(10 * time.Second)
		n := 0
		for _, s := range tick.seen() {
			if s.at == "a" && time.Since(s.time) < 5*time.Second {
				n++
			}
		}
		if n < 4 {
			t.Errorf("%d starts at a in the last 5s, want each second one", n)
		}
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
	})
}

func TestWhatANodeRecordsWhoseAnswersAreLostIsDoneOnce(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tick := &busy{name: "tick", trigger: "every 1s", takes: 300 * time.Millisecond}
		a := c.join("a", tick.task("a"))
		for range 20 {
			c.sleep(1700 * time.Millisecond)
			a.store.Cut(memory.AnswersLost)
			c.sleep(900 * time.Millisecond)
			a.store.Cut(memory.Healed)
		}
		c.sleep(5 * time.Second)
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
		runs := make(map[task.RunID]int)
		for _, s := range tick.seen() {
			runs[s.run]++
		}
		for id, n := range runs {
			if n != 1 {
				t.Errorf("run %s was started %d times", id, n)
			}
		}
		for _, run := range c.runs("tick") {
			if run.Cause == task.ByFire && run.State != task.Succeeded && run.EndTime.IsZero() && time.Since(run.ScheduledTime) > 3*time.Second {
				t.Errorf("a run is stuck: %s", story(run))
			}
		}
	})
}

func TestAStopHandsOverWithinASecond(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "once 2000-01-02T00:00:00Z", takes: 3 * time.Second, policy: task.Policy{Overlap: task.OverlapQueue}}
		tick := &busy{name: "tick", trigger: "every 1s", takes: 10 * time.Millisecond}
		a := c.join("a", long.task("a"), tick.task("a"))
		c.join("b", long.task("b"), tick.task("b"))
		for range 2 {
			if _, err := a.RunTask(t.Context(), ref("long"), client.RunOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		c.sleep(2 * time.Second)
		a.stop() // the first is still going, and gets canceled after the grace
		stopped := time.Now()
		c.sleep(1500 * time.Millisecond)
		starts := long.seen()
		if len(starts) != 2 || starts[1].at != "b" || starts[1].time.Sub(stopped) > 1300*time.Millisecond {
			t.Errorf("starts %+v, want the second at b within about a second of %s", starts, stopped)
		}
		c.sleep(4 * time.Second)
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
	})
}
