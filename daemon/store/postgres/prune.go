package postgres

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlDeleteRuns     = `DELETE FROM runs WHERE day = $1 AND run = ANY($2::bigint[])`
	sqlDeleteRequests = `DELETE FROM requests WHERE run = ANY($1::bigint[])`

	// The newest run of a task within a span of days and ids, but for some.
	sqlNewestRun = `(SELECT r.run FROM open_runs r WHERE r.task = $5 AND r.run BETWEEN $3 AND $4 AND NOT r.run = ANY($6::bigint[]) ORDER BY r.run + 0 DESC LIMIT 1)
		UNION ALL (SELECT r.run FROM runs r WHERE ` + endedOfTask + ` AND NOT r.run = ANY($6::bigint[]) ORDER BY r.task DESC, r.run DESC LIMIT 1)
		ORDER BY run DESC LIMIT 1`
	// Runs that have ended, of a task that may be gone.
	sqlEndedOfTask = `SELECT r.run FROM runs r WHERE ` + endedOfTask + ` ORDER BY r.task DESC, r.run DESC LIMIT $6`

	// What another node sweeps is left to it.
	sqlRemains      = `SELECT task FROM remains WHERE task > $1 ORDER BY task LIMIT 1 FOR UPDATE SKIP LOCKED`
	sqlDropRemains  = `DELETE FROM remains WHERE task = $1`
	sqlOldEvents    = `SELECT event FROM audit WHERE time < $1 ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED`
	sqlDeleteEvents = `DELETE FROM audit WHERE event = ANY($1::bigint[])`
)

// pruneLook is how many runs a look at a history reads at a time.
const pruneLook = 1000

// pruning is a look at a history, a part at a time so that no snapshot is held for long.
type pruning struct {
	store.Pruned
	limit   int
	keep    store.KeepFunc
	victims []int64
}

// look looks at the runs of a page, and reports whether to go on.
func (p *pruning) look(page task.RunPage) (more bool, err error) {
	for i := range page.Runs {
		run := &page.Runs[i]
		id := int64(run.ID) // which the function may spoil
		stays, err := p.stays(run)
		if err != nil {
			return false, err
		}
		if stays {
			continue
		}
		p.victims = append(p.victims, id)
		if p.More = len(p.victims) >= p.limit; p.More {
			return false, nil
		}
	}
	return page.Next != 0, nil
}

// stays asks about a run. A panic becomes an error with the stack.
func (p *pruning) stays(run *task.Run) (stays bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())
		}
	}()
	ended := run.EndTime
	if stays = p.keep(run, p.Kept); stays {
		p.Kept++
		p.Oldest = ended
	}
	return stays, nil
}

// find looks at the history of a task for what is to be deleted.
func (p *pruning) find(ctx context.Context, s *Store, id uuid.UUID) error {
	from, more := int64(math.MaxInt64), true
	for more {
		var page task.RunPage
		err := s.read(ctx, func(r *reader) error {
			h := history{reader: r, mask: all, ended: true, descending: true}
			found, err := h.of(id)
			if err == nil && !found {
				err = task.TaskNotFound(task.ByID(id))
			}
			if err == nil {
				page, err = h.page(from, pruneLook)
			}
			return err
		})
		if err != nil {
			return err
		}
		if more, err = p.look(page); err != nil {
			return err
		}
		from = int64(page.Next)
	}
	return nil
}

// Prune implements store.Store. It looks for what to delete in transactions of their own, as a history may be long, and then
// deletes what it found: runs that have ended do not change.
func (s *Store) Prune(ctx context.Context, id uuid.UUID, limit int, keep store.KeepFunc) (store.Pruned, error) {
	p := pruning{limit: limit, keep: keep}
	if err := p.find(ctx, s, id); err != nil {
		return store.Pruned{}, err
	}
	if len(p.victims) == 0 {
		return p.Pruned, nil
	}
	err := s.transact(ctx, func(t *tx) error {
		p.Deleted = 0
		return t.prune(id, &p)
	})
	if err != nil {
		return store.Pruned{}, err
	}
	return p.Pruned, nil
}

