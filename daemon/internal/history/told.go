package history

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// final looks whether a task is as the audit says it has become.
func (c *checker) final(t *task.Task) {
	s := c.stories[t.Declaration.Name]
	if s == nil {
		return // instants says so
	}
	if is := s.is(); !same(is, viewOf(t)) {
		c.fault(InForce, s.name, "it is %v, and the audit leads to %v", viewOf(t), is)
	}
}

// same compares what is told of two views.
func same(a, b view) bool {
	for _, f := range told {
		if !reflect.DeepEqual(a[f], b[f]) {
			return false
		}
	}
	return true
}

// operations looks whether the audit tells once of each operation that was answered, not of those that were refused,
// at most once of the others, and in their order.
func (c *checker) operations() {
	byMark := map[string][]int{} // places in Events
	byRun := map[task.RunID][]int{}
	for i := range c.Events {
		e := &c.Events[i]
		if i > 0 && e.ID <= c.Events[i-1].ID {
			c.fault(Told, e.TaskName, "event %d comes after event %d", e.ID, c.Events[i-1].ID)
		}
		switch {
		case e.Action == task.RunRequested:
			byRun[e.RunID] = append(byRun[e.RunID], i)
		case e.Actor != "clockd":
			byMark[e.Reason] = append(byMark[e.Reason], i)
		}
	}
	type placed struct {
		op *Op
		at int64
	}
	var order []placed
	calls := map[uuid.UUID]task.RunID{}
	begins := map[uuid.UUID]time.Time{} // the first time that it was asked for
	for i := range c.Ops {
		o := &c.Ops[i]
		begin := o.Begin
		if at, ok := begins[o.Call]; ok && o.Call != uuid.Nil {
			begin = at
		}
		begins[o.Call] = begin
		var found []int
		switch {
		case o.Action == 0:
			continue
		case o.Action == task.RunRequested && o.Run == nil:
			continue
		case o.Action == task.RunRequested:
			found = byRun[o.Run.ID]
			if id, ok := calls[o.Call]; ok && id != o.Run.ID {
				c.fault(Whole, o.Task, "one call was answered with run %d and with run %d", id, o.Run.ID)
			}
			calls[o.Call] = o.Run.ID
			if r := c.runs[o.Run.ID]; r == nil && !c.deletedSince(o.Task, o.Begin) {
				c.fault(Whole, o.Task, "run %d was answered and is not there", o.Run.ID)
			} else if r != nil && r.Cause != task.ByCall {
				c.fault(Whole, o.Task, "the run that was answered is no call: %s", Tell(r))
			}
		default:
			found = byMark[o.Mark]
		}
		switch {
		case o.Outcome == Refused && len(found) > 0:
			c.fault(Whole, o.Task, "%s was refused (%s), and the audit tells of it: %s", o.Mark, o.Err, TellEvent(c.Events[found[0]]))
			continue
		case len(found) > 1:
			c.fault(Told, o.Task, "%s is told of %d times", c.what(o), len(found))
			continue
		case len(found) == 0 && o.Outcome == Acknowledged && c.changes(o):
			c.fault(Told, o.Task, "%s was answered at %s, and the audit does not tell of it", c.what(o), clock(o.Answer))
			continue
		case len(found) == 0:
			continue
		}
		e := &c.Events[found[0]]
		if e.Action != o.Action || e.TaskName != o.Task {
			c.fault(Told, o.Task, "%s is told of as %s of %q", c.what(o), TellEvent(*e), e.TaskName)
		}
		if e.Time.Before(begin.Truncate(time.Microsecond).Add(-c.skew)) || o.Outcome == Acknowledged && e.Time.After(o.Answer.Add(c.skew)) && o.Action != task.RunRequested {
			c.fault(Told, o.Task, "%s went from %s to %s, and the audit says %s", c.what(o), clock(o.Begin), clock(o.Answer), clock(e.Time))
		}
		if o.Outcome == Acknowledged && o.Action != task.RunRequested {
			order = append(order, placed{o, e.ID})
		}
	}
	slices.SortFunc(order, func(a, b placed) int { return a.op.Answer.Compare(b.op.Answer) })
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.op.Answer.Before(b.op.Begin) && a.at > b.at {
			c.fault(Told, b.op.Task, "%s came after the answer to %s, and the audit has it before", b.op.Mark, a.op.Mark)
		}
	}
}

func (c *checker) what(o *Op) string {
	if o.Run != nil && o.Mark == "" {
		return fmt.Sprintf("the call of run %d", o.Run.ID)
	}
	return fmt.Sprintf("%s (action %d)", o.Mark, o.Action)
}

// changes reports whether an operation that was answered must have changed something: a pause that has ended need
// not be, an override that has neither.
func (c *checker) changes(o *Op) bool {
	switch o.Action {
	case task.RunCanceled:
		return o.Run != nil && o.Run.State == task.Canceled && o.Run.Error == "canceled: "+o.Mark
	case task.TaskResumed, task.TriggerReset, task.TaskUpdated:
		s := c.stories[o.Task]
		field := map[task.Action]string{task.TaskResumed: "pause", task.TriggerReset: "override", task.TaskUpdated: "no such field"}[o.Action]
		if s == nil {
			return true
		}
		// It may have found nothing to do if there was a moment in its time without that.
		for i, m := range s.moments {
			if i+1 < len(s.moments) && c.known(s.moments[i+1].event, o.Begin) {
				continue
			}
			if m.is[field] == nil && m.event.Time.Before(o.Answer) {
				return false
			}
		}
	}
	return true
}

// known reports whether an event was written before a time. What ends by itself is written when somebody next looks.
func (c *checker) known(e task.Event, at time.Time) bool { return e.Time.Before(at) }

// deletedSince reports whether a task may have been deleted after a time.
func (c *checker) deletedSince(name string, at time.Time) bool {
	s := c.stories[name]
	return s != nil && (s.deleted.After(at) || c.Cluster != nil && c.stood[s.deleted].After(at))
}

// reads looks whether what was read or answered is a task as it was at some moment between the question and the
// answer, with all that had been answered before.
func (c *checker) reads() {
	for i := range c.Ops {
		o := &c.Ops[i]
		s := c.stories[o.Task]
		if o.Outcome != Acknowledged || o.Got == nil || s == nil {
			continue
		}
		got := viewOf(o.Got)
		fits := false
		var last *moment
		for k := range s.moments {
			m := &s.moments[k]
			if o.Mark != "" && m.event.Reason == o.Mark {
				fits = false // what it answers has what it did
			}
			if m.event.Time.After(o.Answer.Add(c.skew)) {
				continue
			}
			last = m
			over := k+1 < len(s.moments) && c.acknowledged(s.moments[k+1:], o.Begin)
			fits = fits || !over && m.is != nil && same(m.is, got)
		}
		if !fits && last != nil {
			c.fault(InForce, o.Task, "%s to %s: what was answered is %v, and by then it was %v", clock(o.Begin), clock(o.Answer), got, last.is)
		}
	}
}

// acknowledged reports whether one of these events was answered before a time.
func (c *checker) acknowledged(moments []moment, at time.Time) bool {
	for _, m := range moments {
		if when, ok := c.answered[m.event.Reason]; ok && when.Before(at) {
			return true
		}
	}
	return false
}
