package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
)

// proxy stands between a store and its server.
type proxy struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	closed   bool

	// loses says what becomes of the next COMMIT.
	loses atomic.Int32
	// silent says that nothing goes through any more, in either direction, and nobody is told.
	silent atomic.Bool
}

const (
	nothing = iota
	// theAnswer of a COMMIT is lost with the connection: the server has carried it out.
	theAnswer
	// theCommit itself is lost with the connection.
	theCommit
)

// newProxy starts a proxy to a server, and returns the URL of a fresh database through it. Statements are sent as texts, so
// that a COMMIT can be seen.
func newProxy(t *testing.T, server *pgtest.Server) (*proxy, string) {
	t.Helper()
	_, address := server.Address()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: address, conns: make(map[net.Conn]bool)}
	p.wg.Go(p.accept)
	u, err := url.Parse(server.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	u.RawQuery = "sslmode=disable&default_query_exec_mode=cache_describe"
	t.Cleanup(p.close)
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		var lost atomic.Bool // what the server says from now on
		p.wg.Go(func() { p.pass(server, client, func(b []byte) bool { return p.commits(b, &lost) }) })
		p.wg.Go(func() { p.pass(client, server, func([]byte) bool { return !lost.Load() }) })
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.conns[c] = true; p.closed {
			_ = c.Close()
		}
	}
	return !p.closed
}

// commits looks for a COMMIT and reports whether what was read goes on.
func (p *proxy) commits(b []byte, lost *atomic.Bool) bool {
	if !bytes.Contains(b, []byte("COMMIT\x00")) {
		return true
	}
	switch {
	case p.loses.CompareAndSwap(theAnswer, nothing):
		lost.Store(true)
	case p.loses.CompareAndSwap(theCommit, nothing):
		return false
	}
	return true
}

// pass copies what it reads for as long as goes says so, and ends both connections then.
func (p *proxy) pass(to, from net.Conn, goes func([]byte) bool) {
	buffer := make([]byte, 1<<20)
	for {
		n, err := from.Read(buffer)
		if p.silent.Load() {
			if err != nil {
				break
			}
			continue
		}
		if n > 0 && !goes(buffer[:n]) {
			break
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				break
			}
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cut()
	p.wg.Wait()
}
