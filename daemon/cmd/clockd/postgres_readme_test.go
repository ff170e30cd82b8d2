package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
)

// What differs from one cluster to the next, besides what does from one daemon to the next.
var nodesDiffer = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "UUID"},
	{regexp.MustCompile(`(?m)\b(alive|given up AGO)\b.*$`), "$1"}, // what it does at the moment
}

// TestTheClusterOfREADMEDoesWhatItSays starts the daemons of README's section on several of them as it says there, gives
// the commands, and compares what they print.
func TestTheClusterOfREADMEDoesWhatItSays(t *testing.T) {
	path := filepath.Join(root, "README.md")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(whole), "## Several daemons\n")
	section, after, found := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("README has no section on several daemons")
	}
	const fence, ours = "```console\n", "```console cluster\n" // the tour leaves ours out
	steps, pieces := tour(strings.Replace(section, ours, fence, 1))

	bin, dir := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./client/cmd/clockctl")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	url := database(t, pgtest.Config{}).Database(t)
	here, there := []string{"postgres:///clockd"}, []string{url}
	for _, port := range []string{"17501", "17502"} {
		here, there = append(here, "127.0.0.1:"+port), append(there, freeAddress(t))
	}
	here, there = append(here, "you@host"), append(there, whoami(t))
	pairs := func(from, to []string) *strings.Replacer {
		var all []string
		for i := range from {
			all = append(all, from[i], to[i])
		}
		return strings.NewReplacer(all...)
	}
	say := func(command string) string {
		t.Helper()
		cmd := exec.CommandContext(soon(t), "bash", "-c", "{ "+pairs(here, there).Replace(command)+"\n} 2>&1 || true")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		return pairs(there, here).Replace(string(out))
	}

	var daemons []*process
	for line := range strings.Lines(section) {
		switch args := strings.Fields(pairs(here, there).Replace(line)); {
		case strings.HasPrefix(line, "echo "):
			say(line)
		case strings.HasPrefix(line, "clockd serve "):
			p := launchAs(t, func(cmd *exec.Cmd) { cmd.Dir = dir }, args[1:len(args)-1]...)
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			daemons = append(daemons, p)
		}
	}
	bare := func(s string) string {
		s = timeless(s)
		for _, v := range nodesDiffer {
			s = v.pattern.ReplaceAllString(s, v.stands)
		}
		return s
	}
	for _, s := range steps {
		if s.command == "kill -9 %1" {
			daemons[0].kill()
			continue
		}
		told := say(s.command)
		pieces[s.piece] = told
		if diff := cmp.Diff(bare(s.prints), bare(told)); diff != "" && !*rewrite {
			t.Errorf("$ %s\n-README +printed:\n%s\nif that is right: go test ./daemon/cmd/clockd -run README -rewrite\n%s", s.command, diff, daemons[1].log.text.String())
		}
	}
	if *rewrite && !t.Failed() {
		text := before + "## Several daemons\n" + strings.Replace(strings.Join(pieces, ""), fence, ours, 1) + "\n## " + after
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
