// Command clockd is the daemon: it runs the tasks of a config file and serves the API.
//
// This folder only wires: flags to configuration, a URL to a store, addresses to listeners.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/config"
)

func main() {
	// A crash ends the process by SIGABRT. Go's own way would be exit status 2, which is that of a config file that
	// is wrong, after which a service manager must not start it again.
	debug.SetTraceback("crash")
	manager := takeManager()
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	signal.Ignore(syscall.SIGXFSZ) // a limit on file sizes is a full disk, not the end
	go func() {
		<-signals
		stop() // in good order
		<-signals
		fmt.Fprintln(os.Stderr, "clockd: second signal: ending at once")
		os.Exit(exitFailed)
	}()
	os.Exit(run(ctx, os.Args[1:], environment{
		stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, hangups: hangups, manager: manager,
	}))
}

// The exit codes. A process that a signal has ended, as a crash does, has none.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2 // to try again does not help
	exitDiffers = 3
)

// exitCodes say what they mean, each in a line of the help.
var exitCodes = [...]string{
	exitOK:      "done; serve: stopped in good order",
	exitFailed:  "failed; to try again may help",
	exitUsage:   "the command line or the config file is wrong; to try again does not help",
	exitDiffers: "diff has found something",
}

// description is what the help says of clockd.
func description() string {
	var text strings.Builder
	text.WriteString("Clockd runs scheduled tasks and is controlled live over gRPC.\n\nExit status:\n")
	for code, means := range exitCodes {
		fmt.Fprintf(&text, "\n\t%d  %s", code, means)
	}
	return text.String()
}

// environment is what the command touches of its process.
type environment struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	hangups        <-chan os.Signal // SIGHUP: read the config file again
	manager        *manager         // nil: none has started the process
}

// usageError is a command line or a config file that can not be followed.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// grammar is the command line.
type grammar struct {
	Serve   serveCommand   `cmd:"" help:"Run the tasks of a config file and serve the API, until SIGTERM or SIGINT."`
	Check   checkCommand   `cmd:"" help:"Check a config file and say everything that is wrong with it."`
	Diff    diffCommand    `cmd:"" help:"Say what a config file would change in a store that no daemon uses. For one that is in use: clockctl diff."`
	Bench   benchCommand   `cmd:"" help:"Measure how many durable fires a second this machine holds, and how late they are."`
	Unit    unitCommand    `cmd:"" help:"Print a unit that makes clockd a service of systemd."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// errHelp ends a parse that has printed help.
var errHelp = errors.New("help was asked for")

type helpFlag bool

// BeforeReset prints the help and ends the parse.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelp
}

// run executes one command line and returns the exit code. When ctx ends it stops in good order.
func run(ctx context.Context, args []string, env environment) int {
	var g struct {
		grammar
		Help helpFlag `help:"Show help." short:"h"`
	}
	parser, err := kong.New(&g,
		kong.Name("clockd"),
		kong.Description(description()),
		kong.Writers(env.stdout, env.stderr),
		kong.NoDefaultHelp(),
		kong.Vars{"stop_grace": daemon.DefaultStopGrace.String(), "worker_lease": daemon.DefaultWorkerLease.String(), "node_lease": daemon.DefaultNodeLease.String()},
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(env.stderr, "clockd: the grammar of the command is wrong:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	switch {
	case errors.Is(err, errHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(env.stderr, "clockd: %v\ntry \"clockd --help\"\n", err)
		return exitUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(env)
	err = command.Run()
	var problems *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errDiffers):
		return exitDiffers
	case errors.As(err, &problems):
		fmt.Fprintln(env.stderr, problems)
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintln(env.stderr, "clockd:", err)
		return exitUsage
	default:
		fmt.Fprintln(env.stderr, "clockd:", err)
		return exitFailed
	}
}

type checkCommand struct {
	File     string `arg:"" help:"The config file."`
	Insecure bool   `help:"Allow a TCP address that other machines can reach, as serve does."`
}

// Run checks a file.
func (c *checkCommand) Run(env environment) error {
	f, err := config.Load(c.File)
	if err != nil {
		return err
	}
	if f.Listen != "" {
		if _, err := checkAddress(f.Listen, c.Insecure); err != nil {
			return blame(f, "listen", true, err)
		}
	}
	if f.Store != "" {
		if _, _, err := checkStore(f.Store); err != nil {
			return blame(f, "store", true, err)
		}
	}
	_, err = fmt.Fprintf(env.stdout, "%s: nothing is wrong; tasks: %d\n", c.File, len(f.Tasks))
	return err
}

type versionCommand struct{}

// Run prints the version that the Go toolchain stamped into the binary.
func (versionCommand) Run(env environment) error {
	version, revision := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(env.stdout, "clockd %s%s\n", version, revision)
	return err
}

// logFlags say what is logged.
type logFlags struct {
	LogLevel  string `help:"The least severe messages to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"How: text or json." enum:"text,json" default:"text"`
}

func (l logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
