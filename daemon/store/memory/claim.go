package memory

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Claim implements store.Store.
func (s *handle) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (claimed store.Claimed, err error) {
	err = s.transact(ctx, func() error {
		claimed.Now = s.now()
		until := claimed.Now.Add(req.Ahead)
		except := setOf(req.Except)
		var due []*entry
		s.due.Scan(func(k timeKey) bool {
			if len(due) >= req.Limit || k.time.After(until) {
				return false
			}
			if k.entry.hold.lets(s.node) && !except[k.entry.task.ID] {
				due = append(due, k.entry)
			}
			return true
		})
		for _, e := range due {
			if err := s.claim(e, fn, &claimed); err != nil {
				return err
			}
		}
		s.due.Scan(func(k timeKey) bool {
			if !k.entry.hold.lets(s.node) || except[k.entry.task.ID] {
				return true
			}
			claimed.NextFireTime = k.time
			return false
		})
		return nil
	})
	if err != nil {
		return store.Claimed{}, err
	}
	return claimed, nil
}

func setOf(ids []uuid.UUID) map[uuid.UUID]bool {
	if len(ids) == 0 {
		return nil
	}
	set := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func (s *data) claim(e *entry, fn store.ClaimFunc, claimed *store.Claimed) error {
	before := cloneClock(e.task.Clock)
	d := decide(e, func(d store.Due) store.Decision { return fn(claimed.Now, d) })
	if d.Leave {
		return nil
	}
	next := task.Instant(d.Clock.NextFireTime)
	if !next.IsZero() && !next.After(before.NextFireTime) {
		t := *e.task
		t.Clock.NextFireTime = time.Time{}
		s.put(e, &t)
		claimed.Rejected = append(claimed.Rejected, e.task.ID)
		return nil
	}
	recorded, err := s.apply(e, &d)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		if r.State == task.Scheduled {
			claimed.Fires = append(claimed.Fires, store.Fire{Run: r, Before: cloneClock(before), Beside: store.Beside(recorded)})
		}
	}
	return nil
}

// decide asks fn about the task. Its Load works for as long as fn runs: after that the transaction is
// not its own any more.
func decide(e *entry, fn func(store.Due) store.Decision) store.Decision {
	var over atomic.Bool
	defer over.Store(true)
	return fn(store.Due{
		ID:           e.task.ID,
		Name:         e.task.Declaration.Name,
		Version:      e.task.Version,
		State:        e.task.State,
		Clock:        cloneClock(e.task.Clock),
		FailureCount: e.task.FailureCount,
		Load: func() (task.Task, error) {
			if over.Load() {
				return task.Task{}, errors.New("a task can be loaded only while the decision about it is made")
			}
			return cloneTask(e.task), nil
		},
	})
}

// apply writes a decision and returns copies of the runs that it recorded.
func (s *data) apply(e *entry, d *store.Decision) ([]task.Run, error) {
	t := *e.task
	t.Clock = cloneClock(d.Clock)
	if d.State != 0 {
		t.State = d.State
	}
	if d.Pause != nil {
		t.Pause = clonePause(d.Pause)
	}
	recorded, err := s.addRuns(e, &t, d.Record, false, uuid.Nil)
	if err != nil {
		return nil, err
	}
	s.put(e, &t)
	s.addEvents(d.Audit)
	return recorded, nil
}
