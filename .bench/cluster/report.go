package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// A measurement is what one round of one contender with so many processes came to.
type measurement struct {
	// rate is how many jobs or fires were done per second.
	rate float64
	// p50, p99 and worst are lateness. Zero: it was not measured.
	p50, p99, worst time.Duration
	// processCPU and serverCPU are what one job or fire took, in the processes and in PostgreSQL.
	processCPU, serverCPU time.Duration
	// others is which part of the machine others used meanwhile, this program included.
	others float64
}

// spend says what the CPUs did while so many jobs or fires were done.
func (m *measurement) spend(before, after cpu, done float64) {
	processes, server := after.processes-before.processes, after.server-before.server
	m.processCPU = time.Duration(float64(processes) / done)
	m.serverCPU = time.Duration(float64(server) / done)
	m.others = max(0, share(after.machine-before.machine-processes-server, before, after))
}

// A contender is what is measured, with more and more processes.
type contender struct {
	name  string
	title string
	// rounds are its measurements by the number of processes, less one.
	rounds [][]measurement
}

func (c *contender) add(processes int, m measurement) {
	for len(c.rounds) < processes {
		c.rounds = append(c.rounds, nil)
	}
	c.rounds[processes-1] = append(c.rounds[processes-1], m)
}

// spread writes the median of all rounds, and the lowest and the highest if there are several.
func spread(rounds []measurement, of func(measurement) float64, format string) string {
	var all []float64
	for _, m := range rounds {
		all = append(all, of(m))
	}
	if len(all) == 0 {
		return "-"
	}
	if len(all) == 1 {
		return fmt.Sprintf(format, all[0])
	}
	return fmt.Sprintf(format+" ("+format+".."+format+")", median(all), slices.Min(all), slices.Max(all))
}

// median sorts all.
func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// print writes the table.
func (o *options) print(w io.Writer, version string, river, fires, late *contender) error {
	fmt.Fprintf(w, "PostgreSQL %s, durable, %v\n%d CPUs for all of it, %s/%s, %s\n", version, settings, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(w, "River moves jobs, clockd fires tasks and keeps their history: see the package comment for what is compared\n")
	fmt.Fprintf(w, "median of %d rounds (lowest..highest)\n\n", o.rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "processes")
	for n := range o.processes {
		fmt.Fprintf(t, "\t%d", n+1)
	}
	row := func(title string, c *contender, format string, of func(measurement) float64) {
		fmt.Fprintf(t, "\n%s", title)
		for _, rounds := range c.rounds {
			fmt.Fprintf(t, "\t%s", spread(rounds, of, format))
		}
	}
	ms := func(of func(measurement) time.Duration) func(measurement) float64 {
		return func(m measurement) float64 { return of(m).Seconds() * 1e3 }
	}
	µs := func(of func(measurement) time.Duration) func(measurement) float64 {
		return func(m measurement) float64 { return of(m).Seconds() * 1e6 }
	}
	for _, c := range []*contender{river, fires, late} {
		if len(c.rounds) == 0 {
			continue
		}
		row(c.title, c, "%.0f", func(m measurement) float64 { return m.rate })
		if c == late {
			row("  lateness p50 ms", c, "%.1f", ms(func(m measurement) time.Duration { return m.p50 }))
			row("  lateness p99 ms", c, "%.1f", ms(func(m measurement) time.Duration { return m.p99 }))
			row("  lateness max ms", c, "%.1f", ms(func(m measurement) time.Duration { return m.worst }))
		}
		row("  CPU µs each, processes", c, "%.1f", µs(func(m measurement) time.Duration { return m.processCPU }))
		row("  CPU µs each, PostgreSQL", c, "%.1f", µs(func(m measurement) time.Duration { return m.serverCPU }))
		row("  CPU used by others, %", c, "%.0f", func(m measurement) float64 { return 100 * m.others })
	}
	if len(river.rounds) > 0 && len(fires.rounds) > 0 {
		fmt.Fprint(t, "\nclockd fires / River jobs")
		for n := range fires.rounds {
			fmt.Fprintf(t, "\t%.2f", rate(fires.rounds[n])/rate(river.rounds[n]))
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// rate is the median of the rates.
func rate(rounds []measurement) float64 {
	var all []float64
	for _, m := range rounds {
		all = append(all, m.rate)
	}
	return median(all)
}
