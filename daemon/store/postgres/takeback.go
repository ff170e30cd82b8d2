package postgres

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlOpenOfTask = `SELECT run FROM open_runs WHERE task = $1 ORDER BY run + 0`
	// What is to be known of runs that are taken back.
	sqlBackOpen  = `SELECT run, task, state, reason, fires, beside, node IS NULL FROM open_runs WHERE run = ANY($1::bigint[])`
	sqlBackEnded = `SELECT run, task, state, reason, fires, false, false FROM runs WHERE day = $1 AND run = ANY($2::bigint[])`
	// The newest run of each task but for some, of those that have not ended and of those that were recorded since a day.
	sqlNewestRuns = `SELECT p.pk, coalesce(greatest(
			(SELECT r.run FROM open_runs r WHERE r.task = p.pk AND NOT r.run = ANY($3::bigint[]) ORDER BY r.run + 0 DESC LIMIT 1),
			(SELECT r.run FROM runs r WHERE r.day >= $2 AND r.task = p.pk AND NOT r.run = ANY($3::bigint[]) ORDER BY r.task DESC, r.run DESC LIMIT 1)), 0)
		FROM unnest($1::bigint[]) p (pk)`
	sqlDeleteOpen = `DELETE FROM open_runs WHERE run = ANY($1::bigint[])`
)

// taken is a run that a change takes back, if it is the task's.
type taken struct {
	pk      int64 // the task's
	run     task.Run
	beside  bool
	nobodys bool
}

