package engine

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// failed reports whether a run ended as one that did not do what it was there for.
func failed(s task.RunState) bool { return s == task.Failed || s == task.TimedOut || s == task.Lost }

// again lets a run whose attempt has failed wait for the next, if its task asks for one, and records that. It needs
// mu. The run goes on being one that is going, with its place; what waits for its end hears nothing.
func (e *Engine) again(a *active, l *lane) bool {
	retry := a.entry.policy().Retry
	made := 1
	for _, o := range a.run.Earlier {
		if o.State != task.Lost {
			made++
		}
	}
	if a.run.State != task.Failed && a.run.State != task.TimedOut || made >= retry.MaxAttempts || e.tasks.get(l.id) == nil {
		return false
	}
	run := a.run
	run.Earlier = earlier(run.Earlier, task.Attempt{
		Number: run.Attempt, StartTime: run.StartTime, EndTime: run.EndTime, State: run.State, Error: run.Error,
	})
	run.NextAttemptTime = task.Instant(run.EndTime.Add(retry.Wait(made, chance(run.ID, run.Attempt))))
	run.TaskID = l.id
	run.State, run.StartTime, run.EndTime, run.Output, run.Error = task.Scheduled, time.Time{}, time.Time{}, nil, ""
	from := run.Attempt
	run.Attempt++
	// told: its attempt is recorded before it begins, or a process that dies while its store fails leaves no word of it.
	p := &pending{run: run, at: run.NextAttemptTime, begun: true, placed: true, told: true, group: a.group, gap: a.gap}
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

// maxEarlier is how many bytes the errors of all earlier attempts of a run may take up together: the run is written
// anew with each attempt, and shown wherever its task is.
const maxEarlier = 32 << 10

// earlier adds an attempt to those before it. Beyond maxEarlier the errors of the oldest are dropped.
func earlier(before []task.Attempt, a task.Attempt) []task.Attempt {
	all := append(slices.Clip(before), a)
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
