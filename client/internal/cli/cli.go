// Package cli is the command clockctl: its flags, what it asks a daemon through package client, and how
// it prints the answer. It touches nothing of the process it runs in but its [Env], and the files that
// arguments name, so tests run the whole of it. What it prints as JSON or YAML is the answer of the API, message for message; what it prints as a
// table is for people and may change.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/clockd/clockd/client"
)

const description = `Clockctl lists and controls the tasks of a clockd daemon.

TASK is the name of a task, or its id: what reads as a UUID is taken for an id. TRIGGER is one argument: "every 10m", "at 09:30 mon-fri Europe/Berlin", 'cron "0 3 * * *" UTC', "once 2027-01-01T00:00:00Z", "any(every 1h; at 12:00 UTC)", each followed by options such as max=10 from=TIME until=TIME jitter=30s 'exclude(calendar holidays; window 22:00-06:00 UTC)'.

`

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

// Main runs the command line of this process and returns its exit code. An interrupt, and the wish of whoever
// started it that it ends (SIGTERM), end what it is doing; a second one ends the process at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], Process())
}

// parserOf returns the parser of the command line, which fills g.
func parserOf(g *grammar, stdout, stderr io.Writer) (*kong.Kong, error) {
	parser, err := kong.New(g,
		kong.Name("clockctl"),
		kong.Description(description+exitHelp()),
		kong.Writers(stdout, stderr),
		kong.NoDefaultHelp(), // it ends the process; see helpFlag
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"address": client.DefaultAddress},
	)
	if err != nil {
		return nil, fmt.Errorf("the grammar of the command is wrong: %w", err)
	}
	return parser, nil
}

func run(ctx context.Context, args []string, env Env, out *bufio.Writer) error {
	if len(args) > 0 && args[0] == completeCommand {
		return complete(ctx, args[1:], env, out)
	}
	var g grammar
	parser, err := parserOf(&g, out, env.Stderr)
	if err != nil {
		return err
	}
	command, err := parser.Parse(negatives(args))
	switch {
	case errors.Is(err, errDone):
		return nil
	case err != nil:
		return usageOf(err)
	}

	s := &session{
		ctx: ctx, env: env, out: out, now: env.Now(),
		exact: g.Output != "table", yaml: g.Output == "yaml",
	}
	if err := s.dial(&g); err != nil {
		return err
	}
	err = s.helped(&g, command.Run(s))
	if closed := s.client.Close(); err == nil {
		err = closed
	}
	return err
}

// dial makes the client of the daemon that the flags or the environment name.
func (s *session) dial(g *grammar) (err error) {
	s.address = firstOf(g.Address, s.env.Getenv(addressVariable), client.DefaultAddress)
	s.actor = firstOf(g.Actor, s.env.Actor)
	opts := append(slices.Clone(s.env.Dial), client.WithActor(s.actor))
	if g.Insecure {
		opts = append(opts, client.WithInsecure())
	}
	s.client, err = client.Dial(s.address, opts...)
	return err
}

// addressVariable is the variable of the environment that says where the daemon listens, if --address does not.
const addressVariable = "CLOCKD_ADDRESS"

// A session is what a command works with.
type session struct {
	ctx     context.Context
	env     Env
	client  *client.Client
	address string
	actor   string        // who makes the changes; empty: the daemon takes the address of the connection
	out     *bufio.Writer // keeps the first error, which Run reports: printing need not look
	exact   bool          // answers are printed as the API gives them, rather than for people
	yaml    bool          // and as YAML, rather than JSON
	now     time.Time     // of the last answer, and so of the whole output: its parts agree
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
