package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
)

// A service that runs its own tasks, and controls one of them as any client would.
func Example() {
	greet := func(_ context.Context, run daemon.Run) (any, error) {
		var in struct{ Name string }
		if err := json.Unmarshal(run.Input, &in); err != nil {
			return nil, err
		}
		return "hello " + in.Name, nil
	}
	d, err := daemon.New(daemon.Config{
		Tasks: []daemon.Task{{
			Name:    "greet",
			Trigger: schedule.MustParse("at 09:30 mon-fri Europe/Berlin"),
			Do:      daemon.Func(greet),
			Policy:  task.Policy{Timeout: time.Minute},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	c := d.Client()
	run, err := c.RunTask(ctx, task.ByName("greet"), client.RunOptions{Input: map[string]string{"name": "you"}, Wait: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(run.Output))

	u, err := c.UpdateTrigger(ctx, task.ByName("greet"), schedule.MustParse("once 2100-01-01T08:00:00Z"), client.UpdateOptions{Reason: "a long holiday"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Task.Trigger(), "in place of", u.Task.Declaration.Trigger)

	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// "hello you"
	// once 2100-01-01T08:00:00Z in place of at 09:30 mon,tue,wed,thu,fri Europe/Berlin
}

// The API mounted on a gRPC server that a program has already.
func ExampleDaemon_Register() {
	d, err := daemon.New(daemon.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	d.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()
	<-d.Ready()
	go func() { stopped <- server.Serve(listener) }()

	c, err := client.Dial(listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	preview, err := c.PreviewTrigger(ctx, schedule.MustParse(`cron "30 2 * * *" Europe/Berlin`),
		time.Date(2027, 3, 27, 0, 0, 0, 0, time.UTC), 3)
	if err != nil {
		log.Fatal(err)
	}
	for _, fire := range preview.Fires {
		fmt.Println(fire.Time.Format(time.RFC3339)) // on the 28th the clocks skip 02:30
	}
	c.Close()
	server.GracefulStop()
	stop()
	for range 2 {
		if err := <-stopped; err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 2027-03-27T01:30:00Z
	// 2027-03-28T01:00:00Z
	// 2027-03-29T00:30:00Z
}
