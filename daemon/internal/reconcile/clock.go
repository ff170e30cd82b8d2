package reconcile

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Grace is how late a fire may be claimed and still count as late, not as missed. It is longer than any
// hiccup of a daemon that is up, and shorter than any outage that a person would notice.
const Grace = 5 * time.Second

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
func most(c *schedule.Compiled, plain, custom int64) int64 {
	if c.HasCustom() {
		return custom
	}
	return plain
}

// Fired decides what becomes of a task whose next fire is not later than the claim reaches. At most one
// of the records is Scheduled; the others tell of instants that pass without a run. The clock returned
// has moved past all of them, but may still be due: the next claim goes on.
func Fired(id uuid.UUID, c *schedule.Compiled, p task.Policy, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	before := clock
	// Before anything else is asked of the trigger: what comes after may be a fault, and then it tells nothing.
	out := excluded(id, c, before, before.NextFireTime, now)
	records, clock, state := fired(id, c, p, clock, now)
	rest := before
	rest.RecordedTime = before.NextFireTime
	more := excluded(id, c, rest, clock.RecordedTime, now)
	if c.Err() != nil {
		records, clock, state = firedAlone(id, c, p, before, now)
		more = nil
	}
	// The run is recorded last, so that it is the last run.
	return append(append(out, more...), records...), clock, state
}

// fired is Fired without what is excluded.
func fired(id uuid.UUID, c *schedule.Compiled, p task.Policy, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	var records []task.Run
	next, status := clock.NextFireTime, schedule.Fires

	switch {
	case !late(id, c, clock, next, now):
	case p.CatchUp == task.CatchUpNone:
		span := due(c, next, now.Add(-Grace), clock.Progress)
		if span.Count > 1 && !late(id, c, clock, span.Last, now) {
			// Jitter takes the last of them past that.
			span = due(c, next, span.Last.Add(-time.Microsecond), clock.Progress)
		}
		records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
		clock.RecordedTime = span.Last
		next, status = c.Next(span.Last, clock.Progress)
		if status == schedule.Fires && next.After(now) {
			// Nothing else is due yet: leave it to a claim in its own time.
			return records, move(clock, next), task.Active
		}
		if status == schedule.Fires && late(id, c, clock, next, now) && !c.FollowsRuns() {
			// There were more than one decision counts. What follows a run is different: it is missed once.
			return records, move(clock, next), task.Active
		}
	case p.CatchUp == task.CatchUpOne:
		span := due(c, next, now, clock.Progress)
		if span.Count >= most(c, maxMerge, maxCustom) {
			if after, s := c.Next(span.Last, clock.Progress); s == schedule.Fires && !after.After(now) {
				records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
				clock.RecordedTime = span.Last
				return records, move(clock, after), task.Active
			}
		}
		run, clock, state := start(id, c, clock, span.Last)
		if span.Count > 1 {
			run.Fires, run.FirstScheduledTime = span.Count, span.First
		}
		return append(records, run), clock, state
	}
	if status != schedule.Fires {
		return records, move(clock, next), stateOf(status)
	}
	run, clock, state := start(id, c, clock, next)
	return append(records, run), clock, state
}

// firedAlone is fired where the trigger has a fault: nothing but the fire that is due is known. What came after
// it is recorded when the trigger can tell.
func firedAlone(id uuid.UUID, c *schedule.Compiled, p task.Policy, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	next := clock.NextFireTime
	if p.CatchUp == task.CatchUpNone && late(id, c, clock, next, now) {
		clock.RecordedTime = next
		span := schedule.Span{Count: 1, First: next, Last: next}
		return []task.Run{passed(id, span, task.Missed, task.ReasonLate, now)}, move(clock, time.Time{}), task.Active
	}
	run, clock, state := start(id, c, clock, next)
	return []task.Run{run}, clock, state
}

// late returns whether a fire is missed: it should have started more than Grace ago.
func late(id uuid.UUID, c *schedule.Compiled, clock task.Clock, fire, now time.Time) bool {
	limit := now.Add(-Grace)
	if !fire.Before(limit) {
		return false
	}
	if c.JitterLimit(fire, time.Time{}) == 0 {
		return true
	}
	following, _ := c.Next(fire, c.Count(fire, 0, clock.Progress))
	return c.Jittered(id, fire, following).Before(limit)
}

// start makes a fire a run, and moves the clock over it.
func start(id uuid.UUID, c *schedule.Compiled, clock task.Clock, at time.Time) (task.Run, task.Clock, task.State) {
	run := fire(id, at)
	clock.FireCount++
	clock.RecordedTime = at
	clock.Progress = c.Count(at, 0, clock.Progress)
	next, status := c.Next(at, clock.Progress)
	if c.JitterLimit(at, next) > 0 {
		run.JitteredTime = c.Jittered(id, at, next)
	}
	return run, move(clock, next), stateOf(status)
}

