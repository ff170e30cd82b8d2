package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var holdCases = []clusterCase{
	{"each node claims other tasks and has their runs in hand", func(c *cluster) {
		c.join()
		all := names("t", 30)
		for i, name := range all {
			c.a.create(newTask(name, past(time.Duration(i)*time.Second)))
		}
		for i, n := range []*node{c.a, c.b, c.c, c.a} {
			claimed, err := n.Claim(ctx, store.ClaimRequest{Limit: 7}, advance(past(time.Hour)))
			n.ok(err)
			n.equal(all[7*i:7*i+7], fired(claimed))
			for _, fire := range claimed.Fires {
				n.equal(n.id, fire.Run.Node)
				n.exact(fire.Run, c.b.run(fire.Run.ID))
			}
		}
	}},
	{"a task is held until its last run has ended", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		c.free("x")
		c.a.equal([]string{"x"}, c.a.claims(9, past(time.Second)))
		c.holds(c.a, "x")
		c.a.equal([]string{"x"}, c.a.claims(9, past(2*time.Second)))
		c.inHand(c.a, 1, 2)
		c.a.equal(0, len(c.a.reports(0, task.Running, 1, 1)))
		c.a.equal(0, len(c.a.reports(1, task.Succeeded, 1, 1)))
		c.holds(c.a, "x")
		c.a.ends(2)
		c.free("x")
		c.inHand(c.a)
		c.b.equal([]string{"x"}, c.b.claims(9, past(3*time.Second)))
		c.holds(c.b, "x")
		c.a.equal(c.a.id, c.c.run(1).Node)
		c.a.equal(c.b.id, c.c.run(3).Node)
	}},
	{"a call holds the task", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run, _, err := c.b.Call(ctx, task.ByName("x"), uuid.Nil, called)
		c.b.ok(err)
		c.b.equal(c.b.id, run.Node)
		c.inHand(c.b, run.ID)
		c.holds(c.b, "x")
		c.b.ends(run.ID)
		c.free("x")
	}},
	{"an update that records a run holds the task", func(c *cluster) {
		c.join()
		x := newTask("x", past(0))
		made := c.b.change("x", store.Change{Task: &x, Record: []task.Run{newRun("x", past(0))}})
		c.b.equal(c.b.id, made.Recorded[0].Node)
		c.inHand(c.b, made.Recorded[0].ID)
		c.holds(c.b, "x")
	}},
	{"runs that have ended when they are recorded hold nothing", func(c *cluster) {
		c.join()
		skipped := newRun("x", past(0))
		skipped.State, skipped.Reason = task.Skipped, task.ReasonOverlap
		x := newTask("x", past(0))
		made := c.b.change("x", store.Change{Task: &x, Record: []task.Run{skipped}})
		c.b.equal(c.b.id, c.a.run(made.Recorded[0].ID).Node)
		c.free("x")
	}},
	{"a decision after an end goes on holding with what it records", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		report := end(run, 0)
		report.Decide = true
		_, err := c.a.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			return store.Decision{Clock: d.Clock, State: d.State, Record: []task.Run{newRun("x", past(time.Second))}}
		})
		c.a.ok(err)
		c.inHand(c.a, run+1)
		c.holds(c.a, "x")
	}},
	{"a run that is taken back does not hold any more", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		runs := c.a.recordN("x", 2)
		c.a.change("x", store.Change{TakeBack: runs[:1]})
		c.holds(c.a, "x")
		c.a.change("x", store.Change{TakeBack: runs[1:]})
		c.free("x")
	}},
	{"a task that is deleted and made again is free", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		runs := c.a.recordN("x", 2)
		c.a.change("x", store.Change{Delete: true})
		c.b.create(newTask("x", past(0)))
		c.free("x")
		c.inHand(c.a)
		c.a.equal(runs, c.a.reports(0, task.Succeeded, 0, runs...))
	}},
	{"a task that is renamed is held as before", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		y := renamed(c.a.task("x"), "y")
		c.a.change("x", store.Change{Task: &y})
		c.inHand(c.a, run)
		c.holds(c.a, "y")
	}},
	{"the next fire of a claim is that of a task it may claim", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)), newTask("y", future(time.Hour)), newTask("z", future(2*time.Hour)))
		c.a.recordN("x", 1)
		c.b.recordN("y", 1)
		next := func(n *node) time.Time {
			claimed, err := n.Claim(ctx, store.ClaimRequest{Limit: 1}, func(time.Time, store.Due) store.Decision { return store.Decision{Leave: true} })
			n.ok(err)
			return claimed.NextFireTime
		}
		c.a.equal([]time.Time{past(0), future(time.Hour), future(2 * time.Hour)}, []time.Time{next(c.a), next(c.b), next(c.c)})
	}},
	{"reports on runs in other hands are late", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)), newTask("y", past(0)))
		x, y := c.a.recordN("x", 1)[0], c.b.recordN("y", 1)[0]
		before := c.c.everything()
		c.b.equal([]task.RunID{x}, c.b.reports(0, task.Succeeded, 0, x))
		c.b.equal([]task.RunID{x}, c.b.reports(0, task.Running, 1, x))
		c.b.equal([]task.RunID{x}, c.b.reports(0, task.Scheduled, 0, x))
		c.c.unchanged(before)
		report := end(x, 0)
		report.Decide = true
		mine := end(y, 0)
		late, err := c.b.Record(ctx, []store.Report{report, mine}, func(time.Time, store.Due, task.Run) store.Decision {
			c.Error("a late report decided about the next fire")
			return store.Decision{}
		})
		c.b.ok(err)
		c.b.equal([]task.RunID{x}, late)
		c.b.equal(task.Succeeded, c.a.run(y).State)
		c.inHand(c.a, x)
	}},
	{"a run that was given up is in nobody's hands, and its task can not be had before that is taken over", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		c.a.givesUp(run)
		c.inHand(c.a)
		for _, n := range c.all() {
			n.equal(uuid.Nil, n.run(run).Node)
			n.equal([]task.RunID{run}, n.reports(0, task.Succeeded, 0, run))
		}
		c.holds(nil, "x")
	}},
	{"a task of which one run is given up is held for as long as there are others", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		runs := c.a.recordN("x", 3)
		c.a.givesUp(runs[1])
		c.holds(c.a, "x")
		c.a.ends(runs[0])
		c.inHand(c.a, runs[2])
		c.holds(c.a, "x")
		c.a.ends(runs[2])
		c.holds(nil, "x")
	}},
	{"a run can be given up again and again", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		run := c.a.recordN("x", 1)[0]
		c.a.givesUp(run)
		for _, n := range []*node{c.b, c.c, c.a} {
			n.equal([]task.RunID{run}, n.takes())
			c.inHand(n, run)
			c.holds(n, "x")
			n.givesUp(run)
		}
		c.b.takes()
		c.b.ends(run)
		c.free("x")
	}},
	{"a node that ends leaves its tasks to nobody", func(c *cluster) {
		for how, gone := range map[string]func(){
			"leaves": func() { c.a.join(forLong) },
			"dies":   func() { c.a.join(briefly) },
		} {
			gone()
			c.b.join(forLong)
			c.c.join(forLong)
			c.b.create(newTask(how, past(0)), newTask(how+" idle", past(0)))
			runs := c.a.recordN(how, 2)
			c.a.ends(c.a.recordN(how+" idle", 1)...)
			if how == "leaves" {
				c.a.ok(c.a.Leave(ctx))
			} else {
				c.b.reaps(c.a)
			}
			c.holds(nil, how)
			c.asked(c.b, how+" idle", true)
			for _, id := range runs {
				c.b.equal(uuid.Nil, c.b.run(id).Node)
			}
		}
	}},
	{"runs are pruned whoever holds the task", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		runs := c.a.recordN("x", 3)
		c.a.ends(runs[:2]...)
		pruned, err := c.b.Prune(ctx, idOf("x"), 9, keepNone)
		c.b.ok(err)
		c.b.equal(int64(2), pruned.Deleted)
		c.holds(c.a, "x")
	}},
}