// prune deletes what was found. If the last run of the task is among it, that is the newest that is left from then on.
func (t *tx) prune(id uuid.UUID, p *pruning) error {
	var k *stored
	read := new(tasksRow)
	key := uuidValue(id)
	err := t.ask(true, lock(sqlLockOne, key), question{sqlHeldByOne, []any{key}, read.dest(), func() (err error) {
		k, err = read.stored(t.store)
		return err
	}})
	if err != nil || k == nil { // it was deleted meanwhile
		return err
	}
	t.changed = true
	t.write(func(b *pgx.Batch) error {
		deleteRuns(b, t.calendar, p.victims, &p.Deleted)
		return nil
	})
	if !slices.Contains(p.victims, k.lastRun) {
		return nil
	}
	t.lists(&k.row)
	k.lastRun, err = t.reader().newestRun(k.pk, p.victims)
	return err
}

// reader reads within the transaction, once that has begun.
func (t *tx) reader() *reader {
	return &reader{store: t.store, ctx: t.ctx, conn: t.conn, begun: true, ended: true}
}

// newestRun returns the newest run of a task but for some. 0: it has none.
func (r *reader) newestRun(pk int64, except []int64) (run int64, err error) {
	h := history{reader: r, task: pk, descending: true}
	err = h.spans(math.MaxInt64, func(s span) (question, func() bool) {
		run = 0
		return question{sqlNewestRun, append(s.values(), pk, except), []any{&run}, func() error { return nil }}, func() bool { return run == 0 }
	})
	return run, err
}

// endedRuns returns up to limit runs of a task that have ended, the newest first.
func (r *reader) endedRuns(pk int64, limit int) (runs []int64, err error) {
	h := history{reader: r, task: pk, descending: true}
	err = h.spans(math.MaxInt64, func(s span) (question, func() bool) {
		var run int64
		var found []int64
		q := question{sqlEndedOfTask, append(s.values(), pk, limit-len(runs)), []any{&run}, func() error {
			found = append(found, run)
			return nil
		}}
		return q, func() bool {
			runs = append(runs, found...)
			return len(runs) < limit
		}
	})
	return runs, err
}

// deleteRuns puts statements into b that delete runs that have ended, with the requests that they were made for. deleted
// counts them as b is carried out.
func deleteRuns(b *pgx.Batch, c calendar, runs []int64, deleted *int64) {
	for _, d := range c.group(runs) {
		b.Queue(sqlDeleteRuns, d.day, d.runs).Exec(func(tag pgconn.CommandTag) error {
			*deleted += tag.RowsAffected()
			return nil
		})
	}
	b.Queue(sqlDeleteRequests, runs)
}

// Sweep implements store.Store. It also sees to the partitions of runs: see Store.partitions.
func (s *Store) Sweep(ctx context.Context, auditBefore time.Time, limit int) (more bool, err error) {
	err = s.transact(ctx, func(t *tx) error {
		left, rest, err := t.sweepRuns(limit)
		if err != nil {
			return err
		}
		more, err = t.sweepEvents(auditBefore, left)
		more = more || rest
		return err
	})
	if err != nil {
		return false, err
	}
	if !more {
		s.partitions(ctx)
	}
	return more, nil
}

// sweepRuns deletes runs that deleted tasks have left, and returns how much of the limit is left, and whether there are
// more. It begins the transaction.
func (t *tx) sweepRuns(limit int) (left int, more bool, err error) {
	var pk int64
	first := true
	for left = limit; ; {
		after, found := pk, false
		err := t.ask(first, question{sqlRemains, []any{after}, []any{&pk}, func() error {
			found = true
			return nil
		}})
		if err != nil || !found || left == 0 {
			return left, found, err
		}
		first = false
		runs, err := t.reader().endedRuns(pk, left+1)
		if err != nil {
			return 0, false, err
		}
		more := len(runs) > left
		runs, of := runs[:min(len(runs), left)], pk
		left -= len(runs)
		t.write(func(b *pgx.Batch) error {
			var deleted int64
			deleteRuns(b, t.calendar, runs, &deleted)
			if !more {
				b.Queue(sqlDropRemains, of)
			}
			return nil
		})
		if more {
			return left, true, nil
		}
	}
}

// sweepEvents deletes up to limit events that are old enough, and reports whether there are more.
func (t *tx) sweepEvents(before time.Time, limit int) (more bool, err error) {
	var event int64
	var events []int64
	at := pgtype.Timestamptz{Time: before.UTC(), Valid: true}
	err = t.ask(false, question{sqlOldEvents, []any{at, limit + 1}, []any{&event}, func() error {
		events = append(events, event)
		return nil
	}})
	if err != nil {
		return false, err
	}
	more = len(events) > limit
	if events = events[:min(len(events), limit)]; len(events) > 0 {
		t.write(func(b *pgx.Batch) error {
			b.Queue(sqlDeleteEvents, events)
			return nil
		})
	}
	return more, nil
}
