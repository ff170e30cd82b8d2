package reconcile_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// script is a task and the time, and what was decided so far.
type script struct {
	t       testing.TB
	now     time.Time
	task    *task.Task
	policy  task.Policy // of what is declared
	records []task.Run
	audit   []task.Event
	yielded int
}

// play does several events: see do.
func (s *script) play(events string) {
	s.t.Helper()
	for event := range strings.SplitSeq(events, " | ") {
		if err := s.do(event); err != nil {
			s.t.Fatalf("%s: %v", event, err)
		}
	}
}

// do reads an event such as "30s declare every 10s" or "5s declare@7 every 10s name=y": how much later it comes, what
// it is, and of which revision the program is. Of the words at its end, expire= and resume= are spans from t0, and
// name= is that of the task.
func (s *script) do(event string) error {
	s.t.Helper()
	wait, rest, _ := strings.Cut(event, " ")
	s.now = s.now.Add(s.span(wait))
	verb, arg, _ := strings.Cut(rest, " ")
	verb, revision, _ := strings.Cut(verb, "@")
	r := reconcile.Rules{Namespace: "ns"}
	r.Revision, _ = strconv.ParseInt(revision, 10, 64)
	var until time.Time
	name := "x"
	for _, key := range []string{"expire=", "resume=", "name="} {
		if before, value, ok := strings.Cut(arg, key); ok {
			if arg = strings.TrimSpace(before); key == "name=" {
				name = value
			} else {
				until = t0.Add(s.span(value))
			}
		}
	}
	who := task.Edit{Actor: "ann", Peer: "10.0.0.1", Reason: "test"}
	o, err := s.decide(r, verb, arg, name, until, who)
	if err != nil {
		return err
	}
	if o.Yielded != nil {
		s.yielded++
	}
	s.records, s.audit = append(s.records, o.Record...), append(s.audit, o.Audit...)
	s.task = &o.Task
	return nil
}

func (s *script) decide(r reconcile.Rules, verb, arg, name string, until time.Time, who task.Edit) (reconcile.Outcome, error) {
	decl := task.Declaration{Name: name, Policy: s.policy}
	switch verb {
	case "declare":
		decl.Trigger = schedule.MustParse(arg)
		return r.Declare(s.task, decl, s.now)
	case "describe":
		decl = s.task.Declaration
		decl.Description = arg
		return r.Declare(s.task, decl, s.now)
	case "rename":
		decl.Trigger = schedule.MustParse(arg)
		return r.Rename(*s.task, decl, s.now)
	case "create":
		decl.Trigger, decl.Spec = schedule.MustParse(arg), &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"true"}}}
		return r.Create(s.task, task.TaskCreate{Edit: who, Declaration: decl}, s.now)
	case "announce":
		decl.Trigger, decl.Spec = schedule.MustParse(arg), &task.TargetSpec{Worker: &task.WorkerSpec{}}
		return r.Announce(s.task, task.Announcement{Declaration: decl, Revision: r.Revision, Worker: "w1", Peer: "10.0.0.2"}, s.now)
	case "update":
		return r.Update(*s.task, task.TaskUpdate{Edit: who, Apply: func(d *task.Declaration) error {
			d.Trigger = schedule.MustParse(arg)
			return nil
		}}, s.now)
	case "yield", "keep":
		c := task.TriggerChange{Edit: who, Trigger: schedule.MustParse(arg), ExpireTime: until}
		if verb == "keep" {
			c.OnDeclaredChange = task.Keep
		}
		return r.Override(*s.task, c, s.now)
	case "reset":
		who.Etag = arg
		return r.Reset(*s.task, who, s.now)
	case "pause":
		who.Etag = arg
		return r.Pause(*s.task, task.PauseChange{Edit: who, ResumeTime: until}, s.now)
	case "resume":
		who.Etag = arg
		return r.Resume(*s.task, who, s.now)
	case "orphan":
		return r.Orphan(*s.task, arg, s.now), nil
	case "adopt":
		return r.Adopt(*s.task, s.now)
	case "elapse":
		return r.Elapse(*s.task, s.now), nil
	case "vain": // a program that can not run it claims it
		t := *s.task
		t.State, t.Clock.NextFireTime = task.Orphaned, time.Time{}
		return reconcile.Outcome{Task: t}, nil
	case "claim":
		t := *s.task
		f, err := r.InForce(&t)
		var records []task.Run
		for err == nil && t.State == task.Active && !t.Clock.NextFireTime.IsZero() && !t.Clock.NextFireTime.After(s.now) {
			var more []task.Run
			more, t.Clock, t.State = reconcile.Fired(t.ID, f, t.Clock, s.now)
			records = append(records, more...)
		}
		return reconcile.Outcome{Task: t, Record: records}, err
	}
	s.t.Fatalf("no event %q", verb)
	return reconcile.Outcome{}, nil
}

func (s *script) span(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// String sums up the task, what is in force and by whose word, its state, its next fire, and what was recorded.
func (s *script) String() string {
	out := summary(s.task)
	for i := range s.records {
		out += "; " + recordText(&s.records[i])
	}
	return out
}

func summary(t *task.Task) string {
	out := "declared " + t.Declaration.Trigger.String()
	if o := t.Override; o != nil {
		out = fmt.Sprintf("override %s over %s", o.Trigger, t.Declaration.Trigger)
		if o.DeclarationChanged {
			out += ", which has changed"
		}
	}
	if t.Revision != 0 {
		out += fmt.Sprintf(" by %d", t.Revision)
	}
	out += "; " + map[task.State]string{task.Active: "active", task.Paused: "paused", task.Exhausted: "exhausted", task.Orphaned: "orphaned"}[t.State]
	if next := t.Clock.NextFireTime; !next.IsZero() {
		out += ", next at " + next.Sub(t0).String()
	}
	return out
}

func recordText(r *task.Run) string {
	out := map[task.RunState]string{task.Scheduled: "run", task.Skipped: "skipped", task.Missed: "missed"}[r.State]
	if r.Reason == task.ReasonExcluded {
		out = "excluded"
	}
	out += " " + r.ScheduledTime.Sub(t0).String()
	if r.Fires > 1 {
		out += fmt.Sprintf("x%d", r.Fires)
	}
	return out
}

// eventText is an event on one line, but for what is the same in all of a script.
func eventText(e *task.Event) string {
	out := fmt.Sprintf("%s by %s", actions[e.Action], e.Actor)
	if e.Reason != "" {
		out += fmt.Sprintf(" (%s)", e.Reason)
	}
	if e.Before != nil || e.After != nil {
		out += fmt.Sprintf(" %s -> %s", e.Before, e.After)
	}
	return out
}

var actions = map[task.Action]string{
	task.TaskDeclared: "DECLARED", task.DeclarationChanged: "CHANGED", task.DeclarationRefused: "REFUSED",
	task.OverrideYielded: "YIELDED", task.OverrideExpired: "EXPIRED", task.TaskOrphaned: "ORPHANED",
	task.TaskRenamed: "RENAMED", task.TaskCreated: "CREATED", task.TaskUpdated: "UPDATED", task.TaskDeleted: "DELETED",
	task.TriggerUpdated: "OVERRIDDEN", task.TriggerReset: "RESET", task.TaskPaused: "PAUSED", task.TaskResumed: "RESUMED",
}
