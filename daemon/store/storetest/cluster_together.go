package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var clusterTogetherCases = []clusterCase{
	{"of tasks that all nodes claim at once, each has one run", func(c *cluster) {
		c.join()
		all := names("t", 60)
		for _, name := range all {
			c.a.create(newTask(name, past(0)))
		}
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for _, n := range c.all() {
			wg.Go(func() {
				for range 40 {
					claimed, err := n.Claim(ctx, store.ClaimRequest{Limit: 3}, advance(future(0)))
					if err != nil {
						n.Error(err)
						return
					}
					mu.Lock()
					got = append(got, fired(claimed)...)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		c.a.equal(all, got)
	}},
	{"nodes that do all they can at once lose no instant and double none", func(c *cluster) {
		all := names("t", 8)
		for _, name := range all {
			c.a.create(newTask(name, past(0)))
		}
		var wg sync.WaitGroup
		var workers []*actor
		for i, n := range c.all() {
			w := &actor{node: n, r: rand.New(rand.NewPCG(uint64(i), 7)), names: all, hand: make(map[task.RunID]bool)}
			workers = append(workers, w)
			w.rejoin()
			wg.Go(func() {
				for range 200 {
					w.act()
				}
			})
		}
		wg.Wait()
		if c.Failed() {
			return
		}
		for _, w := range workers {
			if w.lives(); w.dead {
				w.rejoin()
			}
			c.inHand(w.node, w.inHand()...)
		}
		holders := make(map[string]*actor)
		for _, w := range workers {
			for id, beside := range w.hand {
				name := c.a.run(id).TaskName
				if h := holders[name]; !beside && h != nil && h != w {
					c.Errorf("task %q is held by %s and by %s", name, h.name, w.name)
				} else if !beside {
					holders[name] = w
				}
			}
		}
		c.consistent(all)
		// What is left goes on as if nothing had been.
		for _, n := range c.all() {
			n.ok(n.Leave(ctx))
		}
		c.a.join(forLong)
		for range 2 {
			c.a.takes()
			ids, err := c.a.InHand(ctx)
			c.a.ok(err)
			for _, id := range ids {
				attempt := c.a.run(id).Attempt
				c.a.equal(0, len(c.a.reports(attempt, task.Succeeded, 1, id)))
			}
		}
		open, err := c.a.Unfinished(ctx, 0, 9)
		c.a.ok(err)
		c.a.equal(0, len(open))
		c.b.join(forLong)
		claimed := c.b.claims(100, future(0))
		slices.Sort(claimed)
		c.b.equal(all, claimed)
		c.consistent(all)
	}},
}

// consistent fails unless each instant of each task up to its next fire has one run, and counts are as runs are.
func (c *cluster) consistent(all []string) {
	c.Helper()
	for _, name := range all {
		t := c.a.task(name)
		var fires []time.Time
		var counts task.Counts
		for _, r := range c.a.allRuns(task.RunQuery{TaskID: t.ID, Limit: 100}) {
			if r.Cause == task.ByFire {
				fires = append(fires, r.ScheduledTime)
			}
			if r.State.Ended() {
				counts = counts.Add(counts.Of(&r, true))
			}
		}
		slices.SortFunc(fires, time.Time.Compare)
		for i, at := range fires {
			if want := past(time.Duration(i) * time.Second); !at.Equal(want) {
				c.Fatalf("fire %d of task %q is of %v, want %v", i, name, at, want)
			}
		}
		c.a.equal(int64(len(fires)), t.Clock.FireCount)
		c.a.exact(counts, t.Counts)
	}
}

// actor is a node that does something at random. It knows what it has in hand.
type actor struct {
	*node
	r     *rand.Rand
	names []string
	hand  map[task.RunID]bool // whether they are beside what another holds
	last  task.RunID
	calls int
	dead  bool // it was given up
}

// rejoin makes it another node, with a lease that often ends at once. All it had in hand is somebody else's, or nobody's.
func (w *actor) rejoin() {
	id, lease := uuid.New(), []time.Duration{forLong, forLong, briefly}[w.r.IntN(3)]
	_, err := w.Join(ctx, task.Node{ID: id, Name: w.name, Address: w.address(), Lease: lease})
	w.try(err)
	w.id, w.dead = id, false
	clear(w.hand)
}

// lives finds out whether it was given up.
func (w *actor) lives() {
	_, err := w.Renew(ctx, task.NodeLoad{})
	w.try(err)
}

func (w *actor) inHand() (ids []task.RunID) {
	for id := range w.hand {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// got takes a run that was recorded or taken over into the hands.
func (w *actor) got(r *task.Run, beside bool) {
	if _, has := w.hand[r.ID]; has {
		w.Errorf("node %s got run %v, which it has", w.name, r.ID)
	}
	w.hand[r.ID] = beside
	w.last = max(w.last, r.ID)
}

// try fails unless err is nil, or says that another holds the task or that the node was given up. It reports whether it was
// done.
func (w *actor) try(err error) bool {
	switch {
	case errors.Is(err, task.ErrGivenUp):
		w.dead = true
	case err != nil && !errors.Is(err, task.ErrHeld):
		w.Errorf("node %s: %v", w.name, err)
	}
	return err == nil
}

// tick is an instant that goes on by a second with each fire.
func tick(_ time.Time, d store.Due) store.Decision {
	next := d.Clock
	next.NextFireTime, next.FireCount = next.NextFireTime.Add(time.Second), next.FireCount+1
	return store.Decision{Record: []task.Run{newRun(d.Name, d.Clock.NextFireTime)}, Clock: next, State: d.State}
}

func (w *actor) act() {
	name := w.names[w.r.IntN(len(w.names))]
	w.calls++
	if w.dead {
		w.rejoin()
	}
	switch w.r.IntN(13) {
	case 0, 1, 2:
		claimed, err := w.Claim(ctx, store.ClaimRequest{Limit: 1 + w.r.IntN(3)}, tick)
		if w.try(err) {
			for i := range claimed.Fires {
				w.got(&claimed.Fires[i].Run, false)
			}
		}
	case 3, 4, 5, 6:
		w.report()
	case 7:
		_, err := w.Update(ctx, []uuid.UUID{idOf(name)}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			t.Version++
			return store.Change{Task: t}, nil
		})
		w.try(err)
	case 8:
		beside := w.r.IntN(2) == 0
		r := newRun(name, past(time.Duration(w.calls)*time.Millisecond))
		r.Cause = task.ByBackfill
		updated, err := w.Update(ctx, []uuid.UUID{idOf(name)}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Beside: beside, Record: []task.Run{r}}, nil
		})
		if beside && errors.Is(err, task.ErrHeld) {
			w.Errorf("node %s, beside: %v", w.name, err)
		}
		if w.try(err) {
			w.got(&updated[0].Recorded[0], beside)
		}
	case 9:
		run, _, err := w.Call(ctx, task.ByName(name), uuid.Nil, called)
		if w.try(err) {
			w.got(&run, false)
		}
	case 10:
		runs, _, err := w.Take(ctx, 1+w.r.IntN(4), func(task.Task) bool { return w.r.IntN(4) > 0 })
		if w.try(err) {
			for i := range runs {
				w.got(&runs[i], false)
			}
		}
	case 11:
		if w.r.IntN(4) > 0 {
			return
		}
		w.try(w.Leave(ctx))
		w.rejoin()
	case 12:
		_, err := w.Reap(ctx)
		w.try(err)
	}
}

// report ends or gives up some runs it has in hand, and one that it has not.
func (w *actor) report() {
	var reports []store.Report
	var gone, want []task.RunID
	for id := range w.hand {
		if w.r.IntN(2) == 0 {
			continue
		}
		report := end(id, 0)
		switch w.r.IntN(4) {
		case 0:
			report.Run = task.Run{ID: id, State: task.Scheduled}
		case 1:
			report.Run.State = task.Failed
			report.Decide = true
		}
		reports = append(reports, report)
		gone = append(gone, id)
	}
	other := task.RunID(w.r.Int64N(int64(w.last) + 1))
	if _, has := w.hand[other]; !has {
		reports = append(reports, end(other, 0))
		want = append(want, other)
	}
	late, err := w.Record(ctx, reports, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
		return store.Decision{Clock: d.Clock, State: d.State}
	})
	if !w.try(err) {
		return
	}
	if fmt.Sprint(late) != fmt.Sprint(want) {
		if w.lives(); w.dead {
			return // nothing is its own any more, and it may be told so
		}
		w.Errorf("node %s: reports on %v were late, want %v", w.name, late, want)
	}
	for _, id := range gone {
		delete(w.hand, id)
	}
}
