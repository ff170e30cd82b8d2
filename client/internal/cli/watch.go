package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

type watchCommand struct {
	Task  *taskArg `complete:"task" arg:"" optional:"" help:"Name or id of the task. Default: all tasks."`
	Tasks bool     `xor:"what" help:"Watch tasks. This is the default."`
	Runs  bool     `xor:"what" help:"Watch runs: first those that have not ended."`
}

// Help is the text below the summary.
func (watchCommand) Help() string {
	return "On a terminal, a table of the tasks that follows what happens, with what fits into the window: the runs that go, and those that fire next. " +
		"Else, as with a pipe, first come the tasks, or the runs that have not ended, as they are, then each change in order, a line for each; with --output json each answer of the API on a line, with yaml a document. " +
		"It goes on until it is interrupted, which is exit status 0. If the daemon goes away it says so, waits for it, and goes on where it was."
}

func (c *watchCommand) Run(s *session) error {
	var ref task.Ref
	var err error
	if c.Task != nil {
		if ref, err = c.Task.ref(); err != nil {
			return err
		}
	}
	if s.onTerminal() {
		err = s.watchLive(ref, c.Runs)
	} else if c.Runs {
		err = s.watchRuns(ref)
	} else {
		err = s.watchTasks(ref)
	}
	if s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // that is how it ends
	}
	return err
}

// onTerminal returns whether a table can be drawn that moves.
func (s *session) onTerminal() bool {
	if s.exact || s.env.Terminal == nil || s.env.Getenv("TERM") == "dumb" {
		return false
	}
	_, _, ok := s.env.Terminal()
	return ok
}

func (s *session) watchLive(ref task.Ref, ofRuns bool) error {
	name, err := s.nameOf(ref)
	if err != nil {
		return err
	}
	return s.live(ref, name, ofRuns)
}

// nameOf is the name of a task; of none it is empty. A watch of tasks is by name, and a name that is not there is a
// mistake rather than a thing to wait for.
func (s *session) nameOf(ref task.Ref) (string, error) {
	if ref == (task.Ref{}) {
		return "", nil
	}
	t, err := ask(s, func(ctx context.Context) (task.Task, error) { return s.client.Task(ctx, ref) })
	return t.Declaration.Name, err
}

func (s *session) watchTasks(ref task.Ref) error {
	name, err := s.nameOf(ref)
	if err != nil {
		return err
	}
	w := client.TaskWatch{NamePrefix: name, Away: s.away()}
	lines := &watched{session: s}
	names := map[uuid.UUID]string{} // of what was told of: who is deleted is told by id
	for changes, err := range s.client.WatchTasks(s.ctx, w) {
		if err != nil {
			return err
		}
		s.now = s.env.Now()
		if ref != (task.Ref{}) {
			changes = only(w.NamePrefix, names, changes)
			if len(changes.Tasks)+len(changes.Deleted) == 0 && !changes.Reset && !changes.Synced {
				continue
			}
		}
		if changes.Reset {
			clear(names)
		}
		for _, t := range changes.Tasks {
			names[t.ID] = t.Declaration.Name
		}
		if s.exact {
			err = s.printPart(tasksToProto(changes))
		} else {
			err = lines.tasks(changes, names)
		}
		if err != nil {
			return err
		}
		for _, id := range changes.Deleted {
			delete(names, id)
		}
	}
	return nil
}

// only leaves the task of that name.
func only(name string, names map[uuid.UUID]string, changes client.TaskChanges) client.TaskChanges {
	all := changes
	changes.Tasks, changes.Deleted = nil, nil
	for _, t := range all.Tasks {
		if t.Declaration.Name == name {
			changes.Tasks = append(changes.Tasks, t)
		}
	}
	for _, id := range all.Deleted {
		if _, ok := names[id]; ok {
			changes.Deleted = append(changes.Deleted, id)
		}
	}
	return changes
}

func (s *session) watchRuns(ref task.Ref) error {
	lines := &watched{session: s}
	going := map[task.RunID]string{} // the task of each run that has not ended: only those are taken back
	for changes, err := range s.client.WatchRuns(s.ctx, client.RunWatch{Task: ref, Away: s.away()}) {
		if err != nil {
			return err
		}
		s.now = s.env.Now()
		if changes.Reset {
			clear(going)
		}
		if s.exact {
			err = s.printPart(runsToProto(changes))
		} else {
			err = lines.runs(changes, going)
		}
		if err != nil {
			return err
		}
		for _, run := range changes.Runs {
			if run.State.Ended() {
				delete(going, run.ID)
			} else {
				going[run.ID] = run.TaskName
			}
		}
		for _, id := range changes.TakenBack {
			delete(going, id)
		}
	}
	return nil
}

