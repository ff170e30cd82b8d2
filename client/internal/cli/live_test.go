package cli_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A terminal understands what a live watch writes, as far as it has a use for it, and fails a test at anything else.
type terminal struct {
	t *testing.T

	mu            sync.Mutex
	width, height int
	lines         []string // of the screen; no wider than it
	row           int
	other         bool // the other screen is shown
	cursor, wraps bool
	writes        int
}

func newTerminal(t *testing.T, width, height int) *terminal {
	return &terminal{t: t, width: width, height: height, lines: make([]string, height), cursor: true, wraps: true}
}

func (m *terminal) size() (width, height int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.width, m.height, true
}

func (m *terminal) resize(width, height int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.width, m.height, m.lines = width, height, make([]string, height)
	m.lines[0] = "what a terminal leaves there"
}

func (m *terminal) Write(data []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	for rest := string(data); rest != ""; {
		if !strings.HasPrefix(rest, "\x1b[") {
			text, after, _ := strings.Cut(rest, "\x1b")
			if after != "" {
				after = "\x1b" + after
			}
			if strings.ContainsAny(text, "\r\n\t") || len([]rune(text)) > m.width || !strings.HasPrefix(after, "\x1b[K") {
				m.t.Errorf("%q in a window of %d columns", text, m.width)
			}
			m.lines[m.row] = text
			rest = after
			continue
		}
		end := strings.IndexFunc(rest[2:], func(r rune) bool { return r >= '@' && r <= '~' }) + 3
		code := rest[2:end]
		rest = rest[end:]
		switch {
		case code == "?1049h", code == "?1049l":
			m.other = code == "?1049h"
			clear(m.lines)
		case code == "?25h", code == "?25l":
			m.cursor = code == "?25h"
		case code == "?7h", code == "?7l":
			m.wraps = code == "?7h"
		case code == "H":
			m.row = 0
		case strings.HasSuffix(code, ";1H"):
			row, err := strconv.Atoi(strings.TrimSuffix(code, ";1H"))
			if err != nil || row < 1 || row > m.height {
				m.t.Errorf("line %q of %d", code, m.height)
				return len(data), nil
			}
			m.row = row - 1
			if strings.HasPrefix(rest, "\x1b[K") {
				m.lines[m.row] = ""
			}
		case code == "K": // all of the line has been written
		case code == "J":
			clear(m.lines[m.row:])
		default:
			m.t.Errorf("escape sequence %q", code)
		}
	}
	return len(data), nil
}

// shows returns what can be seen, when nothing more comes.
func (m *terminal) shows() string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.other || m.cursor || m.wraps {
		m.t.Errorf("other screen %v, cursor %v, wraps %v", m.other, m.cursor, m.wraps)
	}
	return strings.TrimRight(strings.Join(m.lines, "\n"), "\n") + "\n"
}

func (m *terminal) wrote() int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// watching runs a live watch, in a bubble whose clock begins at fakedaemon.Now, and f beside it.
func watching(t *testing.T, width, height int, f func(t *testing.T, s *fakedaemon.Server, m *terminal), args ...string) {
	t.Helper()
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		m := newTerminal(t, width, height)
		ctx, interrupt := context.WithCancel(t.Context())
		began := time.Now()
		ended := make(chan struct{})
		var code int
		var stderr string
		go func() {
			defer close(ended)
			code, stderr = run(ctx, cli.Env{
				Stdout: m, Terminal: m.size, Now: func() time.Time { return fakedaemon.Now.Add(time.Since(began)) },
			}, args...)
		}()
		f(t, s, m)
		interrupt()
		<-ended
		if code != 0 || stderr != "" {
			t.Errorf("exit %d, %q", code, stderr)
		}
		if m.other || !m.cursor || !m.wraps {
			t.Errorf("the terminal is not as it was: other screen %v, cursor %v, wraps %v", m.other, m.cursor, m.wraps)
		}
	})
}

// golden compares with a file of testdata/live.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/live/" + name + ".golden"
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got; go test ./client/internal/cli -rewrite shows it in git diff\n%s", file, diff)
	}
}

