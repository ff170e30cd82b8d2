package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

// completed asks as the script for fish does, and returns the words.
func completed(t *testing.T, address, line string) (kind string, words []string) {
	t.Helper()
	out := execute(t, address, "clockctl __complete fish "+line)
	kind, rest, ok := strings.Cut(out, "\n")
	if !ok {
		t.Fatalf("%s: %q", line, out)
	}
	for l := range strings.Lines(rest) {
		word, _, ok := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		if !ok {
			t.Errorf("%s: %q has no tab", line, l)
		}
		words = append(words, word)
	}
	return kind, words
}

func TestCompletionKnowsCommandsFlagsWordsTasksAndRuns(t *testing.T) {
	address := serve(t, fakedaemon.New(fakedaemon.Sample()))
	for line, want := range map[string][]string{
		"r":                              {"run", "reset", "resume", "runs"},
		"'' ":                            nil, // see below
		"--add":                          {"--address"},
		"list --st":                      {"--state"},
		"list --output ''":               {"table", "json", "yaml"},
		"list -o j":                      {"json"},
		"-o json lis":                    {"list"},
		"-ojson lis":                     {"list"},
		"list --output=y":                {"--output=yaml"},
		"list --output=table --out":      nil,
		"list --state p":                 {"paused"},
		"list --state=active --state=pa": {"--state=paused"},
		"list --state active --sta":      {"--state"},
		"runs --state s":                 {"scheduled", "succeeded", "skipped"},
		"run backup --overlap q":         {"queue"},
		"create x --delivery ''":         {"at_least_once", "at_most_once"},
		"create x --keep-runs f":         {"failures"},
		"get b":                          {"backup"},
		"get ''":                         {"backup", "cleanup", "migrate", "old report", "report"},
		"get -o json ''":                 {"backup", "cleanup", "migrate", "old report", "report"},
		"get 'old '":                     {"old report"},
		"get backup ''":                  nil,
		"get --run ''":                   {"7", "6", "5", "4", "3", "2", "1"},
		"preview --task re":              {"report"},
		"preview ''":                     nil,
		"logs ''":                        {"7", "6", "5", "4", "3", "2", "1"},
		"cancel ''":                      {"4"},
		"cancel --backfill cl":           {"cleanup"},
		"pause backup --for 1h --unt":    nil, // it excludes the other
		"watch --runs --ta":              nil,
		"watch --runs cl":                {"cleanup"},
		"completion ''":                  {"bash", "zsh", "fish"},
		"frobnicate ''":                  nil,
		"set-trigger report ''":          nil,
		"list --limit -5 --pre":          {"--prefix"},
		"list -- --pre":                  nil,
		"list --frobnicate --pre":        {"--prefix"},
		"list --frobnicate=":             nil,
	} {
		kind, got := completed(t, address, line)
		if line == "'' " || line == "frobnicate ''" {
			if len(got) < 20 || !slices.Contains(got, "set-trigger") {
				t.Errorf("%s: %v", line, got)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" || kind != "words" {
			t.Errorf("%s: %s\n-want +got\n%s", line, kind, diff)
		}
	}
	for _, line := range []string{"diff ''", "import te", "export --file ''", "create x -- ''", "create x --dir ''", "create x -- a b c"} {
		if kind, got := completed(t, address, line); kind != "files" || got != nil {
			t.Errorf("%s: %s %v", line, kind, got)
		}
	}
}

func TestCompletionAsksTheDaemonThatTheLineNames(t *testing.T) {
	one := serve(t, fakedaemon.New([]task.Task{{
		ID: task.IDOf("", "elsewhere"), State: task.Active, Version: 1,
		Declaration: task.Declaration{Name: "elsewhere", Trigger: schedule.Trigger{Kind: schedule.Forever{}}},
	}}, nil))
	for _, line := range []string{"get --address " + one + " ''", "--address=" + one + " get ''"} {
		if _, got := completed(t, "unix:/nowhere", line); len(got) != 1 || got[0] != "elsewhere" {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestCompletionIsSilentAndQuickWhenNoDaemonAnswers(t *testing.T) {
	for _, address := range []string{"unix:/nowhere", "127.0.0.1:1", "nonsense", "10.0.0.1:7433"} {
		if out := execute(t, address, "clockctl __complete zsh get ''"); out != "words\n" {
			t.Errorf("%s: %q", address, out)
		}
	}
	bubble(t, func(t *testing.T, s *fakedaemon.Server, run func(context.Context, cli.Env, ...string) (int, string)) {
		s.Hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now() // of the bubble
		var out bytes.Buffer
		code, stderr := run(t.Context(), cli.Env{Stdout: &out}, "__complete", "fish", "get", "")
		if code != 0 || stderr != "" || out.String() != "words\n" {
			t.Errorf("exit %d, %q, %q", code, stderr, out.String())
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
	})
}

// A name can have every character that prints.
var oddNames = []string{"a:b:c", "a=b", "a b", "it's", `say "hi"`, "$HOME", "`id`", `back\slash`, "semi;colon", "(x)", "*", "~", "#x", "!x", "ä é", "a\\:b"}

func oddTasks() []task.Task {
	var tasks []task.Task
	for _, name := range oddNames {
		tasks = append(tasks, task.Task{
			ID: task.IDOf("", name), State: task.Active, Version: 1,
			Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Forever{}}},
		})
	}
	return tasks
}

// bashCompletes runs bash with the script sourced, and returns what it is offered for each line with the cursor at
// its end.
func bashCompletes(t *testing.T, dir, address string, lines ...string) map[string][]string {
	t.Helper()
	script := `source <(clockctl completion bash) || exit
while IFS= read -r COMP_LINE; do
  COMP_POINT=${#COMP_LINE}
  _clockctl clockctl
  (IFS='|'; printf '%s\n' "${COMPREPLY[*]}")
done`
	cmd := exec.Command("bash", "--norc", "--noprofile", "-c", script)
	cmd.Env = append(environ(dir, address), "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	answers := strings.Split(string(out), "\n")
	if err != nil || stderr.Len() > 0 || len(answers) != len(lines)+1 {
		t.Fatalf("%v: %s\n%s", err, stderr.String(), out)
	}
	offered := map[string][]string{}
	for i, line := range lines {
		offered[line] = strings.Split(answers[i], "|")
	}
	return offered
}

func TestBashCompletes(t *testing.T) {
	dir := program(t)
	server := fakedaemon.New(fakedaemon.Sample())
	server.Add(oddTasks(), nil)
	address := serve(t, server)
	cases := map[string]string{
		"clockctl set":                  "set-trigger",
		"clockctl list --output=j":      "json", // bash takes the word to begin after =
		"clockctl list --output ":       "table|json|yaml",
		"clockctl pause back":           `back\\slash|backup`,
		"clockctl pause old":            `old\ report`,
		`clockctl pause old\ `:          `old\ report`,
		`clockctl pause "old `:          `old report`,
		`clockctl pause 'old r`:         `old report`,
		"clockctl pause a:":             "b:c",
		"clockctl pause a:b:":           "c",
		`clockctl pause "a:b`:           "a:b:c",
		"clockctl pause it":             `it\'s`,
		`clockctl pause "it`:            `it's`,
		"clockctl pause sa":             `say\ \"hi\"`,
		`clockctl pause \$`:             `\$HOME`,
		`clockctl pause '$`:             `$HOME`,
		`clockctl pause "\$`:            `\$HOME`,
		"clockctl --address unix:/x ge": "get",
		"clockctl frob":                 "",
		"clockctl pause nob":            "",
	}
	offered := bashCompletes(t, dir, address, slices.Collect(maps.Keys(cases))...)
	for line, want := range cases {
		got := offered[line]
		if line != "clockctl list --output " { // which has an order of its own
			slices.Sort(got)
		}
		if got := strings.Join(got, "|"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// What bash puts in the place of a word must be that word again, whatever a task is called.
func TestWhatBashIsOfferedIsTheNameOfTheTask(t *testing.T) {
	dir := program(t)
	address := serve(t, fakedaemon.New(oddTasks(), nil))
	const line = "clockctl pause "
	offered := bashCompletes(t, dir, address, line)[line]
	cmd := exec.Command("bash", "--norc", "--noprofile", "-c", "printf '%s\\n' "+strings.Join(offered, " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if diff := cmp.Diff(slices.Sorted(slices.Values(oddNames)), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Shells that are there check the scripts that are for them.
func TestScriptsAreOfTheirShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var script bytes.Buffer
		code := cli.Run(t.Context(), []string{"completion", shell}, cli.Env{
			Stdout: &script, Stderr: io.Discard, Getenv: func(string) string { return "nonsense" }, Now: time.Now,
		})
		if code != 0 || !strings.Contains(script.String(), fmt.Sprintf("__complete %s ", shell)) {
			t.Errorf("%s: exit %d\n%s", shell, code, script.String())
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = &script
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s -n: %v: %s", shell, err, out)
		}
	}
}
