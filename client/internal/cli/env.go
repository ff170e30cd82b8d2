package cli

import (
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/clockd/clockd/client"
	"golang.org/x/term"
)

// Env is everything a command sees of the world beside the daemon and the files that its arguments name. All fields but the last four are
// required.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv returns a variable of the environment, or "".
	Getenv func(name string) string
	// Now is the wall clock, for "in 5m". The daemon never sees it.
	Now func() time.Time
	// Actor is who makes changes unless --actor says otherwise. Empty: the daemon takes the address of
	// the connection.
	Actor string
	// Local is the time zone of the people who read. Nil: UTC.
	Local *time.Location
	// Terminal returns the columns and lines of the terminal that Stdout is; ok is false if it is none. It is asked
	// again before each drawing. Nil: it is none.
	Terminal func() (width, height int, ok bool)
	// Dial is handed to client.Dial. Tests bring a network of their own.
	Dial []client.Option
}

// Process returns the Env of this process. The actor is user@host.
func Process() Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv,
		Now:    time.Now,
		Actor:  who(),
		Local:  time.Local,
		Terminal: func() (width, height int, ok bool) {
			width, height, err := term.GetSize(int(os.Stdout.Fd()))
			return width, height, err == nil
		},
	}
}

func who() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err == nil && name != "" {
		name += "@" + host
	}
	// An actor travels as metadata, which is ASCII: a user whose name is not must still be able to work.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
}
