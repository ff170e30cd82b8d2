package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// listener is a service manager that listens to what it is told.
type listener struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func listenAsManager(t *testing.T) *listener {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &listener{t: t, path: path, conn: conn}
}

// next is the next message, by the names of its lines.
func (l *listener) next() map[string]string {
	l.t.Helper()
	buf := make([]byte, 1<<16)
	if err := l.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		l.t.Fatal(err)
	}
	n, err := l.conn.Read(buf)
	if err != nil {
		l.t.Fatalf("no message: %v", err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(buf[:n]), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			l.t.Errorf("line %q of %q", line, buf[:n])
		}
		out[name] = value
	}
	return out
}

// hears waits for a message with a line, and returns it.
func (l *listener) hears(name string) map[string]string {
	l.t.Helper()
	for {
		if m := l.next(); m[name] != "" {
			return m
		}
	}
}

func (l *listener) starts(args ...string) *process {
	l.t.Helper()
	return launchAs(l.t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+l.path) }, args...)
}

const oneTask = "tasks:\n  - {name: a, trigger: every 1h, command: [env]}\n"

func TestTheManagerIsToldOnceTheAPIAnswers(t *testing.T) {
	m, address := listenAsManager(t), socket(t)
	p := m.starts("serve", "--config", write(t, "c.yaml", oneTask), "--store", "memory:", "--listen", address)
	want := "1 task declared, serving on " + address
	if first := m.next(); first["STATUS"] != want+", starting" || len(first) != 1 {
		t.Errorf("at first: %v", first)
	}
	if ready := m.next(); ready["READY"] != "1" || ready["STATUS"] != want {
		t.Errorf("then: %v", ready)
	}
	if _, err := p.dial(address).Task(soon(t), task.ByName("a")); err != nil {
		t.Error(err)
	}
}

func TestAReloadIsToldWhenItBeginsAndWhenItHasEnded(t *testing.T) {
	m, file := listenAsManager(t), write(t, "c.yaml", oneTask)
	p := m.starts("serve", "--config", file, "--store", "memory:", "--listen", socket(t))
	m.hears("READY")
	reload := func(text string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		began := m.next()
		if at, err := strconv.ParseInt(began["MONOTONIC_USEC"], 10, 64); began["RELOADING"] != "1" || err != nil || at <= 0 {
			t.Errorf("at the beginning: %v", began)
		}
		ended := m.next()
		if ended["READY"] != "1" {
			t.Errorf("at the end: %v", ended)
		}
		return ended["STATUS"]
	}
	if said := reload(oneTask + "  - {name: b, trigger: every 1h, command: [env]}\n"); !strings.HasPrefix(said, "2 tasks declared, serving on unix:") {
		t.Errorf("after a good file: %s", said)
	}
	if said := reload("tasks: none"); !strings.HasPrefix(said, "2 tasks") || !strings.Contains(said, "not taken up") {
		t.Errorf("after a bad file: %s", said)
	}
}

func TestSIGHUPWithoutAFileIsAnsweredToo(t *testing.T) {
	m := listenAsManager(t)
	p := m.starts("serve", "--store", "memory:", "--listen", socket(t))
	m.hears("READY")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.hears("RELOADING")
	m.hears("READY")
	p.says("started without --config", 0)
}

