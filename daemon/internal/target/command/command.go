// Package command runs a program as the target of a task: an argument list, started directly and never
// through a shell. It needs a Unix: it signals process groups.
//
// A program runs in a process group of its own. What it leaves behind when it exits by itself, whatever
// its exit status, is left alone: a program that starts a daemon means to. But Do does not wait for it:
// output that such a process writes more than a moment (500ms) after the exit is lost, and its standard
// streams are closed pipes from then on, so it should redirect them. When the context of the attempt
// ends, on the other hand, the whole group ends: see [New].
//
// If the daemon itself is killed, its programs go on: nothing but a process can be sure to outlive it.
package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
)

// Defaults and bounds of a [Config].
const (
	DefaultOutputLimit = 64 << 10
	// MaxOutputLimit keeps a run below the 4 MiB that a gRPC client takes by default: in a protobuf Value
	// the bytes of an output can become three to six times as many, and the input stands beside it.
	MaxOutputLimit   = 256 << 10
	DefaultKillDelay = 10 * time.Second
)

// Config says what to run. Only Args is required.
type Config struct {
	// Args is the program and its arguments. A program without a slash is looked for in the daemon's
	// PATH at each attempt; a relative path is relative to the daemon's working directory, not to Dir.
	Args []string
	// Env is added to the environment of the daemon, and goes before it. CLOCKD_RUN_ID, CLOCKD_TASK_ID,
	// CLOCKD_TASK_NAME, CLOCKD_SCHEDULED_TIME (RFC 3339 with microseconds, in UTC) and CLOCKD_ATTEMPT
	// are always set for the program and can not be set here. A value may hold secrets: see package
	// secret. Where the kept output or the error repeats one of 8 bytes or more, *** stands in its place;
	// what is written while somebody follows the run goes to them as it is.
	Env map[string]string
	// Dir is the working directory, itself relative to that of the daemon. Empty: that of the daemon.
	Dir string
	// Stdin is what the program reads if the run has no input; an input is written as JSON in its place.
	// Empty: nothing. A program need not read it.
	Stdin string
	// OutputLimit is how many bytes of standard output and of standard error are kept each: the last
	// ones, where errors are. Defaults to 64 KiB. At most 256 KiB.
	OutputLimit int
	// KillDelay is how long a program has to end between SIGTERM and SIGKILL. Defaults to 10s.
	KillDelay time.Duration
}

type command struct {
	config Config
	env    []variable // Config.Env, sorted
	words  task.Target
}

type variable struct {
	name  string
	value secret.Text
}

// New checks the Config and returns a target that runs the program. The error is a *task.InvalidError
// with every problem, its fields named "args[0]", "env.NAME", "dir", "stdin", "output_limit" and
// "kill_delay".
//
// The output of an attempt is an object with exit_code, stdout and stderr; stdout_dropped and
// stderr_dropped say how many bytes came before what was kept, if any. Bytes that are not UTF-8 are
// replaced by U+FFFD. A program that was killed has 128 and the number of the signal for its exit_code,
// as shells have it, and the name of the signal as signal. An exit status other than 0 fails the
// attempt.
//
// When the context ends, the process group gets SIGTERM. It gets SIGKILL after KillDelay, or as soon as
// the program has exited and nobody holds its standard output and error any more. The error then wraps
// the cause of the context. A process that leaves the group (setsid) escapes both.
//
// The target holds nothing between attempts.
func New(c Config) (target.Target, error) {
	if problems := check(c); len(problems) > 0 {
		return nil, &task.InvalidError{Violations: problems}
	}
	c.Args, c.Env = slices.Clone(c.Args), maps.Clone(c.Env)
	if c.OutputLimit == 0 {
		c.OutputLimit = DefaultOutputLimit
	}
	if c.KillDelay == 0 {
		c.KillDelay = DefaultKillDelay
	}
	made := &command{config: c, words: task.Target{Kind: "command", Summary: summary(c.Args)}}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		value, _ := secret.Parse(c.Env[name]) // was checked
		made.env = append(made.env, variable{name, value})
	}
	return made, nil
}

// Describe returns the arguments, quoted as a shell would want them, cut off at 200 characters. The
// environment and the input, where secrets live, are not shown.
func (c *command) Describe() task.Target { return c.words }

func check(c Config) []task.Violation {
	var found []task.Violation
	problem := func(field, format string, args ...any) {
		found = append(found, task.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	switch {
	case len(c.Args) == 0:
		problem("args", "empty: the program is missing")
	case c.Args[0] == "":
		problem("args[0]", "empty: it must be a program")
	}
	for i, arg := range c.Args {
		if strings.ContainsRune(arg, 0) {
			problem(fmt.Sprintf("args[%d]", i), "%q has a NUL byte, which no program can be given", arg)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		switch {
		case name == "":
			problem("env", "a variable without a name")
		case strings.ContainsAny(name, "=\x00"):
			problem("env", "%q is no name of a variable: it has a \"=\" or a NUL byte", name)
		case slices.Contains(facts[:], name):
			problem("env."+name, "clockd sets this variable itself; use another name")
		case strings.ContainsRune(c.Env[name], 0):
			// The value may be a secret.
			problem("env."+name, "the value has a NUL byte, which no program can be given")
		default:
			if _, err := secret.Parse(c.Env[name]); err != nil {
				problem("env."+name, "%s", err)
			}
		}
	}
	if strings.ContainsRune(c.Dir, 0) {
		problem("dir", "%q has a NUL byte", c.Dir)
	}
	if c.OutputLimit < 0 || c.OutputLimit > MaxOutputLimit {
		problem("output_limit", "%d is outside 1-%d bytes", c.OutputLimit, MaxOutputLimit)
	}
	if c.KillDelay < 0 {
		problem("kill_delay", "%q is below 0", c.KillDelay)
	}
	return found
}
