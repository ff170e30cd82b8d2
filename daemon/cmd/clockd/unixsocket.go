package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// dialUnix reports with a nil error that somebody listens, and goes on doing so, and who that is if the system tells.
// A daemon that was killed while it started a command leaves a child that has the socket open until it becomes that
// command; one that starts has made the socket a moment before it listens.
func dialUnix(ctx context.Context, path string) (pid int, err error) {
	const tries, refusals, pause = 10, 2, 50 * time.Millisecond
	var d net.Dialer
	answered, refused := 0, 0
	for {
		conn, err := d.DialContext(ctx, "unix", path)
		switch {
		case err == nil:
			pid = peer(conn.(*net.UnixConn))
			_ = conn.Close() // nothing was said
			answered++
		case errors.Is(err, syscall.ECONNREFUSED):
			refused++
		default:
			return 0, err
		}
		if answered == tries {
			return pid, nil
		} else if refused == refusals {
			return 0, err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return pid, ctx.Err()
		}
	}
}

// listenUnix opens a socket with these rights. One that a dead daemon left is replaced; nothing else is.
func listenUnix(ctx context.Context, path string, r rights) (net.Listener, error) {
	address := "unix:" + path
	if seen, err := os.Lstat(path); err == nil {
		if seen.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("address %q: there is a file that is no socket; remove it or choose another path", address)
		}
		pid, err := dialUnix(ctx, path)
		switch {
		case err == nil:
			return nil, errInUse(address, describe(pid))
		case errors.Is(err, syscall.ECONNREFUSED):
			if err := removeDead(path, seen); err != nil {
				return nil, fmt.Errorf("address %q: a dead socket is in the way: %w", address, err)
			}
		case !errors.Is(err, fs.ErrNotExist): // it may have gone
			return nil, fmt.Errorf("address %q: there is a socket, and whether a daemon listens there can not be known: %w", address, err)
		}
	}
	// The file comes into being for its owner only, and gets further rights only once its group is right. That it
	// comes into being is one step, which fails if another daemon was faster.
	l, err := bindPrivate(ctx, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errInUse(address, "")
	}
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	if r.group >= 0 {
		if err = os.Lchown(path, -1, r.group); errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("the group can not be %d: the daemon must be in it, or be started by root: %w", r.group, err)
		}
	}
	if err == nil && r.mode != 0o600 {
		err = os.Chmod(path, r.mode)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("address %q: %w", address, err), l.Close())
	}
	return l, nil
}

// removeDead removes the socket that was seen and nobody listens on. Two daemons that start at the same moment may both
// have seen it; the slower one must not remove the socket that the faster has put in its place. So the file is first
// moved to a name that nobody else uses, and goes back if it is another.
func removeDead(path string, seen fs.FileInfo) error {
	aside := path + "." + rand.Text()
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if is, err := os.Lstat(aside); err != nil {
		return err
	} else if !os.SameFile(is, seen) || !is.ModTime().Equal(seen.ModTime()) {
		return os.Rename(aside, path)
	}
	return os.Remove(aside)
}
