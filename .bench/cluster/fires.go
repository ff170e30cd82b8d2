package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5"
)

// alwaysDue is the interval of tasks of which there are too many for it.
const alwaysDue = 100 * time.Millisecond

// measureFires lets so many nodes fire tasks that are always due.
func measureFires(ctx context.Context, s *server, o *options, nodes int) (m measurement, err error) {
	err = o.fire(ctx, s, "fires", nodes, o.tasks, alwaysDue, func(conn *pgx.Conn, from, until time.Time) error {
		var runs int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM clockd.runs WHERE state = $1 AND end_time >= $2 AND end_time < $3",
			task.Succeeded, from, until).Scan(&runs)
		m.rate = float64(runs) / until.Sub(from).Seconds()
		return err
	}, &m)
	return m, err
}

// measureLateness lets so many nodes fire tasks at a rate that they can keep.
func measureLateness(ctx context.Context, s *server, o *options, nodes int) (m measurement, err error) {
	interval := task.Instant(epoch.Add(time.Duration(float64(o.lateTasks) / float64(o.rate) * float64(time.Second)))).Sub(epoch)
	err = o.fire(ctx, s, "lateness", nodes, o.lateTasks, interval, func(conn *pgx.Conn, from, until time.Time) error {
		var runs, instants int
		var late []float64
		err := conn.QueryRow(ctx, `
			SELECT count(*), count(DISTINCT (task, scheduled_time)),
			  percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM start_time - scheduled_time)::float8)
			FROM clockd.runs WHERE state = $1 AND scheduled_time >= $2 AND scheduled_time < $3`,
			task.Succeeded, from, until).Scan(&runs, &instants, &late)
		if err != nil {
			return err
		}
		if want := planned(o.lateTasks, interval, from, until); runs != want || instants != want {
			return fmt.Errorf("%d runs succeeded, of %d instants: %d were planned", runs, instants, want)
		}
		seconds := func(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
		m.rate = float64(runs) / until.Sub(from).Seconds()
		m.p50, m.p99, m.worst = seconds(late[0]), seconds(late[1]), seconds(late[2])
		return nil
	}, &m)
	return m, err
}

// fire lets nodes fire tasks for a while, and counts what they have left once they have stopped. The rate is count's to say.
func (o *options) fire(ctx context.Context, s *server, what string, nodes, tasks int, interval time.Duration,
	count func(conn *pgx.Conn, from, until time.Time) error, m *measurement,
) (err error) {
	name, remove, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	var all []*process
	defer func() { err = errors.Join(err, endAll(all)) }()
	for i := range nodes {
		p, err := startProcess(ctx, o, fmt.Sprintf("%s-%d-of-%d", what, i+1, nodes), "node",
			"-tasks", fmt.Sprint(tasks), "-interval", interval.String(), s.URL(name))
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	if err := s.Exec(ctx, name, "CHECKPOINT"); err != nil {
		return err
	}
	if err := sleep(ctx, o.settle); err != nil {
		return err
	}
	for _, p := range all {
		if err := p.proceed(); err != nil {
			return err
		}
	}
	before, err := readCPU(s, all)
	if err != nil {
		return err
	}
	if err := sleep(ctx, o.window); err != nil {
		return err
	}
	after, err := readCPU(s, all)
	if err != nil {
		return err
	}
	from, until := task.Instant(before.at), task.Instant(after.at)
	conn, err := pgx.Connect(ctx, s.URL(name))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if interval != alwaysDue {
		if err := ended(ctx, conn, until); err != nil {
			return err
		}
	}
	ending := all
	all = nil
	if err := endAll(ending); err != nil {
		return err
	}
	if err := count(conn, from, until); err != nil {
		return err
	}
	m.spend(before, after, m.rate*until.Sub(from).Seconds())
	return nil
}

// ended waits until all fires that were due before an instant have ended.
func ended(ctx context.Context, conn *pgx.Conn, until time.Time) error {
	for late := time.Now(); ; {
		var all bool
		err := conn.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM clockd.clocks WHERE next_fire_time < $1)
			AND NOT EXISTS (SELECT FROM clockd.open_runs WHERE scheduled_time < $1)`, until).Scan(&all)
		if err != nil || all {
			return err
		}
		if time.Since(late) > time.Minute {
			return errors.New("a minute after the window not all of its fires have ended: the rate is too high")
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep returns after a while, or with an error when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
