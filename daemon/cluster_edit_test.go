package daemon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestWhatOneNodeHoldsIsChangedThroughAnother(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		long := &busy{name: "long", trigger: "every 1s", takes: time.Minute, policy: task.Policy{Overlap: task.OverlapQueue}}
		a := c.join("a", long.task("a"))
		c.sleep(2500 * time.Millisecond) // a holds it: one run goes, one waits
		b := c.join("b", long.task("b"))
		ctx := t.Context()
		if _, err := b.UpdateTrigger(ctx, ref("long"), schedule.MustParse("every 1h"), client.UpdateOptions{}); err != nil {
			t.Errorf("update: %v", err)
		}
		if _, err := b.PauseTask(ctx, ref("long"), client.PauseOptions{}); err != nil {
			t.Errorf("pause: %v", err)
		}
		if runs := c.runs("long"); len(runs) != 2 || runs[1].State != task.Skipped {
			t.Errorf("a pause at another node: %v", runs)
		}
		if _, err := b.ResumeTask(ctx, ref("long"), client.EditOptions{}); err != nil {
			t.Errorf("resume: %v", err)
		}
		called, err := b.RunTask(ctx, ref("long"), client.RunOptions{})
		if err != nil || called.State != task.Scheduled {
			t.Errorf("call: %s, %v", story(called), err)
		}
		c.sleep(time.Second)
		if n := len(long.seen()); n != 1 {
			t.Errorf("%d starts, want one: the call waits for the run that goes at a", n)
		}
		going := c.runs("long")[0].ID
		if run, err := b.CancelRun(ctx, going, "enough"); err != nil || run.State != task.Canceled {
			t.Errorf("cancel: %s, %v", story(run), err)
		}
		c.sleep(time.Second)
		if s := long.seen(); len(s) != 2 || s[1].run != called.ID || s[1].at != "a" {
			t.Errorf("starts %+v, want the run of the call next, at a", s)
		}
		_, _ = a.CancelRun(ctx, called.ID, "")
		c.sleep(time.Second)
		if run, err := b.RunTask(ctx, ref("long"), client.RunOptions{}); err != nil {
			t.Errorf("call of a task that is free: %s, %v", story(run), err)
		}
		c.sleep(time.Second)
		if s := long.seen(); len(s) != 3 || s[2].at != "b" {
			t.Errorf("starts %+v, want the last at b, where it was called", s)
		}
	})
}

func TestATaskThatIsMadeAtOneNodeRunsAtAll(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		a := c.joinAs(daemon.Config{NodeName: "a", AllowCommands: true})
		c.joinAs(daemon.Config{NodeName: "b", AllowCommands: true})
		ctx := t.Context()
		create := func(text string) error {
			_, err := a.CreateTask(ctx, task.Declaration{
				Name: "made", Trigger: schedule.MustParse(text), Spec: &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"/bin/true"}}},
			}, client.CreateOptions{})
			return err
		}
		if err := create("every 10s"); err != nil {
			t.Fatal(err)
		}
		a.stop()
		c.sleep(25 * time.Second)
		if runs := c.runs("made"); len(runs) != 2 {
			t.Fatalf("runs of a task that was made at a node that has left: %v", runs)
		}
		// It is deleted and made again elsewhere: what b knew of it is no more.
		a = c.joinAs(daemon.Config{NodeName: "a", AllowCommands: true})
		if err := a.DeleteTask(ctx, ref("made"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := create("every 3s"); err != nil {
			t.Fatal(err)
		}
		a.stop()
		c.sleep(10 * time.Second)
		if runs := c.runs("made"); len(runs) != 3 {
			t.Errorf("runs of a task that was made again: %v", runs)
		}
	})
}

