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

// Fired decides what becomes of a task whose next fire is not later than the claim reaches. At most one
// of the records is Scheduled; the others tell of instants that pass without a run. The clock returned
// has moved past all of them, but may still be due: the next claim goes on.
func Fired(id uuid.UUID, f *InForce, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	before := clock
	// Before anything else is asked of the trigger: what comes after may be a fault, and then it tells nothing.
	whole := excluded(id, f, before, before.NextFireTime, now)
	come := earlier(before.NextFireTime, now)
	out := whole
	if come.Before(before.NextFireTime) && len(whole) > 0 {
		out = excluded(id, f, before, come, now)
	}
	records, clock, state := fired(id, f, clock, now)
	rest := before
	rest.ExcludedTime = later(ExcludedTime(before), come)
	more := excluded(id, f, rest, earlier(clock.RecordedTime, now), now)
	clock.ExcludedTime = unrecorded(f, rest, clock.RecordedTime, now)
	if f.Err() != nil {
		// What it has told of is recorded, also what has not come: by the time when it can tell again it may say
		// something else.
		records, clock, state = firedAlone(id, f, before, now)
		out, more, clock.ExcludedTime = whole, nil, time.Time{}
	}
	// The run is recorded last, so that it is the last run.
	return append(append(out, more...), records...), clock, state
}

// fired is Fired without what is excluded.
func fired(id uuid.UUID, f *InForce, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	var records []task.Run
	next := clock.NextFireTime

	if limit, ok := missedBefore(f.Policy, now); ok && late(id, f, clock, next, limit) {
		span := due(f, next, limit, clock.Progress)
		if span.Count > 1 && !late(id, f, clock, span.Last, limit) {
			// Jitter takes the last of them past that.
			span = due(f, next, span.Last.Add(-time.Microsecond), clock.Progress)
		}
		records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
		clock.RecordedTime = span.Last
		var status schedule.Status
		next, status = f.Next(span.Last, clock.Progress)
		switch {
		case status != schedule.Fires:
			return records, move(clock, next), f.state(status, span.Last, clock.Progress)
		case next.After(now):
			// Nothing else is due yet: leave it to a claim in its own time.
			return records, move(clock, next), task.Active
		case late(id, f, clock, next, limit) && !f.FollowsRuns():
			// There were more than one decision counts. What follows a run is different: it is missed once.
			return records, move(clock, next), task.Active
		}
	}
	if f.Policy.CatchUp == task.CatchUpOne && late(id, f, clock, next, now.Add(-Grace)) {
		span := due(f, next, now, clock.Progress)
		if span.Count >= most(f, maxMerge, maxCustom) {
			if after, s := f.Next(span.Last, clock.Progress); s == schedule.Fires && !after.After(now) {
				records = append(records, passed(id, span, task.Missed, task.ReasonLate, now))
				clock.RecordedTime = span.Last
				return records, move(clock, after), task.Active
			}
		}
		run, clock, state := start(id, f, clock, span.Last)
		if span.Count > 1 {
			run.Fires, run.FirstScheduledTime = span.Count, span.First
		}
		return append(records, run), clock, state
	}
	run, clock, state := start(id, f, clock, next)
	return append(records, run), clock, state
}

// missedBefore is the instant before which fires are Missed by a policy, if there is one.
func missedBefore(p task.Policy, now time.Time) (time.Time, bool) {
	switch {
	case p.CatchUp == task.CatchUpNone:
		return now.Add(-Grace), true
	case p.CatchUpWindow > 0:
		return now.Add(-max(p.CatchUpWindow, Grace)), true
	}
	return time.Time{}, false
}

// firedAlone is fired where the trigger has a fault: nothing but the fire that is due is known. What came after
// it is recorded when the trigger can tell.
func firedAlone(id uuid.UUID, f *InForce, clock task.Clock, now time.Time) ([]task.Run, task.Clock, task.State) {
	next := clock.NextFireTime
	if limit, ok := missedBefore(f.Policy, now); ok && late(id, f, clock, next, limit) {
		clock.RecordedTime = next
		span := schedule.Span{Count: 1, First: next, Last: next}
		return []task.Run{passed(id, span, task.Missed, task.ReasonLate, now)}, move(clock, time.Time{}), task.Active
	}
	run, clock, state := start(id, f, clock, next)
	return []task.Run{run}, clock, state
}

// late returns whether a fire should have started before that.
func late(id uuid.UUID, f *InForce, clock task.Clock, fire, limit time.Time) bool {
	if !fire.Before(limit) {
		return false
	}
	if f.JitterLimit(fire, time.Time{}) == 0 {
		return true
	}
	following, _ := f.Next(fire, f.Count(fire, 0, clock.Progress))
	return f.Jittered(id, fire, following).Before(limit)
}

// start makes a fire a run, and moves the clock over it.
func start(id uuid.UUID, f *InForce, clock task.Clock, at time.Time) (task.Run, task.Clock, task.State) {
	run := fire(id, at)
	clock.FireCount++
	clock.RecordedTime = at
	clock.Progress = f.Count(at, 0, clock.Progress)
	next, status := f.Next(at, clock.Progress)
	if f.JitterLimit(at, next) > 0 {
		run.JitteredTime = f.Jittered(id, at, next)
	}
	return run, move(clock, next), f.state(status, at, clock.Progress)
}

// On decides whether a task fires because of an event of its node, and returns the run, the clock and the
// state if it does.
func On(id uuid.UUID, f *InForce, clock task.Clock, e schedule.Event, now time.Time) (task.Run, task.Clock, task.State, bool) {
	if !f.FiresOn(e, now, clock.Progress) {
		return task.Run{}, clock, task.Active, false
	}
	clock.FireCount++
	before := clock.Progress
	clock.Progress = f.Count(now, e, before)
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
	next, status := f.Next(after, clock.Progress)
	return fire(id, now), move(clock, next), f.state(status, after, clock.Progress), true
}

// Ended decides when a task fires next after the run of one of its fires has ended. Only triggers that
// follow runs need it.
func Ended(f *InForce, clock task.Clock, state task.State, ended time.Time) (task.Clock, task.State) {
	if ended.After(clock.Progress.LastEnd) {
		clock.Progress.LastEnd = ended
	}
	if state != task.Active || !f.FollowsRuns() {
		return clock, state
	}
	after := later(clock.RecordedTime, clock.Progress.LastEnd.Add(-time.Microsecond))
	next, status := f.Next(after, clock.Progress)
	switch known := clock.NextFireTime; {
	case known.IsZero():
		return move(clock, next), f.state(status, after, clock.Progress)
	case status == schedule.Fires && next.Before(known):
		return move(clock, next), task.Active
	}
	// The end of a run brings the fire that follows it and leaves all others alone.
	return clock, state
}

// begin is the clock of a trigger that comes into force now.
func begin(f *InForce, fireCount int64, now time.Time) (task.Clock, schedule.Status) {
	clock := task.Clock{FireCount: fireCount, RecordedTime: now, Progress: schedule.Progress{Anchor: now}}
	next, status := f.First(clock.Progress)
	if f.AtOnce(clock.Progress) {
		clock.RecordedTime = now.Add(-time.Microsecond) // that has yet to be recorded
	}
	return move(clock, next), status
}

// move sets the next fire; zero if none is known.
func move(clock task.Clock, next time.Time) task.Clock {
	clock.NextFireTime = next
	return clock
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
