package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
)

func TestHelpNamesEveryExitCode(t *testing.T) {
	out := execute(t, "unix:/nowhere", "clockctl --help")
	_, codes, _ := strings.Cut(strings.ReplaceAll(out, "\n", " "), "Exit status: ")
	for _, code := range []int{0, 1, 2, 3, 4, 5, 130, 141} {
		if !regexp.MustCompile(fmt.Sprintf(`(^|; )%d [a-z]`, code)).MatchString(codes) {
			t.Errorf("not %d: %s", code, codes)
		}
	}
}

// What a run is waited for with, and how it ends, is what the exit code says.
func TestTheExitCodeSaysHowARunEnded(t *testing.T) {
	for state, want := range map[task.RunState]int{
		task.Succeeded: 0, task.Failed: 1, task.TimedOut: 1, task.Canceled: 1, task.Lost: 1, task.Skipped: 1, task.Missed: 1,
	} {
		bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
			tasks, _ := fakedaemon.Sample()
			s.Hook(func(_ context.Context, method string) error {
				if method == "FollowRun" {
					s.Add(nil, []task.Run{{ID: 8, TaskID: tasks[0].ID, TaskName: "backup", State: state, Cause: task.ByCall}})
				}
				return nil
			})
			code, stderr := run(t.Context(), cli.Env{}, "run", "backup", "--wait", "--follow")
			if said := strings.Contains(stderr, "run 8 of task backup ended as "); code != want || said != (want != 0) {
				t.Errorf("state %d: exit %d, %q", state, code, stderr)
			}
		})
	}
}

func TestAnInterruptedWaitSaysHowToComeBackToTheRun(t *testing.T) {
	const known = "clockctl: interrupted; run 8 goes on: follow it with \"clockctl logs 8\", end it with \"clockctl cancel 8\"\n"
	const unknown = "clockctl: interrupted; if the daemon has started the run, it goes on: find it with \"clockctl runs backup\"\n"
	called := func(id task.RunID, actor string) task.Run {
		tasks, _ := fakedaemon.Sample()
		return task.Run{ID: id, TaskID: tasks[0].ID, TaskName: "backup", State: task.Running, Cause: task.ByCall, Actor: actor}
	}
	fired := called(9, "")
	fired.Cause = task.ByFire
	for name, tt := range map[string]struct {
		args []string
		runs []task.Run // that are there when the wait is interrupted
		deaf bool       // nobody answers any more
		want string
	}{
		"while it follows":                {[]string{"run", "backup", "--follow"}, nil, false, "clockctl: run 8\n" + known},
		"while it waits and follows":      {[]string{"run", "backup", "--follow", "--wait"}, nil, false, "clockctl: run 8\n" + known},
		"while it waits":                  {[]string{"run", "backup", "--wait"}, []task.Run{called(8, "me@here"), called(10, "you@there"), fired}, false, known},
		"while it waits, and there are 2": {[]string{"run", "backup", "--wait"}, []task.Run{called(8, "me@here"), called(9, "me@here")}, false, unknown},
		"before the daemon had the call":  {[]string{"run", "backup", "--wait"}, nil, false, unknown},
		"and nobody answers":              {[]string{"run", "backup", "--wait"}, []task.Run{called(8, "me@here")}, true, unknown},
		"while it reads logs":             {[]string{"logs", "8"}, []task.Run{called(8, "me@here")}, false, known},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
				s.Add(nil, tt.runs)
				waiting := make(chan struct{}, 1)
				s.Hook(func(ctx context.Context, method string) error {
					switch {
					case method == "RunTask" && !strings.Contains(strings.Join(tt.args, " "), "--follow"), method == "FollowRun", tt.deaf:
						select {
						case waiting <- struct{}{}:
						default:
						}
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				})
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				go func() {
					<-waiting
					synctest.Wait()
					interrupt()
				}()
				code, stderr := run(ctx, cli.Env{Actor: "me@here"}, tt.args...)
				if code != 130 || stderr != tt.want {
					t.Errorf("exit %d, %q, want %q", code, stderr, tt.want)
				}
			})
		})
	}
}

func TestARunThatIsFollowedWritesEachStreamToItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		var stdout bytes.Buffer
		code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "run", "backup", "--wait", "--follow")
		if code != 0 || stdout.String() != "working\n" || stderr != "clockctl: run 8\ncareful\n" {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
		}
	})
}
