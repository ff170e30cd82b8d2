package postgres

import (
	"context"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlLockOfRuns = `SELECT ` + hotColumns + ` FROM clocks c WHERE c.pk IN (SELECT task FROM open_runs WHERE run = ANY($1::bigint[])) ORDER BY c.pk FOR UPDATE`
	// What a report is judged by.
	sqlReported    = `SELECT r.run, r.task, r.state, r.attempt, r.fires, r.beside, r.node FROM open_runs r WHERE r.run = ANY($1::bigint[])`
	sqlHeadsOfRuns = `SELECT pk, id, name, version, state FROM tasks WHERE pk IN (SELECT task FROM open_runs WHERE run = ANY($1::bigint[]))`
	sqlOpenRuns    = `SELECT ` + wholeColumns + fromOpen + ` WHERE r.run = ANY($1::bigint[])`

	reportTypes = `bigint[], smallint[], smallint[], timestamptz[], timestamptz[], timestamptz[], integer[], text[], bytea[], text[], text[], text[]`
	reportNames = `run, state, reason, next_attempt_time, start_time, end_time, attempt, earlier, output, error, actor, worker`
)

var (
	sqlEnd = `WITH u AS MATERIALIZED (SELECT * FROM unnest(` + params(reportTypes, 2) + `, $14::date[]) u (` + reportNames + `, day)),
		gone AS (DELETE FROM open_runs r USING u WHERE r.run = u.run RETURNING r.run, r.task, r.node, r.cause, r.fires, r.scheduled_time, r.jittered_time, r.first_scheduled_time, r.input)
		INSERT INTO runs (day, run, task, node, state, cause, reason, attempt, fires, scheduled_time, jittered_time, first_scheduled_time,
			next_attempt_time, start_time, end_time, error, actor, worker, earlier, input, output, change)
		SELECT u.day, g.run, g.task, g.node, u.state, g.cause, u.reason, u.attempt, g.fires, g.scheduled_time, g.jittered_time, g.first_scheduled_time,
			u.next_attempt_time, u.start_time, u.end_time, u.error, u.actor, u.worker, u.earlier, g.input, u.output, $1
		FROM gone g JOIN u ON u.run = g.run`
	sqlReport = `UPDATE open_runs r SET state = u.state, reason = u.reason, next_attempt_time = u.next_attempt_time, start_time = u.start_time,
		end_time = u.end_time, attempt = u.attempt, earlier = u.earlier, output = u.output, error = u.error, actor = u.actor, worker = u.worker, change = $1
		FROM unnest(` + params(reportTypes, 2) + `) u (` + reportNames + `) WHERE r.run = u.run`
	sqlGiveUp = `UPDATE open_runs SET last_node = node, node = NULL, beside = false WHERE run = ANY($1::bigint[])`
)

// reportArrays are the values of reports, an array for each of reportNames.
type reportArrays struct {
	run              []int64
	state, reason    []int16
	next, start, end pgtype.FlatArray[pgtype.Timestamptz]
	attempt          []int32
	earlier          pgtype.FlatArray[pgtype.Text]
	output           pgtype.FlatArray[[]byte]
	errorText, actor []string
	worker           pgtype.FlatArray[pgtype.Text]
}

func (a *reportArrays) add(r *task.Run) error {
	earlier, err := codec.EncodeAttempts(r.Earlier)
	if err != nil {
		return err
	}
	a.run, a.state, a.reason = append(a.run, int64(r.ID)), append(a.state, int16(r.State)), append(a.reason, int16(r.Reason))
	i := len(a.run) - 1
	instantAt(&a.next, i, r.NextAttemptTime)
	instantAt(&a.start, i, r.StartTime)
	instantAt(&a.end, i, r.EndTime)
	textAt(&a.earlier, i, earlier)
	textAt(&a.worker, i, r.Worker)
	bytesAt(&a.output, i, codec.Present(r.Output))
	a.attempt, a.errorText, a.actor = append(a.attempt, int32(r.Attempt)), append(a.errorText, escape(r.Error)), append(a.actor, escape(r.Actor))
	return nil
}

func (a *reportArrays) values() []any {
	return []any{a.run, a.state, a.reason, a.next, a.start, a.end, a.attempt, a.earlier, a.output, a.errorText, a.actor, a.worker}
}

// openRun is a run that has not ended, as reports find it and as they leave it.
type openRun struct {
	row     *row
	state   task.RunState
	attempt int
	fires   int64
	beside  bool
	node    pgtype.UUID
	whole   *task.Run // if somebody decides about it
}

// Record implements store.Store.
func (s *Store) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	if len(reports) == 0 {
		return nil, ctx.Err()
	}
	err = s.transact(ctx, func(t *tx) error {
		late = nil
		return t.reports(reports, fn, &late)
	})
	if err != nil {
		return nil, err
	}
	return late, nil
}

