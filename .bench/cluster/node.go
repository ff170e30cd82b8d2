package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/task"
)

const namespace = "bench"

// epoch is the first instant of the first task. It lies in the past: what is due begins with the declaration.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// firstFire is the first instant of the i-th of some tasks: they are spread evenly over their interval.
func firstFire(i, tasks int, interval time.Duration) time.Time {
	return task.Instant(epoch.Add(time.Duration(float64(interval) * float64(i) / float64(tasks))))
}

// planned is how many instants tasks have in a window.
func planned(tasks int, interval time.Duration, from, until time.Time) int {
	before := func(t, first time.Time) int { return int((t.Sub(first) + interval - 1) / interval) }
	n := 0
	for i := range tasks {
		first := firstFire(i, tasks, interval)
		n += before(until, first) - before(from, first)
	}
	return n
}

// nodeRole is one node: a daemon whose tasks do nothing.
func nodeRole(ctx context.Context, r *role, args []string) (err error) {
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	profile := flags.String("cpuprofile", "", "")
	tasks := flags.Int("tasks", 0, "")
	interval := flags.Duration("interval", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := postgres.Open(ctx, postgres.Config{URL: flags.Arg(0), Namespace: namespace, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	cfg := daemon.Config{Namespace: namespace, Store: st, Logger: log, Revision: 1, Tasks: make([]daemon.Task, *tasks)}
	for i := range cfg.Tasks {
		cfg.Tasks[i] = daemon.Task{
			Name: fmt.Sprintf("bench-%07d", i), Do: nothing,
			Trigger: schedule.Trigger{
				Kind:      schedule.Every{Interval: *interval, FirstFire: schedule.Immediate},
				StartTime: firstFire(i, *tasks, *interval),
			},
			Policy: task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow},
		}
	}
	d, err := daemon.New(cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	select {
	case <-d.Ready():
	case err := <-ended:
		return err
	}
	stopProfile, err := r.ready(*profile)
	if err != nil {
		stop()
		return errors.Join(err, <-ended)
	}
	r.end()
	err = stopProfile()
	stop()
	return errors.Join(err, <-ended)
}
