package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

type runCommand struct {
	Task      taskArg `complete:"task" arg:"" help:"Name or id of the task."`
	Input     string  `placeholder:"JSON" help:"What the run gets as its input; '-' reads it from standard input."`
	Wait      bool    `help:"Answer when the run has ended, with exit status 1 if it did not succeed. After an interrupt the run goes on."`
	Follow    bool    `help:"Print what the run writes as it does, to standard output and standard error, after a line on standard error with the id of the run; exit as with --wait."`
	RequestID string  `placeholder:"UUID" help:"A repeated call with the same one starts nothing and shows the same run."`
	Overlap   string  `complete:"overlap" placeholder:"skip|allow|queue|cancel" help:"What to do if another run of the task is going. Default: the task's policy."`
}

// maxInput is the most that is read from standard input, in bytes: gRPC takes no larger message.
const maxInput = 4 << 20

func (c *runCommand) Run(s *session) error {
	ref, err := c.Task.ref()
	if err != nil {
		return err
	}
	o := client.RunOptions{Wait: c.Wait && !c.Follow}
	if o.Input, err = c.input(s); err != nil {
		return err
	}
	if c.RequestID != "" {
		if o.RequestID, err = uuid.Parse(c.RequestID); err != nil || o.RequestID == uuid.Nil {
			return usage("--request-id: %q is not a UUID", c.RequestID)
		}
	}
	if c.Overlap != "" {
		given, err := overlaps.parse("--overlap", []string{c.Overlap})
		if err != nil {
			return err
		}
		o.Overlap = &given[0]
	}

	call := func(ctx context.Context) (task.Run, error) { return s.client.RunTask(ctx, ref, o) }
	var run task.Run
	if o.Wait {
		run, err = call(s.ctx)
		s.now = s.env.Now()
	} else {
		run, err = ask(s, call)
	}
	if o.Wait && s.interrupted(err) {
		return &interruptedError{task: string(c.Task), run: s.begun(ref)}
	}
	if err != nil {
		return err
	}
	if c.Follow {
		s.remark("run %s", run.ID) // for logs, should this be cut short
		ended, _, err := s.follow(run.ID)
		if s.interrupted(err) {
			return &interruptedError{run: run.ID}
		}
		switch {
		case err != nil:
			err = fmt.Errorf("%w; what the daemon has started goes on: follow it with %q", err, "clockctl logs "+run.ID.String())
		case ended.State != task.Succeeded:
			err = &runError{ended}
		}
		return err
	}
	if s.exact {
		err = s.printAnswer(&clockdv1.RunTaskResponse{Run: wire.RunToProto(run)})
	} else {
		err = s.printRun(run)
	}
	if err == nil && c.Wait && run.State != task.Succeeded {
		err = &runError{run}
	}
	return err
}

// interrupted returns whether an error says that the user wanted no more.
func (s *session) interrupted(err error) bool {
	return err != nil && s.ctx.Err() != nil && errors.Is(err, s.ctx.Err())
}

// begun finds the run that was begun by a call whose answer did not come: the only one of the task that goes or
// waits and that this user has called. 0: there is none, or more than one. The call is not repeated: should the
// daemon not have had it, that would start a run which nobody wants any more.
func (s *session) begun(ref task.Ref) task.RunID {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), completionPatience)
	defer cancel()
	f := client.RunFilter{Task: ref, States: []task.RunState{task.Scheduled, task.Running}}
	runs, _, err := s.client.RunsPage(ctx, f, completionPage, "")
	if err != nil {
		return 0
	}
	runs = slices.DeleteFunc(runs, func(run task.Run) bool { return run.Cause != task.ByCall || run.Actor != s.actor })
	if len(runs) != 1 {
		return 0
	}
	return runs[0].ID
}

func (c *runCommand) input(s *session) (any, error) {
	data := []byte(c.Input)
	switch c.Input {
	case "":
		return nil, nil
	case "-":
		var err error
		if data, err = readAll(s.ctx, s.env.Stdin, maxInput); err != nil {
			return nil, fmt.Errorf("read the input: %w", err)
		}
		if len(data) > maxInput {
			return nil, usage("--input: more than %d MiB", maxInput>>20)
		}
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, usage("--input: not JSON: %s; a text needs quotes of its own, '\"text\"'", err)
	}
	return json.RawMessage(data), nil
}

