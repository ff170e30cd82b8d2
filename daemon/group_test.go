package daemon_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/task"
)

func TestAGroupGivesItsTasksATimeoutAndLabels(t *testing.T) {
	slow := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	own := in("slow", never("own", slow))
	own.Policy.Timeout, own.Labels = time.Second, map[string]string{"team": "mine", "mine": "x"}
	cfg := daemon.Config{
		Groups: map[string]daemon.Group{"slow": {Timeout: time.Minute, Labels: map[string]string{"team": "ours", "ours": "y"}}},
		Tasks:  []daemon.Task{in("slow", never("plain", slow)), own, in("fast", never("other", func() {}))},
	}
	running(t, cfg, func(t *testing.T, d *daemon.Daemon, _ func()) {
		want := map[string]string{
			"plain": "timed out after 1m0s map[ours:y team:ours]", "own": "timed out after 1s map[mine:x ours:y team:mine]", "other": " map[]",
		}
		check := func() {
			t.Helper()
			for name, want := range want {
				run := result(t, d, name, nil)
				tk, err := d.Client().Task(t.Context(), ref(name))
				if got := fmt.Sprint(run.Error, " ", tk.Declaration.Labels); err != nil || got != want {
					t.Errorf("%s: %q, %v, want %q", name, got, err, want)
				}
			}
		}
		check()
		cfg.Groups = map[string]daemon.Group{"slow": {Timeout: time.Hour}}
		want["plain"], want["own"] = "timed out after 1h0m0s map[]", "timed out after 1s map[mine:x team:mine]"
		if err := d.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		check()
	})
}

func TestNewSaysWhatIsWrongWithAGroupAndBlamesNoTask(t *testing.T) {
	_, err := daemon.New(daemon.Config{
		Groups: map[string]daemon.Group{"g": {Limits: task.Limits{MaxRunning: -1}, Timeout: -1, Labels: map[string]string{"": "x"}}},
		Tasks:  []daemon.Task{in("g", never("job", func() {}))},
	})
	const want = `groups["g"].max_running: -1 is outside 0-1000000 (0 means no limit)
groups["g"].labels: a name is missing
groups["g"].timeout: -1ns is negative`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
