package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	// What is due and may be claimed by $1, not before $5. statement_timestamp, because an index can be searched for it.
	sqlDue = `SELECT ` + hotColumns + ` FROM clocks c JOIN tasks t ON t.pk = c.pk
		WHERE c.next_fire_time <= statement_timestamp() + $2::interval AND c.next_fire_time >= $5 AND ` + mayHold + ` AND NOT t.id = ANY($3::uuid[])
		ORDER BY c.next_fire_time, c.pk LIMIT $4 FOR UPDATE OF c SKIP LOCKED`
	// The same where nothing is left alone, which needs no look at the names.
	sqlDueOfAll = `SELECT ` + hotColumns + ` FROM clocks c
		WHERE c.next_fire_time <= statement_timestamp() + $2::interval AND c.next_fire_time >= $4 AND ` + mayHold + `
		ORDER BY c.next_fire_time, c.pk LIMIT $3 FOR UPDATE OF c SKIP LOCKED`
	// hotColumns are for hotRow: of a row that the statement locks, they are as of the lock.
	hotColumns = `c.pk, ` + clockColumns + `, c.in_hand, c.nobodys, c.node`
	// What else a decision sees. It must be read after the lock.
	sqlHeads = `SELECT pk, id, name, version, state FROM tasks WHERE pk = ANY($1::bigint[])`
	sqlClock = `SELECT statement_timestamp()`
	sqlNext  = `SELECT (SELECT c.next_fire_time FROM clocks c JOIN tasks t ON t.pk = c.pk
		WHERE c.next_fire_time >= $3 AND ` + mayHold + ` AND NOT t.id = ANY($2::uuid[]) ORDER BY c.next_fire_time LIMIT 1)`
	sqlPark = `UPDATE clocks SET next_fire_time = NULL, change = $2 WHERE pk = $1`
)

// hotRow is a row of hotColumns.
type hotRow struct {
	pk int64
	clockRow
	inHand, nobodys int64
	node            pgtype.UUID
}

func (h *hotRow) dest() []any {
	return append(append([]any{&h.pk}, h.clockRow.dest()...), &h.inHand, &h.nobodys, &h.node)
}

// row returns the row that was read. It lacks what sqlHeads has. The error says that the clock can not be read.
func (h *hotRow) row() (*row, error) {
	r := &row{
		pk: h.pk, failures: h.failureCount, lastRun: h.lastRun.Int64, change: h.change,
		hold: holdRow{inHand: h.inHand, nobodys: h.nobodys, node: h.node},
	}
	var err error
	r.clock, err = h.clock()
	return r, err
}

// heads asks for what rows that are locked lack.
func heads(pks []int64, rows func(pk int64) *row) question {
	var pk, version, state int64
	var id pgtype.UUID
	var name string
	return question{sqlHeads, []any{pks}, []any{&pk, &id, &name, &version, &state}, func() error {
		if r := rows(pk); r != nil {
			r.id, r.name, r.version, r.state = id.Bytes, unescape(name), version, task.State(state)
		}
		return nil
	}}
}

// horizon is from where on a claim looks for what is due. The entries of an index before that are those of tasks that were
// claimed since the last vacuum, and to walk over them with each claim costs more than all else. It is forgotten whenever
// something may have become due before it, and once a second in any case: then a claim looks from the beginning.
type horizon struct {
	mu    sync.Mutex
	from  time.Time // zero: the beginning
	since time.Time // when a claim looked from the beginning
	// forgotten counts how often it was forgotten: a claim that looked before that knows nothing of what became due.
	forgotten int64
}

// horizonAge is how often a claim looks from the beginning at least.
const horizonAge = time.Second

// look returns from where on to look, and what reached needs to know of it.
func (h *horizon) look() (from time.Time, seen int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from.IsZero() || time.Since(h.since) > horizonAge {
		h.from, h.since = time.Time{}, time.Now()
	}
	return h.from, h.forgotten
}

// reached says that a claim took all that it might, the earliest of them at an instant. Zero: it took less.
func (h *horizon) reached(first time.Time, seen int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.forgotten == seen {
		h.from = first
	}
}

