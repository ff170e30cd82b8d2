package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/schedule"
)

func TestTheExampleFileLoadsAndShowsEverything(t *testing.T) {
	f, err := config.Load("../../cmd/clockd/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, kind := range []string{
		"every at a fixed rate", "every with a fixed delay", "every, immediate", "schedule.At", "schedule.Cron", "schedule.Once", "once at an instant",
		"schedule.Forever", "schedule.AnyOf", "a bound inside any", "schedule.OnStartUp", "schedule.OnShutDown", "max", "from", "until", "jitter",
		"schedule.Window", "schedule.Calendar", "calendars", "command", "http", "grpc", "worker", "worker_lease",
	} {
		missing[kind] = true
	}
	if len(f.Calendars) > 0 {
		delete(missing, "calendars")
	}
	if f.WorkerLease > 0 {
		delete(missing, "worker_lease")
	}
	for _, task := range f.Tasks {
		d := task.Declaration
		delete(missing, d.Target.Kind)
		delete(missing, fmt.Sprintf("%T", d.Trigger.Kind))
		if d.Trigger.MaxFires > 0 {
			delete(missing, "max")
		}
		if !d.Trigger.StartTime.IsZero() {
			delete(missing, "from")
		}
		if !d.Trigger.EndTime.IsZero() {
			delete(missing, "until")
		}
		if d.Trigger.Jitter > 0 {
			delete(missing, "jitter")
		}
		for _, e := range d.Trigger.Exclusions {
			delete(missing, fmt.Sprintf("%T", e))
		}
		switch k := d.Trigger.Kind.(type) {
		case schedule.Every:
			if k.Pacing == schedule.FixedDelay {
				delete(missing, "every with a fixed delay")
			} else {
				delete(missing, "every at a fixed rate")
			}
			if k.FirstFire == schedule.Immediate {
				delete(missing, "every, immediate")
			}
		case schedule.Once:
			if !k.Time.IsZero() {
				delete(missing, "once at an instant")
			}
		case schedule.AnyOf:
			for _, inner := range k.Triggers {
				if inner.MaxFires > 0 {
					delete(missing, "a bound inside any")
				}
			}
		case schedule.Forever:
			if !strings.HasPrefix(d.Target.Summary, "sleep ") {
				t.Errorf("%s runs %s over and over again", d.Name, d.Target.Summary)
			}
		}
		if d.Target.Kind != "command" && d.Trigger.String() != "once 2099-01-01T00:00:00Z" {
			t.Errorf("%s needs what a machine does not have and fires by %s", d.Name, d.Trigger)
		}
	}
	for kind := range missing {
		t.Errorf("the example has no %s", kind)
	}
}
