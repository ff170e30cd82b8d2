package sqlite_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

// The tests start this binary again where another process is needed: one that holds a store, or one
// that writes to it until it is killed.
const (
	helperEnv = "CLOCKD_TEST_HELPER"
	pathEnv   = "CLOCKD_TEST_STORE"
)

// helpers are what such a process does; a file for some systems only adds to them.
var helpers = map[string]func(s *sqlite.Store){"hold": hold, "write": write}

func TestMain(m *testing.M) {
	if do := helpers[os.Getenv(helperEnv)]; do != nil {
		os.Exit(helper(do))
	}
	goleak.VerifyTestMain(m)
}

func helper(do func(s *sqlite.Store)) int {
	s, err := sqlite.Open(ctx, sqlite.Config{Path: os.Getenv(pathEnv), Namespace: storetest.Namespace})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	do(s)
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// hold holds the store until its standard input ends.
func hold(*sqlite.Store) {
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// write writes as fast as it can and says what was acknowledged, one line each, until it is killed.
func write(s *sqlite.Store) {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() { // creates tasks, each with a run and a call
			for i := 0; ; i++ {
				name := fmt.Sprintf("w%d-%d", worker, i)
				updated, err := s.Update(ctx, []uuid.UUID{idOf(name)}, func(uuid.UUID, *task.Task) (store.Change, error) {
					t := plainTask(name)
					return store.Change{Task: &t, Record: []task.Run{plainRun(name)}}, nil
				})
				must(err)
				say("task %s run %d", name, updated[0].Recorded[0].ID)
				run, _, err := s.Call(ctx, task.ByName(name), idOf("call "+name), asks(name))
				must(err)
				say("call %s run %d", name, run.ID)
			}
		})
	}
	wg.Go(func() { // claims, and ends every other fire
		for {
			claimed, err := s.Claim(ctx, store.ClaimRequest{Limit: 20}, func(_ time.Time, d store.Due) store.Decision {
				d.Clock.FireCount++
				next := d.Clock
				next.NextFireTime = next.NextFireTime.Add(time.Minute)
				return store.Decision{Record: []task.Run{plainRun(d.Name)}, Clock: next, State: d.State}
			})
			must(err)
			var reports []store.Report
			for i, fire := range claimed.Fires {
				say("fire %s run %d", fire.Run.TaskName, fire.Run.ID)
				if i%2 == 0 {
					reports = append(reports, store.Report{Run: task.Run{ID: fire.Run.ID, State: task.Succeeded, EndTime: base}})
				}
			}
			_, err = s.Record(ctx, reports, nil)
			must(err)
			for _, r := range reports {
				say("end x run %d", r.Run.ID)
			}
		}
	})
	wg.Wait()
}

// process is a helper that was started.
type process struct {
	*exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startHelper(t *testing.T, kind, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe)}
	p.Env = append(os.Environ(), helperEnv+"="+kind, pathEnv+"="+path)
	p.Stderr = os.Stderr
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(stdout)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// base is an instant that is long past.
var base = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func idOf(name string) uuid.UUID { return task.IDOf(storetest.Namespace, name) }

func plainTask(name string) task.Task {
	return task.Task{
		ID: idOf(name), Namespace: storetest.Namespace, State: task.Active, Version: 1, CreateTime: base, UpdateTime: base,
		Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}}},
		Clock:       task.Clock{NextFireTime: base, Progress: schedule.Progress{Anchor: base}},
	}
}

func plainRun(name string) task.Run {
	return task.Run{TaskID: idOf(name), State: task.Scheduled, Cause: task.ByFire, ScheduledTime: base, Fires: 1}
}

// asks is a CallFunc for a plain run.
func asks(name string) store.CallFunc {
	return func(t task.Task) (task.Run, task.Event, error) {
		return plainRun(name), task.Event{Time: base, Action: task.RunRequested, TaskID: t.ID, TaskName: name}, nil
	}
}

// create stores plain tasks.
func create(t testing.TB, s store.Store, names ...string) {
	t.Helper()
	if err := tryCreate(s, names...); err != nil {
		t.Fatal(err)
	}
}

func tryCreate(s store.Store, names ...string) error {
	ids, byID := make([]uuid.UUID, len(names)), make(map[uuid.UUID]string)
	for i, name := range names {
		ids[i] = idOf(name)
		byID[ids[i]] = name
	}
	_, err := s.Update(ctx, ids, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		t := plainTask(byID[id])
		return store.Change{Task: &t}, nil
	})
	return err
}
