package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options say what is measured.
type options struct {
	rounds, processes int
	jobs              int
	tasks, lateTasks  int
	rate              int
	settle, window    time.Duration
	what              string
	profiles          string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if os.Getenv(roleVariable) != "" {
		err = play(os.Args[1], os.Args[2:], os.Stdin, os.Stdout)
	} else {
		err = compare(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// play plays a role until the end of its input: a signal to all processes of a terminal does not end it before.
func play(name string, args []string, in io.Reader, out io.Writer) error {
	signal.Ignore(os.Interrupt)
	r := &role{in: bufio.NewReader(in), out: out}
	switch name {
	case "river":
		return riverRole(context.Background(), r, args)
	case "node":
		return nodeRole(context.Background(), r, args)
	}
	return fmt.Errorf("no role is called %q", name)
}

// compare measures everything and prints the table.
func compare(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	flags.IntVar(&o.processes, "processes", 3, "up to how many processes")
	flags.StringVar(&o.what, "what", "river,fires,lateness", "what is measured")
	flags.IntVar(&o.jobs, "jobs", 300_000, "how many jobs River burns down")
	flags.IntVar(&o.tasks, "tasks", 100_000, "how many tasks are always due")
	flags.IntVar(&o.lateTasks, "late-tasks", 10_000, "how many tasks share the rate at which lateness is measured")
	flags.IntVar(&o.rate, "rate", 10_000, "that rate, in fires a second")
	flags.DurationVar(&o.settle, "settle", 3*time.Second, "how long clockd runs before it is measured")
	flags.DurationVar(&o.window, "window", 10*time.Second, "how long clockd is measured")
	flags.StringVar(&o.profiles, "cpuprofile", "", "a folder for CPU profiles of all processes, while they are measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return err
		}
	}
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	return errors.Join(o.compare(ctx, s, out, progress), s.Close())
}

func (o *options) compare(ctx context.Context, s *server, out, progress io.Writer) error {
	river := &contender{name: "river", title: "River jobs/s"}
	fires := &contender{name: "fires", title: "clockd fires/s"}
	late := &contender{name: "lateness", title: fmt.Sprintf("clockd fires/s, %d due", o.rate)}
	measures := map[*contender]func(context.Context, *server, *options, int) (measurement, error){
		river: measureRiver, fires: measureFires, late: measureLateness,
	}
	for round := range o.rounds {
		for n := range o.processes {
			for _, c := range []*contender{river, fires, late} {
				if !strings.Contains(","+o.what+",", ","+c.name+",") {
					continue
				}
				m, err := measures[c](ctx, s, o, n+1)
				if err != nil {
					return fmt.Errorf("%s with %d processes: %w", c.name, n+1, err)
				}
				c.add(n+1, m)
				fmt.Fprintf(progress, "round %d: %s with %d: %.0f/s, lateness %s %s %s, CPU %s + %s, others %.0f %%\n",
					round+1, c.name, n+1, m.rate, m.p50, m.p99, m.worst, m.processCPU, m.serverCPU, 100*m.others)
			}
		}
	}
	return o.print(out, s.version, river, fires, late)
}