func (t *tx) reports(reports []store.Report, fn store.RecordFunc, late *[]task.RunID) error {
	open, err := t.openRuns(reports)
	if err != nil {
		return err
	}
	now := t.now
	var writes []*store.Report // in order; a run may come more than once
	var gaveUp []int64
	for i := range reports {
		p := &reports[i]
		run := open[p.Run.ID]
		if run == nil || run.state.Ended() || run.attempt != p.FromAttempt || !run.node.Valid || run.node.Bytes != t.node {
			*late = append(*late, p.Run.ID)
			continue
		}
		r := run.row
		run.state, run.attempt = p.Run.State, p.Run.Attempt
		writes = append(writes, p)
		t.changed = true
		t.told.run(p.Run.ID)
		switch {
		case run.state.Ended():
			// The report does not say how many instants the run stands for.
			r.add(task.Counts{}.Of(&task.Run{State: run.state, Reason: p.Run.Reason, Fires: run.fires}, false))
			r.failures = failuresAfter(r.failures, run.state)
			r.leaves(run.beside)
			t.lists(r)
		case run.state == task.Scheduled && run.attempt == 0 && t.node != uuid.Nil:
			r.leaves(run.beside)
			r.hold.nobodys++
			run.node = pgtype.UUID{}
			gaveUp = append(gaveUp, int64(p.Run.ID))
			t.lists(r)
		case r.lastRun == int64(p.Run.ID):
			t.told.task(r)
		}
		t.addEvents(p.Audit)
		if !p.Decide {
			continue
		}
		ended := codec.CloneRun(run.whole)
		reportInto(&ended, &p.Run)
		d := t.decide(r, func(d store.Due) store.Decision { return fn(now, d, ended) })
		if _, err := t.apply(r, d, !r.hold.allows(t.node)); err != nil {
			return err
		}
	}
	if len(writes) == 0 {
		return nil
	}
	t.write(func(b *pgx.Batch) error { return t.writeReports(b, writes, open) })
	if len(gaveUp) > 0 {
		t.write(func(b *pgx.Batch) error { b.Queue(sqlGiveUp, gaveUp); return nil })
	}
	return nil
}

// openRuns locks the tasks of runs that are reported, and reads both.
func (t *tx) openRuns(reports []store.Report) (map[task.RunID]*openRun, error) {
	keys := make([]int64, len(reports))
	var decided []int64
	for i := range reports {
		keys[i] = int64(reports[i].Run.ID)
		if reports[i].Decide {
			decided = append(decided, keys[i])
		}
	}
	rows := make(map[int64]*row)
	open := make(map[task.RunID]*openRun, len(reports))
	h := new(hotRow)
	var run, pk, state, attempt, fires int64
	var beside bool
	var node pgtype.UUID
	questions := []question{
		{sqlClock, nil, []any{&t.now}, func() error { return nil }},
		{sqlLockOfRuns, []any{keys}, h.dest(), func() error {
			r, err := h.row()
			if err != nil {
				return t.store.unreadable(err)
			}
			rows[r.pk] = r
			return nil
		}},
		{sqlReported, []any{keys}, []any{&run, &pk, &state, &attempt, &fires, &beside, &node}, func() error {
			if r := rows[pk]; r != nil { // or its task is gone
				open[task.RunID(run)] = &openRun{row: r, state: task.RunState(state), attempt: int(attempt), fires: fires, beside: beside, node: node}
			}
			return nil
		}},
	}
	if len(decided) > 0 {
		pks := heads(nil, func(pk int64) *row { return rows[pk] })
		pks.sql, pks.args = sqlHeadsOfRuns, []any{keys}
		row := new(runRow)
		questions = append(questions, pks, question{sqlOpenRuns, []any{decided}, row.wholeDest(), func() error {
			run, err := row.value()
			if err != nil {
				return t.store.unreadable(err)
			}
			if o := open[run.ID]; o != nil {
				o.whole = &run
			}
			return nil
		}})
	}
	err := t.ask(true, questions...)
	t.now = t.now.UTC()
	return open, err
}

// lists notes that the clock of a task is to be written.
func (t *tx) lists(r *row) {
	t.changes(r)
	if !r.listed {
		r.listed = true
		t.clocks = append(t.clocks, r)
	}
}

// reportInto makes a run what a report says.
func reportInto(run, report *task.Run) {
	in := codec.CloneRun(report)
	run.State, run.Reason = in.State, in.Reason
	run.NextAttemptTime, run.StartTime, run.EndTime = in.NextAttemptTime, in.StartTime, in.EndTime
	run.Attempt, run.Earlier = in.Attempt, in.Earlier
	run.Output, run.Error, run.Actor, run.Worker = in.Output, in.Error, in.Actor, in.Worker
}

// writeReports writes reports, as many as possible in one statement: of a run that comes more than once only the last.
func (t *tx) writeReports(b *pgx.Batch, reports []*store.Report, open map[task.RunID]*openRun) error {
	last := make(map[task.RunID]int, len(reports))
	for i, p := range reports {
		last[p.Run.ID] = i
	}
	var ends, others reportArrays
	var days pgtype.FlatArray[pgtype.Date]
	for i, p := range reports {
		if last[p.Run.ID] != i {
			continue
		}
		if !p.Run.State.Ended() {
			if err := others.add(&p.Run); err != nil {
				return err
			}
			continue
		}
		if err := ends.add(&p.Run); err != nil {
			return err
		}
		days = append(days, t.calendar.of(int64(p.Run.ID)))
	}
	if len(others.run) > 0 {
		b.Queue(sqlReport, append([]any{t.number}, others.values()...)...)
	}
	if len(ends.run) > 0 {
		b.Queue(sqlEnd, append(append([]any{t.number}, ends.values()...), days)...)
	}
	return nil
}

// failuresAfter is how many runs have failed in a row after one more ended.
func failuresAfter(count int64, state task.RunState) int64 {
	switch state {
	case task.Failed, task.TimedOut, task.Lost:
		return count + 1
	case task.Succeeded:
		return 0
	}
	return count
}
