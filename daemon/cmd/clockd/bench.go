package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

type benchCommand struct {
	Store    string        `help:"The store to measure: sqlite:FILE (a new file), postgres://USER@HOST/DATABASE?schema=NAME (a new schema), or memory:. Default: a SQLite file in a temporary folder, removed afterwards." placeholder:"URL"`
	Tasks    int           `help:"How many tasks share the load." default:"10000"`
	Rate     int           `help:"How many fires a second." default:"10000"`
	Duration time.Duration `help:"How long." default:"30s"`
	logFlags
}

// Run drives a whole daemon, with tasks that do nothing, at a fixed rate; then reads every run back from the
// store and says what became of each planned instant.
func (c *benchCommand) Run(ctx context.Context, env environment) error {
	if c.Tasks < 1 || c.Rate < 1 || c.Duration < time.Second {
		return usageError{errors.New("bench: --tasks and --rate must be at least 1, --duration at least 1s")}
	}
	interval := time.Duration(float64(c.Tasks) / float64(c.Rate) * float64(time.Second)).Truncate(time.Microsecond)
	if interval < time.Millisecond {
		return usageError{fmt.Errorf("bench: %d tasks at %d fires a second fire every %s each: at least 1ms is needed; give it more tasks", c.Tasks, c.Rate, interval)}
	}
	where := c.Store
	if where == "" {
		folder, err := os.MkdirTemp("", "clockd-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		where = "sqlite:" + filepath.Join(folder, "bench.db")
	}
	log := c.logger(env.stderr)
	st, where, err := openStore(ctx, where, "bench", env.getenv, log)
	if err != nil {
		return err
	}
	defer st.Close()
	// What is there already would be measured too.
	switch tasks, err := st.Tasks(ctx, task.TaskQuery{Limit: 1}); {
	case err != nil:
		return err
	case len(tasks) > 0:
		return usageError{fmt.Errorf("bench: store %q has tasks: give it a new file, or a new schema of PostgreSQL with schema=NAME", where)}
	}

	// Each task fires every interval; they are spread evenly over it. The first instant leaves time to load, which takes
	// longer where each step goes through a network.
	load := time.Second + time.Duration(c.Tasks)*100*time.Microsecond
	if _, shared := st.(store.Cluster); shared {
		load += 5 * time.Second
	}
	begin := task.Instant(time.Now().Add(load))
	end := begin.Add(c.Duration)
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	cfg := daemon.Config{Namespace: "bench", Store: st, Logger: log, Tasks: make([]daemon.Task, c.Tasks)}
	for i := range cfg.Tasks {
		cfg.Tasks[i] = daemon.Task{
			Name: fmt.Sprintf("bench-%07d", i), Do: nothing,
			Trigger: schedule.Trigger{
				Kind:      schedule.Every{Interval: interval, FirstFire: schedule.Immediate},
				StartTime: begin.Add(interval * time.Duration(i) / time.Duration(c.Tasks)),
				EndTime:   end.Add(-time.Microsecond),
			},
			// Each instant is to be seen, however far the machine falls behind.
			Policy: task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow},
		}
	}
	d, err := daemon.New(cfg)
	if err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	started := time.Now()
	go func() { ended <- d.Run(runCtx) }()
	select {
	case <-d.Ready():
	case err := <-ended:
		return err
	}
	fmt.Fprintf(env.stdout, "store     %s\nmachine   %d CPUs, %s/%s, %s\n", where, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(env.stdout, "load      %d tasks declared in %s\n", c.Tasks, time.Since(started).Round(time.Millisecond))
	if time.Now().After(begin) {
		return fmt.Errorf("bench: declaring the tasks took longer than the %s set aside for it", load)
	}
	timer := time.NewTimer(time.Until(end) + 2*time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), <-ended)
	}
	report, err := measure(ctx, d.Client(), cfg.Tasks, interval, end)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	return report.print(env, c.Duration)
}

// benchReport is what became of the planned instants.
type benchReport struct {
	planned, recorded, succeeded, doubled, missing, unplanned int
	lateness                                                  []time.Duration
	last                                                      time.Time // end of the last run
	end                                                       time.Time
}

// measure reads every run back over the API.
func measure(ctx context.Context, c *client.Client, tasks []daemon.Task, interval time.Duration, end time.Time) (*benchReport, error) {
	type instant struct {
		task string
		time int64
	}
	r := &benchReport{end: end}
	planned := make(map[instant]int)
	for _, t := range tasks {
		for at := t.Trigger.StartTime; at.Before(end); at = at.Add(interval) {
			planned[instant{t.Name, task.Instant(at).UnixMicro()}] = 0
		}
	}
	r.planned = len(planned)
	for run, err := range c.Runs(ctx, client.RunFilter{}) {
		if err != nil {
			return nil, fmt.Errorf("reading the runs back: %w", err)
		}
		r.recorded++
		key := instant{run.TaskName, run.ScheduledTime.UnixMicro()}
		n, ok := planned[key]
		switch {
		case !ok:
			r.unplanned++
		case n > 0:
			r.doubled++
		}
		planned[key] = n + 1
		if run.State == task.Succeeded {
			r.succeeded++
			r.lateness = append(r.lateness, run.Lateness())
		}
		if run.EndTime.After(r.last) {
			r.last = run.EndTime
		}
	}
	for _, n := range planned {
		if n == 0 {
			r.missing++
		}
	}
	return r, nil
}

func (r *benchReport) print(env environment, d time.Duration) error {
	slices.Sort(r.lateness)
	quantile := func(q float64) time.Duration {
		if len(r.lateness) == 0 {
			return 0
		}
		return r.lateness[min(int(q*float64(len(r.lateness))), len(r.lateness)-1)].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(env.stdout, "fires     %d planned in %s (%.0f/s), %d recorded, %d succeeded, %d missing, %d doubled, %d unplanned\n",
		r.planned, d, float64(r.planned)/d.Seconds(), r.recorded, r.succeeded, r.missing, r.doubled, r.unplanned)
	fmt.Fprintf(env.stdout, "lateness  p50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n",
		quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999), quantile(1))
	fmt.Fprintf(env.stdout, "backlog   last run ended %s after the last instant\n", max(0, r.last.Sub(r.end)).Round(time.Millisecond))
	if r.missing > 0 || r.doubled > 0 || r.unplanned > 0 || r.succeeded != r.planned {
		return errors.New("bench: not every planned instant has exactly one run that succeeded")
	}
	return nil
}
