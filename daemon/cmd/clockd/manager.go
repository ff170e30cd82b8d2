package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// tellWithin is how long the manager may leave a message unread before it is given up.
const tellWithin = 2 * time.Second

// manager is the service manager that has started the process, as systemd does: what it hands over, and what it is
// told (sd_notify(3), sd_listen_fds(3)). The zero manager hands over nothing and is told nothing. Its methods may be
// called at the same time.
type manager struct {
	address  string        // where it listens for messages; empty: nowhere
	watchdog time.Duration // how often it must hear of the daemon, or it replaces it; 0: it need not
	sockets  []*os.File    // the sockets that it has opened
	problem  error         // what it said that can not be followed

	mu  sync.Mutex
	end bool // it was told of the stop, after which nothing is ready any more
}

// takeManager takes what the manager says out of the environment, once: a command that a task runs must not take
// itself for the daemon.
func takeManager() *manager {
	m := &manager{address: os.Getenv("NOTIFY_SOCKET"), sockets: activation.Files(true)}
	m.watchdog, m.problem = sd.SdWatchdogEnabled(true)
	for _, name := range []string{"NOTIFY_SOCKET", "LISTEN_PIDFDID", "FDSTORE"} {
		_ = os.Unsetenv(name) // it has no errors on Unix
	}
	if m.address != "" && m.address[0] != '/' && m.address[0] != '@' {
		m.problem = fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract socket", m.address)
		m.address = ""
	}
	return m
}

// tell sends one message. Nothing depends on its arrival but what the manager shows and does: that it does not arrive
// is logged.
func (m *manager) tell(log *slog.Logger, lines ...string) {
	if m.address == "" {
		return
	}
	err := func() error {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.address, Net: "unixgram"})
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetWriteDeadline(time.Now().Add(tellWithin)); err != nil {
			return err
		}
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		return err
	}()
	if err != nil {
		log.Warn("the service manager is not told", "message", lines[0], "error", err)
	}
}

// status is the line that systemctl status shows.
func status(text string) string { return "STATUS=" + strings.Join(strings.Fields(text), " ") }

// starting says what the daemon does until it is ready.
func (m *manager) starting(log *slog.Logger, text string) { m.tell(log, status(text)) }

// ready says that the API answers, or that a reload has come to its end.
func (m *manager) ready(log *slog.Logger, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.end {
		m.tell(log, "READY=1", status(text))
	}
}

// reloading says that the config file is being read again: ready follows. The manager compares the time with that of
// its request.
func (m *manager) reloading(log *slog.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.end {
		m.tell(log, "RELOADING=1", strings.TrimSpace(sd.SdNotifyMonotonicUsec()), status("reading the config file again"))
	}
}

// stopping says that the daemon stops and how long that may take, whatever time the unit gives it.
func (m *manager) stopping(log *slog.Logger, room time.Duration, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end = true
	m.tell(log, "STOPPING=1", status(text), fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", room.Microseconds()))
}

// failed leaves the error where systemctl status shows it.
func (m *manager) failed(log *slog.Logger, err error) { m.tell(log, status(err.Error())) }

// watch tells the manager that the daemon is alive, until ctx ends, as long as it is. The manager kills and starts
// again a daemon of which it has heard nothing for the time that it has set.
func (m *manager) watch(ctx context.Context, log *slog.Logger, alive func(context.Context) error) {
	if m.watchdog == 0 {
		return
	}
	tick := time.NewTicker(m.watchdog / 4)
	defer tick.Stop()
	for {
		look, cancel := context.WithTimeout(ctx, m.watchdog/2)
		err := alive(look)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("the daemon does not answer itself: the service manager will replace it", "error", err, "watchdog", m.watchdog)
		default:
			m.tell(log, "WATCHDOG=1")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// answers makes a call and says whether it is answered before ctx ends. It asks for a run of a task that there is not,
// because that goes where every change goes: through the API, past the gate that claims hold, and into the store's
// writer. So an answer means that none of them is stuck, and changes nothing. That the answer is an error does not
// count: a daemon whose disk is full is alive, its runs go on, and another process in its place would have no more
// room.
func answers(ctx context.Context, c *client.Client) error {
	_, err := c.RunTask(ctx, task.ByID(uuid.New()), client.RunOptions{})
	if ctx.Err() != nil || grpcstatus.Code(err) == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer: %w", err)
	}
	return nil
}
