package engine

import "time"

// minStep is the least step of the machine's clock that is worth a word: corrections of the usual kind are
// far below.
const minStep = 500 * time.Millisecond

// wallWatch notices that the wall clock was set, or that the machine slept: then it and the monotonic clock
// have not gone on by the same. What fires next needs no help with that, because loops look at the wall clock
// at least every maxSleep.
//
// A step forward makes instants late, and the catch-up policy of each task says what becomes of them, as
// after any time in which nobody was there. A step back brings instants again that are recorded already: a
// task does not fire again before the wall clock has passed the last of them.
type wallWatch struct {
	now  func() time.Time
	wall time.Time
	mono time.Time
}

func newWallWatch(now func() time.Time) *wallWatch {
	return &wallWatch{now: now, wall: now().Round(0), mono: time.Now()}
}

// step returns by how much the wall clock was set since it was last asked; zero: not worth a word.
func (w *wallWatch) step() time.Duration {
	wall, mono := w.now().Round(0), time.Now() // Round takes the monotonic reading away
	step := wall.Sub(w.wall) - mono.Sub(w.mono)
	w.wall, w.mono = wall, mono
	if step.Abs() < minStep {
		return 0
	}
	return step
}

// noteStep says that the wall clock was set.
func (e *Engine) noteStep(step time.Duration) {
	switch {
	case step > 0:
		e.log.Warn("the clock went forward, or the machine slept: what was due meanwhile is caught up with", "step", step)
	case step < 0:
		e.log.Warn("the clock went back: tasks wait until it has passed the instants that are recorded", "step", step)
	}
}
