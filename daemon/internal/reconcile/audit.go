package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// declaredTrigger is the name of that field, as of those below, in the message TaskMetadata and in events.
const declaredTrigger = "declared_trigger"

// The fields that an event can tell of, by what changes them together.
var (
	ofDeclaration = []string{
		declaredTrigger, "description", "group", "labels", "policy", "target", "spec", "origin", "revision", "state",
	}
	ofOverride = []string{"trigger", "override"}
	ofPause    = []string{"pause"}
)

// A view is a task as events show it: by field, what is set.
type view map[string]any

// tell returns the event of a change. before and after are the task around it; nil: there was none, or is none
// any more. fields are those that the event is about; none: all but the names of things that never change.
func tell(action task.Action, who task.Edit, at time.Time, before, after *task.Task, fields ...string) task.Event {
	t := after
	if t == nil {
		t = before
	}
	e := task.Event{
		Time: at, Action: action, TaskID: t.ID, TaskName: t.Declaration.Name,
		Actor: who.Actor, Peer: who.Peer, Reason: who.Reason,
	}
	if len(fields) == 0 {
		fields = slices.Concat(ofDeclaration, ofOverride, ofPause)
	}
	b, a := look(before), look(after)
	if before != nil && after != nil {
		if specs := specDifferences(before.Declaration.Spec, after.Declaration.Spec); len(specs) > 0 {
			a["spec"] = specs
		}
		if before.OrphanTime.IsZero() == after.OrphanTime.IsZero() {
			delete(b, "state")
			delete(a, "state")
		}
	} else {
		for _, v := range []view{b, a} {
			delete(v, "state")
			delete(v, "origin") // the action says it
		}
	}
	was, is := view{}, view{}
	for _, field := range fields {
		if same(b[field], a[field]) {
			continue
		}
		if v, ok := b[field]; ok {
			was[field] = v
		}
		if v, ok := a[field]; ok {
			is[field] = v
		}
	}
	e.Before, e.After = was.json(), is.json()
	return e
}

// Paused is the event of a pause by the daemon itself: see [Park] and [TooManyFailures].
func Paused(id uuid.UUID, name string, p *task.Pause, now time.Time) task.Event {
	return task.Event{
		Time: now, Action: task.TaskPaused, TaskID: id, TaskName: name, Actor: p.Actor, Reason: p.Reason,
		After: view{"pause": pauseView(p)}.json(),
	}
}

// look returns a task as events show it. Nil has no fields.
func look(t *task.Task) view {
	v := view{}
	if t == nil {
		return v
	}
	v.declaration(t.Declaration)
	v["task_name"] = t.Declaration.Name
	v["trigger"] = t.Trigger().String()
	v["origin"] = name(t.Origin, "declared", "created", "worker")
	v["state"] = name(t.State-task.Active, "active", "paused", "exhausted", "orphaned")
	if t.Revision != 0 {
		v["revision"] = t.Revision
	}
	if next := t.Clock.NextFireTime; !next.IsZero() {
		v["next_fire_time"] = stamp(next)
	}
	if o := t.Override; o != nil {
		v["override"] = overrideView(o)
	}
	if p := t.Pause; p != nil {
		v["pause"] = pauseView(p)
	}
	return v
}

// declaration adds what is declared.
func (v view) declaration(d task.Declaration) {
	v[declaredTrigger] = d.Trigger.String()
	v.text("description", d.Description)
	v.text("group", d.Group)
	v.text("target", d.Target.Summary)
	if len(d.Labels) > 0 {
		v["labels"] = d.Labels
	}
	v["policy"] = policyView(d.Policy)
}

func overrideView(o *task.Override) view {
	v := view{"trigger": o.Trigger.String(), "on_declared_change": "yield"}
	if o.OnDeclaredChange == task.Keep {
		v["on_declared_change"] = "keep"
	}
	v.text("actor", o.Actor)
	v.text("reason", o.Reason)
	v.time("expire_time", o.ExpireTime)
	if o.DeclarationChanged {
		v["declaration_changed"] = true
	}
	return v
}

func pauseView(p *task.Pause) view {
	v := view{}
	v.text("actor", p.Actor)
	v.text("reason", p.Reason)
	v.time("resume_time", p.ResumeTime)
	return v
}

// policyView shows what is set, and what is always so.
func policyView(p task.Policy) view {
	v := view{
		"overlap":  name(p.Overlap, "skip", "allow", "queue", "cancel"),
		"catch_up": name(p.CatchUp, "one", "all", "none"),
		"delivery": name(p.Delivery, "at_least_once", "at_most_once"),
	}
	v.span("timeout", p.Timeout)
	v.span("catch_up_window", p.CatchUpWindow)
	v.count("pause_after_failures", int64(p.PauseAfterFailures))
	retry := view{}
	retry.count("max_attempts", int64(p.Retry.MaxAttempts))
	retry.span("backoff", p.Retry.Backoff)
	retry.span("max_backoff", p.Retry.MaxBackoff)
	if p.Retry.Jitter != 0 {
		retry["jitter"] = p.Retry.Jitter
	}
	v.part("retry", retry)
	retention := view{}
	if p.Retention.Keep != task.KeepAll {
		retention["keep"] = name(p.Retention.Keep, "all", "failures", "none")
	}
	retention.count("max_runs", p.Retention.MaxRuns)
	retention.span("max_age", p.Retention.MaxAge)
	v.part("retention", retention)
	return v
}

// specDifferences names what is otherwise in two specs. What they say is not told: secrets live there.
func specDifferences(before, after *task.TargetSpec) []string {
	if before == nil || after == nil || before.Equal(after) {
		return nil
	}
	var names []string
	part := func(prefix string, b, a any) {
		vb, va := reflect.ValueOf(b).Elem(), reflect.ValueOf(a).Elem()
		for i := range vb.NumField() {
			if !reflect.DeepEqual(vb.Field(i).Interface(), va.Field(i).Interface()) {
				name, _, _ := bytes.Cut([]byte(vb.Type().Field(i).Tag.Get("json")), []byte(","))
				names = append(names, prefix+string(name))
			}
		}
	}
	switch {
	case before.Command != nil && after.Command != nil:
		part("command.", before.Command, after.Command)
	case before.HTTP != nil && after.HTTP != nil:
		part("http.", before.HTTP, after.HTTP)
	case after.Command != nil:
		names = []string{"command"}
	default:
		names = []string{"http"}
	}
	return names
}

func (v view) text(name, s string) {
	if s != "" {
		v[name] = s
	}
}

func (v view) time(name string, t time.Time) {
	if !t.IsZero() {
		v[name] = stamp(t)
	}
}

func (v view) span(name string, d time.Duration) {
	if d != 0 {
		v[name] = d.String()
	}
}

func (v view) count(name string, n int64) {
	if n != 0 {
		v[name] = n
	}
}

func (v view) part(name string, p view) {
	if len(p) > 0 {
		v[name] = p
	}
}

// json returns the object, with its fields in order. Nil: there are none.
func (v view) json() []byte {
	if len(v) == 0 {
		return nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // texts, numbers and maps of them
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// name is that of a value of an enumeration, which counts from 0.
func name[E ~int](value E, names ...string) string {
	if value < 0 || int(value) >= len(names) {
		return fmt.Sprint(int(value))
	}
	return names[value]
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// stamp writes an instant for people and events.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
