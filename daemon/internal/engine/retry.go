package engine

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// failed reports whether a run ended as one that did not do what it was there for.
func failed(s task.RunState) bool { return s == task.Failed || s == task.TimedOut || s == task.Lost }

// again lets a run whose attempt has failed wait for the next, if its task asks for one, or makes the next of one
// whose worker was lost, and records that. It needs mu. The run goes on being one that is going, with its place among the
// limits; what waits for its end hears nothing.
func (e *Engine) again(a *active, l *lane, lost *target.LostError) bool {
	if e.tasks.get(l.id) == nil {
		return false
	}
	run := a.run
	made := task.Attempt{
		Number: run.Attempt, StartTime: run.StartTime, EndTime: run.EndTime, State: run.State, Error: run.Error, Worker: run.Worker,
	}
	var wait time.Duration
	var refusals int
	if lost != nil {
		run.Reason = task.ReasonWorker
		switch {
		case lost.NotStarted:
			made.StartTime = time.Time{}
			refusals = a.refusals + 1
			wait = refusalWait(refusals)
		case a.entry.policy().Delivery == task.AtMostOnce:
			return false
		case losses(run.Earlier)+1 >= maxAttempts:
			a.run.Error = cut(fmt.Sprintf("%s; it was lost %d times, and is not started again", run.Error, maxAttempts), maxError)
			return false
		}
	} else {
		retry := a.entry.policy().Retry
		n := 1
		for _, o := range run.Earlier {
			if o.State != task.Lost {
				n++
			}
		}
		if run.State != task.Failed && run.State != task.TimedOut || n >= retry.MaxAttempts {
			return false
		}
		wait = retry.Wait(n, chance(run.ID, run.Attempt))
	}
	run.Earlier = earlier(run.Earlier, made)
	run.NextAttemptTime = task.Instant(run.EndTime.Add(wait))
	run.TaskID = l.id
	run.State, run.StartTime, run.EndTime, run.Output, run.Error, run.Worker = task.Scheduled, time.Time{}, time.Time{}, nil, "", ""
	from := run.Attempt
	run.Attempt++
	// told: its attempt is recorded before it begins, or a process that dies while its store fails leaves no word of it.
	p := &pending{
		run: run, at: run.NextAttemptTime, begun: true, placed: true, told: true, group: a.group, gap: a.gap,
		seq: a.seq, refusals: refusals,
	}
	if e.leaving {
		// The next process makes it, and sees that this one has not begun it.
		run.Attempt = 0
	} else {
		e.queue.push(p)
		poke(e.wakeUp)
	}
	e.rec.ended(store.Report{Run: run, FromAttempt: from})
	return true
}

// refusalWait is how long to wait after so many workers in a row have not begun what they were given: not at all after
// the first, which may just be on its way out, and then longer and longer.
func refusalWait(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	b := backoff{tries: min(n-2, 10)}
	return b.next()
}

// losses counts the attempts that were lost and may have begun.
func losses(all []task.Attempt) int {
	n := 0
	for i := range all {
		if all[i].State == task.Lost && !refused(&all[i]) {
			n++
		}
	}
	return n
}

// refused reports whether a worker has not begun an attempt that it was given. Of one whose daemon died before its
// start was recorded no worker is known either.
func refused(a *task.Attempt) bool {
	return a.State == task.Lost && a.StartTime.IsZero() && a.Worker != ""
}

// maxRefused is how many attempts that were not begun a run remembers.
const maxRefused = 10

// maxEarlier is how many bytes the errors of all earlier attempts of a run may take up together: the run is written
// anew with each attempt, and shown wherever its task is.
const maxEarlier = 32 << 10

// earlier adds an attempt to those before it. Beyond maxEarlier the errors of the oldest are dropped, and beyond
// maxRefused the oldest that were not begun.
func earlier(before []task.Attempt, a task.Attempt) []task.Attempt {
	all := append(slices.Clip(before), a)
	for i, n := len(all)-1, 0; i >= 0; i-- {
		if refused(&all[i]) {
			if n++; n > maxRefused {
				all = slices.Delete(all, i, i+1)
			}
		}
	}
	left := maxEarlier
	for i := len(all) - 1; i >= 0; i-- {
		if left -= len(all[i].Error); left < 0 {
			all[i].Error = ""
		}
	}
	return all
}

// chance is a number in [0, 1) for an attempt, the same on every node.
func chance(id task.RunID, attempt int) float64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(id))
	binary.BigEndian.PutUint64(b[8:], uint64(attempt))
	_, _ = h.Write(b[:])
	// FNV leaves the high bits of short inputs alike: stir them.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
