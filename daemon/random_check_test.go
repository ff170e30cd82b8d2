package daemon_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// check looks at everything that a task has left.
func (h *history) check(s *subject, ended time.Time) {
	name := s.declared.Name
	stored, err := h.inner.Task(context.Background(), ref(name))
	if err != nil {
		h.t.Fatal(err)
	}
	var fires []task.Run
	var counted int64
	for from := task.RunID(0); ; {
		page, err := h.inner.Runs(context.Background(), task.RunQuery{TaskID: stored.ID, From: from, Limit: 1000})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, run := range page.Runs {
			if run.Cause != task.ByFire {
				continue
			}
			if run.FirstScheduledTime.IsZero() {
				run.FirstScheduledTime = run.ScheduledTime
			}
			fires = append(fires, run)
			if run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
				counted++
			}
			h.checkStart(s, run)
		}
		if from = page.Next; from == 0 {
			break
		}
	}
	if stored.Clock.FireCount != counted {
		h.fault("%q has fired %d times and has %d records of that", name, stored.Clock.FireCount, counted)
	}
	slices.SortFunc(fires, func(a, b task.Run) int { return a.FirstScheduledTime.Compare(b.FirstScheduledTime) })
	for i, e := range s.eras {
		until := ended
		if i+1 < len(s.eras) {
			until = s.eras[i+1].from
		} else if n := len(s.pauses); n > 0 && s.pauses[n-1].until.IsZero() {
			until = s.pauses[n-1].from // the rest is recorded when it is resumed
		} else {
			until = until.Add(-e.trigger.Jitter) // what still waited for its start is given back
		}
		h.checkEra(name, e, i+1 == len(s.eras), until, fires)
	}
	for i := 1; i < len(fires); i++ {
		a, b := fires[i-1], fires[i]
		if ahead(a) || ahead(b) {
			continue // another trigger may have the same instant after all
		}
		if a.ScheduledTime.Equal(b.ScheduledTime) || a.FirstScheduledTime.Equal(b.FirstScheduledTime) {
			h.fault("%q has two records of one instant: %s and %s", name, story(a), story(b))
		}
	}
	h.checkAlive(s, stored, fires, ended)
}

// ahead reports whether a fire was claimed and then canceled, lost or taken back before its instant.
func ahead(run task.Run) bool { return run.EndTime.Before(run.ScheduledTime) }

// checkStart looks whether a run was started in spite of a pause. One that is started again after a crash
// was going before.
func (h *history) checkStart(s *subject, run task.Run) {
	for _, p := range s.pauses {
		if run.Attempt == 1 && run.StartTime.After(p.from) && (p.until.IsZero() || run.StartTime.Before(p.until)) {
			h.fault("%q was paused at %s and started a run at %s: %s", run.TaskName, p.from, run.StartTime, story(run))
		}
	}
}

// checkEra looks at the records of one trigger.
func (h *history) checkEra(name string, e era, last bool, until time.Time, fires []task.Run) {
	step, origin := grid(e)
	if step == 0 {
		return
	}
	if len(e.trigger.Exclusions) > 0 {
		h.checkExclusions(name, e, last, until, fires)
		return
	}
	next := origin      // the first instant that has no record yet
	var early time.Time // an instant whose record may be that of the trigger before
	var fired int64
	for _, run := range fires {
		if run.ScheduledTime.Before(e.from) || !last && !run.ScheduledTime.Before(until) {
			continue
		}
		if run.ScheduledTime.Sub(origin)%step != 0 || run.FirstScheduledTime.Sub(origin)%step != 0 {
			if ahead(run) {
				continue // a fire of the trigger before
			}
			h.fault("%q has a run at an instant that is none of %s since %s: %s", name, e.trigger, e.from, story(run))
			continue
		}
		switch first := run.FirstScheduledTime; {
		case first.Equal(next):
		case ahead(run):
			continue
		case !first.Equal(early):
			h.fault("%q, %s since %s: the record after %s is %s", name, e.trigger, e.from, next.Add(-step), story(run))
		}
		if n := int64(run.ScheduledTime.Sub(run.FirstScheduledTime)/step) + 1; n != run.Fires {
			h.fault("%q: %s stands for %d instants, there are %d", name, story(run), run.Fires, n)
		}
		next = run.ScheduledTime.Add(step)
		if early = (time.Time{}); ahead(run) {
			early = run.ScheduledTime
		}
		if run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
			fired++
		}
	}
	limit := e.trigger.MaxFires
	if limit > 0 && fired > limit {
		h.fault("%q: %d fires of %s", name, fired, e.trigger)
	}
	if (limit == 0 || fired < limit) && !next.After(until) {
		h.fault("%q, %s since %s: there is no record of %s, and it was in force until %s", name, e.trigger, e.from, next, until)
	}
}

