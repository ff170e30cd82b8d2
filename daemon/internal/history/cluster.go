package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// A Cluster is what was done to the processes that shared a store.
type Cluster struct {
	Processes []Process
	// Nodes names the process of each node: a process that was given up goes on as another node.
	Nodes map[uuid.UUID]string
	// StoreDown are the times in which the store itself was not there.
	StoreDown []Outage
	// Within is how soon what a node had in hand must be in other hands when that node is no more.
	Within time.Duration
	// Skew is by how much what nodes take for the time of the store may be wrong.
	Skew time.Duration
}

// A Process is one daemon.
type Process struct {
	Name string
	// Ready is when it said that it was, End when it had ended. Zero: never.
	Ready, End time.Time
	// Outages are in the order in which they began.
	Outages []Outage
}

// An Outage is a time in which a process, or the store, could not do its work.
type Outage struct {
	// Kind is what was done to it.
	Kind string
	// Begin and End are from when until when. End is zero if it was for good.
	Begin, End time.Time
}

// over reports whether some of the outage was between two times.
func (o Outage) over(from, until time.Time) bool {
	return o.Begin.Before(until) && (o.End.IsZero() || o.End.After(from))
}

// A Takeover is an attempt that its node did not bring to an end.
type Takeover struct {
	Run     *task.Run
	Attempt int
	// Kind is what was done to its process. Empty: nothing was.
	Kind string
	// Took is from then, or from the last thing that was done meanwhile to another process or to the store, until
	// another node had it in hand. Quiet says that nothing was done meanwhile, Judged that at least one other process
	// was well all the time, so that Took must be within Cluster.Within.
	Took          time.Duration
	Quiet, Judged bool
	// Again is from what was done until the next attempt was seen to start. Zero: none was.
	Again time.Duration
}

// Takeovers returns all of a history of a cluster.
func (h *History) Takeovers() []Takeover {
	if h.Cluster == nil {
		return nil
	}
	type attempt struct {
		run    task.RunID
		number int
	}
	starts := make(map[attempt]*Start, len(h.Starts))
	for i := range h.Starts {
		s := &h.Starts[i]
		starts[attempt{s.Run, s.Attempt}] = s
	}
	var out []Takeover
	for i := range h.Runs {
		r := &h.Runs[i]
		for _, a := range lostAttempts(r) {
			process := h.Cluster.Nodes[a.Node]
			if s := starts[attempt{r.ID, a.Number}]; s != nil {
				process = s.Process
			}
			t := h.Cluster.takeover(process, a.EndTime)
			t.Run, t.Attempt = r, a.Number
			if s := starts[attempt{r.ID, a.Number + 1}]; s != nil && t.Kind != "" {
				t.Again = s.Begin.Sub(a.EndTime.Add(-t.Took))
			}
			out = append(out, t)
		}
	}
	return out
}

// lostAttempts are the attempts of a run that their nodes did not bring to an end. Of a run that is Lost itself nobody
// but who has seen the attempt knows who made it.
func lostAttempts(r *task.Run) []task.Attempt {
	var out []task.Attempt
	for _, a := range r.Earlier {
		if a.State == task.Lost {
			out = append(out, a)
		}
	}
	if r.State == task.Lost {
		out = append(out, task.Attempt{Number: r.Attempt, StartTime: r.StartTime, EndTime: r.EndTime, State: r.State})
	}
	return out
}

