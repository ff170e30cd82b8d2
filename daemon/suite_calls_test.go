package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func (s *suite) tasksAreListed() {
	var all, pages []string
	for got, err := range s.c.Tasks(s.ctx, client.TaskFilter{}) {
		s.ok(err)
		all = append(all, got.Declaration.Name)
	}
	if want := []string{"bounded", "double", "fail", "gone", "hold", "lost"}; !slices.Equal(all, want) {
		s.t.Errorf("tasks %v, want %v", all, want)
	}
	for token, n := "", 0; n == 0 || token != ""; n++ {
		got, next, err := s.c.TasksPage(s.ctx, client.TaskFilter{}, 2, token)
		s.ok(err)
		if len(got) > 2 {
			s.t.Errorf("%d tasks on a page of 2", len(got))
		}
		for _, one := range got {
			pages = append(pages, one.Declaration.Name)
		}
		if token = next; token != "" {
			if _, _, err := s.c.TasksPage(s.ctx, client.TaskFilter{NamePrefix: "f"}, 2, token); !errors.Is(err, task.ErrInvalid) {
				s.t.Errorf("the token of another filter: %v", err)
			}
		}
	}
	if !slices.Equal(pages, all) {
		s.t.Errorf("tasks on pages %v, want %v", pages, all)
	}
	_, err := s.c.PauseTask(s.ctx, ref("double"), client.PauseOptions{})
	s.ok(err)
	for _, tt := range []struct {
		filter client.TaskFilter
		want   string
	}{
		{client.TaskFilter{NamePrefix: "ho"}, "hold"},
		{client.TaskFilter{NamePrefix: "x"}, ""},
		{client.TaskFilter{States: []task.State{task.Orphaned, task.Exhausted}}, "bounded gone"},
		{client.TaskFilter{NamePrefix: "d", States: []task.State{task.Paused}}, "double"},
	} {
		var found []string
		for got, err := range s.c.Tasks(s.ctx, tt.filter) {
			s.ok(err)
			found = append(found, got.Declaration.Name)
		}
		if got := strings.Join(found, " "); got != tt.want {
			s.t.Errorf("%+v: %q, want %q", tt.filter, got, tt.want)
		}
	}
}

func (s *suite) aTaskIsFound() {
	byName, err := s.c.Task(s.ctx, ref("bounded"))
	s.ok(err)
	d := byName.Declaration
	if byName.ID != task.IDOf("default", "bounded") || byName.State != task.Exhausted || d.Group != "nights" || d.Labels["of"] != "2020" ||
		d.Target.Kind != "function" || byName.LastRun != nil {
		s.t.Errorf("by name: %+v", byName)
	}
	run := s.run("bounded", client.RunOptions{Wait: true})
	byID, err := s.c.Task(s.ctx, task.ByID(byName.ID))
	s.ok(err)
	if byID.LastRun == nil || byID.LastRun.ID != run.ID || byID.Counts.Succeeded != 1 || byID.Version != byName.Version {
		s.t.Errorf("by id, after a run: %+v", byID)
	}
}

