package cli

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type listCommand struct {
	Prefix string   `help:"Only tasks whose name starts with this."`
	State  []string `complete:"task_state" placeholder:"STATE" help:"Only tasks in this state: active, paused, exhausted or orphaned. Can be repeated."`
	Limit  int      `placeholder:"N" help:"Show at most so many. Default: all."`
}

func (c *listCommand) Run(s *session) error {
	states, err := taskStates.parse("--state", c.State)
	if err != nil {
		return err
	}
	f := client.TaskFilter{NamePrefix: c.Prefix, States: states}
	tasks, next, err := collect(s, c.Limit, func(ctx context.Context, size int, token string) ([]task.Task, string, error) {
		return s.client.TasksPage(ctx, f, size, token)
	})
	if err != nil {
		return err
	}
	if s.exact {
		resp := &clockdv1.ListTasksResponse{NextPageToken: next}
		for _, t := range tasks {
			resp.Tasks = append(resp.Tasks, wire.TaskToProto(t))
		}
		return s.printAnswer(resp)
	}
	rows := table{{"NAME", "STATE", "TRIGGER", "NEXT", "LAST-RUN"}}
	for _, t := range tasks {
		last := s.lastRun(t.LastRun)
		if t.FailureCount > 1 {
			last += fmt.Sprintf(", %d failed in a row", t.FailureCount)
		}
		rows.row(text(t.Declaration.Name), taskStates.of(t.State), short(t.Trigger().String()),
			s.when(t.Clock.NextFireTime), last)
	}
	return rows.write(s.out)
}

// collect reads pages until there are limit items or no more. A limit of 0 means all. The token is that
// of what comes after.
func collect[T any](s *session, limit int, page func(ctx context.Context, size int, token string) ([]T, string, error)) ([]T, string, error) {
	const largest = 1000
	if limit < 0 {
		return nil, "", usage("--limit: %d is negative: give 0 for all, or how many", limit)
	}
	type answer struct {
		items []T
		next  string
	}
	var all answer
	for {
		size := largest
		if limit > 0 {
			size = min(size, limit-len(all.items))
		}
		a, err := ask(s, func(ctx context.Context) (answer, error) {
			items, next, err := page(ctx, size, all.next)
			return answer{items, next}, err
		})
		if err != nil {
			return nil, "", err
		}
		all.items, all.next = append(all.items, a.items...), a.next
		if a.next == "" || limit > 0 && len(all.items) >= limit {
			return all.items, all.next, nil
		}
	}
}

type setTriggerCommand struct {
	Task    taskArg    `complete:"task" arg:"" help:"Name or id of the task."`
	Trigger triggerArg `arg:"" help:"The trigger, as one argument: 'every 10m'."`
	editFlags
	Expire string `placeholder:"TIME" help:"When it ends by itself, and the declared trigger is in force again: a time (RFC 3339), or how far that is from now, such as 2h. Default: never."`
	Keep   bool   `help:"Keep the trigger in force when the declared one changes. Default: the declared one takes over again."`
	DryRun bool   `help:"Check everything and show which fires it would change, but change nothing."`
}

func (c *setTriggerCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	trigger, err := c.Trigger.trigger()
	if err != nil {
		return err
	}
	o := client.UpdateOptions{Etag: c.Etag, Reason: c.Reason, ValidateOnly: c.DryRun}
	if c.Keep {
		o.OnDeclaredChange = task.Keep
	}
	if o.ExpireTime, err = s.parseFuture("--expire", c.Expire); err != nil {
		return err
	}
	u, err := ask(s, func(ctx context.Context) (client.TriggerUpdate, error) {
		return s.client.UpdateTrigger(ctx, ref, trigger, o)
	})
	if err != nil {
		return err
	}
	if s.exact {
		return s.printAnswer(wire.TriggerUpdateToProto(u))
	}
	head := "Trigger in force"
	if c.DryRun {
		head = "Trigger that would be in force; nothing was changed"
	}
	fmt.Fprintf(s.out, "%s: %s\n", head, text(u.Task.Trigger().String()))
	if v := u.Task.Override; v != nil && !v.ExpireTime.IsZero() {
		fmt.Fprintf(s.out, "It ends %s; then the declared trigger is in force again: %s\n",
			s.when(v.ExpireTime), text(u.Task.Declaration.Trigger.String()))
	}
	if u.Task.State == task.Orphaned {
		fmt.Fprintf(s.out, "The task is orphaned: no live daemon declares it, so it does not fire until one does.\n")
	}
	if err := s.printStillPaused(u.Task); err != nil {
		return err
	}
	if c.DryRun {
		return s.printChange(trigger, u.PreviousFires, u.NextFires)
	}
	const enough = 5 // to see that it is what was meant; a preview shows more
	return s.printFires("Next fires:", trigger, u.NextFires[:min(enough, len(u.NextFires))])
}

type resetCommand struct {
	Task taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	editFlags
}

func (c *resetCommand) Run(s *session) error {
	t, err := edit(s, c.Task, c.editFlags, s.client.ResetTrigger)
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.ResetTriggerResponse{Task: wire.TaskToProto(t)})
	}
	if err := s.printEdited(t); err != nil {
		return err
	}
	return s.printStillPaused(t)
}

