package storetest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var takeCases = []clusterCase{
	{"all runs of a task are taken at once, whole, with the node that had them", func(c *cluster) {
		c.a.join(briefly)
		c.b.join(forLong)
		c.c.join(forLong)
		c.a.create(newTask("x", past(0)), newTask("y", past(0)), newTask("z", past(0)))
		full := fullRun("x")
		full.State, full.EndTime = task.Running, time.Time{}
		y := c.a.recordN("y", 1)[0]
		x := c.a.record("x", full, newRun("x", past(0)), newRun("x", past(1000)))
		c.a.ends(x[1])
		z := c.c.recordN("z", 1)[0]
		c.b.reaps(c.a)
		want := []task.Run{c.b.run(y), c.b.run(x[0]), c.b.run(x[2])}
		for i := range want {
			c.b.equal(uuid.Nil, want[i].Node)
			want[i].Node = c.a.id
		}
		runs, more, err := c.b.Take(ctx, 9, anyTask)
		c.b.ok(err)
		c.b.equal(false, more)
		c.b.exact(want, runs)
		c.b.equal(full.Input, runs[1].Input)
		c.inHand(c.b, y, x[0], x[2])
		c.inHand(c.c, z)
		c.holds(c.b, "x")
		c.holds(c.b, "y")
		c.b.equal(0, len(c.b.takes()))
	}},
	{"what was taken goes on where it was", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		c.a.equal(0, len(c.a.reports(0, task.Running, 1, run)))
		c.a.ok(c.a.Leave(ctx))
		c.b.takes()
		c.b.equal([]task.RunID{run}, c.b.reports(0, task.Running, 2, run))
		c.b.equal(0, len(c.b.reports(1, task.Running, 2, run)))
		c.b.equal(0, len(c.b.reports(2, task.Succeeded, 2, run)))
		c.b.equal(int64(1), c.a.task("x").Counts.Succeeded)
		c.free("x")
		got := c.a.run(run)
		c.b.equal(c.b.id, got.Node)
	}},
	{"the node that had a run may take it back into its hands", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		c.a.givesUp(run)
		runs, _, err := c.a.Take(ctx, 1, anyTask)
		c.a.ok(err)
		c.a.equal(c.a.id, runs[0].Node)
		c.inHand(c.a, run)
	}},
	{"the function is asked once of each task and what it does not want is left", func(c *cluster) {
		c.join()
		all := names("t", 6)
		want := make(map[string]task.Task)
		for _, name := range all {
			x := fullTask(name)
			x.Clock.NextFireTime = past(0)
			c.a.create(x)
			c.a.givesUp(c.a.recordN(name, 2)...)
			want[name] = c.a.task(name)
		}
		asked := make(map[string]int)
		runs, more, err := c.b.Take(ctx, 3, func(t task.Task) bool {
			name := t.Declaration.Name
			asked[name]++
			w := want[name]
			w.LastRun = nil
			c.b.equal(w, t)
			return name != all[0] && name != all[2]
		})
		c.b.ok(err)
		for name, n := range asked {
			if n != 1 {
				c.Errorf("the function was asked %d times about task %q", n, name)
			}
		}
		c.b.equal(6, len(runs))
		// Whether the sixth was looked at is up to the store.
		c.b.equal(true, more || asked[all[5]] == 1)
		rest := c.c.takes()
		c.b.equal(6, len(rest))
		for _, id := range idsOf(runs) {
			if slices.Contains(rest, id) {
				c.Errorf("run %v was taken twice", id)
			}
		}
	}},
	{"no more than the limit is taken and there is more", func(c *cluster) {
		c.join()
		for _, name := range names("t", 7) {
			c.a.create(newTask(name, past(0)))
			c.a.recordN(name, 2)
		}
		c.a.ok(c.a.Leave(ctx))
		var sizes []int
		more := true
		for more && len(sizes) < 9 {
			var runs []task.Run
			var err error
			runs, more, err = c.b.Take(ctx, 3, anyTask)
			c.b.ok(err)
			if len(runs) > 0 {
				sizes = append(sizes, len(runs))
			}
		}
		c.b.equal([]int{6, 6, 2}, sizes)
	}},
	{"what a node that lives holds is only its own to take", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		runs := c.a.recordN("x", 2)
		c.a.givesUp(runs[0])
		c.b.equal(0, len(c.b.takes()))
		c.inHand(c.a, runs[1])
		c.a.equal(runs[:1], c.a.takes())
		c.inHand(c.a, runs...)
		c.a.ends(runs[0])
		c.holds(c.a, "x")
		c.a.ends(runs[1])
		c.free("x")
	}},
	{"a run beside of a node that ended is taken by who holds the task, or by anybody", func(c *cluster) {
		c.join()
		c.a.create(newTask("held", past(0)), newTask("free", past(0)))
		held := c.a.recordN("held", 1)[0]
		var beside []task.RunID
		for _, name := range []string{"held", "free"} {
			beside = append(beside, c.b.change(name, store.Change{Beside: true, Record: []task.Run{newRun(name, past(1000))}}).Recorded[0].ID)
		}
		c.b.ok(c.b.Leave(ctx))
		c.b.join(forLong)
		c.holds(nil, "free")
		c.c.equal(beside[1:], c.c.takes())
		c.holds(c.c, "free")
		c.a.equal(beside[:1], c.a.takes())
		c.a.ends(held)
		c.holds(c.a, "held")
		c.a.ends(beside[0])
		c.free("held")
	}},
	{"nobody takes what the living have in hand", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		c.b.equal(0, len(c.b.takes()))
		c.a.equal(0, len(c.a.takes()))
		c.inHand(c.a, run)
	}},
	{"a panic takes nothing", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)), newTask("y", past(0)))
		c.a.recordN("x", 1)
		c.a.recordN("y", 1)
		c.a.ok(c.a.Leave(ctx))
		asked := 0
		_, _, err := c.b.Take(ctx, 9, func(task.Task) bool {
			if asked++; asked == 2 {
				panic("out of cheese")
			}
			return true
		})
		if err == nil || !strings.Contains(err.Error(), "out of cheese") {
			c.Fatalf("got error %v, want one that shows the panic", err)
		}
		c.inHand(c.b)
		c.b.equal(2, len(c.b.takes()))
	}},
	{"two nodes that take at the same time get all runs, each once", func(c *cluster) {
		c.join()
		var want []task.RunID
		for _, name := range names("t", 40) {
			c.a.create(newTask(name, past(0)))
			want = append(want, c.a.recordN(name, 2)...)
		}
		c.a.ok(c.a.Leave(ctx))
		var mu sync.Mutex
		var got []task.RunID
		var wg sync.WaitGroup
		for _, n := range []*node{c.b, c.c} {
			wg.Go(func() {
				for range 200 { // what the other has just locked may be passed over
					runs, _, err := n.Take(ctx, 3, anyTask)
					if err != nil {
						n.Error(err)
						return
					}
					mu.Lock()
					got = append(got, idsOf(runs)...)
					done := len(got) >= len(want)
					mu.Unlock()
					if done {
						return
					}
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		c.b.equal(want, got)
	}},
}
