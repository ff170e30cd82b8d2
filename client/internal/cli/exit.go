package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// The exit codes. They are API: scripts rely on them. What each means is in exitCodes, and nowhere else.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDiffers     = 3 // of diff alone, which names no task; clockd diff has the same
	exitNoAnswer    = 4
	exitStale       = 5
	exitInterrupted = 130 // 128 + SIGINT, as shells have it

	// exitBrokenPipe is what a shell reports of a program that a closed pipe has ended: nobody reads on, as under
	// "| head", and there is nothing to say.
	exitBrokenPipe = 128 + int(syscall.SIGPIPE)
)

// exitCodes say what the codes mean, for people. Other codes there are none.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done; of run with --wait or --follow: the run succeeded"},
	{exitFailed, "refused or failed; of run with --wait or --follow: the run did not succeed, or was skipped"},
	{exitUsage, "the command line, or what it asks for, is wrong"},
	{exitNotFound, "there is no such task or run; of diff: there are differences"},
	{exitNoAnswer, "no daemon answers, or it says to try again later"},
	{exitStale, "the task was changed since its etag was read"},
	{exitInterrupted, "interrupted; of watch, which ends so, 0"},
	{exitBrokenPipe, "whoever read the output has gone"},
}

// exitClasses say which code an error has, the first that matches. Errors that are not here have exitFailed.
var exitClasses = []struct {
	class error
	code  int
}{
	{syscall.EPIPE, exitBrokenPipe},
	{errDiffers, exitDiffers},
	{errUsage, exitUsage},
	{task.ErrInvalid, exitUsage},
	{task.ErrTaskNotFound, exitNotFound},
	{task.ErrRunNotFound, exitNotFound},
	{task.ErrStale, exitStale},
	{errInterrupted, exitInterrupted},
	{client.ErrNoDaemon, exitNoAnswer},
	{task.ErrHeld, exitNoAnswer},
	{task.ErrGivenUp, exitNoAnswer},
	{task.ErrUnavailable, exitNoAnswer},
	{task.ErrStarting, exitNoAnswer},
	{task.ErrStopping, exitNoAnswer},
	{context.DeadlineExceeded, exitNoAnswer},
}

func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errors.Join(errInterrupted, err)
	}
	for _, c := range exitClasses {
		if errors.Is(err, c.class) {
			return c.code
		}
	}
	return exitFailed
}

// exitHelp is the part of the help that says what the codes mean.
func exitHelp() string {
	var parts []string
	for _, c := range exitCodes {
		parts = append(parts, fmt.Sprintf("%d %s", c.code, c.meaning))
	}
	return "Exit status: " + strings.Join(parts, "; ") + ". Import exits with 1 if it had to leave out a task."
}

// errInterrupted is the class of errors that say that the user wanted no more.
var errInterrupted = errors.New("interrupted")

// An interruptedError says that the user did not wait for the end of a run, and how to come back to it. Its class
// is errInterrupted.
type interruptedError struct {
	task string
	run  task.RunID // 0: it is not known which it is
}

func (e *interruptedError) Error() string {
	if e.run == 0 {
		return fmt.Sprintf("interrupted; if the daemon has started the run, it goes on: find it with %q", "clockctl runs "+e.task)
	}
	return fmt.Sprintf("interrupted; run %s goes on: follow it with %q, end it with %q", e.run, "clockctl logs "+e.run.String(), "clockctl cancel "+e.run.String())
}

// Unwrap returns the class.
func (e *interruptedError) Unwrap() error { return errInterrupted }
