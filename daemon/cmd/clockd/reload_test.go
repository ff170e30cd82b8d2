package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// replace puts another file in place of one, as editors do: at once.
func replace(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestSIGHUPAndAChangedFilePutItInForceAndABadOneChangesNothing(t *testing.T) {
	file := func(rest string) string {
		return "tasks:\n  - {name: slow, trigger: every 1h, command: [sleep, '60']}\n" + rest
	}
	config, address := write(t, "clockd.yaml", file("  - {name: a, trigger: every 1h, command: [echo, one]}\n")), socket(t)
	p := launch(t, "serve", "--config", config, "--store", "memory:", "--listen", address, "--stop-grace", "10ms")
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c := p.dial(address)
	slow, err := c.RunTask(soon(t), task.ByName("slow"), client.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a := func() *task.Task {
		t.Helper()
		got, err := c.Task(soon(t), task.ByName("a"))
		if err != nil {
			t.Fatal(err)
		}
		return &got
	}

	// What a task does, and nothing else, is no less a change.
	replace(t, config, file("  - {name: a, trigger: every 2h, command: [echo, two]}\n"))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_, n := p.says("config reloaded", 0)
	if got := a(); got.Trigger().String() != "every 2h" || got.Declaration.Target.Summary != "echo two" {
		t.Errorf("after SIGHUP: %+v", got)
	}

	// Nobody tells of this change. It is seen.
	replace(t, config, file("  - {name: a, trigger: every 3h, command: [echo, two]}\n  - {name: b, trigger: every 3h, command: [echo, b]}\n"))
	line, n := p.says("config reloaded", n)
	if !strings.Contains(line, "the file has changed") || a().Trigger().String() != "every 3h" {
		t.Errorf("after the file has changed: %s; %q", line, a().Trigger())
	}

	// A bad one says why, with the place, and changes nothing.
	replace(t, config, file("  - {name: a, trigger: evry 4h, command: [echo, two]}\n"))
	line, n = p.says("config not reloaded", n)
	if !strings.Contains(line, "clockd.yaml:3: tasks[1].trigger") || a().Trigger().String() != "every 3h" {
		t.Errorf("after a bad one: %s; %q", line, a().Trigger())
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if line, n = p.says("config not reloaded", n); !strings.Contains(line, "no such file") {
		t.Errorf("without a file: %s", line)
	}

	// A good one is taken up again, and what can not change while it runs is said.
	replace(t, config, "store: sqlite:other.db\n"+file("  - {name: a, trigger: every 5h, command: [echo, two]}\n"))
	if line, n = p.says("takes effect at the next start", n); !strings.Contains(line, "field=store") {
		t.Errorf("another store: %s", line)
	}
	_, _ = p.says("config reloaded", n)
	if got := a(); got.Trigger().String() != "every 5h" {
		t.Errorf("after a good one: %+v", got)
	}
	if b, err := c.Task(soon(t), task.ByName("b")); err != nil || b.State != task.Orphaned {
		t.Errorf("what is gone from the file: %+v, %v", b, err)
	}
	if run, err := c.Run(soon(t), slow.ID); err != nil || run.State.Ended() {
		t.Errorf("what went goes on: %+v, %v", run, err)
	}
	deeds := 0
	for e, err := range c.AuditEvents(soon(t), client.AuditFilter{Task: task.ByName("a")}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == task.DeclarationChanged {
			deeds++
		}
	}
	if deeds != 3 {
		t.Errorf("%d changes are told, want 3", deeds)
	}
}

func TestCommandsOfCallersNeedAFlag(t *testing.T) {
	path, address := filepath.Join(t.TempDir(), "made.db"), socket(t)
	hello := task.Declaration{
		Name: "hello", Trigger: schedule.MustParse("every 1h"),
		Spec: &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"echo", "hello"}}},
	}
	for i, flags := range [][]string{nil, {"--allow-commands"}, nil, {"--allow-commands"}} {
		t.Run(fmt.Sprint(i, flags), func(t *testing.T) {
			p := launch(t, append([]string{"serve", "--store", "sqlite:" + path, "--listen", address}, flags...)...)
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			c := p.dial(address)
			_, err := c.CreateTask(soon(t), hello, client.CreateOptions{})
			switch i {
			case 0:
				if !errors.Is(err, task.ErrNotAllowed) || !strings.Contains(err.Error(), "--allow-commands") {
					t.Errorf("made: %v", err)
				}
				return
			case 1:
				if err != nil {
					t.Fatal(err)
				}
			}
			run, err := c.RunTask(soon(t), task.ByName("hello"), client.RunOptions{Wait: true})
			if i == 2 {
				if !errors.Is(err, task.ErrOrphaned) {
					t.Errorf("it runs: %+v, %v", run, err)
				}
				return
			}
			if err != nil || run.State != task.Succeeded || !strings.Contains(string(run.Output), "hello") {
				t.Errorf("run: %+v, %v", run, err)
			}
		})
	}
}

