package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/clockd/clockd/daemon/internal/faultproxy"
	"github.com/clockd/clockd/daemon/internal/history"
)

// mostDelay is how long a bad network delays what is sent, at most. By so much a node can be wrong about the time of the
// store: it can not tell the way there from the way back.
const mostDelay = 200 * time.Millisecond

// mostSkew is by how much a node is taken to be wrong about the time of the store at most: by the delays of the network, and
// by those of a machine that has more to do than it can, such as one that runs tests. One whose
// machine was kept busy was off by 0.28s.
const mostSkew = mostDelay + 800*time.Millisecond

// torment does one bad thing after the other to the processes of a cluster, and to PostgreSQL.
type torment struct {
	c    *cluster
	pace time.Duration // how long a slot is left alone between two, on average
	say  func(format string, args ...any)

	mu sync.Mutex
	// done counts what was done, by its kind.
	done map[string]int // guarded by mu
}

// rest waits for d on average. False: ctx has ended.
func rest(ctx context.Context, rnd *rand.Rand, d time.Duration) bool {
	timer := time.NewTimer(d/2 + time.Duration(rnd.Int64N(int64(d)+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (x *torment) count(where, kind string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done[kind]++
	x.say("%s has %s", where, kind)
}

// slot torments one slot until ctx ends, and leaves it in good health.
func (x *torment) slot(ctx context.Context, s *slot, rnd *rand.Rand) {
	for rest(ctx, rnd, x.pace) {
		p := s.up()
		if p != nil {
			x.one(ctx, s, p, rnd)
		}
		if s.up() == nil && rest(ctx, rnd, x.pace/8) {
			if p := s.start(x.pace + 5*time.Second); p.is.Ready.IsZero() {
				x.say("%s is not ready yet", p.is.Name)
			}
		}
	}
	s.db.Set(faultproxy.Network{})
	s.api.Set(faultproxy.Network{})
	_ = os.Remove(s.clock()) // it may not be there
	if p := s.up(); p != nil {
		_ = p.cmd.Process.Signal(syscall.SIGUSR1) // ended or not
	} else {
		s.start(time.Minute)
	}
}

// one does one bad thing to a process.
func (x *torment) one(ctx context.Context, s *slot, p *daemonProcess, rnd *rand.Rand) {
	lease := x.c.lease
	// span is something shorter than the lease, or longer than it by so much that others must have taken over.
	span := func() time.Duration {
		if rnd.IntN(3) == 0 {
			return time.Duration(rnd.Int64N(int64(lease)))
		}
		return lease*5/4 + time.Duration(rnd.Int64N(int64(lease)))
	}
	network := func(kind string, d time.Duration, n faultproxy.Network) {
		over := s.suffers(p, kind)
		x.count(p.is.Name, kind)
		s.db.Set(n)
		rest(ctx, rnd, d)
		s.db.Set(faultproxy.Network{})
		over()
	}
	select {
	case <-p.exited:
		x.c.t.Errorf("%s has ended by itself:\n%s", p.is.Name, tailOf(p.log.text.String()))
		s.gone(p)
		return
	default:
	}
	switch n := rnd.IntN(24); {
	case n < 8:
		x.count(p.is.Name, "been killed")
		s.kill(p)
		if rnd.IntN(4) == 0 {
			p = s.start(time.Duration(rnd.IntN(300)) * time.Millisecond)
			x.count(p.is.Name, "been killed in its start")
			s.kill(p)
		}
	case n < 11:
		const kind = "been stopped with SIGSTOP"
		over := s.suffers(p, kind)
		x.count(p.is.Name, kind)
		_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it is killed by nobody else
		rest(ctx, rnd, span())
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		over()
	case n < 13:
		network("had its packets held back both ways", span(), faultproxy.Network{HoldUp: true, HoldDown: true})
	case n < 14:
		network("had what it sent held back", span(), faultproxy.Network{HoldUp: true})
	case n < 15:
		network("heard no answers", span(), faultproxy.Network{HoldDown: true})
	case n < 16:
		network("been refused connections", span(), faultproxy.Network{Refused: true})
	case n < 18:
		delay := func() time.Duration { return time.Duration(rnd.Int64N(int64(mostDelay))) }
		x.count(p.is.Name, "had its packets delayed")
		s.db.Set(faultproxy.Network{DelayUp: delay(), DelayDown: delay()})
		rest(ctx, rnd, span())
		s.db.Set(faultproxy.Network{})
	case n < 20:
		over := s.suffers(p, "had its connections cut")
		x.count(p.is.Name, "had its connections cut")
		s.db.Cut()
		over()
	case n < 21:
		x.count(p.is.Name, "been cut off from callers and other nodes")
		s.api.Set([]faultproxy.Network{{Refused: true}, {HoldUp: true}, {HoldDown: true}}[rnd.IntN(3)])
		rest(ctx, rnd, span())
		s.api.Set(faultproxy.Network{})
	case n < 22:
		x.count(p.is.Name, "been stopped in good order")
		s.stop(p)
	default:
		ahead := []time.Duration{time.Hour, -time.Hour, 10 * time.Second, -10 * time.Second, lease, 0}[rnd.IntN(6)]
		if err := os.WriteFile(s.clock(), []byte(ahead.String()), 0o600); err != nil {
			x.c.t.Error(err)
			return
		}
		over := s.suffers(p, "had its clock set")
		x.count(p.is.Name, "had its clock set")
		_ = p.cmd.Process.Signal(syscall.SIGUSR1) // it lives
		rest(ctx, rnd, 200*time.Millisecond)
		over()
	}
}

// store torments PostgreSQL until ctx ends.
func (x *torment) store(ctx context.Context, rnd *rand.Rand) {
	for rest(ctx, rnd, 4*x.pace) {
		end, kind := x.c.server.Stop, "been stopped"
		if rnd.IntN(2) == 0 {
			end, kind = x.c.server.Kill, "been killed"
		}
		x.c.mu.Lock()
		i := len(x.c.storeDown)
		x.c.storeDown = append(x.c.storeDown, history.Outage{Kind: kind, Begin: time.Now()})
		x.c.mu.Unlock()
		x.count("PostgreSQL", kind)
		if err := end(); err != nil {
			x.c.t.Error(err)
		}
		rest(ctx, rnd, []time.Duration{10 * time.Millisecond, time.Second, x.c.lease}[rnd.IntN(3)])
		if err := x.c.server.Restart(); err != nil {
			x.c.t.Error(err)
			return
		}
		x.c.mu.Lock()
		x.c.storeDown[i].End = time.Now()
		x.c.mu.Unlock()
	}
}

// summary tells what was done.
func (x *torment) summary() (text string, kills int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for kind, n := range x.done {
		text += fmt.Sprintf("\n\t%5d have %s", n, kind)
	}
	return text, x.done["been killed"] + x.done["been killed in its start"]
}

// tailOf is the end of a long text.
func tailOf(text string) string { return text[max(0, len(text)-4000):] }