func TestOverlapIsOfTheCluster(t *testing.T) {
	for _, overlap := range []task.Overlap{task.OverlapSkip, task.OverlapQueue} {
		t.Run(fmt.Sprint(overlap), func(t *testing.T) {
			inCluster(t, func(t *testing.T, c *cluster) {
				slow := &busy{name: "slow", trigger: "every 1s", takes: 2500 * time.Millisecond, policy: task.Policy{Overlap: overlap}}
				nodes := []*member{c.join("a", slow.task("a")), c.join("b", slow.task("b")), c.join("c", slow.task("c"))}
				for i := range 30 {
					c.sleep(2300 * time.Millisecond)
					if _, err := nodes[i%3].RunTask(t.Context(), ref("slow"), client.RunOptions{}); err != nil {
						t.Error(err)
					}
				}
				if slow.most != 1 {
					t.Errorf("%d at the same time, want 1", slow.most)
				}
				if n := len(slow.seen()); n < 20 {
					t.Errorf("%d runs in 69s, want one each 3s at least", n)
				}
				c.wantEachInstantOnce("slow", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
			})
		})
	}
}

func TestEachInstantComesOnceInACluster(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		var tasks []*busy
		for i := range 1000 {
			tasks = append(tasks, &busy{name: fmt.Sprintf("task%d", i), trigger: fmt.Sprintf("every %ds", 1+i%7), takes: time.Duration(i%5) * 10 * time.Millisecond})
		}
		for _, name := range []string{"a", "b", "c"} {
			var declared []daemon.Task
			for _, b := range tasks {
				declared = append(declared, b.task(name))
			}
			c.join(name, declared...)
		}
		c.sleep(20 * time.Second)
		c.nodes[1].kill()
		c.sleep(25 * time.Second)
		for i, b := range tasks {
			period := time.Duration(1+i%7) * time.Second
			c.wantEachInstantOnce(b.name, midnight.Add(period), time.Now().Add(-time.Second), period)
		}
		at := make(map[string]int)
		for _, b := range tasks {
			for _, s := range b.seen() {
				at[s.at]++
			}
		}
		if at["a"] == 0 || at["b"] == 0 || at["c"] == 0 {
			t.Errorf("starts by node: %v, want some at each", at)
		}
	})
}

func TestALimitOfAGroupIsOfTheCluster(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		one := &busy{takes: 700 * time.Millisecond} // counts for all of them
		for _, name := range []string{"a", "b", "c"} {
			var tasks []daemon.Task
			for i := range 9 {
				tk := at(fmt.Sprintf("task%d", i), "every 1s", 0)
				tk.Group, tk.Policy = "few", task.Policy{Overlap: task.OverlapQueue}
				tk.Do = daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) { return nil, one.do(ctx, name, r) })
				tasks = append(tasks, tk)
			}
			m := c.joinAs(daemon.Config{NodeName: name, Tasks: tasks, Groups: map[string]daemon.Group{"few": {Limits: task.Limits{MaxRunning: 2}}}})
			// Each holds three of them: there is always one that waits.
			for i := range 3 {
				if _, err := m.RunTask(t.Context(), ref(fmt.Sprintf("task%d", 3*(len(c.nodes)-1)+i)), client.RunOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.sleep(60 * time.Second)
		if one.most != 2 {
			t.Errorf("%d at the same time in a group that has 2 places", one.most)
		}
		// Two places of 700ms each make 171 runs a minute, less what it takes to hand places over.
		if n := len(one.seen()); n < 120 {
			t.Errorf("%d runs in a minute, want 120 at least", n)
		}
		at := make(map[string]int)
		for _, s := range one.seen() {
			at[s.at]++
		}
		if len(at) != 3 {
			t.Errorf("starts by node: %v, want some at each", at)
		}
		// A node that is killed gives its places back.
		c.nodes[0].kill()
		c.sleep(20 * time.Second)
		before := len(one.seen())
		c.sleep(20 * time.Second)
		if n := len(one.seen()) - before; n < 40 {
			t.Errorf("%d runs in 20s after a node was killed, want 40 at least", n)
		}
	})
}

