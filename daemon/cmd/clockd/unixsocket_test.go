package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestASocketHasTheRightsThatWereAskedFor(t *testing.T) {
	group := fmt.Sprint(os.Getgid())
	for _, row := range []struct {
		name string
		args []string
		mode fs.FileMode
	}{
		{"by default its owner's", nil, 0o600},
		{"a mode", []string{"--socket-mode", "0660"}, 0o660},
		{"everybody's", []string{"--socket-mode", "666"}, 0o666},
		{"a group", []string{"--socket-group", group}, 0o660},
		{"a group and a mode", []string{"--socket-group", group, "--socket-mode", "0620"}, 0o620},
	} {
		t.Run(row.name, func(t *testing.T) {
			address := socket(t)
			p := launchAs(t, func(cmd *exec.Cmd) { // whatever the umask is
				cmd.Args = append([]string{"sh", "-c", `umask 0; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
				cmd.Path = "/bin/sh"
			}, append([]string{"serve", "--store", "memory:", "--listen", address}, row.args...)...)
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			info, err := os.Lstat(strings.TrimPrefix(address, "unix:"))
			if err != nil || info.Mode() != fs.ModeSocket|row.mode {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if got := fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid); got != group {
				t.Errorf("group %s, want %s", got, group)
			}
		})
	}
}

func TestRootMayGiveASocketToAnyGroup(t *testing.T) {
	if os.Getuid() != 0 {
		return // nobody else may
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenUnix(t.Context(), path, rights{mode: 0o660, group: 4711})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Gid; got != 4711 || info.Mode().Perm() != 0o660 {
		t.Errorf("group %d, mode %v", got, info.Mode())
	}
}

// What others may do is never more than in the end, not even at first.
func TestASocketIsItsOwnersFromTheFirstMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mask := syscall.Umask(0)
	l, err := bindPrivate(t.Context(), path)
	syscall.Umask(mask)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// dead is a socket that nobody listens on any more.
func dead(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestOfDaemonsThatStartAtADeadSocketOneGetsIt(t *testing.T) {
	address := socket(t)
	dead(t, strings.TrimPrefix(address, "unix:"))
	var all []*process
	for range 5 {
		all = append(all, launch(t, "serve", "--store", "memory:", "--listen", address))
	}
	ready := 0
	for _, p := range all {
		if p.ready() {
			ready++
		} else if <-p.exited; !strings.Contains(p.log.text.String(), "is in use") {
			t.Errorf("it says %s", p.log.text.String())
		}
	}
	if ready != 1 || !reached(t, address) {
		t.Errorf("%d are ready", ready)
	}
	entries, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(address, "unix:")))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestASocketThatAnotherDaemonHasJustMadeIsNotRemovedAsDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	seen := dead(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := removeDead(path, seen); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
}

func TestWhoHoldsAnAddressIsSaid(t *testing.T) {
	for _, address := range []string{socket(t), freeAddress(t)} {
		first := launch(t, "serve", "--store", "memory:", "--listen", address)
		if !first.ready() {
			t.Fatal(first.log.text.String())
		}
		second := launch(t, "serve", "--store", "memory:", "--listen", address)
		<-second.exited
		if want := fmt.Sprintf("is in use by process %d (", first.cmd.Process.Pid); !strings.Contains(second.log.text.String(), want) {
			t.Errorf("%q is not in %q", want, second.log.text.String())
		}
		if code := second.cmd.ProcessState.ExitCode(); code != exitFailed {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestADaemonServesOnSeveralAddresses(t *testing.T) {
	unix, tcp := socket(t), freeAddress(t)
	p := launch(t, "serve", "--store", "memory:", "--listen", unix, "--listen", tcp)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	if !reached(t, unix) || !reached(t, tcp) {
		t.Error("not at both")
	}
}
