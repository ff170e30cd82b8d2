package engine

import "github.com/clockd/clockd/daemon/task"

// Meter is told what to count. Its methods must be quick, must not call the engine, and may be called at the same
// time.
type Meter interface {
	// Recorded is told of each run that was recorded, those that never start included.
	Recorded(task.Run)
	// Ended is told of each run whose end was recorded after it was.
	Ended(task.Run)
	// Waiting is told how many runs of a group (empty: of none) wait for a place among the limits (task.ReasonLimit) or for
	// one at a worker (task.ReasonWorker), whenever that changes.
	Waiting(group string, what task.Reason, n int)
	// Running is told how many runs make an attempt, whenever that changes.
	Running(n int)
	// Store is told when the store begins to fail, and when it works.
	Store(ok bool)
}

// recorded tells of runs that a transaction has recorded.
func (e *Engine) recorded(runs []task.Run) {
	for i := range runs {
		if e.cfg.Meter != nil {
			e.cfg.Meter.Recorded(runs[i])
		}
		if runs[i].State.Ended() {
			e.grown(&runs[i])
		}
	}
}

// ended tells of a run whose end a transaction has recorded.
func (e *Engine) ended(run *task.Run) {
	e.grown(run)
	if e.cfg.Meter != nil {
		e.cfg.Meter.Ended(*run)
	}
}

// grown tells the janitor of a run that has ended.
func (e *Engine) grown(run *task.Run) {
	if r, ok := e.retention(run.TaskID); ok {
		e.janitor.ended(run.TaskID, 1, r)
	}
}

// countLine, countHall and countRunning tell of numbers that have changed. They need mu, so that the last word is
// right.
func (e *Engine) countLine(group string) {
	s := &e.places
	n := len(s.lines[group])
	if e.cfg.Meter == nil || s.told[group] == n {
		return // most runs stand in the line for no time
	}
	if s.told[group] = n; n == 0 {
		delete(s.told, group)
	}
	e.cfg.Meter.Waiting(group, task.ReasonLimit, n)
}

func (e *Engine) countHall(group string) {
	if e.cfg.Meter != nil {
		e.cfg.Meter.Waiting(group, task.ReasonWorker, e.hall.waiting[group])
	}
}

func (e *Engine) countRunning() {
	if e.cfg.Meter != nil {
		e.cfg.Meter.Running(len(e.active))
	}
}
