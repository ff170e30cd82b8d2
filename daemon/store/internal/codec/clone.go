package codec

import (
	"bytes"
	"slices"

	"github.com/clockd/clockd/daemon/task"
)

// CloneClock returns a copy of c that shares nothing with it, as reading it back will give.
func CloneClock(c task.Clock) task.Clock {
	p := &c.Progress
	c.NextFireTime, c.RecordedTime = task.Instant(c.NextFireTime), task.Instant(c.RecordedTime)
	c.ExcludedTime = task.Instant(c.ExcludedTime)
	p.Anchor, p.LastFire, p.LastEnd = task.Instant(p.Anchor), task.Instant(p.LastFire), task.Instant(p.LastEnd)
	if p.Fires = slices.Clone(p.Fires); len(p.Fires) == 0 {
		p.Fires = nil
	}
	return c
}

// CloneRun returns a copy of r that shares nothing with it, as reading it back will give.
func CloneRun(r *task.Run) task.Run {
	c := *r
	c.ScheduledTime, c.JitteredTime = task.Instant(c.ScheduledTime), task.Instant(c.JitteredTime)
	c.NextAttemptTime = task.Instant(c.NextAttemptTime)
	c.FirstScheduledTime = task.Instant(c.FirstScheduledTime)
	c.StartTime, c.EndTime = task.Instant(c.StartTime), task.Instant(c.EndTime)
	c.Earlier = nil
	for _, a := range r.Earlier {
		a.StartTime, a.EndTime = task.Instant(a.StartTime), task.Instant(a.EndTime)
		c.Earlier = append(c.Earlier, a)
	}
	c.Input, c.Output = bytes.Clone(Present(r.Input)), bytes.Clone(Present(r.Output))
	return c
}

// Present returns b, or nil if it is empty: a store knows no difference.
func Present(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
