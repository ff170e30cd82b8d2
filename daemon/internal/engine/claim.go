package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// maxSleep is how long a loop sleeps before it looks at the wall clock again: a timer runs on the
// monotonic clock, which does not see that the machine slept or that its clock was set.
const maxSleep = time.Second

// firstBatch is how many tasks the first claim takes; each claim after it takes twice as many, up to ClaimBatch.
const firstBatch = 50

// claim claims what is due, ahead of its instant, until ctx ends.
func (e *Engine) claim(ctx context.Context) {
	retry := backoff{}
	wall := newWallWatch(e.cfg.Now)
	var rush crowd
	// What is late at the start does not wait for the claim of all that is.
	batch := min(firstBatch, e.cfg.ClaimBatch)
	for ctx.Err() == nil {
		e.noteStep(wall.step())
		e.rec.keepUp(ctx)
		claimed, err := e.claimOnce(ctx, batch)
		batch = min(2*batch, e.cfg.ClaimBatch)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.storeFailed("claiming what is due", err)
			wait(ctx, retry.next())
			continue
		}
		retry = backoff{}
		e.storeWorks()
		if instant, tasks := rush.saw(claimed.Fires, e.now()); tasks > 0 {
			e.log.Warn("very many tasks fire at the same instant: jitter in their triggers spreads them, and start_rate bounds how fast they start",
				"instant", instant, "tasks_at_least", tasks)
		}
		if next := claimed.NextFireTime; !next.IsZero() {
			e.alarm.set(next.Add(-e.lead()))
		}
		if e.node != nil {
			if e.untilDue(ctx, &claimed) && e.node.others.Load() > 0 {
				batch = min(firstBatch, e.cfg.ClaimBatch) // those who wake up at the same moment get their part
			}
			continue
		}
		for !e.alarm.wait(ctx) {
			e.noteStep(wall.step())
		}
	}
}

// lead is how long before a fire the loop wakes up to claim it. Three quarters of ClaimAhead are left for a
// transaction that meets a slow disk; the last quarter gathers fires, so that they share one.
func (e *Engine) lead() time.Duration { return e.cfg.ClaimAhead * 3 / 4 }

// claimOnce claims one batch and puts it into the queue.
func (e *Engine) claimOnce(ctx context.Context, batch int) (store.Claimed, error) {
	e.gate.Lock()
	if e.node != nil && !e.resolveGated(ctx) {
		e.gate.Unlock()
		return store.Claimed{}, fmt.Errorf("%w: what this node has in hand can not be read", task.ErrUnavailable)
	}
	// What an edit or a recorded end asks for from here on is seen by this claim or kept for the next.
	e.alarm.clear()
	var said notices
	var passed []task.Run
	fixed := make(map[uuid.UUID]bool) // tasks of which something is recorded that has ended, and not come
	claimed, err := e.store.Claim(ctx, store.ClaimRequest{Ahead: e.cfg.ClaimAhead, Limit: batch, Except: e.except()},
		func(now time.Time, d store.Due) store.Decision {
			decision := e.decide(now, d, &said)
			for i := range decision.Record {
				if r := &decision.Record[i]; r.State.Ended() && r.ScheduledTime.After(now) {
					fixed[d.ID] = true
				}
				if e.cfg.Meter != nil || decision.Record[i].State.Ended() {
					passed = append(passed, decision.Record[i])
				}
			}
			return decision
		})
	if err == nil {
		fires := make([]*pending, len(claimed.Fires))
		for i, f := range claimed.Fires {
			p := &pending{run: f.Run, at: f.Run.DueTime(), before: clockBefore(&f, claimed.Now)}
			if fixed[f.Run.TaskID] {
				p.before = nil
			}
			if en := e.tasks.get(f.Run.TaskID); en != nil && en.policy().CatchUp == task.CatchUpAll {
				p.caughtUp = p.at.Before(claimed.Now.Add(-reconcile.Grace))
			}
			fires[i] = p
		}
		e.arm(fires...)
		e.recorded(passed)
		said.write()
	}
	e.gate.Unlock()
	for _, id := range claimed.Rejected {
		e.park(ctx, id, "its trigger went backwards: the next fire was not after the last")
	}
	return claimed, err
}

// clockBefore is the clock to which that of a task goes back if a fire is taken back. Nil: it can not. What was recorded
// with the fire has ended, and stays: a watch that is away would not learn that it is gone.
func clockBefore(f *store.Fire, now time.Time) *task.Clock {
	if len(f.Beside) > 0 && !f.Run.ScheduledTime.After(now) {
		return nil // it lies among what stays
	}
	return &f.Before
}

