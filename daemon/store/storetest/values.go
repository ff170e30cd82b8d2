package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

var valueCases = []testCase{
	{"the first and the last instant there are survive", func(f *fixture) {
		for i, at := range []time.Time{
			time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
			time.Date(1, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			time.Unix(0, 0).UTC(),
			time.Date(2000, 2, 29, 0, 0, 0, 1000, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		} {
			name := fmt.Sprint("t", i)
			want := newTask(name, at)
			want.CreateTime, want.UpdateTime, want.OrphanTime = at, at, at
			want.Pause = &task.Pause{CreateTime: at, ResumeTime: at}
			want.Override = &task.Override{Trigger: want.Declaration.Trigger, CreateTime: at, ExpireTime: at}
			want.Clock.RecordedTime = at
			want.Clock.ExcludedTime = at
			want.Clock.Progress.Anchor, want.Clock.Progress.LastFire, want.Clock.Progress.LastEnd = at, at, at
			f.create(want)
			run := newRun(name, at)
			run.JitteredTime, run.NextAttemptTime, run.StartTime, run.EndTime, run.FirstScheduledTime = at, at, at, at, at
			run.TaskName = name
			run.Earlier = []task.Attempt{{Number: 1, StartTime: at.Add(time.Hour), EndTime: at.Add(time.Hour)}}
			if at.Year() == 9999 {
				run.Earlier[0].StartTime, run.Earlier[0].EndTime = at, at
			}
			run.ID = f.record(name, run)[0]
			f.equal(run, f.run(run.ID))
			want.LastRun = &run
			got := f.task(name)
			f.equal(want, got)
			for _, read := range []time.Time{
				got.CreateTime, got.Clock.NextFireTime, got.Clock.RecordedTime, got.Clock.ExcludedTime, got.Clock.Progress.Anchor, got.Pause.CreateTime,
				got.Pause.ResumeTime, got.Override.ExpireTime, got.LastRun.NextAttemptTime,
				got.LastRun.ScheduledTime, got.LastRun.JitteredTime, got.LastRun.Earlier[0].EndTime,
			} {
				if read.Location() != time.UTC {
					f.Errorf("%v is not in UTC", read)
				}
			}
		}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 2}, advance(time.Time{}))
		f.ok(err)
		f.equal([]string{"t0", "t1"}, fired(claimed))
	}},
	{"zero times stay zero", func(f *fixture) {
		want := task.Task{ID: idOf("a"), Namespace: Namespace, State: task.Active, Pause: &task.Pause{}}
		want.Declaration = newTask("a", time.Time{}).Declaration
		want.Override = &task.Override{Trigger: want.Declaration.Trigger}
		f.create(want)
		f.equal(want, f.task("a"))
		run := task.Run{TaskID: want.ID, TaskName: "a", State: task.Missed, Earlier: []task.Attempt{{Number: 1}}}
		run.ID = f.record("a", run)[0]
		f.equal(run, f.run(run.ID))
	}},
	{"callers do not share memory with the store", func(f *fixture) {
		in, run := fullTask("a"), fullRun("a")
		updated := f.change("a", store.Change{Task: &in, Record: []task.Run{run}})
		spoilTask(&in)
		spoilRun(&run)
		spoilTask(&updated.Task)
		spoilRun(&updated.Recorded[0])
		want := f.everything()
		f.equal(fullTask("a").Declaration, want.Tasks[0].Declaration)
		f.equal(fullTask("a").Override, want.Tasks[0].Override)
		f.equal(fullRun("a").Input, want.Runs[0].Input)

		spoil := f.everything()
		spoilTask(&spoil.Tasks[0])
		spoilRun(spoil.Tasks[0].LastRun)
		spoilRun(&spoil.Runs[0])
		read := f.task("a")
		spoilTask(&read)
		spoilRun(read.LastRun)
		unfinished, err := f.Unfinished(ctx, 0, 5)
		f.ok(err)
		spoilRun(&unfinished[0])
		page, err := f.Runs(ctx, task.RunQuery{Limit: 5})
		f.ok(err)
		spoilRun(&page.Runs[0])
		spoilInFunctions(f)
		f.unchanged(want)
	}},
	{"every policy, origin and spec survives", func(f *fixture) {
		full := fullSpec()
		specs := []*task.TargetSpec{
			nil,
			{Command: full.Command},
			{HTTP: full.HTTP},
			{Worker: full.Worker},
			{GRPC: full.GRPC},
			{Command: &task.CommandSpec{Args: []string{"true"}}},
			{HTTP: &task.HTTPSpec{URL: "http://localhost"}},
			{GRPC: &task.GRPCSpec{Address: "localhost:1", Method: "a.B/C", TLS: &task.TLSSpec{}}},
		}
		for i := range 20 {
			name := fmt.Sprint("t", i)
			want := newTask(name, future(0))
			want.Declaration.Policy = task.Policy{
				Overlap: task.Overlap(i % 4), CatchUp: task.CatchUp(i % 3), Delivery: task.Delivery(i % 2),
				Timeout: time.Duration(i % 3), CatchUpWindow: time.Duration(i % 5),
				Retry:              task.Retry{MaxAttempts: i % 4, Backoff: time.Duration(i % 3), MaxBackoff: time.Duration(i % 2), Jitter: float64(i%5) / 4},
				PauseAfterFailures: i % 3,
				Retention:          task.Retention{Keep: task.Kept(i % 3), MaxRuns: int64(i % 4), MaxAge: time.Duration(i % 2)},
			}
			want.Declaration.Spec, want.Origin = specs[i%8], task.Origin(i%3)
			want.Revision, want.FailureCount = int64(i%3), int64(i%2)
			f.create(fullTask(name))
			f.equal(want, f.change(name, store.Change{Task: &want}).Task)
			f.equal(want, f.task(name))
		}
	}},
	{"every cause and reason of a run survives", func(f *fixture) {
		f.create(newTask("a", future(0)))
		for cause := task.ByFire; cause <= task.ByBackfill; cause++ {
			for reason := task.Reason(0); reason <= task.ReasonWorker; reason++ {
				want := newRun("a", past(0))
				want.TaskName, want.Cause, want.Reason = "a", cause, reason
				want.ID = f.record("a", want)[0]
				f.equal(want, f.run(want.ID))
			}
		}
	}},
	{"texts keep every byte", func(f *fixture) {
		for i, text := range []string{"", " ", "'; DROP TABLE tasks; --", "a\x00b", "line\nline\r\n\t", "ÿ\u2028\U0010fffd", strings.Repeat("long ", 20_000)} {
			name := fmt.Sprint("t", i)
			want := newTask(name, future(0))
			want.Declaration.Description, want.Declaration.Group = text, text
			want.Declaration.Labels = map[string]string{text: text}
			want.Declaration.Target = task.Target{Kind: text, Summary: text}
			want.Pause = &task.Pause{Actor: text, Reason: text}
			want.OrphanReason = text
			want.Override = &task.Override{Trigger: want.Declaration.Trigger, Actor: text, Reason: text}
			f.create(want)
			f.equal(want, f.task(name))
			run := newRun(name, past(0))
			run.TaskName, run.Error, run.Actor, run.Earlier = name, text, text, []task.Attempt{{Number: 1, Error: text}}
			run.ID = f.record(name, run)[0]
			f.equal(run, f.run(run.ID))
		}
	}},
	{"large inputs and outputs survive", func(f *fixture) {
		f.create(newTask("a", future(0)))
		run := newRun("a", past(0))
		run.TaskName = "a"
		run.Input = []byte(`"` + strings.Repeat("in", 1<<20) + `"`)
		run.ID = f.record("a", run)[0]
		report := end(run.ID, 0)
		report.Run.Output = []byte(`"` + strings.Repeat("out", 1<<20) + `"`)
		_, err := f.Record(ctx, []store.Report{report}, nil)
		f.ok(err)
		got := f.run(run.ID)
		if string(got.Input) != string(run.Input) || string(got.Output) != string(report.Run.Output) {
			f.Errorf("%d and %d bytes came back", len(got.Input), len(got.Output))
		}
	}},
}
