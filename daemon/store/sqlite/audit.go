package sqlite

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// addEvents records events.
func (w *writer) addEvents(events []task.Event) error {
	for i := range events {
		e := &events[i]
		w.number()
		_, err := w.session.exec(sqlInsertEvent, w.nextEvent, e.Time.UnixMicro(), int64(e.Action), e.TaskID[:], e.TaskName, int64(e.RunID),
			e.Actor, e.Peer, e.Reason, blob(e.Before), blob(e.After))
		if err != nil {
			return err
		}
		w.nextEvent++
	}
	return nil
}

// AuditEvents implements store.Store.
func (s *Store) AuditEvents(ctx context.Context, q task.AuditQuery) (events []task.Event, err error) {
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	query, args := sqlEvents, []any{before, q.Limit}
	if q.TaskID != uuid.Nil {
		query, args = sqlEventsOfTask, []any{before, q.TaskID[:], q.Limit}
	}
	err = s.read(ctx, func(c *session) error {
		var e task.Event
		var at int64
		var from, to []byte
		dest := []any{&e.ID, &at, &e.Action, &e.TaskID, &e.TaskName, &e.RunID, &e.Actor, &e.Peer, &e.Reason, &from, &to}
		return c.each(query, args, func(scan func(...any) error) error {
			if err := scan(dest...); err != nil {
				return s.fault(err)
			}
			e.Time = time.UnixMicro(at).UTC()
			e.Before, e.After = bytes.Clone(codec.Present(from)), bytes.Clone(codec.Present(to))
			events = append(events, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}
