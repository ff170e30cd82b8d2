package task_test

import (
	"math"
	"testing"

	"github.com/clockd/clockd/daemon/task"
)

func TestLimitsAreChecked(t *testing.T) {
	tests := []struct {
		name         string
		limits       task.Limits
		field, group string // what is wrong, if anything is; with those of a group
	}{
		{"none", task.Limits{}, "", ""},
		{"all", task.Limits{MaxRunning: 1, MaxWaiting: task.MaxLimit, StartRate: task.MinStartRate}, "", "limits.start_rate"},
		{"running below 0", task.Limits{MaxRunning: -1}, "limits.max_running", "limits.max_running"},
		{"too many that wait", task.Limits{MaxWaiting: task.MaxLimit + 1}, "limits.max_waiting", "limits.max_waiting"},
		{"a rate below 0", task.Limits{StartRate: -1}, "limits.start_rate", "limits.start_rate"},
		{"a rate that is no number", task.Limits{StartRate: math.NaN()}, "limits.start_rate", "limits.start_rate"},
		{"a rate without end", task.Limits{StartRate: math.Inf(1)}, "limits.start_rate", "limits.start_rate"},
	}
	field := func(found []task.Violation) string {
		switch len(found) {
		case 0:
			return ""
		case 1:
			return found[0].Field
		}
		return "several"
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := field(tt.limits.Check("limits.")); got != tt.field {
				t.Errorf("%q is wrong, want %q", got, tt.field)
			}
			if got := field(tt.limits.CheckGroup("limits.")); got != tt.group {
				t.Errorf("of a group: %q is wrong, want %q", got, tt.group)
			}
		})
	}
}

func TestAQueueIsNeverEndless(t *testing.T) {
	if got := (task.Limits{}).Waiting(); got != task.DefaultMaxWaiting {
		t.Errorf("%d", got)
	}
	if got := (task.Limits{MaxWaiting: 3}).Waiting(); got != 3 {
		t.Errorf("%d", got)
	}
}
