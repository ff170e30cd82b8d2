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
func (s *Store) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (claimed store.Claimed, err error) {
	err = s.transact(ctx, func() error {
		claimed.Now = s.now()
		until := claimed.Now.Add(req.Ahead)
		var due []*entry
		s.due.Scan(func(k dueKey) bool {
			if len(due) >= req.Limit || k.fire.After(until) {
				return false
			}
			due = append(due, k.entry)
			return true
		})
		for _, e := range due {
			if err := s.claim(e, fn, &claimed); err != nil {
				return err
			}
		}
		if k, some := s.due.Min(); some {
			claimed.NextFireTime = k.fire
		}
		return nil
	})
	if err != nil {
		return store.Claimed{}, err
	}
	return claimed, nil
}

func (s *Store) claim(e *entry, fn store.ClaimFunc, claimed *store.Claimed) error {
	before := cloneClock(e.task.Clock)
	d := decide(e, func(d store.Due) store.Decision { return fn(claimed.Now, d) })
	next := task.Instant(d.Clock.NextFireTime)
	if !next.IsZero() && !next.After(before.NextFireTime) {
		t := *e.task
		t.Clock.NextFireTime = time.Time{}
		s.put(e, &t)
		claimed.Rejected = append(claimed.Rejected, e.task.ID)
		return nil
	}
	recorded, err := s.apply(e, d)
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
		ID:      e.task.ID,
		Name:    e.task.Declaration.Name,
		Version: e.task.Version,
		State:   e.task.State,
		Clock:   cloneClock(e.task.Clock),
		Load: func() (task.Task, error) {
			if over.Load() {
				return task.Task{}, errors.New("a task can be loaded only while the decision about it is made")
			}
			return cloneTask(e.task), nil
		},
	})
}

// apply writes a decision and returns copies of the runs that it recorded.
func (s *Store) apply(e *entry, d store.Decision) ([]task.Run, error) {
	t := *e.task
	t.Clock = cloneClock(d.Clock)
	if d.State != 0 {
		t.State = d.State
	}
	if d.Pause != nil {
		t.Pause = clonePause(d.Pause)
	}
	s.put(e, &t)
	var recorded []task.Run
	for i := range d.Record {
		r, err := s.record(e, &d.Record[i], uuid.Nil)
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, r)
	}
	return recorded, nil
}

// Record implements store.Store.
func (s *Store) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	err = s.transact(ctx, func() error {
		now := s.now()
		for i := range reports {
			report := &reports[i]
			rec, found := s.runs.Get(report.Run.ID)
			if !found || rec.run.State.Ended() || rec.run.Attempt != report.FromAttempt {
				late = append(late, report.Run.ID)
				continue
			}
			in := cloneRun(&report.Run)
			r := *rec.run
			r.State, r.Reason = in.State, in.Reason
			r.StartTime, r.EndTime = in.StartTime, in.EndTime
			r.Attempt, r.Earlier = in.Attempt, in.Earlier
			r.Output, r.Error, r.Actor = in.Output, in.Error, in.Actor
			s.setRun(rec, &r)
			if !report.Reschedule {
				continue
			}
			d := decide(rec.entry, func(d store.Due) store.Decision { return fn(now, d, cloneRun(&r)) })
			if _, err := s.apply(rec.entry, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return late, nil
}
