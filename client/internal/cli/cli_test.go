package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// bubble runs f in a bubble with fake time, in front of a fake daemon.
func bubble(t *testing.T, f func(t *testing.T, s *fakedaemon.Server, run func(ctx context.Context, env cli.Env, args ...string) (int, string))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		listener := bufconn.Listen(1 << 20)
		g, done := s.Server(), make(chan error, 1)
		go func() { done <- g.Serve(listener) }()
		t.Cleanup(func() {
			g.Stop()
			if err := <-done; err != nil {
				t.Errorf("serve: %v", err)
			}
		})
		f(t, s, func(ctx context.Context, env cli.Env, args ...string) (int, string) {
			var stderr bytes.Buffer
			env.Stderr = &stderr
			env.Getenv = func(string) string { return "" }
			if env.Now == nil {
				env.Now = func() time.Time { return fakedaemon.Now }
			}
			if env.Stdout == nil {
				env.Stdout = io.Discard
			}
			env.Dial = []client.Option{client.WithDialOptions(grpc.WithContextDialer(
				func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))}
			code := cli.Run(ctx, args, env)
			return code, stderr.String()
		})
	})
}

func TestDaemonThatDoesNotAnswerIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		s.Hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		for _, args := range [][]string{
			{"list"},
			{"get", "backup"},
			{"pause", "backup"},
			{"run", "backup"},
			{"runs"},
			{"preview", "every 1h"},
			{"pause", "backup", "--for", "1h"},
			{"create", "x", "--trigger", "every 1h", "--", "true"},
			{"update", "x", "--group", "y"},
			{"delete", "x"},
			{"backfill", "backup", "--from", "2027-01-01T00:00:00Z"},
			{"audit"},
			{"diff", "testdata/files/clockd.yaml"},
			{"export"},
			{"import", "testdata/files/export.yaml"},
			{"watch", "backup"},
			{"run", "backup", "--follow"},
			{"cancel", "backup", "--backfill"},
		} {
			code, stderr := run(t.Context(), cli.Env{}, args...)
			if code != 4 || !strings.Contains(stderr, "has not answered within 30s") {
				t.Errorf("clockctl %v: exit %d, %q", args, code, stderr)
			}
		}
	})
}

func TestWaitingForARunTakesAsLongAsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		s.Hook(func(ctx context.Context, _ string) error {
			select {
			case <-time.After(12 * time.Hour):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		for _, args := range [][]string{{"run", "backup", "--wait"}, {"cancel", "4"}} {
			if code, stderr := run(t.Context(), cli.Env{}, args...); code != 0 {
				t.Errorf("clockctl %v: exit %d, %q", args, code, stderr)
			}
		}
	})
}

func TestInterruptEndsWith130(t *testing.T) {
	tests := map[string][]string{
		"a call":       {"list"},
		"a wait":       {"run", "backup", "--wait"},
		"reading":      {"run", "backup", "--input", "-"},
		"cancellation": {"cancel", "4"},
		"following":    {"logs", "4"},
		"importing":    {"import", "testdata/files/export.yaml"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
				s.Hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
				stdin, open := io.Pipe()
				defer open.Close()
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				ended := make(chan struct{})
				var code int
				var stderr string
				go func() {
					defer close(ended)
					code, stderr = run(ctx, cli.Env{Stdin: stdin}, args...)
				}()
				synctest.Wait()
				interrupt()
				<-ended
				if code != 130 || !strings.HasPrefix(stderr, "clockctl: interrupted") {
					t.Errorf("exit %d, %q", code, stderr)
				}
			})
		})
	}
}

func TestEachClassOfErrorHasItsExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		code int
		want string
	}{
		"a defect":              {errors.New("secret"), 1, "clockctl: internal error 7f3a\n"},
		"a trigger at fault":    {fmt.Errorf("task %q: %w: custom trigger x: it says no", "x", task.ErrTriggerFault), 1, "clockctl: task \"x\": trigger can not be used: custom trigger x: it says no\n"},
		"what a program says":   {task.ErrDeclared, 1, "clockctl: task is declared by a program\n"},
		"what is not allowed":   {task.ErrNotAllowed, 1, "clockctl: not allowed\n"},
		"no config":             {task.ErrNoConfig, 1, "clockctl: daemon takes no config file\n"},
		"an orphan":             {task.ErrOrphaned, 1, "clockctl: task is orphaned\n"},
		"a request refused":     {&task.InvalidError{Violations: []task.Violation{{Field: "a", Description: "is wrong"}, {Description: "so is b"}}}, 2, "clockctl: a: is wrong\nclockctl: so is b\n"},
		"no such task":          {task.TaskNotFound(task.ByName("x")), 3, "clockctl: task \"x\": not found\n"},
		"no such run":           {task.RunNotFound(7), 3, "clockctl: run \"7\": not found\n"},
		"a store that is away":  {task.ErrUnavailable, 4, "clockctl: store unavailable: nothing was changed; wait and call again; the cause is in the daemon's log under 7f3a\n"},
		"a daemon that starts":  {task.ErrStarting, 4, "clockctl: daemon is starting\n"},
		"a daemon that stops":   {task.ErrStopping, 4, "clockctl: daemon is stopping\n"},
		"a node that is away":   {&task.HeldError{Tasks: []task.HeldTask{{TaskID: task.IDOf("default", "x")}}}, 4, "clockctl: the node that held task " + task.IDOf("default", "x").String() + " has ended, and another is about to take over: try again\n"},
		"a node given up":       {task.ErrGivenUp, 4, "clockctl: node was given up\n"},
		"a lost connection":     {status.Error(codes.Unavailable, "reset by peer"), 4, "clockctl: no answer from a clockd daemon at 127.0.0.1:7433: reset by peer\n"},
		"a stale etag":          {&task.StaleError{Task: "x", Have: "2", Want: "1"}, 5, "clockctl: task \"x\" has changed: its etag is \"2\", the request has \"1\"; read the task again and decide anew\n"},
		"control in a message":  {task.Invalid("f", "is \x1b[31mred"), 2, "clockctl: f: is ·[31mred\n"},
		"a service not offered": {status.Error(codes.Unimplemented, "unknown service"), 1, "clockctl: what answers at 127.0.0.1:7433 is another server, or a clockd daemon older than this client: unknown service\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
				s.Hook(func(context.Context, string) error { return tt.err })
				code, stderr := run(t.Context(), cli.Env{}, "get", "x")
				if code != tt.code || stderr != tt.want {
					t.Errorf("exit %d, want %d; it says %q, want %q", code, tt.code, stderr, tt.want)
				}
			})
		})
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestBrokenPipeIsQuiet(t *testing.T) {
	bubble(t, func(t *testing.T, _ *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		code, stderr := run(t.Context(), cli.Env{Stdout: brokenWriter{syscall.EPIPE}}, "list")
		if code != 141 || stderr != "" {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestOutputThatCanNotBeWrittenIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, _ *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		for _, args := range [][]string{{"list"}, {"list", "-o", "json"}, {"set-trigger", "backup", "every 1h"}, {"--help"}} {
			code, stderr := run(t.Context(), cli.Env{Stdout: brokenWriter{syscall.ENOSPC}}, args...)
			if code != 1 || stderr != "clockctl: no space left on device\n" {
				t.Errorf("clockctl %v: exit %d, %q", args, code, stderr)
			}
		}
	})
}

func TestLimitReadsNoMoreThanItNeeds(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		var stdout bytes.Buffer
		if code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "list", "--limit", "2"); code != 0 {
			t.Fatalf("exit %d, %q", code, stderr)
		}
		if n := strings.Count(stdout.String(), "\n"); n != 3 {
			t.Errorf("%d lines, want a head and 2", n)
		}
		if n := len(s.Calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestActorIsTheUserUnlessTheFlagSaysOtherwise(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		run(t.Context(), cli.Env{Actor: "ann@desk"}, "pause", "backup")
		run(t.Context(), cli.Env{Actor: "ann@desk"}, "resume", "backup", "--actor", "on call")
		run(t.Context(), cli.Env{}, "pause", "backup")
		var got []string
		for _, call := range s.Calls() {
			got = append(got, call.Actor)
		}
		if strings.Join(got, "|") != "ann@desk|on call|" {
			t.Errorf("actors %q", got)
		}
	})
}

