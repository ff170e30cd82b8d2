// Package cli is the command clockctl: its flags, what it asks a daemon through package client, and how
// it prints the answer. It touches nothing of the process it runs in but its [Env], and the files that
// arguments name, so tests run the whole of it. What it prints as JSON is the answer of the API, message for message; what it prints as a
// table is for people and may change.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alecthomas/kong"
	"github.com/clockd/clockd/client"
)

// The exit codes. They are API: scripts rely on them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitNoAnswer    = 4
	exitStale       = 5
	exitDiffers     = 3   // of diff alone, which names no task; clockd diff has the same
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

const description = `Clockctl lists and controls the tasks of a clockd daemon.

TASK is the name of a task, or its id: what reads as a UUID is taken for an id. TRIGGER is one argument: "every 10m", "at 09:30 mon-fri Europe/Berlin", 'cron "0 3 * * *" UTC', "once 2027-01-01T00:00:00Z", "any(every 1h; at 12:00 UTC)", each followed by options such as max=10 from=TIME until=TIME jitter=30s 'exclude(calendar holidays; window 22:00-06:00 UTC)'.

Exit status: 0 done; 1 failed, or the run that was waited for did not succeed; 2 the command line or what it asks for is wrong; 3 there is no such task or run, or diff has found differences; 4 the daemon does not answer, or says to try again later; 5 the task was changed since its etag was read; 130 interrupted. An interrupt is how watch ends, with 0. Import exits with 1 if it had to leave out a task.`

// patience is how long the daemon may take for an answer that does not wait for a run. Without it a
// daemon that is stopped in the middle (SIGSTOP, a debugger) would hold a script for ever.
const patience = 30 * time.Second

// Run executes one command line, without the program's name, and returns the exit code. When ctx ends it
// gives up what it is doing and returns 130.
func Run(ctx context.Context, args []string, env Env) int {
	out := bufio.NewWriter(env.Stdout)
	err := run(ctx, args, env, out)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return report(ctx, env.Stderr, err)
}

func run(ctx context.Context, args []string, env Env, out *bufio.Writer) error {
	var g grammar
	parser, err := kong.New(&g,
		kong.Name("clockctl"),
		kong.Description(description),
		kong.Writers(out, env.Stderr),
		kong.NoDefaultHelp(), // it ends the process; see helpFlag
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"address": client.DefaultAddress},
	)
	if err != nil {
		return fmt.Errorf("the grammar of the command is wrong: %w", err)
	}
	command, err := parser.Parse(negatives(args))
	switch {
	case errors.Is(err, errHelp):
		return nil
	case err != nil:
		return usageOf(err)
	}

	s := &session{ctx: ctx, env: env, out: out, json: g.Output == "json", now: env.Now()}
	s.address = firstOf(g.Address, env.Getenv("CLOCKD_ADDRESS"), client.DefaultAddress)
	opts := append(slices.Clone(env.Dial), client.WithActor(firstOf(g.Actor, env.Actor)))
	if g.Insecure {
		opts = append(opts, client.WithInsecure())
	}
	s.client, err = client.Dial(s.address, opts...)
	if err != nil {
		return err
	}
	err = command.Run(s)
	if closed := s.client.Close(); err == nil {
		err = closed
	}
	return err
}

// A session is what a command works with.
type session struct {
	ctx     context.Context
	env     Env
	client  *client.Client
	address string
	out     *bufio.Writer // keeps the first error, which Run reports: printing need not look
	json    bool
	now     time.Time // of the last answer, and so of the whole output: its parts agree
}

// ask makes one call that is answered at once.
func ask[T any](s *session, call func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	answer, err := call(ctx)
	s.now = s.env.Now()
	if err != nil && s.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = &slowError{address: s.address, err: err}
	}
	return answer, err
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
