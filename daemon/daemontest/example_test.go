package daemontest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/daemontest"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// tasks are those of a program.
func tasks() []daemon.Task {
	return []daemon.Task{{
		Name:    "report",
		Trigger: schedule.MustParse("any(at 09:00 UTC; at 21:00 UTC)"),
		Do:      daemon.Func(func(run daemon.Run) string { return "sold until " + run.ScheduledTime.Format("15:04") }),
	}}
}

func TestADayPassesInNoTimeAndTheReportRunsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := daemontest.Start(t, daemon.Config{Tasks: tasks()}) // it is midnight
		time.Sleep(24 * time.Hour)

		runs := d.Runs("report")
		if len(runs) != 2 {
			t.Fatalf("%d runs in a day, want 2", len(runs))
		}
		for i, hour := range []int{9, 21} {
			if at := runs[i].ScheduledTime; at.Hour() != hour || runs[i].State != task.Succeeded {
				t.Errorf("run %d at %s: %s", i, at, runs[i].State)
			}
		}
	})
}
