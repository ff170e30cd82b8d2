package daemon_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// nobody is where nothing listens: a call there fails at once.
const nobody = "http://127.0.0.1:1/"

// ping is a task as callers make them. Its runs fail.
func ping(name, trigger string) task.Declaration {
	return task.Declaration{
		Name: name, Trigger: schedule.MustParse(trigger),
		Spec: &task.TargetSpec{HTTP: &task.HTTPSpec{URL: nobody}},
	}
}

// runs is a task that runs a program.
func runs(name, trigger string, args ...string) task.Declaration {
	d := ping(name, trigger)
	d.Spec = &task.TargetSpec{Command: &task.CommandSpec{Args: args}}
	return d
}

// create makes a task.
func (w *world) create(d task.Declaration) task.Task {
	w.t.Helper()
	got, err := w.d.Client().CreateTask(w.t.Context(), d, client.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// update changes fields of a task.
func (w *world) update(name string, d task.Declaration, fields ...string) task.Task {
	w.t.Helper()
	got, err := w.d.Client().UpdateTask(w.t.Context(), ref(name), d, client.UpdateTaskOptions{Fields: fields})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// fieldsOf are the fields of the violations that an error tells of.
func fieldsOf(err error) []string {
	var fields []string
	if invalid := (*task.InvalidError)(nil); errors.As(err, &invalid) {
		for _, v := range invalid.Violations {
			fields = append(fields, v.Field)
		}
	}
	slices.Sort(fields)
	return fields
}

func allowCommands(c *daemon.Config) { c.AllowCommands = true }

func TestATaskIsMadeChangedAndDeletedByCallers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("declared", "every 1h", 0))
		made, err := c.CreateTask(t.Context(), ping("job", "every 10s"), client.CreateOptions{Reason: "try it"})
		if err != nil || made.Origin != task.Created || made.State != task.Active || made.Version != 1 || made.Declaration.Spec == nil ||
			!made.Clock.NextFireTime.Equal(midnight.Add(10*time.Second)) || made.ID != task.IDOf("default", "job") {
			t.Fatalf("made: %+v, %v", made, err)
		}
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 failed")
		for _, name := range []string{"job", "declared"} {
			if _, err := c.CreateTask(t.Context(), ping(name, "every 10s"), client.CreateOptions{}); !errors.Is(err, task.ErrExists) {
				t.Errorf("%q again: %v", name, err)
			}
		}
		// The trigger alone.
		got, err := c.UpdateTask(t.Context(), ref("job"), ping("", "every 7s"), client.UpdateTaskOptions{Fields: []string{"trigger"}, Reason: "faster"})
		if err != nil || got.Version != 2 || got.Trigger().String() != "every 7s" {
			t.Errorf("changed: %+v, %v", got, err)
		}
		if _, err = c.UpdateTask(t.Context(), ref("job"), ping("", "every 8s"), client.UpdateTaskOptions{Etag: made.Etag()}); !errors.Is(err, task.ErrStale) {
			t.Errorf("an old etag: %v", err)
		}
		w.sleep(7 * time.Second)
		w.start(at("declared", "every 1h", 0)) // it lives in the store
		c = w.d.Client()
		w.sleep(7 * time.Second)
		w.wantRuns("job", "00:00:10 failed", "00:00:17 failed", "00:00:24 failed")

		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{Etag: "1"}); !errors.Is(err, task.ErrStale) {
			t.Errorf("an old etag: %v", err)
		}
		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{Reason: "enough"}); err != nil {
			t.Fatal(err)
		}
		w.gone("job")
		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{}); !errors.Is(err, task.ErrTaskNotFound) {
			t.Errorf("deleted again: %v", err)
		}
		w.sleep(time.Minute)
		w.create(ping("job", "every 10s")) // nothing is left of the one before but who did what
		w.wantRuns("job")
		w.wantAudit("job", 0,
			`00:00:00 created by in-process (try it):  -> {"declared_trigger":"every 10s","policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"},"target":"GET http://127.0.0.1:1/","trigger":"every 10s"}`,
			`00:00:10 updated by in-process (faster): {"declared_trigger":"every 10s","trigger":"every 10s"} -> {"declared_trigger":"every 7s","trigger":"every 7s"}`,
			`00:00:24 deleted by in-process (enough): {"declared_trigger":"every 7s","policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"},"target":"GET http://127.0.0.1:1/","trigger":"every 7s"} -> `,
			`00:01:24 created by in-process:  -> {"declared_trigger":"every 10s","policy":{"catch_up":"one","delivery":"at_least_once","overlap":"skip"},"target":"GET http://127.0.0.1:1/","trigger":"every 10s"}`,
		)
	})
}

func TestWhatAProgramDeclaresIsChangedThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		if _, err := c.UpdateTask(t.Context(), ref("job"), ping("", "every 1s"), client.UpdateTaskOptions{}); !errors.Is(err, task.ErrDeclared) {
			t.Errorf("changed: %v", err)
		}
		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{}); !errors.Is(err, task.ErrDeclared) {
			t.Errorf("deleted: %v", err)
		}
		c = w.start()
		if _, err := c.UpdateTask(t.Context(), ref("job"), ping("", "every 1s"), client.UpdateTaskOptions{}); !errors.Is(err, task.ErrDeclared) {
			t.Errorf("an orphan is changed: %v", err)
		}
		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Errorf("an orphan is deleted: %v", err)
		}
		w.gone("job")
	})
}

func TestEverythingWrongWithATaskIsSaidWithItsPath(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		w.sleep(time.Minute)
		bad := func(change func(*task.Declaration)) task.Declaration {
			d := ping("job", "every 10s")
			change(&d)
			return d
		}
		w.create(ping("there", "every 10s"))
		for name, tt := range map[string]struct {
			d    task.Declaration
			want string
		}{
			"a trigger that has passed": {bad(func(d *task.Declaration) { d.Trigger.EndTime = midnight }), "trigger"},
			"no such calendar": {bad(func(d *task.Declaration) {
				d.Trigger = schedule.MustParse("every 10s exclude(calendar nope)")
			}), "trigger.exclusions[0].calendar"},
			"a policy": {bad(func(d *task.Declaration) { d.Policy.Retry.MaxAttempts = 5000 }), "policy.retry.max_attempts"},
			"a target": {bad(func(d *task.Declaration) { d.Spec.HTTP.URL = "gopher://x" }), "http.url"},
		} {
			_, err := c.CreateTask(t.Context(), tt.d, client.CreateOptions{})
			if got := fieldsOf(err); !slices.Equal(got, []string{"task." + tt.want}) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			tt.d.Name = ""
			_, err = c.UpdateTask(t.Context(), ref("there"), tt.d, client.UpdateTaskOptions{})
			if got := fieldsOf(err); !slices.Equal(got, []string{"update." + tt.want}) {
				t.Errorf("%s, in an update: %q, %v", name, got, err)
			}
		}
		_, err := c.CreateTask(t.Context(), ping(" job", "every 10s"), client.CreateOptions{})
		if got := fieldsOf(err); !slices.Equal(got, []string{"task.task_name"}) {
			t.Errorf("a name: %q, %v", got, err)
		}
		_, err = c.UpdateTask(t.Context(), ref("there"), ping("other", "every 10s"), client.UpdateTaskOptions{})
		if got := fieldsOf(err); !slices.Equal(got, []string{"update.task_name"}) {
			t.Errorf("another name: %q, %v", got, err)
		}
		w.gone("job")
	})
}

func TestAChangeThatIsOnlyTriedChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		got, err := c.CreateTask(t.Context(), ping("job", "every 10s"), client.CreateOptions{ValidateOnly: true})
		if err != nil || got.State != task.Active || got.Clock.NextFireTime.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		w.gone("job")
		w.create(ping("job", "every 10s"))
		if _, err := c.CreateTask(t.Context(), ping("job", "every 10s"), client.CreateOptions{ValidateOnly: true}); !errors.Is(err, task.ErrExists) {
			t.Errorf("there is one: %v", err)
		}
		w.sleep(9950 * time.Millisecond)
		got, err = c.UpdateTask(t.Context(), ref("job"), ping("", "every 7s"), client.UpdateTaskOptions{ValidateOnly: true})
		if err != nil || got.Trigger().String() != "every 7s" || !got.Clock.NextFireTime.Equal(midnight.Add(16950*time.Millisecond)) {
			t.Errorf("%+v, %v", got, err)
		}
		w.sleep(9 * time.Second)
		w.wantRuns("job", "00:00:10 failed")
		w.wantDeeds("job", 0, "created by in-process")
	})
}

