package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// kills is how often TestKillAtAnyMoment kills; CLOCKD_KILLS says otherwise.
const kills = 60

// TestKillAtAnyMoment kills real daemons with SIGKILL at random moments, in their start too, and then
// compares what is stored and what the tasks did with what was promised.
func TestKillAtAnyMomentLosesNothingAndDoublesNothing(t *testing.T) {
	n := kills
	if s := os.Getenv("CLOCKD_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills", seed, n)
	rnd := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	// Each start of a task is a line that the task itself writes, and a file that says when it did.
	witness := filepath.Join(dir, "started")
	if err := os.Mkdir(witness, 0o700); err != nil {
		t.Fatal(err)
	}
	does := fmt.Sprintf(`[sh, -c, 'echo "$CLOCKD_TASK_NAME $CLOCKD_RUN_ID $CLOCKD_ATTEMPT" >> %s; : > "%s/$CLOCKD_RUN_ID.$CLOCKD_ATTEMPT"; sleep $0', `, journal, witness)
	gaps := everyThirdSecond(time.Now())
	config := write(t, "clockd.yaml", `
namespace: kill
calendars:
  gaps:
`+gaps.yaml()+`
tasks:
  - {name: all, trigger: every 100ms, catch_up: all, overlap: allow, command: `+does+`"0"]}
  - {name: one, trigger: every 300ms, catch_up: one, command: `+does+`"0"]}
  - {name: none, trigger: every 250ms, catch_up: none, command: `+does+`"0"]}
  - {name: long, trigger: every 500ms, command: `+does+`"0.3"]}
  - {name: most, trigger: every 200ms, delivery: at_most_once, overlap: allow, command: `+does+`"0.1"]}
  - {name: loop, trigger: forever, command: `+does+`"0.1"]}
  - {name: changed, trigger: every 1h, command: `+does+`"0"]}
  - {name: paused, trigger: every 100ms, command: `+does+`"0"]}
  - {name: called, trigger: every 1h, command: `+does+`"0"]}
  - {name: spread, trigger: every 1500ms jitter=1400ms, catch_up: all, overlap: allow, command: `+does+`"0"]}
  - {name: spread-one, trigger: every 200ms jitter=1m, catch_up: one, command: `+does+`"0"]}
  - {name: spread-none, trigger: every 1200ms jitter=1s, catch_up: none, command: `+does+`"0"]}
  - {name: spread-most, trigger: every 700ms jitter=500ms, delivery: at_most_once, overlap: allow, command: `+does+`"0"]}
  - {name: gaps, trigger: every 100ms exclude(calendar gaps), catch_up: all, overlap: allow, command: `+does+`"0"]}
  - {name: gaps-one, trigger: every 250ms jitter=200ms exclude(calendar gaps), catch_up: one, command: `+does+`"0"]}
  - {name: gaps-none, trigger: every 400ms jitter=300ms exclude(calendar gaps), catch_up: none, command: `+does+`"0"]}
`)
	address := socket(t)
	args := []string{"serve", "--config", config, "--store", "sqlite:" + filepath.Join(dir, "kill.db"), "--listen", address}

	ids := map[string]uuid.UUID{}
	var acknowledged []task.Run // calls that were answered
	overridden, paused := false, false
	check := func(ctx context.Context, c *client.Client) error {
		for got, err := range c.Tasks(ctx, client.TaskFilter{}) {
			if err != nil {
				return err
			}
			name := got.Declaration.Name
			if id, ok := ids[name]; ok && id != got.ID {
				t.Errorf("%q has id %s, before it was %s", name, got.ID, id)
			}
			ids[name] = got.ID
			// An override that is there stays there, though nobody may have heard of it before the process died.
			overridden = overridden || name == "changed" && got.Override != nil
			if name == "changed" && overridden && (got.Override == nil || got.Trigger().String() != "every 150ms") {
				t.Errorf("the override that was acknowledged is gone: %+v", got)
			}
			if name == "paused" && paused && got.State != task.Paused {
				t.Errorf("the pause that was acknowledged is gone: %+v", got)
			}
		}
		return nil
	}
	for range n {
		p := launch(t, args...)
		lifetime := time.Duration(rnd.IntN(700)) * time.Millisecond
		inStart := rnd.IntN(4) == 0
		ctx, cancel := context.WithCancel(t.Context())
		acted := make(chan struct{})
		go func() {
			defer close(acted)
			if !p.ready() {
				return
			}
			c := p.dial(address)
			if err := check(ctx, c); err != nil {
				return // killed
			}
			if !overridden {
				_, err := c.UpdateTrigger(ctx, task.ByName("changed"), schedule.MustParse("every 150ms"), client.UpdateOptions{Reason: "to be kept"})
				overridden = err == nil
			}
			if !paused {
				_, err := c.PauseTask(ctx, task.ByName("paused"), client.PauseOptions{})
				paused = err == nil
			}
			for ctx.Err() == nil {
				run, err := c.RunTask(ctx, task.ByName("called"), client.RunOptions{})
				if err != nil {
					return
				}
				acknowledged = append(acknowledged, run)
			}
		}()
		if !inStart {
			p.ready()
		}
		moment := time.NewTimer(lifetime)
		<-moment.C
		_ = p.cmd.Process.Kill()
		<-p.exited
		cancel()
		<-acted
		p.kill()
	}

	// Once it is down for longer than the grace in which a fire is only late, then up until nothing is left.
	if !overridden || !paused || len(acknowledged) == 0 {
		t.Fatalf("no process lived long enough: override %t, pause %t, %d calls", overridden, paused, len(acknowledged))
	}
	outage := time.NewTimer(6 * time.Second)
	<-outage.C
	p := launch(t, args...)
	if !p.ready() {
		t.Fatalf("the last start failed:\n%s", p.log.text.String())
	}
	ctx := soon(t)
	c := p.dial(address)
	err := check(ctx, c)
	for errors.Is(err, client.ErrNoDaemon) && ctx.Err() == nil {
		err = check(ctx, c) // it has much to catch up with, and a busy machine may not let it answer at once
	}
	if err != nil {
		p.kill()
		t.Fatalf("%v\n%s", err, p.log.text.String())
	}
	if _, err := c.ResumeTask(ctx, task.ByName("paused"), client.EditOptions{}); err != nil {
		t.Fatal(err)
	}
	stopped := map[string]task.Task{}
	for name := range ids {
		if stopped[name], err = c.PauseTask(ctx, task.ByName(name), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	runs := settled(ctx, t, c)
	promises(t, runs, ids, acknowledged, starts(t, journal))
	for name, p := range map[string]plan{
		"all": {interval: 100 * time.Millisecond}, "one": {interval: 300 * time.Millisecond}, "none": {interval: 250 * time.Millisecond},
		"long": {interval: 500 * time.Millisecond}, "most": {interval: 200 * time.Millisecond},
		"changed": {interval: 150 * time.Millisecond}, "paused": {interval: 100 * time.Millisecond},
		"spread":      {interval: 1500 * time.Millisecond, jitter: 1400 * time.Millisecond},
		"spread-one":  {interval: 200 * time.Millisecond, jitter: time.Minute},
		"spread-none": {interval: 1200 * time.Millisecond, jitter: time.Second},
		"spread-most": {interval: 700 * time.Millisecond, jitter: 500 * time.Millisecond},
		"gaps":        {interval: 100 * time.Millisecond, gaps: gaps},
		"gaps-one":    {interval: 250 * time.Millisecond, jitter: 200 * time.Millisecond, gaps: gaps},
		"gaps-none":   {interval: 400 * time.Millisecond, jitter: 300 * time.Millisecond, gaps: gaps},
	} {
		fires := slices.DeleteFunc(slices.Clone(runs), func(r task.Run) bool { return r.TaskName != name || r.Cause != task.ByFire })
		merged, excluded := p.check(t, stopped[name], fires)
		p.checkStarts(t, fires, witness)
		t.Logf("%s: %d records, %d instants in records of several, %d excluded", name, len(fires), merged, excluded)
	}
}

// settled returns all runs, the oldest first, when none is under way.
func settled(ctx context.Context, t *testing.T, c *client.Client) []task.Run {
	t.Helper()
	for {
		var runs []task.Run
		for run, err := range c.Runs(ctx, client.RunFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run)
		}
		slices.Reverse(runs)
		i := slices.IndexFunc(runs, func(r task.Run) bool { return !r.State.Ended() })
		if i < 0 {
			return runs
		}
		// Cancel is the call that answers when a run has ended; a task that ends by itself is quicker.
		if runs[i].State == task.Running {
			if _, err := c.CancelRun(ctx, runs[i].ID, "the test ends"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// starts reads how often each attempt of each run was started.
func starts(t *testing.T, journal string) map[string]int {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		out[s.Text()]++
	}
	return out
}

// promises compares the records with what they must be.
func promises(t *testing.T, runs []task.Run, ids map[string]uuid.UUID, acknowledged []task.Run, started map[string]int) {
	t.Helper()
	byID := map[task.RunID]task.Run{}
	states := map[task.RunState]int{}
	again := 0
	for _, r := range runs {
		byID[r.ID] = r
		states[r.State]++
		if r.Attempt > 1 {
			again++
			if len(r.Earlier) != r.Attempt-1 || r.Earlier[0].State != task.Lost {
				t.Errorf("run %s of %q is at attempt %d, and the attempts before it are %+v", r.ID, r.TaskName, r.Attempt, r.Earlier)
			}
		}
		if r.TaskID != ids[r.TaskName] {
			t.Errorf("run %s belongs to task %s", r.ID, r.TaskID)
		}
		// What is said to have run has run.
		line := fmt.Sprintf("%s %s %d", r.TaskName, r.ID, r.Attempt)
		switch n := started[line]; {
		case r.State == task.Succeeded && n != 1:
			t.Errorf("run %s of %q succeeded in attempt %d, which was started %d times", r.ID, r.TaskName, r.Attempt, n)
		case n > 1:
			t.Errorf("attempt %d of run %s of %q was started %d times", r.Attempt, r.ID, r.TaskName, n)
		}
		most := r.TaskName == "most" || r.TaskName == "spread-most"
		if most && (r.Attempt > 1 || started[fmt.Sprintf("%s %s 2", r.TaskName, r.ID)] > 0) {
			t.Errorf("run %s was started again, and its task asks for at most one start", r.ID)
		}
		// Ten attempts are the most that are made.
		if r.State == task.Lost && !most && r.Attempt < 10 {
			t.Errorf("run %s of %q is lost after %d attempts", r.ID, r.TaskName, r.Attempt)
		}
	}
	// And what has run is recorded.
	for line := range started {
		id, err := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := byID[task.RunID(id)]; !ok {
			t.Errorf("started without a record: %s", line)
		}
	}
	for _, call := range acknowledged {
		if r, ok := byID[call.ID]; !ok || r.TaskName != "called" {
			t.Errorf("call %s was acknowledged and is not recorded: %+v", call.ID, r)
		}
	}
	t.Logf("%d records, %d runs started again, %d calls acknowledged, states %v", len(runs), again, len(acknowledged), states)
}
