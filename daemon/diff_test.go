package daemon_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// allEvents returns the events of all tasks after one, by task and then in their order.
func (w *world) allEvents(after int64) []task.Event {
	w.t.Helper()
	var out []task.Event
	for e, err := range w.d.Client().AuditEvents(w.t.Context(), client.AuditFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if e.ID > after {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b task.Event) int {
		if c := strings.Compare(a.TaskName, b.TaskName); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return out
}

func TestADiffSaysWhatAReloadOrAStartThenDoes(t *testing.T) {
	programs := map[string]func() daemon.Config{
		"nothing changes": func() daemon.Config {
			return program(at("a", "every 10s", 0), at("b", "every 10s", 0), at("c", "every 10s", 0), at("d", "every 10s", 0))
		},
		"all is gone": func() daemon.Config { return program() },
		"added, changed, removed, renamed, taken over": func() daemon.Config {
			return program(at("a", "every 7s", 0), at("b", "every 7s", 0), once(at("e", "every 10s", 0), "c"), at("f", "every 1h", 0), at("made", "every 1h", 0))
		},
		"what is beside the trigger": func() daemon.Config {
			return program(with(at("a", "every 10s", 0), task.Policy{Timeout: time.Minute}), in("few", at("b", "every 10s", 0)),
				fails("c", "every 10s", 0, 0, task.Policy{}), at("d", "every 10s", 0))
		},
		"older": func() daemon.Config {
			cfg := program(at("a", "every 7s", 0), once(at("e", "every 10s", 0), "c"))
			cfg.Revision = 1
			return cfg
		},
		"newer": func() daemon.Config {
			cfg := program(at("a", "every 7s", 0), at("gone", "every 10s", 0))
			cfg.Revision = 3
			return cfg
		},
	}
	for name, next := range programs {
		for _, way := range []string{"reload", "start"} {
			t.Run(name+", "+way, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					w.deploy(1, at("gone", "every 10s", 0))
					c := w.deploy(2, at("a", "every 10s", 0), at("b", "every 10s", 0), at("c", "every 10s", 0), at("d", "every 10s", 0))
					w.create(ping("made", "every 10s"))
					for name, on := range map[string]task.OnDeclaredChange{"a": task.Yield, "b": task.Keep} {
						if _, err := c.UpdateTrigger(t.Context(), ref(name), schedule.MustParse("every 9s"), client.UpdateOptions{OnDeclaredChange: on}); err != nil {
							t.Fatal(err)
						}
					}
					w.sleep(15 * time.Second)
					cfg := next()
					if cfg.Revision == 0 {
						cfg.Revision = 2
					}
					var last int64
					for _, e := range w.allEvents(0) {
						last = max(last, e.ID)
					}
					before, err := w.d.Diff(t.Context(), cfg)
					if err != nil {
						t.Fatal(err)
					}
					if got := w.allEvents(last); len(got) > 0 {
						t.Errorf("a diff is no change: %+v", got)
					}
					if way == "start" {
						w.stop()
						offline := cfg
						offline.SetClock(w.now)
						if also, err := daemon.Diff(t.Context(), offline, w.store); err != nil || fmt.Sprint(also) != fmt.Sprint(before) {
							t.Errorf("while nothing runs it says %+v, %v, before that %+v", also, err, before)
						}
						w.deploy(cfg.Revision, cfg.Tasks...)
					} else {
						w.reload(cfg)
					}
					var said, done []string
					for _, d := range before {
						said = append(said, fmt.Sprintf("%s: %s (%s) %s -> %s", d.TaskName, actions[d.Action], d.Reason, d.Before, d.After))
					}
					for _, e := range w.allEvents(last) {
						done = append(done, fmt.Sprintf("%s: %s (%s) %s -> %s", e.TaskName, actions[e.Action], e.Reason, e.Before, e.After))
					}
					if !slices.Equal(said, done) {
						t.Errorf("said:\n  %s\ndone:\n  %s", strings.Join(said, "\n  "), strings.Join(done, "\n  "))
					}
					if (len(said) == 0) != (name == "nothing changes") {
						t.Errorf("%d differences", len(said))
					}
					// And then there is no difference any more, but that an older program is refused again.
					after, err := w.d.Diff(t.Context(), cfg)
					after = slices.DeleteFunc(after, func(d task.TaskDiff) bool { return d.Action == task.DeclarationRefused })
					if err != nil || len(after) > 0 {
						t.Errorf("still there: %+v, %v", after, err)
					}
				})
			})
		}
	}
}

func TestADiffOfAWrongProgramSaysWhatIsWrong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("a", "every 10s", 0))
		if _, err := w.d.Diff(t.Context(), program(at("a", "every 1m exclude(calendar nope)", 0))); err == nil || !strings.Contains(err.Error(), "nope") {
			t.Errorf("%v", err)
		}
	})
}
