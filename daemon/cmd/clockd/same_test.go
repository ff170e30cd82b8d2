package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/daemontest"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/testing/protocmp"
)

// What is told twice here: a program in a file, for clockd serve, and the same in Go. Nothing of it fires by itself, but
// for what does when a daemon starts and stops.
const sameFile = `
namespace: twins
revision: 7
limits: {max_running: 20, start_rate: 1000}
groups:
  mail: {max_running: 3, timeout: 30s, labels: {team: post, tier: "1"}}
calendars:
  holidays: [dates 2999-03-04..2999-03-05 Europe/Berlin]
tasks:
  - name: greet
    description: says hello
    group: mail
    labels: {tier: "2"}
    trigger: at 09:30 mon-fri Europe/Berlin from=2999-03-01T00:00:00Z exclude(calendar holidays)
    command: [echo, hello]
    overlap: queue
    catch_up: all
    catch_up_window: 1h
    delivery: at_most_once
    retention: {keep: all, max_runs: 50, max_age: 8760h}
  - name: fail
    trigger: once 2999-01-01T00:00:00Z
    command: [sh, -c, "exit 3"]
    timeout: 1m
    retry: {max_attempts: 2, backoff: 1ms, max_backoff: 1s, jitter: 0.5}
    pause_after_failures: 2
  - name: several
    trigger: any(cron "0 3 1 * *" UTC max=2; at 12:00 sun UTC) from=2999-01-01T00:00:00Z until=2999-06-01T00:00:00Z max=9
    command: [echo, hello]
    overlap: allow
    catch_up: none
  - name: first
    trigger: startup
    command: [echo, hello]
  - name: last
    trigger: shutdown
    command: [echo, hello]
`

func sameProgram() daemon.Config {
	// The outputs of the commands.
	hello := daemon.Func(func() json.RawMessage {
		return json.RawMessage(`{"exit_code": 0, "stdout": "hello\n", "stderr": ""}`)
	})
	fail := daemon.Func(func() (json.RawMessage, error) {
		return json.RawMessage(`{"exit_code": 3, "stdout": "", "stderr": ""}`), errors.New("exit status 3")
	})
	return daemon.Config{
		Namespace: "twins", Revision: 7, Limits: task.Limits{MaxRunning: 20, StartRate: 1000},
		Groups: map[string]daemon.Group{
			"mail": {Limits: task.Limits{MaxRunning: 3}, Timeout: 30 * time.Second, Labels: map[string]string{"team": "post", "tier": "1"}},
		},
		Calendars: map[string][]schedule.Exclusion{"holidays": {schedule.Dates{
			First: schedule.Date{Year: 2999, Month: 3, Day: 4}, Last: schedule.Date{Year: 2999, Month: 3, Day: 5}, TimeZone: "Europe/Berlin",
		}}},
		Tasks: []daemon.Task{
			{
				Name: "greet", Description: "says hello", Group: "mail", Labels: map[string]string{"tier": "2"},
				Trigger: schedule.MustParse("at 09:30 mon-fri Europe/Berlin from=2999-03-01T00:00:00Z exclude(calendar holidays)"), Do: hello,
				Policy: task.Policy{
					Overlap: task.OverlapQueue, CatchUp: task.CatchUpAll, CatchUpWindow: time.Hour, Delivery: task.AtMostOnce,
					Retention: task.Retention{Keep: task.KeepAll, MaxRuns: 50, MaxAge: 365 * 24 * time.Hour},
				},
			},
			{
				Name: "fail", Trigger: schedule.MustParse("once 2999-01-01T00:00:00Z"), Do: fail,
				Policy: task.Policy{
					Timeout: time.Minute, Retry: task.Retry{MaxAttempts: 2, Backoff: time.Millisecond, MaxBackoff: time.Second, Jitter: 0.5},
					PauseAfterFailures: 2,
				},
			},
			{
				Name:    "several",
				Trigger: schedule.MustParse(`any(cron "0 3 1 * *" UTC max=2; at 12:00 sun UTC) from=2999-01-01T00:00:00Z until=2999-06-01T00:00:00Z max=9`), Do: hello,
				Policy: task.Policy{Overlap: task.OverlapAllow, CatchUp: task.CatchUpNone},
			},
			{Name: "first", Trigger: schedule.MustParse("startup"), Do: hello},
			{Name: "last", Trigger: schedule.MustParse("shutdown"), Do: hello},
		},
	}
}

// seen is what a client sees.
type seen struct {
	Tasks    []*clockdv1.TaskMetadata
	Previews []*clockdv1.PreviewTriggerResponse
	Runs     [][]*clockdv1.Run        // of each task, the newest first
	Events   [][]*clockdv1.AuditEvent // of each task, the newest first
}

