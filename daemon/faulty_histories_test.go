package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// faultyHistories is how many histories with faults are lived through, as histories is of the others.
const faultyHistories = 200

// longestWait is more than lies between two instants of a task that is well: the longest distance, behind the
// longest run, with the most jitter.
const longestWait = 13 * time.Second

// Triggers do not change here: custom kinds fail, calendars change between two starts, the machine's clock is
// set, the store fails, the process dies. In the end all is well, each calendar is empty and each task is
// resumed; then each task fires, and each instant up to where its clock stands has one record.
//
// What the model leaves out are two coincidences in which a record is missing that it asks for. None of the
// seeds below faultyHistories has them; some that SEEDS can name have:
//   - A trigger comes into force in the very microsecond of an instant of its cron part, and another part,
//     which fires at once, is excluded then. No record tells of that first instant (seed 4150).
//   - A fire is claimed ahead of its instant, the process dies or the store fails, and the next program has other
//     calendars. What was excluded just before that fire, and by them is not, has no record (seed 1039).
func TestRandomHistoriesWithFaultsKeepThePromises(t *testing.T) {
	eachSeed(t, faultyHistories, func(t *testing.T, seed uint64) { newFaultyHistory(t, seed).live() })
}

// faultyHistory is a minute or so in the life of a few tasks in a world where much goes wrong.
type faultyHistory struct {
	*world
	// rand is asked by the custom kinds too, from the goroutines of the daemon.
	rand  *rand.Rand
	inner store.Store
	down  *outage // of the store of the daemon that is up
	tasks []daemon.Task
	// absent are the tasks that the program does not declare at present.
	absent map[string]bool
	// background are calls, and daemons that die.
	background sync.WaitGroup

	// What goes wrong in this history, beside the store. Of so many questions to a custom kind one fails; 0: none.
	odds            atomic.Int64
	clockIsSet      bool
	calendarsChange bool

	furthest time.Time // that the machine's clock has shown
	lines    []string
}

// guarded is a source of random numbers for several goroutines. Its mutex guards the source inside.
type guarded struct {
	mu     sync.Mutex
	source rand.Source
}

func (g *guarded) Uint64() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.source.Uint64()
}

// fickle is a custom kind that fires as steps do and fails now and then.
type fickle struct {
	steps
	h *faultyHistory
}

func (f fickle) Next(after time.Time) (time.Time, error) {
	if odds := f.h.odds.Load(); odds > 0 && f.h.rand.Int64N(odds) == 0 {
		return time.Time{}, errors.New("the harbour is closed")
	}
	return f.steps.Next(after)
}

func newFaultyHistory(t *testing.T, seed uint64) *faultyHistory {
	h := &faultyHistory{
		world:  &world{t: t, log: slog.New(slog.DiscardHandler)},
		rand:   rand.New(&guarded{source: rand.NewPCG(seed, 7)}),
		absent: make(map[string]bool),
	}
	h.clockIsSet = h.rand.IntN(2) == 0
	h.calendarsChange = h.rand.IntN(2) == 0
	if h.rand.IntN(2) == 0 {
		h.odds.Store(pick[int64](h.rand, 3, 10, 40))
	}
	h.inner = memory.New(memory.Config{Namespace: "default", Now: h.now})
	h.changeCalendars()
	h.register = func(cfg *daemon.Config) {
		daemon.RegisterTrigger(cfg, func(m *durationpb.Duration) (schedule.Source, error) {
			return fickle{steps(m.AsDuration()), h}, nil
		})
	}
	for i := range 1 + h.rand.IntN(3) {
		h.tasks = append(h.tasks, h.task(fmt.Sprintf("task%d", i)))
	}
	return h
}