type pauseCommand struct {
	Task taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	editFlags
	For   string `xor:"end" placeholder:"SPAN" help:"Resume by itself after so long, such as 2h. Default: never."`
	Until string `xor:"end" placeholder:"TIME" help:"Resume by itself at this time (RFC 3339). Default: never."`
}

func (c *pauseCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	o := client.PauseOptions{Etag: c.Etag, Reason: c.Reason}
	if o.ResumeTime, err = parseTime("--until", c.Until); err != nil {
		return err
	}
	if c.For != "" {
		d, err := parseSpan("--for", c.For)
		switch {
		case err != nil:
			return err
		case d == 0:
			return usage("--for: %s is not in the future", c.For)
		}
		o.ResumeTime = s.now.Add(d)
	}
	t, err := ask(s, func(ctx context.Context) (task.Task, error) { return s.client.PauseTask(ctx, ref, o) })
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.PauseTaskResponse{Task: wire.TaskToProto(t)})
	}
	return s.printEdited(t)
}

type resumeCommand struct {
	Task taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	editFlags
}

func (c *resumeCommand) Run(s *session) error {
	t, err := edit(s, c.Task, c.editFlags, s.client.ResumeTask)
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.ResumeTaskResponse{Task: wire.TaskToProto(t)})
	}
	return s.printEdited(t)
}

func edit(s *session, arg taskArg, flags editFlags, change func(context.Context, task.Ref, client.EditOptions) (task.Task, error)) (task.Task, error) {
	ref, err := arg.ref()
	if err != nil {
		return task.Task{}, err
	}
	return ask(s, func(ctx context.Context) (task.Task, error) {
		return change(ctx, ref, client.EditOptions{Etag: flags.Etag, Reason: flags.Reason})
	})
}

type previewCommand struct {
	Trigger triggerArg `arg:"" optional:"" help:"The trigger, as one argument: 'every 10m'."`
	Task    taskArg    `complete:"task" placeholder:"TASK" help:"Look at the trigger in force of this task instead."`
	Count   int        `default:"5" placeholder:"N" help:"How many fires, at most 1000. Default: ${default}."`
	From    string     `placeholder:"TIME" help:"Look at the fires after this time (RFC 3339). Default: now."`
}

func (c *previewCommand) Run(s *session) error {
	if (len(c.Trigger) == 0) == (c.Task == "") {
		return usage("give either a TRIGGER or --task TASK")
	}
	if c.Count < 1 {
		return usage("--count: %d is not from 1 to 1000", c.Count)
	}
	from, err := parseTime("--from", c.From)
	if err != nil {
		return err
	}
	var trigger schedule.Trigger
	var preview func(ctx context.Context) (task.Preview, error)
	if c.Task != "" {
		ref, err := c.Task.ref()
		if err != nil {
			return err
		}
		preview = func(ctx context.Context) (task.Preview, error) {
			// The answer has the fires; what they are read with, the trigger, is the task's.
			t, err := s.client.Task(ctx, ref)
			if err != nil {
				return task.Preview{}, err
			}
			trigger = t.Trigger()
			return s.client.PreviewTask(ctx, ref, from, c.Count)
		}
	} else {
		if trigger, err = c.Trigger.trigger(); err != nil {
			return err
		}
		preview = func(ctx context.Context) (task.Preview, error) {
			return s.client.PreviewTrigger(ctx, trigger, from, c.Count)
		}
	}
	p, err := ask(s, preview)
	if err != nil {
		return err
	}
	if s.exact {
		return s.printAnswer(wire.PreviewToProto(p))
	}
	if p.Description != "" { // an older daemon sends none
		fmt.Fprintln(s.out, text(p.Description))
	}
	if err := s.printFires("", trigger, p.Fires); err != nil {
		return err
	}
	switch p.End {
	case task.PreviewOver:
		fmt.Fprintln(s.out, "No further fire.")
	case task.PreviewWaits:
		fmt.Fprintln(s.out, "What comes next follows the end of a run, or the start or stop of a daemon.")
	}
	return nil
}

// printEdited prints what a change to a task is about, on one line.
func (s *session) printEdited(t task.Task) error {
	state, next := taskStates.of(t.State), ""
	if t.State == task.Paused && t.Pause != nil && !t.Pause.ResumeTime.IsZero() {
		state += " until " + s.when(t.Pause.ResumeTime)
	}
	if !t.Clock.NextFireTime.IsZero() {
		next = ", next fire " + s.when(t.Clock.NextFireTime)
	}
	_, err := fmt.Fprintf(s.out, "%s is %s: %s%s\n", text(t.Declaration.Name), state, text(t.Trigger().String()), next)
	return err
}

// printStillPaused says after a change of the trigger that it does not fire yet, if the task is paused.
func (s *session) printStillPaused(t task.Task) error {
	if t.Pause == nil {
		return nil
	}
	end := "after clockctl resume"
	if !t.Pause.ResumeTime.IsZero() {
		end += ", or " + s.when(t.Pause.ResumeTime)
	}
	_, err := fmt.Fprintf(s.out, "The task stays paused; it fires again %s.\n", end)
	return err
}
