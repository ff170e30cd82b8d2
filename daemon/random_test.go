package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// histories is how many random histories are lived through. Each has its seed, which names its subtest:
// -run 'TestRandomHistoriesKeepThePromises/17$' repeats one.
const histories = 300

// farthest is the longest ClaimAhead of a daemon.
const farthest = 2 * time.Second

func TestRandomHistoriesKeepThePromises(t *testing.T) {
	eachSeed(t, histories, func(t *testing.T, seed uint64) { newHistory(t, seed).live() })
}

// eachSeed lives n random histories, each in a bubble and in a subtest that is named after its seed, from 0 on;
// with -short a tenth of them. Others are looked for by hand: SEEDS=5000-9000 in the environment names the
// first seed and the one after the last.
func eachSeed(t *testing.T, n uint64, live func(t *testing.T, seed uint64)) {
	t.Helper()
	from, until := uint64(0), n
	if testing.Short() {
		until /= 10
	}
	if seeds := os.Getenv("SEEDS"); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &from, &until); err != nil {
			t.Fatalf("SEEDS is %q, which is no range: say FIRST-END, as 5000-9000: %v", seeds, err)
		}
	}
	for seed := from; seed < until; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { live(t, seed) })
		})
	}
}

// history is some minutes in the life of a few tasks, and what has to hold of them.
type history struct {
	*world
	rand  *rand.Rand
	inner store.Store
	down  *outage // of the store of the daemon that is up
	tasks []*subject
	// background are calls that wait, and daemons that die.
	background sync.WaitGroup

	mu    sync.Mutex // guards what follows, and the runs of the subjects
	lines []string
	acked map[task.RunID]bool
}

// subject is a task and what is known of it.
type subject struct {
	declared daemon.Task
	takes    time.Duration
	absent   bool // the program does not declare it at present
	eras     []era
	pauses   []pause
	changed  bool // the declared trigger has changed since the last start
	going    map[task.RunID]bool
}

// era is the time of one trigger.
type era struct {
	trigger schedule.Trigger
	from    time.Time
}

// pause is from the answer to PauseTask to the call of ResumeTask. A zero until: it is going on.
type pause struct{ from, until time.Time }

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{
		world: &world{t: t, log: slog.New(slog.DiscardHandler)},
		rand:  rand.New(rand.NewPCG(seed, 0)),
		inner: memory.New(memory.Config{Namespace: "default"}),
		acked: make(map[task.RunID]bool),
	}
	for i := range 2 + h.rand.IntN(3) {
		h.tasks = append(h.tasks, h.subject(fmt.Sprintf("task%d", i)))
	}
	return h
}

// say notes a line for whoever has to understand a failure.
func (h *history) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, time.Now().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// trigger makes a trigger. None fires at once and when a node starts too: in a bubble these are one instant.
func (h *history) trigger() schedule.Trigger {
	text := pick(h.rand,
		"every 300ms", "every 1s", "every 1300ms immediate", "every 2s",
		"every 400ms fixed-delay", "every 1s immediate fixed-delay", "forever",
		`cron "* * * * * *" UTC`, `cron "*/2 * * * * *" UTC`,
		`any(every 700ms; cron "*/2 * * * * *" UTC)`, "any(every 900ms max=3; forever)",
		"any(every 800ms fixed-delay; every 1s)", "any(every 600ms max=2; every 1s max=3)",
		"any(startup; every 1s)", "any(startup; shutdown; every 700ms fixed-delay)", "startup", "shutdown", "once",
	)
	if h.rand.IntN(4) == 0 {
		text += fmt.Sprintf(" max=%d", 1+h.rand.IntN(8))
	}
	if h.rand.IntN(4) == 0 && !strings.HasPrefix(text, "startup") && !strings.HasPrefix(text, "shutdown") {
		text += fmt.Sprintf(" jitter=%s", pick(h.rand, "30ms", "700ms", "3s"))
	}
	if h.rand.IntN(4) == 0 && !strings.HasPrefix(text, "once") { // that could be refused
		from := h.rand.IntN(50)
		text += fmt.Sprintf(" exclude(window 00:00:%02d-00:01:%02d UTC; window 00:02:%02d-00:02:%02d UTC)", from, from, from, from+5)
	}
	return schedule.MustParse(text)
}

func (h *history) subject(name string) *subject {
	s := &subject{
		takes: time.Duration(pick(h.rand, 20, 100, 450, 1100, 3000)) * time.Millisecond,
		going: make(map[task.RunID]bool),
	}
	s.declared = daemon.Task{
		Name: name, Trigger: h.trigger(),
		Policy: task.Policy{
			Overlap:   pick(h.rand, task.OverlapSkip, task.OverlapAllow),
			CatchUp:   pick(h.rand, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
			Retention: task.Retention{MaxRuns: 1_000_000}, // the check wants all records
			Delivery:  pick(h.rand, task.AtLeastOnce, task.AtMostOnce),
		},
		Do: daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) { return nil, h.do(ctx, s, r) }),
	}
	h.say("%s: %s, takes %s, %+v", name, s.declared.Trigger, s.takes, s.declared.Policy)
	return s
}

