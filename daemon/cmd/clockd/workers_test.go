package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// pythonWorker is a process of client/examples/python/worker.py, which runs the task "count".
type pythonWorker struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan string // what it prints; closed when it ends
	errors strings.Builder
}

// hire starts a worker, and waits until it is connected. It is killed when the test ends.
func hire(t *testing.T, env []string, address, name string) *pythonWorker {
	t.Helper()
	w := &pythonWorker{t: t, cmd: exec.Command(python, example("python", "worker.py"), address, name, "1"), lines: make(chan string, 1000)}
	w.cmd.Env, w.cmd.Stderr = env, &w.errors
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
		_ = w.cmd.Wait() // the state is in cmd.ProcessState
		close(w.lines)
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it may have ended, or be stopped
		<-ended
	})
	w.prints("connected")
	return w
}

// prints waits for a line that begins so.
func (w *pythonWorker) prints(prefix string) {
	w.t.Helper()
	limit := soon(w.t).Done()
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("the worker ended before it printed %q:\n%s", prefix, w.errors.String())
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		case <-limit:
			w.t.Fatalf("the worker does not print %q", prefix)
		}
	}
}

// leaves ends the worker in good order.
func (w *pythonWorker) leaves() {
	w.t.Helper()
	w.ends()
	w.ended()
}

// ends tells the worker to end.
func (w *pythonWorker) ends() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Error(err)
	}
}

// ended waits until the worker has ended in good order.
func (w *pythonWorker) ended() {
	w.t.Helper()
	limit := soon(w.t).Done()
	for {
		select {
		case _, ok := <-w.lines:
			if !ok {
				if code := w.cmd.ProcessState.ExitCode(); code != 0 {
					w.t.Errorf("exit code %d:\n%s", code, w.errors.String())
				}
				return
			}
		case <-limit:
			w.t.Fatal("the worker does not end")
		}
	}
}