func TestTablesSurviveAnythingADaemonSays(t *testing.T) {
	hostile := "a\tb\nc\x1b[2J\u0085\u202e\xff"
	tasks := []task.Task{{
		ID: task.IDOf("", "x"), State: task.Active, Version: 1, Namespace: hostile,
		Declaration: task.Declaration{
			Name: hostile, Description: hostile, Group: hostile, Labels: map[string]string{hostile: hostile},
			Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: hostile, TimeZone: hostile}},
			Target:  task.Target{Kind: hostile, Summary: hostile},
		},
		Override: &task.Override{Trigger: schedule.Trigger{Kind: schedule.Forever{}}, Actor: hostile, Reason: hostile},
		Pause:    &task.Pause{Actor: hostile, Reason: hostile},
	}}
	tasks[0].Declaration.Trigger.Exclusions = []schedule.Exclusion{
		schedule.Calendar{Name: hostile},
		schedule.Window{TimeZone: hostile},
		schedule.Dates{TimeZone: hostile},
		schedule.Cron{Expression: hostile, TimeZone: hostile},
	}
	custom := tasks[0]
	custom.ID, custom.Override, custom.Declaration.Name = task.IDOf("", "y"), nil, hostile+"y"
	custom.Declaration.Trigger = schedule.Trigger{Kind: schedule.Custom{TypeURL: hostile, Value: hostile}}
	tasks = append(tasks, custom)
	runs := []task.Run{{
		ID: 1, TaskName: hostile, State: task.Failed, Cause: task.ByCall, Error: hostile, Actor: hostile,
		Input: []byte("\"\\u001b[2J\u0085\U000e0001\""), Output: []byte("\"\u202e\""), Attempt: 2,
		Earlier: []task.Attempt{{Number: 1, State: task.Failed, Error: hostile}},
	}}
	created := task.Task{
		ID: task.IDOf("", "z"), State: task.Orphaned, Version: 1, Origin: task.Created, OrphanReason: hostile,
		Declaration: task.Declaration{
			Name: hostile + "z", Description: hostile, Labels: map[string]string{hostile: hostile}, Trigger: schedule.Trigger{Kind: schedule.Forever{}},
			Spec: &task.TargetSpec{Command: &task.CommandSpec{Args: []string{hostile}, Env: map[string]string{hostile: hostile}}},
		},
	}
	tasks = append(tasks, created)
	quoted, err := json.Marshal(map[string]any{
		hostile: hostile, "trigger": hostile, "override": map[string]any{"trigger": hostile + "2", "actor": hostile, "reason": hostile, "expire_time": hostile},
		"labels": map[string]any{hostile: hostile}, "policy": []any{hostile},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := fakedaemon.New(tasks, runs)
	server.Record(
		task.Event{Action: task.TaskDeclared, TaskName: hostile, Actor: hostile, Reason: hostile, After: quoted},
		task.Event{Action: task.TaskDeleted, TaskName: hostile, Before: quoted},
	)
	address := serve(t, server)
	id := tasks[0].ID.String()
	for _, line := range []string{"list", "get " + id, "get " + custom.ID.String(), "runs", "get --run 1", "pause " + id, "set-trigger " + id + " 'every 1h'", "get " + created.ID.String(), "audit", "export"} {
		out := execute(t, address, "clockctl "+line)
		for _, r := range out {
			if r != '\n' && (r < ' ' || r == 0x85 || r == 0x202e || r == 0x7f) {
				t.Errorf("clockctl %s prints %q:\n%q", line, r, out)
				break
			}
		}
		if strings.Contains(out, "[exit") {
			t.Errorf("clockctl %s:\n%s", line, out)
		}
	}
	if n := strings.Count(execute(t, address, "clockctl list"), "\n"); n != 4 {
		t.Errorf("the list of three tasks has %d lines, want a head and 3", n)
	}
}

func TestRunThatWaitsForItsJitteredStartSaysWhenItStarts(t *testing.T) {
	now := fakedaemon.Now
	waiting := task.Run{
		ID: 8, TaskID: task.IDOf("", "x"), TaskName: "x", State: task.Scheduled, Cause: task.ByFire, Fires: 1, Attempt: 1,
		ScheduledTime: now.Add(-36 * time.Second), JitteredTime: now.Add(38 * time.Minute),
	}
	for name, tt := range map[string]struct {
		change          func(*task.Run)
		list, get, runs string
	}{
		"one that waits":       {func(*task.Run) {}, "starts in 38m", "8 scheduled, starts 2027-01-31T12:38:00Z (in 38m)", "starts 2027-01-31T12:38:00Z (in 38m)"},
		"one of several fires": {func(r *task.Run) { r.Fires = 3 }, "starts in 38m", "8 scheduled, starts 2027-01-31T12:38:00Z (in 38m)", "starts 2027-01-31T12:38:00Z (in 38m); stands for 3 fires"},
		"one claimed early":    {func(r *task.Run) { r.ScheduledTime = now.Add(time.Second) }, "starts in 38m", "8 scheduled, starts 2027-01-31T12:38:00Z (in 38m)", "starts 2027-01-31T12:38:00Z (in 38m)"},
		"one that is due":      {func(r *task.Run) { r.JitteredTime = now }, "scheduled 36s ago", "8 scheduled 36s ago", "-"},
		"one without jitter":   {func(r *task.Run) { r.JitteredTime = time.Time{} }, "scheduled 36s ago", "8 scheduled 36s ago", "-"},
		"one that was canceled": {
			func(r *task.Run) { r.State, r.EndTime = task.Canceled, now.Add(-5*time.Second) },
			"canceled 5s ago", "8 canceled 5s ago", "-",
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := waiting
			tt.change(&run)
			address := serve(t, fakedaemon.New([]task.Task{{
				ID: run.TaskID, State: task.Active, Version: 1, LastRun: &run,
				Declaration: task.Declaration{Name: "x", Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}, Jitter: time.Hour}},
			}}, []task.Run{run}))
			for line, want := range map[string]string{"list": "  " + tt.list + "\n", "get x": " " + tt.get + "\n", "runs": "  " + tt.runs + "\n"} {
				if out := execute(t, address, "clockctl "+line); !strings.Contains(out, want) {
					t.Errorf("clockctl %s does not say %q:\n%s", line, want, out)
				}
			}
		})
	}
}

