package engine

import (
	"time"

	"github.com/clockd/clockd/daemon/store"
)

const (
	// crowded is how many tasks that fire at the same instant are worth a warning: more than a machine starts in
	// the blink of an eye.
	crowded = 2000
	// crowdGap is how long no second warning follows the first.
	crowdGap = time.Hour
)

// crowd notices that very many tasks share an instant, which is seldom meant: midnight, the full hour. It belongs to
// the claim loop.
type crowd struct {
	instant time.Time
	tasks   int
	warned  time.Time
}

// saw takes note of the fires of a claim, and returns an instant and how many share it, if that is news.
func (c *crowd) saw(fires []store.Fire, now time.Time) (instant time.Time, tasks int) {
	for i := range fires {
		if at := fires[i].Run.DueTime(); !at.Equal(c.instant) {
			c.instant, c.tasks = at, 0
		}
		c.tasks++
		if c.tasks == crowded && now.Sub(c.warned) >= crowdGap {
			c.warned = now
			return c.instant, c.tasks
		}
	}
	return time.Time{}, 0
}
