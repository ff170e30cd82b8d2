package postgres

import (
	"maps"

	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
)

// cloneTask returns a copy of t, without LastRun, in which a function that was handed in may change what it likes.
func cloneTask(t *task.Task) task.Task {
	c := *t
	c.Declaration.Labels = maps.Clone(t.Declaration.Labels)
	c.Clock = codec.CloneClock(t.Clock)
	if t.Override != nil {
		o := *t.Override
		c.Override = &o
	}
	if t.Pause != nil {
		p := *t.Pause
		c.Pause = &p
	}
	return c
}
