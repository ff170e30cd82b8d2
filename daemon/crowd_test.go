package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// crowd watches what many tasks do at the same time.
type crowd struct {
	t      *testing.T
	limits task.Limits
	groups map[string]task.Limits

	mu       sync.Mutex
	rnd      *rand.Rand
	all      int
	byGroup  map[string]int
	byTask   map[string]int
	attempts map[task.RunID]int // the last that was made
	going    map[task.RunID]bool
}

// enter notes that an attempt begins, and decides how long it takes and whether it fails.
func (c *crowd) enter(job daemon.Task, r daemon.Run) (takes time.Duration, fails bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	c.byGroup[job.Group]++
	c.byTask[job.Name]++
	if c.all > c.limits.MaxRunning {
		c.t.Errorf("%d runs go, and %d may", c.all, c.limits.MaxRunning)
	}
	if g, ok := c.groups[job.Group]; ok && c.byGroup[job.Group] > g.MaxRunning {
		c.t.Errorf("%d runs of group %q go, and %d may", c.byGroup[job.Group], job.Group, g.MaxRunning)
	}
	if job.Policy.Overlap != task.OverlapAllow && c.byTask[job.Name] > 1 {
		c.t.Errorf("%d runs of %q, %s, go at the same time: %s has begun attempt %d", c.byTask[job.Name], job.Name, job.Trigger, r.ID, r.Attempt)
	}
	if c.going[r.ID] || r.Attempt <= c.attempts[r.ID] {
		c.t.Errorf("run %s makes attempt %d after attempt %d", r.ID, r.Attempt, c.attempts[r.ID])
	}
	c.going[r.ID], c.attempts[r.ID] = true, r.Attempt
	return time.Duration(c.rnd.IntN(8000)) * time.Millisecond, c.rnd.IntN(3) == 0
}

func (c *crowd) leave(job daemon.Task, r daemon.Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	c.byGroup[job.Group]--
	c.byTask[job.Name]--
	delete(c.going, r.ID)
}

func (c *crowd) job(name string) daemon.Task {
	r := c.rnd
	job := daemon.Task{
		Name: name, Group: pick(r, "", "a", "b"),
		Trigger: schedule.MustParse(pick(r, "every 1s", "every 3s", "every 7s", "forever", "every 2s fixed-delay", "every 1h", `cron "*/5 * * * * *" UTC jitter=3s`)),
		Policy: task.Policy{
			Overlap:  pick(r, task.OverlapSkip, task.OverlapAllow, task.OverlapQueue, task.OverlapCancel),
			Delivery: pick(r, task.AtLeastOnce, task.AtMostOnce),
			Timeout:  pick(r, 0, 5*time.Second),
			Retry:    task.Retry{MaxAttempts: r.IntN(4), Backoff: time.Duration(1+r.IntN(5000)) * time.Millisecond, Jitter: 0.5},
		},
	}
	job.Do = daemon.Func(func(ctx context.Context, run daemon.Run) (any, error) {
		takes, fails := c.enter(job, run)
		defer c.leave(job, run)
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if fails {
			return nil, errors.New("bad luck")
		}
		return nil, nil
	})
	return job
}

// Whatever happens, no more runs go than may, those of a task do as its overlap says, and each ends once.
func TestACrowdKeepsToItsLimitsAndEachRunEndsOnce(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { crowded(t, w, seed) })
		})
	}
}

