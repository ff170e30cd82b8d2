package history_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
)

// histories is how many are lived through. SEEDS=5000-9000 in the environment names others, by the first seed and
// the one after the last; CLOCKD_HISTORY=2h goes on from there for so long.
const histories = 60

func TestRandomHistoriesKeepThePromises(t *testing.T) {
	from, until := uint64(0), uint64(histories)
	if testing.Short() {
		until /= 10
	}
	if seeds := os.Getenv("SEEDS"); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &from, &until); err != nil {
			t.Fatalf("SEEDS is %q, which is no range: say FIRST-END, as 5000-9000: %v", seeds, err)
		}
	}
	var long time.Duration
	if s := os.Getenv("CLOCKD_HISTORY"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for seed := from; seed < until || time.Since(began) < long; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				for i := range 2 + w.rand.IntN(3) {
					w.declare(fmt.Sprintf("task%d", i))
				}
				w.live()
			})
		})
	}
}

// world is some tasks, a store, and one process after the other.
type world struct {
	t     *testing.T
	seed  uint64
	rand  *rand.Rand
	store store.Store // outlives processes
	rec   *history.Recorder
	actor *history.Actor
	tasks []*declared

	mortal *mortal // the store of the process that is up
	grace  time.Duration
	client atomic.Pointer[client.Client] // nil: none is up
	end    func()
	// dying are processes that have lost their store and have not noticed.
	dying sync.WaitGroup

	mu    sync.Mutex
	lines []string // guarded by mu
}

// declared is a task of the program.
type declared struct {
	daemon.Task
	takes  time.Duration
	fails  task.RunID
	absent bool
}

func (d *declared) String() string {
	return fmt.Sprintf("%s in %q: %s, takes %s, %+v", d.Name, d.Group, d.Trigger, d.takes, d.Policy)
}

// do is what the task does in a process: it tells that it does, and takes its time.
func (d *declared) do(rec *history.Recorder, m *mortal) daemon.Target {
	return daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) {
		if m.killed.Load() {
			return nil, nil // its process is no more, and does nothing
		}
		defer rec.Start(history.Start{Run: r.ID, Task: r.TaskName, Attempt: r.Attempt, Begin: time.Now()})()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(d.takes):
		}
		if (r.ID+task.RunID(r.Attempt))%d.fails == 0 {
			return nil, errors.New("some runs fail")
		}
		return nil, nil
	})
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 11)), rec: history.NewRecorder(true)}
	w.store = memory.New(memory.Config{Namespace: "default"})
	if seed%2 == 1 {
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "history.db"), Namespace: "default"})
		if err != nil {
			t.Fatal(err)
		}
		w.store = s
	}
	w.actor = &history.Actor{
		Rand: w.rand, Rec: w.rec, Say: w.say, Created: []string{"made0", "made1"},
		Spec: func(r *rand.Rand) *task.TargetSpec {
			return &task.TargetSpec{Command: &task.CommandSpec{Args: []string{[]string{"true", "true", "false"}[r.IntN(3)]}}}
		},
	}
	return w
}

// say notes a line for whoever has to understand a failure.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, time.Now().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
}

// declare makes up a task of the program.
func (w *world) declare(name string) {
	takes := []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 450 * time.Millisecond, 1100 * time.Millisecond, 2500 * time.Millisecond}[w.rand.IntN(5)]
	fails := []task.RunID{2, 3, 5, 1000}[w.rand.IntN(4)]
	w.add(&declared{takes: takes, fails: fails, Task: daemon.Task{
		Name: name, Trigger: history.Trigger(w.rand), Policy: history.Policy(w.rand), Group: []string{"", "g"}[w.rand.IntN(2)],
	}})
}

func (w *world) add(d *declared) {
	w.tasks = append(w.tasks, d)
	w.actor.Declared = append(w.actor.Declared, d.Name)
	w.say("%s", d)
}

// live lives the history and looks at what it has left.
func (w *world) live() {
	h := w.lived()
	faults := history.Check(&h)
	if len(faults) == 0 && !w.t.Failed() {
		return
	}
	of := []string{fmt.Sprintf("seed %d", w.seed)}
	for _, d := range w.tasks {
		of = append(of, d.String())
	}
	w.t.Error(history.Report(&h, of, w.lines, faults))
}

// lived lives the history.
func (w *world) lived() history.History {
	return w.watched(func() {
		for range 12 + w.rand.IntN(25) {
			w.pass()
			w.act()
		}
		for _, d := range w.tasks {
			d.absent = false
		}
		w.reup()
	})
}