var heldCases = []clusterCase{
	{"the error names all tasks that are held elsewhere, and the function was called for each", func(c *cluster) {
		c.join()
		all := names("t", 6)
		for _, name := range all {
			c.a.create(newTask(name, past(0)))
		}
		c.a.recordN(all[1], 1)
		c.b.recordN(all[2], 1)
		c.c.recordN(all[4], 1)
		c.c.givesUp(c.c.recordN(all[5], 1)...)
		before := c.a.everything()
		var ids, asked []uuid.UUID
		for _, name := range slices.Backward(all) {
			ids = append(ids, idOf(name))
		}
		_, err := c.b.Update(ctx, ids, func(id uuid.UUID, t *task.Task) (store.Change, error) {
			asked = append(asked, id)
			t.Version = 99
			return store.Change{Task: t, Record: []task.Run{newRun(t.Declaration.Name, past(0))}}, nil
		})
		c.b.equal(ids, asked)
		var held *task.HeldError
		if !errors.As(err, &held) {
			c.Fatalf("got error %v", err)
		}
		c.b.equal([]task.HeldTask{
			{TaskID: idOf(all[5])},
			{TaskID: idOf(all[4]), Node: c.c.id, Address: c.c.address()},
			{TaskID: idOf(all[1]), Node: c.a.id, Address: c.a.address()},
		}, held.Tasks)
		c.a.unchanged(before)
	}},
	{"nothing wanted is no error, and shows the task", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)), newTask("y", past(0)))
		c.a.recordN("x", 1)
		want := c.a.everything()
		updated, err := c.b.Update(ctx, []uuid.UUID{idOf("x"), idOf("y"), idOf("none")}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			if t == nil || t.Declaration.Name != "y" {
				return store.Change{}, nil
			}
			return store.Change{Beside: true}, nil
		})
		c.b.ok(err)
		c.b.equal([]string{"x", "y", ""}, []string{
			updated[0].Task.Declaration.Name, updated[1].Task.Declaration.Name, updated[2].Task.Declaration.Name,
		})
		c.a.unchanged(want)
	}},
	{"the function's own error comes through", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		c.a.recordN("x", 1)
		_, err := c.b.Update(ctx, []uuid.UUID{idOf("x")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Delete: true}, errFn
		})
		c.b.is(err, errFn)
	}},
	{"a call that is repeated elsewhere gets its run", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		want, _, err := c.a.Call(ctx, task.ByName("x"), request1, called)
		c.a.ok(err)
		got, repeated, err := c.b.Call(ctx, task.ByName("x"), request1, called)
		c.b.ok(err)
		c.b.equal(true, repeated)
		c.b.equal(want, got)
		_, _, err = c.b.Call(ctx, task.ByID(idOf("x")), request2, called)
		c.b.heldBy(c.a, err, "x")
		_, _, err = c.b.Call(ctx, task.ByName("none"), request2, called)
		c.b.is(err, task.ErrTaskNotFound)
	}},
	{"a node that joined without an address has none", func(c *cluster) {
		c.join()
		_, err := c.a.Join(ctx, task.Node{ID: uuid.New(), Lease: forLong})
		c.a.ok(err)
		c.a.create(newTask("x", past(0)))
		node := c.a.run(c.a.recordN("x", 1)[0]).Node
		var held *task.HeldError
		if errors.As(c.b.touch("x")[0], &held); held == nil || held.Tasks[0].Node != node || held.Tasks[0].Address != "" {
			c.Errorf("got %+v, want node %s without an address", held, node)
		}
	}},
}

