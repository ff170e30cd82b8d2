package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

var _ store.Cluster = (*Store)(nil)

// keepEnded is for how long Nodes shows a node that has ended.
const keepEnded = time.Hour

const (
	nodeColumns = `n.id, n.name, n.address, n.version, n.revision, n.start_time, n.lease, n.lease_expire_time, n.state, n.end_time,
		n.tasks, n.going, n.waiting, n.workers, n.clock_offset, n.draining`
	sqlNodes      = `SELECT ` + nodeColumns + ` FROM nodes n WHERE n.end_time IS NULL OR n.end_time > clock_timestamp() - $1::interval ORDER BY n.start_time, n.id`
	sqlNodeState  = `SELECT state FROM nodes WHERE id = $1`
	sqlInsertNode = `INSERT INTO nodes (id, name, address, version, revision, start_time, lease, lease_expire_time, state,
		tasks, going, waiting, workers, clock_offset, draining)
		VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $7::interval, $6::timestamptz + $7::interval, 1, $8, $9, $10, $11, $12, $13)`
	sqlRenew = `UPDATE nodes SET lease_expire_time = clock_timestamp() + lease, tasks = $2, going = $3, waiting = $4, workers = $5, clock_offset = $6, draining = $7
		WHERE id = $1 AND state = 1 RETURNING lease_expire_time - lease`
	// A node that has ended and of which nothing is left.
	sqlForgetNodes = `DELETE FROM nodes WHERE cleared AND end_time <= $1::timestamptz - $2::interval`

	sqlExpired = `SELECT EXISTS (SELECT 1 FROM nodes WHERE state = 1 AND lease_expire_time <= clock_timestamp())`
	// The first of two steps in which nodes end: from here on nothing of theirs is committed. It is taken under the lock of
	// the row store, and so it can not lock the tasks that they hold, which come before. See sqlClear.
	sqlEndNodes = `, offered AS (DELETE FROM offers o USING gone WHERE o.node = gone.id), placed AS (DELETE FROM places p USING gone WHERE p.node = gone.id)
		SELECT ` + nodeColumns + ` FROM gone n ORDER BY n.start_time, n.id`
	sqlLeave = `WITH gone AS (UPDATE nodes SET state = 2, end_time = $2 WHERE id = $1 AND state = 1 RETURNING *)` + sqlEndNodes
	sqlReap  = `WITH gone AS (UPDATE nodes SET state = 3, end_time = $1 WHERE state = 1 AND lease_expire_time <= $1 RETURNING *)` + sqlEndNodes

	sqlInHand = `SELECT run FROM open_runs WHERE node = $1 ORDER BY run`

	// The second step, a part of the tasks at a time: their runs are in nobody's hands.
	sqlUncleared   = `SELECT id FROM nodes WHERE state <> 1 AND NOT cleared`
	sqlRunsOfNode  = `SELECT run, task FROM open_runs WHERE node = $1 AND run > $2 ORDER BY run LIMIT $3`
	sqlLockByPK    = `SELECT c.pk FROM clocks c WHERE c.pk = ANY($1::bigint[]) ORDER BY c.pk FOR UPDATE`
	sqlClearClocks = `UPDATE clocks c SET nobodys = c.nobodys + u.runs, in_hand = c.in_hand - u.held, node = CASE WHEN c.in_hand > u.held THEN c.node END
		FROM (SELECT task, count(*) runs, count(*) FILTER (WHERE NOT beside) held FROM open_runs WHERE node = $1 AND task = ANY($2::bigint[]) GROUP BY task) u
		WHERE c.pk = u.task`
	sqlClearRuns = `UPDATE open_runs SET last_node = node, node = NULL, beside = false WHERE node = $1 AND task = ANY($2::bigint[])`
	sqlCleared   = `UPDATE nodes SET cleared = true WHERE id = $1`
)

// clearBatch is how many runs of a node that has ended are cleared at a time, with all others of their tasks.
const clearBatch = 2000

