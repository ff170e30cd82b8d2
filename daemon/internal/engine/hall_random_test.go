package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Whatever happens to tasks, runs, workers and daemons: no place is taken and forgotten, or used twice, no attempt is
// given out twice, limits hold, and what waits goes on once there are workers for it. SEEDS is how many histories.
func TestNoPlaceIsLostWhateverHappens(t *testing.T) {
	seeds := 25
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) { chaos(t, s, rand.New(rand.NewPCG(uint64(seed), 5))) })
		})
	}
}

func chaos(t *testing.T, s *site, r *rand.Rand) {
	names := []string{"a", "b", "c", "d", "e"}
	groups := map[string]task.Limits{"g": {MaxRunning: 1 + r.IntN(2)}, "h": {MaxWaiting: 1 + r.IntN(3)}}
	limits := task.Limits{MaxRunning: r.IntN(4), MaxWaiting: 3 + r.IntN(10)}
	if r.IntN(3) == 0 {
		limits.StartRate = 0.5
	}
	meter := &waits{n: make(map[string]int)}

	// What attempts do is drawn from a source of its own: they run at the same time.
	var mu sync.Mutex
	luck := rand.New(rand.NewPCG(r.Uint64(), 7))
	healed := false
	given := make(map[task.AttemptRef]bool)
	all, members := 0, make(map[string]int)
	goes := func(name string, n int) {
		mu.Lock()
		defer mu.Unlock()
		group := groupOf(names, name)
		all += n
		members[group] += n
		if limits.MaxRunning > 0 && all > limits.MaxRunning {
			t.Errorf("%d runs go at once, and %d may", all, limits.MaxRunning)
		}
		if l := groups[group]; l.MaxRunning > 0 && members[group] > l.MaxRunning {
			t.Errorf("%d runs of %s go at once, and %d may", members[group], group, l.MaxRunning)
		}
	}
	s.crew.work = func(ctx context.Context, a target.Attempt) error {
		goes(a.TaskName, 1)
		defer goes(a.TaskName, -1)
		mu.Lock()
		ref := task.AttemptRef{Run: a.RunID, Attempt: a.Number}
		if given[ref] {
			t.Errorf("attempt %v was given out twice", ref)
		}
		given[ref] = true
		fate, long := luck.IntN(8), time.Duration(luck.IntN(3000))*time.Millisecond
		if healed {
			fate = 0
		}
		mu.Unlock()
		a.Write(task.Stdout, []byte("x"))
		a.Report(task.Progress{Fraction: 0.1})
		err := takes(ctx, long)
		switch {
		case fate == 1:
			return &target.LostError{Why: "lost"}
		case fate == 2:
			return &target.LostError{Why: "not begun", NotStarted: true}
		case fate == 3:
			panic("an attempt panics")
		case fate == 4 && err == nil:
			return errors.New("no")
		}
		return err
	}

	triggers := []string{"every 24h", "every 1s", "every 3s jitter=1s", "at 00:00 UTC"}
	program := func() engine.Program {
		p := engine.Program{Limits: limits, Groups: groups}
		for _, name := range names {
			if !healed && r.IntN(8) == 0 {
				continue
			}
			job := s.job(name, task.Policy{
				Overlap:  []task.Overlap{task.OverlapSkip, task.OverlapQueue, task.OverlapAllow, task.OverlapCancel}[r.IntN(4)],
				Delivery: []task.Delivery{task.AtLeastOnce, task.AtMostOnce}[r.IntN(2)],
				Retry:    task.Retry{MaxAttempts: 1 + r.IntN(3), Backoff: time.Second},
				CatchUp:  []task.CatchUp{task.CatchUpOne, task.CatchUpAll, task.CatchUpNone}[r.IntN(3)],
			})
			if r.IntN(6) == 0 {
				job.Declaration.Policy.Timeout = time.Second
			}
			if r.IntN(6) == 0 {
				job.Target = local(func(ctx context.Context) error {
					goes(name, 1)
					defer goes(name, -1)
					return takes(ctx, time.Second)
				})
				job.Declaration.Target = task.Target{Kind: "local"}
			}
			job.Declaration.Group = groupOf(names, name)
			job.Declaration.Trigger = schedule.MustParse(triggers[r.IntN(len(triggers))])
			if healed {
				job.Declaration.Trigger = schedule.MustParse("every 24h")
			}
			p.Tasks = append(p.Tasks, job)
		}
		return p
	}
	change := s.change
	s.change = also(change, func(c *engine.Config) { c.Limits, c.Groups, c.Meter = limits, groups, meter })
	s.start(program().Tasks...)

	workers := []string{"ann", "bob", "cyd"}
	var runs []task.RunID
	for range 60 {
		name := names[r.IntN(len(names))]
		ref := task.ByName(name)
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			var overlap *task.Overlap
			if r.IntN(2) == 0 {
				allow := task.OverlapAllow
				overlap = &allow
			}
			if run, err := s.e.RunTask(t.Context(), ref, task.Call{Overlap: overlap}); err == nil {
				runs = append(runs, run.ID)
			}
		case 4, 5:
			s.crew.mu.Lock()
			at := slot(s.crew, workers[r.IntN(len(workers))])
			at.places += r.IntN(4) - 1
			at.tasks = names[r.IntN(3):][:1+r.IntN(2)]
			s.crew.mu.Unlock()
			s.crew.poke()
		case 6:
			if len(runs) > 0 {
				e, id := s.e, runs[r.IntN(len(runs))]
				go func() { _, _ = e.CancelRun(t.Context(), id, task.Edit{}) }()
			}
		case 7:
			_, _ = s.e.PauseTask(t.Context(), ref, task.PauseChange{})
		case 8:
			_, _ = s.e.ResumeTask(t.Context(), ref, task.Edit{})
		case 9:
			if err := s.e.Reload(t.Context(), program()); err != nil {
				t.Fatal(err)
			}
		case 10:
			_ = s.e.DeleteTask(t.Context(), ref, task.Edit{}) // if it is orphaned
		case 11:
			if r.IntN(3) == 0 {
				s.start(program().Tasks...)
			}
		}
		if r.IntN(2) == 0 {
			s.sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		}
	}

	mu.Lock()
	healed = true
	mu.Unlock()
	if err := s.e.Reload(t.Context(), program()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		_, _ = s.e.ResumeTask(t.Context(), task.ByName(name), task.Edit{})
	}
	s.crew.has("zoe", 10, names...)
	s.sleep(20 * time.Minute)
	for after := task.RunID(0); ; {
		page, err := s.store.Unfinished(t.Context(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range page {
			t.Errorf("run %d of %s is left: %s, attempt %d", run.ID, run.TaskName, tale(run), run.Attempt)
			after = run.ID
		}
		if len(page) == 0 {
			break
		}
	}
	meter.mu.Lock()
	defer meter.mu.Unlock()
	for what, n := range maps.All(meter.n) {
		if n != 0 {
			t.Errorf("the meter says that %d wait for %q", n, what)
		}
	}
}

// slot returns a worker. It needs the mutex of its crew.
func slot(c *crew, name string) *worker {
	for _, w := range c.workers {
		if w.name == name {
			return w
		}
	}
	w := &worker{name: name}
	c.workers = append(c.workers, w)
	return w
}

// groupOf is the group of a task.
func groupOf(names []string, name string) string {
	return []string{"", "g", "h"}[slices.Index(names, name)%3]
}