// forget says that something has become due earlier.
func (h *horizon) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from = time.Time{}
	h.forgotten++
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (claimed store.Claimed, err error) {
	from, seen := s.horizon.look()
	var first time.Time
	err = s.transact(ctx, func(t *tx) (err error) {
		claimed = store.Claimed{}
		first, err = t.claim(req, fn, &claimed, from)
		return err
	})
	if err != nil {
		first = time.Time{}
	}
	s.horizon.reached(first, seen)
	if err != nil {
		return store.Claimed{}, err
	}
	return claimed, nil
}

// notBefore is an instant as a lower bound.
func notBefore(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return timestamp(t)
}

func ids(in []uuid.UUID) []pgtype.UUID {
	out := make([]pgtype.UUID, len(in))
	for i, id := range in {
		out[i] = uuidValue(id)
	}
	return out
}

func (t *tx) claim(req store.ClaimRequest, fn store.ClaimFunc, claimed *store.Claimed, from time.Time) (first time.Time, err error) {
	var pks []int64
	byPK := make(map[int64]*row, req.Limit)
	var rows, damaged []*row // in their order
	h := new(hotRow)
	due := question{sqlDueOfAll, []any{uuidValue(t.node), req.Ahead, req.Limit, notBefore(from)}, h.dest(), func() error {
		r, err := h.row()
		if err != nil {
			damaged = append(damaged, r) // one damaged row must not keep the others from firing
		} else {
			rows = append(rows, r)
		}
		pks, byPK[r.pk] = append(pks, r.pk), r
		return nil
	}}
	if len(req.Except) > 0 {
		due.sql, due.args = sqlDue, []any{uuidValue(t.node), req.Ahead, ids(req.Except), req.Limit, notBefore(from)}
	}
	if err := t.ask(true, question{sqlClock, nil, []any{&claimed.Now}, func() error { return nil }}, due); err != nil {
		return first, err
	}
	claimed.Now = claimed.Now.UTC()
	if len(pks) < req.Limit && !from.IsZero() {
		// What was held elsewhere a moment ago may lie before.
		pks, rows, damaged, due.args[len(due.args)-1] = nil, nil, nil, notBefore(time.Time{})
		if err := t.ask(false, due); err != nil {
			return first, err
		}
	}
	if len(pks) == 0 {
		return first, t.ask(false, t.next(req.Except, time.Time{}, claimed))
	}
	if err := t.ask(false, heads(pks, func(pk int64) *row { return byPK[pk] })); err != nil {
		return first, err
	}
	if len(pks) == req.Limit && len(rows) > 0 {
		first = rows[0].clock.NextFireTime
	}
	t.loads.rows = rows
	park := func(r *row) {
		claimed.Rejected = append(claimed.Rejected, r.id)
		t.changes(r)
		t.write(func(b *pgx.Batch) error { b.Queue(sqlPark, r.pk, t.number); return nil })
	}
	for _, r := range damaged {
		park(r)
	}
	for _, r := range rows {
		d := t.decide(r, func(d store.Due) store.Decision { return fn(claimed.Now, d) })
		if d.Leave {
			continue
		}
		before := codec.CloneClock(r.clock)
		if next := task.Instant(d.Clock.NextFireTime); !next.IsZero() && !next.After(before.NextFireTime) {
			park(r)
			continue
		}
		recs, err := t.apply(r, d, false)
		if err != nil {
			return first, err
		}
		numberFires(recs)
		t.after(func() {
			runs := recorded(recs)
			for i := range runs {
				if runs[i].State == task.Scheduled {
					fire := store.Fire{Run: runs[i], Before: before, Beside: store.Beside(runs)}
					fire.Before.Progress.Fires = slices.Clone(before.Progress.Fires)
					claimed.Fires = append(claimed.Fires, fire)
				}
			}
		})
	}
	next := t.next(req.Except, first, claimed)
	if len(t.writes) == 0 && !t.changed { // all were left
		return first, t.ask(false, next)
	}
	// If the connection breaks with the answer, it is found out that this was committed, but not what is next.
	claimed.NextFireTime = claimed.Now
	t.last = append(t.last, next)
	return first, nil
}

