package fakedaemon

import (
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// SampleMore returns, for [Server.Add], what [Sample] leaves out: a task that was created, with its whole policy,
// counts, and an override and a pause that end by themselves; one that paused itself; one that a program with a
// revision declares and that is orphaned with a reason; runs that wait for a place, for another run and for their
// next attempt, one of a backfill, and one that found no place.
func SampleMore() ([]task.Task, []task.Run) {
	ago := func(d time.Duration) time.Time { return Now.Add(-d) }
	base := func(name string) task.Task {
		return task.Task{
			ID: task.IDOf(namespace, name), Namespace: namespace, State: task.Active, Version: 3,
			CreateTime: ago(100 * time.Hour), UpdateTime: ago(time.Hour),
			Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}},
		}
	}

	ping := base("ping")
	ping.Origin, ping.State = task.Created, task.Paused
	ping.Declaration.Spec = &task.TargetSpec{HTTP: &task.HTTPSpec{
		Method: "POST", URL: "https://example.com/ping", Headers: map[string]string{"Authorization": "Bearer t0ken"},
		Body: `{"from":"clockd"}`, ExpectStatus: []int{200, 204}, OutputLimit: 1024,
	}}
	ping.Declaration.Target = sum(ping.Declaration.Spec)
	ping.Declaration.Policy = task.Policy{
		Overlap: task.OverlapQueue, CatchUp: task.CatchUpAll, CatchUpWindow: 6 * time.Hour, Delivery: task.AtMostOnce,
		Timeout: 30 * time.Second, PauseAfterFailures: 5,
		Retry:     task.Retry{MaxAttempts: 4, Backoff: 10 * time.Second, MaxBackoff: 5 * time.Minute, Jitter: 0.2},
		Retention: task.Retention{Keep: task.KeepFailures, MaxRuns: 100, MaxAge: 720 * time.Hour},
	}
	ping.Counts = task.Counts{
		Succeeded: 90, Failed: 4, TimedOut: 1, Canceled: 2, Lost: 1, SkippedOverlap: 3, SkippedPaused: 12, SkippedOrphaned: 5,
		SkippedExcluded: 48, SkippedLimit: 2, Missed: 6, Merged: 7,
	}
	ping.FailureCount = 2
	ping.Override = &task.Override{
		Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}}, Actor: "ann@desk", Reason: "watching it",
		CreateTime: ago(10 * time.Minute), OnDeclaredChange: task.Keep, DeclarationChanged: true, ExpireTime: Now.Add(50 * time.Minute),
	}
	ping.Pause = &task.Pause{Actor: "bob@laptop", Reason: "maintenance", CreateTime: ago(5 * time.Minute), ResumeTime: Now.Add(25 * time.Minute)}

	scrape := base("scrape")
	scrape.Origin, scrape.State, scrape.FailureCount = task.Created, task.Paused, 5
	scrape.Declaration.Spec = &task.TargetSpec{Command: &task.CommandSpec{
		Args: []string{"/usr/bin/scrape", "--all"}, Env: map[string]string{"TOKEN": "s3cret"}, Dir: "/var/lib/scrape",
		Stdin: "go\n", OutputLimit: 4096, KillDelay: 3 * time.Second,
	}}
	scrape.Declaration.Target = sum(scrape.Declaration.Spec)
	scrape.Declaration.Policy = task.Policy{Overlap: task.OverlapCancel, PauseAfterFailures: 5}
	scrape.Pause = &task.Pause{Actor: "clockd", Reason: "5 runs failed in a row", CreateTime: ago(time.Minute)}

	sync := base("sync")
	sync.Revision, sync.State = 7, task.Orphaned
	sync.Declaration.Target = task.Target{Kind: "command", Summary: "/usr/bin/sync"}
	sync.OrphanTime, sync.OrphanReason = ago(2*time.Hour), "program revision 8 no longer declares it"

	run := func(id task.RunID, t task.Task, state task.RunState) task.Run {
		return task.Run{
			ID: id, TaskID: t.ID, TaskName: t.Declaration.Name, State: state, Cause: task.ByFire, Fires: 1, ScheduledTime: ago(time.Minute),
		}
	}
	limited := run(8, ping, task.Scheduled)
	limited.Reason = task.ReasonLimit
	waiting := run(9, scrape, task.Scheduled)
	waiting.Reason = task.ReasonOverlap
	again := run(10, ping, task.Scheduled)
	again.StartTime, again.Attempt, again.NextAttemptTime = ago(50*time.Second), 2, Now.Add(10*time.Second)
	again.Earlier = []task.Attempt{{
		Number: 1, State: task.Failed, Error: "status 503", StartTime: ago(50 * time.Second), EndTime: ago(49 * time.Second),
		Node: task.IDOf("node", "echo"),
	}}
	again.Node = task.IDOf("node", "alpha")
	backfilled := run(11, ping, task.Succeeded)
	backfilled.Cause, backfilled.Actor, backfilled.Attempt = task.ByBackfill, "ann@desk", 1
	backfilled.ScheduledTime, backfilled.NextAttemptTime = ago(50*time.Hour), ago(20*time.Second)
	backfilled.StartTime, backfilled.EndTime = ago(20*time.Second), ago(18*time.Second)
	full := run(12, scrape, task.Skipped)
	full.Reason, full.EndTime = task.ReasonLimit, ago(time.Minute)
	return []task.Task{ping, scrape, sync}, []task.Run{limited, waiting, again, backfilled, full}
}