// takeover says what happened before something that a process had in hand was taken over.
func (c *Cluster) takeover(process string, at time.Time) Takeover {
	var t Takeover
	var base time.Time
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Name == process {
			for _, o := range p.Outages {
				// One that ended long before has done no harm. By how much clocks differ, it may have begun later.
				near := o.Begin.Before(at) || t.Kind == "" && o.Begin.Before(at.Add(c.Skew))
				if near && (o.End.IsZero() || o.End.Add(c.Within).After(at)) {
					t.Kind, base = o.Kind, o.Begin
				}
			}
		}
	}
	if t.Kind == "" {
		for _, o := range c.StoreDown {
			if o.Begin.Before(at) && o.End.Add(c.Within).After(at) {
				t.Kind, t.Took = "lost its store", at.Sub(o.End)
			}
		}
		return t
	}
	// Whoever was about to take it over may have come to grief itself.
	began, latest := base, base.Add(c.Within)
	t.Quiet = true
	later := func(times ...time.Time) {
		for _, x := range times {
			if x.After(began) && x.Before(at) && x.Before(latest) {
				t.Quiet = false
				if x.After(base) {
					base = x
				}
			}
		}
	}
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Name != process {
			for _, o := range p.Outages {
				later(o.Begin)
			}
		}
	}
	for _, o := range c.StoreDown {
		later(o.Begin, o.End)
	}
	t.Took = at.Sub(base)
	for i := range c.Processes {
		p := &c.Processes[i]
		t.Judged = t.Judged || p.Name != process && c.well(p, base, at)
	}
	for _, o := range c.StoreDown {
		t.Judged = t.Judged && !o.over(base, at)
	}
	return t
}

// well reports whether a process was there, and nothing was done to it, between two times.
func (c *Cluster) well(p *Process, from, until time.Time) bool {
	if p.Ready.IsZero() || p.Ready.After(from) || !p.End.IsZero() && p.End.Before(until) {
		return false
	}
	return !slices.ContainsFunc(p.Outages, func(o Outage) bool { return o.over(from, until) })
}

// takeovers looks whether what a node had in hand when it came to grief was taken over soon, and whether it started
// nothing of that later.
func (c *checker) takeovers() {
	for _, t := range c.Takeovers() {
		if t.Judged && t.Took > c.Cluster.Within {
			c.fault(TakenOver, t.Run.TaskName, "attempt %d was in other hands %s after its process had %s: %s", t.Attempt, t.Took, t.Kind, Tell(t.Run))
		}
	}
	for i := range c.Starts {
		s := &c.Starts[i]
		r := c.runs[s.Run]
		if r == nil {
			continue // attempts says so
		}
		for _, a := range lostAttempts(r) {
			if a.Number == s.Attempt && s.Begin.After(a.EndTime.Add(c.Cluster.Skew)) && !c.Cluster.wakes(s) {
				c.fault(Fenced, s.Task, "attempt %d was started by %s at %s, when it had been given up: %s", s.Attempt, s.Process, clock(s.Begin), Tell(r))
			}
		}
	}
}

// waking is how long after it was stopped a process may go on with what it was about to do: the last look at its lease
// was before that.
const waking = 500 * time.Millisecond

// wakes reports whether an attempt began as its process was let go on.
func (c *Cluster) wakes(s *Start) bool {
	for i := range c.Processes {
		p := &c.Processes[i]
		if p.Name == s.Process && slices.ContainsFunc(p.Outages, func(o Outage) bool {
			return !o.End.IsZero() && !s.Begin.Before(o.Begin) && s.Begin.Before(o.End.Add(waking))
		}) {
			return true
		}
	}
	return false
}

// cut returns starts as they count for those who share places: what a process does after something was done to it is
// nothing that another could know of.
func (c *Cluster) cut(starts []Start) []Start {
	outages := map[string][]Outage{}
	for _, p := range c.Processes {
		outages[p.Name] = p.Outages
	}
	type end struct {
		at    time.Time
		place *int
	}
	out := slices.Clone(starts)
	var ends []end
	for i := range out {
		s := &out[i]
		for _, o := range outages[s.Process] {
			if o.over(s.Begin, s.End) && o.Begin.Before(s.End) {
				s.End = o.Begin
				if s.End.Before(s.Begin) {
					s.End = s.Begin
				}
			}
		}
		ends = append(ends, end{s.Begin, &s.BeginPlace}, end{s.End, &s.EndPlace})
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for i, e := range ends {
		*e.place = i
	}
	return out
}
