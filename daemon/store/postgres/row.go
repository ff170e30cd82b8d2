package postgres

import (
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// holdColumns say who holds a task; n is its node, if that is one.
const (
	holdColumns = `c.in_hand, c.nobodys, c.node, n.state, n.address`
	fromHold    = ` LEFT JOIN nodes n ON n.id = c.node`
	// mayHold is whether the node $1 may claim, change and call a task: it holds it, or nobody does.
	mayHold = `CASE WHEN c.in_hand > 0 THEN c.node = $1 ELSE c.nobodys = 0 END`
)

// holdRow is a row of holdColumns.
type holdRow struct {
	inHand, nobodys int64
	node            pgtype.UUID
	state           pgtype.Int2
	address         pgtype.Text
}

func (h *holdRow) dest() []any { return []any{&h.inHand, &h.nobodys, &h.node, &h.state, &h.address} }

// allows reports whether a node may claim, change and call the task.
func (h *holdRow) allows(node uuid.UUID) bool {
	if h.inHand > 0 {
		return h.node.Bytes == node
	}
	return h.nobodys == 0
}

// holder is who holds it, for others to ask. A node that does not live holds nothing.
func (h *holdRow) holder(id uuid.UUID) task.HeldTask {
	held := task.HeldTask{TaskID: id}
	if h.inHand > 0 && h.state.Int16 == int16(task.Alive) {
		held.Node, held.Address = h.node.Bytes, unescape(h.address.String)
	}
	return held
}

// row is a task in a transaction that has locked it: as it was read, and then as the transaction makes it.
type row struct {
	pk      int64
	id      uuid.UUID
	name    string
	version int64
	state   task.State
	clock   task.Clock
	hold    holdRow
	// failures and counts are as they become; counted says that counts were read whole, and are not what is added.
	failures int64
	counts   task.Counts
	added    task.Counts
	lastRun  int64               // 0: none
	back     map[task.RunID]bool // runs that were taken back
	change   int64
	pause    *task.Pause // a decision of the transaction has set it; nil: none has

	fresh   bool // it is yet to be inserted, and pk is not known before the second step
	gone    bool // it is deleted
	moved   bool // its clock is to be written whole
	counted bool // its counts or who holds it are
	listed  bool // it is among tx.clocks
}

// due is what a decision sees.
func (r *row) due(load func() (task.Task, error)) store.Due {
	return store.Due{
		ID: r.id, Name: r.name, Version: r.version, State: r.state, Clock: codec.CloneClock(r.clock), FailureCount: r.failures, Load: load,
	}
}

// enters counts a run that is recorded and has not ended.
func (t *tx) enters(r *row, beside bool) {
	r.counted = true
	if !beside {
		r.hold.inHand++
		r.hold.node = uuidValue(t.node)
	}
}

// leaves counts a run that is not in the hands of its node any more.
func (r *row) leaves(beside bool) {
	r.counted = true
	if beside {
		return
	}
	if r.hold.inHand--; r.hold.inHand <= 0 {
		r.hold.inHand, r.hold.node = 0, pgtype.UUID{}
	}
}

// add adds to the counts.
func (r *row) add(c task.Counts) {
	if c != (task.Counts{}) {
		r.counts, r.added, r.counted = r.counts.Add(c), r.added.Add(c), true
	}
}

// recording is a run that a transaction records. Its ID, Node and Change are set in the third step.
type recording struct {
	row    *row
	run    task.Run
	beside bool
	order  int64       // among those of the transaction
	nth    pgtype.Int2 // see the schema
	back   bool        // it was taken back in the same transaction
}

// record notes runs of a task, whose last run follows. The answer is complete once the transaction is.
func (t *tx) record(r *row, runs []task.Run, beside bool) ([]*recording, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	all := make([]*recording, len(runs))
	for i := range runs {
		if runs[i].TaskID != r.id {
			return nil, foreign(fmt.Errorf("task %q: a run to record has the task id %s instead of %s", r.name, runs[i].TaskID, r.id))
		}
		rec := &recording{row: r, run: codec.CloneRun(&runs[i]), beside: beside, order: t.runs}
		rec.run.TaskName = r.name
		t.runs++
		r.add(task.Counts{}.Of(&rec.run, true))
		if !rec.run.State.Ended() {
			t.enters(r, beside)
		}
		all[i] = rec
		t.told.recorded(rec)
		t.recordings = append(t.recordings, rec)
	}
	t.changes(r)
	return all, nil
}

// changes says that a task changes with this transaction.
func (t *tx) changes(r *row) {
	t.changed = true
	t.told.task(r)
}

// recorded are the runs of recordings, once the transaction is complete.
func recorded(all []*recording) []task.Run {
	if len(all) == 0 {
		return nil
	}
	runs := make([]task.Run, len(all))
	for i, rec := range all {
		runs[i] = rec.run
	}
	return runs
}

// numberRuns gives the recordings their numbers. It is the beginning of the third step.
func (t *tx) numberRuns() {
	for _, rec := range t.recordings {
		rec.run.ID, rec.run.Node, rec.run.Change = task.RunID(t.firstRun+rec.order), t.node, t.number
		if !rec.back {
			rec.row.lastRun = int64(rec.run.ID)
		}
	}
}

var (
	sqlInsertOpen = `INSERT INTO open_runs (` + runWritten + `, beside, nth) SELECT * FROM unnest(` + runParams + `, $22::boolean[], $23::smallint[])`
	sqlInsertRuns = `INSERT INTO runs (` + runWritten + `, day) SELECT * FROM unnest(` + runParams + `, $22::date[])`
)

// runParams are the parameters of unnest for runArrays.
var runParams = params(runTypes, 1)

// params numbers types as parameters from first on.
func params(types string, first int) string {
	list := strings.Split(types, ",")
	for i, one := range list {
		list[i] = fmt.Sprintf("$%d::%s", first+i, strings.TrimSpace(one))
	}
	return strings.Join(list, ", ")
}

// writeRuns writes the recordings.
func (t *tx) writeRuns(b *pgx.Batch) error {
	var open, ended runArrays
	var beside []bool
	var nth pgtype.FlatArray[pgtype.Int2]
	var days pgtype.FlatArray[pgtype.Date]
	for _, rec := range t.recordings {
		if rec.row.gone || rec.back {
			continue // it has come and gone
		}
		if rec.run.State.Ended() {
			if err := ended.add(rec.row.pk, &rec.run); err != nil {
				return err
			}
			days = append(days, t.calendar.of(int64(rec.run.ID)))
			continue
		}
		if err := open.add(rec.row.pk, &rec.run); err != nil {
			return err
		}
		beside, nth = append(beside, rec.beside), append(nth, rec.nth)
	}
	if len(open.run) > 0 {
		b.Queue(sqlInsertOpen, append(open.values(), beside, nth)...)
	}
	if len(ended.run) > 0 {
		b.Queue(sqlInsertRuns, append(ended.values(), days)...)
	}
	return nil
}

// rowWrites are rows whose clocks are written together.
type rowWrites struct {
	pk              []int64
	clock           clockArrays
	lastRun         pgtype.FlatArray[pgtype.Int8]
	inHand, nobodys []int64
	node            pgtype.FlatArray[pgtype.UUID]
	failures        []int64
	added           task.Counts
	counts          [12][]int64
}

func (w *rowWrites) add(r *row) {
	w.pk = append(w.pk, r.pk)
	w.clock.add(&r.clock)
	w.lastRun = append(w.lastRun, pgtype.Int8{Int64: r.lastRun, Valid: r.lastRun != 0})
	w.inHand, w.nobodys, w.node = append(w.inHand, r.hold.inHand), append(w.nobodys, r.hold.nobodys), append(w.node, r.hold.node)
	w.failures = append(w.failures, r.failures)
	for i, n := range countDest(&r.added) {
		v := *n.(*int64)
		w.counts[i] = append(w.counts[i], v)
		if v != 0 {
			*countDest(&w.added)[i].(*int64) = 1 // some
		}
	}
}

// countNames are the columns of countColumns, without the table.
var countNames = strings.Split(strings.NewReplacer("c.", "", "\n", "", "\t", "", " ", "").Replace(countColumns), ",")

// writeClocks writes the clocks of rows that have changed, all that are alike in one statement.
func (t *tx) writeClocks(b *pgx.Batch) {
	var moved, counted rowWrites
	for _, r := range t.clocks {
		switch {
		case r.gone || r.fresh:
		case r.moved:
			moved.add(r)
		default:
			counted.add(r)
		}
	}
	moved.queue(b, t.number, true)
	counted.queue(b, t.number, false)
}

func (w *rowWrites) queue(b *pgx.Batch, change int64, clocks bool) {
	if len(w.pk) == 0 {
		return
	}
	args := []any{change, w.pk, w.lastRun, w.inHand, w.nobodys, w.node, w.failures}
	names, types := []string{"pk", "last_run", "in_hand", "nobodys", "node", "failure_count"}, []string{"bigint[]", "bigint[]", "integer[]", "integer[]", "uuid[]", "bigint[]"}
	set := []string{"change = $1", "last_run = u.last_run", "in_hand = u.in_hand", "nobodys = u.nobodys", "node = u.node", "failure_count = u.failure_count"}
	if clocks {
		args = append(args, w.clock.values()...)
		for i, name := range strings.Split(clockWritten, ",") {
			name = strings.TrimSpace(name)
			names, types = append(names, name), append(types, strings.TrimSpace(strings.Split(clockTypes, ",")[i]))
			set = append(set, name+" = u."+name)
		}
	}
	for i, n := range countDest(&w.added) {
		if *n.(*int64) != 0 {
			args = append(args, w.counts[i])
			names, types = append(names, countNames[i]), append(types, "bigint[]")
			set = append(set, countNames[i]+" = c."+countNames[i]+" + u."+countNames[i])
		}
	}
	b.Queue("UPDATE clocks c SET "+strings.Join(set, ", ")+" FROM unnest("+params(strings.Join(types, ","), 2)+") u("+strings.Join(names, ", ")+") WHERE c.pk = u.pk", args...)
}