func TestALiveWatchShowsTasksWhatGoesAndWhatComes(t *testing.T) {
	watching(t, 120, 24, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		golden(t, "tasks", m.shows())
		time.Sleep(10 * time.Second) // of the bubble, as all below
		golden(t, "tasks_10s_later", m.shows())
		tasks, runs := fakedaemon.Sample()
		ended := runs[3]
		ended.State, ended.EndTime = task.Failed, fakedaemon.Now.Add(12*time.Second)
		cleanup := tasks[1]
		cleanup.LastRun = &ended
		s.Add([]task.Task{cleanup}, []task.Run{ended})
		for i := range 3 {
			s.Add(nil, []task.Run{{
				ID: task.RunID(20 + i), TaskID: tasks[0].ID, TaskName: "backup", State: task.Running, Cause: task.ByCall,
				ScheduledTime: fakedaemon.Now, StartTime: fakedaemon.Now.Add(time.Duration(i) * time.Second),
			}})
		}
		time.Sleep(3 * time.Second)
		golden(t, "tasks_changed", m.shows())
		m.resize(40, 5)
		time.Sleep(time.Second)
		golden(t, "tasks_small", m.shows())
		m.resize(200, 50)
		time.Sleep(time.Second)
		if out := m.shows(); strings.Count(out, "\n") != 8 || strings.Contains(out, "leaves there") {
			t.Errorf("after the window grew:\n%s", out)
		}
	}, "watch")
}

func TestALiveWatchOfRunsShowsThoseThatGoAndTheLastThatEnded(t *testing.T) {
	watching(t, 100, 8, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		tasks, runs := fakedaemon.Sample()
		golden(t, "runs", m.shows())
		ended := runs[3]
		ended.State, ended.EndTime = task.Succeeded, fakedaemon.Now
		s.Add(nil, []task.Run{ended})
		for i := range 4 {
			run := task.Run{
				ID: task.RunID(20 + i), TaskID: tasks[0].ID, TaskName: "backup", State: task.Scheduled, Cause: task.ByFire,
				ScheduledTime: fakedaemon.Now.Add(time.Minute), Reason: task.ReasonOverlap,
			}
			if i == 2 {
				run.State, run.StartTime, run.Reason = task.Running, fakedaemon.Now, 0
			}
			s.Add(nil, []task.Run{run})
		}
		time.Sleep(2 * time.Second)
		golden(t, "runs_changed", m.shows())
		s.TakeBack(20)
		time.Sleep(time.Second)
		if out := m.shows(); strings.Contains(out, "\n20 ") || !strings.Contains(out, "\n4 ") {
			t.Errorf("after one was taken back:\n%s", out)
		}
		for i := range 10 {
			s.Add(nil, []task.Run{{ID: task.RunID(30 + i), TaskID: tasks[0].ID, TaskName: "backup", State: task.Running, Cause: task.ByCall}})
		}
		time.Sleep(time.Second)
		if out := m.shows(); strings.Count(out, "\n") != 8 || !strings.HasSuffix(out, "\n... and 9 more\n") {
			t.Errorf("more than fit:\n%s", out)
		}
	}, "watch", "--runs")
}

func TestALiveWatchOfATaskShowsNoOther(t *testing.T) {
	watching(t, 100, 8, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		tasks, _ := fakedaemon.Sample()
		other := tasks[0]
		other.ID, other.Declaration.Name = task.IDOf("default", "backup 2"), "backup 2"
		s.Add([]task.Task{other}, nil)
		time.Sleep(time.Second)
		if out := m.shows(); strings.Contains(out, "backup 2") || strings.Contains(out, "cleanup") || !strings.Contains(out, "\nbackup ") {
			t.Errorf("it shows\n%s", out)
		}
	}, "watch", "backup")
}

func TestALiveWatchLeavesOutWhatFiresLast(t *testing.T) {
	watching(t, 80, 10, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		for i := range 100 {
			x := task.Task{
				ID: task.IDOf("", fmt.Sprintf("x%02d", i)), State: task.Active, Version: 1,
				Declaration: task.Declaration{Name: fmt.Sprintf("x%02d", i), Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}},
			}
			x.Clock.NextFireTime = fakedaemon.Now.Add(time.Duration(100-i) * time.Second)
			s.Add([]task.Task{x}, nil)
			if i == 50 {
				s.Add(nil, []task.Run{{ID: 50, TaskID: x.ID, TaskName: "x50", State: task.Running, Cause: task.ByFire, ScheduledTime: fakedaemon.Now}})
			}
		}
		time.Sleep(100 * time.Millisecond)
		golden(t, "many", m.shows())
	}, "watch")
}

