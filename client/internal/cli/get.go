package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type getCommand struct {
	Task  taskArg `complete:"task" arg:"" optional:"" help:"Name or id of the task."`
	RunID string  `complete:"run" name:"run" placeholder:"RUN" help:"Show the run with this id instead of a task."`
}

func (c *getCommand) Run(s *session) error {
	if (c.Task == "") == (c.RunID == "") {
		return usage("give either a TASK or --run RUN")
	}
	if c.RunID != "" {
		id, err := runID(c.RunID)
		if err != nil {
			return err
		}
		run, err := ask(s, func(ctx context.Context) (task.Run, error) { return s.client.Run(ctx, id) })
		if err != nil {
			return err
		}
		if s.exact {
			return s.printAnswer(&clockdv1.GetRunResponse{Run: wire.RunToProto(run)})
		}
		return s.printRun(run)
	}
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	t, err := ask(s, func(ctx context.Context) (task.Task, error) { return s.client.Task(ctx, ref) })
	if _, notRun := runID(string(c.Task)); errors.Is(err, task.ErrTaskNotFound) && notRun == nil {
		return fmt.Errorf("%w; for the run of that id write: clockctl get --run %s", err, c.Task)
	}
	if err != nil {
		return err
	}
	if s.exact {
		return s.printAnswer(&clockdv1.GetTaskResponse{Task: wire.TaskToProto(t)})
	}
	open, err := s.openRuns(task.ByID(t.ID))
	if err != nil {
		return err
	}
	return s.printTask(t, open)
}

// printTask prints everything there is to know of a task that is not the default, and of its runs that have not
// ended.
func (s *session) printTask(t task.Task, open openRuns) error {
	d := t.Declaration
	var rows table
	row := func(label, value string) {
		if label != "" { // else it goes on with the row before
			label += ":"
		}
		rows.row(label, value)
	}
	optional := func(label, value string) {
		if value != "" {
			row(label, text(value))
		}
	}
	row("Name", text(d.Name))
	row("ID", t.ID.String())
	optional("Namespace", t.Namespace)
	optional("Description", d.Description)
	optional("Group", d.Group)
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		row("Label", text(k+"="+d.Labels[k]))
	}
	state := taskStates.of(t.State)
	if t.State == task.Orphaned && t.OrphanReason == "" {
		state += "; no live daemon declares it, so nothing can run it"
	}
	row("State", state)
	if t.OrphanReason != "" {
		row("Orphaned", s.by(t.OrphanTime, "", t.OrphanReason))
	}
	if p := t.Pause; p != nil {
		row("Paused", s.by(p.CreateTime, p.Actor, p.Reason))
		if !p.ResumeTime.IsZero() {
			row("Resumes", s.when(p.ResumeTime))
		}
	}
	row("Trigger", text(t.Trigger().String()))
	if o := t.Override; o != nil {
		row("Overridden", s.by(o.CreateTime, o.Actor, o.Reason))
		row("Declared", text(d.Trigger.String()))
		row("On change", onChange(o))
		if !o.ExpireTime.IsZero() {
			row("Expires", s.when(o.ExpireTime))
		}
	}
	row("Next fire", s.when(t.Clock.NextFireTime))
	if next := t.Clock.NextFireTime; !next.IsZero() {
		at := s.clocksOf(t.Trigger(), []task.Fire{{Time: next}})
		if at.here != nil {
			row("", local(next, at.here)+" local time")
		}
		if at.zone != nil {
			row("", local(next, at.zone)+" "+at.zone.String())
		}
	}
	row("Fires", fmt.Sprint(t.Clock.FireCount))
	for _, line := range countLines(t.Counts) {
		row(line[0], line[1])
	}
	if t.FailureCount > 0 {
		row("Failing", fmt.Sprintf("%d in a row", t.FailureCount))
	}
	if t.LastRun != nil {
		last := s.lastRun(t.LastRun)
		if s.waits(t.LastRun) {
			last = runStates.of(t.LastRun.State) + ", " + s.waiting(t.LastRun)
		}
		row("Last run", t.LastRun.ID.String()+" "+last)
	}
	for _, line := range s.openLines(open) {
		row(line[0], line[1])
	}
	for _, line := range policyLines(d.Policy) {
		row(line[0], line[1])
	}
	row("Target", text(strings.TrimSpace(d.Target.Kind+" "+d.Target.Summary)))
	row("Origin", origin(t))
	row("Created", s.when(t.CreateTime))
	row("Updated", s.when(t.UpdateTime))
	row("Etag", t.Etag())
	return rows.write(s.out)
}

