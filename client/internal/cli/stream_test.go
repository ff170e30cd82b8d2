package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"syscall"
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

// A page is what a command prints while it goes on.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(data)
}

// take returns what was printed since the last time, when nothing more comes.
func (p *page) take() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.text.Reset()
	return p.text.String()
}

// goes runs f beside a command that goes on until it is interrupted, and returns its exit code and standard error.
func goes(t *testing.T, run func(context.Context, cli.Env, ...string) (int, string), f func(p *page), args ...string) (int, string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	p := &page{}
	ended := make(chan struct{})
	var code int
	var stderr string
	go func() {
		defer close(ended)
		code, stderr = run(ctx, cli.Env{Stdout: p}, args...)
	}()
	f(p)
	interrupt()
	<-ended
	return code, stderr
}

func expect(t *testing.T, p *page, want string) {
	t.Helper()
	if diff := cmp.Diff(want, p.take()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func every(task task.Task) task.Task {
	task.Declaration.Trigger = schedule.Trigger{Kind: schedule.Forever{}}
	task.LastRun = nil
	return task
}

func TestWatchPrintsWhatIsAndThenEachChangeUntilItIsInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		tasks, runs := fakedaemon.Sample()
		code, stderr := goes(t, run, func(p *page) {
			expect(t, p, strings.Join([]string{
				`NAME        STATE      TRIGGER                         NEXT                      LAST-RUN`,
				`backup      active     cron "0 3 * * *" Europe/Berlin  2027-02-01T02:00:00Z      3 failed 2027-01-31T02:00:00Z`,
				`cleanup     active     every 10m                       2027-01-31T12:05:00Z      5 skipped 2027-01-31T11:59:30Z`,
				`migrate     exhausted  once                            -                         1 succeeded 2027-01-21T12:00:00Z`,
				`old report  orphaned   every 1h                        -                         -`,
				`report      paused     at 09:30 mon,fri Europe/Berlin  -                         2 missed 2027-01-29T12:00:00Z`,
			}, "\n")+"\n")
			s.Add([]task.Task{every(tasks[0])}, nil)
			expect(t, p, "backup      active     forever                         2027-02-01T02:00:00Z      -\n")
			// It goes on by itself, from where it was.
			s.EndStreams(task.ErrTooSlow)
			expect(t, p, "")
			s.Add([]task.Task{every(tasks[1])}, nil)
			run(t.Context(), cli.Env{}, "delete", "old report")
			time.Sleep(time.Minute) // of the bubble: it waits a moment before it goes on
			expect(t, p, "cleanup     active     every 10m                       2027-01-31T12:05:00Z      -\nold report  deleted\n")
		}, "watch")
		if code != 0 || stderr != "" {
			t.Errorf("exit %d, %q", code, stderr)
		}

		code, stderr = goes(t, run, func(p *page) {
			expect(t, p, "RUN  TASK     STATE      CAUSE     SCHEDULED                 TOOK    NOTE\n"+
				"4    cleanup  running    call      2027-01-31T11:58:30Z      -       -\n")
			ended := runs[3]
			ended.State, ended.EndTime = task.Succeeded, fakedaemon.Now
			s.Add(nil, []task.Run{ended})
			waiting := task.Run{ID: 20, TaskID: tasks[0].ID, TaskName: "backup", State: task.Scheduled, Cause: task.ByFire, ScheduledTime: fakedaemon.Now}
			s.Add(nil, []task.Run{waiting})
			s.TakeBack(20)
			expect(t, p, "4    cleanup  succeeded  call      2027-01-31T11:58:30Z      1m30s   -\n"+
				"20   backup   scheduled  fire      2027-01-31T12:00:00Z      -       -\n"+
				"20   backup   taken back\n")
		}, "watch", "--runs")
		if code != 0 || stderr != "" {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestWatchSaysOnceThatTheDaemonIsAwayAndOnceThatItIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		tasks, _ := fakedaemon.Sample()
		for _, what := range []string{"--tasks", "--runs"} {
			code, stderr := goes(t, run, func(p *page) {
				p.take()
				for range 2 {
					s.Hook(func(context.Context, string) error { return status.Error(codes.Unavailable, "nobody") })
					s.EndStreams(task.ErrStopping)
					time.Sleep(10 * time.Minute) // of the bubble
					s.Hook(nil)
					time.Sleep(time.Minute)
				}
				p.take()
				s.Add([]task.Task{tasks[0]}, []task.Run{{ID: 30, TaskID: tasks[0].ID, TaskName: "backup", State: task.Running, Cause: task.ByCall}})
				if p.take() == "" {
					t.Error("it does not go on")
				}
			}, "watch", what)
			want := strings.Repeat("clockctl: the daemon does not answer; waiting\nclockctl: the daemon answers again\n", 2)
			if code != 0 || stderr != want {
				t.Errorf("watch %s: exit %d, %q", what, code, stderr)
			}
		}
	})
}

func TestWatchOfOneTaskTellsOfNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		tasks, _ := fakedaemon.Sample()
		other := tasks[0]
		other.ID, other.Declaration.Name = task.IDOf("default", "backup 2"), "backup 2"
		s.Add([]task.Task{other}, nil)
		for _, output := range []string{"table", "json"} {
			code, stderr := goes(t, run, func(p *page) {
				if n := strings.Count(p.take(), "\n"); n == 0 || n > 2 {
					t.Errorf("%s: %d lines", output, n)
				}
				s.Add([]task.Task{other}, nil)
				expect(t, p, "")
				s.Add([]task.Task{tasks[0]}, nil)
				if n := strings.Count(p.take(), "\n"); n != 1 {
					t.Errorf("%s: %d lines", output, n)
				}
				run(t.Context(), cli.Env{}, "delete", "old report")
				expect(t, p, "")
			}, "watch", "--tasks", tasks[0].ID.String(), "-o", output)
			if code != 0 || stderr != "" {
				t.Errorf("exit %d, %q", code, stderr)
			}
		}
		if code, stderr := run(t.Context(), cli.Env{}, "watch", "nobody"); code != 3 || stderr != "clockctl: task \"nobody\": not found\n" {
			t.Errorf("exit %d, %q", code, stderr)
		}
		if code, stderr := run(t.Context(), cli.Env{}, "watch", "--runs", "nobody"); code != 3 || stderr != "clockctl: task \"nobody\": not found\n" {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestWatchAsJSONIsAnAnswerOfTheAPIOnEachLine(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		tasks, runs := fakedaemon.Sample()
		for _, what := range []string{"--tasks", "--runs"} {
			goes(t, run, func(p *page) {
				p.take()
				s.Add([]task.Task{tasks[2]}, []task.Run{runs[0]})
				var got map[string]any
				out := p.take()
				if err := json.Unmarshal([]byte(out), &got); err != nil || strings.Count(out, "\n") != 1 {
					t.Fatalf("%v: %q", err, out)
				}
				for _, field := range []string{"resume_token", "synced", "reset", strings.TrimPrefix(what, "--")} {
					if _, ok := got[field]; !ok {
						t.Errorf("watch %s: no %s in %s", what, field, out)
					}
				}
			}, "watch", what, "-o", "json")
		}
	})
}

func TestWatchEndsWhenNobodyReadsIt(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		for _, args := range [][]string{{"watch"}, {"watch", "--runs"}, {"watch", "-o", "json"}} {
			code, stderr := run(t.Context(), cli.Env{Stdout: brokenWriter{syscall.EPIPE}}, args...)
			if code != 141 || stderr != "" {
				t.Errorf("clockctl %v: exit %d, %q", args, code, stderr)
			}
		}
	})
}

