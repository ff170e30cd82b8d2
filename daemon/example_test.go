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
	"google.golang.org/protobuf/types/known/durationpb"
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

// fullMoon fires a while after each full moon, by the mean length of a month; the sky is up to 14 hours off.
type fullMoon struct{ later time.Duration }

func (m fullMoon) Next(after time.Time) (time.Time, error) {
	const month = 29*24*time.Hour + 12*time.Hour + 44*time.Minute + 3*time.Second
	first := time.Date(2000, 1, 21, 4, 40, 0, 0, time.UTC).Add(m.later)
	months := after.Sub(first) / month
	if after.Before(first) {
		months-- // because the division rounds towards zero
	}
	return first.Add((months + 1) * month), nil
}

// A kind of trigger of one's own: any protobuf message, and a type that says when to fire. Here the message is
// a google.protobuf.Duration; a program has its own.
func ExampleRegisterTrigger() {
	twoDaysLater := daemon.CustomTrigger(durationpb.New(48 * time.Hour))
	twoDaysLater.MaxFires = 3
	cfg := daemon.Config{
		Tasks: []daemon.Task{{
			Name:    "spring tide",
			Trigger: twoDaysLater,
			Do:      daemon.Func(func(context.Context, daemon.Run) (any, error) { return "close the gates", nil }),
		}},
		Logger: slog.New(slog.DiscardHandler),
	}
	daemon.RegisterTrigger(&cfg, func(m *durationpb.Duration) (schedule.Source, error) {
		if m.AsDuration() < 0 {
			return nil, fmt.Errorf("%s is before the full moon: write 0s or more", m.AsDuration())
		}
		return fullMoon{later: m.AsDuration()}, nil
	})
	d, err := daemon.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	c := d.Client()
	preview, err := c.PreviewTrigger(ctx, twoDaysLater, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, fire := range preview.Fires {
		fmt.Println(fire.Time.Format(time.DateTime))
	}
	_, err = c.UpdateTrigger(ctx, task.ByName("spring tide"), daemon.CustomTrigger(durationpb.New(-time.Hour)), client.UpdateOptions{})
	fmt.Println(err)

	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2027-01-24 09:52:42
	// 2027-02-22 22:36:45
	// 2027-03-24 11:20:48
	// trigger.custom.value: -1h0m0s is before the full moon: write 0s or more
}

// Calendars are declared once and named by as many triggers as need them, also by those that come over the API.
func ExampleConfig_calendars() {
	d, err := daemon.New(daemon.Config{
		Calendars: map[string][]schedule.Exclusion{
			"holidays": {
				schedule.Dates{First: schedule.Date{Year: 2027, Month: 1, Day: 1}, TimeZone: "Europe/Berlin"},
				schedule.Dates{
					First: schedule.Date{Year: 2027, Month: 3, Day: 26}, Last: schedule.Date{Year: 2027, Month: 3, Day: 29},
					TimeZone: "Europe/Berlin",
				},
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

	trigger := schedule.MustParse("at 09:00 mon-fri Europe/Berlin exclude(calendar holidays)")
	preview, err := d.Client().PreviewTrigger(ctx, trigger, time.Date(2027, 3, 24, 12, 0, 0, 0, time.UTC), 3)
	if err != nil {
		log.Fatal(err)
	}
	for _, fire := range preview.Fires {
		fmt.Println(fire.Time.Format("Mon 2006-01-02 15:04"), "after", fire.Excluded.Count, "excluded")
	}
	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// Thu 2027-03-25 08:00 after 0 excluded
	// Tue 2027-03-30 07:00 after 2 excluded
	// Wed 2027-03-31 07:00 after 0 excluded
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
