package schedule_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// A daily task at 02:30 is not lost when the clock goes from 02:00 to 03:00.
func ExampleCompiled_Next() {
	c, err := schedule.Compile(schedule.Trigger{
		Kind: schedule.At{Hour: 2, Minute: 30, TimeZone: "Europe/Berlin"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	berlin, _ := time.LoadLocation("Europe/Berlin")
	t := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for range 3 {
		t, _ = c.Next(t, schedule.Progress{})
		fmt.Println(t.In(berlin))
	}
	// Output:
	// 2026-03-28 02:30:00 +0100 CET
	// 2026-03-29 03:00:00 +0200 CEST
	// 2026-03-30 02:30:00 +0200 CEST
}

// The caller remembers what fired, and hands it back with the next question.
func ExampleCompiled_Count() {
	trigger, err := schedule.Parse("any(every 1h max=2; at 12:30 UTC) max=3")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _ := schedule.Compile(trigger)
	p := schedule.Progress{Anchor: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	fire, status := c.First(p)
	for status == schedule.Fires {
		p = c.Count(fire, 0, p)
		fmt.Println(fire.Format(time.RFC3339), p.Fires)
		fire, status = c.Next(fire, p)
	}
	// Output:
	// 2026-05-01T12:30:00Z [1 0 1]
	// 2026-05-01T13:00:00Z [2 1 1]
	// 2026-05-01T14:00:00Z [3 2 1]
}

// All problems are found at once, each with its path.
func ExampleInvalidError() {
	_, err := schedule.Parse(`any(at 24:00 UTC; cron "61 3 * * *" Berlin)`)
	var invalid *schedule.InvalidError
	if errors.As(err, &invalid) {
		for _, v := range invalid.Violations {
			fmt.Println(v.Field + ": " + v.Description)
		}
	}
	// Output:
	// any_of.triggers[0].at.hour: 24 is outside 0-23
	// any_of.triggers[1].cron.expression: minute "61" is outside 0-59
	// any_of.triggers[1].cron.time_zone: "Berlin" is not an IANA name: write UTC or an IANA name such as Europe/Berlin
}
