package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

var actions = map[task.Action]string{
	task.TaskDeclared: "declared", task.DeclarationChanged: "declaration changed", task.DeclarationRefused: "refused",
	task.OverrideYielded: "yielded", task.OverrideExpired: "expired", task.TaskOrphaned: "orphaned", task.TaskRenamed: "renamed",
	task.TaskCreated: "created", task.TaskUpdated: "updated", task.TaskDeleted: "deleted", task.TriggerUpdated: "trigger updated",
	task.TriggerReset: "trigger reset", task.TaskPaused: "paused", task.TaskResumed: "resumed", task.RunRequested: "run requested",
	task.RunCanceled: "run canceled", task.BackfillRequested: "backfill requested",
}

// entry tells an event in a line: when, what, who (why): what was -> what is.
func entry(e task.Event) string {
	s := e.Time.Format("15:04:05.999") + " " + actions[e.Action]
	if e.Actor != "" {
		s += " by " + e.Actor
	}
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if len(e.Before)+len(e.After) > 0 {
		s += fmt.Sprintf(": %s -> %s", e.Before, e.After)
	}
	return s
}

// events returns the events of a task, the oldest first.
func (w *world) events(name string) []task.Event {
	w.t.Helper()
	var out []task.Event
	for e, err := range w.d.Client().AuditEvents(w.t.Context(), client.AuditFilter{Task: ref(name)}) {
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	slices.Reverse(out)
	return out
}

// wantAudit compares the events of a task from the n-th on with lines as entry makes them.
func (w *world) wantAudit(name string, n int, want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range w.events(name)[n:] {
		got = append(got, entry(e))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("events of %q:\n  %s\nwant:\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// deploy starts a daemon of a program with a revision.
func (w *world) deploy(revision int64, tasks ...daemon.Task) *client.Client {
	w.t.Helper()
	register := w.register
	w.register = func(c *daemon.Config) {
		c.Revision = revision
		if register != nil {
			register(c)
		}
	}
	defer func() { w.register = register }()
	return w.start(tasks...)
}

// as is a client that says who it is.
func (w *world) as(actor string) *client.Client {
	return client.New(w.d.Conn(), client.WithActor(actor))
}

// deeds returns what was done to a task from the n-th event on, and by whom.
func (w *world) deeds(name string, n int) string {
	w.t.Helper()
	var lines []string
	for _, e := range w.events(name)[n:] {
		lines = append(lines, actions[e.Action]+" by "+e.Actor)
	}
	return strings.Join(lines, ", ")
}

// wantDeeds compares them.
func (w *world) wantDeeds(name string, n int, want ...string) {
	w.t.Helper()
	if got := w.deeds(name, n); got != strings.Join(want, ", ") {
		w.t.Errorf("done to %q: %s\nwant: %s", name, got, strings.Join(want, ", "))
	}
}

func TestEachOperationLeavesOneEventThatTellsWhoWhatAndWhy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.deploy(7, at("job", "at 12:00 UTC", time.Minute))
		ann := w.as("ann")
		ctx := t.Context()
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		w.wantAudit("job", 0, `00:00:00 declared by program revision 7:  -> {"declared_trigger":"at 12:00 UTC","policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"},"revision":7,"target":"github.com/clockd/clockd/daemon_test.does.func1","trigger":"at 12:00 UTC"}`)
		w.sleep(time.Minute)
		_, err := ann.UpdateTrigger(ctx, ref("job"), schedule.MustParse("every 30m"), client.UpdateOptions{Reason: "busy", OnDeclaredChange: task.Keep, ExpireTime: midnight.Add(time.Hour)})
		ok(err)
		_, err = ann.ResetTrigger(ctx, ref("job"), client.EditOptions{Reason: "calm"})
		ok(err)
		_, err = ann.ResetTrigger(ctx, ref("job"), client.EditOptions{Reason: "calm"}) // changes nothing
		ok(err)
		_, err = ann.PauseTask(ctx, ref("job"), client.PauseOptions{Reason: "holiday", ResumeTime: midnight.Add(time.Hour)})
		ok(err)
		_, err = ann.ResumeTask(ctx, ref("job"), client.EditOptions{Reason: "back"})
		ok(err)
		_, err = ann.ResumeTask(ctx, ref("job"), client.EditOptions{Reason: "back"}) // changes nothing
		ok(err)
		run, err := ann.RunTask(ctx, ref("job"), client.RunOptions{})
		ok(err)
		w.sleep(time.Second)
		_, err = ann.CancelRun(ctx, run.ID, "wrong day")
		ok(err)
		_, err = ann.CancelRun(ctx, run.ID, "wrong day") // it has ended
		ok(err)
		_, err = ann.BackfillTask(ctx, ref("job"), midnight.Add(-24*time.Hour), midnight, client.BackfillOptions{Reason: "lost data"})
		ok(err)
		// What is only tried, or refused, leaves none.
		_, err = ann.UpdateTrigger(ctx, ref("job"), schedule.MustParse("every 30m"), client.UpdateOptions{ValidateOnly: true})
		ok(err)
		if _, err = ann.PauseTask(ctx, ref("job"), client.PauseOptions{Etag: "1"}); !errors.Is(err, task.ErrStale) {
			t.Errorf("an old etag: %v", err)
		}
		override := `"override":{"actor":"ann","expire_time":"2000-01-01T01:00:00Z","on_declared_change":"keep","reason":"busy","trigger":"every 30m"},"trigger":"every 30m"`
		w.wantAudit("job", 1,
			`00:01:00 trigger updated by ann (busy): {"trigger":"at 12:00 UTC"} -> {`+override+`}`,
			`00:01:00 trigger reset by ann (calm): {`+override+`} -> {"trigger":"at 12:00 UTC"}`,
			`00:01:00 paused by ann (holiday):  -> {"pause":{"actor":"ann","reason":"holiday","resume_time":"2000-01-01T01:00:00Z"}}`,
			`00:01:00 resumed by ann (back): {"pause":{"actor":"ann","reason":"holiday","resume_time":"2000-01-01T01:00:00Z"}} -> `,
			`00:01:00 run requested by ann`,
			`00:01:01 run canceled by ann (wrong day)`,
			`00:01:01 backfill requested by ann (lost data):  -> {"backfill":{"count":1,"end_time":"2000-01-01T00:00:00Z","start_time":"1999-12-31T00:00:00Z"}}`,
		)
		for _, e := range w.events("job")[1:] {
			if e.Peer == "" {
				t.Errorf("%s: nobody knows from where", entry(e))
			}
			if (e.RunID == run.ID) != (e.Action == task.RunRequested || e.Action == task.RunCanceled) {
				t.Errorf("%s: run %v", entry(e), e.RunID)
			}
		}
	})
}

func TestWhatATaskDoesNotBearAnyMoreIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{from: 150 * time.Second}
		w.register = x.register
		w.start(does("job", sick("fails"), 0))
		w.sleep(5 * time.Minute)
		if got := w.task("job"); got.State != task.Paused {
			t.Fatalf("the task is %v", got.State)
		}
		w.wantDeeds("job", 1, "paused by clockd")
	})
}