// checkExclusions looks whether each instant of a trigger with exclusions has a record of its kind.
func (h *history) checkExclusions(name string, e era, last bool, until time.Time, fires []task.Run) {
	step, origin := grid(e)
	holds := func(at time.Time) bool {
		for _, x := range e.trigger.Exclusions {
			w := x.(schedule.Window)
			if now := at.Format("15:04:05"); fmt.Sprintf("%02d:%02d:%02d", w.From.Hour, w.From.Minute, w.From.Second) <= now &&
				now < fmt.Sprintf("%02d:%02d:%02d", w.Until.Hour, w.Until.Minute, w.Until.Second) {
				return true
			}
		}
		return false
	}
	var fired, canceled int64
	end := e.from.Add(-1) // of the last record that is no excluded one
	for _, run := range fires {
		if run.ScheduledTime.Before(e.from) || !last && !run.ScheduledTime.Before(until) || run.Reason == task.ReasonExcluded {
			continue
		}
		if ahead(run) { // it may be a fire of the trigger before, and count there
			canceled++
			continue
		}
		if end = run.ScheduledTime; run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
			fired++
		}
		if holds(run.ScheduledTime) {
			h.fault("%q, %s since %s: there is a fire at an excluded instant: %s", name, e.trigger, e.from, story(run))
		}
	}
	if limit := e.trigger.MaxFires; limit > 0 && fired+canceled >= limit {
		if fired > limit {
			h.fault("%q: %d fires of %s", name, fired, e.trigger)
		}
		until = end
	}
	for at := origin; at.Before(until); at = at.Add(step) {
		excluded, records := holds(at), 0
		if excluded && last && at.After(end) {
			continue // it is recorded with the next fire
		}
		for _, run := range fires {
			if (run.Reason == task.ReasonExcluded) == excluded && !run.FirstScheduledTime.After(at) && !at.After(run.ScheduledTime) &&
				!run.ScheduledTime.Before(e.from) && (last || run.FirstScheduledTime.Before(until)) {
				records++
			}
		}
		if records == 0 || excluded && records > 1 {
			h.fault("%q, %s since %s: there are %d records of %s (excluded: %t), and it was in force until %s",
				name, e.trigger, e.from, records, at, excluded, until)
			return
		}
	}
}

// grid returns the distance of the instants of a trigger and the first, if they lie on a grid.
func grid(e era) (step time.Duration, first time.Time) {
	switch k := e.trigger.Kind.(type) {
	case schedule.Every:
		if k.Pacing == schedule.FixedDelay {
			return 0, time.Time{}
		}
		if k.FirstFire == schedule.Immediate {
			return k.Interval, e.from
		}
		return k.Interval, e.from.Add(k.Interval)
	case schedule.Cron:
		step = time.Second
		if strings.HasPrefix(k.Expression, "*/2") {
			step = 2 * time.Second
		}
		return step, e.from.Truncate(step).Add(step)
	}
	return 0, time.Time{}
}

// checkAlive looks whether a trigger that follows runs has not lost its thread.
func (h *history) checkAlive(s *subject, stored task.Task, fires []task.Run, ended time.Time) {
	c, err := schedule.Compile(stored.Trigger())
	if err != nil {
		h.t.Fatal(err)
	}
	if len(stored.Trigger().Exclusions) > 0 || !c.FollowsRuns() || stored.State != task.Active || c.Listens(schedule.StartUp) {
		return
	}
	if !slices.ContainsFunc(fires, func(r task.Run) bool { return ended.Sub(r.ScheduledTime) < 12*time.Second }) {
		h.fault("%q has not fired for long: %+v", s.declared.Name, stored.Clock)
	}
}

// unfinished returns the runs that have not ended, but for those that a stop in good order left waiting for
// their jittered starts.
func unfinished(s store.Store) ([]task.Run, error) {
	open, err := s.Unfinished(context.Background(), 0, 100)
	return slices.DeleteFunc(open, func(r task.Run) bool { return r.Attempt == 0 && r.State == task.Scheduled && !r.JitteredTime.IsZero() }), err
}

// catchUp lets time pass until no run waits for another: fires that were missed run one after another.
func catchUp(s store.Store, sleep func(time.Duration)) {
	for range 100 {
		open, err := s.Unfinished(context.Background(), 0, 1000)
		if err != nil || !slices.ContainsFunc(open, func(r task.Run) bool { return r.Reason == task.ReasonOverlap }) {
			return
		}
		sleep(10 * time.Second)
	}
}
