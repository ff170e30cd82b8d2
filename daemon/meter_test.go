package daemon_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// tally is a meter that counts what it is told of runs.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

func (m *tally) add(what string, r task.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == nil {
		m.count = make(map[string]int)
	}
	m.count[what+" "+r.State.String()]++
}

func (m *tally) Recorded(r task.Run)            { m.add("recorded", r) }
func (m *tally) Ended(r task.Run)               { m.add("ended", r) }
func (*tally) Waiting(string, task.Reason, int) {}
func (*tally) Running(int)                      {}
func (*tally) Store(bool)                       {}

func (m *tally) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for what, n := range m.count {
		lines = append(lines, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func TestEachRunIsCountedOnceWhateverBroughtItAboutOrEndedIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		counted := func(tasks ...daemon.Task) *tally {
			w.stop()
			m := &tally{}
			cfg := daemon.Config{Store: w.store, Tasks: tasks, Logger: w.log, StopGrace: w.grace, Meter: m}
			cfg.SetClock(w.now)
			w.run(cfg)
			return m
		}
		m := counted(does("first", schedule.Trigger{Kind: schedule.OnStartUp{}}, 0))
		w.sleep(time.Second)
		if got, want := m.String(), "ended succeeded: 1, recorded scheduled: 1"; got != want {
			t.Errorf("a start-up trigger: %s\nwant %s", got, want)
		}
		once := with(at("job", "every 1h", 0), task.Policy{Delivery: task.AtMostOnce})
		counted(once)
		w.left("job", w.now())
		w.stop()
		time.Sleep(time.Second)
		m = counted(once)
		w.sleep(time.Second)
		if got, want := m.String(), "ended lost: 1"; got != want {
			t.Errorf("a run that was lost with its process: %s\nwant %s", got, want)
		}
	})
}
