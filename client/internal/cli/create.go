package cli

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type createCommand struct {
	Name string `arg:"" name:"task" help:"Name of the task."`
	specFlags
	Reason string `help:"Why, for those who read it later."`
	DryRun bool   `help:"Check everything and show the task as it would be, but make nothing."`
}

// Help is the text below the summary.
func (createCommand) Help() string {
	return `The task lives in the daemon's store, whatever program runs, and fires from now on: clockctl create report --trigger 'at 09:30 UTC' --timeout 5m -- /usr/bin/report --all. A command needs a daemon that was started with --allow-commands.`
}

func (c *createCommand) Run(s *session) error {
	d := task.Declaration{Name: c.Name}
	switch {
	case c.Trigger == nil:
		return usage("--trigger is missing: say when the task fires, such as --trigger 'every 10m'")
	case len(c.Command) == 0 && c.HTTP == nil && c.GRPC == nil && !c.Worker:
		return usage("what a run does is missing: give a command after '--', or --http URL, --grpc ADDRESS or --worker")
	}
	if _, err := c.apply(&d); err != nil {
		return err
	}
	t, err := ask(s, func(ctx context.Context) (task.Task, error) {
		return s.client.CreateTask(ctx, d, client.CreateOptions{Reason: c.Reason, ValidateOnly: c.DryRun})
	})
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.CreateTaskResponse{Task: wire.TaskToProto(t)})
	}
	return s.printMade(t, c.DryRun)
}

type updateCommand struct {
	Task taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	specFlags
	editFlags
	DryRun bool `help:"Check everything and show the task as it would be, but change nothing."`
}

// Help is the text below the summary.
func (updateCommand) Help() string {
	return `What is not given stays as it is, the rest of a command or a request too. An empty value stands for the default. A changed trigger ends an override that was made without --keep. Tasks that a program declares are changed there.`
}

func (c *updateCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	var d task.Declaration
	etag := c.Etag
	if c.ofTarget() {
		// The target is replaced as a whole, so the rest of it is sent back as it was read; the etag keeps
		// another change in between from being undone.
		t, err := ask(s, func(ctx context.Context) (task.Task, error) { return s.client.Task(ctx, ref) })
		if err != nil {
			return err
		}
		if t.Origin != task.Created {
			return fmt.Errorf("task %s: %w: change it there", text(t.Declaration.Name), task.ErrDeclared)
		}
		d.Spec = t.Declaration.Spec
		if etag == "" {
			etag = t.Etag()
		}
	}
	mask, err := c.apply(&d)
	switch {
	case err != nil:
		return err
	case len(mask) == 0:
		return usage("nothing to change is given")
	}
	t, err := ask(s, func(ctx context.Context) (task.Task, error) {
		return s.client.UpdateTask(ctx, ref, d, client.UpdateTaskOptions{Fields: mask, Etag: etag, Reason: c.Reason, ValidateOnly: c.DryRun})
	})
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.UpdateTaskResponse{Task: wire.TaskToProto(t)})
	}
	return s.printMade(t, c.DryRun)
}

// printMade prints a task after it was made or changed; in a dry run all that it would be.
func (s *session) printMade(t task.Task, dry bool) error {
	if !dry {
		return s.printEdited(t)
	}
	fmt.Fprintln(s.out, "The task as it would be; nothing was changed:")
	return s.printTask(t, openRuns{})
}

type deleteCommand struct {
	Task taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	editFlags
}

func (c *deleteCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	_, err = ask(s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.client.DeleteTask(ctx, ref, client.EditOptions{Etag: c.Etag, Reason: c.Reason})
	})
	switch {
	case err != nil:
		return err
	case s.exact:
		return s.printAnswer(&clockdv1.DeleteTaskResponse{})
	}
	_, err = fmt.Fprintf(s.out, "%s is deleted.\n", text(string(c.Task)))
	return err
}