// onChange says what happens to an override when the declared trigger changes, or has.
func onChange(o *task.Override) string {
	word := onDeclaredChanges.of(o.OnDeclaredChange)
	switch {
	case o.DeclarationChanged:
		return word + "; the declared trigger has changed since, and the override has stayed"
	case o.OnDeclaredChange == task.Keep:
		return word + "; the override stays when the declared trigger changes"
	}
	return word + "; the override ends when the declared trigger changes"
}

// origin says where a task comes from.
func origin(t task.Task) string {
	word := origins.of(t.Origin)
	if t.Revision != 0 {
		word += ", revision " + strconv.FormatInt(t.Revision, 10)
	}
	return word
}

// countLines say what became of all fires and calls, each as a label and its value. What is 0 is left out.
func countLines(c task.Counts) [][2]string {
	type count struct {
		n    int64
		word string
	}
	var lines [][2]string
	line := func(label string, counts ...count) {
		var parts []string
		for _, c := range counts {
			if c.n != 0 {
				parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d %s", c.n, c.word)))
			}
		}
		if len(parts) > 0 {
			lines = append(lines, [2]string{label, strings.Join(parts, ", ")})
		}
	}
	line("Runs", count{c.Succeeded, "succeeded"}, count{c.Failed, "failed"}, count{c.TimedOut, "timed_out"},
		count{c.Canceled, "canceled"}, count{c.Lost, "lost"})
	line("Skipped", count{c.SkippedOverlap, "overlap"}, count{c.SkippedPaused, "paused"}, count{c.SkippedOrphaned, "orphaned"},
		count{c.SkippedExcluded, "excluded"}, count{c.SkippedLimit, "limit"})
	line("Missed", count{n: c.Missed})
	line("Merged", count{n: c.Merged})
	return lines
}

// policyLines say how fires become runs, each as a label and its value. Beside the three choices only what is
// not the default is there.
func policyLines(p task.Policy) [][2]string {
	var lines [][2]string
	line := func(label, value string) { lines = append(lines, [2]string{label, value}) }
	line("Overlap", overlaps.of(p.Overlap))
	catchUp := catchUps.of(p.CatchUp)
	if p.CatchUpWindow != 0 {
		catchUp += ", no further back than " + duration(p.CatchUpWindow)
	}
	line("Catch-up", catchUp)
	line("Delivery", deliveries.of(p.Delivery))
	if p.Timeout != 0 {
		line("Timeout", duration(p.Timeout))
	}
	if p.Retry.MaxAttempts > 1 {
		line("Retry", retry(p.Retry))
	}
	if p.PauseAfterFailures != 0 {
		line("Pause", fmt.Sprintf("after %d failed runs in a row", p.PauseAfterFailures))
	}
	if p.Retention != (task.Retention{}) {
		line("Retention", retention(p.Retention))
	}
	return lines
}

func retry(r task.Retry) string {
	backoff, limit := cmp.Or(r.Backoff, task.DefaultBackoff), cmp.Or(r.MaxBackoff, task.DefaultMaxBackoff)
	line := fmt.Sprintf("%d attempts at most, the second after %s", r.MaxAttempts, duration(min(backoff, limit)))
	if r.MaxAttempts > 2 && backoff < limit {
		line += fmt.Sprintf(", then each after twice as long, up to %s", duration(limit))
	}
	if r.Jitter != 0 {
		line += fmt.Sprintf(", jitter %g", r.Jitter)
	}
	return line
}

func retention(r task.Retention) string {
	if r.Keep == task.KeepNone {
		return keeps.of(r.Keep)
	}
	line := fmt.Sprintf("%s, the last %d", keeps.of(r.Keep), cmp.Or(r.MaxRuns, task.DefaultMaxRuns))
	if r.MaxAge != 0 {
		line += fmt.Sprintf(", for %s after their end", duration(r.MaxAge))
	}
	return line
}

// by says when something was done, by whom and why, as far as that is known.
func (s *session) by(t time.Time, actor, reason string) string {
	var parts []string
	if !t.IsZero() {
		parts = append(parts, s.when(t))
	}
	if actor != "" {
		parts = append(parts, "by "+text(actor))
	}
	line := strings.Join(parts, " ")
	switch {
	case reason == "":
		return cmp.Or(line, "-")
	case line == "":
		return text(reason)
	}
	return line + ": " + text(reason)
}

// lastRun is the state of a run and how long ago that was, or when it starts if something delays it.
func (s *session) lastRun(run *task.Run) string {
	if run == nil {
		return "-"
	}
	if s.waits(run) {
		return s.waitingShort(run)
	}
	t := run.ScheduledTime
	if !run.StartTime.IsZero() {
		t = run.StartTime
	}
	if !run.EndTime.IsZero() {
		t = run.EndTime
	}
	return runStates.of(run.State) + " " + s.distance(t)
}
