package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// txTimeout is how long a transaction may take: a connection that has gone silent does not hold its caller for ever.
	txTimeout = 10 * time.Second
	// txAttempts is how often a transaction is made if others are in its way, or its connection breaks.
	txAttempts = 8
)

// tx is a transaction that writes. It has three steps. In the first, which is the caller's, rows are locked and read, the
// functions that were handed in decide, and what is to be written is noted: nothing is written yet. In the second it takes
// its turn among the commits: it locks the row store, which is locked last by all, and takes its numbers. In the third all
// is written and committed in one round trip. If nothing was noted, the first step was all.
type tx struct {
	store *Store
	ctx   context.Context
	conn  *pgxpool.Conn
	node  uuid.UUID

	// What is noted: writes, in their order, which come first; runs and events that are recorded; rows whose clocks have
	// changed, each once; what the answer lacks until all is known.
	writes     []func(b *pgx.Batch) error
	recordings []*recording
	audit      []*task.Event
	clocks     []*row
	complete   []func()
	changed    bool // it needs a number
	runs       int64
	tasks      int64
	soonest    time.Time  // the earliest of what becomes due earlier than it was; zero: nothing does
	unfenced   bool       // it is for a node that need not live
	deletes    bool       // it deletes or renames a task
	takesBack  bool       // it takes a run back
	last       []question // asked when all is written
	told       told
	loads      loads

	// What the second step gives.
	locked    bool
	alive     bool // the node lives
	watched   told // what is wanted, of the observers of all nodes
	now       time.Time
	newestDay pgtype.Date
	nextRun   int64 // the number of the first run that is recorded, if one is
	number    int64
	firstRun  int64
	firstTask int64
	nextEvent int64
	calendar  calendar
	said      bool // it says that somebody watches
	fed       bool // it has written the feed
}

const (
	sqlTurn = `SELECT 1 FROM store FOR UPDATE`
	// Not with the statement that locks: what that sees may be older than its lock.
	sqlNumbers = `SELECT clock_timestamp(),
		coalesce(s.tasks_watched_until > clock_timestamp(), false), coalesce(s.runs_watched_until > clock_timestamp(), false),
		$1 = '00000000-0000-0000-0000-000000000000'::uuid OR EXISTS (SELECT 1 FROM nodes WHERE id = $1 AND state = 1),
		(SELECT max(day) FROM days), (SELECT last_value + is_called::int FROM run_numbers)
		FROM store s`
	sqlTake = `SELECT
		CASE WHEN $1 THEN nextval('change_numbers') ELSE 0 END,
		CASE WHEN $2::bigint > 0 THEN setval('run_numbers', nextval('run_numbers') + $2 - 1) - $2 + 1 ELSE 0 END,
		CASE WHEN $3::bigint > 0 THEN setval('task_numbers', nextval('task_numbers') + $3 - 1) - $3 + 1 ELSE 0 END,
		CASE WHEN $4::bigint > 0 THEN setval('event_numbers', nextval('event_numbers') + $4 - 1) - $4 + 1 ELSE 0 END`
	sqlMark = `UPDATE store SET deleted = CASE WHEN $1 THEN $3 ELSE deleted END, taken_back = CASE WHEN $2 THEN $3 ELSE taken_back END`
	// A transaction leaves its mark, by which it is found out whether it was committed if nobody heard. The number that
	// PostgreSQL gives it would not do: after a crash those that had not reached the disk are given again, to others.
	sqlLeaveMark = `INSERT INTO outcomes (id, time) VALUES ($1, $2)`
	sqlOutcome   = `SELECT EXISTS (SELECT 1 FROM outcomes WHERE id = $1)`
	sqlTrimMarks = `DELETE FROM outcomes WHERE time < clock_timestamp() - interval '10 minutes'`
)

// transact carries out a transaction. f is its first step; it may be called again, with another tx. The context counts
// until the transaction has begun.
func (s *Store) transact(ctx context.Context, f func(t *tx) error) error {
	begun, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, begun, f)
		var foreign *functionError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &foreign):
			return foreign.error
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return ctx.Err()
		case begun.Err() != nil && !ours(err):
			return fmt.Errorf("%w: store %q: the server has not answered for %s (%s)", task.ErrUnavailable, s.place, txTimeout, redacted(err))
		case attempt == txAttempts || !passing(err) || s.closed.Load():
			return s.fault(err)
		}
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(5*time.Millisecond) << min(attempt, 6))))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// attempt makes a transaction once. ctx is the caller's, begun that of what has begun.
func (s *Store) attempt(ctx, begun context.Context, f func(t *tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	acquire, give := context.WithCancel(ctx)
	defer give()
	defer context.AfterFunc(begun, give)()
	conn, err := s.pool.Acquire(acquire)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes it if a transaction is still open
	t := &tx{store: s, ctx: begun, conn: conn, node: s.me()}
	t.told.tasks, t.told.runs = s.feed.wants()
	done := false
	defer func() {
		// Also if a function that was handed in ends this goroutine, as t.Fatal does.
		if !done {
			_, _ = conn.Exec(begun, "ROLLBACK")
		}
	}()
	if err := t.guarded(f); err != nil {
		return err
	}
	if !t.changed && len(t.audit) == 0 && len(t.writes) == 0 {
		for _, f := range t.complete {
			f()
		}
		return nil
	}
	if err := t.finish(); err != nil {
		return err
	}
	done = true
	for _, f := range t.complete {
		f()
	}
	if t.said {
		s.said(t.told.tasks, t.told.runs, t.now)
	}
	if t.fed && (t.told.tasks || t.told.runs) {
		conn.Release() // others may have it while this one waits
		s.told()
	}
	return nil
}

// guarded turns a panic in a function that was handed in into an error with the stack.
func (t *tx) guarded(f func(t *tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &functionError{fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())}
		}
	}()
	return f(t)
}

