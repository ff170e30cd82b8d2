package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Cluster runs the conformance suite of store.Cluster. open returns three ways to the same empty store of [Namespace], of
// which none has joined; Cluster closes them. Cases run in parallel. What a Cluster is before it has joined, [Run] tests.
func Cluster(t *testing.T, open func(t *testing.T) (a, b, c store.Cluster)) {
	for _, group := range []struct {
		name  string
		cases []clusterCase
	}{
		{"Nodes", nodesCases},
		{"GivenUp", givenUpCases},
		{"Hold", holdCases},
		{"Held", heldCases},
		{"Beside", besideCases},
		{"Take", takeCases},
		{"Offers", offersCases},
		{"Elapsed", elapsedCases},
		{"Places", placesCases},
		{"Order", orderCases},
		{"Together", clusterTogetherCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.cases {
				t.Run(tc.promise, func(t *testing.T) {
					t.Parallel()
					a, b, c := open(t)
					tc.test(newCluster(t, a, b, c))
				})
			}
		})
	}
}

// clusterCase is one promise of the contract.
type clusterCase struct {
	promise string
	test    func(c *cluster)
}

// cluster is three nodes of one store.
type cluster struct {
	testing.TB
	a, b, c *node
}

// newCluster returns one whose nodes are closed in the end.
func newCluster(t *testing.T, a, b, c store.Cluster) *cluster {
	nodes := &cluster{TB: t, a: newNode(t, "a", a), b: newNode(t, "b", b), c: newNode(t, "c", c)}
	t.Cleanup(func() {
		for _, n := range nodes.all() {
			if err := n.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return nodes
}

func (c *cluster) all() []*node { return []*node{c.a, c.b, c.c} }

// living are the nodes that live.
func (c *cluster) living() (living []*node) {
	c.Helper()
	nodes, err := c.a.Nodes(ctx)
	c.a.ok(err)
	for _, n := range c.all() {
		if slices.ContainsFunc(nodes, func(m task.Node) bool { return m.ID == n.id && m.State == task.Alive }) {
			living = append(living, n)
		}
	}
	return living
}

// node is one of them, with all that tests do with a store.
type node struct {
	*fixture
	store.Cluster
	name string
	id   uuid.UUID // once it has joined
}

func newNode(tb testing.TB, name string, s store.Cluster) *node {
	return &node{fixture: newFixture(tb, s), Cluster: s, name: name}
}

// These leases end at once, and not before the test has.
const (
	briefly = time.Microsecond
	forLong = time.Hour
)

// address is where a node says it is.
func (n *node) address() string { return n.name + ".example:7800" }

// join makes the node a new one.
func (n *node) join(lease time.Duration) *node {
	n.Helper()
	id := uuid.New()
	_, err := n.Join(ctx, task.Node{ID: id, Name: n.name, Address: n.address(), Lease: lease})
	n.ok(err)
	n.id = id
	return n
}

// join makes all join for long.
func (c *cluster) join() {
	c.Helper()
	for _, n := range c.all() {
		n.join(forLong)
	}
}

// reaps fails unless a Reap gives up these nodes, as soon as the clock of the store has moved.
func (n *node) reaps(want ...*node) {
	n.Helper()
	var got []uuid.UUID
	for range 10_000 {
		nodes, err := n.Reap(ctx)
		n.ok(err)
		for _, r := range nodes {
			got = append(got, r.ID)
		}
		if len(got) >= len(want) {
			break
		}
	}
	if len(got) != len(want) {
		n.Fatalf("%d nodes were given up, want %d", len(got), len(want))
	}
	for _, w := range want {
		if !slices.Contains(got, w.id) {
			n.Fatalf("node %s was not given up", w.name)
		}
	}
}

// claims claims up to limit tasks, which are due again at next, and returns their names.
func (n *node) claims(limit int, next time.Time) []string {
	n.Helper()
	claimed, err := n.Claim(ctx, store.ClaimRequest{Limit: limit}, advance(next))
	n.ok(err)
	return fired(claimed)
}

// ends reports that runs at attempt 0 have succeeded.
func (n *node) ends(ids ...task.RunID) {
	n.Helper()
	if late := n.reports(0, task.Succeeded, 0, ids...); len(late) > 0 {
		n.Fatalf("runs %v are not in the hands of node %s", late, n.name)
	}
}

// reports reports runs, and returns those for which that was late.
func (n *node) reports(from int, state task.RunState, attempt int, ids ...task.RunID) []task.RunID {
	n.Helper()
	reports := make([]store.Report, len(ids))
	for i, id := range ids {
		reports[i] = store.Report{FromAttempt: from, Run: task.Run{ID: id, State: state, Attempt: attempt}}
		if state.Ended() {
			reports[i].Run.EndTime = past(time.Hour)
		}
	}
	late, err := n.Record(ctx, reports, nil)
	n.ok(err)
	return late
}

// givesUp gives runs up that have not started.
func (n *node) givesUp(ids ...task.RunID) {
	n.Helper()
	if late := n.reports(0, task.Scheduled, 0, ids...); len(late) > 0 {
		n.Fatalf("runs %v are not in the hands of node %s", late, n.name)
	}
}

// takes takes over all it can and returns the ids.
func (n *node) takes() []task.RunID {
	n.Helper()
	runs, more, err := n.Take(ctx, 1000, anyTask)
	n.ok(err)
	if more {
		n.Error("there is more to take after all of it")
	}
	return idsOf(runs)
}

func anyTask(task.Task) bool { return true }

// inHand fails unless exactly these runs are in the hands of the node, whichever node is asked.
func (c *cluster) inHand(n *node, want ...task.RunID) {
	c.Helper()
	got, err := n.InHand(ctx)
	n.ok(err)
	n.equal(want, got)
	for _, id := range want {
		for _, other := range c.all() {
			if got := other.run(id).Node; got != n.id {
				c.Errorf("run %v is shown by %s in the hands of %s, want node %s", id, other.name, got, n.name)
			}
		}
	}
}

// touch tries to change a task that is stored and has a run in every way, and returns what came of each.
func (n *node) touch(name string) (errs []error) {
	n.Helper()
	last := n.task(name).LastRun.ID
	for what, change := range map[string]func(*task.Task) store.Change{
		"edit":   func(t *task.Task) store.Change { t.Version++; return store.Change{Task: t} },
		"delete": func(*task.Task) store.Change { return store.Change{Delete: true} },
		"record": func(*task.Task) store.Change {
			return store.Change{Record: []task.Run{newRun(name, past(time.Minute))}}
		},
		"take back": func(*task.Task) store.Change { return store.Change{TakeBack: []task.RunID{last}} },
		"audit": func(*task.Task) store.Change {
			return store.Change{Audit: []task.Event{newEvent(name, task.TaskPaused)}}
		},
	} {
		_, err := n.Update(ctx, []uuid.UUID{idOf(name)}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			return change(t), nil
		})
		errs = append(errs, fmt.Errorf("%s: %w", what, err))
	}
	_, _, err := n.Call(ctx, task.ByName(name), uuid.Nil, called)
	return append(errs, fmt.Errorf("call: %w", err))
}

// heldBy fails unless err says that exactly these tasks are held by a node; nil: by nobody.
func (n *node) heldBy(holder *node, err error, names ...string) {
	n.Helper()
	var held *task.HeldError
	if !errors.As(err, &held) || !errors.Is(err, task.ErrHeld) {
		n.Fatalf("got error %v, want one that says who holds the task", err)
	}
	var want []task.HeldTask
	for _, name := range names {
		h := task.HeldTask{TaskID: idOf(name)}
		if holder != nil {
			h.Node, h.Address = holder.id, holder.address()
		}
		want = append(want, h)
	}
	n.equal(want, held.Tasks)
}

// holds fails unless the task, which must be due, can be changed and claimed by the node alone. It changes nothing.
func (c *cluster) holds(holder *node, name string) {
	c.Helper()
	before := c.a.everything()
	for _, n := range c.living() {
		if n == holder {
			continue
		}
		for _, err := range n.touch(name) {
			n.heldBy(holder, err, name)
		}
		c.asked(n, name, false)
	}
	if slices.Contains(c.living(), holder) {
		c.asked(holder, name, true)
	}
	c.a.unchanged(before)
}

// free fails unless all nodes that live can claim the task, which must be due. It changes nothing.
func (c *cluster) free(name string) {
	c.Helper()
	for _, n := range c.living() {
		c.asked(n, name, true)
	}
}

// asked fails unless a claim of the node asks about the task, or does not.
func (c *cluster) asked(n *node, name string, want bool) {
	c.Helper()
	got := false
	claimed, err := n.Claim(ctx, store.ClaimRequest{Limit: 1000}, func(_ time.Time, d store.Due) store.Decision {
		got = got || d.Name == name
		return store.Decision{Leave: true}
	})
	n.ok(err)
	if got != want {
		c.Errorf("node %s was asked about task %q: %t, want %t", n.name, name, got, want)
	}
	if len(claimed.Fires) > 0 {
		c.Errorf("a claim that left all has fires: %v", claimed.Fires)
	}
}
