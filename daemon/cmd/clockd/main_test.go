package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/rogpeppe/go-internal/testscript"
)

// asClockd makes the test binary behave as clockd, so that tests run real processes of the code under test.
const asClockd = "CLOCKD_TEST_AS_CLOCKD"

func TestMain(m *testing.M) {
	if os.Getenv(asClockd) != "" {
		wrongClock()
		main()
		return
	}
	testscript.Main(m, map[string]func(){"clockd": main})
}

// The scripts in testdata are command lines and what they print.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// process is a clockd of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *logLines
	exited chan struct{} // closed after Wait
	client *client.Client
}

// launch starts clockd with these arguments. The process is killed when the test ends.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchAs(t, func(*exec.Cmd) {}, args...)
}

// launchAs starts clockd in a process that the test has prepared.
func launchAs(t *testing.T, prepare func(*exec.Cmd), args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(exe, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asClockd+"=1")
	prepare(p.cmd)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.log = &logLines{ready: make(chan struct{}), ended: make(chan struct{})}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.log.read(out)
		_ = p.cmd.Wait() // the state is in cmd.ProcessState
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
	if p.client != nil {
		_ = p.client.Close()
		p.client = nil
	}
}

// ready waits until the process says that it is.
func (p *process) ready() bool {
	select {
	case <-p.log.ready:
		return true
	case <-p.log.ended:
		return false
	}
}

// dial connects to the process.
func (p *process) dial(address string) *client.Client {
	p.t.Helper()
	c, err := client.Dial(address, client.WithActor("test"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = c
	return c
}

// logLines are what a process logs.
type logLines struct {
	ready, ended chan struct{}
	text         strings.Builder // to be read after ended

	mu      sync.Mutex
	lines   []string
	waiting []chan struct{} // closed at the next line
}

// says waits for a line that has been logged after so many others and holds a text, and returns it and how many there
// are with it. Empty: the process has ended without.
func (p *process) says(text string, after int) (line string, n int) {
	p.t.Helper()
	for {
		p.log.mu.Lock()
		for ; after < len(p.log.lines); after++ {
			if line := p.log.lines[after]; strings.Contains(line, text) {
				p.log.mu.Unlock()
				return line, after + 1
			}
		}
		more := make(chan struct{})
		p.log.waiting = append(p.log.waiting, more)
		p.log.mu.Unlock()
		select {
		case <-more:
		case <-p.log.ended:
			p.t.Errorf("it never says %q:\n%s", text, p.log.text.String())
			return "", after
		case <-soon(p.t).Done():
			p.t.Fatalf("it does not say %q", text)
		}
	}
}

func (l *logLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	for _, c := range l.waiting {
		close(c)
	}
	l.waiting = nil
}

func (l *logLines) read(r io.Reader) {
	defer close(l.ended)
	said := false
	for s := bufio.NewScanner(r); s.Scan(); {
		l.text.WriteString(s.Text() + "\n")
		l.add(s.Text())
		if !said && strings.Contains(s.Text(), "clockd is ready") {
			said = true
			close(l.ready)
		}
	}
}

// freeAddress is a TCP address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// socket is the address of a Unix socket; its path is short enough for every system.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "clockd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix:" + filepath.Join(dir, "s")
}

// write writes a file into a folder of the test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// soon is a context for what takes no time unless something is wrong.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
