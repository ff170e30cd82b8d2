package main

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindPrivate makes a socket that only its owner can use, from the first moment on. A socket has the mode that its
// file will have before it has a file; the umask, which is that of the whole process, stays as it is.
func bindPrivate(ctx context.Context, path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		if err := conn.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return failed
	}}
	return lc.Listen(ctx, "unix", path)
}

// peer is the process that listens at the other end of a connection; 0: it is not known.
func peer(conn *net.UnixConn) (pid int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // the connection is open
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
