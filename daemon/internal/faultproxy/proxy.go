// Package faultproxy is a bad network between a client and a server, for tests: it delays what is sent, holds it back,
// cuts connections and refuses them. It knows nothing of what goes through it. It is imported by tests only.
package faultproxy

import (
	"net"
	"sync"
	"time"
)

// Network is what a network does to what goes through it. The zero Network is a good one.
type Network struct {
	// Refused connections are not made, and those that are there are cut.
	Refused bool
	// HoldUp and HoldDown hold back what goes to the server, and what comes from it, and nobody is told: it arrives when
	// the network is better, even if who has sent it has hung up long ago.
	HoldUp, HoldDown bool
	// DelayUp and DelayDown are how long each piece takes to the server, and from it.
	DelayUp, DelayDown time.Duration
}

// Proxy passes connections on to one server. Its methods may be called at the same time.
type Proxy struct {
	network, address string // of the server
	listener         net.Listener
	running          sync.WaitGroup // all goroutines

	mu      sync.Mutex
	is      Network
	changed chan struct{}  // closed when is changes, or a connection is cut
	conns   map[*pair]bool // guarded by mu
	closed  bool
}

// pair is a connection of a client and that to the server.
type pair struct {
	client, server net.Conn
	cut            bool // guarded by the mu of the proxy
}

// Start listens on a port of 127.0.0.1 for connections to a server, as net.Dial takes its address. Whoever does must
// Close the Proxy.
func Start(network, address string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{network: network, address: address, listener: l, changed: make(chan struct{}), conns: map[*pair]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// Address is where clients connect.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set makes the network as n says.
func (p *Proxy) Set(n Network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.is = n
	if n.Refused {
		p.cutAll()
	}
	p.change()
}

// Cut cuts all connections that are there, wherever what they carry has come to. New ones can be made.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAll()
	p.change()
}

// Close cuts everything and returns when nothing of the proxy is left.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	err := p.listener.Close()
	p.cutAll()
	p.change()
	p.mu.Unlock()
	p.running.Wait()
	return err
}

// change wakes those who wait for another network. It needs mu.
func (p *Proxy) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// cutAll needs mu.
func (p *Proxy) cutAll() {
	for c := range p.conns {
		c.cut = true
		reset(c.client)
		reset(c.server)
	}
}

// reset closes a connection so that the other end sees it broken, and not ended in good order.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails if it is closed
	}
	_ = c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // Close
		}
		p.running.Go(func() { p.pass(c) })
	}
}

// pass carries one connection.
func (p *Proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		reset(client)
		return
	}
	defer server.Close()
	c := &pair{client: client, server: server}
	p.mu.Lock()
	if p.is.Refused || p.closed {
		p.mu.Unlock()
		reset(client)
		return
	}
	p.conns[c] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}()
	var both sync.WaitGroup
	both.Go(func() {
		p.carry(c, server, client, func(n Network) (bool, time.Duration) { return n.HoldUp, n.DelayUp })
	})
	both.Go(func() {
		p.carry(c, client, server, func(n Network) (bool, time.Duration) { return n.HoldDown, n.DelayDown })
	})
	both.Wait()
}

// carry carries one direction of a connection until one of its ends has closed it.
func (p *Proxy) carry(c *pair, to, from net.Conn, how func(Network) (held bool, delay time.Duration)) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.arrives(c, how) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				reset(from) // what it sends goes nowhere
				return
			}
		}
		if err != nil {
			// The other direction goes on: whoever has sent all may still be answered.
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}

// arrives waits for as long as the network makes a piece wait. False: the connection is cut.
func (p *Proxy) arrives(c *pair, how func(Network) (held bool, delay time.Duration)) bool {
	begin := time.Now()
	for {
		p.mu.Lock()
		held, delay := how(p.is)
		changed, cut := p.changed, c.cut
		p.mu.Unlock()
		rest := time.Until(begin.Add(delay))
		switch {
		case cut:
			return false
		case held:
			<-changed
			begin = time.Now() // what is let go takes its time as well
			continue
		case rest <= 0:
			return true
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		}
	}
}
