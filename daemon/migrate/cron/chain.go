package cron

import (
	"github.com/clockd/clockd/daemon/task"
)

// JobWrapper gives a job a behaviour. One of your own is called once for each entry, and what it returns is what
// runs.
type JobWrapper func(Job) Job

// Chain is a list of wrappers.
type Chain struct{ wrappers []JobWrapper }

// NewChain returns a Chain of these wrappers, the outermost first.
func NewChain(wrappers ...JobWrapper) Chain { return Chain{wrappers} }

// Then returns the job in its wrappers, for [Cron.AddJob].
func (c Chain) Then(j Job) Job { return c.wrap(j) }

// SkipIfStillRunning makes a run end as skipped if the one before it is still going: the overlap policy SKIP. There
// is no logger: what was skipped is recorded as a run.
func SkipIfStillRunning() JobWrapper { return overlapping(task.OverlapSkip) }

// DelayIfStillRunning makes a run wait until the one before it has ended: the overlap policy QUEUE, by which one
// run waits, and those that come meanwhile are skipped; in the original any number wait. There is no logger: a run
// has both times, the one that it was planned for and the one at which it started.
func DelayIfStillRunning() JobWrapper { return overlapping(task.OverlapQueue) }

// Recover does nothing: a panic never leaves a run. It fails the run, whereas the original logs it and takes the run
// for done.
func Recover() JobWrapper { return func(j Job) Job { return j } }

// wrapped is a job in its wrappers, and what those ask of its task. In another library's hands it just runs.
type wrapped struct {
	Job
	source  Job // what was added, which has the name
	overlap task.Overlap
}

func overlapping(o task.Overlap) JobWrapper {
	return func(j Job) Job { return wrapped{Job: j, source: j, overlap: o} }
}

// wrap puts a job into the wrappers. What those for overlaps ask for is lifted out, and the outermost has the last
// word: it decides before a run comes to those inside. With none of them, runs may overlap.
func (c Chain) wrap(j Job) wrapped {
	w, ok := j.(wrapped)
	if !ok {
		w = wrapped{Job: j, source: j, overlap: task.OverlapAllow}
	}
	for i := len(c.wrappers) - 1; i >= 0; i-- {
		j := c.wrappers[i](w.Job)
		if inner, ok := j.(wrapped); ok {
			w.Job, w.overlap = inner.Job, inner.overlap
			continue
		}
		w.Job = j
	}
	return w
}
