package daemon_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// employed starts a worker at a node, and returns what stops it.
func employed(m *member, name string, one client.WorkerTask) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- m.Work(ctx, client.Worker{Name: name, Places: 2, Grace: time.Second, Tasks: []client.WorkerTask{one}, Logger: m.cluster.log})
	}()
	m.cluster.sleep(2 * time.Second)
	return func() {
		cancel()
		if err := <-ended; err != nil {
			m.cluster.t.Errorf("worker %s: %v", name, err)
		}
		m.cluster.sleep(2 * time.Second)
	}
}

func TestAWorkersTaskRunsAtTheNodeThatHasTheWorker(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		report := client.WorkerTask{
			Name: "report", Trigger: schedule.MustParse("every 1s"),
			Do: func(context.Context, *client.Assignment) (any, error) {
				time.Sleep(100 * time.Millisecond)
				return nil, nil
			},
		}
		a, b := c.join("a"), c.join("b")
		stop := employed(b, "of-b", report)
		c.sleep(10 * time.Second)
		if runs := c.runs("report"); len(runs) < 10 || runs[len(runs)-2].State != task.Succeeded {
			t.Errorf("%d runs, want one each second", len(runs))
		}
		stop()
		// Nobody has a worker: it waits, at one of them.
		c.sleep(5 * time.Second)
		runs := c.runs("report")
		if i := slices.IndexFunc(runs, func(r task.Run) bool { return r.State == task.Scheduled && r.Reason == task.ReasonWorker }); i < 0 {
			t.Error("nothing waits for a worker")
		}
		for _, m := range []*member{a, b, a} {
			stop = employed(m, "another", report)
			c.sleep(3 * time.Second)
			before := len(c.runs("report"))
			c.sleep(5 * time.Second)
			runs = c.runs("report")
			if len(runs) < before+4 || runs[len(runs)-2].State != task.Succeeded || runs[len(runs)-2].Node != m.d.Self() {
				t.Errorf("%d runs in 5s, the last but one %+v, want one each second at %s", len(runs)-before, runs[len(runs)-2], m.d.Self())
			}
			for _, run := range runs[:len(runs)-2] {
				if !run.State.Ended() {
					t.Errorf("a run is left: %s", story(run))
				}
			}
			stop()
		}
	})
}

func TestTheClockOfAClusterIsThatOfTheStore(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tick := &busy{name: "tick", trigger: `cron "*/5 * * * * *" UTC`, takes: 10 * time.Millisecond}
		cfg := daemon.Config{NodeName: "a", Tasks: []daemon.Task{tick.task("a")}}
		cfg.SetClock(func() time.Time { return time.Now().Round(0).Add(-time.Hour) })
		a := c.joinAs(cfg)
		c.sleep(21 * time.Second)
		starts := tick.seen()
		if len(starts) != 4 {
			t.Fatalf("%d starts in 21s, want 4", len(starts))
		}
		for i, s := range starts {
			if want := midnight.Add(time.Duration(5*(i+1)) * time.Second); !s.time.Equal(want) {
				t.Errorf("start %d at %s, want %s", i, s.time, want)
			}
		}
		for _, run := range c.runs("tick") {
			if !run.StartTime.Equal(run.ScheduledTime) {
				t.Errorf("recorded: %s", story(run))
			}
		}
		nodes, err := a.store.Nodes(t.Context())
		if err != nil || len(nodes) != 1 || nodes[0].ClockOffset.Round(time.Second) != -time.Hour {
			t.Errorf("nodes %+v, %v", nodes, err)
		}
	})
}

func TestANodeWhoseMachineSleptDropsWhatItHadBeforeItStartsAnything(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "once 2000-01-02T00:00:00Z", takes: time.Minute}
		tick := &busy{name: "tick", trigger: "every 1s", takes: time.Millisecond}
		w := &world{t: t}
		cfg := daemon.Config{NodeName: "a", Tasks: []daemon.Task{long.task("a"), tick.task("a")}}
		cfg.SetClock(w.now)
		a := c.joinAs(cfg)
		was := a.d.Self()
		if _, err := a.RunTask(t.Context(), ref("long"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		c.sleep(5500 * time.Millisecond)
		w.set(time.Minute) // the monotonic clock stood still meanwhile
		c.sleep(1100 * time.Millisecond)
		if s := long.seen(); len(s) == 0 || s[0].canceled.IsZero() {
			t.Errorf("starts %+v, want the attempt canceled", s)
		}
		if a.d.Self() == was {
			t.Error("it is the same node still")
		}
		c.sleep(30 * time.Second)
		if s := long.seen(); len(s) != 2 || s[1].attempt != 2 {
			t.Errorf("starts %+v, want a second attempt", s)
		}
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
	})
}

func TestEachNodeFiresItsStartUpAndShutDownTriggers(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		up := &busy{name: "up", trigger: "any(startup; shutdown; every 1h)", takes: 500 * time.Millisecond}
		var nodes []*member
		for _, name := range []string{"a", "b", "c"} {
			nodes = append(nodes, c.join(name, up.task(name))) // while that of the one before goes
		}
		c.sleep(5 * time.Second)
		if n := len(up.seen()); n != 3 {
			t.Errorf("%d starts, want one at each of three nodes", n)
		}
		nodes[0].stop()
		nodes[1].stop()
		if n := len(up.seen()); n != 5 {
			t.Errorf("%d starts, want two more", n)
		}
		for _, run := range c.runs("up") {
			if run.State != task.Succeeded {
				t.Errorf("run: %s", story(run))
			}
		}
	})
}
