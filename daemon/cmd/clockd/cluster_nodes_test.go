package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/internal/faultproxy"
	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/internal/wallclock"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
)

const (
	// asNode is what a process of a cluster says of itself to the witness.
	asNode = "CLOCKD_TEST_NODE"
	// withClock names a file that says by how much the clock of a process is wrong. It is read at the start and at SIGUSR1.
	withClock = "CLOCKD_TEST_CLOCK"
)

// wrongClock gives this process the clock that the test wants it to have.
func wrongClock() {
	path := os.Getenv(withClock)
	if path == "" {
		return
	}
	var mu sync.RWMutex
	var ahead time.Duration
	read := func() {
		text, err := os.ReadFile(path)
		if err != nil {
			return // it is right
		}
		d, err := time.ParseDuration(string(text))
		if err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		ahead = d
	}
	read()
	set := make(chan os.Signal, 1)
	signal.Notify(set, syscall.SIGUSR1)
	go func() {
		for range set {
			read()
		}
	}()
	wallclock.Now = func() time.Time {
		mu.RLock()
		defer mu.RUnlock()
		return time.Now().Add(ahead)
	}
}

// cluster is several daemons on one PostgreSQL, each with a network of its own between them.
type cluster struct {
	t       *testing.T
	server  *pgtest.Server
	witness *witness
	lease   time.Duration
	slots   []*slot

	mu        sync.Mutex
	storeDown []history.Outage // guarded by mu
}

// slot is the place of one daemon: one process after the other has it.
type slot struct {
	c       *cluster
	number  int
	dir     string
	config  string
	db, api *faultproxy.Proxy
	// client speaks to whichever process is there.
	client *client.Client

	mu sync.Mutex
	// processes are all that were, the last of which may live. live is that one; nil: none does. Guarded by mu.
	processes []*daemonProcess
	live      *daemonProcess
}

// daemonProcess is one life of a slot.
type daemonProcess struct {
	*process
	is history.Process // guarded by the mu of the slot
}

// newCluster starts a PostgreSQL and makes room for n daemons, and starts none of them.
func newCluster(t *testing.T, n int, lease time.Duration, durable bool) *cluster {
	t.Helper()
	// What was committed must outlive a crash of PostgreSQL. One of the machine is not tested, so nothing need wait for
	// the disk, which is slow where tests run.
	config := pgtest.Config{TCP: true, Durable: durable, Settings: map[string]string{"synchronous_commit": "on", "full_page_writes": "on"}}
	server, err := pgtest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{t: t, server: server, witness: newWitness(t), lease: lease}
	for i := range n {
		s := &slot{c: c, number: i, dir: t.TempDir()}
		sock := socket(t)[len("unix:"):]
		if s.db, err = faultproxy.Start(server.Address()); err != nil {
			t.Fatal(err)
		}
		if s.api, err = faultproxy.Start("unix", sock); err != nil {
			t.Fatal(err)
		}
		s.config = filepath.Join(s.dir, "clockd.yaml")
		if s.client, err = client.Dial(s.api.Address(), client.WithActor("test")); err != nil {
			t.Fatal(err)
		}
		s.dir = sock
		t.Cleanup(func() {
			_, _, _ = s.client.Close(), s.api.Close(), s.db.Close()
		})
		c.slots = append(c.slots, s)
	}
	return c
}

// declare writes the config files of all slots.
func (c *cluster) declare(yaml string) {
	c.t.Helper()
	for _, s := range c.slots {
		s.declare(yaml)
	}
}

func (s *slot) declare(yaml string) {
	s.c.t.Helper()
	if err := os.WriteFile(s.config+".new", []byte(yaml), 0o600); err != nil {
		s.c.t.Fatal(err)
	}
	if err := os.Rename(s.config+".new", s.config); err != nil {
		s.c.t.Fatal(err)
	}
}

// start starts a process, and returns it when it is ready, has ended, or has had a while for that.
func (s *slot) start(patience time.Duration) *daemonProcess {
	u, err := url.Parse(s.c.server.URL("postgres"))
	if err != nil {
		s.c.t.Fatal(err)
	}
	u.Host, u.RawQuery = s.db.Address(), "sslmode=disable"
	s.mu.Lock()
	name := fmt.Sprintf("%d.%d", s.number, len(s.processes)+1)
	p := &daemonProcess{is: history.Process{Name: name}}
	p.process = launchAs(s.c.t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, asNode+"="+name, withClock+"="+s.clock())
	}, "serve", "--config", s.config, "--store", u.String(), "--listen", "unix:"+s.dir, "--advertise", s.api.Address(),
		"--node-name", name, "--node-lease", s.c.lease.String(), "--stop-grace", "1s")
	s.processes, s.live = append(s.processes, p), p
	s.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.log.ready:
		s.mu.Lock()
		p.is.Ready = time.Now()
		s.mu.Unlock()
	case <-p.exited:
	case <-timer.C:
	}
	return p
}

// clock is the file that says by how much the clock of the slot is wrong.
func (s *slot) clock() string { return s.config + ".clock" }

// up returns the process that is there. Nil: none is.
func (s *slot) up() *daemonProcess {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// suffers notes that something is done to a process. The function that it returns notes that it is over.
func (s *slot) suffers(p *daemonProcess, kind string) (over func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(p.is.Outages)
	p.is.Outages = append(p.is.Outages, history.Outage{Kind: kind, Begin: time.Now()})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.is.Outages[i].End = time.Now()
	}
}

// kill ends a process with SIGKILL.
func (s *slot) kill(p *daemonProcess) {
	s.suffers(p, "been killed")
	_ = p.cmd.Process.Kill() // it may have ended
	s.gone(p)
}

// gone waits for the end of a process.
func (s *slot) gone(p *daemonProcess) {
	<-p.exited
	s.mu.Lock()
	defer s.mu.Unlock()
	p.is.End, s.live = time.Now(), nil
}

// stop ends a process in good order.
func (s *slot) stop(p *daemonProcess) {
	s.suffers(p, "been stopped in good order")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C: // its network may be of no use
		_ = p.cmd.Process.Kill()
	}
	s.gone(p)
}

// processes are all that were, and what was done to them.
func (c *cluster) processes() []history.Process {
	var out []history.Process
	for _, s := range c.slots {
		s.mu.Lock()
		for _, p := range s.processes {
			out = append(out, p.is)
		}
		s.mu.Unlock()
	}
	return out
}

// mostly calls do with the clients of the slots in turn until it succeeds.
func (c *cluster) mostly(ctx context.Context, do func(context.Context, *client.Client) error) error {
	for i := 0; ; i++ {
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := do(one, c.slots[i%len(c.slots)].client)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}