func TestAStopIsToldWithTheTimeThatItMayTake(t *testing.T) {
	m := listenAsManager(t)
	p := m.starts("serve", "--store", "memory:", "--listen", socket(t), "--stop-grace", "10m")
	m.hears("READY")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stop := m.next()
	if room, err := strconv.ParseInt(stop["EXTEND_TIMEOUT_USEC"], 10, 64); stop["STOPPING"] != "1" || err != nil || room < (4*10*time.Minute).Microseconds() {
		t.Errorf("it says %v", stop)
	}
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestNothingIsReadyAfterTheStop(t *testing.T) {
	l, log := listenAsManager(t), slog.New(slog.DiscardHandler)
	m := &manager{address: l.path}
	m.stopping(log, time.Second, "stopping")
	m.reloading(log) // one that was under way
	m.ready(log, "ready")
	m.failed(log, errors.New("two\nlines"))
	l.next()
	if said := l.next(); said["STATUS"] != "two lines" {
		t.Errorf("after the stop: %v", said)
	}
}

func TestAManagerThatDoesNotListenHoldsNothingUp(t *testing.T) {
	for name, where := range map[string]string{
		"nobody listens": filepath.Join(t.TempDir(), "nobody"),
		"no address":     "vsock:2:1234",
	} {
		t.Run(name, func(t *testing.T) {
			p := (&listener{t: t, path: where}).starts("serve", "--store", "memory:", "--listen", socket(t))
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			p.says("level=WARN", 0)
		})
	}
}

func TestWhatKeepsTheDaemonFromStartingIsShownByTheManager(t *testing.T) {
	m := listenAsManager(t)
	m.starts("serve", "--store", "redis:", "--listen", socket(t))
	m.hears("STATUS")
	if said := m.next()["STATUS"]; !strings.Contains(said, `store "redis:": unknown form`) {
		t.Errorf("it says %q", said)
	}
}

func TestCommandsAreNotToldWhatTheManagerSays(t *testing.T) {
	m, address := listenAsManager(t), socket(t)
	l := handedOver(t, address)
	p := launchAs(t, func(cmd *exec.Cmd) {
		hand(cmd, l)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "LISTEN_FDNAMES=api", "WATCHDOG_USEC=60000000", "STATE_DIRECTORY=/somewhere")
		cmd.Args[2] = "WATCHDOG_PID=$$ " + cmd.Args[2]
	}, "serve", "--config", write(t, "c.yaml", oneTask), "--store", "memory:")
	m.hears("WATCHDOG") // it has understood all of it
	run, err := p.dial(address).RunTask(soon(t), task.ByName("a"), client.RunOptions{Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Stdout string }
	if err := json.Unmarshal(run.Output, &out); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(out.Stdout, "\n") {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	for _, name := range []string{"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if slices.Contains(names, name) {
			t.Errorf("a command has %s", name)
		}
	}
	if !slices.Contains(names, "STATE_DIRECTORY") {
		t.Errorf("a command has not what is for it too: %v", names)
	}
}

func TestTheManagerHearsOfALivingDaemonAgainAndAgain(t *testing.T) {
	m := listenAsManager(t)
	launchAs(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=400000") },
		"serve", "--store", "sqlite:"+filepath.Join(t.TempDir(), "w.db"), "--listen", socket(t))
	m.hears("READY")
	for range 5 {
		if said := m.next(); said["WATCHDOG"] != "1" {
			t.Errorf("it says %v", said)
		}
	}
}

func TestADaemonThatDoesNotAnswerItselfIsNotCalledAlive(t *testing.T) {
	l := listenAsManager(t)
	m := &manager{address: l.path, watchdog: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	calls := make(chan int, 1) // how many there were until one was answered
	done := make(chan struct{})
	go func() {
		defer close(done)
		n := 0
		m.watch(ctx, slog.New(slog.DiscardHandler), func(ctx context.Context) error {
			switch n++; n {
			case 1:
				<-ctx.Done()
				return ctx.Err()
			case 2:
				return errors.New("stuck")
			case 3:
				calls <- n
			}
			return nil
		})
	}()
	if said := l.next(); said["WATCHDOG"] != "1" {
		t.Errorf("it says %v", said)
	}
	select {
	case <-calls:
	default:
		t.Error("it was called alive before it answered")
	}
	cancel()
	<-done
}

func TestSilenceIsNoAnswerAndAnErrorIsOne(t *testing.T) {
	address := socket(t)
	l := handedOver(t, address) // it takes connections, and says nothing
	defer l.Close()
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := answers(ctx, c); err == nil {
		t.Error("silence is an answer")
	}
	p := launch(t, "serve", "--store", "memory:", "--listen", socket(t)+"2")
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	_, at, _ := strings.Cut(p.log.lines[len(p.log.lines)-1], "address=")
	at, _, _ = strings.Cut(at, " ")
	if err := answers(soon(t), p.dial(at)); err != nil {
		t.Error(err)
	}
}
