package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
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
	// maxAhead is how many may before no more fires are claimed.
	maxAhead = 4 * recordBatch
	// lastTries is how long ended runs are kept from being lost by a store that fails while we stop.
	lastTries = 5 * time.Second
	// slack is how much further ahead than ClaimAhead a fire may lie before the clock must have been set back:
	// its claim and its record are read off two clocks that are not asked at the same moment.
	slack = 500 * time.Millisecond
)

// recorder writes down how runs start, wait and end, many at a time.
type recorder struct {
	e    *Engine
	wake chan struct{} // size one
	// until is when run gives up on a store that fails, once it is to end. Zero: not known yet. It is its own.
	until time.Time

	mu    sync.Mutex
	room  sync.Cond // there is room in ends again
	ends  []store.Report
	begun []task.Run         // in the order of their starts
	going map[task.RunID]int // those of begun that have not ended: the attempt that they are at
	// waiting are runs whose instants have come and that wait, in the order in which they began to; waits says
	// what is known of each.
	waiting []task.RunID
	waits   map[task.RunID]*waits
	// begins are the attempts that wait until their start is recorded.
	begins map[task.RunID]chan bool
	// of says what to know when an end is recorded.
	of map[task.RunID]*ending
	// writing are the runs of the batch that is being written.
	writing []store.Report
	// deaf says that the node was given up: what is said counts for nothing. era counts how often that was so, and
	// dropped is closed when it is the next time. busy is held while the store is asked.
	deaf    bool
	era     int
	dropped chan struct{}
	busy    sync.Mutex
}

// waits is a run that waits outside the queue.
type waits struct {
	run   task.Run
	since time.Time
	// fresh says that it is yet to be written, told that it was handed to the store at least once.
	fresh, told bool
}

// ending is what to know when the end of a run is recorded.
type ending struct {
	// follows is the instant of a later fire that waits for its start. Zero: none does.
	follows time.Time
	// only says that the trigger is not to hear of it: it may only pause the task.
	only bool
	// uncounts says that it was a fire that does not count as one.
	uncounts bool
	// lane waits until it is recorded. Nil: none does.
	lane *lane
}

func newRecorder(e *Engine) *recorder {
	r := &recorder{
		e: e, wake: make(chan struct{}, 1), going: make(map[task.RunID]int), waits: make(map[task.RunID]*waits),
		begins: make(map[task.RunID]chan bool), of: make(map[task.RunID]*ending), dropped: make(chan struct{}),
	}
	r.room.L = &r.mu
	return r
}

// started says that a run has begun.
func (r *recorder) started(run task.Run) {
	r.mu.Lock()
	if r.deaf {
		r.mu.Unlock()
		return
	}
	first := len(r.begun) == 0
	r.begun = append(r.begun, run)
	r.going[run.ID] = run.Attempt
	r.mu.Unlock()
	if first {
		poke(r.wake)
	}
}

// begin records that a run that has waited begins, and returns when that is written: in the store a run that waits
// has not been started. It reports whether the run is still there; the error is that of ctx.
func (r *recorder) begin(ctx context.Context, run task.Run) (there bool, err error) {
	written := make(chan bool, 1)
	r.mu.Lock()
	if !r.deaf {
		r.begins[run.ID] = written
		r.ends = append(r.ends, store.Report{Run: run, FromAttempt: run.Attempt})
	}
	r.mu.Unlock()
	poke(r.wake)
	select {
	case there = <-written:
		return there, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// shelved says that a run waits, or waits for something else.
func (r *recorder) shelved(run task.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		return
	}
	w := r.waits[run.ID]
	if w == nil {
		w = &waits{}
		r.waits[run.ID] = w
	}
	w.run = run
	if !w.fresh {
		w.fresh, w.since = true, time.Now()
		if r.waiting = append(r.waiting, run.ID); len(r.waiting) == 1 {
			poke(r.wake)
		}
	}
}

// hasWaited says that a run waits no longer, and reports whether the store may know that it did.
func (r *recorder) hasWaited(id task.RunID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waits[id]
	delete(r.waits, id)
	return w != nil && w.told
}

// ended says that a run has ended, or its attempt. It does not wait; the caller of an attempt then calls pace.
func (r *recorder) ended(reports ...store.Report) {
	r.mu.Lock()
	if r.deaf {
		r.mu.Unlock()
		return
	}
	r.ends = append(r.ends, reports...)
	for _, p := range reports {
		delete(r.going, p.Run.ID)
		delete(r.waits, p.Run.ID)
	}
	r.mu.Unlock()
	poke(r.wake)
}

// about returns what is to be known of an end. It needs mu.
func (r *recorder) about(id task.RunID) *ending {
	if r.of[id] == nil {
		r.of[id] = &ending{}
	}
	return r.of[id]
}

// follow says before ended that a later fire waits for its start since then; zero: none does.
func (r *recorder) follow(id task.RunID, since time.Time) {
	if since.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.about(id).follows = since
}

// only says before ended that the trigger is not to hear of it.
func (r *recorder) only(id task.RunID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.about(id).only = true
}

// told takes only back.
func (r *recorder) told(id task.RunID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.of[id]; of != nil {
		of.only = false
	}
}

// uncounts says before ended that it was a fire that does not count as one.
func (r *recorder) uncounts(id task.RunID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.about(id).uncounts = true
}

// settles says before ended that a lane waits until it is recorded.
func (r *recorder) settles(id task.RunID, l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.about(id).lane = l
}

// ending returns what was said of an end.
func (r *recorder) ending(id task.RunID) ending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.of[id]; e != nil {
		return *e
	}
	return ending{}
}