// SampleEvents returns events, for [Server.Record], that tell the story of an override: declared, overridden,
// deployed otherwise, yielded, refused to an older program, and a few of other kinds.
func SampleEvents() []task.Event {
	ago := func(d time.Duration) time.Time { return Now.Add(-d) }
	id := task.IDOf(namespace, "backup")
	return []task.Event{
		{
			Time: ago(240 * time.Hour), Action: task.TaskDeclared, TaskID: id, TaskName: "backup", Actor: "program revision 7",
			After: []byte(`{"declared_trigger":"every 1h","trigger":"every 1h"}`),
		},
		{
			Time: ago(100 * time.Hour), Action: task.TriggerUpdated, TaskID: id, TaskName: "backup", Actor: "ann@desk",
			Peer: peer, Reason: "disk is filling up",
			Before: []byte(`{"trigger":"every 1h"}`),
			After: []byte(`{"override":{"actor":"ann@desk","on_declared_change":"yield","reason":"disk is filling up","trigger":"every 10m"},` +
				`"trigger":"every 10m"}`),
		},
		{
			Time: ago(50 * time.Hour), Action: task.DeclarationChanged, TaskID: id, TaskName: "backup", Actor: "program revision 8",
			Before: []byte(`{"declared_trigger":"every 1h"}`),
			After:  []byte(`{"declared_trigger":"cron \"0 3 * * *\" Europe/Berlin"}`),
		},
		{
			Time: ago(50 * time.Hour), Action: task.OverrideYielded, TaskID: id, TaskName: "backup", Actor: "program revision 8",
			Reason: "the declared trigger changed",
			Before: []byte(`{"override":{"actor":"ann@desk","trigger":"every 10m"},"trigger":"every 10m"}`),
			After:  []byte(`{"trigger":"cron \"0 3 * * *\" Europe/Berlin"}`),
		},
		{
			Time: ago(20 * time.Hour), Action: task.DeclarationRefused, TaskID: id, TaskName: "backup", Actor: "program revision 7",
			Reason: "revision 8 has had the last word",
			Before: []byte(`{"declared_trigger":"cron \"0 3 * * *\" Europe/Berlin"}`),
			After:  []byte(`{"declared_trigger":"every 1h"}`),
		},
		{
			Time: ago(10 * time.Hour), Action: task.RunRequested, TaskID: id, TaskName: "backup", RunID: 3, Actor: "bob@laptop", Peer: "unix socket",
		},
		{
			Time: ago(time.Hour), Action: task.TaskPaused, TaskID: task.IDOf(namespace, "report"), TaskName: "report",
			Actor: "clockd", Reason: "3 runs failed in a row",
			After: []byte(`{"pause":{"actor":"clockd","reason":"3 runs failed in a row"}}`),
		},
	}
}

// SampleDiffs returns what every config file changes here: a trigger, whose override yields; a task that is new,
// one that is gone, and one that has another name.
func SampleDiffs() []task.TaskDiff {
	return []task.TaskDiff{
		{
			TaskName: "backup", Action: task.DeclarationChanged,
			Before: []byte(`{"declared_trigger":"cron \"0 3 * * *\" Europe/Berlin","trigger":"cron \"0 3 * * *\" Europe/Berlin"}`),
			After:  []byte(`{"declared_trigger":"every 1h","trigger":"every 1h"}`),
		},
		{
			TaskName: "cleanup", Action: task.OverrideYielded, Reason: "the declared trigger changed",
			Before: []byte(`{"override":{"actor":"ann@desk","trigger":"every 10m"},"trigger":"every 10m"}`),
			After:  []byte(`{"trigger":"every 2h"}`),
		},
		{
			TaskName: "fresh", Action: task.TaskDeclared,
			After: []byte(`{"declared_trigger":"at 09:30 Europe/Berlin","trigger":"at 09:30 Europe/Berlin"}`),
		},
		{TaskName: "migrate", Action: task.TaskOrphaned, Reason: "the config file no longer declares it"},
		{
			TaskName: "weekly report", Action: task.TaskRenamed,
			Before: []byte(`{"task_name":"report"}`), After: []byte(`{"task_name":"weekly report"}`),
		},
	}
}
