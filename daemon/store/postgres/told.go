package postgres

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	sqlInsertFeed = `INSERT INTO feed (change, time, changes) VALUES ($1, $2, $3)`
	sqlOldestOpen = `SELECT coalesce((SELECT run FROM open_runs ORDER BY run LIMIT 1), (SELECT last_value + is_called::int FROM run_numbers))`
	sqlTasksByPK  = `SELECT ` + fullColumns + fromTask + ` WHERE t.pk = ANY($1::bigint[])`
	sqlBriefOpen  = `SELECT ` + runColumns + `, t.id, t.name` + fromOpen + ` WHERE r.run = ANY($1::bigint[])`
	sqlBriefEnded = `SELECT ` + runColumns + `, t.id, t.name` + fromEnded + ` WHERE r.day = $1 AND r.run = ANY($2::bigint[])`
)

// told is what a transaction does, for observers.
type told struct {
	tasks, runs bool // who is wanted, of the observer of this Store
	items       []toldItem
	rows        []*row // whose tasks have changed, each once
	isIn        map[*row]bool
}

// toldItem is one of: a run that was recorded or reported, one that was taken back, a task that is gone.
type toldItem struct {
	recording *recording
	run       task.RunID
	takenBack task.RunID
	deleted   uuid.UUID
}

func (t *told) some() bool { return len(t.items) > 0 || len(t.rows) > 0 }

func (t *told) task(r *row) {
	if !t.isIn[r] {
		if t.isIn == nil {
			t.isIn = make(map[*row]bool)
		}
		t.isIn[r] = true
		t.rows = append(t.rows, r)
	}
}

func (t *told) recorded(r *recording)    { t.items = append(t.items, toldItem{recording: r}) }
func (t *told) run(id task.RunID)        { t.items = append(t.items, toldItem{run: id}) }
func (t *told) takenBack(id task.RunID)  { t.items = append(t.items, toldItem{takenBack: id}) }
func (t *told) deletedTask(id uuid.UUID) { t.items = append(t.items, toldItem{deleted: id}) }

// tell puts what the transaction has written into the feed, as it has become.
func (t *tx) tell(b *pgx.Batch, tasks, runs bool) error {
	r := &reader{store: t.store, ctx: t.ctx, conn: t.conn, begun: true}
	briefs := make(map[task.RunID]task.Run)
	if runs {
		var keys []int64
		for _, item := range t.told.items {
			if item.recording != nil {
				keys = append(keys, int64(item.recording.run.ID))
			} else if item.run != 0 {
				keys = append(keys, int64(item.run))
			}
		}
		if err := r.briefs(keys, briefs); err != nil {
			return err
		}
	}
	var c fedCommit
	said := make(map[task.RunID]bool)
	for _, item := range t.told.items {
		id := item.run
		if item.recording != nil {
			id = item.recording.run.ID
		}
		switch {
		case item.deleted != uuid.Nil:
			c.Changes = append(c.Changes, fedChange{DeletedTask: item.deleted})
		case !runs:
		case item.takenBack != 0:
			c.Changes = append(c.Changes, fedChange{TakenBack: item.takenBack})
		default:
			if run, ok := briefs[id]; ok && !said[id] {
				said[id] = true
				c.Changes = append(c.Changes, fedChange{Run: &run})
			}
		}
	}
	if tasks {
		if err := t.tellTasks(r, &c); err != nil {
			return err
		}
	}
	if len(c.Changes) == 0 {
		return nil
	}
	if err := t.ask(false, question{sqlOldestOpen, nil, []any{&c.OldestOpen}, func() error { return nil }}); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(&c); err != nil {
		return foreign(fmt.Errorf("feed: %w", err))
	}
	b.Queue(sqlInsertFeed, t.number, timestamp(t.now), text.Bytes())
	t.fed = true
	return nil
}

// tellTasks adds the tasks that have changed.
func (t *tx) tellTasks(r *reader, c *fedCommit) error {
	rows := make(map[int64]*row, len(t.told.rows))
	keys := make([]int64, 0, len(t.told.rows))
	for _, row := range t.told.rows {
		if !row.gone {
			keys, rows[row.pk] = append(keys, row.pk), row
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := t.ask(false, heads(keys, func(pk int64) *row { return rows[pk] })); err != nil {
		return err
	}
	list, err := r.tasks(sqlTasksByPK, []any{keys}, false)
	if err != nil {
		return err
	}
	byID := make(map[uuid.UUID]*task.Task, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	for _, pk := range keys {
		if k := byID[rows[pk].id]; k != nil {
			c.Changes = append(c.Changes, fedChange{Task: feedTask(k)})
		}
	}
	return nil
}

// briefs reads runs without Input and Output.
func (r *reader) briefs(ids []int64, into map[task.RunID]task.Run) error {
	if len(ids) == 0 {
		return nil
	}
	row := new(runRow)
	dest := append(row.dest(), &row.taskID, &row.taskName)
	take := func() error {
		run, err := r.run(row)
		into[run.ID] = run
		return err
	}
	return r.askDays(func(c calendar) []question {
		questions := []question{{sqlBriefOpen, []any{ids}, dest, take}}
		for _, d := range c.group(ids) {
			questions = append(questions, question{sqlBriefEnded, []any{d.day, d.runs}, dest, take})
		}
		return questions
	})
}

// fedCommit is a commit as the feed keeps it.
type fedCommit struct {
	OldestOpen task.RunID
	Changes    []fedChange
}

type fedChange struct {
	Task        *fedTask
	DeletedTask uuid.UUID
	Run         *task.Run
	TakenBack   task.RunID
}

// fedTask is a task with its triggers as texts.
type fedTask struct {
	Task               task.Task
	Declared, Override string
}

func feedTask(t *task.Task) *fedTask {
	f := &fedTask{Task: *t, Declared: t.Declaration.Trigger.String()}
	f.Task.Declaration.Trigger = schedule.Trigger{}
	if t.Override != nil {
		o := *t.Override
		f.Override, o.Trigger = o.Trigger.String(), schedule.Trigger{}
		f.Task.Override = &o
	}
	return f
}

func (f *fedTask) task() (*task.Task, error) {
	t := f.Task
	var err error
	if t.Declaration.Trigger, err = codec.DecodeTrigger(f.Declared); err != nil {
		return nil, err
	}
	if t.Override != nil {
		if t.Override.Trigger, err = codec.DecodeTrigger(f.Override); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

// commit is the fedCommit as an observer takes it, without what it does not want.
func (c *fedCommit) commit(change int64, tasks, runs bool) (store.Commit, error) {
	out := store.Commit{Change: change, OldestOpen: c.OldestOpen}
	for i := range c.Changes {
		ch := &c.Changes[i]
		switch {
		case ch.Task != nil && tasks:
			t, err := ch.Task.task()
			if err != nil {
				return out, err
			}
			out.Changes = append(out.Changes, store.Changed{Task: t})
		case ch.DeletedTask != uuid.Nil && (tasks || runs):
			out.Changes = append(out.Changes, store.Changed{DeletedTask: ch.DeletedTask})
		case ch.Run != nil && runs:
			out.Changes = append(out.Changes, store.Changed{Run: ch.Run})
		case ch.TakenBack != 0 && runs:
			out.Changes = append(out.Changes, store.Changed{TakenBack: ch.TakenBack})
		}
	}
	return out, nil
}