func (s *suite) aTaskIsRun() {
	run := s.run("double", client.RunOptions{Input: 21, Wait: true})
	if run.State != task.Succeeded || string(run.Output) != "42" || string(run.Input) != "21" || run.Cause != task.ByCall || run.Actor != "suite" {
		s.t.Errorf("a run: %+v", run)
	}
	if run := s.run("fail", client.RunOptions{Wait: true}); run.State != task.Failed || run.Error != "broken" {
		s.t.Errorf("one that fails: %+v", run)
	}
	if _, err := s.c.RunTask(s.ctx, ref("double"), client.RunOptions{Input: "much"}); !errors.Is(err, task.ErrInvalid) || fieldsOf(err)[0] != "input" {
		s.t.Errorf("an input that it does not take: %v", err)
	}
	request := uuid.New()
	first := s.run("double", client.RunOptions{Input: 1, RequestID: request, Wait: true})
	if again := s.run("double", client.RunOptions{Input: 1, RequestID: request, Wait: true}); again.ID != first.ID || string(again.Output) != "2" {
		s.t.Errorf("asked for again: %+v, not run %s", again, first.ID)
	}
	if _, err := s.c.RunTask(s.ctx, ref("fail"), client.RunOptions{RequestID: request}); !errors.Is(err, task.ErrInvalid) {
		s.t.Errorf("the request id of another task: %v", err)
	}
	held := s.run("hold", client.RunOptions{})
	if held.State.Ended() {
		s.t.Errorf("one that nobody waits for: %s", held.State)
	}
	if beside := s.run("hold", client.RunOptions{Wait: true}); beside.State != task.Skipped || beside.Reason != task.ReasonOverlap {
		s.t.Errorf("one beside it: %+v", beside)
	}
	queue := task.OverlapQueue
	behind := s.run("hold", client.RunOptions{Overlap: &queue})
	s.release()
	for _, id := range []task.RunID{held.ID, behind.ID} {
		if run, err := s.c.FollowRun(s.ctx, id, func(task.Output) error { return nil }); err != nil || run.State != task.Succeeded {
			s.t.Errorf("one that was released: %+v, %v", run, err)
		}
	}
}

func (s *suite) runsAreListed() {
	var want []task.RunID
	for i := range 5 {
		want = append(want, s.run([]string{"double", "fail"}[i%2], client.RunOptions{Wait: true}).ID)
	}
	slices.Reverse(want)
	var all, pages, failed []task.RunID
	for run, err := range s.c.Runs(s.ctx, client.RunFilter{}) {
		s.ok(err)
		all = append(all, run.ID)
		if whole, err := s.c.Run(s.ctx, run.ID); err != nil || run.Output != nil || (whole.Output == nil) != (whole.TaskName == "fail") {
			s.t.Errorf("run %+v is whole %+v, %v", run, whole, err)
		}
	}
	for token, n := "", 0; n == 0 || token != ""; n++ {
		got, next, err := s.c.RunsPage(s.ctx, client.RunFilter{}, 2, token)
		s.ok(err)
		for _, run := range got {
			pages = append(pages, run.ID)
		}
		if token = next; token != "" {
			if _, _, err := s.c.RunsPage(s.ctx, client.RunFilter{Task: ref("fail")}, 2, token); !errors.Is(err, task.ErrInvalid) {
				s.t.Errorf("the token of another filter: %v", err)
			}
		}
	}
	if !slices.Equal(all, want) || !slices.Equal(pages, want) {
		s.t.Errorf("runs %v, on pages %v, want %v", all, pages, want)
	}
	for run, err := range s.c.Runs(s.ctx, client.RunFilter{Task: ref("fail"), States: []task.RunState{task.Failed, task.Lost}}) {
		s.ok(err)
		failed = append(failed, run.ID)
	}
	if !slices.Equal(failed, []task.RunID{want[1], want[3]}) {
		s.t.Errorf("runs that failed %v, of %v", failed, want)
	}
	for _, err := range s.c.Runs(s.ctx, client.RunFilter{Task: ref("double"), States: []task.RunState{task.Failed}}) {
		s.t.Errorf("double has not failed: %v", err)
	}
}

