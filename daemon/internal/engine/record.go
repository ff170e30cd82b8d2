package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

const (
	// recordBatch is how many reports go into one transaction at most.
	recordBatch = 1000
	// recordGap is how long reports gather after a batch of many. A single one never waits.
	recordGap = 5 * time.Millisecond
	// startDelay is how long a run goes on before its start is written down. Most have ended by then,
	// and need one write instead of two.
	startDelay = 100 * time.Millisecond
	// maxBacklog is how many ended runs may wait to be recorded before those that end next wait too.
	maxBacklog = 20_000
	// lastTries is how long ended runs are kept from being lost by a store that fails while we stop.
	lastTries = 5 * time.Second
	// slack is how much further ahead than ClaimAhead a fire may lie before the clock must have been set back:
	// its claim and its record are read off two clocks that are not asked at the same moment.
	slack = 500 * time.Millisecond
)

// recorder writes down how runs start and end, many at a time.
type recorder struct {
	e    *Engine
	wake chan struct{} // size one
	// until is when run gives up on a store that fails, once it is to end. Zero: not known yet. It is its own.
	until time.Time

	mu    sync.Mutex
	room  sync.Cond // there is room in ends again
	ends  []store.Report
	begun []task.Run               // in the order of their starts
	going map[task.RunID]time.Time // those of begun that have not ended: when they started
	// followed are the ends that came while a later fire waited for its start, and the instants of those.
	followed map[task.RunID]time.Time
}

func newRecorder(e *Engine) *recorder {
	r := &recorder{e: e, wake: make(chan struct{}, 1), going: make(map[task.RunID]time.Time), followed: make(map[task.RunID]time.Time)}
	r.room.L = &r.mu
	return r
}

// started says that a run has begun.
func (r *recorder) started(run task.Run) {
	r.mu.Lock()
	first := len(r.begun) == 0
	r.begun = append(r.begun, run)
	r.going[run.ID] = run.StartTime
	r.mu.Unlock()
	if first {
		poke(r.wake)
	}
}

// ended says that a run has ended. It does not wait; the caller of an attempt then calls pace.
func (r *recorder) ended(reports ...store.Report) {
	r.mu.Lock()
	r.ends = append(r.ends, reports...)
	for _, p := range reports {
		delete(r.going, p.Run.ID)
	}
	r.mu.Unlock()
	poke(r.wake)
}

// follow says before ended that a later fire waits for its start since then; zero: none does.
func (r *recorder) follow(id task.RunID, since time.Time) {
	if since.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followed[id] = since
}

// followedSince returns what follow said.
func (r *recorder) followedSince(id task.RunID) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.followed[id]
}

// pace waits while too many ends wait to be recorded.
func (r *recorder) pace() {
	r.mu.Lock()
	for len(r.ends) > maxBacklog {
		r.room.Wait()
	}
	r.mu.Unlock()
}

// run writes until ctx has ended and nothing is left to write.
func (r *recorder) run(ctx context.Context) {
	for {
		batch, sleep := r.take()
		switch {
		case len(batch) > 0:
			r.write(ctx, batch)
			if len(batch) > 8 && len(batch) < recordBatch {
				wait(ctx, recordGap)
			}
			continue
		case ctx.Err() != nil:
			return
		}
		timer := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take returns what is to be written now, and if that is nothing how long to sleep.
func (r *recorder) take() (batch []store.Report, sleep time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.ends), recordBatch)
	batch = slices.Clone(r.ends[:n])
	r.ends = slices.Delete(r.ends, 0, n)
	r.room.Broadcast()

	sleep = maxSleep
	i := 0
	for ; i < len(r.begun) && len(batch) < recordBatch; i++ {
		run := r.begun[i]
		if _, ok := r.going[run.ID]; !ok {
			continue // it has ended, and its end says when it began
		}
		if age := time.Since(run.StartTime); age >= 0 && age < startDelay {
			sleep = startDelay - age
			break
		}
		delete(r.going, run.ID)
		batch = append(batch, store.Report{Run: run, FromAttempt: run.Attempt})
	}
	r.begun = slices.Delete(r.begun, 0, i)
	return batch, sleep
}

