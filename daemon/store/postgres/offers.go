package postgres

import (
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/store"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	sqlWithdraw = `DELETE FROM offers o USING unnest($3::uuid[]) u (id) WHERE o.task_id = u.id AND o.offerer = $2 AND o.node = $1`
	sqlOffer    = `INSERT INTO offers (node, offerer, task_id) SELECT $1, $2, unnest($3::uuid[]) ON CONFLICT DO NOTHING`
	// What nodes that have ended offered is gone. By node, as one worker's tasks are few among all that programs declare.
	sqlElsewhere = `SELECT DISTINCT o.task_id FROM nodes n JOIN offers o ON o.node = n.id AND o.offerer = $2
		WHERE n.state = 1 AND n.id <> $1 ORDER BY o.task_id`
	sqlUnoffered = `SELECT t.id FROM tasks t WHERE t.origin = 0 AND t.orphan_time IS NULL
		AND NOT EXISTS (SELECT 1 FROM offers o WHERE o.task_id = t.id AND o.offerer = $1) ORDER BY t.id LIMIT $2`
	sqlElapsed = `SELECT t.id` + fromTask + ` WHERE t.deadline <= statement_timestamp() AND ` + mayHold + ` ORDER BY t.deadline LIMIT $2`
)

// offerBatch is how many offers are written in one transaction, which others wait for.
const offerBatch = 5000

// Offer implements store.Cluster. A long list is written in parts, each of which is seen by itself.
func (s *Store) Offer(ctx context.Context, by store.Offerer, add, remove []uuid.UUID) error {
	for _, part := range []struct {
		sql string
		ids []uuid.UUID
	}{{sqlWithdraw, remove}, {sqlOffer, add}} {
		for chunk := range slices.Chunk(part.ids, offerBatch) {
			err := s.actAsNode(ctx, func(t *tx) error {
				t.write(func(b *pgx.Batch) error { b.Queue(part.sql, uuidValue(t.node), int16(by), ids(chunk)); return nil })
				return t.ask(true)
			})
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// OfferedElsewhere implements store.Cluster.
func (s *Store) OfferedElsewhere(ctx context.Context, by store.Offerer) ([]uuid.UUID, error) {
	return s.taskIDs(ctx, sqlElsewhere, uuidValue(s.me()), int16(by))
}

// Unoffered implements store.Cluster.
func (s *Store) Unoffered(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.taskIDs(ctx, sqlUnoffered, int16(store.ByProgram), limit)
}

// Elapsed implements store.Cluster.
func (s *Store) Elapsed(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return s.taskIDs(ctx, sqlElapsed, uuidValue(s.me()), limit)
}

// taskIDs reads ids of tasks.
func (s *Store) taskIDs(ctx context.Context, sql string, args ...any) (found []uuid.UUID, err error) {
	err = s.read(ctx, func(r *reader) error {
		found = nil
		var id pgtype.UUID
		return r.ask(true, question{sql, args, []any{&id}, func() error {
			found = append(found, id.Bytes)
			return nil
		}})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