func TestADeployThatRollsFlipsNothing(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		program := func(node string, revision int64) daemon.Config {
			tick := &busy{name: "tick", trigger: "every 1s", takes: 10 * time.Millisecond}
			kept := &busy{name: "kept", trigger: "every 5s", takes: 10 * time.Millisecond}
			held := &busy{name: "held", trigger: "forever", takes: 100 * time.Millisecond}
			gone := &busy{name: "gone", trigger: "every 2s", takes: 10 * time.Millisecond}
			cfg := daemon.Config{NodeName: node, Revision: revision}
			if revision == 2 {
				kept.trigger = "every 7s"
			}
			cfg.Tasks = []daemon.Task{tick.task(node), kept.task(node), held.task(node)}
			if revision == 1 {
				cfg.Tasks = append(cfg.Tasks, gone.task(node))
			}
			return cfg
		}
		names := []string{"a", "b", "c"}
		var nodes []*member
		for _, name := range names {
			nodes = append(nodes, c.joinAs(program(name, 1)))
		}
		ctx := t.Context()
		if _, err := nodes[0].UpdateTrigger(ctx, ref("kept"), schedule.MustParse("every 3s"), client.UpdateOptions{OnDeclaredChange: task.Keep}); err != nil {
			t.Fatal(err)
		}
		c.sleep(5 * time.Second)
		declared := make(map[string]bool)
		look := func() {
			got, err := c.store.Task(ctx, ref("kept"))
			if err != nil || got.Trigger().String() != "every 3s" {
				t.Errorf("the override: %s, %v", got.Trigger(), err)
			}
			text := got.Declaration.Trigger.String()
			if text == "every 5s" && declared["every 7s"] {
				t.Error("the declaration has flipped back")
			}
			declared[text] = true
		}
		for i, name := range names {
			nodes[i].stop()
			look()
			if i < 2 {
				got, err := c.store.Task(ctx, ref("gone"))
				if err != nil || got.State != task.Active {
					t.Errorf("a task that nodes still declare: %v, %v", got.State, err)
				}
			}
			c.sleep(700 * time.Millisecond)
			nodes[i] = c.joinAs(program(name, 2))
			for range 10 {
				c.sleep(500 * time.Millisecond)
				look()
			}
		}
		c.sleep(15 * time.Second)
		if !declared["every 7s"] {
			t.Error("the new declaration has not come")
		}
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
		c.wantEachInstantOnce("kept", midnight.Add(3*time.Second), time.Now().Add(-time.Second), 3*time.Second)
		for _, name := range []string{"tick", "kept", "held"} {
			if got, err := c.store.Task(ctx, ref(name)); err != nil || got.Revision != 2 || got.State != task.Active {
				t.Errorf("%s: revision %d, state %v, %v", name, got.Revision, got.State, err)
			}
		}
		if got, err := c.store.Task(ctx, ref("gone")); err != nil || got.State != task.Orphaned || got.OrphanTime.IsZero() {
			t.Errorf("a task that no node declares any more: %v since %s, %v", got.State, got.OrphanTime, err)
		}
	})
}

