package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	// A task is locked by its row in clocks, whoever changes whatever of it. What is read with the lock may be older than that,
	// so a statement of its own reads.
	sqlLockByID  = `SELECT c.pk FROM clocks c JOIN tasks t ON t.pk = c.pk WHERE t.id = ANY($1::uuid[]) ORDER BY c.pk FOR UPDATE OF c`
	sqlTasksHeld = `SELECT ` + fullColumns + `, ` + holdColumns + `,
		greatest(c.change, coalesce((SELECT r.change FROM open_runs r WHERE r.run = c.last_run), 0))` + fromTask + fromHold
	sqlTasksByID = sqlTasksHeld + ` WHERE t.id = ANY($1::uuid[])`

	sqlNames = `SELECT id, name FROM tasks WHERE name = ANY($1::text[]) OR id = ANY($2::uuid[])`
)

var (
	sqlInsertTask  = `INSERT INTO tasks (` + taskWritten + `, pk) VALUES (` + numbered(31) + `)`
	sqlUpdateTask  = `UPDATE tasks SET (` + taskWritten + `) = ROW (` + numbered(30) + `) WHERE pk = $31`
	sqlInsertClock = `INSERT INTO clocks (` + clockWritten + `, failure_count, last_run, change, in_hand, node, ` + strings.Join(countNames, ", ") + `, pk) VALUES (` + numbered(26) + `)`
)

// numbered is a list of so many parameters.
func numbered(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(list, ", ")
}

// tasksRow is a row of sqlTasksHeld.
type tasksRow struct {
	fullRow
	holdRow
	latest int64
}

func (r *tasksRow) dest() []any {
	return append(append(r.fullRow.dest(), r.holdRow.dest()...), &r.latest)
}

// stored is a task that a transaction has locked.
type stored struct {
	row
	task task.Task // without LastRun
}

func (r *tasksRow) stored(s *Store) (*stored, error) {
	t, err := r.fullRow.task(s.namespace)
	if err != nil {
		return nil, s.unreadable(err)
	}
	t.Change = r.latest
	return &stored{task: t, row: row{
		pk: r.pk, id: t.ID, name: t.Declaration.Name, version: t.Version, state: t.State, clock: t.Clock, hold: r.holdRow,
		failures: t.FailureCount, counts: t.Counts, lastRun: r.lastRun.Int64, change: r.latest,
	}}, nil
}

// update is an Update under way.
type update struct {
	*tx
	byID map[uuid.UUID]*stored
	// names are those that tasks get, and vacated those that tasks had.
	names   map[string]uuid.UUID
	vacated map[uuid.UUID]bool
	held    []task.HeldTask
	// back are runs that are taken back, backEnded those of them that have ended; headless are tasks whose last run is among
	// them.
	back, backEnded []int64
	headless        []*stored
}

