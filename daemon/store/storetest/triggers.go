package storetest

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// exclusions are one of each kind, with all that they can say.
func exclusions() []schedule.Exclusion {
	return []schedule.Exclusion{
		schedule.Dates{First: schedule.Date{Year: 2026, Month: 12, Day: 24}, Last: schedule.Date{Year: 2027, Month: 1, Day: 6}, TimeZone: "Europe/Berlin"},
		schedule.Window{
			From: schedule.TimeOfDay{Hour: 22, Minute: 30, Second: 1}, Until: schedule.TimeOfDay{Hour: 6},
			DaysOfWeek: []time.Weekday{time.Monday, time.Friday}, TimeZone: "America/New_York",
		},
		schedule.Window{Until: schedule.TimeOfDay{Hour: 24}, DaysOfWeek: []time.Weekday{time.Sunday}, TimeZone: "UTC"},
		schedule.Cron{Expression: "* 12 * * *", TimeZone: "UTC"},
		schedule.Calendar{Name: "no.such-calendar_1"},
	}
}

// A store keeps triggers that only some programs can carry out: it knows no calendar and no custom kind.
var triggerCases = []testCase{
	{"triggers survive whatever they name", func(f *fixture) {
		every := schedule.Every{Interval: time.Hour}
		tide := schedule.Custom{TypeURL: "type.googleapis.com/acme.v1.Tide", Value: "\x00\xff\"\n; )"}
		for i, trigger := range []schedule.Trigger{
			{Kind: every, Jitter: 30 * time.Second},
			{Kind: every, Jitter: time.Microsecond},
			{Kind: every, Exclusions: exclusions()},
			{Kind: every, Exclusions: exclusions()[4:]},
			{Kind: tide},
			{Kind: schedule.Custom{TypeURL: "example.com/a/b/acme.v1.Tide"}},
			{
				Kind: tide, MaxFires: 7, StartTime: base, EndTime: base.AddDate(9, 0, 0),
				Jitter: 90*time.Second + time.Microsecond, Exclusions: exclusions(),
			},
			{
				Kind: schedule.AnyOf{Triggers: []schedule.Trigger{
					{Kind: tide, MaxFires: 3, Exclusions: exclusions()[:2]},
					{Kind: every, Exclusions: exclusions()[3:]},
				}},
				Jitter: time.Minute, Exclusions: exclusions()[1:3],
			},
		} {
			name := fmt.Sprint("t", i)
			want := newTask(name, past(time.Duration(i)))
			want.Clock.NextFireTime = past(time.Duration(i) * time.Microsecond)
			want.Declaration.Trigger = trigger
			want.Override = &task.Override{Trigger: trigger, Actor: "ann", CreateTime: base}
			f.equal(want, f.change(name, store.Change{Task: &want}).Task)
			f.equal(want, f.task(name))
			claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
				loaded, err := d.Load()
				f.ok(err)
				f.equal(want, loaded)
				return advance(future(0))(now, d)
			})
			f.ok(err)
			f.equal([]string{name}, fired(claimed))
		}
	}},
	{"callers do not share the exclusions of a trigger with the store", func(f *fixture) {
		in := newTask("a", future(0))
		in.Declaration.Trigger.Exclusions = exclusions()
		in.Override = &task.Override{Trigger: schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{
			{Kind: schedule.Every{Interval: time.Hour}, Exclusions: exclusions()},
		}}}}
		updated := f.change("a", store.Change{Task: &in})
		want := f.task("a")
		f.equal(exclusions(), want.Declaration.Trigger.Exclusions)
		read := f.task("a")
		for _, t := range []*task.Task{&in, &updated.Task, &read} {
			spoilTask(t)
			f.equal(want, f.task("a"))
		}
		spoilInFunctions(f)
		f.equal(want, f.task("a"))
	}},
	{"what is excluded is recorded like every other run", func(f *fixture) {
		f.create(newTask("a", past(0)))
		excluded := task.Run{
			TaskID: idOf("a"), TaskName: "a", State: task.Skipped, Reason: task.ReasonExcluded, Cause: task.ByFire,
			FirstScheduledTime: past(-time.Hour), ScheduledTime: past(-time.Minute), EndTime: past(0), Fires: 1 << 40,
		}
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
			decision := advance(future(0))(now, d)
			decision.Record = append([]task.Run{excluded}, decision.Record...)
			return decision
		})
		f.ok(err)
		f.equal([]task.RunID{2}, idsOf([]task.Run{claimed.Fires[0].Run}))
		excluded.ID = 1
		f.equal(excluded, f.run(1))
		f.equal([]task.Run{excluded}, f.allRuns(task.RunQuery{TaskID: idOf("a"), States: []task.RunState{task.Skipped}, Limit: 9}))
	}},
}