func TestAChangeThatIsNotOfTheTriggerLeavesItsFiresAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start()
		w.create(ping("job", "every 10s"))
		w.create(ping("faster", "every 10s"))
		w.create(ping("twice", "every 10s"))
		w.sleep(9950 * time.Millisecond) // the fires of 10s are claimed
		change := ping("", "every 10s")
		change.Description, change.Policy.Timeout = "new", time.Minute
		if got := w.update("job", change, "description", "policy.timeout"); got.Declaration.Policy.Timeout != time.Minute || got.Declaration.Description != "new" || got.Clock.FireCount != 1 {
			t.Errorf("changed: %+v", got)
		}
		w.update("twice", change, "description")
		w.update("faster", ping("", "every 3s"), "trigger")
		change.Description = "newer"
		w.update("twice", change, "description")
		w.update("twice", ping("", "every 5s"), "trigger")
		w.sleep(3100 * time.Millisecond)
		w.wantRuns("job", "00:00:10 failed")
		w.wantRuns("faster", "00:00:12.95 failed") // the fire of before never was
		w.wantRuns("twice")
		w.sleep(7 * time.Second)
		w.wantRuns("job", "00:00:10 failed", "00:00:20 failed")
		w.wantRuns("twice", "00:00:14.95 failed", "00:00:19.95 failed")
	})
}

func TestADeclarationThatChangesBesideItsTriggerLosesNoFire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 1s", 0)
		w.start(job)
		for i := range 20 {
			w.sleep(950 * time.Millisecond)
			job.Description = strings.Repeat("x", i+1)
			if err := w.d.Reload(t.Context(), daemon.Config{Tasks: []daemon.Task{job}}); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(time.Second)
		if got := w.task("job"); got.Counts.Succeeded != 20 || got.Clock.FireCount != 20 {
			t.Errorf("%d runs of %d fires in 20s", got.Counts.Succeeded, got.Clock.FireCount)
		}
	})
}

func TestWhatGoesAndWaitsEndsWithItsTask(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ended := make(chan string, 1)
		busy := does("busy", schedule.MustParse("every 1h"), time.Hour)
		going := daemon.Task{Name: "going", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(func(ctx context.Context, _ daemon.Run) (any, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx).Error()
			return nil, context.Cause(ctx)
		})}
		c := w.limited(task.Limits{}, map[string]task.Limits{"few": {MaxRunning: 1}}, in("few", busy), going)
		w.call("busy")
		waits := ping("waits", "every 1h")
		waits.Group = "few"
		retries := ping("retries", "every 1h")
		retries.Policy.Retry = task.Retry{MaxAttempts: 5, Backoff: time.Minute}
		for _, d := range []task.Declaration{waits, retries, ping("claimed", "every 10s")} {
			w.create(d)
		}
		answers := make(map[string]chan error)
		for _, name := range []string{"going", "waits", "retries"} {
			answer := make(chan error, 1)
			answers[name] = answer
			go func() {
				_, err := c.RunTask(t.Context(), ref(name), client.RunOptions{Wait: true})
				answer <- err
			}()
		}
		w.sleep(9950 * time.Millisecond)
		if got := w.runs("waits"); len(got) != 1 || got[0].Reason != task.ReasonLimit {
			t.Errorf("the one that waits: %+v", got)
		}
		claimed := w.runs("claimed")
		if len(claimed) != 1 {
			t.Fatalf("claimed: %+v", claimed)
		}
		if err := w.d.Reload(t.Context(), daemon.Config{Tasks: []daemon.Task{in("few", busy)}, Groups: grouped(map[string]task.Limits{"few": {MaxRunning: 1}})}); err != nil {
			t.Fatal(err)
		}
		if got := w.runs("going"); len(got) != 1 || got[0].State != task.Running {
			t.Errorf("what goes goes on, though its task is orphaned: %+v", got)
		}
		followed := make(chan error, 1)
		go func() {
			_, err := c.FollowRun(t.Context(), claimed[0].ID, func(task.Output) error { return nil })
			followed <- err
		}()
		w.sleep(0)
		for _, name := range []string{"going", "waits", "retries", "claimed"} {
			if err := c.DeleteTask(t.Context(), ref(name), client.EditOptions{}); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			w.gone(name)
		}
		for name, answer := range answers {
			if err := <-answer; !errors.Is(err, task.ErrRunNotFound) {
				t.Errorf("the caller of %q is told %v", name, err)
			}
		}
		if err := <-followed; !errors.Is(err, task.ErrRunNotFound) {
			t.Errorf("whoever followed is told %v", err)
		}
		if why := <-ended; !strings.Contains(why, "canceled") {
			t.Errorf("what went was ended because %q", why)
		}
		w.sleep(2 * time.Minute)
		for run, err := range c.Runs(t.Context(), client.RunFilter{}) {
			if err != nil || run.TaskName != "busy" {
				t.Errorf("%+v, %v", run, err)
			}
		}
		w.start() // nothing of it comes back
		w.gone("going")
	})
}

