package daemon_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon"
)

// logged is what a daemon logs, for tests that read it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count returns how many lines have this in them.
func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

func TestThousandsOfTasksAtOneInstantAreWorthAWarningOnceAnHour(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var log logged
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		var tasks []daemon.Task
		for i := range 2000 {
			tasks = append(tasks, at(fmt.Sprintf("crowd-%d", i), `cron "*/10 * * * *" UTC`, 0))
		}
		w.start(tasks...)
		w.sleep(9 * time.Minute)
		if n := log.count("very many tasks"); n != 0 {
			t.Errorf("%d warnings before they fire", n)
		}
		w.sleep(41 * time.Minute)
		if n := log.count("very many tasks"); n != 1 {
			t.Errorf("%d warnings for five instants within an hour, want 1", n)
		}
		w.sleep(30 * time.Minute)
		if n := log.count("very many tasks"); n != 2 {
			t.Errorf("%d warnings after more than an hour, want 2", n)
		}
	})
}
