package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// languages, set to "required", has tests fail that need a language which is not installed. Else they are skipped.
const languages = "CLOCKD_LANGUAGES"

// python is the interpreter that Debian's python3-grpcio is for, not another that may be on PATH.
const python = "/usr/bin/python3"

// missing says that a test can not be made, and why.
func missing(t *testing.T, what string, err error, out []byte) {
	t.Helper()
	if os.Getenv(languages) == "required" {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	t.Skipf("%s: %v", what, err)
}

// pythonModules generates the modules of clockd.v1 and returns the environment in which programs find them.
func pythonModules(t *testing.T) []string {
	t.Helper()
	if out, err := exec.Command(python, "-c", "import grpc, google.protobuf").CombinedOutput(); err != nil {
		missing(t, "grpc for Python (apt: python3-grpcio python3-protobuf)", err, out)
	}
	protos, err := filepath.Glob(filepath.Join(root, "proto", "clockd", "v1", "*.proto"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	protoc := exec.Command("protoc", append([]string{
		"-I" + filepath.Join(root, "proto"), "--python_out=" + dir, "--grpc_python_out=" + dir,
		"--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin",
	}, protos...)...)
	if out, err := protoc.CombinedOutput(); err != nil {
		missing(t, "protoc for Python (apt: protobuf-compiler protobuf-compiler-grpc libprotobuf-dev)", err, out)
	}
	return append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
}

// example is the path of a program in client/examples.
func example(parts ...string) string {
	return filepath.Join(append([]string{root, "client", "examples"}, parts...)...)
}

// toured is a clockd for a tour, and its address.
func toured(t *testing.T) string {
	t.Helper()
	config, address := write(t, "clockd.yaml", "tasks: [{name: hello, trigger: every 1h, command: [echo, hello]}]"), freeAddress(t)
	if p := launch(t, "serve", "--config", config, "--store", "memory:", "--listen", address); !p.ready() {
		t.Fatalf("%s", p.log.text.String())
	}
	return address
}

func TestClientsInOtherLanguagesDriveADaemon(t *testing.T) {
	for name, row := range map[string]struct {
		command  func(t *testing.T, address string) *exec.Cmd
		language string
	}{
		"Python": {func(t *testing.T, address string) *exec.Cmd {
			env := pythonModules(t)
			cmd := exec.CommandContext(soon(t), python, example("python", "tour.py"), address, "hello")
			cmd.Env = env
			return cmd
		}, "Python"},
		"Node": {func(t *testing.T, address string) *exec.Cmd {
			if out, err := exec.Command("node", "-e", "require('@grpc/grpc-js'); require('@grpc/proto-loader')").CombinedOutput(); err != nil {
				missing(t, "grpc for Node (npm: @grpc/grpc-js @grpc/proto-loader, in NODE_PATH)", err, out)
			}
			return exec.CommandContext(soon(t), "node", example("node", "tour.js"), address, "hello")
		}, "JavaScript"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := row.command(t, toured(t))
			var problems bytes.Buffer
			cmd.Stderr = &problems
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, problems.String())
			}
			want := `listed: hello TASK_STATE_ACTIVE
ran: RUN_STATE_SUCCEEDED "hello\n"
updated: 7200s 10 fires ahead
watched: 7200s for a tour in ` + row.language + `
refused: NOT_FOUND task "no such task": not found
`
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("-want +printed\n%s%s", diff, problems.String())
			}
		})
	}
}

// grpcurl is the program: that on PATH, or else the one that this module pins.
func grpcurl(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return path
	}
	where := exec.Command("go", "tool", "-modfile=.tools/go.mod", "-n", "grpcurl")
	where.Dir = root
	out, err := where.Output()
	if err != nil {
		missing(t, "grpcurl", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestGrpcurlDrivesADaemonWithoutAFile(t *testing.T) {
	t.Parallel()
	path, address := grpcurl(t), toured(t)
	command := func(ctx context.Context, method, request string) *exec.Cmd {
		return exec.CommandContext(ctx, path, "-plaintext", "-d", request, address, "clockd.v1.TaskService/"+method)
	}
	call := func(method, request string, answer any) {
		t.Helper()
		out, err := command(soon(t), method, request).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", method, err, out)
		}
		if err := json.Unmarshal(out, answer); err != nil {
			t.Fatalf("%s: %v\n%s", method, err, out)
		}
	}
	type seen struct {
		TaskName string
		State    string
		Trigger  struct{ Every struct{ Interval string } }
		Override struct{ Reason string }
	}

	var listed struct{ Tasks []seen }
	call("ListTasks", `{"page_size": 10}`, &listed)
	if len(listed.Tasks) != 1 || listed.Tasks[0].TaskName != "hello" || listed.Tasks[0].State != "TASK_STATE_ACTIVE" {
		t.Errorf("listed %+v", listed)
	}

	watch := command(soon(t), "WatchTasks", `{"filter": {"name_prefix": "hello"}}`)
	told, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = watch.Process.Kill() // a watch does not end by itself
		_ = watch.Wait()
	}()
	responses := json.NewDecoder(told)
	next := func() (response struct {
		Tasks  []seen
		Synced bool
	},
	) {
		t.Helper()
		if err := responses.Decode(&response); err != nil {
			t.Fatalf("WatchTasks: %v", err)
		}
		return response
	}
	for !next().Synced {
	}

	var ran struct {
		Run struct {
			State  string
			Output struct{ Stdout string }
		}
	}
	call("RunTask", `{"task_name": "hello", "wait": true}`, &ran)
	if ran.Run.State != "RUN_STATE_SUCCEEDED" || ran.Run.Output.Stdout != "hello\n" {
		t.Errorf("ran %+v", ran)
	}

	var updated struct {
		Task      seen
		NextFires []any
	}
	call("UpdateTrigger", `{"task_name": "hello", "trigger": {"every": {"interval": "7200s"}}, "reason": "a tour by hand"}`, &updated)
	if updated.Task.Trigger.Every.Interval != "7200s" || len(updated.NextFires) != 10 {
		t.Errorf("updated %+v", updated)
	}
	for {
		changed := next().Tasks
		if i := slices.IndexFunc(changed, func(s seen) bool { return s.Override.Reason != "" }); i >= 0 {
			if changed[i].Override.Reason != "a tour by hand" || changed[i].Trigger.Every.Interval != "7200s" {
				t.Errorf("watched %+v", changed[i])
			}
			break
		}
	}
}
