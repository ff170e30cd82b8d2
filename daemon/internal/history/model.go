package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// view is what the audit tells of a task, as JSON has it.
type view map[string]any

// told are the fields that the audit of a task leads through.
var told = []string{"trigger", "declared_trigger", "override", "pause", "description", "orphaned"}

// viewOf is the view of a task that was read.
func viewOf(t *task.Task) view {
	v := view{"trigger": t.Trigger().String(), "declared_trigger": t.Declaration.Trigger.String()}
	if t.Declaration.Description != "" {
		v["description"] = t.Declaration.Description
	}
	if o := t.Override; o != nil {
		on := map[task.OnDeclaredChange]string{task.Yield: "yield", task.Keep: "keep"}[o.OnDeclaredChange]
		w := map[string]any{"trigger": o.Trigger.String(), "on_declared_change": on}
		text(w, "actor", o.Actor)
		text(w, "reason", o.Reason)
		instant(w, "expire_time", o.ExpireTime)
		if o.DeclarationChanged {
			w["declaration_changed"] = true
		}
		v["override"] = w
	}
	if p := t.Pause; p != nil {
		w := map[string]any{}
		text(w, "actor", p.Actor)
		text(w, "reason", p.Reason)
		instant(w, "resume_time", p.ResumeTime)
		v["pause"] = w
	}
	if t.State == task.Orphaned {
		v["orphaned"] = true
	}
	return v
}

func text(v map[string]any, field, s string) {
	if s != "" {
		v[field] = s
	}
}

func instant(v map[string]any, field string, t time.Time) {
	if !t.IsZero() {
		v[field] = t.UTC().Format(time.RFC3339Nano)
	}
}

// fields reads one side of an event, of what is in told.
func fields(side []byte) (view, error) {
	all := view{}
	if len(side) > 0 {
		if err := json.Unmarshal(side, &all); err != nil {
			return nil, err
		}
	}
	v := view{}
	for _, f := range told {
		if value, ok := all[f]; ok {
			v[f] = value
		}
	}
	if state, ok := all["state"]; ok && state == "orphaned" {
		v["orphaned"] = true
	}
	return v, nil
}

// era is the time of one trigger: from when it came into force until another did.
type era struct {
	trigger     schedule.Trigger
	from, until time.Time
}

// moment is a task as one event left it.
type moment struct {
	event task.Event
	is    view // nil: the task was deleted
}

// story is what the audit tells of one task.
type story struct {
	id      uuid.UUID
	name    string
	moments []moment
	// eras are those since the task was last made.
	eras []era
	// made is when the task was last made, deleted when it was last deleted.
	made, deleted time.Time
}

// is is the task in the end. Nil: there is none.
func (s *story) is() view {
	if len(s.moments) == 0 {
		return nil
	}
	return s.moments[len(s.moments)-1].is
}

// stories reads the audit.
func stories(events []task.Event, fault func(name, format string, args ...any)) map[uuid.UUID]*story {
	out := map[uuid.UUID]*story{}
	for _, e := range events {
		s := out[e.TaskID]
		if s == nil {
			s = &story{id: e.TaskID, name: e.TaskName}
			out[e.TaskID] = s
		}
		s.add(e, fault)
	}
	return out
}

func (s *story) add(e task.Event, fault func(name, format string, args ...any)) {
	was := s.is()
	before, err := fields(e.Before)
	after, err2 := fields(e.After)
	if err != nil || err2 != nil {
		fault(s.name, "event %d can not be read: %v, %v", e.ID, err, err2)
		return
	}
	fresh := e.Action == task.TaskDeclared || e.Action == task.TaskCreated
	switch {
	case fresh && was != nil:
		fault(s.name, "event %d makes a task that is there", e.ID)
	case !fresh && was == nil:
		fault(s.name, "event %d is of a task that is not there: %s", e.ID, TellEvent(e))
	}
	for f, value := range before {
		if !reflect.DeepEqual(was[f], value) {
			fault(s.name, "event %d (%s) says that %s was %v, and the events before lead to %v", e.ID, TellEvent(e), f, value, was[f])
		}
	}
	is := maps.Clone(was)
	if is == nil {
		is = view{}
	}
	for f := range before {
		delete(is, f)
	}
	for f, value := range after {
		if _, ok := before[f]; !ok && was[f] != nil {
			fault(s.name, "event %d (%s) says that there was no %s, and the events before lead to %v", e.ID, TellEvent(e), f, was[f])
		}
		is[f] = value
	}
	if e.Action == task.TaskDeleted {
		is, s.deleted = nil, e.Time
	}
	s.moments = append(s.moments, moment{event: e, is: is})
	if fresh {
		s.eras, s.made = nil, e.Time
	}
	if is == nil {
		return
	}
	_, redeclared := after["declared_trigger"]
	switch e.Action {
	case task.TaskDeclared, task.TaskCreated, task.TriggerUpdated, task.TriggerReset, task.OverrideExpired, task.OverrideYielded:
		s.restart(is, e.Time, fault)
	case task.DeclarationChanged, task.TaskUpdated:
		if redeclared && is["override"] == nil {
			s.restart(is, e.Time, fault)
		}
	}
}

// restart begins an era.
func (s *story) restart(is view, at time.Time, fault func(name, format string, args ...any)) {
	words, _ := is["trigger"].(string)
	trigger, err := schedule.Parse(words)
	if err != nil {
		fault(s.name, "the audit has a trigger that can not be read: %v", err)
		return
	}
	if n := len(s.eras); n > 0 {
		s.eras[n-1].until = at
	}
	s.eras = append(s.eras, era{trigger: trigger, from: at})
}

// TellEvent tells an event in a few words.
func TellEvent(e task.Event) string {
	return fmt.Sprintf("action %d at %s by %q: %q, %s -> %s", e.Action, e.Time.Format("15:04:05.000000"), e.Actor, e.Reason, e.Before, e.After)
}

// Same trigger, without what exclusions and limits take out.
func bare(t schedule.Trigger) schedule.Trigger {
	t.Exclusions, t.MaxFires = nil, 0
	if k, ok := t.Kind.(schedule.AnyOf); ok {
		parts := slices.Clone(k.Triggers)
		for i := range parts {
			parts[i] = bare(parts[i])
		}
		t.Kind = schedule.AnyOf{Triggers: parts}
	}
	return t
}

// excluded reports whether a window takes an instant out. It is told without package schedule's own walk, so that
// it says what that should.
func excluded(t schedule.Trigger, at time.Time) bool {
	for _, x := range t.Exclusions {
		w, ok := x.(schedule.Window)
		if !ok {
			continue
		}
		now := at.UTC().Sub(at.UTC().Truncate(24 * time.Hour))
		from, until := sinceMidnight(w.From), sinceMidnight(w.Until)
		if from < until && from <= now && now < until || from >= until && (now >= from || now < until) {
			return true
		}
	}
	return false
}

func sinceMidnight(t schedule.TimeOfDay) time.Duration {
	return time.Duration(t.Hour)*time.Hour + time.Duration(t.Minute)*time.Minute + time.Duration(t.Second)*time.Second
}
