package schedule_test

import (
	"encoding/binary"
	"math/rand"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

func jittered(t *testing.T, jitter time.Duration) *schedule.Compiled {
	t.Helper()
	c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}, Jitter: jitter})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func seed(n uint64) (s [16]byte) {
	binary.BigEndian.PutUint64(s[8:], n)
	return s
}

func TestJitterDependsOnTheTaskAndTheFireOnly(t *testing.T) {
	c := jittered(t, time.Minute)
	fire := at(t, "2026-01-01T00:00:00Z")
	// These are what the tasks of an earlier version waited: they must not change with a deploy.
	for n, want := range []time.Duration{11055346 * time.Microsecond, 51079025 * time.Microsecond, 46510870 * time.Microsecond} {
		for range 2 {
			if got := c.Jittered(seed(uint64(n)), fire, fire.Add(time.Hour)).Sub(fire); got != want {
				t.Errorf("task %d waits %v, want %v", n, got, want)
			}
		}
	}
	if a, b := c.Jittered(seed(1), fire, time.Time{}), c.Jittered(seed(1), fire.Add(time.Hour), time.Time{}); b.Sub(a) == time.Hour {
		t.Error("each fire of a task waits as long")
	}
}

func TestJitterStaysBelowTheFollowingFire(t *testing.T) {
	c := jittered(t, time.Minute)
	r := rand.New(rand.NewSource(1))
	for range 10_000 {
		fire := time.UnixMicro(r.Int63n(4e15)).UTC()
		following := fire.Add(time.Duration(1+r.Int63n(1e5)) * time.Millisecond)
		limit := min(time.Minute, following.Sub(fire))
		if got := c.JitterLimit(fire, following); got != limit {
			t.Fatalf("the limit is %v, want %v", got, limit)
		}
		start := c.Jittered(seed(r.Uint64()), fire, following)
		if start.Before(fire) || start.Sub(fire) >= limit || start.Nanosecond()%1000 != 0 {
			t.Fatalf("the fire at %v starts at %v, the following is at %v", fire, start, following)
		}
	}
	if got := c.Jittered(seed(1), at(t, "2026-01-01"), at(t, "2026-01-01").Add(time.Microsecond)); !got.Equal(at(t, "2026-01-01")) {
		t.Errorf("with no room to wait it starts at %v", got)
	}
}

func TestJitterSpreadsTasksEvenly(t *testing.T) {
	c := jittered(t, 10*time.Second)
	fire := at(t, "2026-01-01")
	var second [10]int
	for n := range uint64(10_000) {
		second[c.Jittered(seed(n), fire, time.Time{}).Second()]++
	}
	for s, n := range second {
		if n < 900 || n > 1100 {
			t.Errorf("%d of 10,000 tasks start in second %d", n, s)
		}
	}
}

func TestWithoutJitterAFireStartsAtItsInstant(t *testing.T) {
	c := jittered(t, 0)
	fire := at(t, "2026-01-01")
	if got := c.Jittered(seed(1), fire, time.Time{}); !got.Equal(fire) || c.JitterLimit(fire, time.Time{}) != 0 {
		t.Error(got)
	}
}

func TestJitterIsRefusedWhereItMeansNothing(t *testing.T) {
	for _, row := range []struct {
		trigger schedule.Trigger
		want    string
	}{
		{schedule.Trigger{Kind: schedule.Forever{}, Jitter: -time.Second}, `jitter: "-1s" is below 0 (0 means none)`},
		{schedule.Trigger{Kind: schedule.Forever{}, Jitter: 1500}, `jitter: "1.5µs" is not a whole number of microseconds`},
		{schedule.Trigger{Kind: schedule.OnStartUp{}, Jitter: time.Second}, "jitter: a start or stop of a node does not wait: leave it out"},
		{
			schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Forever{}, Jitter: time.Second}}}},
			"any_of.triggers[0].jitter: only the outermost trigger may have one: write it after the any( )",
		},
	} {
		if _, err := schedule.Compile(row.trigger); err == nil || err.Error() != row.want {
			t.Errorf("got  %v\nwant %s", err, row.want)
		}
	}
}