// Update implements store.Store. Runs to take back that are not there, or not the task's, are passed over, so that a change
// may be repeated, and so is a task to delete that is not there.
func (s *Store) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) (updated []store.Updated, err error) {
	err = s.transact(ctx, func(t *tx) error {
		u := &update{tx: t, byID: make(map[uuid.UUID]*stored), names: make(map[string]uuid.UUID), vacated: make(map[uuid.UUID]bool)}
		updated, err = u.run(ids, fn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

func (u *update) run(ids []uuid.UUID, fn store.UpdateFunc) ([]store.Updated, error) {
	keys := make([]pgtype.UUID, len(ids))
	known := make(map[uuid.UUID]bool, len(ids))
	for i, id := range ids {
		keys[i], known[id] = uuidValue(id), true
	}
	locked := make(map[int64]bool)
	var pk int64
	read := new(tasksRow)
	err := u.ask(true, question{sqlLockByID, []any{keys}, []any{&pk}, func() error { locked[pk] = true; return nil }},
		question{sqlTasksByID, []any{keys}, read.dest(), func() error {
			k, err := read.stored(u.store)
			if err == nil && !locked[k.pk] {
				err = errMoved
			}
			if err == nil {
				u.byID[k.id] = k
			}
			return err
		}})
	if err != nil {
		return nil, err
	}
	// Where an id comes again it may name the runs that were recorded before, whose numbers must be known then.
	again := len(known) < len(ids)
	if again {
		if err := u.turn(false); err != nil {
			return nil, err
		}
	}
	updated := make([]store.Updated, len(ids))
	var asked []*asked
	for i, id := range ids {
		a, err := u.one(id, fn)
		if err != nil {
			return nil, err
		}
		a.out = &updated[i]
		asked = append(asked, a)
		if again || a.change.Task != nil && a.change.Task.ID != id { // the next one may see it
			if err := u.apply(asked); err != nil {
				return nil, err
			}
			asked = nil
		}
	}
	if err := u.apply(asked); err != nil {
		return nil, err
	}
	if len(u.held) > 0 {
		return nil, foreign(&task.HeldError{Tasks: u.held})
	}
	if err := u.settle(); err != nil {
		return nil, err
	}
	return updated, u.free()
}

// asked is what a function wants done.
type asked struct {
	id     uuid.UUID
	k      *stored // nil: it is not stored
	change store.Change
	out    *store.Updated
}

// one asks about one task.
func (u *update) one(id uuid.UUID, fn store.UpdateFunc) (*asked, error) {
	a := &asked{id: id, k: u.byID[id]}
	var given *task.Task
	if a.k != nil {
		c := cloneTask(&a.k.task)
		given = &c
	}
	var err error
	a.change, err = fn(id, given)
	return a, foreign(err)
}

// apply notes what is to be done.
func (u *update) apply(all []*asked) error {
	back, err := u.findBack(all)
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := u.change(a, back); err != nil {
			return err
		}
	}
	return nil
}

// change notes what is to be done of one task.
func (u *update) change(a *asked, back map[task.RunID]*taken) (err error) {
	id, k, change := a.id, a.k, &a.change
	wants := change.Task != nil || change.Delete || len(change.TakeBack) > 0 || len(change.Record) > 0 || len(change.Audit) > 0
	if k != nil && wants && !change.Beside && !k.hold.allows(u.node) {
		u.held = append(u.held, k.hold.holder(id))
		return nil
	}
	if k != nil {
		u.takeBack(k, change.TakeBack, back)
	}
	switch {
	case change.Delete && (change.Task != nil || len(change.Record) > 0):
		return foreign(fmt.Errorf("task %s is to be deleted, so nothing of it can be written", id))
	case change.Delete && k != nil:
		err = u.remove(k)
	case change.Delete:
	case change.Task != nil:
		k, err = u.put(id, k, change.Task)
	case k == nil && len(change.Record) > 0:
		err = foreign(fmt.Errorf("task %s is not stored, so no run of it can be recorded", id))
	}
	if err != nil {
		return err
	}
	var recs []*recording
	if k != nil && !change.Delete {
		if recs, err = u.record(&k.row, change.Record, change.Beside); err != nil {
			return err
		}
		if len(recs) > 0 {
			u.lists(&k.row)
			k.task.Counts = k.counts
		}
	}
	u.addEvents(change.Audit)
	if change.Delete || k == nil {
		return nil
	}
	a.out.Task = cloneTask(&k.task)
	counts := k.counts
	touched := k.listed
	u.after(func() {
		a.out.Task.Counts = counts
		if touched {
			a.out.Task.Change = u.number
		}
		a.out.Recorded = recorded(recs)
	})
	return nil
}

// put makes t the value of a task, which may be new.
func (u *update) put(id uuid.UUID, k *stored, t *task.Task) (*stored, error) {
	name := t.Declaration.Name
	renamed := k != nil && t.ID != id
	switch {
	case t.Namespace != u.store.namespace:
		return nil, foreign(fmt.Errorf("task %q is of namespace %q; this store keeps %q", name, t.Namespace, u.store.namespace))
	case k == nil && t.ID != id:
		return nil, foreign(fmt.Errorf("task %q: the change was asked for %s and is for %s", name, id, t.ID))
	case k != nil && renamed != (k.name != name):
		return nil, foreign(fmt.Errorf("task %q with the id %s can become neither %q nor %s alone: a task that is renamed has another id", k.name, id, name, t.ID))
	}
	values, kept, err := taskValues(t)
	if err != nil {
		return nil, foreign(err)
	}
	if k == nil || renamed {
		if other, taken := u.names[name]; taken && other != uuid.Nil {
			return nil, foreign(fmt.Errorf("%w: the name %q is that of task %s", task.ErrExists, name, other))
		}
		u.names[name] = t.ID
	}
	switch {
	case k == nil:
		k = &stored{row: row{id: id, name: name, fresh: true}}
		order := u.tasks
		u.tasks++
		u.write(func(b *pgx.Batch) error {
			k.pk = u.firstTask + order
			b.Queue(sqlInsertTask, append(values, k.pk)...)
			return nil
		})
		u.lists(&k.row)
		u.byID[id] = k
	default:
		if renamed {
			u.vacate(k)
			delete(u.byID, id)
			k.id, k.name = t.ID, name
			u.byID[t.ID] = k
			u.changed, u.deletes = true, true
		}
		u.write(func(b *pgx.Batch) error {
			b.Queue(sqlUpdateTask, append(values, k.pk)...)
			return nil
		})
		u.lists(&k.row)
	}
	kept.Counts, kept.Change = k.counts, k.change
	k.task = kept
	u.sooner(k.clock.NextFireTime, kept.Clock.NextFireTime)
	k.version, k.state, k.clock, k.failures = kept.Version, kept.State, kept.Clock, kept.FailureCount
	k.moved = true
	return k, nil
}

// vacate says that a task is no more under its id and name.
func (u *update) vacate(k *stored) {
	u.vacated[k.id] = true
	if u.names[k.name] == k.id {
		u.names[k.name] = uuid.Nil
	}
	u.told.deletedTask(k.id)
}

// free finds out whether the names that tasks get are free.
func (u *update) free() error {
	if len(u.names) == 0 {
		return nil
	}
	var names []string
	var ids []pgtype.UUID
	for name, id := range u.names {
		if id != uuid.Nil {
			names, ids = append(names, escape(name)), append(ids, uuidValue(id))
		}
	}
	var id pgtype.UUID
	var name string
	return u.ask(false, question{sqlNames, []any{names, ids}, []any{&id, &name}, func() error {
		if u.vacated[id.Bytes] {
			return nil
		}
		if k := u.byID[id.Bytes]; k != nil && k.fresh {
			// Another node has made the same task since it was looked for: the function is to see that.
			return fmt.Errorf("task %q was made meanwhile", unescape(name))
		}
		return foreign(fmt.Errorf("%w: the name %q is that of task %s", task.ErrExists, unescape(name), uuid.UUID(id.Bytes)))
	}})
}

// insertClocks writes the clocks of tasks that are new.
func (t *tx) insertClocks(b *pgx.Batch) {
	for _, r := range t.clocks {
		if !r.fresh || r.gone {
			continue
		}
		values := append(clockValues(&r.clock), r.failures, pgtype.Int8{Int64: r.lastRun, Valid: r.lastRun != 0}, t.number, r.hold.inHand, r.hold.node)
		for _, n := range countDest(&r.counts) {
			values = append(values, *n.(*int64))
		}
		b.Queue(sqlInsertClock, append(values, r.pk)...)
	}
}

// addEvents notes events. What they say of their runs is read in the third step.
func (t *tx) addEvents(events []task.Event) {
	t.changed = t.changed || len(events) > 0
	for i := range events {
		e := events[i]
		t.audit = append(t.audit, &e)
	}
}

// writeEvents writes what was noted.
func (t *tx) writeEvents(b *pgx.Batch) {
	if len(t.audit) == 0 {
		return
	}
	var a eventArrays
	for i, e := range t.audit {
		e.ID = t.nextEvent + int64(i)
		a.add(e)
	}
	b.Queue(sqlInsertEvents, a.values()...)
}