// next asks when the next task is due, of those not before an instant.
func (t *tx) next(except []uuid.UUID, from time.Time, claimed *store.Claimed) question {
	var next pgtype.Timestamptz
	return question{sqlNext, []any{uuidValue(t.node), ids(except), notBefore(from)}, []any{&next}, func() error {
		claimed.NextFireTime = instant(next)
		return nil
	}}
}

// numberFires numbers the runs that a claim records of one instant: see the schema.
func numberFires(recs []*recording) {
	for i, rec := range recs {
		if rec.run.State.Ended() || rec.run.Cause != task.ByFire {
			continue
		}
		rec.nth.Valid = true
		for _, o := range recs[:i] {
			if o.nth.Valid && o.run.ScheduledTime.Equal(rec.run.ScheduledTime) {
				rec.nth.Int16++
			}
		}
	}
}

// decide asks fn about the task. Its Load reads the rest of the task, for as long as fn runs: after that the transaction is
// not its own any more.
func (t *tx) decide(r *row, fn func(store.Due) store.Decision) store.Decision {
	var over atomic.Bool
	defer over.Store(true)
	return fn(r.due(func() (task.Task, error) {
		if over.Load() {
			return task.Task{}, errors.New("a task can be loaded only while the decision about it is made")
		}
		out, err := t.load(r)
		if err != nil {
			return task.Task{}, t.store.fault(err)
		}
		// What the transaction has noted is yet to be written.
		out.State, out.Clock, out.FailureCount, out.Counts = r.state, codec.CloneClock(r.clock), r.failures, out.Counts.Add(r.added)
		if r.pause != nil {
			out.Pause = r.pause
		}
		return cloneTask(&out), nil
	}))
}

// loads are tasks that decisions have asked for whole. A daemon that has just started asks for all, so that each time more
// of those that come next are read along.
type loads struct {
	rows  []*row // in the order of the decisions
	tasks map[int64]task.Task
	ahead int
}

// load reads the rest of a task.
func (t *tx) load(r *row) (task.Task, error) {
	l := &t.loads
	if out, there := l.tasks[r.pk]; there {
		return out, nil
	}
	keys := []int64{r.pk}
	if at := slices.Index(l.rows, r); at >= 0 {
		for _, next := range l.rows[at+1 : min(len(l.rows), at+1+l.ahead)] {
			keys = append(keys, next.pk)
		}
		l.ahead = 8*l.ahead + 7
	}
	if l.tasks == nil {
		l.tasks = make(map[int64]task.Task)
	}
	f := new(fullRow)
	var failed error
	err := t.ask(false, question{sqlTasksByPK, []any{keys}, f.dest(), func() error {
		out, err := f.task(t.store.namespace)
		switch {
		case err == nil:
			l.tasks[f.pk] = out
		case f.pk == r.pk:
			failed = t.store.unreadable(err)
		}
		return nil
	}})
	if err == nil {
		err = failed
	}
	return l.tasks[r.pk], err
}

// apply notes a decision.
func (t *tx) apply(r *row, d store.Decision, beside bool) ([]*recording, error) {
	recs, err := t.record(r, d.Record, beside)
	if err != nil {
		return nil, err
	}
	t.sooner(r.clock.NextFireTime, task.Instant(d.Clock.NextFireTime))
	r.clock, r.moved = codec.CloneClock(d.Clock), true
	t.lists(r)
	if d.State != 0 && d.State != r.state {
		r.state = d.State
		t.write(func(b *pgx.Batch) error {
			b.Queue("UPDATE tasks SET state = $1 WHERE pk = $2", int64(d.State), r.pk)
			return nil
		})
	}
	if d.Pause != nil {
		r.pause = d.Pause
		values := append(pauseValues(d.Pause), r.pk)
		t.write(func(b *pgx.Batch) error {
			b.Queue(`UPDATE tasks SET pause_actor = $1, pause_reason = $2, pause_create_time = $3, pause_resume_time = $4::timestamptz,
				deadline = least(override_expire_time, $4::timestamptz) WHERE pk = $5`, values...)
			return nil
		})
	}
	t.addEvents(d.Audit)
	return recs, nil
}
