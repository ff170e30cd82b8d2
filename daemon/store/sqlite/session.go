package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// session is one connection with its prepared statements. It belongs to one goroutine at a time. Its
// calls are never cancelled: a transaction that has begun is carried through.
type session struct {
	store *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (s *Store) connect(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, s.fault(err)
	}
	return &session{store: s, conn: conn, stmts: make(map[string]*sql.Stmt)}, nil
}

// close gives the connection back to its pool, which closes it when it is closed itself.
func (c *session) close() error {
	var err error
	for _, st := range c.stmts {
		err = errors.Join(err, c.store.fault(st.Close()))
	}
	return errors.Join(err, c.store.fault(c.conn.Close()))
}

// stmt prepares the query when it is used for the first time.
func (c *session) stmt(query string) (*sql.Stmt, error) {
	if st := c.stmts[query]; st != nil {
		return st, nil
	}
	st, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

// rawExec is exec with the driver's own error.
func (c *session) rawExec(query string, args ...any) (int64, error) {
	st, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// exec runs a statement and returns how many rows it changed.
func (c *session) exec(query string, args ...any) (int64, error) {
	n, err := c.rawExec(query, args...)
	return n, c.store.fault(err)
}

// each runs a query and calls take for each row, which scan reads.
func (c *session) each(query string, args []any, take func(scan func(dest ...any) error) error) error {
	st, err := c.stmt(query)
	if err != nil {
		return c.store.fault(err)
	}
	rows, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return c.store.fault(err)
	}
	var taken error
	for taken == nil && rows.Next() {
		taken = take(rows.Scan)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return c.store.fault(err)
	}
	return taken
}

// one runs a query for at most one row.
func (c *session) one(query string, args []any, dest ...any) (found bool, err error) {
	err = c.each(query, args, func(scan func(...any) error) error {
		found = true
		return c.store.fault(scan(dest...))
	})
	return found && err == nil, err
}

// read lends a session to f, for reads that see one state of the store.
func (s *Store) read(ctx context.Context, f func(c *session) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return s.closed()
	default:
	}
	var c *session
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return s.closed()
	}
	defer func() { s.readers <- c }()
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer func() {
		if _, end := c.exec("COMMIT"); err == nil {
			err = end
		}
	}()
	return f(c)
}