var besideCases = []clusterCase{
	{"runs beside are in the hands of who recorded them, and the task stays with who holds it", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		held := c.a.recordN("x", 1)[0]
		made := c.b.change("x", store.Change{Beside: true, Record: []task.Run{newRun("x", past(time.Second))}})
		beside := made.Recorded[0].ID
		c.b.equal(c.b.id, made.Recorded[0].Node)
		c.inHand(c.a, held)
		c.inHand(c.b, beside)
		c.holds(c.a, "x")
		c.a.equal([]task.RunID{beside}, c.a.reports(0, task.Succeeded, 0, beside))
		c.a.ends(held)
		c.free("x")
		c.b.ends(beside)
		c.free("x")
	}},
	{"they hold nothing when nobody does, though what comes after them does", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		beside := c.b.change("x", store.Change{Beside: true, Record: []task.Run{newRun("x", past(0))}}).Recorded[0].ID
		c.free("x")
		c.b.equal([]string{"x"}, c.b.claims(1, past(time.Second)))
		c.holds(c.b, "x")
		c.b.ends(beside)
		c.holds(c.b, "x")
		c.b.ends(beside + 1)
		c.free("x")
	}},
	{"all that is wanted beside is done", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		held := c.a.recordN("x", 1)[0]
		x := newTask("x", past(time.Minute))
		x.Version = 7
		beside := c.b.change("x", store.Change{Beside: true, Task: &x, Record: []task.Run{newRun("x", past(1000))}}).Recorded[0].ID
		c.b.equal(int64(7), c.a.task("x").Version)
		c.b.change("x", store.Change{Beside: true, TakeBack: []task.RunID{beside}, Audit: []task.Event{newEvent("x", task.TaskPaused)}})
		c.b.equal(1, len(c.b.allEvents(task.AuditQuery{Limit: 9})))
		c.holds(c.a, "x")
		c.a.ends(held)
		c.free("x")
	}},
	{"a decision after a run beside is made, and what it records is beside too", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		held := c.a.recordN("x", 1)[0]
		beside := c.b.change("x", store.Change{Beside: true, Record: []task.Run{newRun("x", past(1000))}}).Recorded[0].ID
		report := end(beside, 0)
		report.Decide = true
		_, err := c.b.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			return store.Decision{Clock: d.Clock, State: d.State, Record: []task.Run{newRun("x", past(2000))}}
		})
		c.b.ok(err)
		c.inHand(c.b, beside+1)
		c.holds(c.a, "x")
		c.a.ends(held)
		c.free("x")
	}},
	{"they are deleted with the task", func(c *cluster) {
		c.join()
		c.a.create(newTask("x", past(0)))
		c.a.recordN("x", 1)
		beside := c.b.change("x", store.Change{Beside: true, Record: []task.Run{newRun("x", past(1000))}}).Recorded[0].ID
		c.a.change("x", store.Change{Delete: true})
		c.b.equal([]task.RunID{beside}, c.b.reports(0, task.Succeeded, 0, beside))
		c.inHand(c.b)
	}},
	{"one that was given up is beside nothing any more", func(c *cluster) {
		c.join()
		for i, name := range []string{"free", "held"} {
			c.a.create(newTask(name, past(0)))
			var held []task.RunID
			if name == "held" {
				held = c.a.recordN(name, 1)
			}
			at := past(time.Duration(i+1) * time.Second)
			beside := c.b.change(name, store.Change{Beside: true, Record: []task.Run{newRun(name, at)}}).Recorded[0].ID
			c.b.givesUp(beside)
			if held != nil {
				c.holds(c.a, name)
				c.c.equal(0, len(c.c.takes()))
				c.a.ends(held...)
			}
			c.holds(nil, name)
			c.c.equal([]task.RunID{beside}, c.c.takes())
			c.holds(c.c, name)
		}
	}},
}
