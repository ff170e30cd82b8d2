package memory

import (
	"context"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Record implements store.Store.
func (s *handle) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	err = s.transact(ctx, func() error {
		now := s.now()
		for i := range reports {
			report := &reports[i]
			rec, found := s.runs.Get(report.Run.ID)
			if !found || rec.run.State.Ended() || !rec.inHandOf(s.node) || rec.run.Attempt != report.FromAttempt {
				late = append(late, report.Run.ID)
				continue
			}
			s.report(rec, report)
			if !report.Decide {
				continue
			}
			d := decide(rec.entry, func(d store.Due) store.Decision { return fn(now, d, rec.whole()) })
			if _, err := s.apply(rec.entry, &d); err != nil {
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

// report writes what became of a run, and what that means for its task.
func (s *data) report(rec *record, report *store.Report) {
	in := cloneRun(&report.Run)
	if in.State == task.Scheduled && in.Attempt == 0 && rec.run.Node != uuid.Nil {
		s.hand(rec, uuid.Nil)
	}
	r := *rec.run
	r.State, r.Reason = in.State, in.Reason
	r.NextAttemptTime, r.StartTime, r.EndTime = in.NextAttemptTime, in.StartTime, in.EndTime
	r.Attempt, r.Earlier = in.Attempt, in.Earlier
	r.Output, r.Error, r.Actor, r.Worker = in.Output, in.Error, in.Actor, in.Worker
	s.setRun(rec, &r)
	if e := rec.entry; r.State.Ended() || e.last() == r.ID {
		t := *e.task
		if r.State.Ended() {
			t.Counts = t.Counts.Add(t.Counts.Of(&r, false))
			t.FailureCount = failuresAfter(t.FailureCount, r.State)
		}
		s.put(e, &t)
	}
	s.addEvents(report.Audit)
}

// failuresAfter is how many runs have failed in a row after one more ended.
func failuresAfter(count int64, state task.RunState) int64 {
	switch state {
	case task.Failed, task.TimedOut, task.Lost:
		return count + 1
	case task.Succeeded:
		return 0
	}
	return count
}
