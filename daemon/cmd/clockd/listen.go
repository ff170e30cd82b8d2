package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// checkAddress says what is wrong with an address, and returns it resolved unless it is a Unix socket.
func checkAddress(address string, insecure bool) (*net.TCPAddr, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			return nil, usageError{errors.New(`address "unix:": the path is missing; write unix:/PATH`)}
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
		return nil, usageError{fmt.Errorf("address %q can be reached from other machines, and the API is not encrypted and asks nobody who they are: listen on 127.0.0.1 or unix:/PATH, or say --insecure if the network around it is safe", address)}
	}
	return resolved, nil
}

// listen opens the address that the API is served on.
func listen(ctx context.Context, address string, insecure bool) (net.Listener, error) {
	resolved, err := checkAddress(address, insecure)
	if err != nil {
		return nil, err
	}
	if resolved == nil {
		return listenUnix(ctx, strings.TrimPrefix(address, "unix:"))
	}
	l, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %q is in use: another daemon may be running; stop it, or choose another address with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return l, nil
}

// dialUnix reports with a nil error that somebody listens, and goes on doing so. A daemon that was killed while it started
// a command leaves a child that has the socket open until it becomes that command.
func dialUnix(ctx context.Context, path string) error {
	const tries, pause = 10, 50 * time.Millisecond
	var d net.Dialer
	for n := 1; ; n++ {
		conn, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		_ = conn.Close() // nothing was said
		if n == tries {
			return nil
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil
		}
	}
}

// listenUnix opens a socket that only its owner can use. One that a dead daemon left is replaced.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("address %q: there is a file that is no socket; remove it or choose another path", "unix:"+path)
		}
		err := dialUnix(ctx, path)
		if err == nil {
			return nil, fmt.Errorf("address %q is in use: another daemon may be running; stop it, or choose another address with --listen", "unix:"+path)
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("address %q: a dead socket is in the way: %w", "unix:"+path, err)
			}
		}
	}
	// The socket is made with the right mode: there is no moment in which others could connect.
	mask := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", "unix:"+path, err)
	}
	return l, nil
}
