package faultproxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/faultproxy"
)

// echo answers each line with itself, and tells of each line that it got.
func echo(t *testing.T) (address string, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					lines <- s.Text()
					if _, err := fmt.Fprintln(c, s.Text()); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String(), lines
}

// through returns a proxy to an echo server, and a connection through it that works.
func through(t *testing.T) (p *faultproxy.Proxy, c *line, got <-chan string) {
	t.Helper()
	address, got := echo(t)
	p, err := faultproxy.Start("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c = dial(t, p)
	c.say("hello")
	c.hears("hello")
	<-got
	return p, c, got
}

// line is a connection on which lines are said.
type line struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) *line {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &line{t: t, conn: c, in: bufio.NewReader(c)}
}

func (l *line) say(s string) {
	l.t.Helper()
	if _, err := fmt.Fprintln(l.conn, s); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) hears(want string) {
	l.t.Helper()
	got, err := l.in.ReadString('\n')
	if err != nil || got != want+"\n" {
		l.t.Fatalf("heard %q, error %v, want %q", got, err, want)
	}
}

// dead reports that the connection is of no use any more.
func (l *line) dead() {
	l.t.Helper()
	if _, err := io.ReadAll(l.in); err == nil {
		l.t.Error("it ended in good order, want it broken")
	}
}

// broken looks whether a new connection is of no use, which may be known as soon as it is made.
func broken(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		return
	}
	defer c.Close()
	(&line{t: t, conn: c, in: bufio.NewReader(c)}).dead()
}

func TestWhatIsHeldBackArrivesLaterThoughItsSenderHasHungUp(t *testing.T) {
	p, c, got := through(t)
	p.Set(faultproxy.Network{HoldUp: true})
	c.say("late")
	if err := c.conn.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-got:
		t.Errorf("%q got through", s)
	default:
	}
	p.Set(faultproxy.Network{})
	if s := <-got; s != "late" {
		t.Errorf("got %q", s)
	}
}

func TestAnswersAreHeldBackWhileRequestsArrive(t *testing.T) {
	p, c, got := through(t)
	p.Set(faultproxy.Network{HoldDown: true})
	c.say("one")
	if s := <-got; s != "one" {
		t.Errorf("got %q", s)
	}
	p.Set(faultproxy.Network{})
	c.hears("one")
}

func TestACutBreaksWhatIsThereAndLetsNewConnectionsThrough(t *testing.T) {
	p, c, got := through(t)
	p.Set(faultproxy.Network{HoldUp: true})
	c.say("never")
	p.Cut()
	c.dead()
	p.Set(faultproxy.Network{})
	again := dial(t, p)
	again.say("again")
	again.hears("again")
	if s := <-got; s != "again" {
		t.Errorf("%q got through a connection that was cut", s)
	}
}

func TestARefusedConnectionIsBrokenAtOnceUntilTheNetworkIsBetter(t *testing.T) {
	p, c, _ := through(t)
	p.Set(faultproxy.Network{Refused: true})
	c.dead()
	broken(t, p)
	p.Set(faultproxy.Network{})
	again := dial(t, p)
	again.say("again")
	again.hears("again")
}

func TestADelayIsAtLeastAsLongAsItSays(t *testing.T) {
	const delay = 30 * time.Millisecond
	p, c, _ := through(t)
	p.Set(faultproxy.Network{DelayUp: delay, DelayDown: delay})
	begin := time.Now()
	c.say("slow")
	c.hears("slow")
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("there and back took %s, want at least %s", took, 2*delay)
	}
}

func TestAServerThatIsNotThereLooksLikeABrokenConnection(t *testing.T) {
	p, err := faultproxy.Start("unix", t.TempDir()+"/nobody")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	broken(t, p)
}