// decide says what becomes of a task that is due.
func (e *Engine) decide(now time.Time, d store.Due, said *notices) store.Decision {
	en := e.tasks.get(d.ID)
	if e.node != nil {
		if en = e.ours(d); en == nil {
			return store.Decision{Leave: true}
		}
	}
	clock := d.Clock
	clock.NextFireTime = time.Time{}
	if en == nil {
		// Whoever declared it was here after we looked for orphans; it is theirs to run.
		return store.Decision{Clock: clock, State: task.Orphaned}
	}
	c, err := e.inForce(en, d)
	if err != nil {
		return e.parked(en, store.Decision{Clock: clock}, err, now, said)
	}
	records, clock, state := reconcile.Fired(d.ID, c, d.Clock, now)
	decision := store.Decision{Record: records, Clock: clock, State: state}
	if err := c.Err(); err != nil {
		// What was due runs; what comes after it is not known.
		return e.parked(en, decision, err, now, said)
	}
	return decision
}

// parked is a decision that also pauses the task, because its trigger can not be used any longer.
func (e *Engine) parked(en *entry, d store.Decision, why error, now time.Time, said *notices) store.Decision {
	d.Clock.NextFireTime = time.Time{}
	if d.State == task.Paused || d.State == task.Orphaned {
		return d // it does not fire already, and somebody else's reason stays
	}
	said.parked(e, en, why)
	d.State, d.Pause = task.Paused, reconcile.Parked(why, now)
	d.Audit = append(d.Audit, reconcile.Paused(en.id, en.name, d.Pause, now))
	return d
}

// parkedEvents tell of a task that has been parked.
func parkedEvents(t *task.Task, now time.Time) []task.Event {
	return []task.Event{reconcile.Paused(t.ID, t.Declaration.Name, t.Pause, now)}
}

// notices are lines of the log about what was decided in a transaction. They are written once it stands.
type notices []func()

func (n *notices) parked(e *Engine, en *entry, why error) {
	*n = append(*n, func() { e.log.Error("task parked", "task_name", en.name, "reason", why.Error()) })
}

func (n notices) write() {
	for _, say := range n {
		say()
	}
}

// park pauses a task that the engine can not go on with.
func (e *Engine) park(ctx context.Context, id uuid.UUID, why string) {
	e.log.Error("task parked", "task_id", id, "reason", why)
	_, err := e.store.Update(ctx, []uuid.UUID{id}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
		if stored == nil {
			return store.Change{}, nil
		}
		o, err := e.rules.Load().Pause(*stored, task.PauseChange{Edit: task.Edit{Actor: reconcile.Self, Reason: why}}, e.now())
		return store.Change{Task: &o.Task, Record: o.Record, Audit: o.Audit}, err
	})
	if err != nil {
		e.log.Error("parking failed", "task_id", id, "error", err)
	}
}

// alarm is when the claim loop wakes up. Whoever makes something due earlier sets it.
type alarm struct {
	now func() time.Time
	mu  sync.Mutex
	at  time.Time // zero: not set
	c   chan struct{}
}

// set makes the loop wake up at t or earlier.
func (a *alarm) set(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.IsZero() && !t.Before(a.at) {
		return
	}
	a.at = t
	poke(a.c)
}

func (a *alarm) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
}

// time is when it goes off. Zero: it is not set.
func (a *alarm) time() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at
}

// wait returns when the alarm goes off or ctx ends, and says so; or after a while, to look at the clock.
func (a *alarm) wait(ctx context.Context) (rang bool) {
	a.mu.Lock()
	at := a.at
	a.mu.Unlock()
	sleep := maxSleep
	if !at.IsZero() {
		if sleep = min(sleep, at.Sub(a.now())); sleep <= 0 {
			return true
		}
	}
	timer := time.NewTimer(sleep)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-a.c:
	case <-timer.C:
	}
	return false
}

// backoff is a growing pause between tries.
type backoff struct{ tries int }

func (b *backoff) next() time.Duration {
	d := min(100*time.Millisecond<<b.tries, 5*time.Second)
	b.tries = min(b.tries+1, 10)
	return d
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// unavailable reports whether an error says that nothing was changed and that trying again may help.
func unavailable(err error) bool { return errors.Is(err, task.ErrUnavailable) }