// clockd runs a command in this process, and returns its exit code and what it prints.
func clockd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, problems bytes.Buffer
	code = run(soon(t), args, environment{stdout: &out, stderr: &problems, getenv: func(string) string { return t.TempDir() }})
	return code, out.String(), problems.String()
}

func TestADiffOfAFileAndAStoreExitsWithWhatItFound(t *testing.T) {
	path, address := filepath.Join(t.TempDir(), "diff.db"), socket(t)
	v1 := write(t, "v1.yaml", "revision: 1\ntasks:\n  - {name: a, trigger: every 1h, command: [echo, a]}\n  - {name: b, trigger: every 1h, command: [echo, b]}\n")
	v2 := write(t, "v2.yaml", "revision: 2\ntasks:\n  - {name: a, trigger: every 2h, command: [echo, a]}\n  - {name: c, former_names: [b], trigger: every 1h, command: [echo, b]}\n  - {name: d, trigger: every 1h, command: [echo, d]}\n")
	bad := write(t, "bad.yaml", "tasks:\n  - {name: a, trigger: evry 1h, command: [echo, a]}\n")
	diff := func(file string) (int, string, string) { return clockd(t, "diff", "--store", "sqlite:"+path, file) }

	if code, out, _ := diff(v1); code != exitDiffers || !strings.Contains(out, "a: new\n") || !strings.Contains(out, "b: new\n") {
		t.Errorf("of a store that is not there: %d\n%s", code, out)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a diff has made the store")
	}
	p := launch(t, "serve", "--config", v1, "--store", "sqlite:"+path, "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	if code, _, problem := diff(v2); code != exitFailed || !strings.Contains(problem, "clockctl diff") {
		t.Errorf("of a store that is in use: %d, %s", code, problem)
	}
	diffs, err := p.dial(address).DiffConfig(soon(t), "v2.yaml", []byte(read(t, v2)))
	if err != nil || len(diffs) != 3 {
		t.Errorf("the daemon says %+v, %v", diffs, err)
	}
	if _, err := p.client.DiffConfig(soon(t), "bad.yaml", []byte(read(t, bad))); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "bad.yaml:2: tasks[0].trigger") {
		t.Errorf("of a bad file the daemon says %v", err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited

	if code, out, _ := diff(v1); code != exitOK || !strings.Contains(out, "changes nothing; tasks: 2") {
		t.Errorf("of what is in force: %d\n%s", code, out)
	}
	code, out, _ := diff(v2)
	for _, want := range []string{"a: changed\n", "  declared_trigger: every 1h -> every 2h\n", "c: renamed\n", "  task_name: b -> c\n", "d: new\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if code != exitDiffers {
		t.Errorf("exit code %d", code)
	}
	if code, out, problem := diff(bad); code != exitUsage || out != "" || !strings.Contains(problem, "bad.yaml:2: tasks[0].trigger") {
		t.Errorf("of a bad file: %d, %s%s", code, out, problem)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// To open a pipe waits for whoever writes to it, for ever if nobody does.
func TestAPipeInPlaceOfTheFileHoldsUpNoLaterReload(t *testing.T) {
	file := "tasks: [{name: a, trigger: every %dh, command: [echo, a]}]\n"
	config, address := write(t, "clockd.yaml", fmt.Sprintf(file, 1)), socket(t)
	p := launch(t, "serve", "--config", config, "--store", "memory:", "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(config, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_, n := p.says("is no regular file", 0)
	replace(t, config, fmt.Sprintf(file, 2))
	p.says("config reloaded", n)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
