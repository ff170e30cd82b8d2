package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestDeadlineIsTheEarlierOfWhatEndsByItself(t *testing.T) {
	early, late := t0, t0.Add(time.Hour)
	for _, row := range []struct {
		name           string
		expire, resume *time.Time
		want           time.Time
	}{
		{"neither", nil, nil, time.Time{}},
		{"both for ever", &time.Time{}, &time.Time{}, time.Time{}},
		{"an override", &early, nil, early},
		{"a pause", nil, &early, early},
		{"an override for ever", &time.Time{}, &late, late},
		{"a pause for ever", &late, &time.Time{}, late},
		{"the override first", &early, &late, early},
		{"the pause first", &late, &early, early},
	} {
		var tk task.Task
		if row.expire != nil {
			tk.Override = &task.Override{ExpireTime: *row.expire}
		}
		if row.resume != nil {
			tk.Pause = &task.Pause{ResumeTime: *row.resume}
		}
		if got := reconcile.Deadline(&tk); !got.Equal(row.want) {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestWhatEndsByItselfAndCanNotBeUsedPausesTheTask(t *testing.T) {
	with, without := reconcile.Rules{Namespace: "ns", Extensions: holidays(t)}, reconcile.Rules{Namespace: "ns"}
	declared := task.Declaration{Name: "x", Trigger: schedule.MustParse("every 10s exclude(calendar holidays)")}
	o, err := with.Declare(nil, declared, t0)
	if err != nil {
		t.Fatal(err)
	}
	fresh := o.Task

	// The override expires, and the declared trigger lacks its calendar.
	o, err = with.Override(fresh, task.TriggerChange{Trigger: schedule.MustParse("every 1m"), ExpireTime: t0.Add(90 * time.Second)}, t0)
	if err != nil {
		t.Fatal(err)
	}
	expired := without.Elapse(o.Task, t0.Add(time.Hour))
	checkStep(t, &o.Task, &expired.Task, expired.Audit)
	if p := expired.Task.Pause; expired.Task.Override != nil || p == nil || p.Actor != reconcile.Self || !p.CreateTime.Equal(t0.Add(90*time.Second)) ||
		len(expired.Audit) != 2 || expired.Audit[1].Action != task.TaskPaused || len(expired.Record) != 1 || expired.Record[0].State != task.Scheduled {
		t.Errorf("expired: %+v, pause %+v", expired.Audit, p)
	}
	gone := without.Elapse(without.Orphan(o.Task, "gone", t0.Add(time.Second)).Task, t0.Add(time.Hour))
	if gone.Task.Pause != nil || gone.Task.Override != nil || gone.Task.State != task.Orphaned {
		t.Errorf("an orphan whose override expires: pause %+v, state %d", gone.Task.Pause, gone.Task.State)
	}
	// Nothing of what it lacked is lost once it has it.
	resumed, err := with.Resume(expired.Task, task.Edit{}, t0.Add(2*time.Hour))
	if err != nil || len(resumed.Record) != 1 || resumed.Record[0].Fires != (7200-90)/10 {
		t.Errorf("resumed: %v, %+v", err, resumed.Record)
	}

	// The pause ends, and the trigger lacks its calendar.
	o, err = with.Pause(fresh, task.PauseChange{ResumeTime: t0.Add(time.Minute)}, t0)
	if err != nil {
		t.Fatal(err)
	}
	kept := without.Elapse(o.Task, t0.Add(time.Hour))
	checkStep(t, &o.Task, &kept.Task, kept.Audit)
	if p := kept.Task.Pause; p == nil || p.Actor != reconcile.Self || !p.ResumeTime.IsZero() || !strings.Contains(p.Reason, "holidays") ||
		!p.CreateTime.Equal(t0) || len(kept.Audit) != 1 {
		t.Errorf("the pause is %+v", p)
	}

	// Nobody can run an orphan: it is no fault that its calendar is not there.
	o = without.Orphan(o.Task, "gone", t0.Add(time.Second))
	orphan := without.Elapse(o.Task, t0.Add(time.Hour))
	checkStep(t, &o.Task, &orphan.Task, orphan.Audit)
	if orphan.Task.Pause != nil || orphan.Task.State != task.Orphaned {
		t.Errorf("the pause is %+v, state %d", orphan.Task.Pause, orphan.Task.State)
	}
	back, err := with.Declare(&orphan.Task, declared, t0.Add(2*time.Hour))
	if err != nil || back.Task.State != task.Active || len(back.Record) != 1 || back.Record[0].Fires != 720 {
		t.Errorf("back: %v, %+v", err, back.Record)
	}
}

func TestAChangedCalendarIsToldWithTheNextFire(t *testing.T) {
	d := task.Declaration{Name: "x", Trigger: schedule.MustParse("at 12:00 UTC exclude(calendar holidays)")}
	o, err := reconcile.Rules{Extensions: holidays(t)}.Declare(nil, d, t0)
	if err != nil {
		t.Fatal(err)
	}
	o, err = reconcile.Rules{Extensions: holidays(t, "2026-03-01")}.Declare(&o.Task, d, t0)
	const before, after = `{"next_fire_time":"2026-03-01T12:00:00Z"}`, `{"next_fire_time":"2026-03-02T12:00:00Z"}`
	if err != nil || len(o.Audit) != 1 || string(o.Audit[0].Before) != before || string(o.Audit[0].After) != after {
		t.Errorf("%v, %+v", err, o.Audit)
	}
	older := o.Task
	older.Revision = 7
	o, err = reconcile.Rules{Extensions: holidays(t), Revision: 6}.Declare(&older, d, t0)
	if err != nil || o.Changed || len(o.Audit) > 0 {
		t.Errorf("an older program with other calendars changed the task: %v, %+v", err, o.Audit)
	}
}

func TestPauseAfterFailuresTellsWhy(t *testing.T) {
	policy := task.Policy{PauseAfterFailures: 3}
	if p, ok := reconcile.TooManyFailures(policy, 2, t0); ok {
		t.Errorf("2 of 3: %+v", p)
	}
	if p, ok := reconcile.TooManyFailures(task.Policy{}, 1000, t0); ok {
		t.Errorf("never: %+v", p)
	}
	p, ok := reconcile.TooManyFailures(policy, 3, t0)
	if !ok || p.Actor != reconcile.Self || p.Reason != "3 runs failed in a row" || !p.CreateTime.Equal(t0) {
		t.Fatalf("%v, %+v", ok, p)
	}
	e := reconcile.Paused(task.IDOf("ns", "x"), "x", p, t0)
	if got := eventText(&e); got != `PAUSED by clockd (3 runs failed in a row)  -> {"pause":{"actor":"clockd","reason":"3 runs failed in a row"}}` {
		t.Error(got)
	}
	s := &script{t: t, now: t0}
	s.play("0s declare every 10s | 5s pause")
	s.task.FailureCount = 3
	if s.play("5s resume"); s.task.FailureCount != 0 {
		t.Errorf("%d failures are left after a resume", s.task.FailureCount)
	}
	s.play("5s pause resume=1m")
	s.task.FailureCount = 3
	if s.play("60s elapse"); s.task.FailureCount != 0 {
		t.Errorf("%d failures are left after its resume_time", s.task.FailureCount)
	}
}

func TestOnlyCreatedAndOrphanedTasksAreDeleted(t *testing.T) {
	rules := reconcile.Rules{Namespace: "ns"}
	s := &script{t: t, now: t0}
	s.play("0s declare every 10s")
	if _, err := rules.Delete(*s.task, task.Edit{}, s.now); !errors.Is(err, task.ErrDeclared) {
		t.Errorf("declared: %v", err)
	}
	s.play("5s orphan gone")
	if _, err := rules.Delete(*s.task, task.Edit{Etag: "1"}, s.now); !errors.Is(err, task.ErrStale) {
		t.Errorf("stale: %v", err)
	}
	e, err := rules.Delete(*s.task, task.Edit{Actor: "ann"}, s.now)
	if err != nil || e.Action != task.TaskDeleted || e.After != nil || !strings.Contains(string(e.Before), `"declared_trigger":"every 10s"`) {
		t.Errorf("orphaned: %v, %s", err, eventText(&e))
	}
	s = &script{t: t, now: t0}
	s.play("0s create every 10s")
	if _, err := rules.Delete(*s.task, task.Edit{}, s.now); err != nil {
		t.Errorf("created: %v", err)
	}
}

func TestWhatIsWrongWithACreatedTaskIsToldAllAtOnce(t *testing.T) {
	rules := reconcile.Rules{Namespace: "ns"}
	_, err := rules.Create(nil, task.TaskCreate{Declaration: task.Declaration{
		Trigger: schedule.MustParse("once 2020-01-01T00:00:00Z"), Policy: task.Policy{Timeout: -1},
	}}, t0)
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Violations) != 3 {
		t.Fatal(err)
	}
	for i, field := range []string{"name", "policy.timeout", "trigger"} {
		if got := invalid.Violations[i].Field; got != field {
			t.Errorf("violation %d is of %s, want %s", i, got, field)
		}
	}
	s := &script{t: t, now: t0}
	s.play("0s create every 10s")
	before := *s.task
	for _, apply := range []func(*task.Declaration) error{
		func(d *task.Declaration) error { d.Name = "y"; return nil },
		func(d *task.Declaration) error {
			d.Trigger = schedule.MustParse("every 1s until=2020-01-01T00:00:00Z")
			return nil
		},
		func(*task.Declaration) error { return task.Invalid("group", "no") },
	} {
		if _, err := rules.Update(before, task.TaskUpdate{Apply: apply}, t0); !errors.Is(err, task.ErrInvalid) {
			t.Error(err)
		}
	}
}
