package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// What River is set up with: see the package comment.
const (
	riverWorkers  = 2000
	riverCooldown = river.FetchCooldownMin
	riverPoll     = 20 * time.Millisecond
	riverBatch    = 5000 // jobs of one insertion
)

type nothingArgs struct {
	Number int `json:"number"`
}

func (nothingArgs) Kind() string { return "nothing" }

type nothingWorker struct {
	river.WorkerDefaults[nothingArgs]
}

func (nothingWorker) Work(context.Context, *river.Job[nothingArgs]) error { return nil }

// measureRiver burns jobs down with so many processes.
func measureRiver(ctx context.Context, s *server, o *options, processes int) (m measurement, err error) {
	name, remove, err := s.database(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := insertJobs(ctx, s.URL(name), o.jobs); err != nil {
		return m, err
	}
	for _, statement := range []string{"VACUUM ANALYZE river_job", "CHECKPOINT"} {
		if err := s.Exec(ctx, name, statement); err != nil {
			return m, err
		}
	}
	var all []*process
	defer func() { err = errors.Join(err, endAll(all)) }()
	for i := range processes {
		p, err := startProcess(ctx, o, fmt.Sprintf("river-%d-of-%d", i+1, processes), "river", s.URL(name))
		if err != nil {
			return m, err
		}
		all = append(all, p)
	}
	before, err := readCPU(s, all)
	if err != nil {
		return m, err
	}
	begin := time.Now()
	for _, p := range all {
		if err := p.proceed(); err != nil {
			return m, err
		}
	}
	last, err := worked(ctx, all, o.jobs)
	if err != nil {
		return m, err
	}
	after, err := readCPU(s, all)
	if err != nil {
		return m, err
	}
	m.rate = float64(o.jobs) / last.Sub(begin).Seconds()
	m.spend(before, after, float64(o.jobs))
	return m, completed(ctx, s.URL(name), o.jobs)
}

// worked waits until processes have told of so many jobs, and returns when the last was completed.
func worked(ctx context.Context, all []*process, jobs int) (last time.Time, err error) {
	defer context.AfterFunc(ctx, func() {
		for _, p := range all {
			_ = p.in.Close() // they end then, and have no more lines
		}
	})()
	for sum := 0; sum < jobs; {
		sum = 0
		for _, p := range all {
			line, err := p.line()
			if err != nil {
				return last, err
			}
			var n int
			var at int64
			if _, err := fmt.Sscanf(line, "worked %d %d", &n, &at); err != nil {
				return last, fmt.Errorf("river: %q: %w", line, err)
			}
			sum += n
			if at := time.UnixMicro(at); n > 0 && at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

// insertJobs makes River's tables and all jobs.
func insertJobs(ctx context.Context, url string, jobs int) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	quiet := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	client, err := river.NewClient(driver, &river.Config{Logger: quiet})
	if err != nil {
		return err
	}
	for done := 0; done < jobs; {
		batch := make([]river.InsertManyParams, min(riverBatch, jobs-done))
		for i := range batch {
			batch[i].Args = nothingArgs{Number: done + i}
		}
		n, err := client.InsertManyFast(ctx, batch)
		if err != nil {
			return err
		}
		done += n
	}
	return nil
}

// completed returns an error unless that is how many jobs are completed, and no other is there.
func completed(ctx context.Context, url string, jobs int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var all, done int
	err = conn.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE state = 'completed') FROM river_job").Scan(&all, &done)
	if err == nil && (all != jobs || done != jobs) {
		err = fmt.Errorf("river: %d of %d jobs are completed: there should be %d", done, all, jobs)
	}
	return err
}

// riverRole is one process of River. It says how many jobs it has worked, and when the last was completed.
func riverRole(ctx context.Context, r *role, args []string) error {
	flags := flag.NewFlagSet("river", flag.ContinueOnError)
	profile := flags.String("cpuprofile", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	defer pool.Close()
	workers := river.NewWorkers()
	river.AddWorker(workers, &nothingWorker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: riverCooldown, FetchPollInterval: riverPoll,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Workers: workers,
	})
	if err != nil {
		return err
	}
	events, unsubscribe := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: 100_000, // what does not fit is not told
		Kinds:    []river.EventKind{river.EventKindJobCompleted},
	})
	defer unsubscribe()
	stopProfile, err := r.ready(*profile)
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}

	var count int
	var last time.Time
	ended := make(chan struct{})
	go func() {
		r.end()
		close(ended)
	}()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-events:
			count, last = count+1, time.Now()
		case <-ticker.C:
			fmt.Fprintf(r.out, "worked %d %d\n", count, last.UnixMicro())
		case <-ended:
			return errors.Join(stopProfile(), client.Stop(ctx))
		}
	}
}
