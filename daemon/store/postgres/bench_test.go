package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// BenchmarkSize shows that what a daemon does again and again costs the same however much is stored. On two cores with
// another ten programs, in milliseconds, at 10,000, 100,000 and 1,000,000 tasks:
//
//	FIGURES
func BenchmarkSize(b *testing.B) {
	for _, tasks := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(tasks), func(b *testing.B) {
			server, err := pgtest.Start(pgtest.Config{Durable: true, Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := server.Close(); err != nil {
					b.Error(err)
				}
			}()
			url := server.Database(b)
			s := openAt(b, url)
			fill(b, url, tasks)
			middle := fmt.Sprintf("task %08d", tasks/2)
			some, err := s.Task(ctx, task.ByName(middle))
			if err != nil {
				b.Fatal(err)
			}
			for _, c := range []struct {
				name string
				do   func() (any, error)
			}{
				{"Open", func() (any, error) { return nil, openAt(b, url).Close() }},
				{"ListPage", func() (any, error) { return s.Tasks(ctx, task.TaskQuery{After: middle, Limit: 100}) }},
				{"ListPageOfState", func() (any, error) {
					return s.Tasks(ctx, task.TaskQuery{States: []task.State{task.Paused}, Limit: 100})
				}},
				{"ListPageOfNothing", func() (any, error) {
					return s.Tasks(ctx, task.TaskQuery{States: []task.State{task.Exhausted}, Limit: 100})
				}},
				{"ListPageOfGroup", func() (any, error) { return s.Tasks(ctx, task.TaskQuery{Group: "g", Limit: 100}) }},
				{"Task", func() (any, error) { return s.Task(ctx, task.ByName(middle)) }},
				{"History", func() (any, error) { return s.Runs(ctx, task.RunQuery{Limit: 100}) }},
				{"HistoryOfTask", func() (any, error) { return s.Runs(ctx, task.RunQuery{TaskID: some.ID, Limit: 100}) }},
				{"Unfinished", func() (any, error) { return s.Unfinished(ctx, task.RunID(tasks/2), 1000) }},
				{"Claim1000", func() (any, error) {
					return s.Claim(ctx, store.ClaimRequest{Ahead: task.MaxSpan, Limit: 1000}, func(_ time.Time, d store.Due) store.Decision {
						c, at := d.Clock, d.Clock.NextFireTime
						c.NextFireTime = at.Add(24 * time.Hour)
						return store.Decision{Clock: c, State: d.State, Record: []task.Run{
							{TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: at, Fires: 1},
						}}
					})
				}},
				{"Edit", func() (any, error) {
					return s.Update(ctx, []uuid.UUID{some.ID}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
						t.Version++
						return store.Change{Task: t}, nil
					})
				}},
			} {
				b.Run(c.name, func(b *testing.B) {
					for b.Loop() {
						if _, err := c.do(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