// say notes a line for whoever has to understand a failure.
func (h *faultyHistory) say(format string, args ...any) {
	h.lines = append(h.lines, h.now().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
}

// task makes a task.
func (h *faultyHistory) task(name string) daemon.Task {
	trigger := h.trigger()
	if h.rand.IntN(2) == 0 {
		trigger.Jitter = pick(h.rand, 30*time.Millisecond, 700*time.Millisecond, 3*time.Second)
	}
	if h.rand.IntN(3) > 0 {
		trigger.Exclusions = append(trigger.Exclusions, schedule.Calendar{Name: "b"})
	}
	takes := pick(h.rand, 20*time.Millisecond, 100*time.Millisecond, 900*time.Millisecond, 3*time.Second)
	d := does(name, trigger, takes)
	d.Policy = task.Policy{
		Overlap:   pick(h.rand, task.OverlapSkip, task.OverlapAllow),
		CatchUp:   pick(h.rand, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone),
		Retention: task.Retention{MaxRuns: 1_000_000}, // the check wants all records
		Delivery:  pick(h.rand, task.AtLeastOnce, task.AtMostOnce),
	}
	h.say("%s: %s, takes %s, %+v", name, trigger, takes, d.Policy)
	return d
}

// trigger makes a trigger, whose parts perhaps leave out the days of a calendar.
func (h *faultyHistory) trigger() schedule.Trigger {
	custom := func(ms time.Duration) schedule.Trigger { return every(ms * time.Millisecond) }
	perhaps := func(t schedule.Trigger) schedule.Trigger {
		if h.rand.IntN(2) == 0 {
			t.Exclusions = []schedule.Exclusion{schedule.Calendar{Name: "a"}}
		}
		return t
	}
	either := func(parts ...schedule.Trigger) schedule.Trigger {
		for i := range parts {
			parts[i] = perhaps(parts[i])
		}
		return schedule.Trigger{Kind: schedule.AnyOf{Triggers: parts}}
	}
	parse := schedule.MustParse
	switch h.rand.IntN(14) {
	case 0:
		return parse("every 700ms")
	case 1:
		return parse("every 1300ms immediate")
	case 2:
		return parse(`cron "* * * * * *" UTC`)
	case 3:
		return parse(`cron "*/3 * * * * *" UTC`)
	case 4, 5:
		return custom(700)
	case 6:
		return custom(2300)
	case 7:
		return either(parse("every 900ms"), custom(1700))
	case 8:
		return either(custom(500), custom(1700))
	case 9:
		return either(parse("every 1s"), parse(`cron "*/2 * * * * *" UTC`), parse("every 1100ms immediate"))
	case 10: // forever leaves out nothing
		return schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{parse("forever"), perhaps(custom(1700))}}}
	case 11:
		return either(parse("every 700ms fixed-delay"), parse("every 1500ms"))
	case 12:
		return perhaps(parse("forever"))
	default:
		return either(parse("every 600ms immediate fixed-delay"), parse(`cron "*/5 * * * * *" UTC`))
	}
}

// changeCalendars gives the next daemon other calendars.
func (h *faultyHistory) changeCalendars() {
	h.calendars = map[string][]schedule.Exclusion{"a": h.windows(), "b": h.windows()}
	h.say("calendars %v", h.calendars)
}

// windows are up to three times of some seconds within the first minutes of each day.
func (h *faultyHistory) windows() []schedule.Exclusion {
	timeOfDay := func(s int) schedule.TimeOfDay { return schedule.TimeOfDay{Minute: s / 60, Second: s % 60} }
	var out []schedule.Exclusion
	for range h.rand.IntN(4) {
		from := h.rand.IntN(6) * 60
		from += h.rand.IntN(60)
		until := from + 1 + h.rand.IntN(9)
		out = append(out, schedule.Window{From: timeOfDay(from), Until: timeOfDay(until), TimeZone: "UTC"})
	}
	return out
}

// live lives the history and looks at what it has left.
func (h *faultyHistory) live() {
	h.up()
	for range 10 + h.rand.IntN(20) {
		h.pass()
		h.act()
	}
	h.down.Store(false)
	h.odds.Store(0)
	clear(h.absent)
	if now := h.now(); now.Before(h.furthest) {
		h.set(h.furthest.Sub(now))
	}
	h.calendars = map[string][]schedule.Exclusion{"a": nil, "b": nil}
	h.say("all is well")
	h.reup()
	for _, d := range h.tasks {
		if _, err := h.d.Client().ResumeTask(h.t.Context(), ref(d.Name), client.EditOptions{}); err != nil {
			h.fault("%q can not be resumed though all is well: %v", d.Name, err)
		}
	}
	h.sleep(20*time.Second + 7*time.Microsecond)
	catchUp(h.inner, h.sleep)
	ended := h.now()
	h.stop()
	h.background.Wait()
	for _, d := range h.tasks {
		h.check(d, ended)
	}
	if open, err := unfinished(h.inner); err != nil || len(open) > 0 {
		h.fault("unfinished runs %v, %v", open, err)
	}
	h.report(h.lines)
}

