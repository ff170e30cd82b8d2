package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
)

func TestTheHelpNamesEveryExitCode(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), []string{"--help"}, environment{stdout: &out, stderr: &out, getenv: os.Getenv}); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for code, means := range exitCodes {
		if line := fmt.Sprintf("%d  %s\n", code, means); !strings.Contains(out.String(), line) || means == "" {
			t.Errorf("%q is not in:\n%s", line, out.String())
		}
	}
}

func TestEachExitCodeIsGivenForWhatItMeans(t *testing.T) {
	good, long := write(t, "good.yaml", oneTask), "unix:/"+strings.Repeat("x", 200)
	unwritable := "sqlite:" + filepath.Join(good, "x.db") // under a file
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"serve", "--help"}, exitOK, "Usage"},
		{"a good file", []string{"check", good}, exitOK, "nothing is wrong"},
		{"a store that can not be opened", []string{"serve", "--listen", socket(t), "--store", unwritable}, exitFailed, good},
		{"a flag that there is not", []string{"serve", "--colour"}, exitUsage, "unknown flag"},
		{"a command that there is not", []string{"dance"}, exitUsage, "dance"},
		{"a file that there is not", []string{"serve", "--config", good + "x"}, exitUsage, "no such file"},
		{"a file that is wrong", []string{"serve", "--config", write(t, "bad.yaml", "tasks: 1")}, exitUsage, "bad.yaml:1"},
		{"a path that is too long", []string{"serve", "--listen", long}, exitUsage, "takes 107 for a socket"},
		{"a path in the file that is too long", []string{"check", write(t, "long.yaml", "listen: "+long+"\ntasks: []\n")}, exitUsage, "long.yaml:1: listen: address"},
		{"a socket without rights", []string{"serve", "--listen", "unix:@clockd"}, exitUsage, "abstract socket"},
		{"a mode that is none", []string{"serve", "--listen", socket(t), "--socket-mode", "rw"}, exitUsage, "for instance 0660"},
		{"a group that there is not", []string{"serve", "--listen", socket(t), "--socket-group", "no-such-group"}, exitUsage, "no such group"},
		{"a group that may nothing", []string{"serve", "--listen", socket(t), "--socket-group", "0", "--socket-mode", "0600"}, exitUsage, "keeps out the group"},
		{"a mode of nothing", []string{"serve", "--listen", freeAddress(t), "--socket-mode", "0600"}, exitUsage, "SocketMode="},
		{"a difference", []string{"diff", good, "--store", "memory:"}, exitDiffers, "a: new"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			home := t.TempDir()
			env := environment{stdout: &out, stderr: &out, getenv: func(string) string { return home }}
			if code := run(t.Context(), row.args, env); code != row.code || !strings.Contains(out.String(), row.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, row.code, row.want, out.String())
			}
			if made, err := os.ReadDir(home); err != nil || len(made) > 0 {
				t.Errorf("it was begun: %v, %v", made, err)
			}
		})
	}
}

// A service manager does not start again what ended with 2, and Go ends with 2 what crashes.
func TestACrashIsNotTakenForAWrongConfigFile(t *testing.T) {
	p := launchAs(t, func(cmd *exec.Cmd) { // without a dump of its memory
		cmd.Args = append([]string{"sh", "-c", `ulimit -c 0; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}, "serve", "--store", "memory:", "--listen", socket(t))
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	if err := p.cmd.Process.Signal(syscall.SIGABRT); err != nil { // as a watchdog does
		t.Fatal(err)
	}
	<-p.exited
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || !strings.Contains(p.log.text.String(), "goroutine ") {
		t.Errorf("it ended with %v:\n%s", p.cmd.ProcessState, p.log.text.String())
	}
}

func TestTheUnitsGoWithTheProgram(t *testing.T) {
	line := func(text, name string) string {
		t.Helper()
		found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Fatalf("no %s=", name)
		}
		return found[len(found)-1][1]
	}
	start := strings.Fields(line(serviceUnit, "ExecStart"))
	parser := kong.Must(&grammar{}, kong.Vars{"stop_grace": "10s", "worker_lease": "15s", "node_lease": "15s"})
	if _, err := parser.Parse(start[1:]); err != nil {
		t.Errorf("%s: %v", start, err)
	}
	if got := line(serviceUnit, "RestartPreventExitStatus"); got != fmt.Sprint(exitUsage) {
		t.Errorf("it is not started again after exit status %s", got)
	}
	if address := "unix:" + line(socketUnit, "ListenStream"); !strings.Contains(serviceUnit, "CLOCKD_ADDRESS="+address+" ") {
		t.Errorf("the service does not say that the socket is %s", address)
	}
	for flag, want := range map[string]string{"": serviceUnit, "--socket": socketUnit} {
		var out strings.Builder
		if code := run(t.Context(), strings.Fields("unit "+flag), environment{stdout: &out, stderr: &out}); code != exitOK || out.String() != want {
			t.Errorf("unit %s: exit code %d:\n%s", flag, code, out.String())
		}
	}
}

// Where systemd is, it is asked. Before version 253 it does not know notify-reload, and goes by the line before.
func TestSystemdFindsNothingWrongWithTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze")
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	service, socket := filepath.Join(dir, "clockd.service"), filepath.Join(dir, "clockd.socket")
	for path, text := range map[string]string{service: strings.ReplaceAll(serviceUnit, "/usr/local/bin/clockd", exe), socket: socketUnit} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(analyze, "verify", service, socket).CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	for said := range strings.Lines(string(out)) {
		if !strings.Contains(said, "Failed to parse service type, ignoring: notify-reload") {
			t.Error(said)
		}
	}
}
