package history

import (
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// instants looks whether each planned instant of a task is in exactly one record, and each record of such.
func (c *checker) instants(t *task.Task) {
	name := t.Declaration.Name
	s := c.stories[name]
	if s == nil || len(s.eras) == 0 {
		c.fault(Told, name, "the audit does not tell that there is such a task")
		return
	}
	var fires []*task.Run
	for _, r := range c.byTask[name] {
		if r.Cause == task.ByFire {
			fires = append(fires, r)
		}
	}
	slices.SortStableFunc(fires, func(a, b *task.Run) int { return first(a).Compare(first(b)) })
	c.once(name, fires)
	end := time.Time{} // of the last era: nothing is recorded of what comes after the pause
	if t.Pause != nil {
		end = t.Pause.CreateTime
	}
	used := map[task.RunID]bool{}
	for i, e := range s.eras {
		until := e.until
		if i+1 == len(s.eras) {
			until = end
		}
		c.era(name, e, until, i+1 == len(s.eras), fires, used)
	}
	for _, r := range fires {
		if !used[r.ID] && !ahead(r) {
			c.fault(OnPlan, name, "no trigger in force asks for this: %s", Tell(r))
		}
	}
}

// once looks whether no instant is in two records.
func (c *checker) once(name string, fires []*task.Run) {
	seen := map[time.Time]*task.Run{}
	for _, r := range fires {
		if ahead(r) {
			continue // another trigger may have the same instant after all
		}
		for _, at := range slices.Compact([]time.Time{first(r), r.ScheduledTime}) {
			if o := seen[at]; o != nil && o != r {
				c.fault(RecordedOnce, name, "%s is in two records: %s and %s", clock(at), Tell(o), Tell(r))
			}
			seen[at] = r
		}
	}
}

// era looks at the records of one trigger: of instants after it came into force, or at that moment, up to until.
func (c *checker) era(name string, e era, until time.Time, last bool, fires []*task.Run, used map[task.RunID]bool) {
	compiled, err := schedule.Compile(bare(e.trigger))
	if err != nil {
		c.fault(OnPlan, name, "trigger %q: %v", e.trigger, err)
		return
	}
	// What lies at the very end may be a fire of the next trigger at once.
	follows := compiled.FollowsRuns()
	plan := map[time.Time]bool{}
	var instants []time.Time
	p := schedule.Progress{Anchor: e.from}
	for at, s := compiled.First(p); !follows && s == schedule.Fires && !at.After(latest(until, fires)); at, s = compiled.Next(at, p) {
		plan[at], instants = true, append(instants, at)
	}
	var mine []*task.Run
	var count, most int64 // fires, for sure and at most
	limit := e.trigger.MaxFires
	var over time.Time // the instant of the last fire of all, if most of them are
	for _, r := range fires {
		at := r.ScheduledTime
		switch {
		case used[r.ID], at.Before(e.from), !until.IsZero() && at.After(until):
			continue
		case ahead(r) && r.EndTime.Before(e.from):
			continue // it was claimed by the trigger before, and ended with its instant to come
		case follows && !last && at.Equal(until), !follows && !plan[at]:
			continue
		}
		mine = append(mine, r)
		if fired(r) && !ahead(r) {
			count++
		}
		if fired(r) || waited(r) {
			if most++; limit > 0 && most == limit {
				over = at
			}
		}
	}
	if limit > 0 && count > limit {
		c.fault(OnPlan, name, "%q since %s has fired %d times", e.trigger, clock(e.from), count)
	}
	if follows {
		c.following(name, e, until, last && over.IsZero(), mine, used)
		return
	}
	if until.IsZero() && len(instants) > 0 {
		until = instants[len(instants)-1]
	}
	instants = slices.DeleteFunc(instants, func(at time.Time) bool { return at.After(until) })
	if len(instants) > 0 && instants[0].Equal(e.from) && slices.ContainsFunc(fires, func(r *task.Run) bool {
		return used[r.ID] && r.ScheduledTime.Equal(e.from)
	}) {
		instants = instants[1:] // the trigger before has made that run
	}
	for _, out := range []bool{false, true} {
		c.walk(name, e, out, slices.DeleteFunc(slices.Clone(instants), func(at time.Time) bool { return excluded(e.trigger, at) != out }), mine, used, over)
	}
}

// latest is until when instants are looked at.
func latest(until time.Time, fires []*task.Run) time.Time {
	for _, r := range fires {
		if until.IsZero() || r.ScheduledTime.After(until) && ahead(r) {
			until = r.ScheduledTime
		}
	}
	return until
}

// walk goes through the instants of a trigger that were taken out, or those that were not, and their records.
func (c *checker) walk(name string, e era, out bool, plan []time.Time, mine []*task.Run, used map[task.RunID]bool, over time.Time) {
	i := 0
	for _, r := range mine {
		if (r.Reason == task.ReasonExcluded) != out {
			continue
		}
		at, found := slices.BinarySearchFunc(plan, first(r), time.Time.Compare)
		switch {
		case !found && ahead(r):
			continue // of the trigger before
		case !found:
			continue // instants says so
		case at < i && ahead(r):
			used[r.ID] = true
			continue
		case at < i:
			c.fault(RecordedOnce, name, "%s, of %q since %s, is in a record before this: %s", clock(first(r)), e.trigger, clock(e.from), Tell(r))
		case at > i:
			c.fault(NotLost, name, "%s, of %q since %s, is in no record; the next is %s (excluded: %t)", clock(plan[i]), e.trigger, clock(e.from), Tell(r), out)
		}
		used[r.ID] = true
		var n int64
		for i = at; i < len(plan) && !plan[i].After(r.ScheduledTime); i++ {
			n++
		}
		if n != r.Fires || n > 0 && !plan[i-1].Equal(r.ScheduledTime) {
			c.fault(OnPlan, name, "the record stands for %d instants of %q, there are %d: %s", r.Fires, e.trigger, n, Tell(r))
		}
	}
	if i < len(plan) && (over.IsZero() || !out && plan[i].Before(over)) {
		c.fault(NotLost, name, "%s, of %q since %s, is in no record, and it was in force (excluded: %t)", clock(plan[i]), e.trigger, clock(e.from), out)
	}
}

// longest is more than lies between two instants of a trigger that follows runs: see Trigger.
const longest = 12 * time.Second

// following looks at the records of a trigger that follows runs: that it goes on.
func (c *checker) following(name string, e era, until time.Time, last bool, mine []*task.Run, used map[task.RunID]bool) {
	latest := e.from
	for _, r := range mine {
		used[r.ID] = true
		for _, at := range []time.Time{r.ScheduledTime, r.EndTime} { // it may have waited for a place until its end
			if at.After(latest) {
				latest = at
			}
		}
	}
	if last && c.Alive > longest && until.Sub(latest) > longest {
		c.fault(GoesOn, name, "%q since %s has not fired since %s", e.trigger, clock(e.from), clock(latest))
	}
}

// pauses looks whether nothing fires while a pause was answered and nobody has begun to end it.
func (c *checker) pauses() {
	for i := range c.Ops {
		o := &c.Ops[i]
		if o.Action != task.TaskPaused || o.Outcome != Acknowledged {
			continue
		}
		end := o.ResumeTime
		for j := range c.Ops {
			n := &c.Ops[j]
			ends := n.Action == task.TaskResumed || n.Action == task.TaskDeleted || n.Action == task.TaskPaused && !n.ResumeTime.IsZero()
			if n.Task != o.Task || !ends || n.Outcome == Refused {
				continue
			}
			from := n.Begin
			if !from.After(o.Answer) && n.Outcome == Unknown {
				from = c.marked[n.Mark] // what nobody waits for any more may still be done
			}
			if from.After(o.Answer.Add(-c.skew)) && (from != n.Begin || from.After(o.Answer)) && (end.IsZero() || from.Before(end)) {
				end = from
			}
		}
		in := func(at time.Time) bool {
			return at.After(o.Answer.Add(c.skew)) && (end.IsZero() || at.Before(end.Add(-c.skew)))
		}
		for _, r := range c.byTask[o.Task] {
			switch {
			case r.Cause != task.ByFire:
			case in(begun(r)):
				c.fault(NotPaused, o.Task, "it was paused at %s (%s) until %s, and started: %s", clock(o.Answer), o.Mark, clock(end), Tell(r))
			case !idle(r) && !ahead(r) && in(r.ScheduledTime):
				c.fault(NotPaused, o.Task, "it was paused at %s (%s) until %s, and fired: %s", clock(o.Answer), o.Mark, clock(end), Tell(r))
			}
		}
	}
}
