package storetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func idsOfNames(names ...string) []uuid.UUID {
	var ids []uuid.UUID
	for _, name := range names {
		ids = append(ids, idOf(name))
	}
	return ids
}

func sorted(ids []uuid.UUID) []uuid.UUID {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// offers says that the node runs tasks, or does not any more.
func (n *node) offers(by store.Offerer, add, remove []string) {
	n.Helper()
	n.ok(n.Offer(ctx, by, idsOfNames(add...), idsOfNames(remove...)))
}

// elsewhere fails unless the other nodes offer these tasks.
func (n *node) elsewhere(by store.Offerer, want ...string) {
	n.Helper()
	got, err := n.OfferedElsewhere(ctx, by)
	n.ok(err)
	n.equal(sorted(idsOfNames(want...)), got)
}

// unoffered fails unless nobody offers these tasks.
func (n *node) unoffered(want ...string) {
	n.Helper()
	got, err := n.Unoffered(ctx, 100)
	n.ok(err)
	n.equal(sorted(idsOfNames(want...)), sorted(got))
}

var offersCases = []clusterCase{
	{"what others offer is shown by who offers it", func(c *cluster) {
		c.join()
		c.a.offers(store.ByProgram, []string{"x", "y", "none"}, nil)
		c.a.offers(store.ByWorker, []string{"w"}, nil)
		c.b.offers(store.ByProgram, []string{"y", "z"}, nil)
		c.a.elsewhere(store.ByProgram, "y", "z")
		c.b.elsewhere(store.ByProgram, "x", "y", "none")
		c.c.elsewhere(store.ByProgram, "x", "y", "z", "none")
		c.a.elsewhere(store.ByWorker)
		c.b.elsewhere(store.ByWorker, "w")
	}},
	{"an offer may be made twice and taken back, together with others", func(c *cluster) {
		c.join()
		c.a.offers(store.ByProgram, []string{"x", "y"}, nil)
		c.a.offers(store.ByProgram, []string{"x", "z", "z"}, []string{"y", "none"})
		c.a.offers(store.ByWorker, nil, []string{"x"})
		c.b.offers(store.ByProgram, nil, []string{"x"})
		c.b.elsewhere(store.ByProgram, "x", "z")
		c.a.offers(store.ByProgram, nil, nil)
		c.b.elsewhere(store.ByProgram, "x", "z")
	}},
	{"a task that nobody offers any more is named, if it is declared and not orphaned", func(c *cluster) {
		c.join()
		orphaned, created := newTask("orphaned", past(0)), newTask("created", past(0))
		orphaned.OrphanTime, orphaned.State = past(0), task.Orphaned
		created.Origin = task.Created
		c.a.create(newTask("x", past(0)), newTask("y", past(0)), newTask("z", past(0)), orphaned, created)
		c.a.unoffered("x", "y", "z")
		c.a.offers(store.ByProgram, []string{"x", "y"}, nil)
		c.b.offers(store.ByProgram, []string{"y", "z"}, nil)
		c.c.unoffered()
		c.a.offers(store.ByProgram, nil, []string{"x", "y"})
		c.c.unoffered("x")
		c.b.offers(store.ByWorker, []string{"x"}, nil)
		c.c.unoffered("x")
		c.b.offers(store.ByProgram, nil, []string{"y"})
		c.c.unoffered("x", "y")
		some, err := c.c.Unoffered(ctx, 1)
		c.c.ok(err)
		c.c.equal(1, len(some))
	}},
	{"what is offered counts until the node ends", func(c *cluster) {
		c.a.join(briefly)
		c.b.join(forLong)
		c.c.join(forLong)
		c.c.create(newTask("x", past(0)), newTask("y", past(0)))
		c.a.offers(store.ByProgram, []string{"x"}, nil)
		c.a.offers(store.ByWorker, []string{"x"}, nil)
		c.b.offers(store.ByProgram, []string{"y"}, nil)
		c.c.unoffered()
		c.c.reaps(c.a)
		c.c.unoffered("x")
		c.c.elsewhere(store.ByProgram, "y")
		c.c.elsewhere(store.ByWorker)
		c.b.ok(c.b.Leave(ctx))
		c.c.unoffered("x", "y")
		c.a.join(forLong)
		c.c.unoffered("x", "y")
	}},
	{"many can be offered at once", func(c *cluster) {
		c.join()
		all := names("t", 5000)
		c.a.offers(store.ByProgram, all, nil)
		c.b.elsewhere(store.ByProgram, all...)
		c.a.offers(store.ByProgram, nil, all[1:])
		c.b.elsewhere(store.ByProgram, all[0])
	}},
}

var elapsedCases = []clusterCase{
	{"overrides and pauses that are to end by now are named, the earliest first", func(c *cluster) {
		c.join()
		paused := func(name string, resume time.Time) task.Task {
			t := newTask(name, past(0))
			t.Pause = &task.Pause{Actor: "ann", CreateTime: base, ResumeTime: resume}
			t.State = task.Paused
			return t
		}
		overridden := func(t task.Task, expire time.Time) task.Task {
			t.Override = &task.Override{Trigger: t.Declaration.Trigger, Actor: "ann", CreateTime: base, ExpireTime: expire}
			return t
		}
		c.a.create(
			newTask("plain", past(0)),
			paused("paused", past(3*time.Second)),
			paused("paused for good", time.Time{}),
			paused("paused for long", future(0)),
			overridden(newTask("overridden", past(0)), past(2*time.Second)),
			overridden(newTask("overridden for good", past(0)), time.Time{}),
			overridden(paused("both", past(time.Second)), future(0)),
			overridden(paused("both, the other way", past(4*time.Second)), past(5*time.Second)),
		)
		want := idsOfNames("both", "overridden", "paused", "both, the other way")
		for _, n := range c.all() {
			got, err := n.Elapsed(ctx, 9)
			n.ok(err)
			n.equal(want, got)
		}
		got, err := c.b.Elapsed(ctx, 2)
		c.b.ok(err)
		c.b.equal(want[:2], got)
		c.a.create(newTask("both", past(0)))
		got, err = c.b.Elapsed(ctx, 9)
		c.b.ok(err)
		c.b.equal(want[1:], got)
	}},
	{"only who may change a task is told", func(c *cluster) {
		c.join()
		x := newTask("x", past(0))
		x.Pause = &task.Pause{ResumeTime: past(0)}
		c.a.create(x)
		elapsed := func(n *node) int {
			ids, err := n.Elapsed(ctx, 9)
			n.ok(err)
			return len(ids)
		}
		run := c.a.recordN("x", 1)[0]
		c.a.equal([]int{1, 0}, []int{elapsed(c.a), elapsed(c.b)})
		c.a.givesUp(run)
		c.a.equal([]int{0, 0}, []int{elapsed(c.a), elapsed(c.b)})
		c.b.takes()
		c.a.equal([]int{0, 1}, []int{elapsed(c.a), elapsed(c.b)})
		c.b.ends(run)
		c.a.equal([]int{1, 1}, []int{elapsed(c.a), elapsed(c.b)})
	}},
}
