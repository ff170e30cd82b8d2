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

// BenchmarkSize shows that what a daemon does again and again costs the same however much is stored. In milliseconds, on two
// cores that had others to serve too, with 10,000, 100,000 and 1,000,000 tasks: Open 21, 19, 22; a page of 100 tasks 1.1, 1.0, 1.5,
// of a state that few have 1.3, 1.2, 1.3, of a group 1.2, 1.4, 1.5; a task 0.12, 0.19, 0.17; a page of 100 runs 0.5, 0.6, 0.6;
// 1,000 unfinished runs 4.2, 4.0, 3.6; an edit 2.8, 1.7, 1.2; a claim of 1,000 37, 30, 31.
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
			defer func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}()
			fill(b, url, tasks)
			middle := fmt.Sprintf("task %08d", tasks/2)
			some, err := s.Task(ctx, task.ByName(middle))
			if err != nil {
				b.Fatal(err)
			}
			page := func(q task.TaskQuery) func() error {
				return func() error {
					_, err := s.Tasks(ctx, q)
					return err
				}
			}
			runs := func(q task.RunQuery) func() error {
				return func() error {
					_, err := s.Runs(ctx, q)
					return err
				}
			}
			for _, c := range []struct {
				name string
				do   func() error
			}{
				{"Open", func() error { return openAt(b, url).Close() }},
				{"Page", page(task.TaskQuery{After: middle, Limit: 100})},
				{"PageOfState", page(task.TaskQuery{States: []task.State{task.Paused}, Limit: 100})},
				{"PageOfNothing", page(task.TaskQuery{States: []task.State{task.Exhausted}, Limit: 100})},
				{"PageOfGroup", page(task.TaskQuery{Group: "g", Limit: 100})},
				{"Task", func() error {
					_, err := s.Task(ctx, task.ByName(middle))
					return err
				}},
				{"History", runs(task.RunQuery{Limit: 100})},
				{"HistoryOfTask", runs(task.RunQuery{TaskID: some.ID, Limit: 100})},
				{"Unfinished", func() error {
					_, err := s.Unfinished(ctx, task.RunID(tasks/2), 1000)
					return err
				}},
				{"Edit", func() error {
					_, err := s.Update(ctx, []uuid.UUID{some.ID}, func(_ uuid.UUID, t *task.Task) (store.Change, error) {
						t.Version++
						return store.Change{Task: t}, nil
					})
					return err
				}},
				{"Claim1000", func() error {
					_, err := s.Claim(ctx, store.ClaimRequest{Ahead: task.MaxSpan, Limit: 1000}, func(_ time.Time, d store.Due) store.Decision {
						c, at := d.Clock, d.Clock.NextFireTime
						c.NextFireTime = at.Add(24 * time.Hour)
						return store.Decision{Clock: c, State: d.State, Record: []task.Run{
							{TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: at, Fires: 1},
						}}
					})
					return err
				}},
			} {
				b.Run(c.name, func(b *testing.B) {
					for b.Loop() {
						if err := c.do(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}
