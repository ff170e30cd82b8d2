package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlDaysAfter = `SELECT day, first_run FROM days WHERE day > $1 ORDER BY day`
	sqlBeginDay  = `INSERT INTO days (day, first_run) VALUES ($1, $2)`
	sqlForgetDay = `DELETE FROM days WHERE day = $1`

	sqlPartitions = `SELECT clock_timestamp(), array(
		SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'runs'::regclass ORDER BY 1)`
	// Whether a run that was recorded on the day $1 has still to end.
	sqlOpenOfDay = `SELECT EXISTS (SELECT 1 FROM open_runs WHERE run >= (SELECT first_run FROM days WHERE day = $1)
		AND run < coalesce((SELECT first_run FROM days WHERE day > $1 ORDER BY day LIMIT 1), 9223372036854775807))`
)

const (
	// partitionPrefix and partitionLayout make the name of a partition, such as runs_20260102.
	partitionPrefix = "runs_"
	partitionLayout = "20060102"
	// partitionAge is how many days old a partition is at least that is dropped.
	partitionAge = 2
	// dropEvery is how often the store looks for partitions to drop.
	dropEvery = time.Hour
)

// turn returns the days as they are for a transaction that has locked the row store. newest is the last of the table days,
// read with the lock; now is the clock of the store; first is the number of the first run that the transaction records,
// 0: it records none. If a day begins with that, the statement that says so is put into b, and the day is in the answer: the
// others learn of it when the transaction has committed, and so does this Store.
func (s *Store) turn(ctx context.Context, q querier, newest pgtype.Date, now time.Time, first int64, b *pgx.Batch) (calendar, error) {
	c := s.days.known()
	if newest.Valid && newest.Time.After(c.last()) {
		rows, err := q.Query(ctx, sqlDaysAfter, c.newest())
		if err != nil {
			return nil, err
		}
		news, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (day, error) {
			var d dayRow
			err := row.Scan(d.dest()...)
			return d.value(), err
		})
		if err != nil {
			return nil, err
		}
		s.days.learn(news)
		c = s.days.known()
	}
	if today := s.days.today(now); first != 0 && today.After(c.last()) {
		d := day{today, first}
		b.Queue(sqlBeginDay, d.value(), first)
		c = append(c[:len(c):len(c)], d)
	}
	return c, nil
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// partitions sees to it that there are partitions for today and tomorrow, and now and then drops those that are old and
// empty. It is best effort: where it fails it is tried again with the next Sweep, and the default partition holds what has
// no other. Other nodes do the same.
func (s *Store) partitions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	now, names, err := s.listPartitions(ctx)
	if err != nil {
		return
	}
	today := s.days.today(now)
	for _, d := range []time.Time{today, today.AddDate(0, 0, 1)} {
		if name := partition(d); !names[name] {
			s.partitionFailed(ctx, name, s.createPartition(ctx, d))
		}
	}
	if !s.days.dropDue(now) {
		return
	}
	for d := range old(names, today) {
		if err := s.dropPartition(ctx, d); err != nil {
			s.log.Debug("partition not dropped", "partition", partition(d), "error", err)
			return // something reads for long: later
		}
	}
}

// partition is the name of that of a day.
func partition(d time.Time) string { return partitionPrefix + d.Format(partitionLayout) }

// old returns the days of the partitions that are old enough to be dropped.
func old(names map[string]bool, today time.Time) map[time.Time]bool {
	days := make(map[time.Time]bool)
	for name := range names {
		digits, _ := strings.CutPrefix(name, partitionPrefix)
		d, err := time.Parse(partitionLayout, digits)
		if err == nil && d.Before(today.AddDate(0, 0, -partitionAge)) {
			days[d] = true
		}
	}
	return days
}

func (s *Store) listPartitions(ctx context.Context) (now time.Time, names map[string]bool, err error) {
	var list []string
	if err := s.pool.QueryRow(ctx, sqlPartitions).Scan(&now, &list); err != nil {
		return now, nil, err
	}
	names = make(map[string]bool, len(list))
	for _, name := range list {
		names[name] = true
	}
	return now, names, nil
}

// createPartition makes a table and attaches it, which unlike making a partition at once does not wait for readers. It
// does wait for those of the default partition, but not for long: whoever comes after waits for it.
func (s *Store) createPartition(ctx context.Context, d time.Time) error {
	name := partition(d)
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for _, statement := range []string{
			"SET LOCAL lock_timeout = '500ms'",
			"CREATE TABLE " + name + " (LIKE runs INCLUDING ALL)",
			"ALTER TABLE runs ATTACH PARTITION " + name + " FOR VALUES FROM ('" + d.Format(time.DateOnly) + "') TO ('" + d.AddDate(0, 0, 1).Format(time.DateOnly) + "')",
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// partitionFailed says once what keeps a partition from being made, unless another node has made it meanwhile.
func (s *Store) partitionFailed(ctx context.Context, name string, err error) {
	if err == nil {
		return
	}
	if _, names, again := s.listPartitions(ctx); again != nil || names[name] || !s.days.warn(name) {
		return
	}
	s.log.Warn("partition not made: runs of that day go to runs_default and are deleted one by one", "partition", name, "error", err)
}

// dropPartition drops a partition if nothing is in it and no run that would come into it has still to end. It takes its turn
// among the transactions that write: none of them is about to write to what is dropped.
func (s *Store) dropPartition(ctx context.Context, d time.Time) error {
	name := partition(d)
	// It is not prepared: there would be a statement for each partition.
	some := "SELECT EXISTS (SELECT 1 FROM " + name + ")"
	var filled bool
	if err := s.pool.QueryRow(ctx, some, pgx.QueryExecModeExec).Scan(&filled); err != nil || filled {
		return err
	}
	dropped := false
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '200ms'"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlTurn); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, some, pgx.QueryExecModeExec).Scan(&filled); err != nil || filled {
			return err
		}
		var open bool
		if err := tx.QueryRow(ctx, sqlOpenOfDay, day{date: d}.value()).Scan(&open); err != nil || open {
			return err
		}
		if _, err := tx.Exec(ctx, "DROP TABLE "+name); err != nil {
			return err
		}
		dropped = true
		_, err := tx.Exec(ctx, sqlForgetDay, day{date: d}.value())
		return err
	})
	if err == nil && dropped {
		s.days.forget(d)
	}
	return err
}
