package remote_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
)

// One attempt through the hub: reserved, handed out, ended, recorded; by so many callers at the same time.
func BenchmarkAttempt(b *testing.B) {
	for name, c := range map[string]struct{ workers, tasks int }{
		"100 workers of 100 tasks": {100, 100}, "one worker of 10000 tasks": {1, 10_000},
	} {
		b.Run(name, func(b *testing.B) {
			h := remote.New(remote.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
			var names []string
			for i := range c.tasks {
				names = append(names, fmt.Sprintf("task-%05d", i))
			}
			var crowd sync.WaitGroup
			for n := range c.workers {
				s, err := h.Connect(task.Hello{ID: id(n + 1), Name: "w", Tasks: names, Places: 100})
				if err != nil {
					b.Fatal(err)
				}
				crowd.Go(func() {
					for {
						o, err := s.Next(context.Background())
						switch {
						case err != nil:
							return
						case o.Assign != nil:
							s.End(task.Result{AttemptRef: o.Assign.AttemptRef})
						case o.Ping != 0:
							s.Pong(o.Ping)
						}
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			const callers = 8
			var calls sync.WaitGroup
			for k := range callers {
				calls.Go(func() {
					for i := k; i < b.N; i += callers {
						name := names[i%len(names)]
						a := target.Attempt{RunID: task.RunID(i + 1), Number: 1, TaskName: name}
						if _, err := reserve(h, name).Do(context.Background(), a); err != nil {
							b.Error(err)
						}
					}
				})
			}
			calls.Wait()
			b.StopTimer()
			h.Close()
			crowd.Wait()
		})
	}
}

// A worker of 10000 tasks connects anew, among 100 others of the same tasks.
func BenchmarkConnect(b *testing.B) {
	h := remote.New(remote.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	defer h.Close()
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("task-%05d", i))
	}
	for n := range 100 {
		if _, err := h.Connect(task.Hello{ID: id(n + 2), Name: "w", Tasks: names, Places: 100}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Connect(task.Hello{ID: id(1), Name: "w", Tasks: names, Places: 100}); err != nil {
			b.Fatal(err)
		}
	}
}
