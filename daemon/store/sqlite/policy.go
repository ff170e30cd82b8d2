package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// policy is the stored form of what of a task.Policy has no column of its own. Spans are in nanoseconds.
type policy struct {
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

// encodePolicy returns the stored form, or nil if all are defaults.
func encodePolicy(p *task.Policy) (any, error) {
	out := policy{
		CatchUpWindow: p.CatchUpWindow,
		MaxAttempts:   p.Retry.MaxAttempts, Backoff: p.Retry.Backoff, MaxBackoff: p.Retry.MaxBackoff, RetryJitter: p.Retry.Jitter,
		PauseAfterFailures: p.PauseAfterFailures,
		Keep:               p.Retention.Keep, MaxRuns: p.Retention.MaxRuns, MaxAge: p.Retention.MaxAge,
	}
	if out == (policy{}) {
		return nil, nil
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return string(text), nil
}

// decodePolicy fills in what encodePolicy has kept.
func decodePolicy(text []byte, p *task.Policy) error {
	if len(text) == 0 {
		return nil
	}
	var in policy
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	p.CatchUpWindow = in.CatchUpWindow
	p.Retry = task.Retry{MaxAttempts: in.MaxAttempts, Backoff: in.Backoff, MaxBackoff: in.MaxBackoff, Jitter: in.RetryJitter}
	p.PauseAfterFailures = in.PauseAfterFailures
	p.Retention = task.Retention{Keep: in.Keep, MaxRuns: in.MaxRuns, MaxAge: in.MaxAge}
	return nil
}

// storeSpec returns the stored form, nil for none, and makes the spec what will be read back.
func storeSpec(s **task.TargetSpec) (any, error) {
	if *s == nil {
		return nil, nil
	}
	text, err := json.Marshal(*s)
	if err != nil {
		return nil, err
	}
	if *s, err = decodeSpec(text); err != nil {
		return nil, err
	}
	return string(text), nil
}

func decodeSpec(text []byte) (*task.TargetSpec, error) {
	if len(text) == 0 {
		return nil, nil
	}
	s := new(task.TargetSpec)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return s, nil
}
