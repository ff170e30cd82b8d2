package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

var rewrite = flag.Bool("rewrite", false, "write what the commands of the tour print into README.md")

// root is the top of the repository.
var root = filepath.Join("..", "..", "..")

// TestTheTourOfREADMEPrintsWhatItSays runs each command of README's console blocks against a daemon with the
// example, as a testscript, and compares what it prints. Times and what follows from them may differ.
func TestTheTourOfREADMEPrintsWhatItSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	bin := programs(t)
	address := freeAddress(t)
	steps, pieces := tour(string(text))
	var script strings.Builder
	for i, s := range steps {
		switch {
		case s.restart:
			fmt.Fprintf(&script, "restart\n")
		default:
			fmt.Fprintf(&script, "tell %d\n", i)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tour.txtar"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var d *process
	state := t.TempDir()
	example, err := filepath.Abs("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	start := func() {
		d = launch(t, "serve", "--config", example, "--store", "sqlite:"+filepath.Join(state, "example.db"), "--listen", address)
		if !d.ready() {
			t.Fatal(d.log.text.String())
		}
	}
	start()
	told := make([]string, len(steps))
	me := whoami(t)
	t.Run("tour", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: dir,
			Setup: func(e *testscript.Env) error {
				e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
				e.Setenv("TZ", "UTC") // where local time is UTC, it is not shown beside it
				e.Setenv("CLOCKD_ADDRESS", address)
				// Commands name files as a reader in the clone does.
				source, err := filepath.Abs(filepath.Join(root, "daemon"))
				if err != nil {
					return err
				}
				return os.Symlink(source, filepath.Join(e.WorkDir, "daemon"))
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"tell": func(ts *testscript.TestScript, _ bool, args []string) {
					var i int
					_, err := fmt.Sscan(args[0], &i)
					ts.Check(err)
					command := strings.ReplaceAll(steps[i].command, "127.0.0.1:7433", address)
					ts.Check(ts.Exec("bash", "-c", "{ "+command+"\n} 2>&1 || true"))
					told[i] = strings.NewReplacer(address, "127.0.0.1:7433", me, "you@host").Replace(ts.ReadFile("stdout"))
					if diff := cmp.Diff(timeless(steps[i].prints), timeless(told[i])); diff != "" && !*rewrite {
						ts.Fatalf("$ %s\n-README +printed:\n%s\nif that is right: go test ./daemon/cmd/clockd -run README -rewrite", steps[i].command, diff)
					}
				},
				"restart": func(*testscript.TestScript, bool, []string) {
					d.kill()
					start()
				},
			},
		})
	})
	if *rewrite && !t.Failed() {
		for i, s := range steps {
			if !s.restart {
				pieces[s.piece] = told[i]
			}
		}
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(strings.Join(pieces, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// step is a command of the tour and what README says it prints, or a restart of the daemon.
type step struct {
	command, prints string
	restart         bool
	piece           int // of README, which holds what it prints
}

// tour cuts README into pieces, of which those that a step names are outputs.
func tour(text string) (steps []step, pieces []string) {
	inside := false
	add := func(line string) {
		if len(pieces) == 0 {
			pieces = append(pieces, "")
		}
		pieces[len(pieces)-1] += line
	}
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\n")
		switch {
		case bare == "```console":
			inside = true
			add(line)
		case inside && bare == "```":
			inside = false
			pieces = append(pieces, "")
			add(line)
		case inside && strings.HasPrefix(bare, "$ "):
			if len(steps) > 0 && steps[len(steps)-1].piece == len(pieces)-1 {
				pieces = append(pieces, "")
			}
			add(line)
			pieces = append(pieces, "")
			steps = append(steps, step{command: bare[2:], piece: len(pieces) - 1})
		case inside:
			add(line)
			steps[len(steps)-1].prints += line
		case strings.HasPrefix(bare, "<!-- tour: kill the daemon and start it again"):
			steps = append(steps, step{restart: true, piece: -1})
			add(line)
		default:
			add(line)
		}
	}
	return steps, pieces
}

// What differs from one run of the tour to the next: instants, spans up to now, how long runs took, and the
// numbers of runs.
var volatile = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`TIME \((now|in \S+|\S+ ago)\)`), "TIME"},
	{regexp.MustCompile(`\bin \d\w*`), "in SPAN"},
	{regexp.MustCompile(`\b(now|\d+(\.\d+)?[a-z]+ ago)\b`), "AGO"},
	{regexp.MustCompile(`(?m) (-|(succeeded|running|scheduled) AGO)$`), " RUN"},
	{regexp.MustCompile(`"(lateness|id|run_id|fireCount|fires|fire_count)": "[\d.]+s?"`), `"$1": "N"`},
	{regexp.MustCompile(`\b(took )?\d+(\.\d+)?(µs|ms|s)( late)?\b`), "$1SPAN$4"},
	{regexp.MustCompile(`(?m)^(RUN|run|fires?)( *) \d+\b`), "$1 N"},
	{regexp.MustCompile(`(?m)^(\d+)( +\S+ +(succeeded|running|scheduled))`), "N$2"},
	{regexp.MustCompile(`-{3,}`), "-"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// timeless replaces what differs.
func timeless(s string) string {
	for _, v := range volatile {
		s = v.pattern.ReplaceAllString(s, v.stands)
	}
	return s
}

// whoami is the actor that clockctl tells the daemon.
func whoami(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username + "@" + host
}

// programs builds what the tour calls and returns the folder they are in.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	for _, args := range [][]string{
		{"build", "-o", bin, "./client/cmd/clockctl"},
		{"build", "-modfile=.tools/go.mod", "-o", bin, "github.com/fullstorydev/grpcurl/cmd/grpcurl"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return bin
}

// TestTheEmbeddingExampleOfREADMEIsTheOneThatCompiles compares README's Go with Example of package daemon.
func TestTheEmbeddingExampleOfREADMEIsTheOneThatCompiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "daemon", "example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	var want strings.Builder
	for line := range strings.Lines(body + "\n") {
		want.WriteString(strings.TrimPrefix(line, "\t"))
	}
	before, rest, _ := strings.Cut(string(text), "```go\n")
	got, after, _ := strings.Cut(rest, "```")
	if *rewrite {
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(before+"```go\n"+want.String()+"```"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("-Example +README:\n%s", diff)
	}
}

// TestTheWorkerOfREADMEIsThatOfTheExample compares the Go of README's section on workers with the example of package client.
func TestTheWorkerOfREADMEIsThatOfTheExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "client", "example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Workers\n")
	_, rest, _ := strings.Cut(section, "```go\n")
	code, _, found := strings.Cut(rest, "```")
	var want strings.Builder
	for line := range strings.Lines(code) {
		want.WriteString("\t" + line)
	}
	if !found || !strings.Contains(string(source), want.String()) {
		t.Errorf("this is not part of client/example_test.go:\n%s", code)
	}
}