func (s *suite) aTriggerIsPutInForceAndReset() {
	before, err := s.c.Task(s.ctx, ref("double"))
	s.ok(err)
	trigger := schedule.MustParse("at 12:00 UTC from=2999-01-01T00:00:00Z")
	dry, err := s.c.UpdateTrigger(s.ctx, ref("double"), trigger, client.UpdateOptions{ValidateOnly: true})
	s.ok(err)
	if unchanged, err := s.c.Task(s.ctx, ref("double")); err != nil || unchanged.Version != before.Version || unchanged.Override != nil {
		s.t.Errorf("after validate only: %+v, %v", unchanged, err)
	}
	expires := time.Date(2999, 6, 1, 0, 0, 0, 0, time.UTC)
	u, err := s.c.UpdateTrigger(s.ctx, ref("double"), trigger,
		client.UpdateOptions{Etag: before.Etag(), Reason: "try it", OnDeclaredChange: task.Keep, ExpireTime: expires})
	s.ok(err)
	o := u.Task.Override
	if o == nil || !schedule.Equal(o.Trigger, trigger) || o.Actor != "suite" || o.Reason != "try it" || o.OnDeclaredChange != task.Keep || !o.ExpireTime.Equal(expires) {
		s.t.Errorf("the override: %+v", o)
	}
	noon := time.Date(2999, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, one := range []client.TriggerUpdate{dry, u} {
		if len(one.NextFires) != 10 || !one.NextFires[9].Time.Equal(noon.AddDate(0, 0, 9)) || len(one.PreviousFires) != 1 {
			s.t.Errorf("its fires: %+v, before %+v", one.NextFires, one.PreviousFires)
		}
	}
	if !u.Task.Clock.NextFireTime.Equal(noon) {
		s.t.Errorf("its next fire: %s", u.Task.Clock.NextFireTime)
	}
	stale := &task.StaleError{}
	if _, err := s.c.UpdateTrigger(s.ctx, ref("double"), trigger, client.UpdateOptions{Etag: before.Etag()}); !errors.Is(err, task.ErrStale) || !errors.As(err, &stale) || stale.Have != u.Task.Etag() {
		s.t.Errorf("an old etag: %v", err)
	}
	wrong := schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Cron{Expression: "61 * * * *", TimeZone: "Here"}}}}}
	if _, err := s.c.UpdateTrigger(s.ctx, ref("double"), wrong, client.UpdateOptions{}); !errors.Is(err, task.ErrInvalid) ||
		strings.Join(fieldsOf(err), " ") != "trigger.any_of.triggers[0].cron.expression trigger.any_of.triggers[0].cron.time_zone" {
		s.t.Errorf("a wrong trigger: %v", err)
	}
	if _, err := s.c.ResetTrigger(s.ctx, ref("double"), client.EditOptions{Etag: before.Etag()}); !errors.Is(err, task.ErrStale) {
		s.t.Errorf("a reset with an old etag: %v", err)
	}
	for range 2 {
		reset, err := s.c.ResetTrigger(s.ctx, ref("double"), client.EditOptions{Reason: "enough"})
		if err != nil || reset.Override != nil || reset.Trigger().String() != before.Trigger().String() || reset.Version != u.Task.Version+1 {
			s.t.Errorf("reset: %+v, %v", reset, err)
		}
	}
}

func (s *suite) aTaskIsPausedAndResumed() {
	resumes := task.Instant(time.Now().Add(time.Hour))
	p, err := s.c.PauseTask(s.ctx, ref("double"), client.PauseOptions{Reason: "quiet", ResumeTime: resumes})
	if err != nil || p.State != task.Paused || p.Pause == nil || p.Pause.Reason != "quiet" || p.Pause.Actor != "suite" || !p.Pause.ResumeTime.Equal(resumes) {
		s.t.Errorf("paused: %+v, %v", p, err)
	}
	if run := s.run("double", client.RunOptions{Wait: true}); run.State != task.Succeeded {
		s.t.Errorf("a call of what is paused: %+v", run)
	}
	if _, err := s.c.PauseTask(s.ctx, ref("double"), client.PauseOptions{ResumeTime: time.Now().Add(-time.Hour)}); !errors.Is(err, task.ErrInvalid) {
		s.t.Errorf("paused until an hour ago: %v", err)
	}
	if _, err := s.c.ResumeTask(s.ctx, ref("double"), client.EditOptions{Etag: "0"}); !errors.Is(err, task.ErrStale) {
		s.t.Errorf("resumed with an old etag: %v", err)
	}
	for range 2 {
		if r, err := s.c.ResumeTask(s.ctx, ref("double"), client.EditOptions{}); err != nil || r.State != task.Active || r.Pause != nil || r.Version != p.Version+1 {
			s.t.Errorf("resumed: %+v, %v", r, err)
		}
	}
}

