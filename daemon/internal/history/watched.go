package history

import (
	"fmt"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// CaughtUp reports whether each watch has been told of all that is listed.
func (h *History) CaughtUp() bool {
	c := newChecker(h, func(string, string, ...any) {})
	c.watches()
	for _, f := range c.faults {
		if f.Promise == WatchWhole {
			return false
		}
	}
	return true
}

// watches looks whether each reader was told of everything, and of each object in order.
func (c *checker) watches() {
	for name, steps := range c.Watches {
		if strings.HasPrefix(name, "tasks") {
			c.taskWatch(name, steps)
		} else {
			c.runWatch(name, steps)
		}
	}
}

// shown is what a watch must tell of a task.
func shown(t *task.Task) string {
	last := "none"
	if t.LastRun != nil {
		last = fmt.Sprintf("%d %s", t.LastRun.ID, t.LastRun.State)
	}
	return fmt.Sprintf("version %d, state %d, %d fires, next %s, %+v, last run %s", t.Version, t.State, t.Clock.FireCount,
		clock(t.Clock.NextFireTime), t.Counts, last)
}

func (c *checker) taskWatch(name string, steps []Step) {
	is := map[uuid.UUID]*task.Task{}
	synced, telling := false, map[uuid.UUID]bool{} // since a reset
	for i := range steps {
		s := &steps[i]
		if s.Reset {
			synced, telling = false, map[uuid.UUID]bool{}
			for id := range is {
				telling[id] = true
			}
		}
		for k := range s.Tasks {
			t := &s.Tasks[k]
			delete(telling, t.ID)
			old := is[t.ID]
			if old != nil && old.Version > t.Version && !t.CreateTime.After(old.CreateTime) {
				c.fault(WatchOrder, t.Declaration.Name, "%s: step %d tells version %d after version %d", name, i, t.Version, old.Version)
			}
			is[t.ID] = t
		}
		for _, id := range s.Deleted {
			delete(telling, id)
			delete(is, id)
		}
		if s.Synced {
			synced = true
			for id := range telling {
				delete(is, id) // it was not among all that is
			}
			telling = map[uuid.UUID]bool{}
		}
	}
	if !synced {
		c.fault(WatchWhole, "", "%s: it never got to the end of what is", name)
	}
	for i := range c.Tasks {
		t := &c.Tasks[i]
		switch got := is[t.ID]; {
		case got == nil:
			c.fault(WatchWhole, t.Declaration.Name, "%s: it was not told of", name)
		case shown(got) != shown(t) || !same(viewOf(got), viewOf(t)):
			c.fault(WatchWhole, t.Declaration.Name, "%s: it was last told as %s, %v; it is %s, %v", name, shown(got), viewOf(got), shown(t), viewOf(t))
		}
		delete(is, t.ID)
	}
	for _, t := range is {
		c.fault(WatchWhole, t.Declaration.Name, "%s: it was not told that it is gone", name)
	}
}

// stage orders what a run goes through.
func stage(r *task.Run) int {
	n := 3 * len(r.Earlier)
	switch {
	case r.State.Ended():
		return n + 2
	case r.State == task.Running:
		return n + 1
	}
	return n
}

func (c *checker) runWatch(name string, steps []Step) {
	is, gone := map[task.RunID]*task.Run{}, map[task.RunID]bool{}
	synced := false
	var began time.Time // when it was first told all that is
	for i := range steps {
		s := &steps[i]
		if s.Reset {
			synced = false
			for id, r := range is {
				if !r.State.Ended() {
					delete(is, id)
				}
			}
		}
		for k := range s.Runs {
			r := &s.Runs[k]
			old := is[r.ID]
			switch {
			case gone[r.ID]:
				c.fault(WatchOrder, r.TaskName, "%s: step %d tells of a run that was taken back: %s", name, i, Tell(r))
			case old != nil && stage(r) < stage(old):
				c.fault(WatchOrder, r.TaskName, "%s: step %d tells %s after %s", name, i, Tell(r), Tell(old))
			case old != nil && old.State.Ended() && shownRun(old) != shownRun(r):
				c.fault(WatchOrder, r.TaskName, "%s: step %d tells %s after the end, %s", name, i, Tell(r), Tell(old))
			}
			is[r.ID] = r
		}
		for _, id := range s.TakenBack {
			if old := is[id]; old != nil && old.State.Ended() {
				c.fault(WatchOrder, old.TaskName, "%s: step %d takes back what has ended: %s", name, i, Tell(old))
			}
			delete(is, id)
			gone[id] = true
		}
		if s.Synced && began.IsZero() {
			began = s.Time
		}
		synced = synced || s.Synced
	}
	if !synced {
		c.fault(WatchWhole, "", "%s: it never got to the end of what is", name)
	}
	for id, r := range c.runs {
		switch got := is[id]; {
		case got == nil && r.EndTime.Before(began): // it had ended before that
		case got == nil:
			c.fault(WatchWhole, r.TaskName, "%s: it was not told of %s", name, Tell(r))
		case shownRun(got) != shownRun(r):
			c.fault(WatchWhole, r.TaskName, "%s: it was last told %s; it is %s", name, Tell(got), Tell(r))
		}
		delete(is, id)
	}
	for _, r := range is {
		if s := c.stories[r.TaskName]; s != nil && !s.deleted.IsZero() {
			continue // it went with its task
		}
		c.fault(WatchWhole, r.TaskName, "%s: it was not told that this is gone: %s", name, Tell(r))
	}
}

// shownRun is what a watch must tell of a run.
func shownRun(r *task.Run) string { return Tell(r) + r.Error + r.Actor }
