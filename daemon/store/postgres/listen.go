package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// soon is how far ahead something lies at most that others are woken for: they look every second by themselves.
	soon = 2 * time.Second
	// listenPause is how long to wait before it is tried again to listen, if it fails.
	listenPause = 10 * time.Second
)

// sooner notes that a task becomes due earlier than it was.
func (t *tx) sooner(before, next time.Time) {
	if next.IsZero() || !before.IsZero() && !next.Before(before) {
		return
	}
	if t.soonest.IsZero() {
		t.after(t.store.horizon.forget)
	}
	if t.soonest.IsZero() || next.Before(t.soonest) {
		t.soonest = next
	}
}

// listen pokes due when somebody has told that something became due earlier, until ctx ends. It has a connection of its
// own, outside the pool: a pooler between us and the server that gives connections to several has no place for it. Where it
// can not listen, all goes on without.
func (s *Store) listen(ctx context.Context, config *pgx.ConnConfig) {
	for ctx.Err() == nil {
		if err := s.listenOnce(ctx, config); err != nil && ctx.Err() == nil {
			s.log.Debug("not listening for what becomes due earlier: it is found within a second", "error", redacted(err))
		}
		timer := time.NewTimer(listenPause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (s *Store) listenOnce(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{s.schema}.Sanitize()); err != nil {
		return err
	}
	for {
		// At the beginning too: nobody has listened before.
		s.horizon.forget()
		poke(s.due)
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
