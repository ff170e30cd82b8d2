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

// maxMerge bounds how many instants one decision counts, so that no transaction takes long. What is
// left is still due, and the next claim goes on with it.
const maxMerge = 100_000

// Fired decides what becomes of a task whose next fire is not later than the claim reaches. At most one
// of the records is Scheduled; the others tell of instants that pass without a run. The clock returned
// has moved past all of them, but may still be due: the next claim goes on.
func Fired(id uuid.UUID, c *schedule.Compiled, p task.Policy, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	var records []task.Run
	next, status := clock.NextFireTime, schedule.Fires
	missed := next.Before(now.Add(-Grace))

	switch {
	case missed && p.CatchUp == task.CatchUpNone:
		span := passing(c, next.Add(-time.Microsecond), now.Add(-Grace), clock.Progress)
		records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
		next, status = c.Next(span.Last, clock.Progress)
		if status == schedule.Fires && next.After(now) {
			// Nothing else is due yet: leave it to a claim in its own time.
			return records, move(clock, next), task.Active
		}
		if status == schedule.Fires && next.Before(now.Add(-Grace)) && !c.FollowsRuns() {
			// There were more than one decision counts. What follows a run is different: it is missed once.
			return records, move(clock, next), task.Active
		}
	case missed && p.CatchUp == task.CatchUpOne:
		span := passing(c, next.Add(-time.Microsecond), now, clock.Progress)
		if span.Count >= maxMerge {
			if after, s := c.Next(span.Last, clock.Progress); s == schedule.Fires && !after.After(now) {
				records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
				return records, move(clock, after), task.Active
			}
		}
		run := fire(id, span.Last)
		if span.Count > 1 {
			run.Fires, run.FirstScheduledTime = span.Count, span.First
		}
		records = append(records, run)
		clock = count(c, clock, span.Last)
		next, status = c.Next(span.Last, clock.Progress)
		return records, move(clock, next), stateOf(status)
	}
	if status == schedule.Fires {
		records = append(records, fire(id, next))
		clock = count(c, clock, next)
		next, status = c.Next(next, clock.Progress)
	}
	return records, move(clock, next), stateOf(status)
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
	after := now
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
	p := clock.Progress
	after := later(position(p), p.LastEnd.Add(-time.Microsecond))
	next, status := c.Next(after, p)
	known := clock.NextFireTime
	if known.IsZero() {
		return move(clock, next), stateOf(status)
	}
	// The end of a run brings the fire that follows it and leaves all others alone: what lies before the known
	// one is recorded, as missed or skipped, though the progress does not show it.
	waiting := p
	waiting.LastEnd = time.Time{}
	for range maxBehind {
		if status != schedule.Fires || !next.Before(known) {
			break
		}
		if other, s := c.Next(after, waiting); s != schedule.Fires || next.Before(other) {
			return move(clock, next), task.Active
		}
		after = next
		next, status = c.Next(after, p)
	}
	return clock, state
}

// maxBehind bounds how many recorded instants Ended looks past. They lie between the end of a run and its
// record, so there are few. With more, what follows the run comes with the next known fire.
const maxBehind = 1000

// begin is the clock of a trigger that comes into force now.
func begin(c *schedule.Compiled, fireCount int64, now time.Time) (task.Clock, schedule.Status) {
	clock := task.Clock{FireCount: fireCount, Progress: schedule.Progress{Anchor: now}}
	next, status := c.First(clock.Progress)
	return move(clock, next), status
}

// passing returns the instants in (after, until] that pass without a run of their own, about maxMerge of
// them at most. They do not count for MaxFires, so a limit does not end them.
func passing(c *schedule.Compiled, after, until time.Time, p schedule.Progress) schedule.Span {
	total := c.Between(after, until, p, maxMerge)
	// What follows the end of a run is due once, however long ago that was.
	for !c.FollowsRuns() && total.Count > 0 && total.Count < maxMerge {
		more := c.Between(total.Last, until, p, maxMerge-total.Count)
		if more.Count == 0 {
			break
		}
		total.Count, total.Last = total.Count+more.Count, more.Last
	}
	return total
}

// position is the instant that a clock has reached: everything up to it is recorded. It may lie ahead of
// now, by as much as fires are claimed ahead.
func position(p schedule.Progress) time.Time {
	if p.LastFire.IsZero() {
		return p.Anchor
	}
	return p.LastFire
}

// count moves the clock over a fire.
func count(c *schedule.Compiled, clock task.Clock, at time.Time) task.Clock {
	clock.FireCount++
	clock.Progress = c.Count(at, 0, clock.Progress)
	return clock
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
