package main

import (
	"context"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// lease connects a worker and returns the lease that it is told.
func lease(t *testing.T, address string) time.Duration {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := clockdv1.NewWorkerServiceClient(conn).Work(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	hello := &clockdv1.WorkerHello{WorkerId: uuid.NewString(), WorkerName: "w", TaskNames: []string{"a"}, Places: 1}
	if err := stream.Send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetWelcome().GetLease().AsDuration()
}

func TestTheLeaseOfWorkersIsThatOfTheFlagElseThatOfTheFile(t *testing.T) {
	file := write(t, "clockd.yaml", "worker_lease: 3s\ntasks: []\n")
	for name, row := range map[string]struct {
		args []string
		want time.Duration
	}{
		"neither": {nil, 15 * time.Second},
		"file":    {[]string{"--config", file}, 3 * time.Second},
		"flag":    {[]string{"--worker-lease", "100ms"}, 100 * time.Millisecond},
		"both":    {[]string{"--config", file, "--worker-lease", "1h"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freeAddress(t)
			p := launch(t, append([]string{"serve", "--store", "memory:", "--listen", address}, row.args...)...)
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			if got := lease(t, address); got != row.want {
				t.Errorf("the lease is %s, want %s", got, row.want)
			}
		})
	}
}

func TestAFileLeavesTasksToWorkersAndADiffSeesWhatTargetsBecome(t *testing.T) {
	store, address := "sqlite:"+t.TempDir()+"/targets.db", socket(t)
	v1 := write(t, "v1.yaml", `tasks:
  - {name: count, trigger: every 1h, worker: {}}
  - {name: grind, trigger: every 1h, grpc: {address: "h:1", method: acme.v1.Mill/Grind}}
  - {name: echo, trigger: every 1h, command: [echo, hi]}
`)
	v2 := write(t, "v2.yaml", `tasks:
  - {name: count, trigger: every 1h, command: [echo, hi]}
  - {name: grind, trigger: every 1h, grpc: {address: "h:1", method: acme.v1.Mill/Stop}}
  - {name: echo, trigger: every 1h, worker: {}}
`)
	p := launch(t, "serve", "--config", v1, "--store", store, "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c := p.dial(address)

	ctx, stop := context.WithCancel(soon(t))
	ended := make(chan error, 1)
	go func() {
		done := func(context.Context, *client.Assignment) (any, error) { return "done", nil }
		ended <- c.Work(ctx, client.Worker{
			Name: "one", Tasks: []client.WorkerTask{{Name: "count", Do: done}, {Name: "echo", Do: done}},
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
	}()
	does := func(name, worker string) {
		t.Helper()
		run, err := c.RunTask(soon(t), task.ByName(name), client.RunOptions{Wait: true})
		if err != nil || run.State != task.Succeeded || run.Worker != worker {
			t.Errorf("run of %q: %+v, %v; want one by %q", name, run, err, worker)
		}
	}
	does("count", "one")
	does("echo", "")

	changed := `count: changed
  target: a worker that runs the task -> echo hi
echo: changed
  target: echo hi -> a worker that runs the task
grind: changed
  target: acme.v1.Mill/Grind at h:1 -> acme.v1.Mill/Stop at h:1
`
	diffs, err := c.DiffConfig(soon(t), "v2.yaml", []byte(read(t, v2)))
	var said strings.Builder
	if err != nil || printDiffs(&said, diffs) != nil || said.String() != changed {
		t.Errorf("the daemon says, %v:\n%s", err, said.String())
	}
	replace(t, v1, read(t, v2))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.says("config reloaded", 0)
	does("count", "")
	does("echo", "one")

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if code, out, _ := clockd(t, "diff", "--store", store, v2); code != exitOK || !strings.Contains(out, "changes nothing; tasks: 3") {
		t.Errorf("of what is in force: %d\n%s", code, out)
	}
}
