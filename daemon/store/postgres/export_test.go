package postgres

import (
	"context"
	"time"
)

// Statements are the texts of all statements that connections of the pool have prepared, each with the types of its
// parameters. Nobody may use the store meanwhile.
func (s *Store) Statements(ctx context.Context) (map[string][]string, error) {
	used := make(map[string][]string)
	for _, conn := range s.pool.AcquireAllIdle(ctx) {
		defer conn.Release()
		rows, err := conn.Query(ctx, "SELECT statement, parameter_types::text[] FROM pg_prepared_statements")
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var text string
			var types []string
			if err := rows.Scan(&text, &types); err != nil {
				return nil, err
			}
			used[text] = types
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// ShiftDay makes the store take it for later than it is, where it asks what day it is.
func (s *Store) ShiftDay(by time.Duration) { s.days.shift.Store(int64(by)) }

// ForgetDays makes the store know only the first days of those on which runs were recorded, as if other nodes had begun
// the others.
func (s *Store) ForgetDays(all int) {
	s.days.mu.Lock()
	defer s.days.mu.Unlock()
	s.days.all = s.days.all[:min(all, len(s.days.all))]
}

// Lapse makes it look as if the Store had not been able to say for a long time that somebody watches.
func (s *Store) Lapse() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for i := range s.feed.since {
		s.feed.since[i] = s.feed.since[i].Add(-2 * watchedFor)
	}
	s.feed.renewed = s.feed.renewed.Add(-2 * watchedFor)
}
