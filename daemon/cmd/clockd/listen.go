package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/internal/config"
)

// unixPath is the path of a Unix socket's address. unix:///PATH is how gRPC writes an absolute one.
func unixPath(address string) (path string, ok bool) {
	path, ok = strings.CutPrefix(address, "unix:")
	return strings.TrimPrefix(path, "//"), ok
}

// pathLimit is how many bytes the path of a Unix socket may have; the system needs one more.
const pathLimit = len(syscall.RawSockaddrUnix{}.Path) - 1

// checkAddress says what is wrong with an address, and returns it resolved unless it is a Unix socket.
func checkAddress(address string, insecure bool) (*net.TCPAddr, error) {
	if path, ok := unixPath(address); ok {
		switch {
		case path == "":
			return nil, usageError{fmt.Errorf("address %q: the path is missing; write unix:/PATH", address)}
		case path[0] == '@':
			return nil, usageError{fmt.Errorf("address %q is an abstract socket, which everybody on this machine can use: write unix:/PATH", address)}
		case len(path) > pathLimit:
			return nil, usageError{fmt.Errorf("address %q: the path has %d bytes and this system takes %d for a socket: choose a shorter one", address, len(path), pathLimit)}
		}
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, usageError{fmt.Errorf("address %q: %w; write HOST:PORT, for instance 127.0.0.1:7433, or unix:/PATH", address, err)}
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, usageError{fmt.Errorf("address %q: %w", address, err)}
	}
	if !resolved.IP.IsLoopback() && !insecure {
		return nil, usageError{errReachable(address)}
	}
	return resolved, nil
}

func errReachable(address string) error {
	return fmt.Errorf("address %q can be reached from other machines, and the API is not encrypted and asks nobody who they are: listen on 127.0.0.1 or unix:/PATH, or say --insecure if the network around it is safe", address)
}

// listenFlags say where the API is served.
type listenFlags struct {
	Listen      []string `help:"Where the API is served: HOST:PORT, or unix:/PATH. Can be repeated. Default: the config file's and the sockets that systemd passes, else 127.0.0.1:7433." placeholder:"ADDR" sep:"none"`
	SocketMode  string   `help:"Who may use a Unix socket that --listen names, as for chmod. Default: 0600, its owner only; with --socket-group 0660." placeholder:"MODE"`
	SocketGroup string   `help:"The group of a Unix socket that --listen names, by name or number." placeholder:"GROUP"`
	Insecure    bool     `help:"Allow a TCP address that other machines can reach. The API is not encrypted and asks nobody who they are: whoever reaches it controls the tasks."`
}

// rights are who may use a Unix socket.
type rights struct {
	mode  fs.FileMode
	group int // -1: that of the process, or of the folder
}

// rights checks the flags of Unix sockets.
func (f *listenFlags) rights() (rights, error) {
	r := rights{mode: 0o600, group: -1}
	if f.SocketGroup != "" {
		number, err := strconv.ParseUint(f.SocketGroup, 10, 31)
		if err != nil {
			found, err := user.LookupGroup(f.SocketGroup)
			if err != nil {
				return r, usageError{fmt.Errorf("--socket-group %q: there is no such group on this machine", f.SocketGroup)}
			}
			if number, err = strconv.ParseUint(found.Gid, 10, 31); err != nil {
				return r, usageError{fmt.Errorf("--socket-group %q: its number is %q", f.SocketGroup, found.Gid)}
			}
		}
		r.group, r.mode = int(number), 0o660
	}
	if f.SocketMode != "" {
		mode, err := strconv.ParseUint(f.SocketMode, 8, 32)
		if err != nil || mode > 0o777 {
			return r, usageError{fmt.Errorf("--socket-mode %q: write it as for chmod, for instance 0660", f.SocketMode)}
		}
		r.mode = fs.FileMode(mode)
		if r.group >= 0 && r.mode&0o020 == 0 {
			return r, usageError{fmt.Errorf("--socket-mode %s keeps out the group that --socket-group %s lets in: to connect it needs the right to write, as in 0660", f.SocketMode, f.SocketGroup)}
		}
	}
	return r, nil
}

// open opens every address that the API is served on: those of the flags, else that of the config file, and the
// sockets that the service manager passes; the default address if that is none. An address that the manager has
// opened already is its.
func (f *listenFlags) open(ctx context.Context, file *config.File, m *manager, log *slog.Logger) (_ []net.Listener, err error) {
	rights, err := f.rights()
	if err != nil {
		return nil, err
	}
	addresses, fromFile := f.Listen, false
	if len(addresses) == 0 && file.Listen != "" {
		addresses, fromFile = []string{file.Listen}, true
	}
	if len(addresses) == 0 && len(m.sockets) == 0 {
		addresses = []string{client.DefaultAddress}
	}
	resolved := make([]*net.TCPAddr, len(addresses))
	for i, address := range addresses {
		if resolved[i], err = checkAddress(address, f.Insecure); err != nil {
			return nil, blame(file, "listen", fromFile, err)
		}
	}
	listeners, err := passed(m.sockets, f.Insecure)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
		}
	}()
	var names, taken []string
	for _, l := range listeners {
		names = append(names, display(l.Addr()))
		taken = append(taken, place(l.Addr()))
	}
	if len(names) > 0 {
		log.Info("the service manager passes sockets", "addresses", strings.Join(names, ", "), "also_listening", strings.Join(addresses, ", "))
	}
	unix := false
	for i, address := range addresses {
		path, isUnix := unixPath(address)
		var at net.Addr = resolved[i]
		if isUnix {
			at = &net.UnixAddr{Name: path, Net: "unix"}
		}
		if slices.Contains(taken, place(at)) {
			continue
		}
		var l net.Listener
		if isUnix {
			unix = true
			l, err = listenUnix(ctx, path, rights)
		} else {
			l, err = listenTCP(address, resolved[i])
		}
		if err != nil {
			return nil, err
		}
		listeners, taken = append(listeners, l), append(taken, place(at))
	}
	if !unix && (f.SocketMode != "" || f.SocketGroup != "") {
		return nil, usageError{errors.New("--socket-mode and --socket-group are for a Unix socket that this daemon makes: say --listen unix:/PATH, or for a socket of systemd SocketMode= and SocketGroup= in its unit")}
	}
	return listeners, nil
}

// place is an address such that two of them are the same if they are written in the same way.
func place(a net.Addr) string {
	if u, ok := a.(*net.UnixAddr); ok {
		if path, err := filepath.Abs(u.Name); err == nil {
			return "unix:" + path
		}
	}
	return display(a)
}

func display(a net.Addr) string {
	if a.Network() == "unix" {
		return fmt.Sprintf("unix:%s", a)
	}
	return a.String()
}

func listenTCP(address string, resolved *net.TCPAddr) (net.Listener, error) {
	l, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errInUse(address, tcpHolder(resolved))
	}
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return l, nil
}