func (s *suite) firesArePreviewed() {
	start := time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)
	p, err := s.c.PreviewTrigger(s.ctx, schedule.MustParse("at 02:30 Europe/Berlin exclude(dates 2027-03-29 Europe/Berlin)"), start, 2)
	s.ok(err)
	if len(p.Fires) != 2 || !p.Fires[0].Time.Equal(start.Add(13*time.Hour)) || p.Fires[1].Excluded.Count != 1 {
		s.t.Errorf("the fires over a gap and an exclusion: %+v", p.Fires)
	}
	p, err = s.c.PreviewTask(s.ctx, ref("bounded"), time.Date(2020, 1, 3, 12, 0, 0, 0, time.UTC), 1000)
	if err != nil || len(p.Fires) != 2 || !p.Fires[1].Time.Equal(time.Date(2020, 1, 5, 0, 0, 0, 0, time.UTC)) {
		s.t.Errorf("the last fires of what is over: %+v, %v", p.Fires, err)
	}
	p, err = s.c.PreviewTask(s.ctx, ref("hold"), time.Time{}, 0)
	if err != nil || len(p.Fires) != 1 || p.Fires[0].Time.Year() != 2999 {
		s.t.Errorf("the fires of a task: %+v, %v", p.Fires, err)
	}
	if _, err := s.c.PreviewTrigger(s.ctx, schedule.Trigger{}, start, 1); !errors.Is(err, task.ErrInvalid) {
		s.t.Errorf("no trigger: %v", err)
	}
}

func (s *suite) aTaskIsMadeChangedAndDeleted() {
	far := "once 2999-01-01T00:00:00Z"
	if dry, err := s.c.CreateTask(s.ctx, ping("made", far), client.CreateOptions{ValidateOnly: true}); err != nil || dry.Declaration.Name != "made" {
		s.t.Errorf("validate only: %+v, %v", dry, err)
	}
	made, err := s.c.CreateTask(s.ctx, ping("made", far), client.CreateOptions{Reason: "try it"})
	if err != nil || made.Origin != task.Created || made.Version != 1 || made.Declaration.Spec.HTTP.URL != nobody {
		s.t.Fatalf("made: %+v, %v", made, err)
	}
	if run := s.run("made", client.RunOptions{Wait: true}); run.State != task.Failed || run.Error == "" {
		s.t.Errorf("a run of it, where nobody listens: %+v", run)
	}
	d := ping("", far)
	d.Description, d.Policy.Timeout = "is not named", time.Minute
	for _, dry := range []bool{true, false} {
		got, err := s.c.UpdateTask(s.ctx, ref("made"), d, client.UpdateTaskOptions{Fields: []string{"policy.timeout"}, Etag: made.Etag(), ValidateOnly: dry})
		if err != nil || got.Declaration.Policy.Timeout != time.Minute || got.Declaration.Description != "" {
			s.t.Errorf("changed, validate only %t: %+v, %v", dry, got, err)
		}
	}
	if _, err := s.c.UpdateTask(s.ctx, ref("made"), d, client.UpdateTaskOptions{Fields: []string{"color"}}); !errors.Is(err, task.ErrInvalid) || fieldsOf(err)[0] != "update_mask" {
		s.t.Errorf("a field that there is not: %v", err)
	}
	if err := s.c.DeleteTask(s.ctx, ref("made"), client.EditOptions{Etag: made.Etag()}); !errors.Is(err, task.ErrStale) {
		s.t.Errorf("deleted with an old etag: %v", err)
	}
	for _, name := range []string{"made", "gone"} { // what is orphaned may be deleted as well
		s.ok(s.c.DeleteTask(s.ctx, ref(name), client.EditOptions{}))
		if _, err := s.c.Task(s.ctx, ref(name)); !errors.Is(err, task.ErrTaskNotFound) {
			s.t.Errorf("%s after it is deleted: %v", name, err)
		}
	}
}