// pass lets time pass, as pass of a history does.
func (h *faultyHistory) pass() {
	longest := pick(h.rand, time.Millisecond, 100*time.Millisecond, time.Second, 3*time.Second, 9*time.Second)
	d := time.Duration(h.rand.Int64N(int64(longest)))
	h.sleep(d.Truncate(10*time.Microsecond) + 3*time.Microsecond)
}

// up starts a daemon. Half of them are mortal: their runs end as soon as they are stopped.
func (h *faultyHistory) up() {
	h.down = &outage{}
	h.store = &hooked{Store: h.inner, before: h.down.before}
	h.grace = pick(h.rand, time.Millisecond, 2*time.Second)
	var declared []daemon.Task
	for _, d := range h.tasks {
		if !h.absent[d.Name] {
			declared = append(declared, d)
		}
	}
	ahead := pick(h.rand, 200*time.Millisecond, 200*time.Millisecond, farthest)
	cfg := daemon.Config{
		Store: h.store, Tasks: declared, Logger: h.log, StopGrace: h.grace, ClaimAhead: ahead, Calendars: h.calendars,
	}
	cfg.SetClock(h.now)
	h.register(&cfg)
	h.run(cfg)
	h.say("up with %d tasks, grace %s, claims %s ahead", len(declared), h.grace, ahead)
}

// reup stops the daemon, in good order or not, and starts another.
func (h *faultyHistory) reup() {
	if h.grace == time.Millisecond && h.rand.IntN(2) == 0 {
		h.say("crash")
		h.die(h.down, &h.background)
	} else {
		h.say("stop")
		h.stop()
	}
	time.Sleep(3 * time.Microsecond) // no two things happen in one microsecond: see pass
	if h.rand.IntN(2) == 0 {
		h.sleep(time.Duration(h.rand.IntN(9000))*time.Millisecond + 3*time.Microsecond)
	}
	h.up()
}

// act does something to a task, to the daemon or to the machine. Whether a call succeeds is not looked at: the
// store may fail, the task may be an orphan, and its kind may have a fault.
func (h *faultyHistory) act() {
	if now := h.now(); now.After(h.furthest) {
		h.furthest = now
	}
	name := pick(h.rand, h.tasks...).Name
	c, ctx := h.d.Client(), h.t.Context()
	switch what := h.rand.IntN(16); what {
	case 0, 1:
		h.say("run %s", name)
		h.background.Go(func() { _, _ = c.RunTask(ctx, ref(name), client.RunOptions{}) })
	case 2:
		page, err := h.inner.Runs(ctx, task.RunQuery{TaskID: task.IDOf("default", name), Limit: 3})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page.Runs) > 0 {
			id := pick(h.rand, page.Runs...).ID
			h.say("cancel %s: run %d", name, id)
			h.background.Go(func() { _, _ = c.CancelRun(ctx, id, "") })
		}
	case 3, 4:
		_, err := c.PauseTask(ctx, ref(name), client.PauseOptions{})
		h.say("pause %s: %v", name, err)
	case 5, 6, 7:
		_, err := c.ResumeTask(ctx, ref(name), client.EditOptions{})
		h.say("resume %s: %v", name, err)
	case 8:
		h.down.Store(!h.down.Load())
		h.say("store fails: %t", h.down.Load())
	case 9:
		if h.odds.Load() > 0 {
			h.odds.Store(pick[int64](h.rand, 1, 3, 10, 40, 1000))
			h.say("one question to a kind in %d fails", h.odds.Load())
		}
	case 10, 11:
		if h.clockIsSet {
			by := pick(h.rand, 300*time.Millisecond, 2*time.Second, 7*time.Second, 20*time.Second,
				-300*time.Millisecond, -2*time.Second, -9*time.Second)
			h.set(by)
			h.say("clock set by %s", by)
			h.sleep(time.Microsecond)
		}
	default:
		if what == 12 {
			h.absent[name] = !h.absent[name]
			h.say("absent %s: %t", name, h.absent[name])
		}
		h.down.Store(false)
		if h.calendarsChange && h.rand.IntN(2) == 0 {
			h.changeCalendars()
		}
		h.reup()
	}
}

