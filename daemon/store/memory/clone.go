package memory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// cloneTask returns a copy of t that shares nothing with it but the Spec, which is never changed in place, with its
// instants as every store keeps them and without LastRun.
func cloneTask(t *task.Task) task.Task {
	c := *t
	c.LastRun = nil
	c.Declaration.Labels = nil
	if len(t.Declaration.Labels) > 0 {
		c.Declaration.Labels = maps.Clone(t.Declaration.Labels)
	}
	c.Declaration.Trigger = cloneTrigger(t.Declaration.Trigger)
	if t.Override != nil {
		o := *t.Override
		o.Trigger = cloneTrigger(o.Trigger)
		o.CreateTime, o.ExpireTime = task.Instant(o.CreateTime), task.Instant(o.ExpireTime)
		c.Override = &o
	}
	c.Pause = clonePause(t.Pause)
	c.OrphanTime = task.Instant(t.OrphanTime)
	c.CreateTime = task.Instant(t.CreateTime)
	c.UpdateTime = task.Instant(t.UpdateTime)
	c.Clock = cloneClock(t.Clock)
	return c
}

func clonePause(p *task.Pause) *task.Pause {
	if p == nil {
		return nil
	}
	c := *p
	c.CreateTime, c.ResumeTime = task.Instant(c.CreateTime), task.Instant(c.ResumeTime)
	return &c
}

func cloneClock(c task.Clock) task.Clock {
	c.NextFireTime = task.Instant(c.NextFireTime)
	c.RecordedTime = task.Instant(c.RecordedTime)
	c.ExcludedTime = task.Instant(c.ExcludedTime)
	c.Progress.Anchor = task.Instant(c.Progress.Anchor)
	c.Progress.LastFire = task.Instant(c.Progress.LastFire)
	c.Progress.LastEnd = task.Instant(c.Progress.LastEnd)
	c.Progress.Fires = cloneSlice(c.Progress.Fires)
	return c
}

func cloneTrigger(t schedule.Trigger) schedule.Trigger {
	t.StartTime, t.EndTime = task.Instant(t.StartTime), task.Instant(t.EndTime)
	t.Exclusions = cloneSlice(t.Exclusions)
	for i, x := range t.Exclusions {
		if w, ok := x.(schedule.Window); ok {
			w.DaysOfWeek = cloneSlice(w.DaysOfWeek)
			t.Exclusions[i] = w
		}
	}
	switch k := t.Kind.(type) {
	case schedule.At:
		k.DaysOfWeek = cloneSlice(k.DaysOfWeek)
		t.Kind = k
	case schedule.Once:
		k.Time = task.Instant(k.Time)
		t.Kind = k
	case schedule.AnyOf:
		k.Triggers = slices.Clone(k.Triggers)
		for i := range k.Triggers {
			k.Triggers[i] = cloneTrigger(k.Triggers[i])
		}
		t.Kind = k
	}
	return t
}

// cloneRun returns a copy of r that shares nothing with it.
func cloneRun(r *task.Run) task.Run {
	c := *r
	c.ScheduledTime = task.Instant(r.ScheduledTime)
	c.JitteredTime = task.Instant(r.JitteredTime)
	c.NextAttemptTime = task.Instant(r.NextAttemptTime)
	c.StartTime = task.Instant(r.StartTime)
	c.EndTime = task.Instant(r.EndTime)
	c.FirstScheduledTime = task.Instant(r.FirstScheduledTime)
	c.Earlier = cloneSlice(r.Earlier)
	for i := range c.Earlier {
		a := &c.Earlier[i]
		a.StartTime, a.EndTime = task.Instant(a.StartTime), task.Instant(a.EndTime)
	}
	c.Input = cloneJSON(r.Input)
	c.Output = cloneJSON(r.Output)
	return c
}

// cloneEvent returns a copy of e that shares nothing with it.
func cloneEvent(e *task.Event) task.Event {
	c := *e
	c.Time = task.Instant(e.Time)
	c.Before, c.After = cloneJSON(e.Before), cloneJSON(e.After)
	return c
}

// cloneJSON copies JSON. Nothing is not JSON, so an empty slice becomes nil, as it does in a database.
func cloneJSON(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// cloneSlice copies s; an empty slice becomes nil.
func cloneSlice[E any](s []E) []E {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}
