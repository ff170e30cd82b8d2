package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
)

var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// crew is a target.Placed: workers that have places for some tasks.
type crew struct {
	freed chan struct{}
	// work is what an attempt does. Nil: it takes ten seconds.
	work func(ctx context.Context, a target.Attempt) error

	mu      sync.Mutex
	workers []*worker
	journal []string // how attempts began
	// What was done with places, and how often one was asked for.
	asked, reserved, released, done int
}

type worker struct {
	name   string
	tasks  []string // none: all
	places int
	// wanted says that a task found no place here since Freed was last poked: else there is no reason to poke it.
	wanted bool
}

func (w *worker) runs(name string) bool { return len(w.tasks) == 0 || slices.Contains(w.tasks, name) }

func (c *crew) Describe() task.Target { return task.Target{Kind: "worker"} }

func (c *crew) Do(context.Context, target.Attempt) ([]byte, error) {
	return nil, errors.New("it was done without a place")
}

// has lets a worker have so many free places more.
func (c *crew) has(name string, places int, tasks ...string) {
	c.mu.Lock()
	i := slices.IndexFunc(c.workers, func(w *worker) bool { return w.name == name })
	if i < 0 {
		i = len(c.workers)
		c.workers = append(c.workers, &worker{name: name})
	}
	c.workers[i].places += places
	c.workers[i].tasks = tasks
	c.mu.Unlock()
	c.poke()
}

func (c *crew) poke() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

func (c *crew) Reserve(name string) target.Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	for _, w := range c.workers {
		if w.places > 0 && w.runs(name) {
			w.places--
			c.reserved++
			return &place{crew: c, worker: w}
		}
	}
	for _, w := range c.workers {
		w.wanted = w.wanted || w.runs(name)
	}
	return nil
}

// open is what Config.Open is.
func (c *crew) open() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, w := range c.workers {
		if w.places > 0 {
			names = append(names, w.tasks...)
		} else {
			w.wanted = true
		}
	}
	return names
}

func (c *crew) began() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.journal, " ")
}

type place struct {
	crew   *crew
	worker *worker
	used   bool
}

func (p *place) Worker() string { return p.worker.name }

func (p *place) leave(count *int) {
	p.crew.mu.Lock()
	if p.used {
		panic("a place was used twice")
	}
	p.used = true
	*count++
	p.worker.places++
	poke := p.worker.wanted && p.worker.places > 0
	if poke {
		p.worker.wanted = false
		p.crew.poke()
	}
	p.crew.mu.Unlock()
}

func (p *place) Release() { p.leave(&p.crew.released) }

func (p *place) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	defer p.leave(&p.crew.done)
	p.crew.mu.Lock()
	p.crew.journal = append(p.crew.journal, fmt.Sprintf("%s:%d.%d", a.TaskName, a.RunID, a.Number))
	p.crew.mu.Unlock()
	if p.crew.work != nil {
		return nil, p.crew.work(ctx, a)
	}
	return nil, takes(ctx, 10*time.Second)
}

func takes(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// local is a target that is done here.
type local func(ctx context.Context) error

func (local) Describe() task.Target { return task.Target{Kind: "local"} }
func (l local) Do(ctx context.Context, _ target.Attempt) ([]byte, error) {
	return nil, l(ctx)
}

// site is a store that outlives engines, in a bubble.
type site struct {
	t     *testing.T
	store store.Store
	crew  *crew
	e     *engine.Engine
	end   func()
	// change sets up the engines that start from then on.
	change func(*engine.Config)
}

func onSite(t *testing.T, f func(t *testing.T, s *site)) {
	t.Helper()
	for _, name := range []string{"all are asked", "the open are asked"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{t: t, store: memory.New(memory.Config{Namespace: "default"}), crew: &crew{freed: make(chan struct{}, 1)}}
				if name != "all are asked" {
					s.change = func(c *engine.Config) { c.Open = s.crew.open }
				}
				f(t, s)
				s.stop()
				s.balanced()
				if err := s.store.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// balanced checks that each place was used or given back.
func (s *site) balanced() {
	s.t.Helper()
	s.crew.mu.Lock()
	defer s.crew.mu.Unlock()
	if s.crew.reserved != s.crew.done+s.crew.released {
		s.t.Errorf("%d places were taken, %d used and %d given back", s.crew.reserved, s.crew.done, s.crew.released)
	}
}

func (s *site) start(tasks ...engine.Task) {
	s.t.Helper()
	s.stop()
	cfg := engine.Config{
		Namespace: "default", Store: s.store, Program: engine.Program{Tasks: tasks}, Freed: s.crew.freed,
		Logger: slog.New(slog.NewTextHandler(s.t.Output(), nil)), StopGrace: time.Second,
		NewTarget: func(*task.TargetSpec) (target.Target, error) { return s.crew, nil },
	}
	if s.change != nil {
		s.change(&cfg)
	}
	e := engine.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Ready()
	s.e = e
	s.end = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
}

func (s *site) stop() {
	if s.end != nil {
		s.end()
	}
	s.end = nil
}

func (s *site) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// job is a task for the crew that is only called.
func (s *site) job(name string, policy ...task.Policy) engine.Task {
	t := engine.Task{Target: s.crew, Declaration: task.Declaration{Name: name, Trigger: schedule.MustParse("every 24h"), Target: s.crew.Describe()}}
	if len(policy) > 0 {
		t.Declaration.Policy = policy[0]
	}
	return t
}

func in(group string, t engine.Task) engine.Task { t.Declaration.Group = group; return t }

func (s *site) call(name string) task.Run {
	s.t.Helper()
	allow := task.OverlapAllow
	run, err := s.e.RunTask(s.t.Context(), task.ByName(name), task.Call{Overlap: &allow})
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

func (s *site) run(id task.RunID) task.Run {
	s.t.Helper()
	run, err := s.e.GetRun(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// want compares the runs of a task, the oldest first, with lines such as "succeeded 0-10 ann".
func (s *site) want(name string, want ...string) {
	s.t.Helper()
	page, err := s.e.Runs(s.t.Context(), task.RunQuery{TaskID: task.IDOf("default", name), Limit: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, run := range slices.Backward(page.Runs) {
		got = append(got, tale(s.run(run.ID)))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("runs of %q:\n  %s\nwant:\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// tale tells a run in a line: what became of it, when its last attempt started and ended, where, and, behind each <,
// the attempts before it.
func tale(r task.Run) string {
	attempt := func(start, end time.Time, worker string) (s string) {
		if !start.IsZero() {
			s = " " + clock(start) + "-" + clock(end)
		}
		if worker != "" {
			s += " " + worker
		}
		return s
	}
	s := r.State.String()
	s += map[task.Reason]string{
		task.ReasonWorker: " worker", task.ReasonLimit: " limit", task.ReasonOverlap: " overlap", task.ReasonPaused: " paused", task.ReasonOrphaned: " orphaned",
	}[r.Reason]
	s += attempt(r.StartTime, r.EndTime, r.Worker)
	for _, a := range slices.Backward(r.Earlier) {
		s += fmt.Sprintf(" < %d %s%s", a.Number, a.State, attempt(a.StartTime, a.EndTime, a.Worker))
	}
	return s
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strings.TrimSuffix(fmt.Sprintf("%.3f", t.Sub(midnight).Seconds()), ".000")
}
