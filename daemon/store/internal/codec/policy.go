package codec

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// policy is the stored form of a task.Policy. A store may have columns of its own for the first four.
type policy struct {
	Overlap            task.Overlap  `json:"overlap,omitempty"`
	CatchUp            task.CatchUp  `json:"catch_up,omitempty"`
	Delivery           task.Delivery `json:"delivery,omitempty"`
	Timeout            time.Duration `json:"timeout,omitempty"`
	CatchUpWindow      time.Duration `json:"catch_up_window,omitempty"`
	MaxAttempts        int           `json:"max_attempts,omitempty"`
	Backoff            time.Duration `json:"backoff,omitempty"`
	MaxBackoff         time.Duration `json:"max_backoff,omitempty"`
	RetryJitter        float64       `json:"retry_jitter,omitempty"`
	PauseAfterFailures int           `json:"pause_after_failures,omitempty"`
	Keep               task.Kept     `json:"keep,omitempty"`
	MaxRuns            int64         `json:"max_runs,omitempty"`
	MaxAge             time.Duration `json:"max_age,omitempty"`
}

// EncodePolicy returns a JSON object of what is no default.
func EncodePolicy(p task.Policy) (text string, err error) {
	if p == (task.Policy{}) {
		return "", nil
	}
	b, err := json.Marshal(policy{
		Overlap: p.Overlap, CatchUp: p.CatchUp, Delivery: p.Delivery, Timeout: p.Timeout, CatchUpWindow: p.CatchUpWindow,
		MaxAttempts: p.Retry.MaxAttempts, Backoff: p.Retry.Backoff, MaxBackoff: p.Retry.MaxBackoff, RetryJitter: p.Retry.Jitter,
		PauseAfterFailures: p.PauseAfterFailures,
		Keep:               p.Retention.Keep, MaxRuns: p.Retention.MaxRuns, MaxAge: p.Retention.MaxAge,
	})
	if err != nil {
		return "", fmt.Errorf("policy: %w", err)
	}
	return string(b), nil
}

// DecodePolicy reads what EncodePolicy has written.
func DecodePolicy(text []byte) (task.Policy, error) {
	if len(text) == 0 {
		return task.Policy{}, nil
	}
	var p policy
	if err := json.Unmarshal(text, &p); err != nil {
		return task.Policy{}, fmt.Errorf("policy: %w", err)
	}
	return task.Policy{
		Overlap: p.Overlap, CatchUp: p.CatchUp, CatchUpWindow: p.CatchUpWindow, Delivery: p.Delivery, Timeout: p.Timeout,
		Retry:              task.Retry{MaxAttempts: p.MaxAttempts, Backoff: p.Backoff, MaxBackoff: p.MaxBackoff, Jitter: p.RetryJitter},
		PauseAfterFailures: p.PauseAfterFailures,
		Retention:          task.Retention{Keep: p.Keep, MaxRuns: p.MaxRuns, MaxAge: p.MaxAge},
	}, nil
}
