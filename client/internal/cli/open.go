package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// openRuns are the runs of a task that have not ended: the oldest first, which is how they start, or the newest
// first if there are more than were read.
type openRuns struct {
	going, waiting []task.Run
	more           bool
}

// openRuns asks once, or twice if a backfill has made so many runs that those which go are beyond the first page.
func (s *session) openRuns(ref task.Ref) (open openRuns, err error) {
	const largest = 1000
	type answer struct {
		runs []task.Run
		next string
	}
	page := func(states ...task.RunState) (answer, error) {
		return ask(s, func(ctx context.Context) (answer, error) {
			runs, next, err := s.client.RunsPage(ctx, client.RunFilter{Task: ref, States: states}, largest, "")
			return answer{runs, next}, err
		})
	}
	all, err := page(task.Scheduled, task.Running)
	if err != nil {
		return openRuns{}, err
	}
	open.more = all.next != ""
	if open.more {
		going, err := page(task.Running)
		if err != nil {
			return openRuns{}, err
		}
		all.runs = slices.DeleteFunc(all.runs, func(run task.Run) bool { return run.State == task.Running })
		all.runs = append(all.runs, going.runs...)
	}
	if !open.more {
		slices.Reverse(all.runs)
	}
	for _, run := range all.runs {
		if run.State == task.Running {
			open.going = append(open.going, run)
		} else {
			open.waiting = append(open.waiting, run)
		}
	}
	return open, nil
}

// openLines are rows that say which runs go and which wait, each as a label and its value.
func (s *session) openLines(open openRuns) [][2]string {
	const enough = 5
	var lines [][2]string
	list := func(label string, runs []task.Run, more bool, line func(run *task.Run) string) {
		for i := range runs[:min(enough, len(runs))] {
			lines = append(lines, [2]string{label, line(&runs[i])})
		}
		if left := len(runs) - enough; left > 0 {
			word := fmt.Sprintf("and %d more", left)
			if more {
				word = fmt.Sprintf("and %d or more", left)
			}
			lines = append(lines, [2]string{label, word})
		}
	}
	list("Going", open.going, false, s.goes)
	list("Waiting", open.waiting, open.more, s.waitsFor)
	return lines
}

// goes says since when a run goes.
func (s *session) goes(run *task.Run) string {
	since := run.StartTime
	if since.IsZero() {
		since = run.DueTime()
	}
	line := run.ID.String() + " since " + s.when(since)
	if run.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", run.Attempt)
	}
	return line
}

// waitsFor says since when a run waits and what for, or when it starts.
func (s *session) waitsFor(run *task.Run) string {
	line := run.ID.String()
	if s.delayed(run) {
		line += " " + s.waiting(run)
	} else {
		line += " since " + s.when(run.DueTime())
	}
	if run.Reason != 0 {
		line += ", " + waitingFor.of(run.Reason)
	}
	return line
}
