package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// handedOver is a socket that the test has opened, as systemd does for a service. Its file stays.
func handedOver(t *testing.T, address string) *os.File {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: strings.TrimPrefix(address, "unix:"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// hand has a process start with files, as systemd does: they are for the process of that number.
func hand(cmd *exec.Cmd, files ...*os.File) {
	cmd.ExtraFiles = files
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" "$@"`, len(files)), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

func launchWith(t *testing.T, files []*os.File, args ...string) *process {
	t.Helper()
	return launchAs(t, func(cmd *exec.Cmd) { hand(cmd, files...) }, append([]string{"serve", "--store", "memory:"}, args...)...)
}

// reached says what a daemon answers when it is asked for a task that it does not have.
func reached(t *testing.T, address string) bool {
	t.Helper()
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Task(soon(t), task.ByName("nobody"))
	return err != nil && strings.Contains(err.Error(), "not found")
}

func TestASocketThatIsHandedOverIsServedOnAndStays(t *testing.T) {
	address := socket(t)
	f := handedOver(t, address)
	for range 2 {
		// Nobody serves yet: the call waits.
		answered := make(chan bool, 1)
		go func() { answered <- reached(t, address) }()
		p := launchWith(t, []*os.File{f})
		if !<-answered {
			t.Error("the call that waited is not answered")
		}
		p.says("the service manager passes sockets", 0)
		if line, _ := p.says("clockd is ready", 0); !strings.Contains(line, "address="+address+" ") {
			t.Errorf("it serves elsewhere: %s", line)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.exited
		if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		if _, err := os.Lstat(strings.TrimPrefix(address, "unix:")); err != nil {
			t.Errorf("the file of the socket: %v", err)
		}
	}
}

func TestAnAddressThatIsNamedIsServedOnBesideTheSocketsThatAreHandedOver(t *testing.T) {
	for _, row := range []struct {
		name  string
		args  func(handed, other string) []string
		other bool
	}{
		{"a flag", func(_, other string) []string { return []string{"--listen", other} }, true},
		{"the config file", func(_, other string) []string {
			return []string{"--config", write(t, "c.yaml", "listen: "+other+"\ntasks: []\n")}
		}, true},
		{"the same address", func(handed, _ string) []string { return []string{"--listen", handed} }, false},
		{"both", func(handed, other string) []string { return []string{"--listen", handed, "--listen", other} }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			handed, other := socket(t), socket(t)
			p := launchWith(t, []*os.File{handedOver(t, handed)}, row.args(handed, other)...)
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			if !reached(t, handed) {
				t.Error("not at the socket that was handed over")
			}
			if row.other && !reached(t, other) {
				t.Error("not at the address that was named")
			}
		})
	}
}

func TestASocketForAnotherProcessIsLeftAlone(t *testing.T) {
	handed, address := socket(t), socket(t)
	p := launchAs(t, func(cmd *exec.Cmd) {
		cmd.ExtraFiles = []*os.File{handedOver(t, handed)}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_PID=1")
	}, "serve", "--store", "memory:", "--listen", address)
	if line, _ := p.says("clockd is ready", 0); !strings.Contains(line, "address="+address+" ") {
		t.Errorf("it serves on %s", line)
	}
}

func TestWhatIsHandedOverAndCanNotBeServedOnIsRefused(t *testing.T) {
	_, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	socketOf := func(kind int) *os.File {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		files := []*os.File{os.NewFile(uintptr(pair[0]), "a"), os.NewFile(uintptr(pair[1]), "b")}
		t.Cleanup(func() { _, _ = files[0].Close(), files[1].Close() })
		return files[0]
	}
	open, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4zero})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	reachable, err := open.File()
	if err != nil {
		t.Fatal(err)
	}
	defer reachable.Close()
	good := handedOver(t, socket(t))
	for name, row := range map[string]struct {
		file *os.File
		want string
	}{
		"a pipe":                  {pipe, "is no socket"},
		"datagrams":               {socketOf(syscall.SOCK_DGRAM), "ListenStream="},
		"a connection":            {socketOf(syscall.SOCK_STREAM), "Accept=no"},
		"for other machines too ": {reachable, "can be reached from other machines"},
	} {
		t.Run(name, func(t *testing.T) {
			p := launchWith(t, []*os.File{good, row.file})
			<-p.exited
			if code := p.cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(p.log.text.String(), row.want) {
				t.Errorf("exit code %d: %s", code, p.log.text.String())
			}
		})
	}
	p := launchWith(t, []*os.File{reachable}, "--insecure")
	if !p.ready() {
		t.Errorf("with --insecure: %s", p.log.text.String())
	}
}
