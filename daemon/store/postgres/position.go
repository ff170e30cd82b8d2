package postgres

import (
	"context"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/jackc/pgx/v5"
)

const sqlPosition = `SELECT s.id, (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM change_numbers), s.deleted, s.taken_back,
	coalesce((SELECT run FROM open_runs ORDER BY run LIMIT 1), (SELECT last_value + is_called::int FROM run_numbers)), clock_timestamp() FROM store s`

// Position implements store.Store. From then on what the observer wants is told, of all nodes; and what was committed before
// has been told, if it was wanted.
func (s *Store) Position(ctx context.Context) (p store.Position, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	tasks, runs := s.feed.wants()
	var at time.Time
	for attempt := 1; ; attempt++ {
		p, at, err = s.position(ctx, tasks, runs)
		if err == nil || attempt == readAttempts || !passing(err) || ctx.Err() != nil {
			break
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return store.Position{}, ctx.Err()
	case err != nil:
		return store.Position{}, s.fault(err)
	}
	if tasks || runs {
		s.said(tasks, runs, at)
	}
	s.told()
	return p, nil
}

// position also returns the clock of the store.
func (s *Store) position(ctx context.Context, tasks, runs bool) (p store.Position, at time.Time, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return p, at, err
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	b := new(pgx.Batch)
	b.Queue(begin)
	b.Queue(sqlTurn)
	if tasks || runs {
		b.Queue(sqlWatch, tasks, runs, watchedFor)
	}
	b.Queue(sqlPosition).QueryRow(func(row pgx.Row) error {
		var id [16]byte
		err := row.Scan(&id, &p.Change, &p.Deleted, &p.TakenBack, &p.OldestOpen, &at)
		p.ID = id
		return err
	})
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return p, at, err
	}
	if tasks || runs {
		s.feed.read(p.Change)
	}
	_, err = conn.Exec(ctx, "COMMIT")
	return p, at, err
}