// write writes a batch, however long it takes the store to accept it. Once ctx has ended it tries for
// lastTries more, all batches together.
func (r *recorder) write(ctx context.Context, batch []store.Report) {
	retry := backoff{}
	for {
		late, err := r.e.record(batch)
		switch {
		case err == nil:
			r.e.storeWorks()
			if retry.tries > 0 {
				// A try that failed may have been carried through all the same.
				late = nil
			}
			r.tell(batch, late)
			return
		case !unavailable(err) && len(batch) > 1:
			// A defect. Find out which report it is, so that the others are not lost with it.
			for _, one := range batch {
				r.write(ctx, []store.Report{one})
			}
			return
		case !unavailable(err):
			r.e.log.Error("run not recorded: it will be found unfinished at the next start",
				"run_id", batch[0].Run.ID.String(), "task_id", batch[0].Run.TaskID, "error", err)
			r.tell(batch, []task.RunID{batch[0].Run.ID})
			return
		}
		r.e.storeFailed("recording runs", err)
		if ctx.Err() != nil {
			if r.until.IsZero() {
				r.until = time.Now().Add(lastTries)
			}
			if time.Now().After(r.until) {
				r.e.log.Error("runs not recorded: they will be found unfinished at the next start",
					"runs", len(batch), "error", err)
				return
			}
		}
		wait(context.WithoutCancel(ctx), retry.next())
	}
}

// tell wakes those who wait for these runs. What is late is not what they wait for: they get a run that
// has not ended, and have to look for themselves.
func (r *recorder) tell(batch []store.Report, late []task.RunID) {
	r.mu.Lock()
	for i := range batch {
		delete(r.followed, batch[i].Run.ID)
	}
	r.mu.Unlock()
	for _, id := range late {
		r.e.log.Warn("late report changes nothing", "run_id", id.String())
	}
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	for _, p := range batch {
		if !p.Run.State.Ended() {
			continue
		}
		run := p.Run
		if slices.Contains(late, run.ID) {
			run = task.Run{}
		}
		for _, c := range r.e.waiters[p.Run.ID] {
			c <- run // has room for one
		}
		delete(r.e.waiters, p.Run.ID)
	}
}

// record writes reports and wakes the claim loop for what fires next because of them.
func (e *Engine) record(batch []store.Report) ([]task.RunID, error) {
	var next time.Time
	var said notices
	// What is to be recorded must be, whoever has stopped waiting.
	late, err := e.store.Record(context.Background(), batch, func(_ time.Time, d store.Due, ended task.Run) store.Decision {
		decision := store.Decision{Clock: d.Clock, State: d.State}
		en := e.tasks[d.ID]
		if en == nil {
			return decision
		}
		c, err := e.compiled(en, d)
		if err != nil {
			return e.parked(en, decision, err, e.now(), &said)
		}
		end := ended.EndTime
		if last := d.Clock.Progress.LastFire; end.Before(last) && e.over(&ended, last) {
			end = last // or what follows it would wait for ever
		}
		if since := e.rec.followedSince(ended.ID); !since.IsZero() {
			end = followedEnd(since)
		}
		decision.Clock, decision.State = reconcile.Ended(c, d.Clock, d.State, end)
		if err := c.Err(); err != nil {
			return e.parked(en, decision, err, e.now(), &said)
		}
		if t := decision.Clock.NextFireTime; !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
		return decision
	})
	if err == nil {
		said.write()
	}
	if err == nil && !next.IsZero() {
		e.alarm.set(next.Add(-e.lead()))
	}
	return late, err
}

// followedEnd is the end of a run, for the trigger, if a later fire already waited for its start when it came:
// just before that fire, so that what follows runs waits for the run of that one, and goes on without it
// if it is taken back.
func followedEnd(fire time.Time) time.Time { return fire.Add(-time.Microsecond) }

// over reports whether the run of the last fire of a task is over with the end of this run, though the end
// lies before the fire.
func (e *Engine) over(ended *task.Run, lastFire time.Time) bool {
	if ended.Cause == task.ByFire && ended.ScheduledTime.Equal(lastFire) {
		return true // it was canceled or lost ahead of its instant, or the clock was set back
	}
	// The fire was skipped because of this run, and the clock was set back: no fire is claimed so far ahead.
	return lastFire.After(ended.EndTime.Add(e.cfg.ClaimAhead + slack))
}
