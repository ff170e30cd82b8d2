package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata/sessions are what clockctl says to a daemon. They have two commands more:
//
//	serve FILE     starts a daemon with this config, to which clockctl then speaks; before it ends, the script waits
//	prints FILE    compares what the last command printed, but for how far off it is and the width of columns
func TestSessions(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./client/cmd/clockctl")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "sessions"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": func(ts *testscript.TestScript, _ bool, args []string) {
				address := socket(t)
				p := launch(t, "serve", "--config", ts.MkAbs(args[0]), "--store", "memory:", "--listen", address)
				ts.Defer(p.kill)
				if !p.ready() {
					ts.Fatalf("%s", p.log.text.String())
				}
				ts.Setenv("CLOCKD_ADDRESS", address)
			},
			"prints": func(ts *testscript.TestScript, _ bool, args []string) {
				if diff := cmp.Diff(undated(ts.ReadFile(args[0])), undated(ts.ReadFile("stdout"))); diff != "" {
					ts.Fatalf("-%s +printed\n%s", args[0], diff)
				}
			},
		},
	})
}

var (
	distance = regexp.MustCompile(`\bin \d+[a-z0-9]*`)
	columns  = regexp.MustCompile(` +`)
)

// undated is a print without what depends on when it was made.
func undated(s string) string {
	return columns.ReplaceAllString(distance.ReplaceAllString(s, "in SPAN"), " ")
}
