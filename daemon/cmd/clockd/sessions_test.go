package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
)

// The scripts in testdata/sessions are what clockctl says to a daemon. They have commands more:
//
//	serve FILE [STORE]  starts a daemon with this config, to which clockctl then speaks, on nothing but memory or on a file
//	shutdown            ends it in good order
//	crash               ends it as a power cut would
//	watches TASK REGEXP waits until a watch of the task prints a line like this
//	prints FILE         compares what the last command printed, but for times, how far off they are, and the width of columns
//
// go test ./daemon/cmd/clockd -run Sessions -rewrite puts what is printed into the scripts.
func TestSessions(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./client/cmd/clockctl")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := filepath.Join("testdata", "sessions")
	if *rewrite {
		t.Cleanup(func() { rewriteSessions(t, dir) })
	}
	var mu sync.Mutex
	running := map[*testscript.TestScript]*process{}
	end := func(ts *testscript.TestScript, how func(*process)) {
		mu.Lock()
		p := running[ts]
		delete(running, ts)
		mu.Unlock()
		if p != nil {
			how(p)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("TZ", "UTC") // where local time is UTC, it is not shown beside it
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": func(ts *testscript.TestScript, _ bool, args []string) {
				address, store := socket(t), "memory:"
				if len(args) > 1 {
					store = "sqlite:" + ts.MkAbs(args[1])
				}
				p := launch(t, "serve", "--config", ts.MkAbs(args[0]), "--store", store, "--listen", address)
				ts.Defer(p.kill)
				if !p.ready() {
					ts.Fatalf("%s", p.log.text.String())
				}
				mu.Lock()
				running[ts] = p
				mu.Unlock()
				ts.Setenv("CLOCKD_ADDRESS", address)
			},
			"shutdown": func(ts *testscript.TestScript, _ bool, _ []string) {
				end(ts, func(p *process) {
					ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
					<-p.exited
				})
			},
			"crash": func(ts *testscript.TestScript, _ bool, _ []string) { end(ts, (*process).kill) },
			"watches": func(ts *testscript.TestScript, _ bool, args []string) {
				pattern := regexp.MustCompile(args[1])
				watch := exec.Command(filepath.Join(bin, "clockctl"), "--address", ts.Getenv("CLOCKD_ADDRESS"), "watch", args[0])
				out, err := watch.StdoutPipe()
				ts.Check(err)
				ts.Check(watch.Start())
				defer watch.Wait()
				defer watch.Process.Kill()
				lines := bufio.NewScanner(out)
				for lines.Scan() {
					if pattern.MatchString(lines.Text()) {
						return
					}
				}
				ts.Fatalf("the watch ended: %v", lines.Err())
			},
			"prints": func(ts *testscript.TestScript, _ bool, args []string) {
				got := ts.ReadFile("stdout")
				if *rewrite {
					mu.Lock()
					printed[filepath.Base(ts.Name())+"/"+args[0]] = got
					mu.Unlock()
					return
				}
				if diff := cmp.Diff(undated(ts.ReadFile(args[0])), undated(got)); diff != "" {
					ts.Fatalf("-%s +printed\n%s", args[0], diff)
				}
			},
		},
	})
}

// printed is what prints has seen, for -rewrite: by script and file.
var printed = map[string]string{}

// rewriteSessions puts what was printed into the scripts.
func rewriteSessions(t *testing.T, dir string) {
	scripts, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scripts {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for i := range a.Files {
			if got, ok := printed[name+"/"+a.Files[i].Name]; ok {
				a.Files[i].Data = []byte(got)
			}
		}
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	distance = regexp.MustCompile(`\((?:in )?(?:\d+[a-zµ0-9.]*|now)(?: ago)?\)|\bin \d+[a-z0-9]*|\b\d+[a-zµ0-9.]* ago\b`)
	instants = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)
	columns  = regexp.MustCompile(` +`)
)

// undated is a print without what depends on when it was made.
func undated(s string) string {
	s = distance.ReplaceAllString(s, "SPAN")
	if strings.Contains(s, "Created:") || strings.Contains(s, "->") {
		s = instants.ReplaceAllString(s, "TIME")
	}
	return columns.ReplaceAllString(s, " ")
}