// away returns what says that the daemon is gone, once, and that it is back. Without it silence would look as if
// nothing changed.
func (s *session) away() func(why error) {
	gone := false
	return func(why error) {
		switch {
		case why == nil && gone:
			s.remark("the daemon answers again")
		case why != nil && !gone && !errors.Is(why, task.ErrTooSlow): // which is about us
			s.remark("the daemon does not answer; waiting")
		default:
			return
		}
		gone = why != nil
	}
}

// remark says something that is not what was asked for.
func (s *session) remark(format string, args ...any) {
	// Nothing is left to do if standard error is gone.
	_, _ = fmt.Fprintf(s.env.Stderr, "clockctl: "+format+"\n", args...)
}

// tasksToProto is the answer as the API gives it.
func tasksToProto(c client.TaskChanges) *clockdv1.WatchTasksResponse {
	pb := wire.TaskChangesToProto(task.TaskChanges{Tasks: c.Tasks, Deleted: c.Deleted, Reset: c.Reset, Synced: c.Synced})
	pb.ResumeToken = c.ResumeToken
	return pb
}

// runsToProto is the answer as the API gives it.
func runsToProto(c client.RunChanges) *clockdv1.WatchRunsResponse {
	pb := wire.RunChangesToProto(task.RunChanges{Runs: c.Runs, TakenBack: c.TakenBack, Reset: c.Reset, Synced: c.Synced})
	pb.ResumeToken = c.ResumeToken
	return pb
}

// watched prints rows that come one after the other. A column is as wide as its widest cell so far, up to a
// limit, and from the beginning as wide as most will be: what is printed can not be moved.
type watched struct {
	*session
	widths []int
	begun  bool
}

const widestCell = 40

func (w *watched) row(cells ...string) {
	var line strings.Builder
	for i, cell := range cells {
		if i == len(w.widths) {
			w.widths = append(w.widths, 0)
		}
		n := utf8.RuneCountInString(cell)
		w.widths[i] = max(w.widths[i], min(n, widestCell))
		line.WriteString(cell)
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", max(0, w.widths[i]-n)+2))
		}
	}
	fmt.Fprintln(w.out, strings.TrimRight(line.String(), " "))
}

// begin prints the head, and says where all is told anew.
func (w *watched) begin(reset bool, head ...string) {
	switch {
	case !w.begun:
		w.begun = true
		w.row(head...)
	case reset:
		fmt.Fprintln(w.out, "What was before may be out of date; what follows is all that is.")
	}
}

func (w *watched) tasks(c client.TaskChanges, names map[uuid.UUID]string) error {
	if !w.begun {
		w.widths = []int{0, len("exhausted"), 0, len(instantForm), 0}
		for _, t := range c.Tasks {
			w.measure(w.taskCells(t))
		}
	}
	w.begin(c.Reset, "NAME", "STATE", "TRIGGER", "NEXT", "LAST-RUN")
	for _, t := range c.Tasks {
		w.row(w.taskCells(t)...)
	}
	for _, id := range c.Deleted {
		name, ok := names[id]
		if !ok {
			name = id.String()
		}
		w.row(text(name), "deleted")
	}
	return w.out.Flush()
}

// measure makes the columns wide enough for a row that is to come.
func (w *watched) measure(cells []string) {
	for i, cell := range cells {
		w.widths[i] = max(w.widths[i], min(utf8.RuneCountInString(cell), widestCell))
	}
}

// taskCells tell when, and not how far from now that is: a line is read later than it is printed.
func (w *watched) taskCells(t task.Task) []string {
	next := "-"
	if !t.Clock.NextFireTime.IsZero() {
		next = instant(t.Clock.NextFireTime)
	}
	last := "-"
	if run := t.LastRun; run != nil {
		last = fmt.Sprintf("%s %s %s", run.ID, runStates.of(run.State), instant(run.ScheduledTime))
	}
	return []string{text(t.Declaration.Name), taskStates.of(t.State), short(t.Trigger().String()), next, last}
}

func (w *watched) runCells(run task.Run) []string {
	return []string{
		run.ID.String(), text(run.TaskName), runStates.of(run.State), causes.of(run.Cause), instant(run.ScheduledTime), runTook(run), w.noteCell(run),
	}
}

func (w *watched) runs(c client.RunChanges, going map[task.RunID]string) error {
	if !w.begun {
		w.widths = []int{0, 0, len("succeeded"), len("backfill"), len(instantForm), len("1h0m0s"), 0}
		for _, run := range c.Runs {
			w.measure(w.runCells(run))
		}
	}
	w.begin(c.Reset, "RUN", "TASK", "STATE", "CAUSE", "SCHEDULED", "TOOK", "NOTE")
	for _, run := range c.Runs {
		w.row(w.runCells(run)...)
	}
	for _, id := range c.TakenBack {
		w.row(id.String(), text(going[id]), "taken back")
	}
	return w.out.Flush()
}