func TestAProgramTakesOverATaskThatACallerMade(t *testing.T) {
	for name, deploy := range map[string]func(w *world, tasks ...daemon.Task){
		"at a start": func(w *world, tasks ...daemon.Task) { w.start(tasks...) },
		"by a reload": func(w *world, tasks ...daemon.Task) {
			if err := w.d.Reload(w.t.Context(), daemon.Config{Tasks: tasks}); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start()
				w.create(ping("job", "every 10s"))
				w.sleep(15 * time.Second)
				deploy(w, at("job", "every 10s", 0))
				if got := w.task("job"); got.Origin != task.Declared || got.Declaration.Spec != nil || got.Declaration.Target.Kind != "function" {
					t.Errorf("taken over: %+v", got)
				}
				w.sleep(5 * time.Second)
				w.wantRuns("job", "00:00:10 failed", "00:00:20 succeeded") // the trigger is what it was
				w.wantDeeds("job", 1, "declaration changed by program")
				deploy(w)
				if got := w.task("job"); got.State != task.Orphaned {
					t.Errorf("then removed: %v", got.State)
				}
			})
		})
	}
}

func TestCommandsOfCallersRunOnlyWhereTheyAreAllowed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		if _, err := c.CreateTask(t.Context(), runs("job", "every 10s", "true"), client.CreateOptions{}); !errors.Is(err, task.ErrNotAllowed) {
			t.Errorf("made: %v", err)
		}
		w.create(ping("ping", "every 1h"))
		if _, err := c.UpdateTask(t.Context(), ref("ping"), runs("", "every 1h", "true"), client.UpdateTaskOptions{}); !errors.Is(err, task.ErrNotAllowed) {
			t.Errorf("changed: %v", err)
		}
		w.register = allowCommands
		w.start()
		w.create(runs("job", "every 10s", "true"))
		w.create(runs("healed", "every 10s", "true"))
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded")

		w.register = nil
		c = w.start()
		for _, name := range []string{"job", "healed"} {
			if got := w.task(name); got.State != task.Orphaned || !strings.Contains(got.OrphanReason, "--allow-commands") {
				t.Errorf("%q: %v, %q", name, got.State, got.OrphanReason)
			}
		}
		if _, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{}); !errors.Is(err, task.ErrOrphaned) {
			t.Errorf("it runs: %v", err)
		}
		w.sleep(10 * time.Second)
		change := ping("", "every 10s")
		change.Description = "new"
		if _, err := c.UpdateTask(t.Context(), ref("job"), change, client.UpdateTaskOptions{Fields: []string{"description"}}); !errors.Is(err, task.ErrNotAllowed) {
			t.Errorf("it is changed and still runs a command: %v", err)
		}
		if got := w.update("healed", change, "http"); got.State != task.Active || got.OrphanReason != "" || !got.Clock.NextFireTime.Equal(midnight.Add(30*time.Second)) {
			t.Errorf("one that can be run: %+v", got)
		}
		w.sleep(10 * time.Second)
		w.wantRuns("healed", "00:00:10 succeeded", "00:00:20 skipped orphaned", "00:00:30 failed")
		w.wantDeeds("healed", 1, "orphaned by clockd", "updated by in-process", "declaration changed by clockd")
		w.register = allowCommands
		w.start()
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:30 skipped orphaned, 2 fires from 00:00:20", "00:00:40 succeeded")
	})
}