// do is what a run does: it looks whether it is alone, and takes its time.
func (h *history) do(ctx context.Context, s *subject, r daemon.Run) error {
	h.mu.Lock()
	// What was going side by side when a process died, by such a call, is started again side by side.
	alone := s.declared.Policy.Overlap == task.OverlapSkip && string(r.Input) != `"allow"` && r.Attempt == 1
	if alone && len(s.going) > 0 {
		h.fault("run %d of %q started while %v were going", r.ID, r.TaskName, s.going)
	}
	if s.going[r.ID] {
		h.fault("run %d of %q has two attempts at once", r.ID, r.TaskName)
	}
	s.going[r.ID] = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(s.going, r.ID)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.takes):
	}
	if r.ID%5 == 0 {
		return errors.New("every fifth run fails")
	}
	return nil
}

// live lives the history and looks at what it has left.
func (h *history) live() {
	h.up()
	for range 10 + h.rand.IntN(20) {
		h.pass()
		h.act()
	}
	if h.down.Load() {
		h.say("store works")
		h.down.Store(false)
	}
	for _, s := range h.tasks {
		s.absent = false
	}
	h.reup()
	h.sleep(12*time.Second + 7*time.Microsecond)
	catchUp(h.inner, h.sleep)
	ended := time.Now()
	h.stop()
	h.background.Wait()
	for _, s := range h.tasks {
		h.check(s, ended)
	}
	for id := range h.acked {
		if run, err := h.inner.Run(context.Background(), id); err != nil || !run.State.Ended() {
			h.fault("run %d was acknowledged: %s, %v", id, story(run), err)
		}
	}
	if open, err := unfinished(h.inner); err != nil || len(open) > 0 {
		h.fault("unfinished runs %v, %v", open, err)
	}
	h.report(h.lines)
}

// pass lets time pass, never a whole number of milliseconds: what callers do and what fires do not
// coincide to the microsecond, as they do not in a world whose clock moves by itself.
func (h *history) pass() {
	longest := pick(h.rand, time.Millisecond, 100*time.Millisecond, time.Second, time.Second, 3*time.Second, 9*time.Second)
	d := time.Duration(h.rand.Int64N(int64(longest)))
	h.sleep(d.Truncate(10*time.Microsecond) + 3*time.Microsecond)
}

// up starts a daemon. Half of them are mortal: their runs end as soon as they are stopped.
func (h *history) up() {
	h.down = &outage{}
	h.store = &hooked{Store: h.inner, before: h.down.before}
	h.grace = pick(h.rand, time.Millisecond, 2*time.Second)
	var declared []daemon.Task
	for _, s := range h.tasks {
		if !s.absent {
			declared = append(declared, s.declared)
		}
	}
	ahead := pick(h.rand, 200*time.Millisecond, 200*time.Millisecond, farthest)
	h.run(daemon.Config{Store: h.store, Tasks: declared, Logger: h.log, StopGrace: h.grace, ClaimAhead: ahead})
	h.say("up with %d tasks, grace %s, claims %s ahead", len(declared), h.grace, ahead)
	for _, s := range h.tasks {
		stored, err := h.inner.Task(h.t.Context(), ref(s.declared.Name))
		switch {
		case err != nil && s.absent && len(s.eras) == 0:
		case err != nil:
			h.t.Fatal(err)
		case len(s.eras) == 0 || !stored.Clock.Progress.Anchor.Equal(s.eras[len(s.eras)-1].from):
			if len(s.eras) > 0 && !s.changed {
				h.fault("the clock of %q was set anew by a start that declares nothing new", s.declared.Name)
			}
			s.eras = append(s.eras, era{trigger: stored.Trigger(), from: stored.Clock.Progress.Anchor})
		}
		if !s.absent {
			s.changed = false
		}
	}
}

// reup stops the daemon, in good order or not, and starts another.
func (h *history) reup() {
	if h.grace == time.Millisecond && h.rand.IntN(2) == 0 {
		h.say("crash")
		h.die(h.down, &h.background)
	} else {
		h.say("stop")
		h.stop()
		h.say("stopped")
	}
	time.Sleep(3 * time.Microsecond) // no two things happen in one microsecond: see pass
	if h.rand.IntN(2) == 0 {
		h.pass()
	}
	h.up()
}