func (s *suite) aBackfill() {
	first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	days := []time.Time{first.AddDate(0, 0, 1), first.AddDate(0, 0, 2), first.AddDate(0, 0, 3)}
	for _, dry := range []bool{true, false} {
		b, err := s.c.BackfillTask(s.ctx, ref("bounded"), days[0], days[2].Add(time.Second), client.BackfillOptions{ValidateOnly: dry, Reason: "again"})
		s.ok(err)
		if b.Count != 3 || !slices.EqualFunc(b.Fires, days, time.Time.Equal) || len(b.Runs) != map[bool]int{true: 0, false: 3}[dry] {
			s.t.Errorf("validate only %t: %+v", dry, b)
		}
		for i, run := range b.Runs {
			run, err := s.c.FollowRun(s.ctx, run.ID, func(task.Output) error { return nil })
			if err != nil || run.State != task.Succeeded || run.Cause != task.ByBackfill || !run.ScheduledTime.Equal(days[i]) {
				s.t.Errorf("run %d: %+v, %v", i, run, err)
			}
		}
	}
	if _, err := s.c.BackfillTask(s.ctx, ref("bounded"), first, time.Now().Add(time.Hour), client.BackfillOptions{}); !errors.Is(err, task.ErrInvalid) {
		s.t.Errorf("of the future: %v", err)
	}
}

// tellTasks watches tasks until something was told, and returns all that was and the last token. What is given is done
// as soon as the watch has told what is.
func (s *suite) tellTasks(w client.TaskWatch, until string, then ...func()) (told []string, token string) {
	s.t.Helper()
	for x, err := range s.c.WatchTasks(s.ctx, w) {
		s.ok(err)
		if x.Reset {
			told = append(told, "reset")
		}
		for _, one := range x.Tasks {
			told = append(told, one.Declaration.Name+" "+one.Etag())
		}
		for range x.Deleted {
			told = append(told, "deleted")
		}
		if x.Synced {
			told = append(told, "synced")
			for _, f := range then {
				f()
			}
		}
		token = x.ResumeToken
		if slices.Contains(told, until) {
			break
		}
	}
	return told, token
}

func (s *suite) tasksAreWatched() {
	told, token := s.tellTasks(client.TaskWatch{NamePrefix: "d"}, "synced")
	if got := strings.Join(told, ", "); got != "reset, double 1, synced" || token == "" {
		s.t.Errorf("what is: %s", got)
	}
	for _, name := range []string{"double", "fail"} { // while nobody watches
		_, err := s.c.PauseTask(s.ctx, ref(name), client.PauseOptions{})
		s.ok(err)
	}
	told, token = s.tellTasks(client.TaskWatch{NamePrefix: "d", ResumeToken: token}, "synced")
	if got := strings.Join(told, ", "); got != "double 2, synced" {
		s.t.Errorf("what has changed: %s", got)
	}
	told, token = s.tellTasks(client.TaskWatch{NamePrefix: "d", ResumeToken: token}, "door 1", func() {
		_, err := s.c.CreateTask(s.ctx, ping("door", "once 2999-01-01T00:00:00Z"), client.CreateOptions{})
		s.ok(err)
	})
	if got := strings.Join(told, ", "); got != "synced, door 1" {
		s.t.Errorf("what was made: %s", got)
	}
	told, token = s.tellTasks(client.TaskWatch{NamePrefix: "d", ResumeToken: token}, "deleted", func() {
		s.ok(s.c.DeleteTask(s.ctx, ref("door"), client.EditOptions{}))
	})
	if got := strings.Join(told, ", "); got != "synced, deleted" {
		s.t.Errorf("what was deleted: %s", got)
	}
	for _, err := range s.c.WatchTasks(s.ctx, client.TaskWatch{NamePrefix: "f", ResumeToken: token}) {
		if !errors.Is(err, task.ErrInvalid) {
			s.t.Fatalf("the token of another prefix: %v", err)
		}
	}
}

