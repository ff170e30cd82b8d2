package storetest

import (
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// shown returns the node as another shows it.
func (n *node) shown(by *node) task.Node {
	n.Helper()
	nodes, err := by.Nodes(ctx)
	n.ok(err)
	for _, m := range nodes {
		if m.ID == n.id {
			return m
		}
	}
	n.Fatalf("node %s is not shown by node %s", n.name, by.name)
	return task.Node{}
}

var nodesCases = []clusterCase{
	{"a node is shown as it said when it joined and with its lease", func(c *cluster) {
		want := task.Node{
			ID: uuid.New(), Name: "a “host”", Address: "a.example:7800", Version: "v1.2.3", Revision: 1 << 62,
			Lease: 90*time.Second + time.Microsecond,
			NodeLoad: task.NodeLoad{
				Tasks: 1 << 40, Going: 2, Waiting: 3, Workers: 4, ClockOffset: -time.Hour + time.Microsecond, Draining: true,
			},
		}
		said := want
		said.State, said.StartTime, said.EndTime, said.LeaseExpireTime = task.GivenUp, past(0), past(1), past(2)
		before := time.Now()
		now, err := c.a.Join(ctx, said)
		c.a.ok(err)
		c.a.id = want.ID
		if now != task.Instant(now) || now.Before(task.Instant(before)) || now.After(time.Now()) {
			c.Errorf("it joined at %v, which is not between %v and now in whole microseconds", now, before)
		}
		want.StartTime, want.LeaseExpireTime, want.State = now, now.Add(want.Lease), task.Alive
		c.a.equal(want, c.a.shown(c.b))
		c.a.equal(want, c.a.shown(c.a))
	}},
	{"nodes are shown in the order in which they joined", func(c *cluster) {
		c.c.join(forLong)
		c.a.join(forLong)
		c.b.join(forLong)
		nodes, err := c.a.Nodes(ctx)
		c.a.ok(err)
		var names []string
		for _, n := range nodes {
			names = append(names, n.Name)
		}
		c.a.equal([]string{"c", "a", "b"}, names)
	}},
	{"a sign of life begins the lease anew and brings the load", func(c *cluster) {
		c.join()
		want := c.a.shown(c.b)
		other := c.b.shown(c.b)
		want.NodeLoad = task.NodeLoad{Tasks: 1, Going: 2, Waiting: 3, Workers: 4, ClockOffset: time.Second, Draining: true}
		now, err := c.a.Renew(ctx, want.NodeLoad)
		c.a.ok(err)
		if now.Before(want.StartTime) {
			c.Errorf("the clock went back from %v to %v", want.StartTime, now)
		}
		want.LeaseExpireTime = now.Add(want.Lease)
		c.a.equal(want, c.a.shown(c.b))
		c.a.equal(other, c.b.shown(c.a))
	}},
	{"a node that leaves is shown as left and leaving again is no error", func(c *cluster) {
		c.a.ok(c.a.Leave(ctx))
		c.join()
		want := c.a.shown(c.b)
		c.a.ok(c.a.Leave(ctx))
		got := c.a.shown(c.b)
		if got.EndTime.Before(want.StartTime) {
			c.Errorf("it left at %v and joined at %v", got.EndTime, want.StartTime)
		}
		want.State, want.EndTime = task.Left, got.EndTime
		c.a.equal(want, got)
		c.a.ok(c.a.Leave(ctx))
		c.a.equal(want, c.a.shown(c.b))
		c.b.reaps()
		c.a.equal(want, c.a.shown(c.b))
	}},
	{"nodes whose leases have ended are given up once and others are not", func(c *cluster) {
		c.a.join(briefly)
		c.b.join(forLong)
		c.c.join(briefly)
		want := c.a.shown(c.b)
		c.b.reaps(c.a, c.c)
		got := c.a.shown(c.b)
		if got.EndTime.Before(got.LeaseExpireTime) {
			c.Errorf("it was given up at %v and its lease ended at %v", got.EndTime, got.LeaseExpireTime)
		}
		want.State, want.EndTime = task.GivenUp, got.EndTime
		c.a.equal(want, got)
		c.a.equal(task.Alive, c.b.shown(c.b).State)
		c.b.reaps()
		c.a.ok(c.a.Leave(ctx))
		c.a.equal(want, c.a.shown(c.b))
	}},
	{"a node that nobody has given up may still give a sign of life", func(c *cluster) {
		c.a.join(briefly)
		_, err := c.a.Renew(ctx, task.NodeLoad{Tasks: 7})
		c.a.ok(err)
		c.a.equal(task.Alive, c.a.shown(c.b).State)
	}},
	{"a node can find that it is given up itself", func(c *cluster) {
		c.a.join(briefly)
		c.a.reaps(c.a)
		_, err := c.a.Renew(ctx, task.NodeLoad{})
		c.a.is(err, task.ErrGivenUp)
	}},
	{"an id joins once", func(c *cluster) {
		c.join()
		want := c.a.shown(c.a)
		if _, err := c.b.Join(ctx, task.Node{ID: c.a.id, Name: "other", Lease: forLong}); err == nil {
			c.Fatal("node b has joined as node a")
		}
		c.a.equal(want, c.a.shown(c.a))
		c.b.create(newTask("x", past(0)))
		run := c.b.recordN("x", 1)[0]
		c.inHand(c.b, run)
	}},
	{"what only a node can do needs one", func(c *cluster) {
		_, err := c.a.Renew(ctx, task.NodeLoad{})
		c.a.is(err, task.ErrGivenUp)
		_, _, err = c.a.Take(ctx, 1, anyTask)
		c.a.is(err, task.ErrGivenUp)
		c.a.is(c.a.Offer(ctx, store.ByProgram, []uuid.UUID{idOf("x")}, nil), task.ErrGivenUp)
		_, err = c.a.Places(ctx, []store.Demand{{Group: "g", Limit: 1, Wanted: 1}})
		c.a.is(err, task.ErrGivenUp)
	}},
}

// givenUp makes node a one that was given up, with runs of the tasks x and y in hand, of which y is due, and another task
// z that is due and free, with a run that has ended.
func (c *cluster) givenUp() (x, y task.RunID) {
	c.Helper()
	c.a.join(briefly)
	c.b.join(forLong)
	c.c.join(forLong)
	c.a.create(newTask("x", future(0)), newTask("y", past(0)), newTask("z", past(0)))
	c.a.ends(c.a.recordN("z", 1)...)
	x, y = c.a.recordN("x", 1)[0], c.a.recordN("y", 1)[0]
	c.inHand(c.a, x, y)
	c.b.reaps(c.a)
	return x, y
}

var givenUpCases = []clusterCase{
	{"nothing that a node writes after it was given up is ever seen", func(c *cluster) {
		x, y := c.givenUp()
		c.b.takes()
		before := c.b.everything()
		for _, err := range c.a.touch("z") {
			c.a.is(err, task.ErrGivenUp)
		}
		_, err := c.a.Update(ctx, []uuid.UUID{idOf("new")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			t := newTask("new", past(0))
			return store.Change{Task: &t}, nil
		})
		c.a.is(err, task.ErrGivenUp)
		_, err = c.a.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
		c.a.is(err, task.ErrGivenUp)
		// Of runs that are not its own any more it may be told so instead.
		late, err := c.a.Record(ctx, []store.Report{end(x, 0), end(y, 0)}, nil)
		if err == nil {
			c.a.equal([]task.RunID{x, y}, late)
		} else {
			c.a.is(err, task.ErrGivenUp)
		}
		c.a.is(c.a.Offer(ctx, store.ByProgram, []uuid.UUID{idOf("x")}, nil), task.ErrGivenUp)
		_, err = c.a.Places(ctx, []store.Demand{{Group: "g", Limit: 1, Wanted: 1}})
		c.a.is(err, task.ErrGivenUp)
		_, err = c.a.Renew(ctx, task.NodeLoad{})
		c.a.is(err, task.ErrGivenUp)
		c.b.givesUp(x)
		_, _, err = c.a.Take(ctx, 9, anyTask)
		c.a.is(err, task.ErrGivenUp)
		c.b.equal([]task.RunID{x}, c.b.takes())
		c.b.equal(before.Tasks, c.b.everything().Tasks)
		c.b.equal(before.Audit, c.b.everything().Audit)
		c.inHand(c.b, x, y)
	}},
	{"pruning and sweeping are writing too", func(c *cluster) {
		c.a.join(briefly)
		c.b.join(forLong)
		c.a.create(newTask("x", past(0)))
		c.a.ends(c.a.recordN("x", 3)...)
		c.a.change("x", store.Change{Audit: []task.Event{newEvent("x", task.TaskPaused)}})
		c.b.reaps(c.a)
		before := c.b.everything()
		_, err := c.a.Prune(ctx, idOf("x"), 9, keepNone)
		c.a.is(err, task.ErrGivenUp)
		_, err = c.a.Sweep(ctx, future(0), 9)
		c.a.is(err, task.ErrGivenUp)
		// A number may have been taken that is not used.
		before.Position.Change = c.b.position().Change
		c.b.unchanged(before)
	}},
	{"one that has left writes nothing either", func(c *cluster) {
		c.join()
		c.a.ok(c.a.Leave(ctx))
		_, err := c.a.Update(ctx, []uuid.UUID{idOf("x")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			t := newTask("x", past(0))
			return store.Change{Task: &t}, nil
		})
		c.a.is(err, task.ErrGivenUp)
		c.b.equal(0, len(c.b.everything().Tasks))
	}},
	{"it goes on reading", func(c *cluster) {
		x, y := c.givenUp()
		c.a.equal(c.b.everything(), c.a.everything())
		c.b.equal([]task.RunID{x, y}, c.b.takes())
		c.a.exact(c.b.everything(), c.a.everything())
		ids, err := c.a.InHand(ctx)
		c.a.ok(err)
		c.a.equal(0, len(ids))
		c.a.equal(c.b.id, c.a.run(x).Node)
	}},
	{"it may join again as another, which starts with nothing", func(c *cluster) {
		x, y := c.givenUp()
		was := *c.a
		c.a.join(forLong)
		c.inHand(c.a)
		c.a.equal([]task.RunID{x, y}, c.a.reports(0, task.Succeeded, 0, x, y))
		c.holds(nil, "y")
		c.a.equal([]string{"z"}, c.a.claims(9, future(0)))
		runs, _, err := c.a.Take(ctx, 9, anyTask)
		c.a.ok(err)
		c.a.equal(was.id, runs[0].Node)
		c.inHand(c.a, x, y, runs[1].ID+1)
		c.a.equal(task.GivenUp, was.shown(c.b).State)
		c.a.equal(task.Alive, c.a.shown(c.b).State)
	}},
	{"to join anew leaves the runs to the node that it was", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		was := *c.a
		c.a.join(forLong)
		c.a.equal([]task.RunID{run}, c.a.reports(0, task.Succeeded, 0, run))
		c.a.equal(was.id, c.b.run(run).Node)
		c.holds(&was, "x")
	}},
}
