package daemon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// A day in which nobody is there, and what the records say of it then: of each policy a tenth of the tasks, each
// with an hour of its own, so that the table is right for all of them together and for each.
func TestAfterADayDownEachTaskCatchesUpAsItSaysAndTheTableIsRight(t *testing.T) {
	const each = 100 // of ten kinds; the process test has ten thousand tasks
	kinds := []struct {
		name, trigger string
		policy        task.Policy
		want          task.Counts // after the day and the first minute
	}{
		{"one-hourly", "every 1h", task.Policy{}, task.Counts{Succeeded: 1, Merged: 23}},
		{"all-hourly", "every 1h", task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}, task.Counts{Succeeded: 24}},
		{"all-hourly-window", "every 1h", task.Policy{CatchUp: task.CatchUpAll, CatchUpWindow: 150 * time.Minute, Overlap: task.OverlapAllow}, task.Counts{Succeeded: 3, Missed: 21}},
		{"one-hourly-window", "every 1h", task.Policy{CatchUpWindow: 150 * time.Minute}, task.Counts{Succeeded: 1, Merged: 2, Missed: 21}},
		{"none-hourly", "every 1h", task.Policy{CatchUp: task.CatchUpNone}, task.Counts{Succeeded: 1, Missed: 23}},
		{"one-by-minute", "every 1m", task.Policy{}, task.Counts{Succeeded: 2, Merged: 1439}},
		{"none-by-minute", "every 1m", task.Policy{CatchUp: task.CatchUpNone}, task.Counts{Succeeded: 2, Missed: 1439}},
		{"excluded-nights", "every 1h exclude(window 22:00-06:00 UTC)", task.Policy{}, task.Counts{Succeeded: 1, Merged: 15, SkippedExcluded: 5}}, // the last three are recorded with the next fire
		{"daily", "every 24h", task.Policy{CatchUp: task.CatchUpNone}, task.Counts{Succeeded: 1}},
		{"weekly", "every 168h", task.Policy{}, task.Counts{}},
	}
	inWorld(t, func(t *testing.T, w *world) {
		var tasks []daemon.Task
		for _, kind := range kinds {
			for i := range each {
				tasks = append(tasks, daemon.Task{
					Name: fmt.Sprintf("%s-%04d", kind.name, i), Trigger: schedule.MustParse(kind.trigger), Policy: kind.policy,
					Do: daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil }),
				})
			}
		}
		w.start(tasks...)
		w.stop()
		// The last instant of the day is not past the grace, so it is late and not missed.
		w.sleep(24*time.Hour + time.Second)
		c := w.start(tasks...)
		w.sleep(time.Minute)
		for got, err := range c.Tasks(t.Context(), client.TaskFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, kind := range kinds {
				if name := got.Declaration.Name; name[:len(name)-5] == kind.name && got.Counts != kind.want {
					t.Fatalf("%s:\n got %+v\nwant %+v", name, got.Counts, kind.want)
				}
			}
		}
	})
}
