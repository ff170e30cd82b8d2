//go:build !linux

package main

import (
	"context"
	"net"
	"syscall"
)

// bindPrivate makes a socket that only its owner can use, from the first moment on. The umask is that of the whole
// process: addresses are opened before anything else that makes files is started.
func bindPrivate(ctx context.Context, path string) (net.Listener, error) {
	mask := syscall.Umask(0o177)
	defer syscall.Umask(mask)
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// peer is the process that listens at the other end of a connection, which only Linux is asked.
func peer(*net.UnixConn) (pid int) { return 0 }
