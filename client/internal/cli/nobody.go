package cli

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/clockd/clockd/client"
)

// A nobodyError says what to do when no daemon answers.
type nobodyError struct {
	*client.NoDaemonError
	from string // where the address comes from
}

// helped adds to the error of a command, if it is that nobody answers, where the address comes from.
func (s *session) helped(g *grammar, err error) error {
	nobody, ok := errors.AsType[*client.NoDaemonError](err)
	if !ok || nobody.Cause == nil { // then it has answered before
		return err
	}
	from := "the default"
	switch {
	case g.Address != "":
		from = "from --address"
	case s.env.Getenv(addressVariable) != "":
		from = "from " + addressVariable
	}
	return &nobodyError{nobody, from}
}

func (e *nobodyError) Unwrap() error { return e.NoDaemonError }

func (e *nobodyError) is(targets ...error) bool {
	for _, t := range targets {
		if errors.Is(e.Cause, t) {
			return true
		}
	}
	return false
}

// lines are the error: what happened, what that means, and what to do.
func (e *nobodyError) lines() []string {
	first, _, _ := strings.Cut(e.Error(), "; start one")
	lines := []string{printable(first)}
	add := func(line string) { lines = append(lines, "  "+line) }
	path, socket := strings.CutPrefix(e.Address, "unix:")
	path = printable(strings.TrimPrefix(path, "//"))
	start := "clockd serve"
	if e.Address != client.DefaultAddress {
		start += " --listen " + printable(e.Address)
	}
	switch {
	case socket && e.is(fs.ErrPermission):
		add("you may not connect to this socket: ls -l " + path + " says who may; ask its owner, or run as one who may")
	case socket && e.is(syscall.ECONNREFUSED):
		add("the socket is there, but nobody listens on it; start a daemon: " + start)
	case socket && e.is(syscall.ENOTSOCK):
		add("the file is there, but it is no socket")
	default:
		add("start a daemon: " + start)
	}
	add("or give the address of one that runs, with --address or " + addressVariable + "; this one is " + e.from)
	return lines
}
