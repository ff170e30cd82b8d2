package cron_test

import (
	"fmt"
	"log"
	"time"

	"github.com/clockd/clockd/daemon/migrate/cron"
	"github.com/clockd/clockd/daemon/schedule"
)

func rotate() { fmt.Println("rotated") }

type report struct{}

func (report) Run() { fmt.Println("reported") }

// A program for robfig/cron, with what changes in it.
func Example() {
	// was: import "github.com/robfig/cron/v3"
	// was: c := cron.New(cron.WithChain(cron.SkipIfStillRunning(cron.DefaultLogger)))
	c := cron.New(cron.WithChain(cron.SkipIfStillRunning()), cron.WithLocation(time.UTC))

	c.AddFunc("30 3-6,20-23 * * *", rotate)
	c.AddJob("CRON_TZ=Asia/Tokyo 30 04 * * *", report{})
	// was: c.AddFunc("@every 1h30m", func() { ... })
	c.Named("greet").AddFunc("@every 1h30m", func() { fmt.Println("hello") })

	// was: c.Start()
	tasks, err := c.Tasks()
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tasks {
		fmt.Printf("%s: %s\n", t.Name, t.Trigger)
	}
	// d, err := daemon.New(daemon.Config{Tasks: tasks})
	// err = d.Run(ctx)

	// Output:
	// cron_test.rotate: cron "30 3-6,20-23 * * *" UTC
	// cron_test.report: cron "30 04 * * *" Asia/Tokyo
	// greet: every 1h30m
}

// What can not be carried over is said all at once, although nobody looked at what AddFunc returned.
func ExampleCron_Tasks() {
	c := cron.New(cron.WithLocation(time.UTC))
	c.AddFunc("@daily", rotate)
	c.AddFunc("@weekly", rotate)
	c.Named("leap").AddFunc("0 0 30 2 *", rotate)

	_, err := c.Tasks()
	fmt.Println(err)
	// Output:
	// entry 2: entry 1 has the name "cron_test.rotate" already: give one of them another, as in c.Named("...").AddFunc
	// entry 3 ("leap"): spec "0 0 30 2 *": cron.expression: day of month "30" with month "2" and day of week "*" is a date that never comes
}

// Specs that are kept somewhere, and not in the program, become triggers on their own.
func ExampleParser_Trigger() {
	p := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	t, err := p.Trigger("CRON_TZ=Europe/Berlin 0 30 9 ? * MON-FRI", time.UTC)
	if err != nil {
		log.Fatal(err)
	}
	compiled, err := schedule.Compile(t)
	if err != nil {
		log.Fatal(err)
	}
	fire, _ := compiled.Next(time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC), schedule.Progress{})
	fmt.Println(t)
	fmt.Println(fire)
	// Output:
	// cron "30 9 * * MON-FRI" Europe/Berlin
	// 2027-01-04 08:30:00 +0000 UTC
}