// foreign marks an error of a function that was handed in.
func foreign(err error) error {
	if err == nil {
		return nil
	}
	return &functionError{err}
}

// begin is the first statement of each transaction.
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

// ask puts questions in one round trip. The first begins the transaction.
func (t *tx) ask(first bool, questions ...question) error {
	b := new(pgx.Batch)
	if first {
		b.Queue(begin)
	}
	for _, q := range questions {
		b.Queue(q.sql, q.args...).Query(func(rows pgx.Rows) error { return q.read(rows) })
	}
	return t.conn.SendBatch(t.ctx, b).Close()
}

// lock is a question for rows that are to be locked and of which nothing else is asked.
func lock(sql string, args ...any) question {
	var one int64
	return question{sql, args, []any{&one}, func() error { return nil }}
}

// after notes what completes the answer, once the transaction has been carried out.
func (t *tx) after(f func()) { t.complete = append(t.complete, f) }

// write notes what is to be written.
func (t *tx) write(f func(b *pgx.Batch) error) { t.writes = append(t.writes, f) }

// turn is the second step: it locks the row store and, unless they are taken later, takes the numbers.
func (t *tx) turn(take bool) error {
	var questions []question
	none := func() error { return nil }
	if !t.locked {
		questions = append(questions, lock(sqlTurn), question{
			sqlNumbers,
			[]any{uuidValue(t.node)},
			[]any{&t.now, &t.watched.tasks, &t.watched.runs, &t.alive, &t.newestDay, &t.nextRun},
			none,
		})
	}
	if take {
		questions = append(questions, question{
			sqlTake, []any{t.changed, t.runs, t.tasks, int64(len(t.audit))}, []any{&t.number, &t.firstRun, &t.firstTask, &t.nextEvent}, none,
		})
	}
	if err := t.ask(false, questions...); err != nil {
		return err
	}
	if !t.locked {
		t.locked, t.now = true, t.now.UTC()
	}
	if !t.alive && !t.unfenced {
		return fmt.Errorf("%w: node %s", task.ErrGivenUp, t.node)
	}
	return nil
}

// finish is the second and the third step.
func (t *tx) finish() (err error) {
	if err := t.turn(true); err != nil {
		return err
	}
	b := new(pgx.Batch)
	if t.calendar, err = t.store.turn(t.ctx, t.conn, t.newestDay, t.now, t.firstRun, b); err != nil {
		return err
	}
	if t.said = t.store.feed.due(t.told.tasks, t.told.runs); t.said {
		b.Queue(sqlWatch, t.told.tasks, t.told.runs, watchedFor)
	}
	if t.changed && (t.told.tasks || t.told.runs) {
		t.store.feed.read(t.number - 1)
	}
	if t.deletes || t.takesBack {
		b.Queue(sqlMark, t.deletes, t.takesBack, t.number)
	}
	for _, w := range t.writes {
		if err := w(b); err != nil {
			return foreign(err)
		}
	}
	t.numberRuns()
	t.insertClocks(b)
	t.writeClocks(b)
	if err := t.writeRuns(b); err != nil {
		return foreign(err)
	}
	t.writeEvents(b)
	if !t.soonest.IsZero() && t.soonest.Before(t.now.Add(soon)) {
		b.Queue("SELECT pg_notify($1, '')", t.store.schema)
	}
	tasks, runs := t.watched.tasks || t.told.tasks, t.watched.runs || t.told.runs
	if t.changed && (tasks || runs) && t.told.some() {
		if err := t.conn.SendBatch(t.ctx, b).Close(); err != nil {
			return err
		}
		b = new(pgx.Batch)
		if err := t.tell(b, tasks, runs); err != nil {
			return err
		}
	}
	for _, q := range t.last {
		b.Queue(q.sql, q.args...).Query(func(rows pgx.Rows) error { return q.read(rows) })
	}
	mark := uuid.New()
	b.Queue(sqlLeaveMark, uuidValue(mark), timestamp(t.now))
	b.Queue("COMMIT")
	if err := t.conn.SendBatch(t.ctx, b).Close(); err != nil {
		if answered(err) {
			return err // so it was not committed
		}
		return t.store.outcome(mark, err)
	}
	return nil
}

// outcome finds out what became of a transaction whose connection broke while it was committed: the server may have done
// all of it, and its answer was lost. It returns nil if it was committed, and what broke the connection if it was not, as if
// that had happened before. It takes its turn: by then the transaction has ended, which had the same lock.
func (s *Store) outcome(mark uuid.UUID, lost error) error {
	ctx, cancel := context.WithTimeout(context.Background(), txTimeout)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var committed bool
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sqlTurn); err != nil {
				return err
			}
			return tx.QueryRow(ctx, sqlOutcome, uuidValue(mark)).Scan(&committed)
		})
		switch {
		case err == nil && committed:
			return nil
		case err == nil:
			return lost
		}
		timer := time.NewTimer(pause) // the server can not be reached
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: store %q: the connection was lost while a transaction was committed, and it can not be found out whether it was (%s)",
				task.ErrUnavailable, s.place, redacted(lost))
		case <-timer.C:
		}
	}
}
