package cli

import (
	"fmt"
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

// texts are all the words.
func (w words[T]) texts() []string {
	all := make([]string, len(w))
	for i, e := range w {
		all[i] = e.text
	}
	return all
}

// find returns the value that a word stands for. The error says which there are, and not where.
func (w words[T]) find(given string) (T, error) {
	for _, e := range w {
		if e.text == strings.ToLower(given) {
			return e.value, nil
		}
	}
	return 0, fmt.Errorf("%q is not one of %s", given, strings.Join(w.texts(), ", "))
}

// parse reads words that were given with a flag.
func (w words[T]) parse(flag string, given []string) ([]T, error) {
	var values []T
	for _, g := range given {
		v, err := w.find(g)
		if err != nil {
			return nil, usage("%s: %s", flag, err)
		}
		values = append(values, v)
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
		{task.ByBackfill, "backfill"},
	}
	// reasons say why a run was skipped or missed.
	reasons = words[task.Reason]{
		{task.ReasonOverlap, "the run before was still going"},
		{task.ReasonPaused, "the task was paused"},
		{task.ReasonLate, "no daemon was there in time"},
		{task.ReasonOrphaned, "no node declared the task"},
		{task.ReasonExcluded, "excluded by the trigger"},
		{task.ReasonLimit, "no place was free, not even to wait"},
	}
	// waitingFor says what a scheduled run waits for.
	waitingFor = words[task.Reason]{
		{task.ReasonOverlap, "waits for the run before"},
		{task.ReasonLimit, "waits for a free place"},
		{task.ReasonWorker, "waits for a worker with a free place"},
	}
	overlaps = words[task.Overlap]{
		{task.OverlapSkip, "skip"},
		{task.OverlapAllow, "allow"},
		{task.OverlapQueue, "queue"},
		{task.OverlapCancel, "cancel"},
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
	keeps = words[task.Kept]{
		{task.KeepAll, "all"},
		{task.KeepFailures, "failures"},
		{task.KeepNone, "none"},
	}
	outputStreams = words[task.OutputStream]{
		{task.Stdout, "stdout"},
		{task.Stderr, "stderr"},
	}
	onDeclaredChanges = words[task.OnDeclaredChange]{
		{task.Yield, "yield"},
		{task.Keep, "keep"},
	}
	origins = words[task.Origin]{
		{task.Declared, "declared"},
		{task.Created, "created"},
		{task.Announced, "worker"},
	}
	actions = words[task.Action]{
		{task.TaskDeclared, "task_declared"},
		{task.DeclarationChanged, "declaration_changed"},
		{task.DeclarationRefused, "declaration_refused"},
		{task.OverrideYielded, "override_yielded"},
		{task.OverrideExpired, "override_expired"},
		{task.TaskOrphaned, "task_orphaned"},
		{task.TaskRenamed, "task_renamed"},
		{task.TaskCreated, "task_created"},
		{task.TaskUpdated, "task_updated"},
		{task.TaskDeleted, "task_deleted"},
		{task.TriggerUpdated, "trigger_updated"},
		{task.TriggerReset, "trigger_reset"},
		{task.TaskPaused, "task_paused"},
		{task.TaskResumed, "task_resumed"},
		{task.RunRequested, "run_requested"},
		{task.RunCanceled, "run_canceled"},
		{task.BackfillRequested, "backfill_requested"},
	}
)