// act does something to a task or to the daemon.
func (h *history) act() {
	s := pick(h.rand, h.tasks...)
	name := s.declared.Name
	if len(s.eras) == 0 {
		return
	}
	c, ctx := h.d.Client(), h.t.Context()
	var err error
	switch what := h.rand.IntN(16); what {
	case 0, 1, 2:
		o := client.RunOptions{Wait: h.rand.IntN(2) == 0}
		if h.rand.IntN(4) == 0 {
			allow := task.OverlapAllow
			o.Overlap, o.Input = &allow, "allow"
		}
		twice := h.rand.IntN(3) == 0
		if twice {
			o.RequestID = uuid.New()
		}
		h.say("run %s %+v, twice %t", name, o, twice)
		h.call(c, name, o, twice)
	case 3:
		page, err := h.inner.Runs(ctx, task.RunQuery{TaskID: task.IDOf("default", name), Limit: 3})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page.Runs) > 0 {
			id := pick(h.rand, page.Runs...).ID
			h.say("cancel %s: run %d", name, id)
			h.background.Go(func() {
				if run, err := c.CancelRun(ctx, id, ""); err == nil && !run.State.Ended() {
					h.fault("canceled run has not ended: %s", story(run))
				}
			})
		}
	case 4, 5:
		trigger := h.trigger()
		var u client.TriggerUpdate
		on := pick(h.rand, task.Yield, task.Keep)
		if u, err = c.UpdateTrigger(ctx, ref(name), trigger, client.UpdateOptions{OnDeclaredChange: on}); err == nil {
			s.eras = append(s.eras, era{trigger: trigger, from: u.Task.UpdateTime})
		}
		h.say("update %s: %s: %v", name, trigger, err)
	case 6:
		err = h.race(c, s)
	case 7:
		before, _ := h.inner.Task(ctx, ref(name))
		var after task.Task
		if after, err = c.ResetTrigger(ctx, ref(name), client.EditOptions{}); err == nil && before.Override != nil {
			s.eras = append(s.eras, era{trigger: after.Trigger(), from: after.UpdateTime})
		}
		h.say("reset %s: %v", name, err)
	case 8, 9:
		if _, err = c.PauseTask(ctx, ref(name), client.PauseOptions{}); err == nil {
			if n := len(s.pauses); n == 0 || !s.pauses[n-1].until.IsZero() {
				s.pauses = append(s.pauses, pause{from: time.Now()})
			}
		}
		h.say("pause %s: %v", name, err)
	case 10, 11:
		now := time.Now()
		if _, err = c.ResumeTask(ctx, ref(name), client.EditOptions{}); err == nil {
			if n := len(s.pauses); n > 0 && s.pauses[n-1].until.IsZero() {
				s.pauses[n-1].until = now
			}
		}
		h.say("resume %s: %v", name, err)
	case 12:
		_, err = c.UpdateTrigger(ctx, ref(name), h.trigger(), client.UpdateOptions{Etag: "4711"})
		if !errors.Is(err, task.ErrStale) && !errors.Is(err, task.ErrUnavailable) {
			h.fault("stale etag: %v", err)
		}
		h.say("stale %s: %v", name, err)
		err = nil
	case 13:
		h.down.Store(!h.down.Load())
		h.say("store fails: %t", h.down.Load())
	default:
		if h.down.Load() {
			h.say("store works")
			h.down.Store(false)
		}
		switch h.rand.IntN(4) {
		case 0:
			s.absent = !s.absent
			h.say("absent %s: %t", name, s.absent)
		case 1:
			s.declared.Trigger, s.changed = h.trigger(), true
			h.say("declare %s: %s", name, s.declared.Trigger)
		}
		h.reup()
	}
	if err != nil && !errors.Is(err, task.ErrUnavailable) {
		h.fault("what was done to %q: %v", name, err)
	}
}

// call runs a task, perhaps twice at the same time with the same request id.
func (h *history) call(c *client.Client, name string, o client.RunOptions, twice bool) {
	var ids []task.RunID
	once := func() {
		run, err := c.RunTask(h.t.Context(), ref(name), o)
		if err != nil {
			return // an orphan, or the daemon died or stopped meanwhile, or the store fails
		}
		if o.Wait && !run.State.Ended() {
			h.fault("the answer to a call that waits: %s", story(run))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.acked[run.ID] = true
		ids = append(ids, run.ID)
		if len(ids) == 2 && ids[0] != ids[1] {
			h.fault("one request id, two runs: %v", ids)
		}
	}
	h.background.Go(once)
	if twice {
		h.background.Go(once)
	}
}

// race makes two changes to a task with the same etag at the same time: at most one is made.
func (h *history) race(c *client.Client, s *subject) error {
	before, err := c.Task(h.t.Context(), ref(s.declared.Name))
	if err != nil {
		return err
	}
	var both sync.WaitGroup
	var eras [2]era
	var errs [2]error
	for i := range 2 {
		trigger := h.trigger()
		both.Go(func() {
			var u client.TriggerUpdate
			u, errs[i] = c.UpdateTrigger(h.t.Context(), ref(s.declared.Name), trigger, client.UpdateOptions{Etag: before.Etag()})
			eras[i] = era{trigger: trigger, from: u.Task.UpdateTime}
		})
	}
	both.Wait()
	h.say("race %s: %s: %v, %s: %v", s.declared.Name, eras[0].trigger, errs[0], eras[1].trigger, errs[1])
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			s.eras = append(s.eras, eras[i])
		case !errors.Is(err, task.ErrStale) && !errors.Is(err, task.ErrUnavailable):
			return err
		}
	}
	if won == 2 || won == 0 && !errors.Is(errs[0], task.ErrUnavailable) {
		h.fault("of two changes with the same etag %d were made", won)
	}
	return nil
}
