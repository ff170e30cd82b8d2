package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// benchTasks is how many tasks there are. All are due all the time, so that claims rotate through all of
// them: the worst case for a store that has what was used last at hand.
const benchTasks = 100_000

// Bench measures a store of [Namespace], which open returns empty; Bench closes it. The tasks are loaded
// once and shared, so the history grows from one measurement to the next.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	f := &fixture{TB: b, Store: open(b)}
	b.Cleanup(func() { f.ok(f.Close()) })
	all := names("tenant-", benchTasks)
	start := time.Now()
	for chunk := range slices.Chunk(all, 1000) {
		f.create(benchValues(chunk)...)
	}
	load := time.Since(start)

	b.Run(fmt.Sprintf("Load/tasks=%d", benchTasks), func(b *testing.B) {
		for b.Loop() { // measured above, once
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(load.Seconds(), "s")
		b.ReportMetric(benchTasks/load.Seconds(), "tasks/s")
	})
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("Claim/batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.claimBatch(b, batch)
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "fires/s")
		})
	}
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("ClaimAndRecord/batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.recordBatch(b, f.claimBatch(b, batch))
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "fires/s")
		})
	}
	for _, batch := range []int{100, 1000} {
		b.Run(fmt.Sprintf("UpdateWhileClaiming/batch=%d", batch), func(b *testing.B) { f.updateWhileClaiming(b, batch, all) })
	}
	for _, page := range []struct{ name, after string }{
		{"first", ""}, {"middle", all[benchTasks/2]}, {"last", all[benchTasks-1001]},
	} {
		b.Run("Tasks/page=1000/"+page.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tasks, err := f.Tasks(ctx, task.TaskQuery{After: page.after, Limit: 1000})
				if err != nil || len(tasks) != 1000 {
					b.Fatalf("%d tasks, error %v", len(tasks), err)
				}
			}
		})
	}
	b.Run("Runs/page=100/of one task", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Runs(ctx, task.RunQuery{TaskID: idOf(all[0]), Limit: 100}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Task", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Task(ctx, task.ByName(all[777])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchValues are tasks as users have them, spread over an hour of the past.
func benchValues(names []string) []task.Task {
	tasks := make([]task.Task, len(names))
	for i, name := range names {
		t := newTask(name, past(time.Duration(uuidSpread(idOf(name)))*time.Millisecond))
		t.Declaration.Description = "Sends the report of this tenant to all who asked for it"
		t.Declaration.Group = "reports"
		t.Declaration.Labels = map[string]string{"team": "billing", "tier": "gold"}
		t.Declaration.Trigger = schedule.Trigger{Kind: schedule.Cron{Expression: "*/5 8-18 * * 1-5", TimeZone: "Europe/Berlin"}}
		t.Declaration.Target.Summary = "github.com/example/reports.Send"
		tasks[i] = t
	}
	return tasks
}

// uuidSpread is a number below an hour in milliseconds that looks random and is not.
func uuidSpread(id uuid.UUID) int { return (int(id[0])<<16 | int(id[1])<<8 | int(id[2])) % 3_600_000 }

func (f *fixture) claimBatch(b *testing.B, batch int) []store.Fire {
	claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: batch}, func(_ time.Time, d store.Due) store.Decision {
		clock := d.Clock
		clock.NextFireTime = clock.NextFireTime.Add(30*time.Second + time.Duration(uuidSpread(d.ID)%60_000)*time.Millisecond)
		clock.RecordedTime = d.Clock.NextFireTime
		clock.FireCount++
		clock.Progress.LastFire = d.Clock.NextFireTime
		clock.Progress.Fires = []int64{clock.FireCount}
		return store.Decision{
			Record: []task.Run{{
				TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: d.Clock.NextFireTime, Fires: 1, Attempt: 1,
			}},
			Clock: clock,
			State: d.State,
		}
	})
	if err != nil || len(claimed.Fires) != batch {
		b.Fatalf("%d fires, error %v", len(claimed.Fires), err)
	}
	return claimed.Fires
}

func (f *fixture) recordBatch(b *testing.B, fires []store.Fire) {
	reports := make([]store.Report, len(fires))
	for i, fire := range fires {
		at := fire.Run.ScheduledTime
		reports[i].FromAttempt = fire.Run.Attempt
		reports[i].Run = task.Run{
			ID: fire.Run.ID, State: task.Succeeded, StartTime: at.Add(time.Millisecond), EndTime: at.Add(time.Second), Attempt: 1,
		}
	}
	late, err := f.Record(ctx, reports, nil)
	if err != nil || len(late) > 0 {
		b.Fatalf("%d are late, error %v", len(late), err)
	}
}

// updateWhileClaiming measures how long one change of a task takes while another goroutine claims as
// fast as it can.
func (f *fixture) updateWhileClaiming(b *testing.B, batch int, all []string) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	claims := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			f.claimBatch(b, batch)
			claims++
		}
	})
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := f.Update(ctx, []uuid.UUID{idOf(all[len(took)*7919%len(all)])}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
			t.Version++
			return store.Change{Task: t}, nil
		})
		if err != nil {
			b.Error(err)
			break
		}
		took = append(took, time.Since(start))
	}
	stop()
	wg.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		return
	}
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(claims*batch)/b.Elapsed().Seconds(), "fires/s")
}
