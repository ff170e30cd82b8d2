package daemontest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/daemontest"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutsideOfABubbleADaemonServesItsTestAndIsGoneWithIt(t *testing.T) {
	var ends []string
	t.Run("a test", func(t *testing.T) {
		d := daemontest.Start(t, daemon.Config{
			OnStop: func(context.Context) error { ends = append(ends, "stop hook"); return nil },
			Tasks: []daemon.Task{
				{Name: "double", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(func(in daemon.Input[int]) int { return 2 * in.Value })},
				{Name: "fail", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(func() error { return errors.New("broken") })},
				{Name: "last", Trigger: schedule.MustParse("shutdown"), Do: daemon.Func(func() { ends = append(ends, "shut-down task") })},
			},
		})
		t.Cleanup(func() {
			ends = append(ends, "cleanup of the test "+string(d.Run("double", 4).Output))
		})
		for _, n := range []int{1, 2} {
			if run := d.Run("double", n); run.State != task.Succeeded || string(run.Output) != fmt.Sprint(2*n) {
				t.Errorf("twice %d: %s %s", n, run.State, run.Output)
			}
		}
		if run := d.Run("fail", nil); run.State != task.Failed || run.Error != "broken" {
			t.Errorf("what fails: %s %q", run.State, run.Error)
		}
		runs := d.Runs("double")
		if len(runs) != 2 || string(runs[0].Output) != "2" || string(runs[0].Input) != "1" || string(runs[1].Output) != "4" {
			t.Errorf("runs: %+v", runs)
		}
		if n, err := daemon.Call[int](t.Context(), d.Daemon, func() int { return 5 }); n != 5 || err != nil {
			t.Errorf("a call: %d, %v", n, err)
		}
	})
	if got := strings.Join(ends, ", "); got != "cleanup of the test 8, shut-down task, stop hook" {
		t.Errorf("the end: %s", got)
	}
}

func TestAStoppedDaemonCanBeFollowedByAnotherOnTheSameStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "test.db"), Namespace: daemon.DefaultNamespace})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		cfg := daemon.Config{Store: st, Tasks: tasks()}
		first := daemontest.Start(t, cfg)
		time.Sleep(12 * time.Hour)
		first.Stop()
		first.Stop()

		second := daemontest.Start(t, cfg)
		time.Sleep(12 * time.Hour)
		var outputs []string
		for _, run := range second.Runs("report") {
			outputs = append(outputs, string(run.Output))
		}
		if got := strings.Join(outputs, " "); got != `"sold until 09:00" "sold until 21:00"` {
			t.Errorf("outputs %s", got)
		}
	})
}

// fakeTest is a test that may fail.
type fakeTest struct {
	testing.TB
	said     []string
	cleanups []func()
}

func (f *fakeTest) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf("error: "+format, args...))
}

func (f *fakeTest) Fatalf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf("fatal: "+format, args...))
	runtime.Goexit()
}

func (f *fakeTest) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

// try runs a test and returns what it said.
func try(t *testing.T, test func(t testing.TB)) string {
	f := &fakeTest{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		test(f)
	}()
	<-ended
	for len(f.cleanups) > 0 {
		last := len(f.cleanups) - 1
		c := f.cleanups[last]
		f.cleanups = f.cleanups[:last]
		c()
	}
	return strings.Join(f.said, "; ")
}

func TestWhatGoesWrongFailsTheTestOnce(t *testing.T) {
	broken := func(context.Context) error { return errors.New("no database") }
	for name, tt := range map[string]struct {
		test func(t testing.TB)
		want string
	}{
		"a wrong config": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{ClaimAhead: time.Hour}) },
			"fatal: the daemon can not be made: ",
		},
		"a start that fails": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{OnStart: broken}) },
			"fatal: the daemon did not come up: start hook: no database",
		},
		"a stop that fails": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{OnStop: broken}) },
			"error: the daemon failed: stop hook: no database",
		},
		"an early stop that fails": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{OnStop: broken}).Stop() },
			"error: the daemon failed: stop hook: no database",
		},
		"a run of no task": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{}).Run("report", nil) },
			`fatal: a run of "report": task "report": not found`,
		},
		"runs of no task": {
			func(t testing.TB) { daemontest.Start(t, daemon.Config{}).Runs("report") },
			`fatal: the runs of "report": task "report": not found`,
		},
		"nothing": {func(t testing.TB) { daemontest.Start(t, daemon.Config{}) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := try(t, tt.test)
				if !strings.HasPrefix(got, tt.want) || strings.Contains(got, ";") || tt.want == "" && got != "" {
					t.Errorf("it said %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// The example of the package comment is the one that runs.
func TestTheDocumentedTestIsTheOneThatRuns(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for line := range strings.Lines(string(doc)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			code.WriteString(text)
		} else if code.Len() > 0 && line == "//\n" {
			code.WriteString("\n")
		} else if code.Len() > 0 {
			break
		}
	}
	if want := strings.TrimSpace(code.String()); want == "" || !strings.Contains(string(example), want) {
		t.Errorf("example_test.go does not have\n%s", want)
	}
}