// pace waits while too many ends wait to be recorded.
func (r *recorder) pace() {
	r.mu.Lock()
	for len(r.ends) > maxBacklog {
		r.room.Wait()
	}
	r.mu.Unlock()
}

// keepUp waits while so many ends wait to be recorded that more fires would only wait behind them, or until ctx ends.
func (r *recorder) keepUp(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) <= maxAhead {
		return
	}
	defer context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.room.Broadcast()
	})()
	for len(r.ends) > maxAhead && ctx.Err() == nil {
		r.room.Wait()
	}
}

// run writes until ctx has ended and nothing is left to write.
func (r *recorder) run(ctx context.Context) {
	for {
		batch, era, sleep := r.take()
		switch {
		case len(batch) > 0:
			r.write(ctx, batch, era)
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
func (r *recorder) take() (batch []store.Report, era int, sleep time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.writing = batch }()
	n := min(len(r.ends), recordBatch)
	batch = r.ends[:n:n]
	r.ends = r.ends[n:]
	r.room.Broadcast()

	sleep = maxSleep
	i := 0
	for ; i < len(r.begun) && len(batch) < recordBatch; i++ {
		run := r.begun[i]
		if r.going[run.ID] != run.Attempt {
			continue // it has ended, and its end says when it began
		}
		if age := r.e.cfg.Now().Sub(run.StartTime); age >= 0 && age < startDelay {
			sleep = startDelay - age
			break
		}
		delete(r.going, run.ID)
		batch = append(batch, store.Report{Run: run, FromAttempt: run.Attempt})
	}
	r.begun = r.begun[i:]

	for i = 0; i < len(r.waiting) && len(batch) < recordBatch; i++ {
		w := r.waits[r.waiting[i]]
		if w == nil || !w.fresh {
			continue // it waits no longer
		}
		if age := time.Since(w.since); age < startDelay {
			sleep = min(sleep, startDelay-age)
			break
		}
		w.fresh, w.told = false, true
		batch = append(batch, store.Report{Run: w.run, FromAttempt: w.run.Attempt})
	}
	r.waiting = slices.Delete(r.waiting, 0, i)
	return batch, r.era, sleep
}

// write writes a batch, however long it takes the store to accept it. Once ctx has ended it tries for
// lastTries more, all batches together.
func (r *recorder) write(ctx context.Context, batch []store.Report, era int) {
	retry := backoff{}
	for {
		late, paused, over, err := r.try(batch, era)
		switch {
		case over:
			return
		case err == nil:
			r.e.storeWorks()
			if retry.tries > 0 {
				// A try that failed may have been carried through all the same.
				late = nil
			}
			r.tell(batch, late, paused)
			return
		case !unavailable(err) && len(batch) > 1:
			// A defect. Find out which report it is, so that the others are not lost with it.
			for _, one := range batch {
				r.write(ctx, []store.Report{one}, era)
			}
			return
		case !unavailable(err):
			r.e.log.Error("run not recorded: it will be found unfinished at the next start",
				"run_id", batch[0].Run.ID.String(), "task_id", batch[0].Run.TaskID, "error", err)
			r.tell(batch, []task.RunID{batch[0].Run.ID}, nil)
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
		r.rest(retry.next())
	}
}

// tell wakes those who wait for these runs. What is late is not what they wait for: they get a run that
// has not ended, and have to look for themselves. paused are the tasks that were paused because of them.
func (r *recorder) tell(batch []store.Report, late []task.RunID, paused []uuid.UUID) {
	isLate := make(map[task.RunID]bool, len(late))
	for _, id := range late {
		isLate[id] = true
	}
	var lanes []*lane
	r.mu.Lock()
	for i := range batch {
		run := &batch[i].Run
		switch c := r.begins[run.ID]; {
		case c != nil && run.State == task.Running:
			c <- !isLate[run.ID] // has room for one
			delete(r.begins, run.ID)
		case run.State.Ended():
			delete(r.begins, run.ID)
			if of := r.of[run.ID]; of != nil && of.lane != nil {
				lanes = append(lanes, of.lane)
			}
			delete(r.of, run.ID)
		}
	}
	r.mu.Unlock()
	for i := range batch {
		run := &batch[i].Run
		if isLate[run.ID] && run.State != task.Scheduled { // or it was taken back while it waited
			r.e.log.Warn("late report changes nothing", "run_id", run.ID.String())
		}
		if !run.State.Ended() || isLate[run.ID] {
			continue
		}
		r.e.ended(run)
	}
	r.e.mu.Lock()
	for _, p := range batch {
		if !p.Run.State.Ended() {
			continue
		}
		run := p.Run
		if isLate[run.ID] {
			run = task.Run{}
		}
		for _, c := range r.e.waiters[p.Run.ID] {
			c <- run // has room for one
		}
		delete(r.e.waiters, p.Run.ID)
	}
	r.e.mu.Unlock()
	for i := range batch {
		if batch[i].Run.State.Ended() {
			r.e.outputs.Close(batch[i].Run.ID) // after its waiters were told: see FollowRun
		}
	}
	if len(lanes) > 0 || len(paused) > 0 {
		r.e.settled(lanes, paused)
	}
}

// record writes reports and wakes the claim loop for what fires next because of them. It returns which of them
// changed nothing, and the tasks that were paused because of them.
func (e *Engine) record(batch []store.Report) (late []task.RunID, paused []uuid.UUID, err error) {
	var next time.Time
	var said notices
	// What is to be recorded must be, whoever has stopped waiting.
	late, err = e.store.Record(context.Background(), batch, func(_ time.Time, d store.Due, ended task.Run) store.Decision {
		of := e.rec.ending(ended.ID)
		if of.uncounts {
			uncount(&d.Clock, &ended)
		}
		decision := store.Decision{Clock: d.Clock, State: d.State}
		en := e.tasks.get(d.ID)
		if en == nil {
			return decision
		}
		f, err := e.inForce(en, d)
		if err != nil && e.node != nil {
			if t, none := d.Load(); none != nil || e.beyond(&t) {
				return decision
			}
		}
		if err != nil {
			return e.parked(en, decision, err, e.now(), &said)
		}
		if !of.only {
			end := ended.EndTime
			if last := d.Clock.Progress.LastFire; end.Before(last) && e.over(&ended, last) {
				end = last // or what follows it would wait for ever
			}
			if !of.follows.IsZero() {
				end = followedEnd(of.follows)
			}
			decision.Clock, decision.State = reconcile.Ended(f, d.Clock, d.State, end)
			if err := f.Err(); err != nil {
				return e.parked(en, decision, err, e.now(), &said)
			}
		}
		if pauseFailing(d, f, &ended, e.now(), &decision) {
			paused = append(paused, d.ID)
			said = append(said, func() {
				e.log.Warn("task paused after failures", "task_name", en.name, "reason", decision.Pause.Reason)
			})
			return decision
		}
		if t := decision.Clock.NextFireTime; !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
		return decision
	})
	if err != nil {
		return late, nil, err
	}
	said.write()
	if !next.IsZero() {
		e.alarm.set(next.Add(-e.lead()))
	}
	return late, paused, nil
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
