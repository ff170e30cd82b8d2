package fakedaemon

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

const namespace = "default"

// Sample returns tasks and runs that show every kind of thing once: an active task with a last run, an
// overridden one, a paused one, an exhausted one and an orphaned one; runs that fired, were called, were missed
// and skipped for different reasons, and one that jitter delayed.
func Sample() ([]task.Task, []task.Run) {
	ago := func(d time.Duration) time.Time { return Now.Add(-d) }
	declared := func(name string, trigger schedule.Trigger) task.Task {
		return task.Task{
			ID: task.IDOf(namespace, name), Namespace: namespace, State: task.Active, Version: 1,
			Declaration: task.Declaration{
				Name: name, Trigger: trigger, Target: task.Target{Kind: "command", Summary: "/usr/bin/" + name},
			},
			CreateTime: ago(240 * time.Hour), UpdateTime: ago(240 * time.Hour),
		}
	}
	hourly := schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}

	backup := declared("backup", schedule.Trigger{Kind: schedule.Cron{Expression: "0 3 * * *", TimeZone: "Europe/Berlin"}})
	backup.Declaration.Description = "Copies the database to the vault"
	backup.Declaration.Group = "storage"
	backup.Declaration.Labels = map[string]string{"team": "ops", "env": "prod"}
	backup.Declaration.Policy = task.Policy{Timeout: 90 * time.Minute}
	backup.Clock = task.Clock{NextFireTime: Now.Add(14 * time.Hour), FireCount: 10}

	cleanup := declared("cleanup", hourly)
	cleanup.Version = 4
	cleanup.Override = &task.Override{
		Trigger: schedule.Trigger{Kind: schedule.Every{Interval: 10 * time.Minute}}, Actor: "ann@desk",
		Reason: "disk is filling up", CreateTime: ago(25 * time.Minute), OnDeclaredChange: task.Keep,
	}
	cleanup.Clock = task.Clock{NextFireTime: Now.Add(5 * time.Minute), FireCount: 240}

	migrate := declared("migrate", schedule.Trigger{Kind: schedule.Once{}})
	migrate.State = task.Exhausted
	migrate.Clock.FireCount = 1

	old := declared("old report", hourly)
	old.State, old.OrphanTime = task.Orphaned, ago(time.Hour)

	report := declared("report", schedule.Trigger{Kind: schedule.At{
		Hour: 9, Minute: 30, DaysOfWeek: []time.Weekday{time.Monday, time.Friday}, TimeZone: "Europe/Berlin",
	}})
	report.State = task.Paused
	report.Pause = &task.Pause{Actor: "bob@laptop", Reason: "the printer is broken", CreateTime: ago(26*time.Hour + 5*time.Minute)}

	runs := []task.Run{
		{
			ID: 1, TaskID: migrate.ID, TaskName: "migrate", State: task.Succeeded, Cause: task.ByFire, Fires: 1,
			ScheduledTime: ago(240 * time.Hour), StartTime: ago(240*time.Hour - 2*time.Millisecond),
			EndTime: ago(240*time.Hour - 3*time.Second), Attempt: 1,
		},
		{
			ID: 2, TaskID: report.ID, TaskName: "report", State: task.Missed, Reason: task.ReasonLate, Cause: task.ByFire,
			Fires: 3, FirstScheduledTime: ago(96 * time.Hour), ScheduledTime: ago(48 * time.Hour), EndTime: ago(47 * time.Hour),
		},
		{
			ID: 3, TaskID: backup.ID, TaskName: "backup", State: task.Failed, Cause: task.ByFire, Fires: 1,
			ScheduledTime: ago(10 * time.Hour), StartTime: ago(10*time.Hour - 1500*time.Microsecond),
			EndTime: ago(10*time.Hour - 75*time.Second), Attempt: 2,
			Earlier: []task.Attempt{{
				Number: 1, State: task.TimedOut, Error: "timed out",
				StartTime: ago(10 * time.Hour), EndTime: ago(10*time.Hour - time.Minute),
			}},
			Error:  "exit status 1",
			Output: []byte(`{"exit_code":1,"stderr":"no space left\n","stdout":""}`),
		},
		{
			ID: 4, TaskID: cleanup.ID, TaskName: "cleanup", State: task.Running, Cause: task.ByCall, Actor: "ann@desk",
			ScheduledTime: ago(90 * time.Second), StartTime: ago(90 * time.Second), Attempt: 1, Input: []byte(`{"deep":true}`),
		},
		{
			ID: 5, TaskID: cleanup.ID, TaskName: "cleanup", State: task.Skipped, Reason: task.ReasonOverlap, Cause: task.ByFire,
			Fires: 1, ScheduledTime: ago(30 * time.Second), EndTime: ago(30 * time.Second),
		},
		{
			ID: 6, TaskID: cleanup.ID, TaskName: "cleanup", State: task.Skipped, Reason: task.ReasonExcluded, Cause: task.ByFire,
			Fires: 48, FirstScheduledTime: ago(8 * time.Hour), ScheduledTime: ago(10 * time.Minute), EndTime: ago(20 * time.Second),
		},
		{
			ID: 7, TaskID: cleanup.ID, TaskName: "cleanup", State: task.Succeeded, Cause: task.ByFire, Fires: 1,
			ScheduledTime: ago(15 * time.Second), JitteredTime: ago(4321 * time.Millisecond), StartTime: ago(4320 * time.Millisecond),
			EndTime: ago(3 * time.Second), Attempt: 1,
		},
	}
	last := func(t *task.Task, run task.Run) {
		run.Input, run.Output = nil, nil
		t.LastRun = &run
	}
	last(&migrate, runs[0])
	last(&report, runs[1])
	last(&backup, runs[2])
	last(&cleanup, runs[4])
	return []task.Task{backup, cleanup, migrate, old, report}, runs
}