// nodeRow is a row of nodeColumns.
type nodeRow struct {
	id                     pgtype.UUID
	name, address, version string
	state                  int64
	start, expire, end     pgtype.Timestamptz
	node                   task.Node
}

func (n *nodeRow) dest() []any {
	l := &n.node.NodeLoad
	return []any{
		&n.id, &n.name, &n.address, &n.version, &n.node.Revision, &n.start, &n.node.Lease, &n.expire, &n.state, &n.end,
		&l.Tasks, &l.Going, &l.Waiting, &l.Workers, &l.ClockOffset, &l.Draining,
	}
}

func (n *nodeRow) value() task.Node {
	out := n.node
	out.ID, out.State = n.id.Bytes, task.NodeState(n.state)
	out.Name, out.Address, out.Version = unescape(n.name), unescape(n.address), unescape(n.version)
	out.StartTime, out.LeaseExpireTime, out.EndTime = instant(n.start), instant(n.expire), instant(n.end)
	return out
}

// nodesOf collects the nodes that a statement of a batch returns.
func nodesOf(into *[]task.Node) func(rows pgx.Rows) error {
	n := new(nodeRow)
	return (&question{dest: n.dest(), take: func() error {
		*into = append(*into, n.value())
		return nil
	}}).read
}

// actAsNode carries out a transaction of what only a node can do.
func (s *Store) actAsNode(ctx context.Context, f func(t *tx) error) error {
	return s.transact(ctx, func(t *tx) error {
		if t.node == uuid.Nil {
			return foreign(fmt.Errorf("%w: it has not joined", task.ErrGivenUp))
		}
		return f(t)
	})
}

// Join implements store.Cluster.
func (s *Store) Join(ctx context.Context, n task.Node) (now time.Time, err error) {
	err = s.transact(ctx, func(t *tx) error {
		t.unfenced = true // whatever became of the node before
		var state int64
		there := false
		if err := t.ask(true, question{sqlNodeState, []any{uuidValue(n.ID)}, []any{&state}, func() error { there = true; return nil }}); err != nil {
			return err
		}
		if there {
			return foreign(fmt.Errorf("node %s has joined already: every start needs an id of its own", n.ID))
		}
		t.write(func(b *pgx.Batch) error {
			l := n.NodeLoad
			b.Queue(sqlForgetNodes, timestamp(t.now), keepEnded)
			b.Queue(sqlInsertNode, uuidValue(n.ID), escape(n.Name), escape(n.Address), escape(n.Version), n.Revision, timestamp(t.now), n.Lease,
				l.Tasks, l.Going, l.Waiting, l.Workers, l.ClockOffset, l.Draining)
			return nil
		})
		t.after(func() { now = t.now })
		return nil
	})
	if err == nil {
		id := n.ID
		s.node.Store(&id)
	}
	return now, err
}

// Renew implements store.Cluster. It takes no turn among the commits: where they queue up, nodes would be given up for
// it, and what that costs makes the queue longer. Reap looks at the row again once it has it, so one of the two is first.
func (s *Store) Renew(ctx context.Context, l task.NodeLoad) (now time.Time, err error) {
	me := s.me()
	if me == uuid.Nil {
		return time.Time{}, fmt.Errorf("%w: it has not joined", task.ErrGivenUp)
	}
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		var at pgtype.Timestamptz
		err := s.pool.QueryRow(ctx, sqlRenew, uuidValue(me), l.Tasks, l.Going, l.Waiting, l.Workers, l.ClockOffset, l.Draining).Scan(&at)
		switch {
		case err == nil:
			return instant(at), nil
		case errors.Is(err, pgx.ErrNoRows):
			return time.Time{}, fmt.Errorf("%w: node %s", task.ErrGivenUp, me)
		case attempt == txAttempts || !passing(err) || ctx.Err() != nil:
			return time.Time{}, s.fault(err)
		}
	}
}

