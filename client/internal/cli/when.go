package cli

import (
	"time"
)

// parseTime reads an instant that was given with a flag; of "" it is zero.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usage("%s: %q is not a time such as 2027-01-31T09:30:00Z or 2027-01-31T09:30:00+01:00", flag, text)
	}
	return t, nil
}

// parseSpan reads a duration that was given with a flag; of "" it is zero. It is never negative.
func parseSpan(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, usage("%s: %q is not a duration such as 90s, 15m or 1h30m", flag, text)
	}
	if d < 0 {
		return 0, usage("%s: %s is negative", flag, text)
	}
	return d, nil
}

// parseFuture reads an instant to come, given as such or as how far it is from now; of "" it is zero. That an
// instant given as such lies in the future is for the daemon to say, whose clock counts.
func (s *session) parseFuture(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return time.Time{}, usage("%s: %q is neither a duration such as 2h nor a time such as 2027-01-31T09:30:00Z", flag, text)
	case d <= 0:
		return time.Time{}, usage("%s: %s is not in the future", flag, text)
	}
	return s.now.Add(d), nil
}
