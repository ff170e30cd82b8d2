package daemon_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// The zero Config is a daemon without tasks, in memory, to which callers may give some.
func ExampleNew() {
	d, err := daemon.New(daemon.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	made, err := d.Client().CreateTask(ctx, task.Declaration{
		Name:    "wake the heater",
		Trigger: schedule.MustParse("at 05:30 mon-fri Europe/Berlin"),
		Spec:    &task.TargetSpec{HTTP: &task.HTTPSpec{Method: "POST", URL: "http://heater.internal/wake"}},
	}, client.CreateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Declaration.Name, made.Trigger())

	stop()
	fmt.Println(<-stopped)
	// Output:
	// wake the heater at 05:30 mon,tue,wed,thu,fri Europe/Berlin
	// <nil>
}

// Two daemons in one process share nothing: each has its tasks, its store and what is provided.
func ExampleNew_two() {
	type greeting string
	start := func(ctx context.Context, namespace string, g greeting) (*daemon.Daemon, chan error) {
		d, err := daemon.New(daemon.Config{
			Namespace: namespace,
			Providers: []daemon.Provider{daemon.Provide(func() greeting { return g })},
			Tasks: []daemon.Task{{
				Name: "greet", Trigger: schedule.MustParse("every 1h"),
				Do: daemon.Func(func(g greeting) string { return string(g) }),
			}},
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			log.Fatal(err)
		}
		stopped := make(chan error)
		go func() { stopped <- d.Run(ctx) }()
		return d, stopped
	}
	ctx, stop := context.WithCancel(context.Background())
	north, northStopped := start(ctx, "north", "moin")
	south, southStopped := start(ctx, "south", "servus")

	var ids []string
	for _, d := range []*daemon.Daemon{north, south} {
		run, err := d.Client().RunTask(ctx, task.ByName("greet"), client.RunOptions{Wait: true})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(run.Output))
		ids = append(ids, run.TaskID.String())
	}
	fmt.Println("the same task:", ids[0] == ids[1])
	stop()
	fmt.Println(<-northStopped, <-southStopped)
	// Output:
	// "moin"
	// "servus"
	// the same task: false
	// <nil> <nil>
}

// A group says once what its tasks have in common; the hooks are for what is around the daemon.
func ExampleConfig_groups() {
	d, err := daemon.New(daemon.Config{
		OnStart: func(context.Context) error { fmt.Println("the mast is up"); return nil },
		OnStop:  func(context.Context) error { fmt.Println("the mast is down"); return nil },
		Groups: map[string]daemon.Group{
			"mail": {Limits: task.Limits{MaxRunning: 1}, Timeout: time.Minute, Labels: map[string]string{"team": "post"}},
		},
		Tasks: []daemon.Task{
			{
				Name: "fetch", Group: "mail", Trigger: schedule.MustParse("every 1h"),
				Do: daemon.Func(func() { fmt.Println("fetching") }),
			},
			{
				Name: "sort", Group: "mail", Trigger: schedule.MustParse("every 1h"), Policy: task.Policy{Timeout: time.Hour},
				Do: daemon.Func(func() { fmt.Println("sorting") }),
			},
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()
	for _, name := range []string{"fetch", "sort"} {
		if _, err := d.Client().RunTask(ctx, task.ByName(name), client.RunOptions{Wait: true}); err != nil {
			log.Fatal(err)
		}
		got, err := d.Client().Task(ctx, task.ByName(name))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, got.Declaration.Policy.Timeout, got.Declaration.Labels["team"])
	}
	stop()
	fmt.Println(<-stopped)
	// Output:
	// the mast is up
	// fetching
	// fetch 1m0s post
	// sorting
	// sort 1h0m0s post
	// the mast is down
	// <nil>
}

// The API beside a service of the program's own, here that for health checks, on one port, with an interceptor of the
// program's that decides who may call.
func ExampleDaemon_Register_beside() {
	d, err := daemon.New(daemon.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			fmt.Println("asked:", info.FullMethod)
			return next(ctx, req)
		}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
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

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		log.Fatal(err)
	}
	if _, err := clockdv1.NewTaskServiceClient(conn).ListTasks(ctx, &clockdv1.ListTasksRequest{}); err != nil {
		log.Fatal(err)
	}
	conn.Close()
	server.GracefulStop()
	stop()
	fmt.Println(<-stopped, <-stopped)
	// Output:
	// asked: /grpc.health.v1.Health/Check
	// asked: /clockd.v1.TaskService/ListTasks
	// <nil> <nil>
}
