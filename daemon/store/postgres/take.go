package postgres

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlNobodys = `SELECT DISTINCT task FROM open_runs WHERE node IS NULL AND task > $1 ORDER BY task LIMIT $2`
	// Those of them that $1 may take. What is locked somebody else takes, or it changes this moment.
	sqlLockNobodys = `SELECT c.pk FROM clocks c WHERE c.pk = ANY($2::bigint[]) AND c.nobodys > 0 AND (c.in_hand = 0 OR c.node = $1)
		ORDER BY c.pk FOR UPDATE SKIP LOCKED`
	sqlNobodysRuns = `SELECT ` + wholeColumns + `, r.last_node` + fromOpen + ` WHERE r.task = ANY($1::bigint[]) AND r.node IS NULL ORDER BY r.run`
	sqlTakeRuns    = `UPDATE open_runs SET node = $1, last_node = NULL WHERE run = ANY($2::bigint[])`
	sqlTakeClocks  = `UPDATE clocks c SET in_hand = c.in_hand + c.nobodys, nobodys = 0, node = $1 WHERE c.pk = ANY($2::bigint[])`
)

// takeLook is how many tasks a Take looks at at a time.
const takeLook = 500

// Take implements store.Cluster.
func (s *Store) Take(ctx context.Context, limit int, able func(t task.Task) bool) (runs []task.Run, more bool, err error) {
	err = s.actAsNode(ctx, func(t *tx) error {
		runs = nil
		var pks []int64
		if pks, more, err = t.nobodys(limit, able); err != nil || len(pks) == 0 {
			return err
		}
		if runs, err = t.nobodysRuns(pks); err != nil {
			return err
		}
		ids := make([]int64, len(runs))
		for i := range runs {
			ids[i] = int64(runs[i].ID)
		}
		t.write(func(b *pgx.Batch) error {
			b.Queue(sqlTakeRuns, uuidValue(t.node), ids)
			b.Queue(sqlTakeClocks, uuidValue(t.node), pks)
			return nil
		})
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return runs, more, nil
}

// nobodys locks tasks with runs in nobody's hands and returns up to limit of them with which this node can go on, and
// whether there may be more. It begins the transaction.
func (t *tx) nobodys(limit int, able func(t task.Task) bool) (pks []int64, more bool, err error) {
	after, first := int64(0), true
	for len(pks) < limit {
		var some, page []int64
		var pk int64
		look := min(takeLook, limit-len(pks))
		err := t.ask(first, question{sqlNobodys, []any{after, look}, []any{&pk}, func() error { some = append(some, pk); return nil }})
		if err != nil || len(some) == 0 {
			return pks, false, err
		}
		after, first = some[len(some)-1], false
		err = t.ask(false, question{sqlLockNobodys, []any{uuidValue(t.node), some}, []any{&pk}, func() error { page = append(page, pk); return nil }})
		if err != nil {
			return nil, false, err
		}
		if len(page) == 0 {
			continue
		}
		f := new(fullRow)
		var tasks []task.Task
		var keys []int64
		err = t.ask(false, question{sqlTasksByPK, []any{page}, f.dest(), func() error {
			read, err := f.task(t.store.namespace)
			if err != nil {
				return t.store.unreadable(err)
			}
			tasks, keys = append(tasks, read), append(keys, f.pk)
			return nil
		}})
		if err != nil {
			return nil, false, err
		}
		for i := range tasks {
			if able(tasks[i]) {
				pks = append(pks, keys[i])
			}
		}
	}
	return pks, true, nil
}

// nobodysRuns reads the runs in nobody's hands of tasks that are locked, each with the node that had it.
func (t *tx) nobodysRuns(pks []int64) (runs []task.Run, err error) {
	row := new(runRow)
	var last pgtype.UUID
	err = t.ask(false, question{sqlNobodysRuns, []any{pks}, append(row.wholeDest(), &last), func() error {
		run, err := row.value()
		if err != nil {
			return t.store.unreadable(err)
		}
		run.Node = last.Bytes
		runs = append(runs, run)
		return nil
	}})
	return runs, err
}
