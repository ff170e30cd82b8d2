//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// TestAFullDiskRefusesChangesAndLosesNothing limits the files of a running daemon, so that its writes fail as on
// a full disk, and lifts the limit again.
func TestAFullDiskRefusesChangesAndLosesNothing(t *testing.T) {
	gaps := everyThirdSecond(time.Now())
	config := write(t, "clockd.yaml", `
calendars:
  gaps:
`+gaps.yaml()+`
tasks:
  - {name: grid, trigger: every 50ms, catch_up: all, overlap: allow, command: ["true"]}
  - {name: spread, trigger: every 50ms jitter=40ms exclude(calendar gaps), catch_up: all, overlap: allow, command: ["true"]}
  - {name: other, trigger: every 1h, command: ["true"]}
`)
	path, address := filepath.Join(t.TempDir(), "full.db"), socket(t)
	p := launch(t, "serve", "--config", config, "--store", "sqlite:"+path, "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	ctx, c := soon(t), p.dial(address)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	serving := func() bool {
		t.Helper()
		resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
	}
	change := func() error {
		_, err := c.UpdateTrigger(ctx, task.ByName("other"), schedule.MustParse("every 2h"), client.UpdateOptions{Reason: "to write something"})
		return err
	}
	limit := func(bytes uint64) {
		t.Helper()
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}

	// Past the end of the log there is no more room; before it there still is some.
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	limit(uint64(wal.Size()))
	for err = change(); err == nil; err = change() {
	}
	if !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("a change without room: %v", err)
	}
	before, err := c.Task(ctx, task.ByName("other"))
	if err != nil {
		t.Fatalf("reading without room: %v", err)
	}
	for serving() {
	}
	if err := change(); !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("another change without room: %v", err)
	}
	if after, err := c.Task(ctx, task.ByName("other")); err != nil || after.Etag() != before.Etag() {
		t.Errorf("a refused change has changed the task: %v, %v", after, err)
	}

	limit(unix.RLIM_INFINITY)
	for !serving() {
	}
	if err := change(); err != nil {
		t.Errorf("a change with room again: %v", err)
	}
	stopped := map[string]task.Task{}
	for _, name := range []string{"grid", "spread"} {
		if stopped[name], err = c.PauseTask(ctx, task.ByName(name), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	runs := settled(ctx, t, c)
	for name, p := range map[string]plan{
		"grid":   {interval: 50 * time.Millisecond},
		"spread": {interval: 50 * time.Millisecond, jitter: 40 * time.Millisecond, gaps: gaps},
	} {
		fires := slices.DeleteFunc(slices.Clone(runs), func(r task.Run) bool { return r.TaskName != name })
		p.check(t, stopped[name], fires)
		p.checkStarts(t, fires, "")
	}
	for _, r := range runs {
		// Canceled are those that still went when the test ended.
		if r.State != task.Succeeded && r.State != task.Canceled && r.Reason != task.ReasonExcluded && r.Reason != task.ReasonPaused {
			t.Errorf("%s of %q: %s %s", r.ScheduledTime, r.TaskName, r.State, r.Error)
		}
	}
}