func TestTheSameProgramIsTheSameEmbeddedAndStandalone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "embedded.db")
	embedded := lead(t, func() (*client.Client, func()) {
		cfg := sameProgram()
		st, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Namespace: cfg.Namespace})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Store = st
		d := daemontest.Start(t, cfg)
		return d.Client(), func() {
			d.Stop()
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	file, store := write(t, "clockd.yaml", sameFile), filepath.Join(t.TempDir(), "standalone.db")
	standalone := lead(t, func() (*client.Client, func()) {
		address := socket(t)
		p := launch(t, "serve", "--config", file, "--store", "sqlite:"+store, "--listen", address)
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		return p.dial(address), func() {
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-p.exited
			if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("exit code %d:\n%s", code, p.log.text.String())
			}
		}
	})
	diff := cmp.Diff(embedded, standalone, protocmp.Transform(),
		protocmp.IgnoreFields(&clockdv1.TaskMetadata{}, "create_time", "update_time", "target"),
		protocmp.IgnoreFields(&clockdv1.TriggerOverride{}, "create_time"),
		protocmp.IgnoreFields(&clockdv1.Pause{}, "create_time"),
		protocmp.IgnoreFields(&clockdv1.Run{}, "id", "scheduled_time", "start_time", "end_time", "next_attempt_time", "lateness"),
		protocmp.IgnoreFields(&clockdv1.Attempt{}, "start_time", "end_time"),
		protocmp.IgnoreFields(&clockdv1.AuditEvent{}, "id", "time", "peer", "run_id"))
	if diff != "" {
		t.Errorf("-embedded +standalone:\n%s", diff)
	}
	// That nothing was seen twice is no proof.
	if n := len(embedded.Tasks); n != 5 || len(embedded.Runs[1]) != 2 || embedded.Tasks[2].GetOverride() == nil || embedded.Tasks[0].GetPause() == nil {
		t.Errorf("it saw too little: %v", embedded)
	}
}

// lead leads a life of two processes, and returns what is seen at its end.
func lead(t *testing.T, start func() (c *client.Client, stop func())) seen {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(soon(t), wire.ActorMetadata, "twin")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, stop := start()
	for _, name := range []string{"several", "fail", "several", "fail"} { // the second failure pauses it
		_, err := c.RunTask(ctx, task.ByName(name), client.RunOptions{Input: map[string]int{"n": 1}, Wait: true})
		ok(err)
	}
	_, err := c.PauseTask(ctx, task.ByName("greet"), client.PauseOptions{Reason: "quiet", ResumeTime: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)})
	ok(err)
	_, err = c.UpdateTrigger(ctx, task.ByName("several"), schedule.MustParse("at 10:00 UTC from=2999-03-01T00:00:00Z exclude(calendar holidays)"),
		client.UpdateOptions{Reason: "a try", OnDeclaredChange: task.Keep, ExpireTime: time.Date(2999, 5, 1, 0, 0, 0, 0, time.UTC)})
	ok(err)
	stop()

	c, stop = start()
	_, err = c.RunTask(ctx, task.ByName("greet"), client.RunOptions{Wait: true})
	ok(err)
	var saw seen
	settle(ctx, t, c, "first")
	for _, name := range []string{"greet", "fail", "several", "first", "last"} {
		got, err := c.Task(ctx, task.ByName(name))
		ok(err)
		saw.Tasks = append(saw.Tasks, wire.TaskToProto(got))
		preview, err := c.PreviewTask(ctx, task.ByName(name), time.Date(2999, 3, 1, 0, 0, 0, 0, time.UTC), 10)
		ok(err)
		saw.Previews = append(saw.Previews, wire.PreviewToProto(preview))
		var runs []*clockdv1.Run
		for run, err := range c.Runs(ctx, client.RunFilter{Task: task.ByName(name)}) {
			ok(err)
			run, err = c.Run(ctx, run.ID)
			ok(err)
			runs = append(runs, wire.RunToProto(run))
		}
		saw.Runs = append(saw.Runs, runs)
		var events []*clockdv1.AuditEvent
		for e, err := range c.AuditEvents(ctx, client.AuditFilter{Task: task.ByName(name)}) {
			ok(err)
			if e.Action == task.TaskDeclared {
				e.Before, e.After = nil, nil // the target is in there
			}
			events = append(events, wire.EventToProto(e))
		}
		saw.Events = append(saw.Events, events)
	}
	stop()
	return saw
}

// settle waits until the last run of a task has ended.
func settle(ctx context.Context, t *testing.T, c *client.Client, name string) {
	t.Helper()
	for run, err := range c.Runs(ctx, client.RunFilter{Task: task.ByName(name)}) {
		if err == nil {
			_, err = c.FollowRun(ctx, run.ID, func(task.Output) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
