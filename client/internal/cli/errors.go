package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

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
	switch {
	case code == exitOK, code == exitBrokenPipe:
		return code
	case errors.Is(err, errDiffers):
		return code // and what differs was printed
	case code == exitInterrupted:
		if _, ok := errors.AsType[*interruptedError](err); !ok {
			err = errors.New("interrupted; what the daemon had begun goes on")
		}
	}
	for _, line := range message(err) {
		// Nothing is left to do if standard error is gone.
		_, _ = fmt.Fprintf(stderr, "clockctl: %s\n", line)
	}
	return code
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
	if nobody, ok := errors.AsType[*nobodyError](err); ok {
		return nobody.lines()
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
