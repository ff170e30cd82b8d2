package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// passed makes listeners of the sockets that the service manager has opened. The files stay the manager's: closing a
// listener does not remove the file of its socket.
func passed(files []*os.File, insecure bool) ([]net.Listener, error) {
	var out []net.Listener
	for _, f := range files {
		l, err := passedSocket(f, insecure)
		_ = f.Close() // the listener has a copy
		if err != nil {
			for _, l := range out {
				_ = l.Close()
			}
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func passedSocket(f *os.File, insecure bool) (net.Listener, error) {
	what := fmt.Sprintf("socket %q of the service manager (file descriptor %d)", f.Name(), f.Fd())
	kind, err := syscall.GetsockoptInt(int(f.Fd()), syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s is no socket: %w; the socket unit needs ListenStream= and nothing else", what, err)}
	}
	if kind != syscall.SOCK_STREAM {
		return nil, usageError{fmt.Errorf("%s is no stream socket: say ListenStream= in the socket unit", what)}
	}
	if open, err := syscall.GetsockoptInt(int(f.Fd()), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && open == 0 {
		return nil, usageError{fmt.Errorf("%s is a connection: say Accept=no in the socket unit, or leave it out", what)}
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s can not be served on: %w", what, err)}
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && !insecure {
		_ = l.Close()
		return nil, usageError{fmt.Errorf("%s: %w", what, errReachable(a.String()))}
	}
	return l, nil
}