// check looks at everything that a task has left.
func (h *faultyHistory) check(d daemon.Task, ended time.Time) {
	stored, err := h.inner.Task(context.Background(), ref(d.Name))
	if err != nil {
		h.t.Fatal(err)
	}
	page, err := h.inner.Runs(context.Background(), task.RunQuery{TaskID: stored.ID, Limit: 100_000})
	if err != nil || page.Next != 0 {
		h.t.Fatalf("the runs of %q: next page %d, %v", d.Name, page.Next, err)
	}
	var fires []task.Run
	var counted int64
	var last time.Time
	for _, run := range page.Runs {
		if run.Cause != task.ByFire {
			continue
		}
		if run.FirstScheduledTime.IsZero() {
			run.FirstScheduledTime = run.ScheduledTime
		}
		fires = append(fires, run)
		if run.Fires < 1 || run.ScheduledTime.Before(midnight) {
			h.fault("%q has a record of %d instants, of %s: %s", d.Name, run.Fires, run.ScheduledTime, story(run))
		}
		if run.State != task.Missed && (run.State != task.Skipped || run.Reason == task.ReasonOverlap) {
			counted++
		}
		if run.ScheduledTime.After(last) {
			last = run.ScheduledTime
		}
	}
	if stored.State != task.Active {
		h.fault("%q is in state %v, pause %+v", d.Name, stored.State, stored.Pause)
	}
	if stored.Clock.FireCount != counted {
		h.fault("%q has fired %d times and has %d records of that", d.Name, stored.Clock.FireCount, counted)
	}
	if stored.Clock.RecordedTime.Before(midnight.Add(-time.Microsecond)) {
		h.fault("the clock of %q stands at %s, before it began", d.Name, stored.Clock.RecordedTime)
	}
	if ended.Sub(last) > longestWait {
		h.fault("%q has not fired since %s: %+v", d.Name, last, stored.Clock)
	}
	h.checkInstants(d, stored.Clock, fires)
}

// checkInstants looks whether each instant of a trigger that does not follow runs, up to where the clock stands,
// is told of by one record, whatever kept it from firing, and whether each record is of such instants.
func (h *faultyHistory) checkInstants(d daemon.Task, clock task.Clock, fires []task.Run) {
	x, err := schedule.NewExtensions(nil, map[string]schedule.NewSource{
		"type.googleapis.com/google.protobuf.Duration": func(value string) (schedule.Source, error) {
			var m durationpb.Duration
			err := proto.Unmarshal([]byte(value), &m)
			return steps(m.AsDuration()), err
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := x.Compile(withoutExclusions(d.Trigger))
	if err != nil {
		h.t.Fatal(err)
	}
	if c.FollowsRuns() {
		return
	}
	instants := make(map[time.Time]bool)
	p := schedule.Progress{Anchor: clock.Progress.Anchor}
	for at, status := c.First(p); status == schedule.Fires && !at.After(clock.RecordedTime); at, status = c.Next(at, p) {
		instants[at] = true
		// Several records can span an instant: each tells of those that one reason kept from firing.
		if !slices.ContainsFunc(fires, func(r task.Run) bool {
			return !r.FirstScheduledTime.After(at) && !at.After(r.ScheduledTime)
		}) {
			h.fault("%q has no record of %s, and its clock stands at %s", d.Name, at, clock.RecordedTime)
		}
	}
	var told int64
	for _, run := range fires {
		told += run.Fires
		if !instants[run.ScheduledTime] || !instants[run.FirstScheduledTime] {
			h.fault("%q has a record of what is no instant of %s: %s", d.Name, d.Trigger, story(run))
		}
	}
	if told != int64(len(instants)) {
		h.fault("%q has %d instants up to %s, and its records tell of %d", d.Name, len(instants), clock.RecordedTime, told)
	}
	if h.t.Failed() {
		for _, run := range slices.Backward(fires) {
			h.say("%s: run %d: %s, end %s", d.Name, run.ID, story(run), run.EndTime.Format("15:04:05.000000"))
		}
	}
}

// withoutExclusions returns a trigger with all the instants that exclusions take out of it.
func withoutExclusions(t schedule.Trigger) schedule.Trigger {
	t.Exclusions = nil
	if k, ok := t.Kind.(schedule.AnyOf); ok {
		parts := slices.Clone(k.Triggers)
		for i := range parts {
			parts[i] = withoutExclusions(parts[i])
		}
		t.Kind = schedule.AnyOf{Triggers: parts}
	}
	return t
}
