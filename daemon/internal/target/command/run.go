package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
	"golang.org/x/sys/unix"
)

// facts are the variables that tell a program of its run.
var facts = [...]string{"CLOCKD_RUN_ID", "CLOCKD_TASK_ID", "CLOCKD_TASK_NAME", "CLOCKD_SCHEDULED_TIME", "CLOCKD_ATTEMPT"}

// moment is how long the pipes of a program that has exited may be held open by what it left behind.
const moment = 500 * time.Millisecond

// result is the output of an attempt.
type result struct {
	ExitCode      int    `json:"exit_code"`
	Signal        string `json:"signal,omitempty"`
	Stdout        string `json:"stdout"`
	Stderr        string `json:"stderr"`
	StdoutDropped int64  `json:"stdout_dropped,omitempty"`
	StderrDropped int64  `json:"stderr_dropped,omitempty"`
}

// Do runs the program and waits for it.
func (c *command) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var seen secret.Values
	cmd, err := c.prepare(a, &seen)
	if err != nil {
		return nil, err
	}
	stdin := []byte(c.config.Stdin)
	if a.Input != nil {
		stdin = a.Input
	}
	p, err := start(cmd, stdin, c.config.OutputLimit, a.Write)
	if err != nil {
		return nil, c.explain(err)
	}
	sent, err := p.wait(ctx, c.config.KillDelay)
	if err != nil {
		return nil, err
	}
	return p.outcome(ctx, sent, &seen)
}

// places bounds the processes that go at once, of all targets: each holds a thread of this process while it
// is waited for, and Go ends a process that has ten thousand. What finds no place waits, within the
// attempt.
var places = make(chan struct{}, 2000)

// prepare adds the secrets that it reads to seen.
func (c *command) prepare(a target.Attempt, seen *secret.Values) (*exec.Cmd, error) {
	name := c.config.Args[0]
	path := name
	if strings.Contains(name, "/") {
		// os/exec would look for it from Dir.
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("command %q: %w", name, err)
		}
		path = abs
	} else {
		found, err := exec.LookPath(name)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return nil, fmt.Errorf("command %q: not found in PATH (%s)", name, os.Getenv("PATH"))
		case errors.Is(err, exec.ErrDot):
			return nil, fmt.Errorf("command %q: found only in the working directory; write ./%s to run that", name, name)
		case err != nil:
			return nil, fmt.Errorf("command %q: %w", name, err)
		}
		path = found
	}
	cmd := exec.Command(path)
	cmd.Args = c.config.Args
	cmd.Dir = c.config.Dir
	cmd.Env = os.Environ()
	if cmd.Dir != "" {
		// The daemon's own PWD would be wrong there.
		abs, err := filepath.Abs(cmd.Dir)
		if err != nil {
			return nil, fmt.Errorf("command %q: %w", name, err)
		}
		cmd.Env = append(cmd.Env, "PWD="+abs)
	}
	for _, v := range c.env {
		value, err := v.value.Expand(seen)
		switch {
		case err != nil:
			return nil, fmt.Errorf("command %q: env.%s: %w", name, v.name, err)
		case strings.ContainsRune(value, 0):
			return nil, fmt.Errorf("command %q: env.%s: with its secrets the value has a NUL byte, which no program can be given", name, v.name)
		}
		cmd.Env = append(cmd.Env, v.name+"="+value)
	}
	for i, value := range [len(facts)]string{
		a.RunID.String(), a.TaskID.String(), a.TaskName, a.ScheduledText(), strconv.Itoa(a.Number),
	} {
		cmd.Env = append(cmd.Env, facts[i]+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

// explain says why the program could not be started, where the error of the system call alone would
// mislead: "no such file or directory" is also what it says of a missing Dir or interpreter.
func (c *command) explain(err error) error {
	name := c.config.Args[0]
	if c.config.Dir != "" {
		switch dir, failed := os.Stat(c.config.Dir); {
		case failed != nil:
			return fmt.Errorf("command %q: its working directory %q: %w", name, c.config.Dir, reason(failed))
		case !dir.IsDir():
			return fmt.Errorf("command %q: its working directory %q is no directory", name, c.config.Dir)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, failed := os.Stat(name); failed == nil || !strings.Contains(name, "/") {
			return fmt.Errorf("command %q: it is there, but the interpreter it names is not", name)
		}
	}
	return fmt.Errorf("command %q: %w", name, reason(err))
}

// reason takes the name of the system call and the path off an error of package os.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// A process is a program under way. Its streams belong to their goroutines until wait returns.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr tail
	// exited tells of the end of the program, which is then a zombie.
	exited chan error
	// drained is closed when both output streams have ended.
	drained chan struct{}
	// ours are the daemon's ends of the pipes.
	ours []*os.File
	// streams are the goroutines that read and write them.
	streams sync.WaitGroup
}

func start(cmd *exec.Cmd, stdin []byte, limit int, told func(task.OutputStream, []byte)) (*process, error) {
	p := &process{
		cmd:    cmd,
		stdout: tail{limit: limit, stream: task.Stdout, told: told},
		stderr: tail{limit: limit, stream: task.Stderr, told: told},
		exited: make(chan error, 1), drained: make(chan struct{}),
	}
	var theirs []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	defer func() { closeAll(theirs) }()
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err != nil {
			closeAll(p.ours)
			return nil, nil, fmt.Errorf("making a pipe: %w", err)
		}
		return r, w, nil
	}

	outR, outW, err := pipe()
	if err != nil {
		return nil, err
	}
	p.ours, theirs = append(p.ours, outR), append(theirs, outW)
	errR, errW, err := pipe()
	if err != nil {
		return nil, err
	}
	p.ours, theirs = append(p.ours, errR), append(theirs, errW)
	cmd.Stdout, cmd.Stderr = outW, errW
	var inW *os.File
	if len(stdin) > 0 {
		inR, w, err := pipe()
		if err != nil {
			return nil, err
		}
		p.ours, theirs = append(p.ours, w), append(theirs, inR)
		cmd.Stdin, inW = inR, w
	}

	if err := cmd.Start(); err != nil {
		closeAll(p.ours)
		return nil, err
	}
	if inW != nil {
		p.streams.Go(func() {
			// An error means that the program does not want all of it, which is its right.
			_, _ = inW.Write(stdin)
			inW.Close()
		})
	}
	var outputs sync.WaitGroup
	for _, s := range []struct {
		from *os.File
		to   *tail
	}{{outR, &p.stdout}, {errR, &p.stderr}} {
		outputs.Add(1)
		p.streams.Go(func() {
			defer outputs.Done()
			// The end of the stream, or wait has closed it: what was read counts.
			_, _ = io.Copy(s.to, s.from)
		})
	}
	p.streams.Go(func() {
		outputs.Wait()
		close(p.drained)
	})
	p.streams.Go(func() { p.exited <- awaitExit(cmd.Process.Pid) })
	return p, nil
}

// wait returns when the program has exited and been reaped and its streams are closed. It returns the
// last signal that it sent: 0 if the program ended before the context did.
func (p *process) wait(ctx context.Context, killDelay time.Duration) (sent syscall.Signal, err error) {
	var exited bool
	select {
	case err = <-p.exited:
		exited = true
	case <-ctx.Done():
		select {
		case err = <-p.exited: // both at once: the program was first
			exited = true
		default:
			sent, exited, err = p.end(killDelay)
		}
	}
	if !exited {
		err = <-p.exited
	}
	// Reaping takes no time now: the program is a zombie.
	if failed := p.cmd.Wait(); err == nil && p.cmd.ProcessState == nil {
		err = failed
	}
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-p.drained:
	case <-timer.C:
	}
	for _, f := range p.ours {
		f.Close() // wakes whoever reads or writes; a second close of stdin does no harm
	}
	p.streams.Wait()
	return sent, err
}

