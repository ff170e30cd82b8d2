package postgres

import (
	"bytes"
	"context"
	"math"

	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	eventColumns = `event, time, action, task_id, task_name, run, actor, peer, reason, before, after`
	sqlEvents    = `SELECT ` + eventColumns + ` FROM audit WHERE event < $1 ORDER BY event DESC LIMIT $2`
	// Both columns are in the order, so that the planner can not look through the events of all tasks.
	sqlEventsOfTask = `SELECT ` + eventColumns + ` FROM audit WHERE (task_id, event) < ($3, $1) AND (task_id, event) > ($3, 0)
		ORDER BY task_id DESC, event DESC LIMIT $2`
	sqlInsertEvents = `INSERT INTO audit (` + eventColumns + `) SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::smallint[],
		$4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[])`
)

// eventArrays are the values of many events, an array for each column: the parameters of sqlInsertEvents.
type eventArrays struct {
	event               []int64
	time                []pgtype.Timestamptz
	action              []int16
	taskID              []pgtype.UUID
	taskName            []string
	run                 []int64
	actor, peer, reason []string
	before, after       [][]byte
}

// add adds an event with its ID.
func (a *eventArrays) add(e *task.Event) {
	// The zero time is one like others here, which sorts before them.
	at := pgtype.Timestamptz{Time: e.Time.UTC(), Valid: true}
	a.event, a.time, a.action = append(a.event, e.ID), append(a.time, at), append(a.action, int16(e.Action))
	a.taskID, a.taskName = append(a.taskID, uuidValue(e.TaskID)), append(a.taskName, escape(e.TaskName))
	a.run = append(a.run, int64(e.RunID))
	a.actor, a.peer, a.reason = append(a.actor, escape(e.Actor)), append(a.peer, escape(e.Peer)), append(a.reason, escape(e.Reason))
	a.before, a.after = append(a.before, codec.Present(e.Before)), append(a.after, codec.Present(e.After))
}

func (a *eventArrays) values() []any {
	return []any{a.event, a.time, a.action, a.taskID, a.taskName, a.run, a.actor, a.peer, a.reason, a.before, a.after}
}

// AuditEvents implements store.Store.
func (s *Store) AuditEvents(ctx context.Context, q task.AuditQuery) (events []task.Event, err error) {
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	query, args := sqlEvents, []any{before, q.Limit}
	if q.TaskID != uuid.Nil {
		query, args = sqlEventsOfTask, append(args, uuidValue(q.TaskID))
	}
	err = s.read(ctx, func(r *reader) error {
		events = nil
		var id, action, run int64
		var at pgtype.Timestamptz
		var taskID pgtype.UUID
		var name, actor, peer, reason string
		var before, after []byte
		dest := []any{&id, &at, &action, &taskID, &name, &run, &actor, &peer, &reason, &before, &after}
		return r.ask(true, question{query, args, dest, func() error {
			events = append(events, task.Event{
				ID: id, Time: task.Instant(at.Time), Action: task.Action(action), TaskID: taskID.Bytes, TaskName: unescape(name), RunID: task.RunID(run),
				Actor: unescape(actor), Peer: unescape(peer), Reason: unescape(reason),
				Before: bytes.Clone(codec.Present(before)), After: bytes.Clone(codec.Present(after)),
			})
			return nil
		}})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}