func crowded(t *testing.T, w *world, seed uint64) {
	var down outage
	inner := w.store
	w.store = &hooked{Store: inner, before: down.before}
	w.grace = time.Millisecond
	c := &crowd{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), byGroup: map[string]int{}, byTask: map[string]int{},
		attempts: map[task.RunID]int{}, going: map[task.RunID]bool{},
	}
	c.limits = task.Limits{MaxRunning: 2 + c.rnd.IntN(4), MaxWaiting: 1 + c.rnd.IntN(8), StartRate: pick(c.rnd, 0, 0, 3.0)}
	c.groups = map[string]task.Limits{"a": {MaxRunning: 1 + c.rnd.IntN(2), MaxWaiting: 3}}
	rnd := rand.New(rand.NewPCG(seed, 2)) // c's is used by the runs
	var jobs []daemon.Task
	for i := range 8 {
		jobs = append(jobs, c.job(fmt.Sprintf("job%d", i)))
	}
	w.limited(c.limits, c.groups, jobs...)
	for range 40 {
		w.sleep(time.Duration(rnd.IntN(4000)) * time.Millisecond)
		name := jobs[rnd.IntN(len(jobs))].Name
		api := w.d.Client()
		var err error
		switch rnd.IntN(8) {
		case 0, 1:
			// By the policy of the task: with another, more than one of it may go.
			_, err = api.RunTask(t.Context(), ref(name), client.RunOptions{})
		case 2:
			_, err = api.PauseTask(t.Context(), ref(name), client.PauseOptions{})
		case 3, 4:
			_, err = api.ResumeTask(t.Context(), ref(name), client.EditOptions{})
		case 5:
			for _, run := range w.runs(name) {
				if !run.State.Ended() && rnd.IntN(2) == 0 {
					_, err = api.CancelRun(t.Context(), run.ID, "")
				}
			}
		case 6:
			_, err = api.BackfillTask(t.Context(), ref(name), w.now().Add(-10*time.Second), time.Time{}, client.BackfillOptions{Interval: pick(rnd, 0, time.Second)})
		case 7:
			if rnd.IntN(3) == 0 {
				w.crash(&down)
			}
			w.limited(c.limits, c.groups, jobs...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, job := range jobs {
		if _, err := w.d.Client().PauseTask(t.Context(), ref(job.Name), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.sleep(time.Hour)
	if c.all != 0 {
		t.Errorf("%d runs go on", c.all)
	}
	ended := 0
	for _, job := range jobs {
		counts := w.task(job.Name).Counts
		var runs, skipped int64
		for _, run := range w.runs(job.Name) {
			ended++
			whole, err := w.d.Client().Run(t.Context(), run.ID)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !run.State.Ended():
				t.Errorf("%q, %s: %s has not ended", job.Name, job.Trigger, tale(run))
			case run.State == task.Skipped || run.State == task.Missed:
				skipped++
				if c.attempts[run.ID] > 0 && len(whole.Earlier) == 0 {
					t.Errorf("%q: %s was begun", job.Name, tale(run))
				}
			default:
				runs++
				failures := 0
				for _, a := range whole.Earlier {
					if a.State != task.Lost {
						failures++
					}
				}
				if limit := max(job.Policy.Retry.MaxAttempts, 1); failures >= limit && run.State != task.Canceled && run.State != task.Lost {
					t.Errorf("%q: %s after %d failures of %d", job.Name, tale(run), failures, limit)
				}
				if run.Attempt < c.attempts[run.ID] {
					t.Errorf("%q: %s, and made attempt %d", job.Name, tale(run), c.attempts[run.ID])
				}
			}
		}
		if got := counts.Succeeded + counts.Failed + counts.TimedOut + counts.Canceled + counts.Lost; got != runs {
			t.Errorf("%q: %d runs are counted as ended, and %d are recorded: %+v", job.Name, got, runs, counts)
		}
	}
	t.Logf("%d runs ended", ended)
}

func TestRunsThatWaitForPlacesStartInTheOrderInWhichTheyCame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for seed := range uint64(10) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			var started []task.RunID
			name := fmt.Sprintf("job%d", seed)
			w.limited(task.Limits{MaxRunning: 1 + rnd.IntN(3)}, nil, daemon.Task{
				Name: name, Trigger: schedule.MustParse("every 1h"), Policy: task.Policy{Overlap: task.OverlapAllow},
				Do: daemon.Func(func(_ context.Context, r daemon.Run) (any, error) {
					mu.Lock()
					started = append(started, r.ID)
					takes := time.Duration(rnd.IntN(5000)) * time.Millisecond
					mu.Unlock()
					time.Sleep(takes)
					return nil, nil
				}),
			})
			for range 30 {
				w.call(name)
				mu.Lock()
				gap := time.Duration(rnd.IntN(1000)) * time.Millisecond
				mu.Unlock()
				w.sleep(gap)
			}
			w.sleep(5 * time.Minute)
			if len(started) != 30 {
				t.Fatalf("seed %d: %d runs started", seed, len(started))
			}
			for i := 1; i < len(started); i++ {
				// Two that get their places at the same moment begin in any order.
				if started[i] < started[i-1]-2 {
					t.Errorf("seed %d: run %s started after run %s", seed, started[i], started[i-1])
				}
			}
		}
	})
}
