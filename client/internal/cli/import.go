package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

type importCommand struct {
	File   string `complete:"file" arg:"" help:"The document; '-' reads standard input."`
	DryRun bool   `help:"Say what would be done, and do nothing."`
}

// Help is the text below the summary.
func (importCommand) Help() string {
	return "Tasks that were made by create and are not there are made; overrides and pauses are put in force as they were, but from now on, and by you. A task that is made fires as a new one does: what max= counts begins at 0, and once fires. " +
		"What is there already is left alone, so that a second import does nothing. A line says of each what was done; with --output json or yaml an object. " +
		"Exit status: 0 all of the document is in force, or has ended by itself since; 1 something could not be done, such as the override of a task that no program declares; 2 the document is wrong, and nothing was done."
}

// maxDocument is the largest document that is read, in bytes.
const maxDocument = 256 << 20

func (c *importCommand) Run(s *session) error {
	data, err := s.readFile(c.File, maxDocument)
	if err != nil {
		return err
	}
	list, err := parseDocument(data)
	if err != nil {
		return err
	}
	i := &importer{session: s, dry: c.DryRun}
	for _, w := range list {
		if err := i.task(w); err != nil {
			return err
		}
	}
	if len(list) == 0 && !s.exact {
		fmt.Fprintln(s.out, "The document has no tasks.")
	}
	if i.failed > 0 {
		return fmt.Errorf("%d of %d tasks of the document are not as it says", i.failed, len(list))
	}
	return nil
}

// An importer puts the tasks of a document back.
type importer struct {
	*session
	dry    bool
	name   string // of the task
	absent bool   // the task was not made, because it is a dry run
	failed int    // tasks that are not as the document says
}

// What was done, for JSON.
const (
	didCreate   = "created"
	didOverride = "override_set"
	didPause    = "paused"
	leftAlone   = "left_alone"
	didNot      = "failed"
)

// say tells of a step. In a dry run it would be done.
func (i *importer) say(action, format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	if i.exact {
		data, err := json.Marshal(map[string]any{"task_name": i.name, "action": action, "detail": line, "dry_run": i.dry})
		if err != nil {
			return err
		}
		return i.printPartOf(data)
	}
	fmt.Fprintf(i.out, "%s: %s\n", text(i.name), line)
	return i.out.Flush()
}

// done is the word for a step that is made, or in a dry run would be.
func (i *importer) done(word string) string {
	if i.dry {
		return "would be " + word
	}
	return word
}

// task puts one task back. Its error ends the import: what is wrong with one task does not.
func (i *importer) task(w wanted) error {
	i.name, i.absent = w.name, false
	t, err := ask(i.session, func(ctx context.Context) (task.Task, error) { return i.client.Task(ctx, task.ByName(w.name)) })
	switch {
	case err == nil && w.create != nil:
		err = i.compare(t, *w.create)
	case errors.Is(err, task.ErrTaskNotFound) && w.create == nil:
		i.failed++
		return i.say(didNot, "skipped: it is not there, and a program or a worker declares it: start that first")
	case errors.Is(err, task.ErrTaskNotFound):
		t, err = i.create(*w.create)
	}
	// Before the trigger: a task that is to be paused must not fire in between.
	if err == nil && w.pause != nil {
		t, err = i.pause(t, w.pause)
	}
	if err == nil {
		_, err = i.override(t, w.override)
	}
	if err == nil && w.pause == nil && t.Pause != nil {
		err = i.say(leftAlone, "left alone: it is paused, and in the document it is not")
	}
	switch {
	case err == nil:
		return nil
	case ends(err):
		return err
	}
	i.failed++
	for _, line := range message(err) {
		if err := i.say(didNot, "failed: %s", line); err != nil {
			return err
		}
	}
	return nil
}

