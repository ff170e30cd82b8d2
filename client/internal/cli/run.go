package cli

import (
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// printRun prints everything there is to know of a run. Of its output it prints no more than fits on a screen:
// JSON and logs have all.
func (s *session) printRun(run task.Run) error {
	var rows table
	row := func(label, value string) { rows.row(label+":", value) }
	row("Run", run.ID.String())
	row("Task", text(run.TaskName))
	row("State", runStates.of(run.State))
	switch {
	case run.Reason != 0 && run.State == task.Scheduled:
		row("Because", "it "+waitingFor.of(run.Reason))
	case run.Reason != 0:
		row("Because", reasons.of(run.Reason))
	}
	row("Cause", causes.of(run.Cause))
	if run.Actor != "" {
		row("Actor", text(run.Actor))
	}
	row("Scheduled", s.when(run.ScheduledTime))
	if !run.JitteredTime.IsZero() {
		row("With jitter", s.when(run.JitteredTime))
	}
	if !run.NextAttemptTime.IsZero() {
		label := "Due"
		if len(run.Earlier) > 0 {
			label = "Next attempt"
		}
		if run.State != task.Scheduled {
			label = "Was due"
		}
		row(label, s.when(run.NextAttemptTime))
	}
	if run.Fires > 1 {
		row("Stands for", fmt.Sprintf("%d fires since %s", run.Fires, instant(run.FirstScheduledTime)))
	}
	if !run.StartTime.IsZero() {
		row("Started", started(&run))
	}
	if !run.EndTime.IsZero() {
		row("Ended", endOf(run))
	}
	if n := attempt(&run); n > 1 {
		row("Attempt", fmt.Sprint(n))
	}
	if run.Worker != "" {
		row("Worker", text(run.Worker))
	}
	if run.Node != uuid.Nil {
		row("Node", run.Node.String())
	}
	for _, a := range run.Earlier {
		row("Earlier", earlier(a))
	}
	if run.Error != "" {
		row("Error", text(run.Error))
	}
	whole := "clockctl get --run " + run.ID.String() + " -o json"
	if run.Input != nil {
		row("Input", cutJSON(run.Input, whole))
	}
	lines, blocks := shown(run)
	for _, line := range lines {
		row(line[0], line[1])
	}
	if run.Output != nil && lines == nil {
		row("Output", cutJSON(run.Output, whole))
	}
	if err := rows.write(s.out); err != nil {
		return err
	}
	for _, b := range blocks {
		fmt.Fprintf(s.out, "%s:\n", b.label)
		for _, line := range b.lines {
			fmt.Fprintln(s.out, strings.TrimRight("  "+line, " "))
		}
	}
	return nil
}

// started is when the last attempt of a run began.
func started(run *task.Run) string {
	line := instant(run.StartTime)
	switch {
	case run.State == task.Scheduled: // of the attempt before, and how late the next will be is not known
	case run.Lateness() > 0:
		line += ", " + took(run.Lateness()) + " late"
	default:
		line += ", on time"
	}
	return line
}

// endOf is when a run ended.
func endOf(run task.Run) string {
	line := instant(run.EndTime)
	switch late := foundLate(run); {
	case run.State == task.Lost:
		line += ", when it was found lost"
	case !run.StartTime.IsZero():
		line += ", took " + runTook(run)
	case late > 0:
		line += ", " + span(late) + " late"
	}
	return line
}

// earlier is what became of an attempt that was not the last.
func earlier(a task.Attempt) string {
	line := fmt.Sprintf("%d %s", a.Number, runStates.of(a.State))
	if a.Worker != "" {
		line += " at " + text(a.Worker)
	}
	if a.Node != uuid.Nil {
		line += " on node " + shortID(a.Node)
	}
	if !a.StartTime.IsZero() {
		line += ", started " + instant(a.StartTime)
	}
	switch {
	case a.EndTime.IsZero():
	case a.State == task.Lost: // how long it took is not known
		line += ", found lost " + instant(a.EndTime)
	case a.StartTime.IsZero():
		line += ", ended " + instant(a.EndTime)
	default:
		line += ", took " + took(a.EndTime.Sub(a.StartTime))
	}
	if a.Error != "" {
		line += ": " + text(a.Error)
	}
	return line
}
