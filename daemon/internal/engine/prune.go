package engine

import (
	"context"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

const (
	// pruneChunk is how many runs one transaction deletes at most, so that no other waits long for it.
	pruneChunk = 500
	// pruneGap is how long the janitor rests between two chunks, so that it never has more than a small part of the store.
	pruneGap = 20 * time.Millisecond
	// pruneRound is how often the janitor looks whether a task has runs that have become too old, or few that are
	// not to be kept. It is no whole minute, at which tasks fire: the store has enough to do then.
	pruneRound = 73*time.Second + 370*time.Millisecond
	// pruneSlack is the least number of runs that a task may have beyond what is kept: to look for them costs as much as
	// to read all that are kept.
	pruneSlack = 8
	// auditAge is how long audit events are kept.
	auditAge = 400 * 24 * time.Hour
)

// janitor deletes the history that no task wants to keep. It remembers, for each task, what the last look found.
type janitor struct {
	mu    sync.Mutex
	tasks map[uuid.UUID]*kept
	due   []uuid.UUID
	wake  chan struct{} // size one
}

// kept is the history of a task, as far as the janitor knows it.
type kept struct {
	// runs is how many that had ended were kept at the last look, and oldest when the oldest of them did. -1: there was
	// no look.
	runs   int64
	oldest time.Time
	// news is how many have ended since.
	news int64
	// queued says that the task is in due.
	queued bool
}

// ended takes note of runs of a task that have ended.
func (j *janitor) ended(id uuid.UUID, n int64, r task.Retention) {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := j.of(id)
	k.news += n
	if !k.queued && k.tooMany(r) {
		j.queue(id, k)
	}
}

func (j *janitor) of(id uuid.UUID) *kept {
	k := j.tasks[id]
	if k == nil {
		k = &kept{runs: -1}
		j.tasks[id] = k
	}
	return k
}

func (j *janitor) queue(id uuid.UUID, k *kept) {
	k.queued = true
	j.due = append(j.due, id)
	poke(j.wake)
}

// tooMany reports whether it is worth while to look at the task at once.
func (k *kept) tooMany(r task.Retention) bool {
	limit := r.MaxRuns
	if limit == 0 {
		limit = task.DefaultMaxRuns
	}
	if r.Keep != task.KeepAll {
		return k.news >= pruneSlack
	}
	return max(k.runs, 0)+k.news > limit+max(limit/4, pruneSlack)
}

// next takes a task out of due.
func (j *janitor) next() (id uuid.UUID, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.due) == 0 {
		return id, false
	}
	id = j.due[0]
	if j.due = j.due[1:]; len(j.due) == 0 {
		j.due = nil
	}
	if k := j.tasks[id]; k != nil {
		k.queued = false
	}
	return id, true
}

// looked takes note of what a look at a task has found.
func (j *janitor) looked(id uuid.UUID, p store.Pruned) {
	j.mu.Lock()
	defer j.mu.Unlock()
	k := j.of(id)
	k.runs, k.oldest, k.news = p.Kept, p.Oldest, 0
	if p.More && !k.queued {
		j.queue(id, k)
	}
}

// forget drops what is known of a task that is gone.
func (j *janitor) forget(id uuid.UUID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.tasks, id)
}

// round queues the tasks that deserve a look now and then.
func (j *janitor) round(now time.Time, retention func(uuid.UUID) (task.Retention, bool)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, k := range j.tasks {
		r, ok := retention(id)
		if !ok {
			delete(j.tasks, id)
			continue
		}
		tooOld := r.MaxAge > 0 && !k.oldest.IsZero() && k.oldest.Add(r.MaxAge+r.MaxAge/16).Before(now)
		few := r.MaxRuns > 0 && r.MaxRuns <= 4*pruneSlack && k.runs+k.news > r.MaxRuns
		if !k.queued && (tooOld || few || k.runs < 0 || k.news > 0 && (r.Keep != task.KeepAll || r.MaxAge > 0)) {
			j.queue(id, k)
		}
	}
}

// tidy prunes histories and old audit events until ctx ends.
func (e *Engine) tidy(ctx context.Context) {
	// Every task deserves a first look: the process before may have left too much.
	for _, en := range e.tasks.all() {
		e.janitor.ended(en.id, 0, en.policy().Retention)
	}
	round := time.NewTicker(pruneRound)
	defer round.Stop()
	for ctx.Err() == nil {
		if id, ok := e.janitor.next(); ok {
			e.prune(ctx, id)
			wait(ctx, pruneGap)
			continue
		}
		select {
		case <-ctx.Done():
		case <-e.janitor.wake:
		case <-round.C:
			e.janitor.round(e.now(), e.retention)
			if e.eldest(ctx) {
				e.sweep(ctx)
			}
		}
	}
}

// retention is that of a task; false: it is not one that this daemon runs.
func (e *Engine) retention(id uuid.UUID) (task.Retention, bool) {
	en := e.tasks.get(id)
	if en == nil {
		return task.Retention{}, false
	}
	return en.policy().Retention, true
}

// prune deletes a chunk of the history of one task.
func (e *Engine) prune(ctx context.Context, id uuid.UUID) {
	r, ok := e.retention(id)
	if !ok {
		e.janitor.forget(id)
		return
	}
	now := e.now()
	p, err := e.store.Prune(ctx, id, pruneChunk, func(run *task.Run, kept int64) bool { return r.Keeps(run, kept, now) })
	switch {
	case err == nil:
		e.janitor.looked(id, p)
	case isNotFound(err):
		e.janitor.forget(id)
	case ctx.Err() == nil && !unavailable(err):
		e.log.Error("history not pruned", "task_id", id, "error", err)
	}
}

// sweep deletes what is left of deleted tasks, and old audit events.
func (e *Engine) sweep(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = e.store.Sweep(ctx, e.now().Add(-auditAge), pruneChunk); err != nil {
			if ctx.Err() == nil && !unavailable(err) {
				e.log.Error("old data not deleted", "error", err)
			}
			return
		}
		wait(ctx, pruneGap)
	}
}
