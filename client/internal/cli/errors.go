package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// A slowError says that the daemon has not answered within patience.
type slowError struct {
	address string
	err     error
}

func (e *slowError) Error() string {
	return fmt.Sprintf("the daemon at %s has not answered within %s; a change that was asked for may have been made", e.address, patience)
}

func (e *slowError) Unwrap() error { return e.err }

// report prints an error, each line of it after the program's name, and returns the exit code.
func report(ctx context.Context, stderr io.Writer, err error) int {
	code := exitCode(ctx, err)
	switch code {
	case exitOK, exitBrokenPipe:
		return code
	case exitDiffers:
		if errors.Is(err, errDiffers) {
			return code // and what differs was printed
		}
	case exitInterrupted:
		err = errors.New("interrupted; what the daemon had begun goes on")
	}
	for _, line := range message(err) {
		// Nothing is left to do if standard error is gone.
		_, _ = fmt.Fprintf(stderr, "clockctl: %s\n", line)
	}
	return code
}

// exitBrokenPipe is what a shell reports of a program that a closed pipe has ended: nobody reads on, as
// under "| head", and there is nothing to say.
const exitBrokenPipe = 128 + int(syscall.SIGPIPE)

func exitCode(ctx context.Context, err error) int {
	is := func(target error) bool { return errors.Is(err, target) }
	_, wrong := errors.AsType[*usageError](err)
	switch {
	case err == nil:
		return exitOK
	case is(syscall.EPIPE):
		return exitBrokenPipe
	case is(errDiffers):
		return exitDiffers
	case wrong, is(task.ErrInvalid):
		return exitUsage
	case is(task.ErrTaskNotFound), is(task.ErrRunNotFound):
		return exitNotFound
	case is(task.ErrStale):
		return exitStale
	case ctx.Err() != nil && is(ctx.Err()):
		return exitInterrupted
	case is(client.ErrNoDaemon), is(task.ErrUnavailable), is(task.ErrStopping), is(context.DeadlineExceeded):
		return exitNoAnswer
	default:
		return exitFailed
	}
}

// message is the text of an error, in lines.
func message(err error) []string {
	if syntax, ok := errors.AsType[*schedule.SyntaxError](err); ok {
		return append([]string{"trigger: " + printable(syntax.Error())}, caret(syntax.Text, syntax.Column)...)
	}
	if invalid, ok := errors.AsType[*task.InvalidError](err); ok && len(invalid.Violations) > 0 {
		var lines []string
		for _, v := range invalid.Violations {
			line := printable(v.Description)
			if v.Field != "" {
				line = printable(v.Field) + ": " + line
			}
			lines = append(lines, line)
		}
		return lines
	}
	lines := []string{printable(err.Error())}
	if wrong, ok := errors.AsType[*usageError](err); ok && wrong.help != "" {
		lines = append(lines, fmt.Sprintf("see %q", wrong.help))
	}
	return lines
}

// caret shows where in a text something is, on two lines, or none if the text is blank. The column counts
// bytes from 1.
func caret(s string, column int) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	before := s[:min(max(column-1, 0), len(s))]
	// One rune is one column, which does for every character a trigger can have.
	pad := strings.Map(func(rune) rune { return ' ' }, before)
	return []string{"  " + printable(s), "  " + pad + "^"}
}

// printable replaces each character that does not print, such as those that move the cursor. It keeps
// the number of characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}
