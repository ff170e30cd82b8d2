package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// counts looks whether a task counts what its runs say. Nothing was pruned.
func (c *checker) counts(t *task.Task) {
	name := t.Declaration.Name
	var want task.Counts
	var fires, perhaps int64
	for _, r := range c.byTask[name] {
		n := max(r.Fires, 1)
		if r.Cause == task.ByFire && fired(r) {
			fires++
		} else if waited(r) {
			perhaps++
		}
		if !idle(r) {
			want.Merged += n - 1
		}
		switch r.State {
		case task.Succeeded:
			want.Succeeded++
		case task.Failed:
			want.Failed++
		case task.TimedOut:
			want.TimedOut++
		case task.Canceled:
			want.Canceled++
		case task.Lost:
			want.Lost++
		case task.Missed:
			want.Missed += n
		case task.Skipped:
			switch r.Reason {
			case task.ReasonOverlap:
				want.SkippedOverlap += n
			case task.ReasonPaused:
				want.SkippedPaused += n
			case task.ReasonOrphaned:
				want.SkippedOrphaned += n
			case task.ReasonExcluded:
				want.SkippedExcluded += n
			case task.ReasonLimit:
				want.SkippedLimit += n
			default:
				c.fault(Counted, name, "it does not say why: %s", Tell(r))
			}
		default:
			c.fault(Settled, name, "it has not ended: %s", Tell(r))
		}
	}
	if t.Counts != want {
		c.fault(Counted, name, "it counts %+v, and its runs say %+v", t.Counts, want)
	}
	if n := t.Clock.FireCount; n < fires || n > fires+perhaps {
		c.fault(Counted, name, "it has fired %d times, and %d of its records say so", t.Clock.FireCount, fires)
	}
}

// attempts looks whether no run makes more attempts than its task allows, and whether what is recorded of them is what
// the task itself has seen.
func (c *checker) attempts(t *task.Task) {
	name, policy := t.Declaration.Name, t.Declaration.Policy
	seen := map[task.RunID]map[int]int{}
	for _, s := range c.starts[name] {
		if seen[s.Run] == nil {
			seen[s.Run] = map[int]int{}
		}
		if seen[s.Run][s.Attempt]++; seen[s.Run][s.Attempt] > 1 {
			c.fault(Witnessed, name, "attempt %d of run %d started twice", s.Attempt, s.Run)
		}
		r := c.runs[s.Run]
		switch {
		case r == nil && !c.deletedSince(name, s.Begin): // without its time, any deletion may explain it
			c.fault(Witnessed, name, "attempt %d of run %d started at %s (%s), and there is no such run", s.Attempt, s.Run, clock(s.Begin), s.Process)
		case r != nil && idle(r) && len(r.Earlier) < s.Attempt:
			c.fault(Witnessed, name, "attempt %d started at %s: %s", s.Attempt, clock(s.Begin), Tell(r))
		case r != nil && !idle(r) && s.Attempt > max(r.Attempt, len(r.Earlier)):
			c.fault(Witnessed, name, "attempt %d started at %s, and is not recorded: %s", s.Attempt, clock(s.Begin), Tell(r))
		case r != nil && !s.Begin.IsZero() && s.Begin.Before(r.ScheduledTime.Add(-c.skew)):
			c.fault(NotEarly, name, "attempt %d started at %s: %s", s.Attempt, clock(s.Begin), Tell(r))
		}
	}
	for _, r := range c.byTask[name] {
		if !r.StartTime.IsZero() && r.StartTime.Before(cmp.Or(r.JitteredTime, r.ScheduledTime)) {
			c.fault(NotEarly, name, "%s", Tell(r))
		}
		made, died := 0, 0
		if r.Attempt > 0 {
			made++
		}
		for i, a := range r.Earlier {
			made++
			if a.Number != i+1 {
				c.fault(Attempts, name, "attempt %d comes as number %d: %s", a.Number, i+1, Tell(r))
			}
			if a.State == task.Lost {
				died++
			}
		}
		if made-died > max(1, policy.Retry.MaxAttempts) {
			c.fault(Attempts, name, "%d attempts, beside %d whose process died: %s", made-died, died, Tell(r))
		}
		if died > 0 && policy.Delivery == task.AtMostOnce {
			c.fault(Attempts, name, "it was started again: %s", Tell(r))
		}
		if c.Witnessed && len(c.starts[name]) > 0 && r.State == task.Succeeded && seen[r.ID][r.Attempt] != 1 {
			c.fault(Witnessed, name, "its last attempt started %d times: %s", seen[r.ID][r.Attempt], Tell(r))
		}
	}
}

// edge is where an attempt begins or ends.
type edge struct {
	at    time.Time
	place int
	begin bool
	start *Start
}

// edges are those of attempts, in their order.
func edges(starts []*Start) []edge {
	var out []edge
	for _, s := range starts {
		if s.End.IsZero() {
			continue // its process died, and nobody knows when it ended
		}
		out = append(out, edge{s.Begin, s.BeginPlace, true, s}, edge{s.End, s.EndPlace, false, s})
	}
	slices.SortFunc(out, func(a, b edge) int { return cmp.Compare(a.place, b.place) })
	return out
}

// overlaps looks whether runs of a task go side by side though its policy says otherwise. Not looked at are runs
// that a call lets go beside others, and those that a crash found side by side.
func (c *checker) overlaps(t *task.Task) {
	name := t.Declaration.Name
	if t.Declaration.Policy.Overlap == task.OverlapAllow {
		return
	}
	allowed := map[task.RunID]bool{}
	for i := range c.Ops {
		if o := &c.Ops[i]; o.Allow && o.Action == task.RunRequested {
			if o.Run == nil { // nobody knows which it is
				return
			}
			allowed[o.Run.ID] = true
		}
	}
	going := map[task.RunID]bool{}
	for _, e := range edges(c.starts[name]) {
		r := c.runs[e.start.Run]
		if r == nil || allowed[e.start.Run] {
			continue
		}
		if !e.begin {
			delete(going, r.ID)
			continue
		}
		if len(going) > 0 && e.start.Attempt == 1 {
			c.fault(Alone, name, "at %s %v goes, and there starts %s", clock(e.at), going, Tell(r))
		}
		going[r.ID] = true
	}
}

// limits looks whether no more attempts go at the same time than the process allows.
func (c *checker) limits() {
	group := map[string]string{}
	for i := range c.Tasks {
		group[c.Tasks[i].Declaration.Name] = c.Tasks[i].Declaration.Group
	}
	for i, life := range c.Lives {
		until := time.Time{}
		if i+1 < len(c.Lives) {
			until = c.Lives[i+1].Begin
		}
		var mine []*Start
		for k := range c.seen {
			if s := &c.seen[k]; !s.Begin.Before(life.Begin) && (until.IsZero() || s.Begin.Before(until)) {
				mine = append(mine, s)
			}
		}
		all, groups := 0, map[string]int{}
		for _, e := range edges(mine) {
			g := group[e.start.Task]
			if !e.begin {
				all, groups[g] = all-1, groups[g]-1
				continue
			}
			all, groups[g] = all+1, groups[g]+1
			if n := life.Limits.MaxRunning; n > 0 && all > n {
				c.fault(Limited, e.start.Task, "%d go at %s, and %d may", all, clock(e.at), n)
			}
			if n := life.Groups[g].MaxRunning; g != "" && n > 0 && groups[g] > n {
				c.fault(Limited, e.start.Task, "%d of group %q go at %s, and %d may", groups[g], g, clock(e.at), n)
			}
		}
	}
}
