package reconcile

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

const (
	// maxMerge bounds how many instants one decision counts, so that no transaction takes long. What is
	// left is still due, and the next claim goes on with it.
	maxMerge = 100_000
	// maxExcluded bounds how many excluded instants one record counts, for the same reason. What lies beyond is
	// not counted.
	maxExcluded = 1_000_000
	// maxCustom and maxCustomExcluded bound them for a custom kind, whose instants cost what the code of a
	// program takes.
	maxCustom         = 1_000
	maxCustomExcluded = 10_000
)

// most is one of two bounds: the second is for triggers that hold a custom kind.
func most(f *InForce, plain, custom int64) int64 {
	if f.HasCustom() {
		return custom
	}
	return plain
}

// pass records the instants that passed up to until as skipped or missed, and moves the clock there. Those
// that were excluded are recorded as that.
func (d *draft) pass(f *InForce, until time.Time, state task.RunState, why task.Reason) {
	t := &d.Task
	if ExcludedTime(t.Clock).Before(until) {
		d.Record = append(d.Record, excluded(t.ID, f, t.Clock, until, d.now)...)
		t.Clock.ExcludedTime = until
	}
	defer func() { t.Clock = plainClock(t.Clock) }()
	after := t.Clock.RecordedTime
	if !after.Before(until) {
		return
	}
	for passes := 0; passes < maxPasses; passes++ {
		span := passing(f, after, until, t.Clock.Progress)
		if span.Count == 0 {
			break
		}
		d.Record = append(d.Record, passed(t.ID, span, state, why, d.now))
		if f.FollowsRuns() {
			break // what follows the run is due once, and would be counted again
		}
		after = span.Last
	}
	t.Clock.RecordedTime = until
}

// maxPasses bounds the records of one change: a million instants, eleven days of one a second. More
// than that, of a trigger that is no plain `every`, is not worth a longer transaction.
const maxPasses = 10

// ExcludedTime is up to where what exclusions took out is recorded.
func ExcludedTime(clock task.Clock) time.Time {
	if clock.ExcludedTime.IsZero() {
		return clock.RecordedTime
	}
	return clock.ExcludedTime
}

// unrecorded is the ExcludedTime of a clock that has come to recorded, which may lie ahead of now: what of the excluded
// instants before that has not come yet has no record, because a change may take back that they are excluded.
func unrecorded(f *InForce, clock task.Clock, recorded, now time.Time) time.Time {
	told := ExcludedTime(clock)
	after := later(later(told, now), clock.Progress.Anchor.Add(-time.Microsecond))
	switch {
	case told.After(recorded):
		return told
	case !after.Before(recorded) || f.Excluded(after, recorded, clock.Progress, most(f, maxExcluded, maxCustomExcluded)).Count == 0:
		return time.Time{}
	}
	return after
}

// plainClock is a clock without an ExcludedTime that says nothing.
func plainClock(clock task.Clock) task.Clock {
	if clock.ExcludedTime.Equal(clock.RecordedTime) {
		clock.ExcludedTime = time.Time{}
	}
	return clock
}

// excluded is the record of the instants from where a clock stands up to another that exclusions took out.
func excluded(id uuid.UUID, f *InForce, clock task.Clock, until, now time.Time) []task.Run {
	after := later(ExcludedTime(clock), clock.Progress.Anchor.Add(-time.Microsecond))
	span := f.Excluded(after, until, clock.Progress, most(f, maxExcluded, maxCustomExcluded))
	if span.Count == 0 {
		return nil
	}
	return []task.Run{passed(id, span, task.Skipped, task.ReasonExcluded, now)}
}

// passing returns the instants in (after, until] that pass without a run of their own, about maxMerge of
// them at most. They do not count for MaxFires, so a limit does not end them.
func passing(f *InForce, after, until time.Time, p schedule.Progress) schedule.Span {
	limit := most(f, maxMerge, maxCustom)
	total := f.Between(after, until, p, limit)
	// What follows the end of a run is due once, however long ago that was.
	for !f.FollowsRuns() && total.Count > 0 && total.Count < limit {
		more := f.Between(total.Last, until, p, limit-total.Count)
		if more.Count == 0 {
			break
		}
		total.Count, total.Last = total.Count+more.Count, more.Last
	}
	return total
}

// due is passing from a fire on that is known to be due. It is the only one if the trigger does not know it any
// more: it has a fault, or says something else than when it was asked before.
func due(f *InForce, fire, until time.Time, p schedule.Progress) schedule.Span {
	if span := passing(f, fire.Add(-time.Microsecond), until, p); span.Count > 0 {
		return span
	}
	return schedule.Span{Count: 1, First: fire, Last: fire}
}

// passed is the record of instants that passed without a run.
func passed(id uuid.UUID, s schedule.Span, state task.RunState, why task.Reason, now time.Time) task.Run {
	r := task.Run{
		TaskID: id, State: state, Reason: why, Cause: task.ByFire,
		ScheduledTime: s.Last, EndTime: now, Fires: s.Count,
	}
	if s.Count > 1 {
		r.FirstScheduledTime = s.First
	}
	return r
}