// Leave implements store.Cluster.
func (s *Store) Leave(ctx context.Context) error {
	me := s.me()
	if me == uuid.Nil {
		return ctx.Err()
	}
	err := s.transact(ctx, func(t *tx) error {
		t.unfenced = true
		var state int64
		if err := t.ask(true, question{sqlNodeState, []any{uuidValue(me)}, []any{&state}, func() error { return nil }}); err != nil {
			return err
		}
		if state == int64(task.Alive) {
			t.write(func(b *pgx.Batch) error { b.Queue(sqlLeave, uuidValue(me), timestamp(t.now)); return nil })
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.clear(ctx, me)
}

// Nodes implements store.Cluster.
func (s *Store) Nodes(ctx context.Context) (nodes []task.Node, err error) {
	err = s.read(ctx, func(r *reader) error {
		nodes = nil
		n := new(nodeRow)
		return r.ask(true, question{sqlNodes, []any{keepEnded}, n.dest(), func() error {
			nodes = append(nodes, n.value())
			return nil
		}})
	})
	if err != nil {
		return nil, err
	}
	return nodes, nil
}

// Reap implements store.Cluster. It also clears what nodes have left that could not do so themselves.
func (s *Store) Reap(ctx context.Context) (reaped []task.Node, err error) {
	var uncleared []uuid.UUID
	err = s.transact(ctx, func(t *tx) error {
		reaped, uncleared = nil, nil
		expired := false
		var id pgtype.UUID
		err := t.ask(true,
			question{sqlExpired, nil, []any{&expired}, func() error { return nil }},
			question{sqlUncleared, nil, []any{&id}, func() error { uncleared = append(uncleared, id.Bytes); return nil }})
		if err == nil && expired {
			t.write(func(b *pgx.Batch) error { b.Queue(sqlReap, timestamp(t.now)).Query(nodesOf(&reaped)); return nil })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range reaped {
		uncleared = append(uncleared, reaped[i].ID)
	}
	for _, id := range uncleared {
		if err := s.clear(ctx, id); err != nil {
			s.log.Warn("what a node that has ended held is not free yet: it is tried again", "node", id, "error", err)
		}
	}
	s.trimMarks(ctx)
	return reaped, nil
}

// trimMarks deletes old marks of transactions, about once a minute.
func (s *Store) trimMarks(ctx context.Context) {
	last, now := s.trimmed.Load(), time.Now().Unix()
	if now-last < 60 || !s.trimmed.CompareAndSwap(last, now) {
		return
	}
	if _, err := s.pool.Exec(ctx, sqlTrimMarks); err != nil {
		s.log.Debug("marks of transactions not deleted", "error", redacted(err))
	}
}

// clear leaves the runs of a node that has ended in nobody's hands, if that was not done. Whoever does it need not live: it
// changes nothing that a node could still claim.
func (s *Store) clear(ctx context.Context, node uuid.UUID) error {
	after := int64(0)
	for more := true; more; {
		err := s.transact(ctx, func(t *tx) error {
			t.unfenced = true
			var pks []int64
			var run, pk int64
			last := after
			err := t.ask(true, question{sqlRunsOfNode, []any{uuidValue(node), after, clearBatch}, []any{&run, &pk}, func() error {
				pks, last = append(pks, pk), run
				return nil
			}})
			if err == nil {
				err = t.ask(false, lock(sqlLockByPK, pks))
			}
			if err != nil {
				return err
			}
			more = len(pks) == clearBatch
			t.after(func() { after = last })
			t.write(func(b *pgx.Batch) error {
				b.Queue(sqlClearClocks, uuidValue(node), pks)
				b.Queue(sqlClearRuns, uuidValue(node), pks)
				if !more {
					b.Queue(sqlCleared, uuidValue(node))
				}
				return nil
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// InHand implements store.Cluster.
func (s *Store) InHand(ctx context.Context) (ids []task.RunID, err error) {
	err = s.read(ctx, func(r *reader) error {
		ids = nil
		var run int64
		return r.ask(true, question{sqlInHand, []any{uuidValue(s.me())}, []any{&run}, func() error {
			ids = append(ids, task.RunID(run))
			return nil
		}})
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}
