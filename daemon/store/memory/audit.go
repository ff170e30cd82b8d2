package memory

import (
	"context"
	"math"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/tidwall/btree"
)

// audit is the events: by id, those of each task by id, and by time, which need not grow with the ids.
type audit struct {
	all   *events
	of    map[uuid.UUID]*events
	times *btree.BTreeG[eventKey]
	next  int64
}

// events are never changed in place.
type events = btree.Map[int64, *task.Event]

type eventKey struct {
	time time.Time
	id   int64
}

func (k eventKey) before(o eventKey) bool {
	if c := k.time.Compare(o.time); c != 0 {
		return c < 0
	}
	return k.id < o.id
}

func newAudit() audit {
	return audit{
		all:   btree.NewMap[int64, *task.Event](0),
		of:    make(map[uuid.UUID]*events),
		times: btree.NewBTreeGOptions(eventKey.before, btree.Options{NoLocks: true}),
		next:  1,
	}
}

func (a *audit) list(e *task.Event) {
	a.all.Set(e.ID, e)
	a.times.Set(eventKey{e.Time, e.ID})
	of := a.of[e.TaskID]
	if of == nil {
		of = btree.NewMap[int64, *task.Event](0)
		a.of[e.TaskID] = of
	}
	of.Set(e.ID, e)
}

func (a *audit) unlist(e *task.Event) {
	a.all.Delete(e.ID)
	a.times.Delete(eventKey{e.Time, e.ID})
	if of := a.of[e.TaskID]; of != nil {
		of.Delete(e.ID)
		if of.Len() == 0 {
			delete(a.of, e.TaskID)
		}
	}
}

// addEvents records events and gives them ids.
func (s *data) addEvents(events []task.Event) {
	for i := range events {
		e := cloneEvent(&events[i])
		s.number()
		e.ID = s.audit.next
		s.audit.next++
		s.audit.list(&e)
		s.undoing(func() {
			s.audit.unlist(&e)
			s.audit.next--
		})
	}
}

// AuditEvents implements store.Store.
func (s *handle) AuditEvents(ctx context.Context, q task.AuditQuery) (found []task.Event, err error) {
	err = s.view(ctx, func() error {
		from := s.audit.all
		if q.TaskID != uuid.Nil {
			if from = s.audit.of[q.TaskID]; from == nil {
				return nil
			}
		}
		newest := int64(math.MaxInt64)
		if q.Before != 0 {
			newest = q.Before - 1
		}
		from.Descend(newest, func(_ int64, e *task.Event) bool {
			if len(found) >= q.Limit {
				return false
			}
			found = append(found, cloneEvent(e))
			return true
		})
		return nil
	})
	return found, err
}

// Sweep implements store.Store. Runs of deleted tasks are gone already.
func (s *handle) Sweep(ctx context.Context, auditBefore time.Time, limit int) (more bool, err error) {
	err = s.transact(ctx, func() error {
		for range limit {
			oldest, some := s.audit.times.Min()
			if !some || !oldest.time.Before(auditBefore) {
				return nil
			}
			e, _ := s.audit.all.Get(oldest.id)
			s.number()
			s.audit.unlist(e)
			s.undoing(func() { s.audit.list(e) })
		}
		oldest, some := s.audit.times.Min()
		more = some && oldest.time.Before(auditBefore)
		return nil
	})
	return more, err
}
