package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
)

// words are the names of the values of a type, as the API has them without prefix, in lower case.
type words[T ~int] []word[T]

type word[T ~int] struct {
	value T
	text  string
}

func (w words[T]) of(v T) string {
	for _, e := range w {
		if e.value == v {
			return e.text
		}
	}
	return fmt.Sprintf("unknown (%d)", int(v))
}

// parse reads words that were given with a flag.
func (w words[T]) parse(flag string, given []string) ([]T, error) {
	var values []T
	for _, g := range given {
		i := slices.IndexFunc(w, func(e word[T]) bool { return e.text == strings.ToLower(g) })
		if i < 0 {
			known := make([]string, len(w))
			for i, e := range w {
				known[i] = e.text
			}
			return nil, usage("%s: %q is not one of %s", flag, g, strings.Join(known, ", "))
		}
		values = append(values, w[i].value)
	}
	return values, nil
}

var (
	taskStates = words[task.State]{
		{task.Active, "active"},
		{task.Paused, "paused"},
		{task.Exhausted, "exhausted"},
		{task.Orphaned, "orphaned"},
	}
	runStates = words[task.RunState]{
		{task.Scheduled, "scheduled"},
		{task.Running, "running"},
		{task.Succeeded, "succeeded"},
		{task.Failed, "failed"},
		{task.TimedOut, "timed_out"},
		{task.Canceled, "canceled"},
		{task.Lost, "lost"},
		{task.Skipped, "skipped"},
		{task.Missed, "missed"},
	}
	causes = words[task.Cause]{
		{task.ByFire, "fire"},
		{task.ByCall, "call"},
	}
	reasons = words[task.Reason]{
		{task.ReasonOverlap, "the run before was still going"},
		{task.ReasonPaused, "the task was paused"},
		{task.ReasonLate, "no daemon was there in time"},
		{task.ReasonOrphaned, "no node declared the task"},
		{task.ReasonExcluded, "excluded by the trigger"},
	}
	overlaps = words[task.Overlap]{
		{task.OverlapSkip, "skip"},
		{task.OverlapAllow, "allow"},
	}
	catchUps = words[task.CatchUp]{
		{task.CatchUpOne, "one"},
		{task.CatchUpAll, "all"},
		{task.CatchUpNone, "none"},
	}
	deliveries = words[task.Delivery]{
		{task.AtLeastOnce, "at_least_once"},
		{task.AtMostOnce, "at_most_once"},
	}
)
