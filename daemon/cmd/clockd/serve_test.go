package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestASecondDaemonOnTheSameFileIsToldWhoHoldsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.db")
	first := launch(t, "serve", "--store", "sqlite:"+path, "--listen", socket(t))
	if !first.ready() {
		t.Fatal(first.log.text.String())
	}
	second := launch(t, "serve", "--store", "sqlite:"+path, "--listen", socket(t))
	<-second.exited
	if code := second.cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if want := fmt.Sprintf("process %d", first.cmd.Process.Pid); !strings.Contains(second.log.text.String(), want) {
		t.Errorf("%q is not in %q", want, second.log.text.String())
	}
}

func TestASecondDaemonAtTheSameAddressIsToldSo(t *testing.T) {
	address := socket(t)
	first := launch(t, "serve", "--store", "memory:", "--listen", address)
	if !first.ready() {
		t.Fatal(first.log.text.String())
	}
	second := launch(t, "serve", "--store", "memory:", "--listen", address)
	<-second.exited
	if !strings.Contains(second.log.text.String(), "is in use") {
		t.Errorf("it says %q", second.log.text.String())
	}
	if _, err := first.dial(address).Task(soon(t), task.ByName("x")); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("the first does not answer any more: %v", err)
	}
}

func TestADeadSocketIsReplaced(t *testing.T) {
	address := socket(t)
	first := launch(t, "serve", "--store", "memory:", "--listen", address)
	first.ready()
	first.kill()
	second := launch(t, "serve", "--store", "memory:", "--listen", address)
	if !second.ready() {
		t.Error(second.log.text.String())
	}
}

func TestSIGTERMDrainsAndExitsWithZero(t *testing.T) {
	config := write(t, "clockd.yaml", `
tasks:
  - {name: slow, trigger: every 1h, command: [sleep, "0.5"]}
  - {name: last, trigger: shutdown, command: [echo, bye]}
`)
	path, address := filepath.Join(t.TempDir(), "drain.db"), socket(t)
	args := []string{"serve", "--config", config, "--store", "sqlite:" + path, "--listen", address}
	p := launch(t, args...)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c := p.dial(address)
	run, err := c.RunTask(soon(t), task.ByName("slow"), client.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, p.log.text.String())
	}

	p = launch(t, args...)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c = p.dial(address)
	if run, err = c.Run(soon(t), run.ID); err != nil || run.State != task.Succeeded || run.Attempt != 1 {
		t.Errorf("what was going at the stop: %+v, %v", run, err)
	}
	if last, err := c.Task(soon(t), task.ByName("last")); err != nil || last.LastRun == nil || last.LastRun.State != task.Succeeded {
		t.Errorf("the shut-down task: %+v, %v", last, err)
	}
}

func TestACallerMayNameTheCalendarsOfTheFile(t *testing.T) {
	config := write(t, "clockd.yaml", `
calendars:
  holidays: [dates 2027-01-01..2027-01-10 UTC]
tasks:
  - {name: job, trigger: every 1h, command: [echo, hi]}
`)
	address := socket(t)
	p := launch(t, "serve", "--config", config, "--store", "memory:", "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c := p.dial(address)
	preview, err := c.PreviewTrigger(soon(t), schedule.MustParse("at 12:00 UTC exclude(calendar holidays)"),
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	if err != nil || len(preview.Fires) != 1 || preview.Fires[0].Time.Day() != 11 {
		t.Errorf("preview %+v, %v, want the 11th", preview, err)
	}
	_, err = c.UpdateTrigger(soon(t), task.ByName("job"), schedule.MustParse("every 1s exclude(calendar weekends)"), client.UpdateOptions{})
	if err == nil || !strings.Contains(err.Error(), `"weekends" is not declared: there are holidays`) {
		t.Errorf("a calendar that the file does not have: %v", err)
	}
}

func TestIdsAndOverridesAreTheSameAfterARestart(t *testing.T) {
	config := write(t, "clockd.yaml", "tasks:\n  - {name: job, trigger: every 1h, command: [echo, hi]}\n")
	path, address := filepath.Join(t.TempDir(), "same.db"), socket(t)
	var id string
	for i := range 3 {
		p := launch(t, "serve", "--config", config, "--store", "sqlite:"+path, "--listen", address)
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		c := p.dial(address)
		got, err := c.Task(soon(t), task.ByName("job"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			id = got.ID.String()
			if _, err := c.UpdateTrigger(soon(t), task.ByName("job"), schedule.MustParse("every 3h"), client.UpdateOptions{Reason: "calm down"}); err != nil {
				t.Fatal(err)
			}
		} else if got.ID.String() != id || got.Override == nil || got.Override.Reason != "calm down" || got.Override.Actor != "test" {
			t.Errorf("start %d: %+v", i, got)
		}
		p.kill()
	}
}
