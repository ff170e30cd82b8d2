package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// The grammar of the command line, for package kong: each command is a struct of its flags with a Run.
type grammar struct {
	Help     helpFlag `short:"h" help:"Show help."`
	Address  string   `placeholder:"ADDR" help:"Where the daemon listens: HOST:PORT or unix:PATH. Default: $$CLOCKD_ADDRESS, else ${address}."`
	Insecure bool     `help:"Allow an address that is not on this machine. The connection is not encrypted."`
	Output   string   `short:"o" enum:"table,json,yaml" default:"table" help:"Form of the output: ${enum}."`
	Actor    string   `help:"Who makes the change, for the record. Default: user@host."`

	List       listCommand       `cmd:"" help:"List the tasks."`
	Get        getCommand        `cmd:"" help:"Show a task, or a run, whole."`
	Run        runCommand        `cmd:"" help:"Run a task now."`
	SetTrigger setTriggerCommand `cmd:"" help:"Put another trigger in force."`
	Reset      resetCommand      `cmd:"" help:"Put the declared trigger back in force."`
	Pause      pauseCommand      `cmd:"" help:"Stop a task from firing."`
	Resume     resumeCommand     `cmd:"" help:"Let a paused task fire again."`
	Preview    previewCommand    `cmd:"" help:"Show the next fires of a trigger or a task."`
	Runs       runsCommand       `cmd:"" help:"List runs, the newest first."`
	Logs       logsCommand       `cmd:"" help:"Print what a run writes."`
	Cancel     cancelCommand     `cmd:"" help:"End a run, or those that a backfill has made."`
	Backfill   backfillCommand   `cmd:"" help:"Run the fires of a past range."`
	Watch      watchCommand      `cmd:"" help:"Show tasks or runs, and each change as it comes."`
	Workers    workersCommand    `cmd:"" help:"List the workers that are connected."`
	Nodes      nodesCommand      `cmd:"" help:"List the daemons that share the store."`
	Audit      auditCommand      `cmd:"" help:"List who changed what, the newest first."`
	Create     createCommand     `cmd:"" help:"Make a task that lives in the daemon's store."`
	Update     updateCommand     `cmd:"" help:"Change a task that was made by create."`
	Delete     deleteCommand     `cmd:"" help:"Delete a task that was made by create, or is orphaned, with its history."`
	Diff       diffCommand       `cmd:"" help:"Show what a config file would change."`
	Export     exportCommand     `cmd:"" help:"Write every task with its override and pause into a document."`
	Import     importCommand     `cmd:"" help:"Make the tasks of an exported document, and put its overrides and pauses in force."`
	Completion completionCommand `cmd:"" help:"Print a script that makes a shell complete the command line."`
}

// errDone ends the parsing: what was asked for needs no daemon, and was printed.
var errDone = errors.New("what was asked for was printed")

// helpFlag prints help and ends the parsing with an error, where kong's own ends the process.
type helpFlag bool

// BeforeReset is called by kong before anything required is missed.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errDone
}

// IgnoreDefault tells kong not to call the hook unless the flag is given.
func (helpFlag) IgnoreDefault() {}

// A taskArg is the argument TASK.
type taskArg string

func (a taskArg) ref() (task.Ref, error) {
	if a == "" {
		return task.Ref{}, usage("TASK is empty: give the name or the id of a task")
	}
	// uuid.Parse takes other forms too, which are more likely names.
	if len(a) == len(uuid.Nil.String()) {
		if id, err := uuid.Parse(string(a)); err == nil {
			return task.ByID(id), nil
		}
	}
	return task.ByName(string(a)), nil
}

// A triggerArg is the argument TRIGGER. It takes all that is left of the command line only to say that
// quotes are missing: joined again it could be another trigger, since the shell has taken quotes off and
// replaced asterisks.
type triggerArg []string

func (a triggerArg) trigger() (schedule.Trigger, error) {
	if len(a) > 1 {
		return schedule.Trigger{}, usage("a trigger is one argument: put it in quotes, '%s'", strings.Join(a, " "))
	}
	return parseTrigger(a[0])
}

// parseTrigger reads the text form. What is wrong is said as the daemon says it: from the root of the request.
func parseTrigger(text string) (schedule.Trigger, error) {
	t, err := schedule.Parse(text)
	if invalid, ok := errors.AsType[*schedule.InvalidError](err); ok {
		from := &schedule.InvalidError{}
		for _, v := range invalid.Violations {
			v.Field = strings.TrimSuffix("trigger."+v.Field, ".")
			from.Violations = append(from.Violations, v)
		}
		err = from
	}
	return t, err
}

// negative is what begins as a negative number does, and so can be no flag: those are words.
var negative = regexp.MustCompile(`^-\.?[0-9]`)

// negatives joins each flag with a negative number that follows it: kong would take that for a flag, and its advice
// to write --max-age=-1h only leads to the answer that there are no negative ones.
func negatives(args []string) []string {
	var joined []string
	for i, arg := range args {
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		if last := len(joined) - 1; negative.MatchString(arg) && i > 0 && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=") {
			joined[last] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

// editFlags go with every change to a task.
type editFlags struct {
	Reason string `help:"Why, for those who read it later."`
	Etag   string `help:"Change the task only if it still has this etag."`
}

// A usageError says that the command line is wrong. help is the command that explains it.
type usageError struct {
	message string
	help    string
}

func (e *usageError) Error() string { return e.message }

// errUsage is the class of usageErrors.
var errUsage = errors.New("wrong command line")

// Unwrap returns the class.
func (e *usageError) Unwrap() error { return errUsage }

func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// usageOf turns an error of kong into one of ours.
func usageOf(err error) error {
	e := &usageError{message: err.Error(), help: "clockctl --help"}
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			e.help = "clockctl " + node.Name + " --help"
		}
	}
	return e
}
