package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// readTimeout is how long a read may take, so that a connection that has gone silent does not hold its caller for ever.
const readTimeout = 30 * time.Second

// reader reads in one transaction, which sees one state of the store. It belongs to one goroutine. Statements are sent
// together as far as they do not depend on each other's answers: each ask is one round trip.
type reader struct {
	store *Store
	ctx   context.Context
	conn  *pgxpool.Conn
	begun bool
	ended bool
}

// question is a query, where a row of it is read to, and what is done with each row then.
type question struct {
	sql  string
	args []any
	dest []any
	take func() error
}

// read lends a reader to f, which may be called again if the connection turns out to be broken: what it has gathered must
// be what its last call has.
func (s *Store) read(ctx context.Context, f func(r *reader) error) error {
	for attempt := 1; ; attempt++ {
		err, broken := s.readOnce(ctx, f)
		if !broken || attempt == readAttempts {
			return err
		}
	}
}

// readAttempts is how often a read is tried: a restart of PostgreSQL breaks every connection that the pool holds, and
// each is found out only when it is used.
const readAttempts = 3

// readOnce reports with an error whether the connection broke.
func (s *Store) readOnce(ctx context.Context, f func(r *reader) error) (err error, broken bool) {
	conn, err := s.pool.Acquire(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err(), false
	case err != nil:
		return s.fault(err), false
	}
	defer conn.Release() // which closes it if a transaction is still open
	// What has begun is carried through, whatever becomes of the caller.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	r := &reader{store: s, ctx: ctx, conn: conn}
	err = f(r)
	if r.begun && !r.ended {
		if _, end := conn.Exec(ctx, "COMMIT"); err == nil && end != nil {
			err = s.fault(end)
		}
	}
	return err, err != nil && conn.Conn().IsClosed() && ctx.Err() == nil
}

// ask puts questions and reads all answers. last says that there will be no more.
func (r *reader) ask(last bool, questions ...question) error {
	b := new(pgx.Batch)
	if !r.begun && !(last && len(questions) == 1) { // one statement sees one state by itself
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		r.begun = true
	}
	for _, q := range questions {
		b.Queue(q.sql, q.args...).Query(func(rows pgx.Rows) error { return q.read(rows) })
	}
	if last && r.begun {
		b.Queue("COMMIT")
		r.ended = true
	}
	return r.store.fault(r.conn.SendBatch(r.ctx, b).Close())
}

func (q *question) read(rows pgx.Rows) error {
	for rows.Next() {
		if err := rows.Scan(q.dest...); err != nil {
			return err
		}
		if err := q.take(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// askDays asks what depends on the days on which runs were recorded, and again if another node has begun a day that this
// one does not know of. Nothing is asked after it. The days are read last, so that they are not older than the answers;
// in a transaction that has begun all are of one state anyway.
func (r *reader) askDays(questions func(c calendar) []question) error {
	for {
		known := r.store.days.known()
		list := questions(known)
		var news calendar
		var d dayRow
		list = append(list, question{sqlDaysAfter, []any{known.newest()}, d.dest(), func() error {
			news = append(news, d.value())
			return nil
		}})
		if err := r.ask(false, list...); err != nil || len(news) == 0 {
			return err
		}
		r.store.days.learn(news)
	}
}
