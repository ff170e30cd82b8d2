package sqlite

import (
	"context"
	"fmt"
	"maps"
)

// LimitPages makes the file full at so many pages; 0 lifts the limit. Nothing may be written meanwhile.
func (s *Store) LimitPages(n int) error {
	if n == 0 {
		n = 1 << 30
	}
	_, err := s.writer.session.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
	return err
}

// Statements are the texts of all statements that were used. The store must be closed.
func (s *Store) Statements() map[string]bool {
	used := make(map[string]bool)
	for query := range maps.Keys(s.writer.session.stmts) {
		used[query] = true
	}
	for _, c := range s.all {
		for query := range maps.Keys(c.stmts) {
			used[query] = true
		}
	}
	return used
}

// Waiting is how many calls wait for the writer.
func (s *Store) Waiting() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	n := 0
	for _, queue := range s.writer.waiting {
		n += len(queue)
	}
	return n
}

// Rows is how many rows a table has.
func (s *Store) Rows(table string) (n int, err error) {
	err = s.read(context.Background(), func(c *session) error {
		_, err := c.one("SELECT count(*) FROM "+table, nil, &n)
		return err
	})
	return n, err
}