// end ends the process group. Afterwards each process of it has been sent SIGKILL, and the program is
// not reaped yet.
func (p *process) end(killDelay time.Duration) (sent syscall.Signal, exited bool, err error) {
	group := -p.cmd.Process.Pid
	// Errors mean that nobody is left to signal, or that the program has taken on the rights of another
	// user: then only its own end can help. SIGCONT lets a stopped process see the SIGTERM.
	_ = syscall.Kill(group, syscall.SIGTERM)
	_ = syscall.Kill(group, syscall.SIGCONT)
	sent = syscall.SIGTERM
	timer := time.NewTimer(killDelay)
	defer timer.Stop()
	drained := p.drained
	for drained != nil || !exited {
		select {
		case err = <-p.exited:
			exited = true
		case <-drained:
			drained = nil
		case <-timer.C:
			if !exited {
				sent = syscall.SIGKILL
			}
			_ = syscall.Kill(group, syscall.SIGKILL)
			return sent, exited, err
		}
	}
	// What ignored SIGTERM and holds no pipe.
	_ = syscall.Kill(group, syscall.SIGKILL)
	return sent, exited, err
}

// outcome says how the program ended. sent is the last signal that wait has sent it. It shows no secret of seen.
func (p *process) outcome(ctx context.Context, sent syscall.Signal, seen *secret.Values) ([]byte, error) {
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{ExitCode: status.ExitStatus()}
	r.Stdout, r.StdoutDropped = p.stdout.text()
	r.Stderr, r.StderrDropped = p.stderr.text()
	r.Stdout, r.Stderr = seen.Scrub(r.Stdout), seen.Scrub(r.Stderr)
	ended := fmt.Sprintf("exit status %d", r.ExitCode)
	if status.Signaled() {
		r.ExitCode = 128 + int(status.Signal())
		r.Signal = signalName(status.Signal())
		ended = "killed by " + r.Signal
	}
	var output bytes.Buffer
	e := json.NewEncoder(&output)
	e.SetEscapeHTML(false) // the output is for people too
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("writing the output as JSON: %w", err)
	}
	out := bytes.TrimSpace(output.Bytes())
	switch {
	case sent != 0 && status.Signaled():
		return out, fmt.Errorf("%w: %s", context.Cause(ctx), ended)
	case sent != 0:
		return out, fmt.Errorf("%w: %s after %s", context.Cause(ctx), ended, signalName(sent))
	case status.Exited() && r.ExitCode == 0:
		return out, nil
	}
	if line := lastLine(r.Stderr); line != "" {
		ended += ": " + line
	}
	return out, errors.New(ended)
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}

// lastLine returns the last line that says something, fit for an error: short and printable.
func lastLine(stderr string) string {
	stderr = strings.TrimSpace(stderr)
	line := stderr[strings.LastIndexAny(stderr, "\r\n")+1:]
	line = strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, line)
	return cut(strings.TrimSpace(line), summaryRunes)
}
