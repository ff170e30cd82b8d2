package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
)

// What a run costs that is made here, and one that is made at a worker, while so many tasks wait for workers that are
// not there: with a hub that says which tasks it has places for, and with one that has to be asked for each.
func BenchmarkRunsWhileOthersWaitForWorkers(b *testing.B) {
	for _, idle := range []int{0, 9_900} {
		for _, open := range []bool{false, true} {
			for _, name := range []string{"here", "away"} {
				b.Run(fmt.Sprintf("waiting=%d/open=%v/%s", idle, open, name), func(b *testing.B) { runsBeside(b, idle, open, name) })
			}
		}
	}
}

func runsBeside(b *testing.B, idle int, open bool, name string) {
	c := &crew{freed: make(chan struct{}, 1), work: func(context.Context, target.Attempt) error { return nil }}
	c.has("ann", 4, "away")
	never := schedule.MustParse("every 24h")
	tasks := []engine.Task{
		{Target: local(func(context.Context) error { return nil }), Declaration: task.Declaration{Name: "here", Trigger: never}},
		{Target: c, Declaration: task.Declaration{Name: "away", Trigger: never}},
	}
	for i := range idle {
		tasks = append(tasks, engine.Task{Target: c, Declaration: task.Declaration{Name: fmt.Sprint("idle", i), Trigger: never}})
	}
	cfg := engine.Config{
		Namespace: "default", Store: memory.New(memory.Config{Namespace: "default"}), Program: engine.Program{Tasks: tasks},
		Freed: c.freed, Logger: slog.New(slog.DiscardHandler),
	}
	if open {
		cfg.Open = c.open
	}
	e := engine.New(cfg)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Ready()
	for i := range idle {
		if _, err := e.RunTask(ctx, task.ByName(fmt.Sprint("idle", i)), task.Call{}); err != nil {
			b.Fatal(err)
		}
	}
	allow := task.OverlapAllow
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.RunTask(ctx, task.ByName(name), task.Call{Overlap: &allow, Wait: true}); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	cancel()
	<-ended
}