func (s *suite) runsAreWatched() {
	run := s.run("hold", client.RunOptions{})
	watch := func(token string, until func(client.RunChanges) bool) (seen []client.RunChanges) {
		for x, err := range s.c.WatchRuns(s.ctx, client.RunWatch{Task: ref("hold"), ResumeToken: token}) {
			s.ok(err)
			for _, r := range x.Runs {
				if r.ID != run.ID {
					s.t.Errorf("told of %+v", r)
				}
			}
			seen = append(seen, x)
			if until(x) {
				break
			}
		}
		return seen
	}
	was := watch("", func(x client.RunChanges) bool { return x.Synced })
	if !was[0].Reset || len(slices.Concat(was[0].Runs, was[len(was)-1].Runs)) == 0 {
		s.t.Errorf("what goes: %+v", was)
	}
	s.release()
	s.run("double", client.RunOptions{Wait: true})
	if _, err := s.c.FollowRun(s.ctx, run.ID, func(task.Output) error { return nil }); err != nil {
		s.t.Error(err)
	}
	is := watch(was[len(was)-1].ResumeToken, func(x client.RunChanges) bool {
		return slices.ContainsFunc(x.Runs, func(r task.Run) bool { return r.State == task.Succeeded })
	})
	if is[0].Reset {
		s.t.Errorf("it did not resume: %+v", is)
	}
	for _, err := range s.c.WatchRuns(s.ctx, client.RunWatch{Task: ref("nothing")}) {
		if !errors.Is(err, task.ErrTaskNotFound) {
			s.t.Fatalf("the runs of nothing: %v", err)
		}
	}
}

func (s *suite) aRunIsFollowed() {
	id := s.run("hold", client.RunOptions{}).ID
	if _, err := s.c.FollowRun(s.ctx, id, func(task.Output) error { return errBroken }); !errors.Is(err, errBroken) {
		s.t.Errorf("a reader that has enough: %v", err)
	}
	var said string
	run, err := s.c.FollowRun(s.ctx, id, func(o task.Output) error {
		said += string(o.Data)
		if said == "holding\n" {
			s.release()
		}
		return nil
	})
	if err != nil || said != "holding\n" || run.State != task.Succeeded {
		s.t.Errorf("it said %q: %+v, %v", said, run, err)
	}
}

func (s *suite) aRunIsCanceled() {
	id := s.run("hold", client.RunOptions{}).ID
	for range 2 {
		run, err := s.c.CancelRun(s.ctx, id, "not today")
		if err != nil || run.State != task.Canceled || !strings.Contains(run.Error, "not today") || run.Actor != "suite" {
			s.t.Errorf("canceled: %+v, %v", run, err)
		}
	}
}

