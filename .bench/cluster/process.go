package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

// A process is this program again, in one of the roles that are measured. It says "ready", is told "go", may say more, and
// ends in good order at the end of its input, also when whoever started it is no more.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// startProcess starts a role and waits until it is ready. name is that of its profile, if there is to be one.
func startProcess(ctx context.Context, o *options, name, role string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.profiles != "" {
		args = append([]string{"-cpuprofile", filepath.Join(o.profiles, name+".prof")}, args...)
	}
	cmd := exec.Command(self, append([]string{role}, args...)...)
	cmd.Env = append(os.Environ(), roleVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, lines: bufio.NewScanner(out)}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if line, err := p.line(); err != nil || line != "ready" {
		return nil, errors.Join(fmt.Errorf("%s: %q is not \"ready\"", role, line), err, p.end())
	}
	return p, nil
}

// line waits for the next line.
func (p *process) line() (string, error) {
	if !p.lines.Scan() {
		return "", errors.Join(p.lines.Err(), io.ErrUnexpectedEOF)
	}
	return p.lines.Text(), nil
}

// proceed tells the process to go.
func (p *process) proceed() error {
	_, err := io.WriteString(p.in, "go\n")
	return err
}

// end ends the process and waits for it.
func (p *process) end() error {
	err := p.in.Close()
	for p.lines.Scan() { // or it could not write any more
	}
	return errors.Join(err, p.cmd.Wait())
}

// endAll ends processes.
func endAll(all []*process) error {
	var problems []error
	for _, p := range all {
		problems = append(problems, p.end())
	}
	return errors.Join(problems...)
}

// roleVariable says, in the environment, that the process was started by another to play a role.
const roleVariable = "CLOCKD_BENCH_ROLE"

// A role is the other side of a process.
type role struct {
	in  *bufio.Reader
	out io.Writer
}

// ready says that all is ready, and returns when this is to go; from then on a profile is written into a file, if one is
// named, until stop is called.
func (r *role) ready(profile string) (stop func() error, err error) {
	fmt.Fprintln(r.out, "ready")
	line, err := r.in.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "go" {
		return nil, fmt.Errorf("%q is not \"go\": %w", line, err)
	}
	if profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(profile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// end returns at the end of the input.
func (r *role) end() { _, _ = io.Copy(io.Discard, r.in) }
