package storetest

import (
	"sync"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// follower is an Observer of which one can wait until it was told of a commit.
type follower struct {
	watcher
	more chan struct{} // has one if there was more since it was last looked at
}

// follow puts a follower in place of the watcher of the node.
func (n *node) follow(tasks, runs bool) *follower {
	n.Helper()
	f := &follower{more: make(chan struct{}, 1)}
	f.tasks, f.runs = tasks, runs
	n.Observe(f)
	n.position() // from here on it wants
	return f
}

// Committed implements store.Observer.
func (f *follower) Committed(c store.Commit) {
	f.watcher.Committed(c)
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// until waits until it was told of a commit that it wants, and returns all that it was told.
func (f *follower) until(change int64) []store.Commit {
	for {
		f.mu.Lock()
		told := f.told
		f.mu.Unlock()
		if n := len(told); n > 0 && told[n-1].Change >= change {
			return told
		}
		<-f.more
	}
}

var orderCases = []clusterCase{
	{"what any node commits is told at all nodes in the same order", func(c *cluster) {
		c.join()
		var followers []*follower
		for _, n := range c.all() {
			followers = append(followers, n.follow(true, true))
		}
		c.a.create(newTask("x", past(0)), newTask("y", past(1000)), newTask("z", past(2000)))
		c.b.equal([]string{"x"}, c.b.claims(1, future(0)))
		c.c.equal([]string{"y"}, c.c.claims(1, future(0)))
		_, _, err := c.a.Call(ctx, task.ByName("z"), uuid.Nil, called)
		c.a.ok(err)
		c.b.ends(1)
		c.c.givesUp(2)
		c.c.change("y", store.Change{Beside: true, Record: []task.Run{newRun("y", past(5000))}})
		c.c.change("y", store.Change{Beside: true, TakeBack: []task.RunID{4}})
		c.b.change("x", store.Change{Delete: true})
		y := renamed(c.a.task("z"), "z2")
		c.a.change("z", store.Change{Task: &y})
		last := c.a.position().Change
		want := followers[0].until(last)
		c.a.equal(10, len(want))
		for i, f := range followers[1:] {
			c.a.exact(want, f.until(last))
			c.a.equal(last, c.all()[i+1].position().Change)
		}
		m := newMirror()
		for _, commit := range want {
			if commit.Change == last {
				m.rename(idOf("z"), idOf("z2"), "z2")
			}
			m.apply(c.a.fixture, commit)
		}
		m.same(c.b.fixture)
	}},
	{"each node is told what it wants", func(c *cluster) {
		c.join()
		tasks, runs := c.a.follow(true, false), c.b.follow(false, true)
		nothing := c.c.follow(false, false)
		c.c.create(newTask("x", past(0)))
		c.c.recordN("x", 1)
		c.b.position()
		last := c.c.position().Change
		for _, commit := range tasks.until(last) {
			for _, ch := range commit.Changes {
				if ch.Task == nil {
					c.Errorf("who wants tasks was told of %+v", ch)
				}
			}
		}
		for _, commit := range runs.until(last) {
			for _, ch := range commit.Changes {
				if ch.Run == nil {
					c.Errorf("who wants runs was told of %+v", ch)
				}
			}
		}
		c.a.equal(2, len(tasks.until(last)))
		c.a.equal(1, len(runs.until(last)))
		c.a.equal(0, len(nothing.told))
	}},
	{"an observer that comes later is told from then on", func(c *cluster) {
		c.join()
		first := c.a.follow(true, true)
		c.a.create(newTask("x", past(0)))
		first.until(c.a.position().Change)
		from := c.b.position().Change
		second := c.b.follow(true, true)
		c.a.create(newTask("y", past(0)))
		last := c.a.position().Change
		told := second.until(last)
		c.a.equal(1, len(told))
		c.a.exact(first.until(last)[1:], told)
		if told[0].Change <= from {
			c.Errorf("commit %d was told to who came at %d", told[0].Change, from)
		}
	}},
	{"one that is closed leaves the others as they are", func(c *cluster) {
		c.join()
		f := c.b.follow(true, true)
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		d := *c.a
		c.a.ok(c.a.Close())
		c.b.equal(d.id, c.b.run(run).Node)
		c.b.create(newTask("y", past(0)))
		f.until(c.b.position().Change)
		var want *node = &d
		_, err := c.b.Update(ctx, idsOfNames("x"), func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			return store.Change{Task: t}, nil
		})
		c.b.heldBy(want, err, "x")
	}},
	{"numbers of commits, runs and events are of one order", func(c *cluster) {
		c.join()
		var wg sync.WaitGroup
		for _, n := range c.all() {
			n.create(newTask(n.name, past(0)))
		}
		begin := c.a.position()
		for _, n := range c.all() {
			wg.Go(func() {
				for range 30 {
					at := n.position()
					id := n.record(n.name, newRun(n.name, past(0)))[0]
					n.change(n.name, store.Change{Audit: []task.Event{newEvent(n.name, task.TaskPaused)}})
					n.ends(id)
					if p, r := n.position(), n.run(id); p.Change < r.Change || r.Change <= at.Change || p.ID != begin.ID {
						n.Errorf("node %s was at %+v, then at %+v with run %v of commit %d", n.name, at, p, id, r.Change)
					}
				}
			})
		}
		wg.Wait()
		p := c.b.position()
		if p.Change != begin.Change+3*30*3 {
			// Numbers that were taken and not used are no fault, if they are few.
			if p.Change < begin.Change+3*30*3 || p.Change > begin.Change+3*30*30 {
				c.Errorf("after 270 commits the number %d is %d", begin.Change, p.Change)
			}
		}
		seen := make(map[int64]bool)
		for _, r := range c.a.allRuns(task.RunQuery{Limit: 50}) {
			if seen[r.Change] {
				c.Errorf("two commits have the number %d", r.Change)
			}
			seen[r.Change] = true
		}
		c.a.equal(90, len(seen))
		c.a.equal(90, len(c.a.allEvents(task.AuditQuery{Limit: 7})))
		c.a.exact(c.a.everything(), c.c.everything())
	}},
}