// watched is what becomes of everything while do is done and two readers watch, once all goes on undisturbed, and then
// nothing goes any more.
func (w *world) watched(do func()) history.History {
	ctx, cancel := context.WithCancel(w.t.Context())
	var watching sync.WaitGroup
	w.up()
	for i := range 2 {
		r := rand.New(rand.NewPCG(w.rand.Uint64(), uint64(i)))
		watching.Go(func() { w.rec.Watch(ctx, fmt.Sprint(i), r, w.client.Load) })
	}
	synctest.Wait()
	do()
	c := w.client.Load()
	names := append(append([]string{}, w.actor.Declared...), w.actor.Created...)
	there := func(what, name string, err error) {
		if err != nil && !errors.Is(err, task.ErrTaskNotFound) {
			w.t.Errorf("%q can not be %s: %v", name, what, err)
		}
	}
	for _, name := range names {
		there("resumed", name, w.actor.Resume(w.t.Context(), c, name))
	}
	const alive = 13 * time.Second
	w.sleep(alive + 7*time.Microsecond)
	for _, name := range names {
		// What passed while it was paused after failures is recorded when it is resumed.
		there("resumed", name, w.actor.Resume(w.t.Context(), c, name))
		there("paused", name, w.actor.Pause(w.t.Context(), c, name, time.Time{}))
	}
	w.sleep(40 * time.Second) // the longest run, behind others that wait for a place
	w.actor.Wait()
	h, err := w.rec.Finish(w.t.Context(), c, alive)
	if err != nil {
		w.t.Fatal(err)
	}
	cancel()
	w.stop()
	watching.Wait()
	w.dying.Wait()
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
	return h
}

func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// pass lets time pass, never a whole number of milliseconds: what callers do and what fires do not coincide to the
// microsecond.
func (w *world) pass() {
	longest := []time.Duration{100 * time.Millisecond, time.Second, time.Second, 3 * time.Second, 9 * time.Second}[w.rand.IntN(5)]
	w.sleep(time.Duration(w.rand.Int64N(int64(longest))).Truncate(10*time.Microsecond) + 3*time.Microsecond)
}

// act does something to a task or to the process.
func (w *world) act() {
	if w.mortal.dead.Load() {
		w.reup()
	}
	switch w.rand.IntN(8) {
	case 0:
		d := w.tasks[w.rand.IntN(len(w.tasks))]
		switch w.rand.IntN(4) {
		case 0:
			d.absent = !d.absent
			w.say("absent %s: %t", d.Name, d.absent)
		case 1:
			d.Trigger = history.Trigger(w.rand)
			w.say("declare %s: %s", d.Name, d.Trigger)
		}
		w.reup()
	case 1:
		n := 1 + w.rand.IntN(6)
		w.say("doomed after %d writes", n)
		w.mortal.doom(n)
		fallthrough
	default:
		w.actor.Act(w.t.Context(), w.client.Load())
		synctest.Wait()
	}
}

// up starts a process. Half of them are mortal: their runs end as soon as they are stopped.
func (w *world) up() {
	w.mortal = &mortal{Store: w.store, rand: rand.New(rand.NewPCG(w.rand.Uint64(), 0))}
	w.grace = []time.Duration{time.Millisecond, 2 * time.Second}[w.rand.IntN(2)]
	cfg := daemon.Config{
		Store: w.mortal, Logger: slog.New(slog.DiscardHandler), StopGrace: w.grace, AllowCommands: true,
		ClaimAhead: []time.Duration{200 * time.Millisecond, 2 * time.Second}[w.rand.IntN(2)],
	}
	if w.rand.IntN(2) == 0 {
		cfg.Limits = task.Limits{MaxRunning: 1 + w.rand.IntN(4)}
	}
	var groups map[string]task.Limits
	if w.rand.IntN(2) == 0 {
		groups = map[string]task.Limits{"g": {MaxRunning: 1 + w.rand.IntN(2), MaxWaiting: w.rand.IntN(3)}}
		cfg.Groups = map[string]daemon.Group{"g": {Limits: groups["g"]}}
	}
	for _, d := range w.tasks {
		if !d.absent {
			d.Do = d.do(w.rec, w.mortal)
			cfg.Tasks = append(cfg.Tasks, d.Task)
		}
	}
	w.say("up with %d tasks, grace %s, claims %s ahead, limits %+v %+v", len(cfg.Tasks), w.grace, cfg.ClaimAhead, cfg.Limits, groups)
	w.rec.Live(history.Life{Begin: time.Now(), Limits: cfg.Limits, Groups: groups})
	d, err := daemon.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	w.client.Store(d.Client())
	w.end = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

func (w *world) stop() {
	w.client.Store(nil)
	w.end()
}

// reup stops the process, in good order or not, and starts another.
func (w *world) reup() {
	if w.mortal.dead.Load() || w.rand.IntN(2) == 0 {
		w.say("crash")
		w.mortal.dead.Store(true)
		w.client.Store(nil)
		w.dying.Go(w.end)
		// What goes is over within two graces: nothing of the process does anything when the next begins.
		time.Sleep(2*w.grace + 5*time.Millisecond)
	} else {
		w.say("stop")
		w.mortal.doom(0)
		w.stop()
	}
	time.Sleep(3 * time.Microsecond) // no two things happen in one microsecond: see pass
	if w.rand.IntN(2) == 0 {
		w.pass()
	}
	w.up()
}