// ends returns whether after this error there is no use in going on.
func ends(err error) bool {
	for _, class := range []error{
		client.ErrNoDaemon, task.ErrUnavailable, task.ErrStarting, task.ErrStopping, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

func (i *importer) create(d task.Declaration) (task.Task, error) {
	t, err := ask(i.session, func(ctx context.Context) (task.Task, error) {
		return i.client.CreateTask(ctx, d, client.CreateOptions{Reason: "imported", ValidateOnly: i.dry})
	})
	if err != nil {
		return t, err
	}
	i.absent = i.dry
	return t, i.say(didCreate, "%s: %s", i.done("created"), text(d.Trigger.String()))
}

// compare says how a task that is there stands to the one of the document.
func (i *importer) compare(t task.Task, d task.Declaration) error {
	have := t.Declaration
	switch {
	case t.Origin == task.Declared:
		return i.say(leftAlone, "left alone: a program declares it now")
	case t.Origin == task.Announced:
		return i.say(leftAlone, "left alone: a worker declares it now")
	case schedule.Equal(have.Trigger, d.Trigger) && have.Policy == d.Policy && have.Spec.Equal(d.Spec) &&
		have.Description == d.Description && have.Group == d.Group && maps.Equal(have.Labels, d.Labels):
		return i.say(leftAlone, "left alone: it is there")
	}
	return i.say(leftAlone, "left alone: it is there, and is not as in the document; to have it so, delete it first, or use update")
}

func (i *importer) pause(t task.Task, p *task.Pause) (task.Task, error) {
	switch {
	case !p.ResumeTime.IsZero() && !p.ResumeTime.After(i.now):
		return t, i.say(leftAlone, "left alone: its pause has ended at %s", instant(p.ResumeTime))
	case t.Pause != nil && t.Pause.Reason == p.Reason && t.Pause.ResumeTime.Equal(p.ResumeTime):
		return t, i.say(leftAlone, "left alone: it is paused")
	}
	if !i.dry {
		var err error
		t, err = ask(i.session, func(ctx context.Context) (task.Task, error) {
			return i.client.PauseTask(ctx, task.ByID(t.ID), client.PauseOptions{Etag: t.Etag(), Reason: p.Reason, ResumeTime: p.ResumeTime})
		})
		if err != nil {
			return t, err
		}
	}
	t.Pause = p
	line := i.done("paused")
	if !p.ResumeTime.IsZero() {
		line += " until " + instant(p.ResumeTime)
	}
	return t, i.say(didPause, "%s", line)
}

func (i *importer) override(t task.Task, o *task.Override) (task.Task, error) {
	have := t.Override
	switch {
	case o == nil && have == nil:
		return t, nil
	case o == nil:
		return t, i.say(leftAlone, "left alone: its trigger is overridden, and in the document it is not")
	case !o.ExpireTime.IsZero() && !o.ExpireTime.After(i.now):
		return t, i.say(leftAlone, "left alone: its override has ended at %s", instant(o.ExpireTime))
	case have != nil && schedule.Equal(have.Trigger, o.Trigger) && have.OnDeclaredChange == o.OnDeclaredChange &&
		have.Reason == o.Reason && have.ExpireTime.Equal(o.ExpireTime):
		return t, i.say(leftAlone, "left alone: its override is in force")
	}
	if i.absent { // so nobody can check it
		return t, i.say(didOverride, "%s: %s", i.done("overridden"), text(o.Trigger.String()))
	}
	u, err := ask(i.session, func(ctx context.Context) (client.TriggerUpdate, error) {
		return i.client.UpdateTrigger(ctx, task.ByID(t.ID), o.Trigger, client.UpdateOptions{
			Etag: t.Etag(), Reason: o.Reason, OnDeclaredChange: o.OnDeclaredChange, ExpireTime: o.ExpireTime, ValidateOnly: i.dry,
		})
	})
	if err != nil {
		return t, err
	}
	line := i.done("overridden") + ": " + text(o.Trigger.String())
	if !o.ExpireTime.IsZero() {
		line += " until " + instant(o.ExpireTime)
	}
	return u.Task, i.say(didOverride, "%s", line)
}
