package storetest

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// Leases tests how leases end, on stores whose clock can be set. open is as that of [Cluster], with a clock to take for the
// time.
func Leases(t *testing.T, open func(t *testing.T, now func() time.Time) (a, b, c store.Cluster)) {
	for _, tc := range []struct {
		promise string
		test    func(c *cluster, clock *handClock)
	}{
		{"a lease ends at its instant and not before", func(c *cluster, clock *handClock) {
			clock.set(past(0))
			c.a.join(10 * time.Second)
			c.b.join(forLong)
			clock.set(past(10*time.Second - time.Microsecond))
			c.b.reaps()
			clock.set(past(10 * time.Second))
			c.b.reaps(c.a)
			c.b.equal(past(10*time.Second), c.a.shown(c.b).EndTime)
		}},
		{"each sign of life counts for a whole lease", func(c *cluster, clock *handClock) {
			clock.set(past(0))
			c.a.join(10 * time.Second)
			for i := range 5 {
				at := past(time.Duration(i+1) * 9 * time.Second)
				clock.set(at)
				now, err := c.a.Renew(ctx, task.NodeLoad{})
				c.a.ok(err)
				c.a.equal(at, now)
				c.b.reaps()
			}
			clock.set(past(45*time.Second + 10*time.Second))
			c.b.reaps(c.a)
		}},
		{"a node that has ended is shown for an hour", func(c *cluster, clock *handClock) {
			clock.set(past(0))
			c.a.join(forLong)
			c.b.join(100 * forLong)
			c.a.ok(c.a.Leave(ctx))
			clock.set(past(time.Hour - time.Microsecond))
			c.b.equal(task.Left, c.a.shown(c.b).State)
			clock.set(past(time.Hour))
			nodes, err := c.b.Nodes(ctx)
			c.b.ok(err)
			c.b.equal(1, len(nodes))
			c.b.equal("b", nodes[0].Name)
			_, err = c.a.Renew(ctx, task.NodeLoad{})
			c.a.is(err, task.ErrGivenUp)
		}},
	} {
		t.Run(tc.promise, func(t *testing.T) {
			t.Parallel()
			clock := new(handClock)
			a, b, c := open(t, clock.now)
			nodes := newCluster(t, a, b, c)
			tc.test(nodes, clock)
		})
	}
}
