package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc: it is the same on all machines that Go runs Linux on.
const tick = 10 * time.Millisecond

// cpu is how much CPU time was used up to an instant.
type cpu struct {
	at time.Time
	// machine is that of all processes, and what the host took from the machine; server and processes are those of ours.
	machine, server, processes time.Duration
}

// readCPU looks at the clocks of the machine, the server with its backends, and processes.
func readCPU(s *server, all []*process) (c cpu, err error) {
	c.at = time.Now()
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line)[1:9] {
		if n, err := strconv.ParseInt(field, 10, 64); err != nil {
			return c, fmt.Errorf("/proc/stat: %w", err)
		} else if i != 3 && i != 4 { // idle and waiting for the disk
			c.machine += time.Duration(n) * tick
		}
	}
	ours := make(map[int]bool)
	for _, p := range all {
		ours[p.cmd.Process.Pid] = true
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return c, err
	}
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return c, err
		}
		parent, own, ended, err := readProcess(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errGone): // it has ended since
		case err != nil:
			return c, err
		case pid == s.pid:
			c.server += own + ended
		case parent == s.pid:
			c.server += own
		case ours[pid]:
			c.processes += own
		}
	}
	return c, nil
}

var errGone = errors.New("the process has gone")

// readProcess returns the parent of a process, its CPU time, and that of those of its children that have ended.
func readProcess(path string) (parent int, own, ended time.Duration, err error) {
	stat, err := os.ReadFile(path)
	if err != nil {
		if strings.Contains(err.Error(), "no such process") {
			err = errGone
		}
		return 0, 0, 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on: the state
	number := func(i int) time.Duration {
		n, e := strconv.ParseInt(fields[i-3], 10, 64)
		err = errors.Join(err, e)
		return time.Duration(n)
	}
	parent = int(number(4))
	own = (number(14) + number(15)) * tick
	ended = (number(16) + number(17)) * tick
	return parent, own, ended, err
}

// share is which part of the machine so much CPU time is, from one look to the next.
func share(used time.Duration, before, after cpu) float64 {
	return float64(used) / float64(after.at.Sub(before.at)) / float64(runtime.NumCPU())
}