// readAll reads up to limit+1 bytes. A read of a terminal or a pipe can not be taken back, so when ctx
// ends first the goroutine is left to it: the process is about to end.
func readAll(ctx context.Context, r io.Reader, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		return got.data, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A runError says that a run that was waited for did not succeed.
type runError struct{ run task.Run }

func (e *runError) Error() string {
	line := ended(e.run)
	if why := note(e.run); why != "" {
		line += ": " + text(why)
	}
	return line
}

// ended names a run and says how it ended.
func ended(run task.Run) string {
	return fmt.Sprintf("run %s of task %s ended as %s", run.ID, text(run.TaskName), runStates.of(run.State))
}

type runsCommand struct {
	Task  *taskArg `complete:"task" arg:"" optional:"" help:"Name or id of the task. Default: all tasks."`
	State []string `complete:"run_state" placeholder:"STATE" help:"Only runs in this state: scheduled, running, succeeded, failed, timed_out, canceled, lost, skipped or missed. Can be repeated."`
	Limit int      `default:"20" placeholder:"N" help:"Show at most so many; 0 for all. Default: ${default}."`
}

func (c *runsCommand) Run(s *session) error {
	var f client.RunFilter
	var err error
	if c.Task != nil {
		if f.Task, err = c.Task.ref(); err != nil {
			return err
		}
	}
	if f.States, err = runStates.parse("--state", c.State); err != nil {
		return err
	}
	runs, next, err := collect(s, c.Limit, func(ctx context.Context, size int, token string) ([]task.Run, string, error) {
		return s.client.RunsPage(ctx, f, size, token)
	})
	if err != nil {
		return err
	}
	if s.exact {
		resp := &clockdv1.ListRunsResponse{NextPageToken: next}
		for _, run := range runs {
			resp.Runs = append(resp.Runs, wire.RunToProto(run))
		}
		return s.printAnswer(resp)
	}
	rows := table{{"RUN", "TASK", "STATE", "CAUSE", "SCHEDULED", "TOOK", "NOTE"}}
	for _, run := range runs {
		rows.row(run.ID.String(), text(run.TaskName), runStates.of(run.State), causes.of(run.Cause),
			s.when(run.ScheduledTime), runTook(run), s.noteCell(run))
	}
	return rows.write(s.out)
}

func runID(arg string) (task.RunID, error) {
	id, err := task.ParseRunID(arg)
	if err != nil {
		return 0, usage("%s", err)
	}
	return id, nil
}

// note is what is worth knowing of a run beside its state: what went wrong, or why it did not start.
func note(run task.Run) string {
	var parts []string
	switch {
	case run.Error != "":
		parts = append(parts, run.Error)
	case run.Reason != 0 && run.State == task.Scheduled:
		parts = append(parts, waitingFor.of(run.Reason))
	case run.Reason != 0:
		why := reasons.of(run.Reason)
		if late := foundLate(run); late > 0 {
			why += ", " + span(late) + " late"
		}
		parts = append(parts, why)
	}
	if run.Fires > 1 {
		parts = append(parts, fmt.Sprintf("stands for %d fires", run.Fires))
	}
	return strings.Join(parts, "; ")
}

// foundLate is how long after its instant a run was found to be missed; 0 of others.
func foundLate(run task.Run) time.Duration {
	if run.State != task.Missed || run.EndTime.IsZero() {
		return 0
	}
	return max(0, run.EndTime.Sub(run.ScheduledTime).Truncate(time.Second))
}

// noteCell is the note for a row of a table. A run that waits for its start, or has been started more than once,
// says so first.
func (s *session) noteCell(run task.Run) string {
	var parts []string
	switch n := attempt(&run); {
	case s.delayed(&run):
		parts = append(parts, s.waiting(&run))
	case n > 1:
		parts = append(parts, fmt.Sprintf("attempt %d", n))
	}
	if why := note(run); why != "" || len(parts) == 0 {
		parts = append(parts, short(why))
	}
	return strings.Join(parts, "; ")
}

// attempt is which attempt of a run comes next, is going or was the last, counted from 1; 0: there is none.
func attempt(run *task.Run) int {
	if n := len(run.Earlier); n > 0 && run.Attempt == 0 {
		return run.Earlier[n-1].Number + 1
	}
	return run.Attempt
}

// delayed returns whether the start of a run, or of its next attempt, is later than its instant and still to
// come: because of jitter, after an attempt that failed, or as the rate of a backfill says.
func (s *session) delayed(run *task.Run) bool {
	return run.State == task.Scheduled && (!run.JitteredTime.IsZero() || !run.NextAttemptTime.IsZero()) && run.DueTime().After(s.now)
}

// waits returns whether a run has not started and it is known what for.
func (s *session) waits(run *task.Run) bool {
	return s.delayed(run) || run.State == task.Scheduled && run.Reason != 0
}

// waiting says what a run waits for that does.
func (s *session) waiting(run *task.Run) string { return s.awaits(run, s.when(run.DueTime())) }

// waitingShort is waiting without the instant.
func (s *session) waitingShort(run *task.Run) string { return s.awaits(run, s.distance(run.DueTime())) }

func (s *session) awaits(run *task.Run, due string) string {
	switch {
	case !s.delayed(run):
		return waitingFor.of(run.Reason)
	case len(run.Earlier) > 0:
		return fmt.Sprintf("attempt %d starts %s", attempt(run), due)
	}
	return "starts " + due
}

// runTook is how long the last attempt of a run took. It is not known of a run that was lost: its end is when it
// was found.
func runTook(run task.Run) string {
	if run.StartTime.IsZero() || run.EndTime.IsZero() || run.State == task.Lost {
		return "-"
	}
	return took(run.EndTime.Sub(run.StartTime))
}