func TestALiveWatchGathersABurstAndDrawsNothingThatIsThere(t *testing.T) {
	watching(t, 100, 20, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		m.shows()
		before := m.wrote()
		tasks, _ := fakedaemon.Sample()
		for range 500 {
			s.Add(tasks, nil)
		}
		time.Sleep(200 * time.Millisecond)
		if n := m.wrote() - before; n > 4 {
			t.Errorf("500 changes made %d frames", n)
		}
		time.Sleep(2 * time.Second)
		// The lines in which nothing counts are not written again.
		m.mu.Lock()
		for i, line := range m.lines {
			if strings.HasPrefix(line, "old report") {
				m.lines[i] = "not written over"
			}
		}
		m.mu.Unlock()
		time.Sleep(5 * time.Second)
		if out := m.shows(); !strings.Contains(out, "not written over") {
			t.Errorf("all is drawn again and again:\n%s", out)
		}
	}, "watch")
}

func TestALiveWatchSaysThatTheDaemonIsAwayAndGoesOnWhenItIsBack(t *testing.T) {
	watching(t, 100, 20, func(t *testing.T, s *fakedaemon.Server, m *terminal) {
		m.shows()
		s.Hook(func(context.Context, string) error { return status.Error(codes.Unavailable, "nobody") })
		s.EndStreams(task.ErrStopping)
		time.Sleep(65 * time.Second)
		if out := m.shows(); !strings.HasPrefix(out, "The daemon at 127.0.0.1:7433 has not answered for 1m5s; what follows is how it was.\n") {
			t.Errorf("it shows\n%s", out)
		}
		s.Hook(nil)
		time.Sleep(time.Minute)
		if out := m.shows(); !strings.HasPrefix(out, "12:02:05Z  5 tasks: ") {
			t.Errorf("it shows\n%s", out)
		}
	}, "watch")
}

func TestALiveWatchThatCanNotBeginIsAnErrorAsElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		m := newTerminal(t, 80, 24)
		env := cli.Env{Stdout: m, Terminal: m.size}
		if code, stderr := run(t.Context(), env, "watch", "nobody"); code != 3 || stderr != "clockctl: task \"nobody\": not found\n" {
			t.Errorf("exit %d, %q", code, stderr)
		}
		s.Hook(func(context.Context, string) error { return status.Error(codes.Unavailable, "nobody") })
		if code, stderr := run(t.Context(), env, "watch"); code != 4 || !strings.Contains(stderr, "no answer from a clockd daemon") {
			t.Errorf("exit %d, %q", code, stderr)
		}
		if m.writes != 0 {
			t.Error("the terminal was written to")
		}
	})
}

func TestNoTableMovesWhereItCanNot(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		term string
		want string
	}{
		"json":            {[]string{"watch", "-o", "json"}, "xterm", `{"tasks":[`},
		"yaml":            {[]string{"watch", "-o", "yaml"}, "xterm", "---\ntasks:\n"},
		"a dumb terminal": {[]string{"watch"}, "dumb", "NAME "},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, fakedaemon.New(fakedaemon.Sample()))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			p := &stopping{stop: stop}
			code := cli.Run(ctx, tt.args, cli.Env{
				Stdout: p, Stderr: p, Now: time.Now, Terminal: func() (int, int, bool) { return 80, 24, true },
				Getenv: func(name string) string { return map[string]string{"TERM": tt.term, "CLOCKD_ADDRESS": address}[name] },
			})
			if code != 0 || !strings.HasPrefix(p.text.String(), tt.want) {
				t.Errorf("exit %d, %.80q", code, p.text.String())
			}
		})
	}
}

// stopping stops at the first thing that is written.
type stopping struct {
	text strings.Builder
	stop func()
}

func (s *stopping) Write(data []byte) (int, error) {
	defer s.stop()
	return s.text.Write(data)
}
