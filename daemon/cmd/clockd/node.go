package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/task"
)

// nodeFlags say what this daemon is among those that share its store. They have no effect with a store of one daemon.
type nodeFlags struct {
	NodeName  string         `help:"With PostgreSQL: what this daemon is called among those that share the store. Default: the name of the host." placeholder:"NAME"`
	Advertise string         `help:"With PostgreSQL: where the other daemons reach the API of this one, HOST:PORT, or unix:/PATH on one machine. Default: the first TCP address it is served on, with the name of the host if that is every address of the machine; else its Unix socket." placeholder:"ADDR"`
	NodeLease *time.Duration `help:"With PostgreSQL: how long the others trust this daemon without a sign of life, 1s to 1h; then they take over what it held. Default: the config file's, else ${node_lease}." placeholder:"DURATION"`
}

// check says what is wrong with the flags.
func (f *nodeFlags) check() error {
	if l := f.NodeLease; l != nil && (*l < task.MinNodeLease || *l > task.MaxNodeLease) {
		return usageError{fmt.Errorf("--node-lease %s is outside 1s to 1h", *l)}
	}
	if f.Advertise == "" {
		return nil
	}
	if path, ok := unixPath(f.Advertise); ok {
		if !filepath.IsAbs(path) || len(path) > pathLimit {
			return usageError{fmt.Errorf("--advertise %q: write unix:/PATH, of at most %d bytes, as --listen has it", f.Advertise, pathLimit)}
		}
		return nil
	}
	host, port, err := net.SplitHostPort(f.Advertise)
	if err != nil {
		return usageError{fmt.Errorf("--advertise %q: %w; write HOST:PORT as the other daemons reach it", f.Advertise, err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return usageError{fmt.Errorf("--advertise %q names no machine: write HOST:PORT as the other daemons reach it", f.Advertise)}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return usageError{fmt.Errorf("--advertise %q: the port must be a number from 1 to 65535", f.Advertise)}
	}
	return nil
}

// configure says in cfg which node the daemon is. where is the URL of its store.
func (f *nodeFlags) configure(cfg *daemon.Config, listeners []net.Listener, where string, log *slog.Logger) error {
	if scheme, _, _ := checkStore(where); scheme != inPostgres {
		return nil
	}
	host, err := os.Hostname()
	if err != nil && (f.NodeName == "" || f.Advertise == "") {
		return fmt.Errorf("the name of this host: %w; say --node-name and --advertise", err)
	}
	cfg.NodeName = first(f.NodeName, host)
	cfg.Advertise = first(f.Advertise, reachedAt(listeners, host))
	if f.NodeLease != nil {
		cfg.NodeLease = *f.NodeLease
	}
	if isFar(where) && onlyHere(cfg.Advertise) {
		log.Warn("daemons on other machines can not reach this one, so that what it holds can not be changed through them: say --listen with an address that they reach, or --advertise",
			"advertise", cfg.Advertise)
	}
	return nil
}

// reachedAt is where other nodes reach what is served on these listeners.
func reachedAt(listeners []net.Listener, host string) string {
	socket := ""
	for _, l := range listeners {
		switch a := l.Addr().(type) {
		case *net.TCPAddr:
			if a.IP.IsUnspecified() {
				return net.JoinHostPort(host, strconv.Itoa(a.Port))
			}
			return a.String()
		case *net.UnixAddr:
			if socket == "" {
				socket = place(a)
			}
		}
	}
	return socket
}

// onlyHere reports whether an address can be reached from its own machine only.
func onlyHere(address string) bool {
	if _, ok := unixPath(address); ok {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