// excluded is the record of the instants from where a clock stands up to another that exclusions took out.
func excluded(id uuid.UUID, c *schedule.Compiled, clock task.Clock, until, now time.Time) []task.Run {
	after := later(clock.RecordedTime, clock.Progress.Anchor.Add(-time.Microsecond))
	span := c.Excluded(after, until, clock.Progress, most(c, maxExcluded, maxCustomExcluded))
	if span.Count == 0 {
		return nil
	}
	return []task.Run{passed(id, span, task.Skipped, task.ReasonExcluded, now)}
}

// On decides whether a task fires because of an event of its node, and returns the run, the clock and the
// state if it does.
func On(id uuid.UUID, c *schedule.Compiled, clock task.Clock, e schedule.Event, now time.Time) (task.Run, task.Clock, task.State, bool) {
	if !c.FiresOn(e, now, clock.Progress) {
		return task.Run{}, clock, task.Active, false
	}
	clock.FireCount++
	before := clock.Progress
	clock.Progress = c.Count(now, e, before)
	if before.LastFire.After(now) {
		// A fire is claimed ahead already: the position does not go back.
		clock.Progress.LastFire, clock.Progress.LastEnd = before.LastFire, before.LastEnd
	}
	// The next fire by the clock stays where it is, overdue or not, unless this was the last of all or what
	// was due now follows this run.
	after := later(now, clock.RecordedTime)
	if !clock.NextFireTime.IsZero() {
		after = clock.NextFireTime.Add(-time.Microsecond)
	}
	next, status := c.Next(after, clock.Progress)
	return fire(id, now), move(clock, next), stateOf(status), true
}

// Ended decides when a task fires next after the run of one of its fires has ended. Only triggers that
// follow runs need it.
func Ended(c *schedule.Compiled, clock task.Clock, state task.State, ended time.Time) (task.Clock, task.State) {
	if ended.After(clock.Progress.LastEnd) {
		clock.Progress.LastEnd = ended
	}
	if state != task.Active || !c.FollowsRuns() {
		return clock, state
	}
	next, status := c.Next(later(clock.RecordedTime, clock.Progress.LastEnd.Add(-time.Microsecond)), clock.Progress)
	switch known := clock.NextFireTime; {
	case known.IsZero():
		return move(clock, next), stateOf(status)
	case status == schedule.Fires && next.Before(known):
		return move(clock, next), task.Active
	}
	// The end of a run brings the fire that follows it and leaves all others alone.
	return clock, state
}

// begin is the clock of a trigger that comes into force now.
func begin(c *schedule.Compiled, fireCount int64, now time.Time) (task.Clock, schedule.Status) {
	clock := task.Clock{FireCount: fireCount, RecordedTime: now, Progress: schedule.Progress{Anchor: now}}
	next, status := c.First(clock.Progress)
	if c.AtOnce(clock.Progress) {
		clock.RecordedTime = now.Add(-time.Microsecond) // that has yet to be recorded
	}
	return move(clock, next), status
}

// passing returns the instants in (after, until] that pass without a run of their own, about maxMerge of
// them at most. They do not count for MaxFires, so a limit does not end them.
func passing(c *schedule.Compiled, after, until time.Time, p schedule.Progress) schedule.Span {
	limit := most(c, maxMerge, maxCustom)
	total := c.Between(after, until, p, limit)
	// What follows the end of a run is due once, however long ago that was.
	for !c.FollowsRuns() && total.Count > 0 && total.Count < limit {
		more := c.Between(total.Last, until, p, limit-total.Count)
		if more.Count == 0 {
			break
		}
		total.Count, total.Last = total.Count+more.Count, more.Last
	}
	return total
}

// due is passing from a fire on that is known to be due. It is the only one if the trigger does not know it any
// more: it has a fault, or says something else than when it was asked before.
func due(c *schedule.Compiled, fire, until time.Time, p schedule.Progress) schedule.Span {
	if span := passing(c, fire.Add(-time.Microsecond), until, p); span.Count > 0 {
		return span
	}
	return schedule.Span{Count: 1, First: fire, Last: fire}
}

// move sets the next fire; zero if none is known.
func move(clock task.Clock, next time.Time) task.Clock {
	clock.NextFireTime = next
	return clock
}

func stateOf(s schedule.Status) task.State {
	if s == schedule.Over {
		return task.Exhausted
	}
	return task.Active
}

// fire is the run of one fire.
func fire(id uuid.UUID, at time.Time) task.Run {
	return task.Run{TaskID: id, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: at, Fires: 1, Attempt: 1}
}

// Taken is the record of a fire that a pause takes back before it started, if the clock has moved past it
// for good.
func Taken(run task.Run, now time.Time) task.Run {
	run.State, run.Reason, run.Attempt, run.EndTime = task.Skipped, task.ReasonPaused, 0, now
	return run
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
