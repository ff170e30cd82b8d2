package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

// numbered are n lines, from 1.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i+1)
	}
	return b.String()
}

func TestARunShowsTheEndOfWhatACommandWroteAndTheBeginningOfAResponse(t *testing.T) {
	object := func(members map[string]any) string {
		data, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	indent := func(s string) string {
		return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ") + "\n"
	}
	last := strings.TrimPrefix(numbered(30), numbered(20))
	for name, tt := range map[string]struct{ output, want string }{
		"all of both streams": {
			object(map[string]any{"exit_code": 0, "stdout": numbered(10), "stderr": "no end of line"}),
			"Exit code:  0\nStdout:\n" + indent(numbered(10)) + "Stderr:\n  no end of line\n",
		},
		"no output": {object(map[string]any{"exit_code": 3, "stdout": "", "stderr": ""}), "Exit code:  3\n"},
		"a signal":  {object(map[string]any{"exit_code": 143, "signal": "SIGTERM", "stdout": "", "stderr": ""}), "Exit code:  143, killed by SIGTERM\n"},
		"many lines": {
			object(map[string]any{"exit_code": 0, "stdout": numbered(30), "stderr": ""}),
			fmt.Sprintf("Exit code:  0\nStdout:\n  ... %d bytes before; all of it: clockctl logs 1\n", len(numbered(20))) + indent(last),
		},
		"many lines, and others that were not kept": {
			object(map[string]any{"exit_code": 0, "stdout": "", "stderr": numbered(30), "stderr_dropped": 1000}),
			fmt.Sprintf("Exit code:  0\nStderr:\n  ... %d bytes before, of which 1000 were not kept; the others: clockctl logs 1\n", 1000+len(numbered(20))) + indent(last),
		},
		"few lines, and others that were not kept": {
			object(map[string]any{"exit_code": 0, "stdout": "end\n", "stderr": "", "stdout_dropped": 1000}),
			"Exit code:  0\nStdout:\n  ... 1000 bytes before that were not kept\n  end\n",
		},
		"a line without end": {
			object(map[string]any{"exit_code": 0, "stdout": strings.Repeat("ä", 2000), "stderr": ""}),
			"Exit code:  0\nStdout:\n  ... 1952 bytes before; all of it: clockctl logs 1\n  " + strings.Repeat("ä", 1024) + "\n",
		},
		"empty lines count": {
			object(map[string]any{"exit_code": 0, "stdout": "first" + strings.Repeat("\n", 11), "stderr": ""}),
			"Exit code:  0\nStdout:\n  ... 6 bytes before; all of it: clockctl logs 1\n" + strings.Repeat("\n", 10),
		},
		"what moves the cursor": {
			object(map[string]any{"exit_code": 0, "stdout": "a\tb\r\n\x1b[2J\u202e\n", "stderr": ""}),
			"Exit code:  0\nStdout:\n  a\tb\n  ·[2J·\n",
		},
		"a response":            {object(map[string]any{"status_code": 200, "body": "hello"}), "Status:     200\nBody:\n  hello\n"},
		"an empty response":     {object(map[string]any{"status_code": 204, "body": ""}), "Status:     204\n"},
		"a response in JSON":    {`{"status_code":200,"body":{"a":[1]}}`, "Status:     200\nBody:\n  {\"a\":[1]}\n"},
		"a response of nothing": {`{"status_code":200,"body":null}`, "Status:     200\nBody:\n  null\n"},
		"a long response": {
			object(map[string]any{"status_code": 500, "body": numbered(30)}),
			"Status:     500\nBody:\n" + indent(numbered(10)) + fmt.Sprintf("  ... %d bytes more; all of it: clockctl logs 1\n", len(numbered(30))-len(numbered(10))),
		},
		"a long response that was not kept whole": {
			object(map[string]any{"status_code": 500, "body": strings.Repeat("ä", 2000), "body_dropped": 48}),
			"Status:     500\nBody:\n  " + strings.Repeat("ä", 1024) + "\n  ... 2000 bytes more, of which 48 were not kept; the others: clockctl logs 1\n",
		},
		"a response that was not kept whole": {
			object(map[string]any{"status_code": 200, "body": "begin", "body_dropped": 48}),
			"Status:     200\nBody:\n  begin\n  ... 48 bytes more that were not kept\n",
		},
		"what a function returned": {`{"n":[1,"two"]}`, "Output:     {\"n\":[1,\"two\"]}\n"},
		"much that a function returned": {
			`"` + strings.Repeat("x", 3000) + `"`,
			`Output:     "` + strings.Repeat("x", 2047) + " ... 954 bytes more; all of it: clockctl get --run 1 -o json\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, fakedaemon.New(nil, []task.Run{{
				ID: 1, TaskID: task.IDOf("", "x"), TaskName: "x", State: task.Succeeded, Cause: task.ByCall, ScheduledTime: fakedaemon.Now, Output: []byte(tt.output),
			}}))
			out := execute(t, address, "clockctl get --run 1")
			_, got, _ := strings.Cut(out, " (now)\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			// JSON has everything.
			var answer struct{ Run struct{ Output any } }
			if err := json.Unmarshal([]byte(execute(t, address, "clockctl get --run 1 -o json")), &answer); err != nil {
				t.Fatal(err)
			}
			var all any
			if err := json.Unmarshal([]byte(tt.output), &all); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all, answer.Run.Output); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestARunThatWasLostTookNobodyKnowsHowLong(t *testing.T) {
	now := fakedaemon.Now
	lost := task.Run{
		ID: 1, TaskID: task.IDOf("", "x"), TaskName: "x", State: task.Lost, Cause: task.ByFire, Fires: 1, Attempt: 4,
		ScheduledTime: now.Add(-time.Hour), StartTime: now.Add(-time.Minute), EndTime: now, Error: "its node died",
		Earlier: []task.Attempt{
			{Number: 1, State: task.Failed, StartTime: now.Add(-time.Hour), EndTime: now.Add(-59 * time.Minute), Error: "exit status 1"},
			{Number: 2, State: task.Lost, StartTime: now.Add(-50 * time.Minute), EndTime: now.Add(-30 * time.Minute)},
			{Number: 3, State: task.Lost, EndTime: now.Add(-20 * time.Minute)},
		},
	}
	// Its node has stopped while it waited for the next attempt.
	between := lost
	between.ID, between.State, between.Attempt, between.EndTime, between.Error = 2, task.Scheduled, 0, time.Time{}, ""
	between.NextAttemptTime = now.Add(time.Minute)
	address := serve(t, fakedaemon.New(nil, []task.Run{lost, between}))
	want := strings.Join([]string{
		"Ended:      2027-01-31T12:00:00Z, when it was found lost",
		"Attempt:    4",
		"Earlier:    1 failed, started 2027-01-31T11:00:00Z, took 1m0s: exit status 1",
		"Earlier:    2 lost, started 2027-01-31T11:10:00Z, found lost 2027-01-31T11:30:00Z",
		"Earlier:    3 lost, found lost 2027-01-31T11:40:00Z",
	}, "\n")
	if out := execute(t, address, "clockctl get --run 1"); !strings.Contains(out, want) {
		t.Errorf("want\n%s\ngot\n%s", want, out)
	}
	out := execute(t, address, "clockctl runs")
	for _, want := range []string{
		"(1h ago)  -     attempt 4; its node died\n",
		"(1h ago)  -     attempt 4 starts 2027-01-31T12:01:00Z (in 1m)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

func TestAnOrphanWhoseTimeIsNotKnownHasOnlyItsReason(t *testing.T) {
	tasks, _ := fakedaemon.Sample()
	orphan := tasks[3]
	orphan.OrphanTime, orphan.OrphanReason = time.Time{}, "the declaration is broken"
	address := serve(t, fakedaemon.New([]task.Task{orphan}, nil))
	if out := execute(t, address, "clockctl get 'old report'"); !strings.Contains(out, "\nOrphaned:   the declaration is broken\n") {
		t.Error(out)
	}
}

func TestATaskShowsTheRunsThatGoAndThoseThatWait(t *testing.T) {
	tasks, _ := fakedaemon.Sample()
	x, now := tasks[0], fakedaemon.Now
	run := func(id int, state task.RunState) task.Run {
		return task.Run{ID: task.RunID(id), TaskID: x.ID, TaskName: "backup", State: state, Cause: task.ByFire, ScheduledTime: now.Add(-time.Minute)}
	}
	going, again, due, held, late := run(1, task.Running), run(2, task.Running), run(3, task.Scheduled), run(4, task.Scheduled), run(5, task.Scheduled)
	again.StartTime, again.Attempt = now.Add(-time.Second), 2
	held.Reason = task.ReasonLimit
	late.NextAttemptTime, late.Reason = now.Add(time.Minute), task.ReasonOverlap
	server := fakedaemon.New([]task.Task{x}, []task.Run{going, again, due, held, late})
	address := serve(t, server)
	show := func() string {
		out := execute(t, address, "clockctl get backup")
		_, rows, _ := strings.Cut(out, "Last run:     3 failed 9h58m ago\n")
		rows, _, _ = strings.Cut(rows, "Overlap:")
		return rows
	}
	calls := len(server.Calls())
	want := strings.Join([]string{
		"Going:        1 since 2027-01-31T11:59:00Z (1m ago)",
		"Going:        2 since 2027-01-31T11:59:59Z (1s ago), attempt 2",
		"Waiting:      3 since 2027-01-31T11:59:00Z (1m ago)",
		"Waiting:      4 since 2027-01-31T11:59:00Z (1m ago), waits for a free place",
		"Waiting:      5 starts 2027-01-31T12:01:00Z (in 1m), waits for the run before",
	}, "\n") + "\n"
	if diff := cmp.Diff(want, show()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := len(server.Calls()) - calls; n != 2 {
		t.Errorf("%d calls", n)
	}
	// Those that go are told of whatever waits.
	for i := range 1500 {
		server.Add(nil, []task.Run{run(10+i, task.Scheduled)})
	}
	for _, want := range []string{"Going:        1 since", "Waiting:      1509 since", "Waiting:      1505 since", "Waiting:      and 995 or more\n"} {
		if got := show(); !strings.Contains(got, want) || strings.Count(got, "\n") != 8 {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

func TestAgesAreThoseOfTheMomentOfPrinting(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		s.Hook(func(context.Context, string) error {
			time.Sleep(9 * time.Second) // of the bubble
			return nil
		})
		for _, args := range [][]string{{"run", "backup", "--wait"}, {"run", "backup"}, {"cancel", "8"}} {
			began := time.Now()
			var stdout strings.Builder
			code, stderr := run(t.Context(), cli.Env{
				Stdout: &stdout, Now: func() time.Time { return fakedaemon.Now.Add(time.Since(began)) },
			}, args...)
			if code != 0 || !strings.Contains(stdout.String(), "Scheduled:  2027-01-31T12:00:00Z (9s ago)") {
				t.Errorf("clockctl %v: exit %d, %q\n%s", args, code, stderr, stdout.String())
			}
		}
	})
}

func TestCancelingABackfillSaysHowFarItCame(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		tasks, _ := fakedaemon.Sample()
		for i := range 100 {
			r := task.Run{
				ID: task.RunID(100 + i), TaskID: tasks[0].ID, TaskName: "backup", State: task.Scheduled, Cause: task.ByBackfill, ScheduledTime: fakedaemon.Now,
			}
			if i == 0 {
				r.State = task.Running
			}
			s.Add(nil, []task.Run{r})
		}
		cancels := make(chan struct{}, 1000)
		going := make(chan struct{}, 8) // a send that would block is one too many at once
		s.Hook(func(_ context.Context, method string) error {
			if method != "CancelRun" {
				return nil
			}
			select {
			case going <- struct{}{}:
			default:
				t.Error("more than 8 at once")
				return nil
			}
			time.Sleep(time.Second) // of the bubble
			<-going
			cancels <- struct{}{}
			if len(cancels) > 20 {
				return task.ErrUnavailable
			}
			return nil
		})
		var stdout strings.Builder
		code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "cancel", "backup", "--backfill")
		if code != 4 || stdout.String() != "Runs canceled: 20\n" || !strings.Contains(stderr, "store unavailable") {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
		}
		s.Hook(nil)
		stdout.Reset()
		if code, stderr := run(t.Context(), cli.Env{Stdout: &stdout}, "cancel", "backup", "--backfill"); code != 0 || stdout.String() != "Runs canceled: 80\n" {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
		}
		// Those that waited were ended before the one that went.
		var last string
		for _, call := range s.Calls() {
			if q, ok := call.Request.(interface{ GetRunId() string }); ok && call.Method == "CancelRun" {
				last = q.GetRunId()
			}
		}
		if last != "100" {
			t.Errorf("the last was run %s", last)
		}
		// A run that ended by itself meanwhile, and one that is no more.
		for i := range 2 {
			s.Add(nil, []task.Run{{ID: task.RunID(300 + i), TaskID: tasks[0].ID, TaskName: "backup", State: task.Scheduled, Cause: task.ByBackfill}})
		}
		s.Hook(func(_ context.Context, method string) error {
			if method == "CancelRun" {
				s.Hook(nil)
				s.Add(nil, []task.Run{{ID: 300, TaskID: tasks[0].ID, TaskName: "backup", State: task.Succeeded, Cause: task.ByBackfill}})
				s.TakeBack(301)
			}
			return nil
		})
		stdout.Reset()
		code, stderr = run(t.Context(), cli.Env{Stdout: &stdout}, "cancel", "backup", "--backfill")
		if code != 0 || stdout.String() != "Runs canceled: 0\nRuns that ended before they were canceled: 1\n" {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr)
		}
	})
}