// findBack reads the runs that changes take back, all in one go.
func (u *update) findBack(all []*asked) (map[task.RunID]*taken, error) {
	var wanted []int64
	for _, a := range all {
		for _, id := range a.change.TakeBack {
			if !u.locked || int64(id) < u.nextRun { // or it is one of this transaction
				wanted = append(wanted, int64(id))
			}
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	found := make(map[task.RunID]*taken)
	var id, state, reason int64
	var one taken
	dest := []any{&id, &one.pk, &state, &reason, &one.run.Fires, &one.beside, &one.nobodys}
	take := func() error {
		t := one
		t.run.ID, t.run.State, t.run.Reason = task.RunID(id), task.RunState(state), task.Reason(reason)
		found[t.run.ID] = &t
		return nil
	}
	err := u.reader().askDays(func(c calendar) []question {
		questions := []question{{sqlBackOpen, []any{wanted}, dest, take}}
		for _, d := range c.group(wanted) {
			questions = append(questions, question{sqlBackEnded, []any{d.day, d.runs}, dest, take})
		}
		return questions
	})
	return found, err
}

// takeBack deletes runs of a task, as if they had never been. Those that are not its are passed over.
func (u *update) takeBack(k *stored, ids []task.RunID, known map[task.RunID]*taken) {
	some := false
	for _, id := range ids {
		if u.takeBackOwn(k, id) {
			some = true
			continue
		}
		t := known[id]
		if t == nil || t.pk != k.pk || k.back[id] {
			continue
		}
		some = true
		if k.back == nil {
			k.back = make(map[task.RunID]bool)
		}
		k.back[id] = true
		u.back = append(u.back, int64(id))
		if id == task.RunID(k.lastRun) {
			u.headless = append(u.headless, k)
		}
		if t.run.State.Ended() {
			u.backEnded = append(u.backEnded, int64(id))
		} else if t.nobodys {
			k.hold.nobodys--
		} else {
			k.leaves(t.beside)
		}
		k.add(task.Counts{}.Sub(task.Counts{}.Of(&t.run, true)))
		u.told.takenBack(id)
	}
	if some {
		u.takesBack = true
		u.lists(&k.row)
		k.task.Counts = k.counts
	}
}

// takeBackOwn takes back a run that this transaction has recorded itself, if it is one.
func (u *update) takeBackOwn(k *stored, id task.RunID) bool {
	order := int64(id) - u.nextRun
	if !u.locked || order < 0 || order >= int64(len(u.recordings)) {
		return false
	}
	rec := u.recordings[order]
	if rec.row != &k.row || rec.back {
		return false
	}
	rec.back = true
	if !rec.run.State.Ended() {
		k.leaves(rec.beside)
	}
	k.add(task.Counts{}.Sub(task.Counts{}.Of(&rec.run, true)))
	u.told.takenBack(id)
	return true
}

// settle finds out what is the last run of tasks whose last run was taken back, and deletes what was.
func (u *update) settle() error {
	if len(u.back) == 0 {
		return nil
	}
	u.write(func(b *pgx.Batch) error {
		b.Queue(sqlDeleteOpen, u.back)
		var deleted int64
		deleteRuns(b, u.calendar, u.backEnded, &deleted)
		b.Queue(sqlDeleteRequests, u.back)
		return nil
	})
	byPK := make(map[int64]*stored)
	var pks []int64
	for _, k := range u.headless {
		if !k.gone && byPK[k.pk] == nil {
			byPK[k.pk] = k
			pks = append(pks, k.pk)
			k.lastRun = 0
		}
	}
	if len(pks) == 0 {
		return nil
	}
	// Most have run within a day. What is found is the newest only if no older day can have a newer one.
	var since pgtype.Date
	var first int64
	var pk, run int64
	err := u.reader().askDays(func(c calendar) []question {
		since, first = c.recent()
		return []question{{sqlNewestRuns, []any{pks, since, u.back}, []any{&pk, &run}, func() error {
			byPK[pk].lastRun = run
			return nil
		}}}
	})
	if err != nil {
		return err
	}
	for _, k := range byPK {
		if k.lastRun < first {
			if k.lastRun, err = u.reader().newestRun(k.pk, u.back); err != nil {
				return err
			}
		}
	}
	return nil
}

// recent is the last day but one, and its first run.
func (c calendar) recent() (since pgtype.Date, first int64) {
	if len(c) == 0 {
		return pgtype.Date{Time: time.Time{}, Valid: true}, 0
	}
	d := c[max(0, len(c)-2)]
	if len(c) <= 2 {
		return d.value(), 0 // there is nothing older
	}
	return d.value(), d.first
}

// remove deletes a task. Nobody finds its runs without it; Sweep deletes them.
func (u *update) remove(k *stored) error {
	var open []int64
	var left int64
	if !k.fresh {
		var run int64
		err := u.ask(false, question{sqlOpenOfTask, []any{k.pk}, []any{&run}, func() error {
			if !k.back[task.RunID(run)] {
				open = append(open, run)
			}
			return nil
		}})
		if err == nil {
			left, err = u.reader().newestRun(k.pk, append(open, u.back...))
		}
		if err != nil {
			return err
		}
	}
	for _, run := range open {
		u.told.takenBack(task.RunID(run))
	}
	for _, rec := range u.recordings {
		if rec.row == &k.row && !rec.back && !rec.run.State.Ended() {
			open = append(open, u.nextRun+rec.order)
			u.told.takenBack(task.RunID(u.nextRun + rec.order))
		}
	}
	u.vacate(k)
	delete(u.byID, k.id)
	k.gone = true
	u.changed, u.deletes, u.takesBack = true, true, u.takesBack || len(open) > 0
	u.write(func(b *pgx.Batch) error {
		b.Queue("DELETE FROM open_runs WHERE task = $1", k.pk)
		if len(open) > 0 {
			b.Queue(sqlDeleteRequests, open)
		}
		b.Queue("DELETE FROM clocks WHERE pk = $1", k.pk)
		b.Queue("DELETE FROM tasks WHERE pk = $1", k.pk)
		if left != 0 {
			b.Queue("INSERT INTO remains (task) VALUES ($1) ON CONFLICT DO NOTHING", k.pk)
		}
		return nil
	})
	return nil
}