func TestAReloadAtOneNodeLeavesToOthersWhatItDropsAndOrphansItWithTheLast(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tick := &busy{name: "tick", trigger: "every 1s", takes: 10 * time.Millisecond}
		long := &busy{name: "long", trigger: "every 1s", takes: 2500 * time.Millisecond, policy: task.Policy{Overlap: task.OverlapQueue}}
		a := c.join("a", tick.task("a"), long.task("a"))
		b := c.join("b", tick.task("b"), long.task("b"))
		ctx := t.Context()
		c.sleep(5500 * time.Millisecond)
		if err := a.d.Reload(ctx, daemon.Config{}); err != nil {
			t.Fatal(err)
		}
		c.sleep(10 * time.Second)
		for _, name := range []string{"tick", "long"} {
			if got, err := c.store.Task(ctx, ref(name)); err != nil || got.State != task.Active {
				t.Errorf("%s, which another node declares: %v, %v", name, got.State, err)
			}
		}
		for _, s := range tick.seen() {
			if s.at == "a" && s.time.After(midnight.Add(6500*time.Millisecond)) {
				t.Errorf("%+v: it is not declared there any more", s)
			}
		}
		for _, run := range c.runs("long") {
			if run.State == task.Lost || run.State == task.Skipped && run.Reason != task.ReasonOverlap {
				t.Errorf("run: %s", story(run))
			}
		}
		c.wantEachInstantOnce("tick", midnight.Add(time.Second), time.Now().Add(-time.Second), time.Second)
		if err := b.d.Reload(ctx, daemon.Config{}); err != nil {
			t.Fatal(err)
		}
		c.sleep(10 * time.Second)
		for _, name := range []string{"tick", "long"} {
			if got, err := c.store.Task(ctx, ref(name)); err != nil || got.State != task.Orphaned || got.OrphanTime.IsZero() {
				t.Errorf("%s, which nobody declares: %v, %v", name, got.State, err)
			}
			for _, run := range c.runs(name) {
				if !run.State.Ended() {
					t.Errorf("run of a task that nobody declares: %s", story(run))
				}
			}
		}
	})
}

func TestATriggerThatOnlyTheNewerProgramKnowsIsLeftToIt(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tick := &busy{name: "tick", trigger: "every 1s", takes: 10 * time.Millisecond}
		c.joinAs(daemon.Config{NodeName: "a", Revision: 1, Tasks: []daemon.Task{tick.task("a")}})
		c.sleep(3500 * time.Millisecond)
		newer := &busy{name: "tick", trigger: "every 1s exclude(calendar holidays)", takes: tick.takes}
		c.joinAs(daemon.Config{NodeName: "b", Revision: 2, Tasks: []daemon.Task{newer.task("b")}, Calendars: map[string][]schedule.Exclusion{
			"holidays": schedule.MustParse("every 1s exclude(window 12:00-13:00 UTC)").Exclusions,
		}})
		c.sleep(20 * time.Second)
		got, err := c.store.Task(t.Context(), ref("tick"))
		if err != nil || got.State != task.Active || got.Revision != 2 || got.Pause != nil {
			t.Errorf("task: %v, revision %d, pause %+v, %v", got.State, got.Revision, got.Pause, err)
		}
		c.nodes[1].stop()
		c.sleep(5 * time.Second)
		// Now nobody can use it, and somebody has to see to that.
		if got, err = c.store.Task(t.Context(), ref("tick")); err != nil || got.Pause == nil {
			t.Errorf("a trigger that nobody can use: %v, %v", got.State, err)
		}
	})
}

func TestAnOverrideExpiresAndAPauseEndsWhoeverSetIt(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tick := &busy{name: "tick", trigger: "every 1h", takes: time.Millisecond}
		a := c.join("a", tick.task("a"))
		c.join("b", tick.task("b"))
		ctx := t.Context()
		_, err := a.UpdateTrigger(ctx, ref("tick"), schedule.MustParse("every 1s"), client.UpdateOptions{ExpireTime: time.Now().Add(10 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.PauseTask(ctx, ref("tick"), client.PauseOptions{ResumeTime: time.Now().Add(5 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		a.kill()
		c.sleep(8 * time.Second)
		got, err := c.store.Task(ctx, ref("tick"))
		if err != nil || got.State != task.Active || got.Override == nil {
			t.Errorf("after the pause: %v, override %v, %v", got.State, got.Override, err)
		}
		c.sleep(5 * time.Second)
		if got, err = c.store.Task(ctx, ref("tick")); err != nil || got.Override != nil {
			t.Errorf("after the override: %v, %v", got.Override, err)
		}
	})
}
