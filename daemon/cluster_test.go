package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc/test/bufconn"
)

// cluster is several daemons on one store, in a bubble of fake time.
type cluster struct {
	t     *testing.T
	store *memory.Store
	log   *slog.Logger

	mu        sync.Mutex
	listeners map[string]*bufconn.Listener // by address
	nodes     []*member
}

// member is a daemon of a cluster.
type member struct {
	cluster *cluster
	store   *memory.Node
	d       *daemon.Daemon
	cancel  context.CancelFunc
	ended   chan error
	*client.Client
}

// inCluster runs a test in a bubble, and ends the daemons that are left.
func inCluster(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, store: memory.New(memory.Config{Namespace: "default"}), listeners: make(map[string]*bufconn.Listener),
			log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}
		f(t, c)
		for _, m := range c.nodes {
			m.cancel()
		}
		for _, m := range c.nodes {
			<-m.ended
		}
	})
}

// join starts a daemon with these tasks. Its name is its address too.
func (c *cluster) join(name string, tasks ...daemon.Task) *member {
	c.t.Helper()
	return c.joinAs(daemon.Config{NodeName: name, Tasks: tasks})
}

func (c *cluster) joinAs(cfg daemon.Config) *member {
	c.t.Helper()
	m := &member{cluster: c, store: c.store.Node(), ended: make(chan error, 1)}
	cfg.Store, cfg.Advertise = m.store, cfg.NodeName+":1"
	cfg.Logger = c.log.With("at", cfg.NodeName)
	if cfg.StopGrace == 0 {
		cfg.StopGrace = time.Second
	}
	l := bufconn.Listen(1 << 16)
	cfg.Listeners = []net.Listener{l}
	cfg.SetDial(func(ctx context.Context, _, address string) (net.Conn, error) {
		c.mu.Lock()
		l := c.listeners[address]
		c.mu.Unlock()
		if l == nil {
			return nil, fmt.Errorf("nobody is at %s", address)
		}
		return l.DialContext(ctx)
	})
	d, err := daemon.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	m.d = d
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() { m.ended <- d.Run(ctx) }()
	<-d.Ready()
	c.mu.Lock()
	c.listeners[cfg.Advertise] = l
	c.mu.Unlock()
	m.Client = d.Client()
	c.nodes = append(c.nodes, m)
	return m
}

// kill cuts a daemon off from its store for good and ends it: nothing of it is heard any more.
func (m *member) kill() {
	m.store.Cut(memory.Unreachable)
	m.cancel()
}

// stop ends a daemon in good order.
func (m *member) stop() {
	m.cluster.t.Helper()
	m.cancel()
	if err := <-m.ended; err != nil {
		m.cluster.t.Errorf("Run: %v", err)
	}
	m.ended <- nil // for inCluster
}

// runs returns the runs of a task, the oldest first.
func (c *cluster) runs(name string) []task.Run {
	c.t.Helper()
	page, err := c.store.Runs(c.t.Context(), task.RunQuery{TaskID: task.IDOf("default", name), Limit: 100_000})
	if err != nil {
		c.t.Fatal(err)
	}
	slices.Reverse(page.Runs)
	return page.Runs
}

// run returns a run as it is stored.
func (c *cluster) run(id task.RunID) task.Run {
	c.t.Helper()
	run, err := c.store.Run(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return run
}

// wantEachInstantOnce looks whether the fires of a task, one each period from first until last, are all recorded once.
func (c *cluster) wantEachInstantOnce(name string, first, last time.Time, period time.Duration) {
	c.t.Helper()
	seen := make(map[time.Time]int)
	for _, run := range c.runs(name) {
		if run.Cause != task.ByFire {
			continue
		}
		from := run.ScheduledTime
		if !run.FirstScheduledTime.IsZero() {
			from = run.FirstScheduledTime
		}
		for at := from; !at.After(run.ScheduledTime); at = at.Add(period) {
			seen[at]++
		}
	}
	for at := first; !at.After(last); at = at.Add(period) {
		if n := seen[at]; n != 1 {
			c.t.Errorf("%q: the fire of %s is recorded %d times", name, at.Format("15:04:05.000"), n)
		}
		delete(seen, at)
	}
	for at := range seen {
		if at.Before(first) {
			c.t.Errorf("%q: a fire of %s, which nobody planned", name, at.Format("15:04:05.000"))
		}
	}
}

func (c *cluster) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// busy is a task that tells how many attempts of it go, and at which node.
type busy struct {
	name, trigger string
	takes         time.Duration
	policy        task.Policy
	group         string

	mu          sync.Mutex
	going, most int
	starts      []start
}

// start is an attempt, and when its context ended.
type start struct {
	at       string
	run      task.RunID
	attempt  int
	time     time.Time
	canceled time.Time
}

// task is the task as a node has it.
func (b *busy) task(node string) daemon.Task {
	t := at(b.name, b.trigger, 0)
	t.Policy, t.Group = b.policy, b.group
	t.Do = daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) { return nil, b.do(ctx, node, r) })
	return t
}

func (b *busy) do(ctx context.Context, node string, r daemon.Run) error {
	b.mu.Lock()
	b.going++
	b.most = max(b.most, b.going)
	i := len(b.starts)
	b.starts = append(b.starts, start{at: node, run: r.ID, attempt: r.Attempt, time: time.Now()})
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.going--
	}()
	select {
	case <-time.After(b.takes):
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		b.starts[i].canceled = time.Now()
		return context.Cause(ctx)
	}
}

func (b *busy) seen() []start {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.starts)
}
