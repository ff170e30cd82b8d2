package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

const (
	// historyKills is how often the processes of a history are killed.
	historyKills = 15
	// historySeed says what is done in the history that is lived by default: a test that fails is not to depend on
	// luck more than it must. SEEDS=5-9 in the environment names others, by the first seed and the one after the last.
	// CLOCKD_HISTORY=2h lives one after the other for so long, from there or from a seed that nobody has seen.
	historySeed = 1
)

func TestHistoriesOfKilledProcessesKeepThePromises(t *testing.T) {
	from, until := uint64(historySeed), uint64(historySeed+1)
	var long time.Duration
	if s := os.Getenv("CLOCKD_HISTORY"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		from = uint64(time.Now().UnixNano())
		until = from + 1
	}
	if seeds := os.Getenv("SEEDS"); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &from, &until); err != nil {
			t.Fatalf("SEEDS is %q, which is no range: say FIRST-END, as 5-9: %v", seeds, err)
		}
	}
	began := time.Now()
	for seed := from; seed < until || time.Since(began) < long && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { killedHistory(t, seed) })
	}
}

// killedHistory lives one: an actor and two readers on processes that are killed and started again. The seed says what
// is done; how far that has come when the process dies is up to the machine.
func killedHistory(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	line := fmt.Sprintf(`echo "$CLOCKD_TASK_NAME $CLOCKD_RUN_ID $CLOCKD_ATTEMPT" >> %s; sleep $0`, journal)
	rec := history.NewRecorder(false)
	var mu sync.Mutex // guards said
	var said []string
	actor := &history.Actor{
		Rand: rnd, Rec: rec, Created: []string{"made0", "made1"},
		Say: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, time.Now().UTC().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
		},
		Spec: func(r *rand.Rand) *task.TargetSpec {
			return &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"sh", "-c", line, []string{"0", "0.3"}[r.IntN(2)]}}}
		},
	}
	var tasks strings.Builder
	of := []string{fmt.Sprintf("seed %d", seed)} // for a report
	for i, rest := range []string{
		"catch_up: all, overlap: allow", "catch_up: one, overlap: skip", "catch_up: none, overlap: queue, group: g",
		"overlap: cancel, group: g, retry: {max_attempts: 3, backoff: 100ms}", "delivery: at_most_once, catch_up: all, overlap: allow",
	} {
		name := fmt.Sprintf("task%d", i)
		actor.Declared = append(actor.Declared, name)
		trigger, code, takes := plainTrigger(rnd), i/3%2, []string{"0", "0.2", "0.6"}[rnd.IntN(3)]
		fmt.Fprintf(&tasks, "  - {name: %s, trigger: '%s', %s, retention: {max_runs: 1000000}, command: [sh, -c, '%s; exit %d', \"%s\"]}\n",
			name, trigger, rest, line, code, takes)
		of = append(of, fmt.Sprintf("%s: %s, %s, takes %ss and exits with %d", name, trigger, rest, takes, code))
	}
	config := write(t, "clockd.yaml", "groups: {g: {max_running: 1}}\ntasks:\n"+tasks.String())
	address := socket(t)
	args := []string{"serve", "--config", config, "--store", "sqlite:" + filepath.Join(dir, "history.db"), "--listen", address, "--allow-commands"}

	var up atomic.Pointer[client.Client]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var watching sync.WaitGroup
	p := launch(t, args...)
	if !p.ready() {
		t.Fatalf("the first start failed:\n%s", p.log.text.String())
	}
	up.Store(p.dial(address))
	for i := range 2 {
		r := rand.New(rand.NewPCG(seed, uint64(10+i)))
		watching.Go(func() { rec.Watch(ctx, fmt.Sprint(i), r, up.Load) })
	}
	for range historyKills {
		life, end := context.WithCancel(ctx)
		acting := make(chan struct{})
		go func() {
			defer close(acting)
			for life.Err() == nil {
				actor.Act(life, up.Load())
				pace := time.NewTimer(time.Duration(rnd.IntN(40)) * time.Millisecond)
				select {
				case <-pace.C:
				case <-life.Done():
				}
			}
		}()
		moment := time.NewTimer(time.Duration(100+rand.IntN(1200)) * time.Millisecond)
		<-moment.C
		_ = p.cmd.Process.Kill()
		<-p.exited
		end()
		<-acting
		actor.Wait()
		p.kill()
		if p = launch(t, args...); !p.ready() {
			t.Fatalf("a start failed:\n%s", p.log.text.String())
		}
		up.Store(p.dial(address))
	}

	c := up.Load()
	names := append(append([]string{}, actor.Declared...), actor.Created...)
	const alive = 2 * time.Second
	for _, name := range names {
		if err := actor.Resume(ctx, c, name); err != nil && !errors.Is(err, task.ErrTaskNotFound) {
			t.Fatal(err)
		}
	}
	undisturbed := time.NewTimer(alive)
	<-undisturbed.C
	for _, name := range names {
		for _, err := range []error{actor.Resume(ctx, c, name), actor.Pause(ctx, c, name, time.Time{})} {
			if err != nil && !errors.Is(err, task.ErrTaskNotFound) {
				t.Fatal(err)
			}
		}
	}
	actor.Wait()
	settled(soon(t), t, c)
	h, err := rec.Finish(ctx, c, alive)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !h.CaughtUp() && time.Now().Before(deadline); {
		// What was told last may still be on its way.
		again := time.NewTimer(50 * time.Millisecond)
		<-again.C
		if h, err = rec.Finish(ctx, c, alive); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	watching.Wait()
	h.Starts, h.Witnessed = journaled(t, journal), true
	t.Logf("%d operations, %d runs, %d events, %d starts", len(h.Ops), len(h.Runs), len(h.Events), len(h.Starts))
	if faults := history.Check(&h); len(faults) > 0 {
		t.Error(history.Report(&h, of, said, faults))
	}
}

// plainTrigger is a trigger whose text form fits between single quotes, and which is not over soon.
func plainTrigger(r *rand.Rand) schedule.Trigger {
	for {
		t := history.Trigger(r)
		if _, once := t.Kind.(schedule.Once); !once && t.MaxFires == 0 {
			return t
		}
	}
}

// journaled reads the attempts that the tasks wrote down. When they were is not known.
func journaled(t *testing.T, path string) []history.Start {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []history.Start
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		id, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(words[2])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, history.Start{Run: task.RunID(id), Task: words[0], Attempt: number})
	}
	return out
}
