package client_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
)

// A worker declares a task, runs it once, and leaves. Its daemon is in the same process here; with client.Dial it is
// anywhere.
func ExampleClient_Work() {
	quiet := slog.New(slog.DiscardHandler)
	d, err := daemon.New(daemon.Config{Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()

	c := d.Client() // a worker is a process of its own, and has it from client.Dial
	working, leave := context.WithCancel(ctx)
	err = c.Work(working, client.Worker{
		Name:   "press",
		Logger: quiet,
		Tasks: []client.WorkerTask{{
			Name:    "print",
			Trigger: schedule.MustParse("once"),
			Do: func(_ context.Context, a *client.Assignment) (any, error) {
				fmt.Printf("task %q, run %s, attempt %d\n", a.TaskName, a.Run, a.Attempt)
				a.Progress(0.5, "one page of two")
				leave() // it goes on until its result is recorded
				return map[string]int{"pages": 2}, nil
			},
		}},
	})
	fmt.Println("the worker has left:", err)
	stop()
	fmt.Println("the daemon has stopped:", <-ended)

	// Output:
	// task "print", run 1, attempt 1
	// the worker has left: <nil>
	// the daemon has stopped: <nil>
}