// A custom kind is a message of a type that is linked into the daemon, and hardly ever into clockctl.
func TestJSONShowsCustomKindsWhateverTheirTypeAndBytes(t *testing.T) {
	marshal := func(m proto.Message) string {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	nested, err := anypb.New(&anypb.Any{TypeUrl: "acme.dev/acme.v1.Tide", Value: []byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, value, want string }{
		"an unknown type":             {"type.googleapis.com/acme.v1.Tide", "\x08\x01", `{"@type":"type.googleapis.com/acme.v1.Tide","value":"CAE="}`},
		"an unknown type, no value":   {"acme.dev/acme.v1.Tide", "", `{"@type":"acme.dev/acme.v1.Tide","value":""}`},
		"a known type":                {"type.googleapis.com/clockd.v1.Cron", marshal(&clockdv1.Cron{Expression: "x"}), `{"@type":"type.googleapis.com/clockd.v1.Cron","expression":"x","time_zone":""}`},
		"a well-known type":           {"type.googleapis.com/google.protobuf.Duration", marshal(durationpb.New(time.Second)), `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}`},
		"bytes of another type":       {"type.googleapis.com/clockd.v1.Cron", "\xff", `{"@type":"type.googleapis.com/clockd.v1.Cron","value":"/w=="}`},
		"an unknown type inside":      {nested.GetTypeUrl(), string(nested.GetValue()), `{"@type":"type.googleapis.com/google.protobuf.Any","value":"` + base64.StdEncoding.EncodeToString(nested.GetValue()) + `"}`},
		"bytes and no type":           {"", "\x01", `{"@type":"/","value":"AQ=="}`},
		"neither bytes nor a type":    {"", "", `{}`},
		"what is no URL but a text":   {"Tide", "\x01", `{"@type":"Tide","value":"AQ=="}`},
		"a URL that ends with a host": {"acme.dev/", "\x01", `{"@type":"acme.dev/","value":"AQ=="}`},
	} {
		t.Run(name, func(t *testing.T) {
			kind := func(url, value string) schedule.Trigger {
				return schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Custom{TypeURL: url, Value: value}}}}}
			}
			address := serve(t, fakedaemon.New([]task.Task{{
				ID: task.IDOf("", "x"), State: task.Active, Version: 1,
				Declaration: task.Declaration{Name: "x", Trigger: kind(c.url, c.value)},
				Override:    &task.Override{Trigger: kind("acme.dev/acme.v1.Moon", "")},
			}}, nil))
			for _, line := range []string{"clockctl get x -o json", "clockctl list -o json"} {
				type custom struct {
					AnyOf struct {
						Triggers []struct{ Custom json.RawMessage }
					} `json:"any_of"`
				}
				var got struct {
					Task *struct {
						Declared custom `json:"declared_trigger"`
					}
					Tasks []struct {
						Declared custom `json:"declared_trigger"`
					}
				}
				out := execute(t, address, line)
				if err := json.Unmarshal([]byte(out), &got); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
				var shown custom
				if got.Task != nil {
					shown = got.Task.Declared
				} else {
					shown = got.Tasks[0].Declared
				}
				var b bytes.Buffer
				if err := json.Compact(&b, shown.AnyOf.Triggers[0].Custom); err != nil || b.String() != c.want {
					t.Errorf("%s: got %s, %v, want %s", line, b.String(), err, c.want)
				}
			}
		})
	}
}