func TestFollowPrintsEachPieceAsItComesAndSaysWhatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		_, runs := fakedaemon.Sample()
		code, stderr := goes(t, run, func(p *page) {
			expect(t, p, "")
			s.Write(4, task.Output{Stream: task.Stdout, Data: []byte("half a l"), Attempt: 1})
			expect(t, p, "half a l")
			s.Write(4,
				task.Output{Stream: task.Stdout, Data: []byte("ine \xff\n"), Attempt: 1},
				task.Output{Stream: task.Stderr, Data: []byte("oh no\n"), Attempt: 1},
				task.Output{Stream: task.Stdout, Data: []byte("late\n"), Dropped: 70000, Attempt: 2},
			)
			expect(t, p, "ine \xff\nlate\n")
			ended := runs[3]
			ended.State, ended.EndTime, ended.Output = task.Failed, fakedaemon.Now, []byte(`{"exit_code":1,"stdout":"late\n","stderr":""}`)
			s.Add(nil, []task.Run{ended})
			expect(t, p, "")
		}, "logs", "4")
		want := "oh no\nclockctl: attempt 2\nclockctl: 70000 bytes of stdout are not here: they were not kept, or not read in time\n"
		if code != 0 || stderr != want {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestLogsPrintWhatIsKeptOfARunThatHasEnded(t *testing.T) {
	for name, tt := range map[string]struct{ output, stdout, stderr string }{
		"a command":                 {`{"exit_code":0,"stdout":"out","stderr":"err","stdout_dropped":5}`, "out", "clockctl: 5 bytes of stdout are not here: they were not kept, or not read in time\nerr"},
		"a command that was silent": {`{"exit_code":0,"stdout":"","stderr":""}`, "", "clockctl: run 1 of task x ended as succeeded; nothing that it wrote is kept\n"},
		"a response":                {`{"status_code":200,"body":"hello"}`, "hello\n", ""},
		"a response in JSON":        {`{"status_code":200,"body":{"a":[1]}}`, "{\"a\":[1]}\n", ""},
		"an empty response":         {`{"status_code":204,"body":""}`, "", "clockctl: run 1 of task x ended as succeeded; nothing that it wrote is kept\n"},
		"what a function returned":  {`[1,"two"]`, "[1,\"two\"]\n", ""},
		"nothing":                   {"", "", "clockctl: run 1 of task x ended as succeeded; nothing that it wrote is kept\n"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
				s.Add(nil, []task.Run{{ID: 1, TaskID: task.IDOf("", "x"), TaskName: "x", State: task.Succeeded, Cause: task.ByCall, Output: []byte(tt.output)}})
				var stdout bytes.Buffer
				code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "logs", "1")
				if code != 0 || stdout.String() != tt.stdout || stderr != tt.stderr {
					t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
				}
			})
		})
	}
}

func TestFollowSumsUpWhatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		code, stderr := goes(t, run, func(p *page) {
			for range 100 {
				s.Write(4,
					task.Output{Stream: task.Stdout, Data: []byte("x"), Dropped: 10, Attempt: 1},
					task.Output{Stream: task.Stderr, Data: []byte("\n"), Dropped: 2, Attempt: 1},
				)
			}
			expect(t, p, strings.Repeat("x", 100))
			s.EndStreams(task.ErrStopping)
			p.take()
		}, "logs", "4")
		want := "clockctl: 10 bytes of stdout are not here: they were not kept, or not read in time\n" + strings.Repeat("\n", 100) +
			"clockctl: in all 1000 bytes of stdout and 200 bytes of stderr are not here, in 200 places\nclockctl: daemon is stopping\n"
		if code != 4 || stderr != want {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestFollowEndsAsWaitDoes(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		for input, want := range map[string]int{`"well"`: 0, `"fail"`: 1} {
			var stdout bytes.Buffer
			code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "run", "backup", "--follow", "--wait", "--input", input)
			if code != want || stdout.String() != "working\n" || !strings.HasPrefix(stderr, "clockctl: run ") || !strings.Contains(stderr, "\ncareful\n") {
				t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
			}
			if n := strings.Count(stderr, " ended as "); n != want {
				t.Errorf("%q", stderr)
			}
		}
	})
}

func TestFollowingADaemonThatGoesAwayIsNoAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		code, stderr := goes(t, run, func(p *page) {
			s.Write(4, task.Output{Stream: task.Stdout, Data: []byte("so far\n"), Attempt: 1})
			expect(t, p, "so far\n")
			s.EndStreams(task.ErrStopping)
			p.take()
		}, "logs", "4")
		if code != 4 || stderr != "clockctl: daemon is stopping\n" {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}
