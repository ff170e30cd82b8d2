package schedule_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

func mustCompile(t testing.TB, text string) *schedule.Compiled {
	t.Helper()
	trigger, err := schedule.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	c, err := schedule.Compile(trigger)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// at reads an RFC 3339 time, or a date.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	layout := time.RFC3339Nano
	if len(text) == len("2006-01-02") {
		layout = "2006-01-02"
	}
	out, err := time.Parse(layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bigMicros returns the microseconds since 1970, without the limits of int64.
func bigMicros(t time.Time) *big.Int {
	n := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1_000_000))
	return n.Add(n, big.NewInt(int64(t.Nanosecond()/1000)))
}
