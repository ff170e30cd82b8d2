package postgres

import (
	"context"

	"github.com/clockd/clockd/daemon/store"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlShares     = `SELECT task_group, node, granted, used, wanted, turn FROM places WHERE task_group = ANY($1::text[])`
	sqlWriteShare = `INSERT INTO places (task_group, node, granted, used, wanted, turn) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (task_group, node) DO UPDATE SET granted = excluded.granted, used = excluded.used, wanted = excluded.wanted, turn = excluded.turn`
	sqlDropShare = `DELETE FROM places WHERE task_group = $1 AND node = $2`
)

// Places implements store.Cluster. Unlike others it takes its turn among the commits before it reads, and locks nothing
// else: so it sees what all before it were granted. What nodes that have ended had is gone.
func (s *Store) Places(ctx context.Context, demands []store.Demand) (places []store.Places, err error) {
	if len(demands) == 0 {
		return nil, ctx.Err()
	}
	err = s.actAsNode(ctx, func(t *tx) error {
		me := t.node
		shares, err := t.shares(demands)
		if err != nil {
			return err
		}
		places = make([]store.Places, len(demands))
		for i, d := range demands {
			mine, others := store.Share{Node: me}, make([]store.Share, 0, len(shares[d.Group]))
			for node, share := range shares[d.Group] {
				if node == me {
					mine = share
				} else {
					others = append(others, share)
				}
			}
			share, contended := store.Grant(d, mine, others)
			places[i] = store.Places{Granted: share.Granted, Contended: contended}
			if share != mine {
				shares[d.Group][me] = share
				t.share(d.Group, share)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return places, nil
}

// shares reads what all have in the groups of demands. It begins the transaction.
func (t *tx) shares(demands []store.Demand) (map[string]map[uuid.UUID]store.Share, error) {
	all := make(map[string]map[uuid.UUID]store.Share)
	groups := make([]string, len(demands))
	for i, d := range demands {
		groups[i] = escape(d.Group)
		all[d.Group] = make(map[uuid.UUID]store.Share)
	}
	var group string
	var node pgtype.UUID
	var share store.Share
	dest := []any{&group, &node, &share.Granted, &share.Used, &share.Wanted, &share.Turn}
	err := t.ask(true, lock(sqlTurn), question{sqlShares, []any{groups}, dest, func() error {
		share.Node = node.Bytes
		all[unescape(group)][share.Node] = share
		return nil
	}})
	return all, err
}

// share notes what the node has in a group from now on. A node that has nothing and wants nothing has no row.
func (t *tx) share(group string, share store.Share) {
	t.write(func(b *pgx.Batch) error {
		if share.Granted == 0 && share.Wanted == 0 {
			b.Queue(sqlDropShare, escape(group), uuidValue(share.Node))
		} else {
			b.Queue(sqlWriteShare, escape(group), uuidValue(share.Node), share.Granted, share.Used, share.Wanted, share.Turn)
		}
		return nil
	})
}
