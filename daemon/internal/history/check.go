package history

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// Promise is the name of a line of the table in the package comment.
type Promise string

// The promises.
const (
	RecordedOnce Promise = "recorded once"
	NotLost      Promise = "not lost"
	OnPlan       Promise = "on plan"
	NotPaused    Promise = "not while paused"
	NotEarly     Promise = "not early"
	GoesOn       Promise = "goes on"
	Whole        Promise = "whole or not at all"
	InForce      Promise = "in force"
	Chained      Promise = "audit chains"
	Told         Promise = "audit tells"
	WatchWhole   Promise = "watch is complete"
	WatchOrder   Promise = "watch is in order"
	Counted      Promise = "counted"
	Limited      Promise = "within limits"
	Alone        Promise = "overlap"
	Attempts     Promise = "attempts"
	Witnessed    Promise = "witnessed"
	Settled      Promise = "settled"
	TakenOver    Promise = "taken over"
	Fenced       Promise = "fenced"
)

// A Fault is a promise that was not kept.
type Fault struct {
	Promise Promise
	Task    string
	Text    string
}

func (f Fault) String() string { return fmt.Sprintf("%s: %q: %s", f.Promise, f.Task, f.Text) }

// checker looks at one history.
type checker struct {
	*History
	stories map[string]*story // by the names of tasks
	runs    map[task.RunID]*task.Run
	byTask  map[string][]*task.Run // the oldest first
	seen    []Start                // as they count: see Cluster
	starts  map[string][]*Start    // by tasks
	// answered is when each operation with a mark was, if it was done; marked is when the audit says that it was.
	answered, marked map[string]time.Time
	skew             time.Duration // see Cluster
	// stood is by when what was decided at a time was committed at the latest.
	stood  map[time.Time]time.Time
	faults []Fault
}

func (c *checker) fault(p Promise, name, format string, args ...any) {
	c.faults = append(c.faults, Fault{p, name, fmt.Sprintf(format, args...)})
}

// mostStore is how long a store may take to commit, if nobody knows by when it had.
const mostStore = 10 * time.Second

// newChecker sorts a history by tasks. fault is told of what does not fit in the audit.
func newChecker(h *History, fault func(name, format string, args ...any)) *checker {
	c := &checker{
		History: h, stories: map[string]*story{}, runs: map[task.RunID]*task.Run{}, byTask: map[string][]*task.Run{},
		starts: map[string][]*Start{}, answered: map[string]time.Time{}, marked: map[string]time.Time{}, stood: map[time.Time]time.Time{},
	}
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Mark != "" && o.Outcome == Acknowledged {
			c.answered[o.Mark] = o.Answer
		}
	}
	for i := range h.Events {
		e := &h.Events[i]
		c.marked[e.Reason] = e.Time
		if c.stood[e.Time] = c.answered[e.Reason]; c.stood[e.Time].IsZero() {
			c.stood[e.Time] = e.Time.Add(mostStore)
		}
	}
	c.seen = h.Starts
	if h.Cluster != nil {
		c.skew, c.seen = h.Cluster.Skew, h.Cluster.cut(h.Starts)
	}
	for _, s := range stories(h.Events, fault) {
		c.stories[s.name] = s
	}
	for i := range h.Runs {
		run := &h.Runs[i]
		if c.runs[run.ID] != nil {
			c.fault(RecordedOnce, run.TaskName, "run %d is listed twice", run.ID)
		}
		c.runs[run.ID] = run
		c.byTask[run.TaskName] = append(c.byTask[run.TaskName], run)
	}
	for i := range c.seen {
		s := &c.seen[i]
		c.starts[s.Task] = append(c.starts[s.Task], s)
	}
	return c
}

// Check returns which promises were not kept.
func Check(h *History) []Fault {
	var unchained []Fault
	c := newChecker(h, func(name, format string, args ...any) {
		unchained = append(unchained, Fault{Chained, name, fmt.Sprintf(format, args...)})
	})
	c.faults = append(unchained, c.faults...)
	for i := range h.Tasks {
		t := &h.Tasks[i]
		c.instants(t)
		c.counts(t)
		c.final(t)
		c.overlaps(t)
		c.attempts(t)
	}
	for name, s := range c.stories {
		if s.is() != nil && !c.listed(name) {
			c.fault(InForce, name, "the audit tells of a task that is not listed")
		}
	}
	c.pauses()
	c.operations()
	c.reads()
	c.watches()
	c.limits()
	if h.Cluster != nil {
		c.takeovers()
	}
	return c.faults
}

func (c *checker) listed(name string) bool {
	for i := range c.Tasks {
		if c.Tasks[i].Declaration.Name == name {
			return true
		}
	}
	return false
}

// Tell tells a run in a line.
func Tell(r *task.Run) string {
	return fmt.Sprintf("run %d of %q at %s (%d from %s): %v, reason %d, attempt %d of %d, started %s, ended %s",
		r.ID, r.TaskName, clock(r.ScheduledTime), r.Fires, clock(first(r)), r.State, r.Reason, r.Attempt, len(r.Earlier)+1, clock(r.StartTime), clock(r.EndTime))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("15:04:05.000000")
}

// first is the first instant of a record.
func first(r *task.Run) time.Time {
	if !r.FirstScheduledTime.IsZero() {
		return r.FirstScheduledTime
	}
	return r.ScheduledTime
}

// idle reports whether a record tells of instants that started nothing.
func idle(r *task.Run) bool { return r.State == task.Skipped || r.State == task.Missed }

// fired reports whether a record counts as a fire of its task.
func fired(r *task.Run) bool {
	return r.State != task.Missed && (r.State != task.Skipped || r.Reason == task.ReasonOverlap || r.Reason == task.ReasonLimit)
}

// waited reports whether a record may be one of a fire that waited for another run or a place when its task was
// paused or orphaned. Nothing in it says so: such a fire counts, and an instant that passed does not.
func waited(r *task.Run) bool {
	return r.Cause == task.ByFire && r.State == task.Skipped && (r.Reason == task.ReasonPaused || r.Reason == task.ReasonOrphaned)
}

// ahead reports whether a fire was claimed, and then ended before its instant came.
func ahead(r *task.Run) bool { return r.EndTime.Before(r.ScheduledTime) }

// begun is when a run first started. Zero: it did not, or its process died before that was recorded.
func begun(r *task.Run) time.Time {
	if len(r.Earlier) > 0 {
		return r.Earlier[0].StartTime
	}
	return r.StartTime
}
