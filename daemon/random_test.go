package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
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
	n := histories
	if testing.Short() {
		n /= 10
	}
	from := 0
	if v := os.Getenv("SEEDS"); v != "" {
		fmt.Sscanf(v, "%d-%d", &from, &n)
	}
	for seed := from; seed < n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newHistory(t, uint64(seed)).live() })
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
			Overlap:  pick(h.rand, task.OverlapSkip, task.OverlapAllow),
			CatchUp:  pick(h.rand, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
			Delivery: pick(h.rand, task.AtLeastOnce, task.AtMostOnce),
		},
		Do: daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) { return nil, h.run(ctx, s, r) }),
	}
	h.say("%s: %s, takes %s, %+v", name, s.declared.Trigger, s.takes, s.declared.Policy)
	return s
}

// run is what a run does: it looks whether it is alone, and takes its time.
func (h *history) run(ctx context.Context, s *subject, r daemon.Run) error {
	h.mu.Lock()
	// What was going side by side when a process died, by such a call, is started again side by side.
	alone := s.declared.Policy.Overlap == task.OverlapSkip && string(r.Input) != `"allow"` && r.Attempt == 1
	if alone && len(s.going) > 0 {
		h.t.Errorf("run %d of %q started while %v were going", r.ID, r.TaskName, s.going)
	}
	if s.going[r.ID] {
		h.t.Errorf("run %d of %q has two attempts at once", r.ID, r.TaskName)
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
	ended := time.Now()
	h.stop()
	h.background.Wait()
	for _, s := range h.tasks {
		h.check(s, ended)
	}
	for id := range h.acked {
		if run, err := h.inner.Run(context.Background(), id); err != nil || !run.State.Ended() {
			h.t.Errorf("run %d was acknowledged: %s, %v", id, story(run), err)
		}
	}
	if open, err := h.inner.Unfinished(context.Background(), 0, 10); err != nil || len(open) > 0 {
		h.t.Errorf("unfinished runs %v, %v", open, err)
	}
	if h.t.Failed() {
		h.t.Log("the history:\n" + strings.Join(h.lines, "\n"))
	}
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
	d, err := daemon.New(daemon.Config{
		Store: h.store, Tasks: declared, Logger: h.log, StopGrace: h.grace, ClaimAhead: ahead,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Ready()
	h.d, h.end = d, func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	}
	h.say("up with %d tasks, grace %s, claims %s ahead", len(declared), h.grace, ahead)
	for _, s := range h.tasks {
		stored, err := h.inner.Task(h.t.Context(), ref(s.declared.Name))
		switch {
		case err != nil && s.absent && len(s.eras) == 0:
		case err != nil:
			h.t.Fatal(err)
		case len(s.eras) == 0 || !stored.Clock.Progress.Anchor.Equal(s.eras[len(s.eras)-1].from):
			if len(s.eras) > 0 && !s.changed {
				h.t.Errorf("the clock of %q was set anew by a start that declares nothing new", s.declared.Name)
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
		h.down.Store(true)
		end := h.end
		h.end = nil
		h.background.Go(end)
		time.Sleep(5 * time.Millisecond) // nothing of it runs after that; it may try to write for seconds
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
					h.t.Errorf("canceled run has not ended: %s", story(run))
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
		if _, err = c.PauseTask(ctx, ref(name), client.EditOptions{}); err == nil {
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
			h.t.Errorf("stale etag: %v", err)
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
		h.t.Errorf("what was done to %q: %v", name, err)
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
			h.t.Errorf("the answer to a call that waits: %s", story(run))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.acked[run.ID] = true
		ids = append(ids, run.ID)
		if len(ids) == 2 && ids[0] != ids[1] {
			h.t.Errorf("one request id, two runs: %v", ids)
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
		h.t.Errorf("of two changes with the same etag %d were made", won)
	}
	return nil
}

// check looks at everything that a task has left.
func (h *history) check(s *subject, ended time.Time) {
	name := s.declared.Name
	stored, err := h.inner.Task(context.Background(), ref(name))
	if err != nil {
		h.t.Fatal(err)
	}
	var fires []task.Run
	var counted int64
	for from := task.RunID(0); ; {
		page, err := h.inner.Runs(context.Background(), task.RunQuery{TaskID: stored.ID, From: from, Limit: 1000})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, run := range page.Runs {
			if run.Cause != task.ByFire {
				continue
			}
			if run.FirstScheduledTime.IsZero() {
				run.FirstScheduledTime = run.ScheduledTime
			}
			fires = append(fires, run)
			if run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
				counted++
			}
			h.checkStart(s, run)
		}
		if from = page.Next; from == 0 {
			break
		}
	}
	if stored.Clock.FireCount != counted {
		h.t.Errorf("%q has fired %d times and has %d records of that", name, stored.Clock.FireCount, counted)
	}
	slices.SortFunc(fires, func(a, b task.Run) int { return a.FirstScheduledTime.Compare(b.FirstScheduledTime) })
	for i, e := range s.eras {
		until := ended
		if i+1 < len(s.eras) {
			until = s.eras[i+1].from
		} else if n := len(s.pauses); n > 0 && s.pauses[n-1].until.IsZero() {
			until = s.pauses[n-1].from // the rest is recorded when it is resumed
		} else {
			until = until.Add(-e.trigger.Jitter) // what still waited for its start is given back
		}
		h.checkEra(name, e, i+1 == len(s.eras), until, fires)
	}
	for i := 1; i < len(fires); i++ {
		a, b := fires[i-1], fires[i]
		if ahead(a) || ahead(b) {
			continue // another trigger may have the same instant after all
		}
		if a.ScheduledTime.Equal(b.ScheduledTime) || a.FirstScheduledTime.Equal(b.FirstScheduledTime) {
			h.t.Errorf("%q has two records of one instant: %s and %s", name, story(a), story(b))
		}
	}
	h.checkAlive(s, stored, fires, ended)
}

// ahead reports whether a fire was claimed and then canceled, lost or taken back before its instant.
func ahead(run task.Run) bool { return run.EndTime.Before(run.ScheduledTime) }

// checkStart looks whether a run was started in spite of a pause. One that is started again after a crash
// was going before.
func (h *history) checkStart(s *subject, run task.Run) {
	for _, p := range s.pauses {
		if run.Attempt == 1 && run.StartTime.After(p.from) && (p.until.IsZero() || run.StartTime.Before(p.until)) {
			h.t.Errorf("%q was paused at %s and started a run at %s: %s", run.TaskName, p.from, run.StartTime, story(run))
		}
	}
}

// checkEra looks at the records of one trigger.
func (h *history) checkEra(name string, e era, last bool, until time.Time, fires []task.Run) {
	step, origin := grid(e)
	if step == 0 {
		return
	}
	if len(e.trigger.Exclusions) > 0 {
		h.checkExclusions(name, e, last, until, fires)
		return
	}
	next := origin      // the first instant that has no record yet
	var early time.Time // an instant whose record may be that of the trigger before
	var fired int64
	for _, run := range fires {
		if run.ScheduledTime.Before(e.from) || !last && !run.ScheduledTime.Before(until) {
			continue
		}
		if run.ScheduledTime.Sub(origin)%step != 0 || run.FirstScheduledTime.Sub(origin)%step != 0 {
			if ahead(run) {
				continue // a fire of the trigger before
			}
			h.t.Errorf("%q has a run at an instant that is none of %s since %s: %s", name, e.trigger, e.from, story(run))
			continue
		}
		switch first := run.FirstScheduledTime; {
		case first.Equal(next):
		case ahead(run):
			continue
		case !first.Equal(early):
			h.t.Errorf("%q, %s since %s: the record after %s is %s", name, e.trigger, e.from, next.Add(-step), story(run))
		}
		if n := int64(run.ScheduledTime.Sub(run.FirstScheduledTime)/step) + 1; n != run.Fires {
			h.t.Errorf("%q: %s stands for %d instants, there are %d", name, story(run), run.Fires, n)
		}
		next = run.ScheduledTime.Add(step)
		if early = (time.Time{}); ahead(run) {
			early = run.ScheduledTime
		}
		if run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
			fired++
		}
	}
	limit := e.trigger.MaxFires
	if limit > 0 && fired > limit {
		h.t.Errorf("%q: %d fires of %s", name, fired, e.trigger)
	}
	if (limit == 0 || fired < limit) && !next.After(until) {
		h.t.Errorf("%q, %s since %s: there is no record of %s, and it was in force until %s", name, e.trigger, e.from, next, until)
	}
}

// checkExclusions looks whether each instant of a trigger with exclusions has a record of its kind.
func (h *history) checkExclusions(name string, e era, last bool, until time.Time, fires []task.Run) {
	step, origin := grid(e)
	holds := func(at time.Time) bool {
		for _, x := range e.trigger.Exclusions {
			w := x.(schedule.Window)
			if now := at.Format("15:04:05"); fmt.Sprintf("%02d:%02d:%02d", w.From.Hour, w.From.Minute, w.From.Second) <= now &&
				now < fmt.Sprintf("%02d:%02d:%02d", w.Until.Hour, w.Until.Minute, w.Until.Second) {
				return true
			}
		}
		return false
	}
	var fired, canceled int64
	end := e.from.Add(-1) // of the last record that is no excluded one
	for _, run := range fires {
		if run.ScheduledTime.Before(e.from) || !last && !run.ScheduledTime.Before(until) || run.Reason == task.ReasonExcluded {
			continue
		}
		if ahead(run) { // it may be a fire of the trigger before, and count there
			canceled++
			continue
		}
		if end = run.ScheduledTime; run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
			fired++
		}
		if holds(run.ScheduledTime) {
			h.t.Errorf("%q, %s since %s: there is a fire at an excluded instant: %s", name, e.trigger, e.from, story(run))
		}
	}
	if limit := e.trigger.MaxFires; limit > 0 && fired+canceled >= limit {
		if fired > limit {
			h.t.Errorf("%q: %d fires of %s", name, fired, e.trigger)
		}
		until = end
	}
	for at := origin; at.Before(until); at = at.Add(step) {
		excluded, records := holds(at), 0
		if excluded && last && at.After(end) {
			continue // it is recorded with the next fire
		}
		for _, run := range fires {
			if (run.Reason == task.ReasonExcluded) == excluded && !run.FirstScheduledTime.After(at) && !at.After(run.ScheduledTime) &&
				!run.ScheduledTime.Before(e.from) && (last || run.FirstScheduledTime.Before(until)) {
				records++
			}
		}
		if records == 0 || excluded && records > 1 {
			h.t.Errorf("%q, %s since %s: there are %d records of %s (excluded: %t), and it was in force until %s",
				name, e.trigger, e.from, records, at, excluded, until)
			return
		}
	}
}

// grid returns the distance of the instants of a trigger and the first, if they lie on a grid.
func grid(e era) (step time.Duration, first time.Time) {
	switch k := e.trigger.Kind.(type) {
	case schedule.Every:
		if k.Pacing == schedule.FixedDelay {
			return 0, time.Time{}
		}
		if k.FirstFire == schedule.Immediate {
			return k.Interval, e.from
		}
		return k.Interval, e.from.Add(k.Interval)
	case schedule.Cron:
		step = time.Second
		if strings.HasPrefix(k.Expression, "*/2") {
			step = 2 * time.Second
		}
		return step, e.from.Truncate(step).Add(step)
	}
	return 0, time.Time{}
}

// checkAlive looks whether a trigger that follows runs has not lost its thread.
func (h *history) checkAlive(s *subject, stored task.Task, fires []task.Run, ended time.Time) {
	c, err := schedule.Compile(stored.Trigger())
	if err != nil {
		h.t.Fatal(err)
	}
	if len(stored.Trigger().Exclusions) > 0 || !c.FollowsRuns() || stored.State != task.Active || c.Listens(schedule.StartUp) {
		return
	}
	if !slices.ContainsFunc(fires, func(r task.Run) bool { return ended.Sub(r.ScheduledTime) < 12*time.Second }) {
		h.t.Errorf("%q has not fired for long: %+v", s.declared.Name, stored.Clock)
	}
}