func (s *suite) whoDidWhat() {
	run := s.run("double", client.RunOptions{Wait: true})
	_, err := s.c.PauseTask(s.ctx, ref("double"), client.PauseOptions{Reason: "quiet"})
	s.ok(err)
	_, err = s.c.ResumeTask(s.ctx, ref("double"), client.EditOptions{Reason: "loud"})
	s.ok(err)
	var all []string
	for e, err := range s.c.AuditEvents(s.ctx, client.AuditFilter{Task: ref("double")}) {
		s.ok(err)
		all = append(all, strings.TrimSpace(fmt.Sprint(actions[e.Action], " ", e.Actor, " ", e.Reason)))
		if e.Action == task.RunRequested && e.RunID != run.ID {
			s.t.Errorf("it tells of run %s, not %s", e.RunID, run.ID)
		}
	}
	if got := strings.Join(all, ", "); got != "resumed suite loud, paused suite quiet, run requested suite, declared program" {
		s.t.Errorf("events: %s", got)
	}
	n := 0
	for token, page := "", 0; page == 0 || token != ""; page++ {
		events, next, err := s.c.AuditEventsPage(s.ctx, client.AuditFilter{}, 2, token)
		s.ok(err)
		n, token = n+len(events), next
	}
	if n < len(all)+4 { // the declarations of the other tasks
		s.t.Errorf("%d events on all pages", n)
	}
}

func (s *suite) aWorker() {
	working, stop := context.WithCancel(s.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- s.c.Work(working, client.Worker{Name: "hand", Places: 3, Logger: slog.New(slog.NewTextHandler(s.t.Output(), nil)), Tasks: []client.WorkerTask{{
			Name: "remote", Trigger: schedule.MustParse("once 2999-01-01T00:00:00Z"),
			Do: func(_ context.Context, a *client.Assignment) (any, error) {
				var name string
				err := a.Decode(&name)
				return "hello " + name, err
			},
		}}})
	}()
	s.tellTasks(client.TaskWatch{NamePrefix: "remote"}, "remote 1")
	if run := s.run("remote", client.RunOptions{Input: "you", Wait: true}); run.State != task.Succeeded || string(run.Output) != `"hello you"` || run.Worker != "hand" {
		s.t.Errorf("what the worker ran: %+v", run)
	}
	if got, err := s.c.Task(s.ctx, ref("remote")); err != nil || got.Origin != task.Announced {
		s.t.Errorf("what the worker declared: %+v, %v", got, err)
	}
	if workers, err := s.c.Workers(s.ctx); err != nil || len(workers) != 1 || workers[0].Name != "hand" || workers[0].Places != 3 || !slices.Equal(workers[0].Tasks, []string{"remote"}) {
		s.t.Errorf("workers %+v, %v", workers, err)
	}
	stop()
	s.ok(<-ended)
}

func (s *suite) nodesAreListed() {
	nodes, err := s.c.Nodes(s.ctx)
	s.ok(err)
	if len(nodes) != 1 {
		s.t.Fatalf("nodes %+v", nodes)
	}
	n := nodes[0]
	if !n.Self || n.ID == uuid.Nil || n.Name == "" || n.State != task.Alive || n.Tasks == 0 || n.StartTime.IsZero() || !n.LeaseExpireTime.IsZero() {
		s.t.Errorf("a daemon whose store is its own: %+v", n)
	}
}

