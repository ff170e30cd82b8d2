package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Actor does to tasks what comes into its head, and writes it down.
type Actor struct {
	// Name tells its marks from those of others. Actors that act at the same time have other tasks.
	Name string
	Rand *rand.Rand
	Rec  *Recorder
	// Declared are the names of the tasks that programs declare, Created those that it makes itself.
	Declared, Created []string
	// Spec makes what a created task does.
	Spec func(*rand.Rand) *task.TargetSpec
	// Say is told of everything.
	Say func(format string, args ...any)

	marks atomic.Int64
	// background are calls that wait.
	background sync.WaitGroup
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// Trigger makes a trigger.
func Trigger(r *rand.Rand) schedule.Trigger {
	text := pick(r,
		"every 1s", "every 1s", "every 1300ms immediate", "every 2s", "every 700ms", "every 3s immediate",
		"every 900ms fixed-delay", "every 1s immediate fixed-delay",
		`cron "* * * * * *" UTC`, `cron "*/2 * * * * *" UTC`,
		`any(every 1700ms; cron "*/3 * * * * *" UTC)`, "once",
		"any(every 2s fixed-delay; every 5s)",
	)
	if r.IntN(5) == 0 {
		text += fmt.Sprintf(" max=%d", 1+r.IntN(8))
	}
	if r.IntN(4) == 0 {
		text += " jitter=" + pick(r, "30ms", "700ms", "3s")
	}
	if r.IntN(4) == 0 && text != "once" { // that could be refused
		var windows []string
		from := time.Now().UTC().Truncate(time.Second).Add(time.Duration(r.IntN(8)) * time.Second)
		for i := range 2 {
			from = from.Add(time.Duration(5+i*7) * time.Second)
			windows = append(windows, fmt.Sprintf("window %s-%s UTC", from.Format(time.TimeOnly), from.Add(3*time.Second).Format(time.TimeOnly)))
		}
		text += " exclude(" + strings.Join(windows, "; ") + ")"
	}
	return schedule.MustParse(text)
}

// Policy makes a policy whose history is kept.
func Policy(r *rand.Rand) task.Policy {
	p := task.Policy{
		Overlap:   pick(r, task.OverlapSkip, task.OverlapAllow, task.OverlapQueue, task.OverlapCancel),
		CatchUp:   pick(r, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
		Delivery:  pick(r, task.AtLeastOnce, task.AtLeastOnce, task.AtMostOnce),
		Retention: task.Retention{MaxRuns: 1_000_000},
	}
	if r.IntN(3) == 0 {
		p.CatchUpWindow = pick(r, 6*time.Second, 20*time.Second)
	}
	if r.IntN(2) == 0 {
		p.Retry = task.Retry{MaxAttempts: 2 + r.IntN(3), Backoff: pick(r, 50*time.Millisecond, 400*time.Millisecond), Jitter: pick(r, 0, 0.5)}
	}
	if r.IntN(4) == 0 {
		p.PauseAfterFailures = 1 + r.IntN(3)
	}
	if r.IntN(4) == 0 {
		p.Timeout = pick(r, 150*time.Millisecond, time.Second)
	}
	return p
}

// mark makes a reason that no other operation has.
func (a *Actor) mark() string { return fmt.Sprintf("op %s%d", a.Name, a.marks.Add(1)) }

// Act does something.
func (a *Actor) Act(ctx context.Context, c *client.Client) {
	names := append(append([]string{}, a.Declared...), a.Created...)
	name := pick(a.Rand, names...)
	switch a.Rand.IntN(20) {
	case 0, 1, 2:
		a.run(ctx, c, name)
	case 3:
		a.cancel(ctx, c)
	case 4, 5, 6:
		a.update(ctx, c, name)
	case 7, 8:
		a.Reset(ctx, c, name)
	case 9, 10, 11:
		var resume time.Time
		if a.Rand.IntN(2) == 0 {
			resume = time.Now().Add(time.Duration(1+a.Rand.IntN(6000)) * time.Millisecond)
		}
		a.Pause(ctx, c, name, resume)
	case 12, 13:
		a.Resume(ctx, c, name)
	case 14, 15, 16:
		a.member(ctx, c)
	default:
		a.Read(ctx, c, name)
	}
}

// Wait returns when no call of it waits any more.
func (a *Actor) Wait() { a.background.Wait() }

func (a *Actor) run(ctx context.Context, c *client.Client, name string) {
	a.Run(ctx, c, name, a.Rand.IntN(2) == 0, a.Rand.IntN(4) == 0, a.Rand.IntN(3) == 0)
}

// Run runs a task, perhaps waits for that, perhaps beside others, perhaps asks twice for the same run. It returns at once.
func (a *Actor) Run(ctx context.Context, c *client.Client, name string, wait, allow, twice bool) {
	o := client.RunOptions{Wait: wait, RequestID: uuid.New()}
	if allow {
		policy := task.OverlapAllow
		o.Overlap = &policy
	}
	once := func() {
		done := a.Rec.op(Op{Action: task.RunRequested, Task: name, Allow: allow, Call: o.RequestID})
		run, err := c.RunTask(ctx, task.ByName(name), o)
		done(nil, &run, err)
		a.Say("run %s wait=%t: %d %v", name, o.Wait, run.ID, err)
	}
	a.background.Go(once)
	if twice {
		a.background.Go(once)
	}
}

func (a *Actor) cancel(ctx context.Context, c *client.Client) {
	runs, _, err := c.RunsPage(ctx, client.RunFilter{}, 4, "")
	if err != nil || len(runs) == 0 {
		return
	}
	run := pick(a.Rand, runs...)
	mark := a.mark()
	a.background.Go(func() {
		done := a.Rec.op(Op{Action: task.RunCanceled, Task: run.TaskName, Mark: mark})
		got, err := c.CancelRun(ctx, run.ID, mark)
		done(nil, &got, err)
		a.Say("%s: cancel %s %d: %v %v", mark, run.TaskName, run.ID, got.State, err)
	})
}

func (a *Actor) update(ctx context.Context, c *client.Client, name string) {
	o := client.UpdateOptions{OnDeclaredChange: pick(a.Rand, task.Yield, task.Keep)}
	switch a.Rand.IntN(4) {
	case 0, 1:
		o.ExpireTime = time.Now().Add(time.Duration(1+a.Rand.IntN(6000)) * time.Millisecond)
	case 2:
		o.Etag = pick(a.Rand, "", "", "4711")
	}
	a.Update(ctx, c, name, Trigger(a.Rand), o)
}

// Update puts a trigger in force.
func (a *Actor) Update(ctx context.Context, c *client.Client, name string, t schedule.Trigger, o client.UpdateOptions) {
	o.Reason = a.mark()
	done := a.Rec.op(Op{Action: task.TriggerUpdated, Task: name, Mark: o.Reason})
	u, err := c.UpdateTrigger(ctx, task.ByName(name), t, o)
	done(&u.Task, nil, err)
	a.Say("%s: update %s: %s until %s: %v", o.Reason, name, t, o.ExpireTime.Format("15:04:05.000"), err)
}

// Reset ends an override.
func (a *Actor) Reset(ctx context.Context, c *client.Client, name string) {
	mark := a.mark()
	done := a.Rec.op(Op{Action: task.TriggerReset, Task: name, Mark: mark})
	t, err := c.ResetTrigger(ctx, task.ByName(name), client.EditOptions{Reason: mark})
	done(&t, nil, err)
	a.Say("%s: reset %s: %v", mark, name, err)
}

// Pause pauses a task, until a time or, if that is zero, for good.
func (a *Actor) Pause(ctx context.Context, c *client.Client, name string, resume time.Time) error {
	mark := a.mark()
	done := a.Rec.op(Op{Action: task.TaskPaused, Task: name, Mark: mark, ResumeTime: resume})
	t, err := c.PauseTask(ctx, task.ByName(name), client.PauseOptions{Reason: mark, ResumeTime: resume})
	done(&t, nil, err)
	a.Say("%s: pause %s until %s: %v", mark, name, resume.Format("15:04:05.000"), err)
	return err
}

// Resume ends a pause.
func (a *Actor) Resume(ctx context.Context, c *client.Client, name string) error {
	mark := a.mark()
	done := a.Rec.op(Op{Action: task.TaskResumed, Task: name, Mark: mark})
	t, err := c.ResumeTask(ctx, task.ByName(name), client.EditOptions{Reason: mark})
	done(&t, nil, err)
	a.Say("%s: resume %s: %v", mark, name, err)
	return err
}

// Read reads a task.
func (a *Actor) Read(ctx context.Context, c *client.Client, name string) {
	done := a.Rec.op(Op{Task: name})
	t, err := c.Task(ctx, task.ByName(name))
	done(&t, nil, err)
}

// member makes, changes or deletes a task that lives in the store.
func (a *Actor) member(ctx context.Context, c *client.Client) {
	name, mark := pick(a.Rand, a.Created...), a.mark()
	switch a.Rand.IntN(4) {
	case 0, 1:
		p := Policy(a.Rand)
		d := task.Declaration{Name: name, Trigger: Trigger(a.Rand), Policy: p, Spec: a.Spec(a.Rand), Description: mark}
		done := a.Rec.op(Op{Action: task.TaskCreated, Task: name, Mark: mark})
		t, err := c.CreateTask(ctx, d, client.CreateOptions{Reason: mark})
		done(&t, nil, err)
		a.Say("%s: create %s: %s %+v: %v", mark, name, d.Trigger, p, err)
	case 2:
		d := task.Declaration{Description: mark}
		if a.Rand.IntN(2) == 0 {
			d.Trigger = Trigger(a.Rand)
		}
		done := a.Rec.op(Op{Action: task.TaskUpdated, Task: name, Mark: mark})
		t, err := c.UpdateTask(ctx, task.ByName(name), d, client.UpdateTaskOptions{Reason: mark})
		done(&t, nil, err)
		a.Say("%s: change %s: %s: %v", mark, name, d.Trigger, err)
	default:
		done := a.Rec.op(Op{Action: task.TaskDeleted, Task: name, Mark: mark})
		err := c.DeleteTask(ctx, task.ByName(name), client.EditOptions{Reason: mark})
		done(nil, nil, err)
		a.Say("%s: delete %s: %v", mark, name, err)
	}
}
