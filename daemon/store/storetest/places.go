package storetest

import (
	"math/rand/v2"

	"github.com/clockd/clockd/daemon/store"
)

// needs says how many places the node uses and wants in a group with a limit, and returns what it has then.
func (n *node) needs(group string, limit, used, wanted int) store.Places {
	n.Helper()
	got, err := n.Places(ctx, []store.Demand{{Group: group, Limit: limit, Used: used, Wanted: wanted}})
	n.ok(err)
	if len(got) != 1 {
		n.Fatalf("%d answers for one demand", len(got))
	}
	if got[0].Granted < used {
		n.Fatalf("node %s uses %d places of group %q and has %d", n.name, used, group, got[0].Granted)
	}
	return got[0]
}

// has fails unless the node is granted so many places for a demand.
func (n *node) has(want int, group string, limit, used, wanted int) {
	n.Helper()
	if got := n.needs(group, limit, used, wanted); got.Granted != want {
		n.Fatalf("node %s uses %d places of %d and wants %d: it has %d, want %d", n.name, used, limit, wanted, got.Granted, want)
	}
}

var placesCases = []clusterCase{
	{"who is alone has what it wants up to the limit", func(c *cluster) {
		c.join()
		c.a.has(3, "g", 10, 0, 3)
		c.a.has(10, "g", 10, 3, 99)
		c.a.has(4, "g", 10, 2, 4)
		c.a.has(7, "g", 10, 7, 0)
		c.a.has(0, "g", 0, 0, 5)
	}},
	{"all that is there is given out and no more", func(c *cluster) {
		c.join()
		c.a.has(6, "g", 10, 0, 6)
		c.b.has(4, "g", 10, 0, 6)
		c.c.has(0, "g", 10, 0, 6)
		c.a.has(2, "g", 10, 2, 2)
		c.c.has(4, "g", 10, 0, 4)
	}},
	{"what is not there for all is divided as it becomes free", func(c *cluster) {
		c.join()
		c.a.has(9, "g", 9, 0, 100)
		c.b.has(0, "g", 9, 0, 100)
		c.a.equal(store.Places{Granted: 9, Contended: true}, c.a.needs("g", 9, 9, 100))
		c.a.has(7, "g", 9, 7, 100)
		c.b.has(2, "g", 9, 0, 100)
		c.c.has(0, "g", 9, 0, 100)
		c.a.has(3, "g", 9, 0, 100)
		c.c.has(3, "g", 9, 0, 100)
		c.b.has(3, "g", 9, 2, 100)
		for _, n := range c.all() {
			n.equal(store.Places{Granted: 3}, n.needs("g", 9, 3, 100))
		}
	}},
	{"what the modest leave is divided among the others", func(c *cluster) {
		c.join()
		c.a.has(1, "g", 9, 0, 1)
		c.b.has(8, "g", 9, 0, 100)
		c.c.has(0, "g", 9, 0, 100)
		c.b.has(4, "g", 9, 0, 100)
		c.c.has(4, "g", 9, 0, 100)
		c.a.has(1, "g", 9, 1, 1)
	}},
	{"the only place goes round", func(c *cluster) {
		c.join()
		// Each has more work than it can do. Its place is given back after each run.
		has := make(map[*node]int)
		turns := make(map[*node]int)
		for range 30 {
			for _, n := range c.all() {
				before := has[n]
				// A run that was going has ended.
				has[n] = n.needs("g", 1, 0, 5).Granted
				if has[n] > before {
					turns[n]++
				}
			}
			if has[c.a]+has[c.b]+has[c.c] > 1 {
				c.Fatalf("the only place is with %d, %d, %d", has[c.a], has[c.b], has[c.c])
			}
		}
		for _, n := range c.all() {
			if turns[n] < 5 {
				c.Errorf("node %s had the place %d times, the others %d, %d, %d", n.name, turns[n], turns[c.a], turns[c.b], turns[c.c])
			}
		}
	}},
	{"groups do not know of each other", func(c *cluster) {
		c.join()
		got, err := c.a.Places(ctx, []store.Demand{
			{Group: "g", Limit: 2, Wanted: 5}, {Group: "ü “h”", Limit: 3, Used: 1, Wanted: 2}, {Group: "i", Limit: 1},
		})
		c.a.ok(err)
		c.a.equal([]store.Places{{Granted: 2}, {Granted: 2}, {}}, got)
		c.b.has(1, "ü “h”", 3, 0, 5)
		c.b.has(0, "g", 2, 0, 5)
		got, err = c.a.Places(ctx, nil)
		c.a.ok(err)
		c.a.equal(0, len(got))
		c.b.has(0, "g", 2, 0, 5)
	}},
	{"a limit that was lowered takes no place that is used", func(c *cluster) {
		c.join()
		c.a.has(5, "g", 10, 5, 5)
		c.b.has(5, "g", 10, 5, 5)
		c.a.has(5, "g", 4, 5, 5)
		c.a.has(4, "g", 4, 4, 5)
		c.b.has(5, "g", 4, 5, 5)
		c.a.has(1, "g", 4, 1, 5)
		c.b.has(2, "g", 4, 0, 5)
		c.a.has(2, "g", 4, 1, 5)
	}},
	{"each node goes by its own limit", func(c *cluster) {
		c.join()
		c.a.has(2, "g", 2, 0, 9)
		c.b.has(3, "g", 6, 0, 9)
		c.a.has(2, "g", 2, 2, 9)
		c.b.has(3, "g", 6, 3, 9)
	}},
	{"places of a node that has ended are there for others", func(c *cluster) {
		c.a.join(briefly)
		c.b.join(forLong)
		c.c.join(forLong)
		c.a.has(3, "g", 4, 3, 3)
		c.b.has(1, "g", 4, 1, 9)
		c.c.has(0, "g", 4, 0, 1)
		c.c.reaps(c.a)
		c.c.has(1, "g", 4, 0, 1)
		c.b.has(3, "g", 4, 1, 9)
		c.c.ok(c.c.Leave(ctx))
		c.b.has(4, "g", 4, 1, 9)
	}},
	{"all nodes together never have more than the limit, and in the end each has its part", func(c *cluster) {
		c.join()
		const limit = 7
		r := rand.New(rand.NewPCG(1, 2))
		type state struct{ used, wanted, granted int }
		states := make(map[*node]*state)
		for _, n := range c.all() {
			states[n] = new(state)
		}
		ask := func(n *node) {
			s := states[n]
			s.granted = n.needs("g", limit, s.used, s.wanted).Granted
			sum := 0
			for _, s := range states {
				sum += s.granted
			}
			if sum > limit {
				c.Fatalf("%d places are granted of %d", sum, limit)
			}
		}
		for range 300 {
			n := c.all()[r.IntN(3)]
			s := states[n]
			s.used = r.IntN(s.granted + 1)
			s.wanted = s.used + r.IntN(10)
			ask(n)
		}
		for range 3 {
			for _, n := range c.all() {
				states[n].used, states[n].wanted = 0, 100
				ask(n)
			}
		}
		for _, n := range c.all() {
			if got := states[n].granted; got < limit/3 {
				c.Errorf("node %s has %d places of %d, want about a third", n.name, got, limit)
			}
		}
	}},
}