// counting has the task "count" count so far, with a pause of 100ms before each number.
func counting(t *testing.T, c *client.Client, to int) task.Run {
	t.Helper()
	run, err := c.RunTask(soon(t), task.ByName("count"), client.RunOptions{Input: map[string]any{"to": to, "pause": 0.1}})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// finished follows a run to its end and checks that it has counted so far. started is called, once, when the first attempt
// has begun to write.
func finished(t *testing.T, c *client.Client, id task.RunID, to int, started func()) task.Run {
	t.Helper()
	wrote, did := map[int]string{}, false
	run, err := c.FollowRun(soon(t), id, func(o task.Output) error {
		if o.Progress != nil {
			return nil
		}
		if wrote[o.Attempt] += string(o.Data); o.Attempt == 1 && !did {
			did = true
			started()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var output struct{ Counted int }
	if err := json.Unmarshal(run.Output, &output); err != nil || output.Counted != to || run.State != task.Succeeded {
		t.Errorf("run %+v, %v", run, err)
	}
	if !strings.HasSuffix("\n"+wrote[run.Attempt], fmt.Sprintf("\n%d\n", to)) {
		t.Errorf("attempt %d wrote %q", run.Attempt, wrote[run.Attempt])
	}
	return run
}

// holder is the name of the worker that holds a run.
func holder(t *testing.T, c *client.Client, id task.RunID) string {
	t.Helper()
	workers, err := c.Workers(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		for _, held := range w.Held {
			if held.Run == id {
				return w.Name
			}
		}
	}
	t.Fatalf("nobody holds run %s: %+v", id, workers)
	return ""
}

// moved checks that a run was lost by one worker and done by another.
func moved(t *testing.T, run task.Run, from, to string) {
	t.Helper()
	if run.Attempt != 2 || run.Worker != to || len(run.Earlier) != 1 || run.Earlier[0].State != task.Lost || run.Earlier[0].Worker != from {
		t.Errorf("run %+v: want a first attempt that %q lost, and a second by %q", run, from, to)
	}
}

func TestTheRunOfAWorkerThatDiesOrHangsIsMadeByAnother(t *testing.T) {
	for name, signal := range map[string]os.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, address := pythonModules(t), freeAddress(t)
			p := launch(t, "serve", "--store", "memory:", "--listen", address, "--worker-lease", "2s")
			if !p.ready() {
				t.Fatalf("%s", p.log.text.String())
			}
			c := p.dial(address)
			workers := map[string]*pythonWorker{"one": hire(t, env, address, "one"), "two": hire(t, env, address, "two")}
			run := counting(t, c, 20)
			var from string
			run = finished(t, c, run.ID, 20, func() {
				from = holder(t, c, run.ID)
				if err := workers[from].cmd.Process.Signal(signal); err != nil {
					t.Error(err)
				}
			})
			other := map[string]string{"one": "two", "two": "one"}[from]
			moved(t, run, from, other)
			t.Logf("the second attempt started %s after the first", run.StartTime.Sub(run.Earlier[0].StartTime))
			if signal == syscall.SIGSTOP {
				// It wakes up, and what it says now changes nothing.
				if err := workers[from].cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				workers[from].prints("disconnected")
				workers[from].prints("connected")
				workers[from].prints("late 1 1")
				after, err := c.Run(soon(t), run.ID)
				if diff := cmp.Diff(run, after); err != nil || diff != "" {
					t.Errorf("%v -before +after\n%s", err, diff)
				}
				workers[from].leaves()
			}
			workers[other].leaves()
			if left, err := c.Workers(soon(t)); err != nil || len(left) != 0 {
				t.Errorf("left %+v, %v", left, err)
			}
		})
	}
}

func TestAWorkerThatIsToldToEndFinishesWhatItHolds(t *testing.T) {
	t.Parallel()
	env, address := pythonModules(t), freeAddress(t)
	p := launch(t, "serve", "--store", "memory:", "--listen", address)
	if !p.ready() {
		t.Fatalf("%s", p.log.text.String())
	}
	w, c := hire(t, env, address, "one"), p.dial(address)
	run := counting(t, c, 10)
	run = finished(t, c, run.ID, 10, w.ends)
	if run.Attempt != 1 || run.Worker != "one" {
		t.Errorf("run %+v", run)
	}
	w.ended()
}

func TestAWorkerOutlivesItsDaemon(t *testing.T) {
	t.Parallel()
	env, address := pythonModules(t), freeAddress(t)
	serve := []string{"serve", "--store", "sqlite:" + filepath.Join(t.TempDir(), "w.db"), "--listen", address}
	p := launch(t, serve...)
	if !p.ready() {
		t.Fatalf("%s", p.log.text.String())
	}
	w := hire(t, env, address, "one")
	c := p.dial(address)
	run := counting(t, c, 20)
	written := fmt.Errorf("enough")
	if _, err := c.FollowRun(soon(t), run.ID, func(task.Output) error { return written }); err != written {
		t.Fatal(err)
	}
	p.kill()
	p = launch(t, serve...)
	if !p.ready() {
		t.Fatalf("%s", p.log.text.String())
	}
	w.prints("disconnected")
	w.prints("connected")
	w.prints("late 1 1") // the new process does not know the attempt, and has it stopped
	run = finished(t, p.dial(address), run.ID, 20, func() {})
	if run.Attempt != 2 || run.Worker != "one" || run.Earlier[0].State != task.Lost {
		t.Errorf("run %+v", run)
	}
	w.leaves()
}

func TestAHundredWorkersAreNotHeldUpByOneThatDoesNotRead(t *testing.T) {
	t.Parallel()
	const crowd, calls = 99, 500
	address := freeAddress(t)
	p := launch(t, "serve", "--store", "memory:", "--listen", address, "--worker-lease", "2s")
	if !p.ready() {
		t.Fatalf("%s", p.log.text.String())
	}
	c := p.dial(address)
	declared := client.WorkerTask{
		Name: "many", Trigger: schedule.MustParse("every 1h"), Policy: task.Policy{Overlap: task.OverlapAllow},
		Do: func(_ context.Context, a *client.Assignment) (any, error) {
			_, err := fmt.Fprintf(a.Output, "run %s\n", a.Run)
			return a.Run, err
		},
	}

	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	hireGo := func(name string) {
		working.Go(func() {
			own, err := client.Dial(address)
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			w := client.Worker{Name: name, Places: 2, Tasks: []client.WorkerTask{declared}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
			if err := own.Work(ctx, w); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	hireGo("worker 0")
	connected(t, c, 1) // the task is declared
	deaf(t, address)
	connected(t, c, 2)
	for i := range crowd - 1 {
		hireGo(fmt.Sprintf("worker %d", i+1))
	}
	connected(t, c, crowd+1)

	// One half of the calls while the deaf one is there, which takes some of them, and one when it is lost.
	var ids []task.RunID
	for range calls / 2 {
		run, err := c.RunTask(soon(t), task.ByName("many"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, run.ID)
	}
	p.says("worker is lost", 0)
	for range calls / 2 {
		run, err := c.RunTask(soon(t), task.ByName("many"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, run.ID)
	}
	again, by := 0, map[string]int{}
	for _, id := range ids {
		run, err := c.FollowRun(soon(t), id, func(task.Output) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		by[run.Worker]++
		if run.State != task.Succeeded || run.Worker == "deaf" || run.Attempt > 2 {
			t.Errorf("run %+v", run)
		}
		if run.Attempt == 2 {
			again++
			if run.Earlier[0].Worker != "deaf" || run.Earlier[0].State != task.Lost {
				t.Errorf("run %+v", run)
			}
		}
	}
	t.Logf("%d runs by %d workers, %d after the deaf one had them", len(ids), len(by), again)
	if again == 0 {
		t.Error("the deaf worker was given nothing")
	}
	left, err := c.Workers(soon(t))
	if err != nil || len(left) != crowd {
		t.Errorf("%d workers are left, %v", len(left), err)
	}
	for _, w := range left {
		if w.Disconnected || w.Name == "deaf" {
			t.Errorf("left %+v", w)
		}
	}
}

// connected waits until so many workers are.
func connected(t *testing.T, c *client.Client, n int) {
	t.Helper()
	ctx := soon(t)
	for {
		workers, err := c.Workers(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(workers) == n {
			return
		}
	}
}

// deaf connects a worker that reads its welcome, and then nothing.
func deaf(t *testing.T, address string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
	})
	stream, err := clockdv1.NewWorkerServiceClient(conn).Work(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hello := &clockdv1.WorkerHello{WorkerId: uuid.NewString(), WorkerName: "deaf", TaskNames: []string{"many"}, Places: 10}
	if err := stream.Send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	if welcome, err := stream.Recv(); err != nil || welcome.GetWelcome() == nil || len(welcome.GetWelcome().GetWarnings()) != 0 {
		t.Fatalf("%v, %v", welcome, err)
	}
}