func (s *suite) errorsHaveTheirClasses() {
	nothing, far := ref("nothing"), schedule.MustParse("once 2999-01-01T00:00:00Z")
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		call func() error
		want error
	}{
		{"get", func() error { _, err := s.c.Task(s.ctx, nothing); return err }, task.ErrTaskNotFound},
		{"run", func() error { _, err := s.c.RunTask(s.ctx, nothing, client.RunOptions{}); return err }, task.ErrTaskNotFound},
		{"update trigger", func() error { _, err := s.c.UpdateTrigger(s.ctx, nothing, far, client.UpdateOptions{}); return err }, task.ErrTaskNotFound},
		{"reset trigger", func() error { _, err := s.c.ResetTrigger(s.ctx, nothing, client.EditOptions{}); return err }, task.ErrTaskNotFound},
		{"pause", func() error { _, err := s.c.PauseTask(s.ctx, nothing, client.PauseOptions{}); return err }, task.ErrTaskNotFound},
		{"resume", func() error { _, err := s.c.ResumeTask(s.ctx, nothing, client.EditOptions{}); return err }, task.ErrTaskNotFound},
		{"preview", func() error { _, err := s.c.PreviewTask(s.ctx, nothing, start, 1); return err }, task.ErrTaskNotFound},
		{"update", func() error {
			_, err := s.c.UpdateTask(s.ctx, nothing, ping("", "every 1h"), client.UpdateTaskOptions{})
			return err
		}, task.ErrTaskNotFound},
		{"delete", func() error { return s.c.DeleteTask(s.ctx, nothing, client.EditOptions{}) }, task.ErrTaskNotFound},
		{"backfill", func() error {
			_, err := s.c.BackfillTask(s.ctx, nothing, start, time.Time{}, client.BackfillOptions{})
			return err
		}, task.ErrTaskNotFound},
		{"get run", func() error { _, err := s.c.Run(s.ctx, 1<<40); return err }, task.ErrRunNotFound},
		{"cancel", func() error { _, err := s.c.CancelRun(s.ctx, 1<<40, ""); return err }, task.ErrRunNotFound},
		{"follow", func() error {
			_, err := s.c.FollowRun(s.ctx, 1<<40, func(task.Output) error { return nil })
			return err
		}, task.ErrRunNotFound},
		{"create what is there", func() error {
			_, err := s.c.CreateTask(s.ctx, ping("double", "every 1h"), client.CreateOptions{})
			return err
		}, task.ErrExists},
		{"create a command", func() error {
			_, err := s.c.CreateTask(s.ctx, runs("made", "every 1h", "true"), client.CreateOptions{})
			return err
		}, task.ErrNotAllowed},
		{"create nothing", func() error {
			_, err := s.c.CreateTask(s.ctx, task.Declaration{}, client.CreateOptions{})
			return err
		}, task.ErrInvalid},
		{"update what is declared", func() error {
			_, err := s.c.UpdateTask(s.ctx, ref("double"), ping("", "every 1h"), client.UpdateTaskOptions{})
			return err
		}, task.ErrDeclared},
		{"delete what is declared", func() error { return s.c.DeleteTask(s.ctx, ref("double"), client.EditOptions{}) }, task.ErrDeclared},
		{"an old etag", func() error {
			_, err := s.c.PauseTask(s.ctx, ref("double"), client.PauseOptions{Etag: "0"})
			return err
		}, task.ErrStale},
		{"run what is orphaned", func() error { _, err := s.c.RunTask(s.ctx, ref("gone"), client.RunOptions{}); return err }, task.ErrOrphaned},
		{"preview what is lost", func() error { _, err := s.c.PreviewTask(s.ctx, ref("lost"), start, 1); return err }, task.ErrTriggerFault},
		{"resume what is lost", func() error { _, err := s.c.ResumeTask(s.ctx, ref("lost"), client.EditOptions{}); return err }, task.ErrTriggerFault},
		{"diff in a program that embeds", func() error { _, err := s.c.DiffConfig(s.ctx, "clockd.yaml", []byte("tasks: []")); return err }, task.ErrNoConfig},
		{"work for another namespace", func() error {
			return s.c.Work(s.ctx, client.Worker{Namespace: "other", Tasks: []client.WorkerTask{{
				Name: "remote", Do: func(context.Context, *client.Assignment) (any, error) { return nil, nil },
			}}})
		}, task.ErrOtherNamespace},
		{"a caller who has gone", func() error {
			ctx, cancel := context.WithCancel(s.ctx)
			cancel()
			_, err := s.c.Task(ctx, ref("double"))
			return err
		}, context.Canceled},
	} {
		if err := tt.call(); !errors.Is(err, tt.want) {
			s.t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	_, err := s.c.CreateTask(s.ctx, task.Declaration{Name: " ", Trigger: far}, client.CreateOptions{})
	if invalid := (*task.InvalidError)(nil); !errors.As(err, &invalid) || len(invalid.Violations) < 2 {
		s.t.Errorf("violations: %v", err)
	}
}
