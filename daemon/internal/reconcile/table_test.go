package reconcile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

var rewrite = flag.Bool("rewrite", false, "write what is decided into testdata; read the diff")

// The stored sides of the table. A part is "": there is nothing to do for it.
var (
	storedOverrides = []struct{ name, declared, events string }{
		{"no override", "every 10s", ""},
		{"YIELD", "every 10s", "0s yield every 1m"},
		{"KEEP", "every 10s", "0s keep every 1m"},
		{"KEEP, declaration changed", "every 15s", "0s keep every 1m | 0s declare@7 every 10s"},
		{"YIELD that expires at 1m", "every 10s", "0s yield every 4s expire=1m"},
		{"YIELD that has expired at 15s", "every 10s", "0s yield every 4s expire=15s"},
		{"KEEP that has expired at 15s", "every 10s", "0s keep every 4s expire=15s"},
	}
	storedStates = []struct{ name, events string }{
		{"active", ""},
		{"paused", "1s pause"},
		{"paused until 1m", "1s pause resume=1m"},
		{"paused until 12s, which has passed", "1s pause resume=12s"},
		{"orphaned", "1s orphan@7 gone"},
		{"paused, then orphaned", "1s pause | 2s orphan@7 gone"},
		{"claimed by a program that can not run it", "1s vain"},
	}
	// What a program of revision 7, or another, does 20 seconds after the task was declared.
	tableEvents = []struct{ name, event string }{
		{"same", "declare@7 every 10s"},
		{"same, older", "declare@6 every 10s"},
		{"same, newer", "declare@8 every 10s"},
		{"same, none", "declare every 10s"},
		{"changed", "declare@7 every 20s"},
		{"changed, older", "declare@6 every 20s"},
		{"changed, newer", "declare@8 every 20s"},
		{"changed, none", "declare every 20s"},
		{"removed", "orphan@7 removed"},
		{"removed, older", "orphan@6 removed"},
		{"removed, newer", "orphan@8 removed"},
		{"removed, none", "orphan removed"},
		{"renamed", "rename@7 every 10s name=y"},
		{"renamed, older", "rename@6 every 10s name=y"},
		{"override", "yield every 30s"},
		{"reset", "reset"},
		{"pause", "pause"},
		{"resume", "resume"},
		{"elapse", "elapse"},
	}
)

// shorter leaves out what is the same in all rows of the table.
var shorter = strings.NewReplacer(
	` by ann (test)`, "", `"actor":"ann",`, "", `"reason":"test",`, "", `,"reason":"test"`, "",
	"2026-03-01T00:00:", "", "2026-03-01T00:", "",
)

// TestTableOfDecisions compares all that can become of a task with testdata/decisions.txt, which a person can
// review: what is stored, what happens, what is stored then ("=": the same), and what the audit tells.
func TestTableOfDecisions(t *testing.T) {
	const file = "testdata/decisions.txt"
	var out bytes.Buffer
	out.WriteString(`# What becomes of a task: stored, what happens -> stored, audit. Written by go test -run Table -rewrite; read the diff.
# The task was declared as "every 10s" by a program of revision 7 at 0s; override and state are of 5s and later. All
# that happens does so at 20s. "same" and so on is what a program of revision 7 declares; "older" is 6, "newer" 8,
# "none" has no revision. Of the events, that ann did it, who does all that no program does, is left out, and so
# are the date and hour of instants.
`)
	for _, o := range storedOverrides {
		for _, st := range storedStates {
			for i, e := range tableEvents {
				s := &script{t: t, now: t0}
				s.play("0s declare@7 " + o.declared + " | 5s claim")
				for _, events := range []string{o.events, st.events} {
					if events != "" {
						s.play(events)
					}
				}
				before := *s.task
				if i == 0 {
					fmt.Fprintf(&out, "\n%s; %s\n  %s\n", o.name, st.name, s)
				}
				s.records, s.audit = nil, nil
				if err := s.do(t0.Add(20*time.Second).Sub(s.now).String() + " " + e.event); err != nil {
					t.Fatal(err)
				}
				said := "="
				if s.task.Version != before.Version || s.task.Revision != before.Revision || len(s.records) > 0 {
					said = s.String()
				}
				fmt.Fprintf(&out, "  %-15s %s\n", e.name, said)
				for i := range s.audit {
					fmt.Fprintf(&out, "  %-15s     %s\n", "", shorter.Replace(eventText(&s.audit[i])))
				}
				checkStep(t, &before, s.task, s.audit)
			}
		}
	}
	compareFile(t, file, out.Bytes())
}

// TestStories plays each script of testdata/stories.txt and compares what comes of it:
//
//	story what it tells
//	30s declare@7 every 10s
//	  what the task is then
//	  records and events of this step
func TestStories(t *testing.T) {
	const file = "testdata/stories.txt"
	given, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var s *script
	for line := range strings.Lines(string(given)) {
		line = strings.TrimSuffix(line, "\n")
		policy, isPolicy := strings.CutPrefix(line, "policy ")
		switch {
		case strings.HasPrefix(line, "  "):
			continue
		case strings.HasPrefix(line, "story "):
			s = &script{t: t, now: t0}
		case isPolicy:
			if err := parsePolicy(&s.policy, policy); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		fmt.Fprintln(&out, line)
		if line == "" || isPolicy || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "story ") {
			continue
		}
		s.records, s.audit = nil, nil
		before := s.task
		if err := s.do(line); err != nil {
			fmt.Fprintf(&out, "  error: %v\n", err)
			continue
		}
		fmt.Fprintf(&out, "  at %s: %s\n", s.now.Sub(t0), s)
		for i := range s.audit {
			fmt.Fprintf(&out, "  %s\n", eventText(&s.audit[i]))
		}
		checkStep(t, before, s.task, s.audit)
	}
	compareFile(t, file, out.Bytes())
}

func parsePolicy(p *task.Policy, text string) error {
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "catch_up":
			p.CatchUp = map[string]task.CatchUp{"one": task.CatchUpOne, "all": task.CatchUpAll, "none": task.CatchUpNone}[value]
		case "catch_up_window":
			p.CatchUpWindow, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("no policy %q", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func compareFile(t *testing.T, file string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	given, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(given, got) {
		return
	}
	was, is := strings.Split(string(given), "\n"), strings.Split(string(got), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Fatalf("%s:%d is\n%s\ndecided is\n%s", file, i+1, was[i], is[i])
		}
	}
	t.Fatalf("%s has %d lines, decided are %d", file, len(was), len(is))
}
