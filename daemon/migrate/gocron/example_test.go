package gocron_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/clockd/clockd/daemon/migrate/gocron"
)

func greet(ctx context.Context, whom string, times int) error {
	for range times {
		fmt.Println("hello", whom)
	}
	return ctx.Err()
}

// A program for gocron, with what changes in it.
func Example() {
	// was: import "github.com/go-co-op/gocron/v2"
	// was: s, err := gocron.NewScheduler()
	s, err := gocron.NewScheduler(gocron.WithLocation(time.UTC))
	if err != nil {
		log.Fatal(err)
	}

	_, err = s.NewJob(
		gocron.DurationJob(10*time.Second),
		gocron.NewTask(greet, "you", 2),
		gocron.WithSingletonMode(gocron.LimitModeReschedule),
	)
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.NewJob(
		gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(1, -1), gocron.NewAtTimes(gocron.NewAtTime(9, 30, 0))),
		gocron.NewTask(func() { fmt.Println("the month turns") }),
		gocron.WithName("invoices"), // a function literal needs one
		gocron.WithTags("money"),
		gocron.WithLimitedRuns(24),
	)
	if err != nil {
		log.Fatal(err)
	}

	// was: s.Start(), and in the end s.Shutdown()
	tasks, err := s.Tasks()
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tasks {
		fmt.Printf("%s: %s %v\n", t.Name, t.Trigger, t.Labels)
	}
	// d, err := daemon.New(daemon.Config{Tasks: tasks})
	// err = d.Run(ctx)

	// Output:
	// gocron_test.greet: every 10s map[]
	// invoices: cron "30 9 1,L * *" UTC max=24 map[money:true]
}

// What can not be carried over is said all at once, with what to write instead.
func ExampleScheduler_Tasks() {
	s, err := gocron.NewScheduler(gocron.WithLocation(time.UTC))
	if err != nil {
		log.Fatal(err)
	}
	nine := gocron.NewAtTimes(gocron.NewAtTime(9, 0, 0))
	s.NewJob(gocron.DailyJob(2, nine), gocron.NewTask(greet, "you", 1), gocron.WithName("every other day"))
	s.NewJob(gocron.DailyJob(1, nine), gocron.NewTask(greet, "you"), gocron.WithName("greet"))

	_, err = s.Tasks()
	fmt.Println(err)
	// Output:
	// job 1 ("every other day"): interval of 2 days: only 1 can be carried over, because longer ones are counted from the start of the scheduler: write the days into a CronJob, as in "30 10 */2 * *", or use a DurationJob of 48h with WithStartDateTime
	// job 2 ("greet"): 1 parameters for func(context.Context, string, int) error, want 2
}
