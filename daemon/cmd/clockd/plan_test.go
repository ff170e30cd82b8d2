package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// plan is what is known beforehand of a task that fires at a fixed rate.
type plan struct {
	interval time.Duration
	jitter   time.Duration
	gaps     thirds // taken out; zero: nothing is
}

// thirds is every third second of an hour, the first one of them included. It is told without package schedule,
// so that it says what that should.
type thirds struct{ first time.Time }

const manyThirds = 1200

func everyThirdSecond(from time.Time) thirds { return thirds{from.UTC().Truncate(time.Second)} }

// yaml is the list of windows, as the items of a calendar.
func (x thirds) yaml() string {
	var out strings.Builder
	for i := range manyThirds {
		from := x.first.Add(time.Duration(3*i) * time.Second)
		fmt.Fprintf(&out, "    - window %s-%s UTC\n", from.Format(time.TimeOnly), from.Add(time.Second).Format(time.TimeOnly))
	}
	return out.String()
}

func (x thirds) hold(at time.Time) bool {
	if x.first.IsZero() {
		return false
	}
	second := at.Sub(x.first) / time.Second
	return second >= 0 && second%3 == 0 && second < 3*manyThirds
}

// check looks whether each instant of a paused task, since its trigger came into force, is in exactly one record of
// its kind, and returns how many were recorded together with another, and how many were taken out.
func (p plan) check(t *testing.T, paused task.Task, fires []task.Run) (merged, excluded int64) {
	t.Helper()
	name, origin, end := paused.Declaration.Name, paused.CreateTime.Add(p.interval), paused.Pause.CreateTime
	if o := paused.Override; o != nil {
		origin = o.CreateTime.Add(p.interval)
	}
	byInstant := slices.SortedFunc(slices.Values(fires), func(a, b task.Run) int { return firstOf(a).Compare(firstOf(b)) })
	for _, out := range []bool{false, true} {
		next := origin
		// toNext moves to the first instant of the kind.
		toNext := func() {
			for p.gaps.hold(next) != out && !next.After(end) {
				next = next.Add(p.interval)
			}
		}
		for _, r := range byInstant {
			if (r.Reason == task.ReasonExcluded) != out {
				continue
			}
			if toNext(); !firstOf(r).Equal(next) {
				t.Errorf("%q: a record begins at %s, and the instant after the last one is %s (excluded: %t)", r.TaskName, firstOf(r), next, out)
				next = firstOf(r)
			}
			count := int64(0)
			for ; !next.After(r.ScheduledTime); next = next.Add(p.interval) {
				if p.gaps.hold(next) == out {
					count++
				}
			}
			if count != r.Fires || p.gaps.hold(r.ScheduledTime) != out {
				t.Errorf("%q: a record from %s to %s stands for %d fires, there are %d (excluded: %t)",
					r.TaskName, firstOf(r), r.ScheduledTime, r.Fires, count, out)
			}
			if out {
				excluded += r.Fires
			}
			merged += r.Fires - 1
		}
		if toNext(); !next.After(end) {
			t.Errorf("%q: there is no record of %s, and it fired until %s (excluded: %t)", name, next, end, out)
		}
	}
	return merged, excluded
}

// firstOf is the first instant of a record.
func firstOf(r task.Run) time.Time { return cmp.Or(r.FirstScheduledTime, r.ScheduledTime) }

// coarse is how far the time of a file may lag behind the clock: a tick of the kernel.
const coarse = 20 * time.Millisecond

// checkStarts looks whether no attempt of a run began before its instant, jitter included, by what was recorded and by
// the time of the file that the attempt left in a folder.
func (p plan) checkStarts(t *testing.T, fires []task.Run, witness string) {
	t.Helper()
	c, err := schedule.Compile(schedule.Trigger{Kind: schedule.Every{Interval: p.interval}, Jitter: p.jitter})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range fires {
		due := r.ScheduledTime
		if p.jitter > 0 {
			due = c.Jittered(r.TaskID, due, due.Add(p.interval))
		}
		if r.Attempt == 0 && r.Reason != task.ReasonOverlap {
			continue // it never was to start
		}
		if p.jitter > 0 && !r.JitteredTime.Equal(due) || p.jitter == 0 && !r.JitteredTime.IsZero() {
			t.Errorf("%q: the run of %s was to start at %s, and was planned for %s", r.TaskName, r.ScheduledTime, due, r.JitteredTime)
		}
		for _, a := range append(slices.Clone(r.Earlier), task.Attempt{Number: r.Attempt, StartTime: r.StartTime}) {
			if !a.StartTime.IsZero() && a.StartTime.Before(due) {
				t.Errorf("%q: attempt %d of the run of %s began at %s, before %s", r.TaskName, a.Number, r.ScheduledTime, a.StartTime, due)
			}
			left, err := os.Stat(filepath.Join(witness, fmt.Sprintf("%s.%d", r.ID, a.Number)))
			if err == nil && left.ModTime().Before(due.Add(-coarse)) {
				t.Errorf("%q: attempt %d of the run of %s did something at %s, before %s", r.TaskName, a.Number, r.ScheduledTime, left.ModTime(), due)
			}
		}
	}
}
