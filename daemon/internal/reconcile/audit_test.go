package reconcile_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

// shown is what the audit shows of a task, written down a second time. Nil: nothing.
func shown(t *task.Task) map[string]any {
	v := map[string]any{}
	if t == nil {
		return v
	}
	put := func(to map[string]any, key string, value any) {
		if !reflect.ValueOf(value).IsZero() {
			to[key] = value
		}
	}
	when := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Format(time.RFC3339Nano)
	}
	v["task_name"] = t.Declaration.Name
	v["trigger"] = t.Trigger().String()
	v["declared_trigger"] = t.Declaration.Trigger.String()
	put(v, "description", t.Declaration.Description)
	put(v, "revision", float64(t.Revision))
	if o := t.Override; o != nil {
		m := map[string]any{"trigger": o.Trigger.String(), "on_declared_change": []string{"yield", "keep"}[o.OnDeclaredChange]}
		put(m, "actor", o.Actor)
		put(m, "reason", o.Reason)
		put(m, "expire_time", when(o.ExpireTime))
		put(m, "declaration_changed", o.DeclarationChanged)
		v["override"] = m
	}
	if p := t.Pause; p != nil {
		m := map[string]any{}
		put(m, "actor", p.Actor)
		put(m, "reason", p.Reason)
		put(m, "resume_time", when(p.ResumeTime))
		v["pause"] = m
	}
	return v
}

// fataler is the part of testing.TB that checks need.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkStep checks that the events of one decision, one after the other, lead from what was shown of the task to what
// is: nothing is told twice, nothing is left out, and each Before is what was there.
func checkStep(t fataler, before, after *task.Task, events []task.Event) {
	t.Helper()
	v := shown(before)
	told := slices.ContainsFunc(events, func(e task.Event) bool {
		return bytes.Contains(e.Before, []byte(`"revision":`)) || bytes.Contains(e.After, []byte(`"revision":`))
	})
	if before != nil && before.Revision != after.Revision && !told {
		// The same word by another program: no event.
		v["revision"] = float64(after.Revision)
		if after.Revision == 0 {
			delete(v, "revision")
		}
	}
	changes := 0
	for i := range events {
		e := &events[i]
		was, is := object(t, e.Before), object(t, e.After)
		if e.Action == task.DeclarationRefused {
			if e.Before != nil || e.After != nil {
				t.Fatalf("a refusal changes %s to %s", e.Before, e.After)
			}
			continue
		}
		changes++
		for _, m := range []map[string]any{was, is} { // what is not followed here
			for _, key := range []string{"state", "policy", "target", "spec", "labels", "group", "origin", "next_fire_time"} {
				delete(m, key)
			}
		}
		for key, value := range was {
			if !cmp.Equal(v[key], value) {
				t.Fatalf("%s: before, %s was %v; it is told to have been %v", eventText(e), key, v[key], value)
			}
			delete(v, key)
		}
		for key, value := range is {
			if old, ok := v[key]; ok {
				t.Fatalf("%s: before, %s was %v, and nothing tells of it", eventText(e), key, old)
			}
			v[key] = value
		}
		if e.Action == task.TaskDeclared || e.Action == task.TaskCreated {
			v["task_name"] = e.TaskName
		}
	}
	if d := cmp.Diff(shown(after), v); d != "" {
		t.Fatalf("the audit tells something else than what was done (-done +told):\n%s", d)
	}
	var version int64
	if before != nil {
		version = before.Version
	}
	if (after.Version != version) != (changes > 0) {
		t.Fatalf("version %d became %d with %d events", version, after.Version, changes)
	}
}

func object(t fataler, text []byte) map[string]any {
	t.Helper()
	v := map[string]any{}
	if text != nil {
		if err := json.Unmarshal(text, &v); err != nil || len(v) == 0 {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return v
}

func TestAuditShowsEachFieldThatChanged(t *testing.T) {
	full := task.Declaration{
		Name: "x", Description: "d", Group: "g", Labels: map[string]string{"a": "<b>"}, Trigger: schedule.MustParse("every 10s"),
		Policy: task.Policy{
			Overlap: task.OverlapQueue, CatchUp: task.CatchUpAll, CatchUpWindow: time.Hour, Delivery: task.AtMostOnce, Timeout: time.Minute,
			Retry:              task.Retry{MaxAttempts: 3, Backoff: time.Second, MaxBackoff: time.Minute, Jitter: 0.5},
			PauseAfterFailures: 4, Retention: task.Retention{Keep: task.KeepFailures, MaxRuns: 5, MaxAge: time.Hour},
		},
		Target: task.Target{Kind: "function", Summary: "main.f"},
	}
	bare := task.Declaration{Name: "x", Trigger: full.Trigger}
	with := reconcile.Rules{Namespace: "ns", Revision: 3}
	o, err := with.Declare(nil, bare, t0)
	if err != nil {
		t.Fatal(err)
	}
	const none = `{"declared_trigger":"every 10s","policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"},"revision":3,"trigger":"every 10s"}`
	if got := string(o.Audit[0].After); got != none || o.Audit[0].Before != nil {
		t.Errorf("new: %s", got)
	}
	o, err = with.Declare(&o.Task, full, t0)
	if err != nil {
		t.Fatal(err)
	}
	const all = `{"description":"d","group":"g","labels":{"a":"<b>"},"policy":{"catch_up":"all","catch_up_window":"1h0m0s",` +
		`"delivery":"at_most_once","overlap":"queue","pause_after_failures":4,"retention":{"keep":"failures","max_age":"1h0m0s","max_runs":5},` +
		`"retry":{"backoff":"1s","jitter":0.5,"max_attempts":3,"max_backoff":"1m0s"},"timeout":"1m0s"},"target":"main.f"}`
	e := o.Audit[0]
	if got := string(e.After); got != all {
		t.Errorf("changed: %s", got)
	}
	if got := string(e.Before); got != `{"policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"}}` {
		t.Errorf("before: %s", got)
	}
	if e.Actor != "program revision 3" || e.TaskName != "x" || e.TaskID != o.Task.ID || !e.Time.Equal(t0) {
		t.Errorf("%+v", e)
	}
}

func TestAuditNamesWhatChangedInASpecAndKeepsItsSecrets(t *testing.T) {
	spec := &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"true"}, Env: map[string]string{"TOKEN": "hunter2"}}}
	rules := reconcile.Rules{Namespace: "ns"}
	o, err := rules.Create(nil, task.TaskCreate{Declaration: task.Declaration{Name: "x", Trigger: schedule.MustParse("every 10s"), Spec: spec}}, t0)
	if err != nil {
		t.Fatal(err)
	}
	o, err = rules.Update(o.Task, task.TaskUpdate{Apply: func(d *task.Declaration) error {
		changed := *d.Spec.Command
		changed.Env, changed.KillDelay = map[string]string{"TOKEN": "hunter3"}, time.Second
		d.Spec = &task.TargetSpec{Command: &changed}
		return nil
	}}, t0)
	if err != nil || len(o.Audit) != 1 || string(o.Audit[0].After) != `{"spec":["command.env","command.kill_delay"]}` || o.Audit[0].Before != nil {
		t.Errorf("%v: %s", err, o.Audit[0].After)
	}
}
