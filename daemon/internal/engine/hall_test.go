package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestARunWaitsForAWorkerAndGoesWhenThereIsOne(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("job"))
		for range 3 {
			s.call("job")
			s.sleep(time.Second)
		}
		s.want("job", "scheduled worker", "scheduled worker", "scheduled worker")
		s.crew.has("ann", 1, "job")
		s.sleep(time.Second)
		s.want("job", "running 3- ann", "scheduled worker", "scheduled worker")
		s.sleep(time.Minute)
		s.want("job", "succeeded 3-13 ann", "succeeded 13-23 ann", "succeeded 23-33 ann")
	})
}

func TestThoseWhoWaitForOneWorkerGoInTheOrderInWhichTheyCame(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("a"), s.job("b"), s.job("c"))
		s.crew.has("ann", 1, "a", "b")
		for _, name := range []string{"a", "b", "b", "a", "c", "b"} {
			s.call(name)
		}
		s.sleep(95 * time.Second)
		if got, want := s.crew.began(), "a:1.1 b:2.1 b:3.1 a:4.1 b:6.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
		s.want("c", "scheduled worker")
	})
}

func TestWhoComesAtTheInstantAtWhichAPlaceBecomesFreeDoesNotOvertakeForLong(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(ctx context.Context, _ target.Attempt) error { return takes(ctx, time.Second) }
		s.crew.has("ann", 1, "a", "b")
		b := s.job("b", task.Policy{Overlap: task.OverlapAllow})
		b.Declaration.Trigger = schedule.MustParse("every 1s")
		s.start(s.job("a"), b)
		s.sleep(2500 * time.Millisecond)
		a := s.call("a")
		s.sleep(5 * time.Second)
		if run := s.run(a.ID); run.State != task.Succeeded {
			t.Errorf("after five seconds of other runs it is %s", tale(run))
		}
	})
}

func TestAFullWorkerKeepsNoOtherTaskWaiting(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.change = also(s.change, func(c *engine.Config) {
			c.Limits = task.Limits{MaxRunning: 3}
			c.Groups = map[string]task.Limits{"g": {MaxRunning: 2}}
		})
		s.start(in("g", s.job("slow")), in("g", s.job("other")), engine.Task{
			Target:      local(func(ctx context.Context) error { return takes(ctx, time.Second) }),
			Declaration: task.Declaration{Name: "here", Group: "g", Trigger: schedule.MustParse("every 24h")},
		})
		s.crew.has("ann", 1, "slow")
		s.crew.has("bob", 1, "other")
		for range 5 {
			s.call("slow")
		}
		s.call("other")
		s.sleep(time.Second)
		s.want("other", "running 0- bob")
		s.call("here") // the group is full of runs that go
		s.sleep(500 * time.Millisecond)
		s.want("here", "scheduled limit")
		s.sleep(10 * time.Second)
		s.call("other")
		s.call("here")
		s.sleep(time.Second)
		s.want("here", "succeeded 10-11", "scheduled limit")
		s.sleep(100 * time.Second)
		s.want("slow", "succeeded 0-10 ann", "succeeded 10-20 ann", "succeeded 21-31 ann", "succeeded 31-41 ann", "succeeded 41-51 ann") // after a turn of "here" in the group
	})
}

func also(fs ...func(*engine.Config)) func(*engine.Config) {
	return func(c *engine.Config) {
		for _, f := range fs {
			if f != nil {
				f(c)
			}
		}
	}
}

func TestWhoWaitsForAPlaceAmongTheLimitsHoldsNoneAtAWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.change = also(s.change, func(c *engine.Config) { c.Groups = map[string]task.Limits{"g": {MaxRunning: 1}} })
		s.start(in("g", s.job("a")), in("g", s.job("b")), s.job("free"))
		s.crew.has("ann", 2, "a", "b", "free")
		s.call("a")
		s.call("b")
		s.sleep(time.Second)
		s.want("b", "scheduled limit")
		s.call("free")
		s.sleep(time.Minute)
		s.want("free", "succeeded 1-11 ann")
		s.want("b", "succeeded 10-20 ann")
	})
}

func TestWhoFindsAWorkerAndNoPlaceAmongTheLimitsGoesBackToItsTurnThere(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.change = also(s.change, func(c *engine.Config) { c.Groups = map[string]task.Limits{"g": {MaxRunning: 1}} })
		s.start(in("g", s.job("first")), in("g", s.job("second")), in("g", s.job("third")))
		s.crew.has("bob", 1, "second", "third")
		s.call("first") // finds no worker
		s.sleep(time.Second)
		s.call("second")
		s.call("third")
		s.sleep(time.Second)
		s.want("first", "scheduled worker")
		s.want("third", "scheduled limit")
		s.crew.has("ann", 1, "first")
		s.sleep(time.Second)
		s.want("first", "scheduled limit")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), "second:2.1 first:1.1 third:3.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestTheRateIsNotSpentOnWhoFindsNoWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.change = also(s.change, func(c *engine.Config) { c.Limits = task.Limits{StartRate: 0.1} })
		s.start(s.job("nobody"), s.job("job"))
		s.crew.has("ann", 5, "job")
		for range 3 {
			s.call("nobody")
			s.call("job")
		}
		s.sleep(time.Minute)
		s.want("job", "succeeded 0-10 ann", "succeeded 10-20 ann", "succeeded 20-30 ann")
		s.want("nobody", "scheduled worker", "scheduled worker", "scheduled worker")
	})
}

func TestMoreThanMayWaitForWorkersAreSkipped(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.change = also(s.change, func(c *engine.Config) {
			c.Limits = task.Limits{MaxWaiting: 3}
			c.Groups = map[string]task.Limits{"g": {MaxWaiting: 1}}
		})
		s.start(in("g", s.job("a")), s.job("b"))
		for range 2 {
			s.call("a")
		}
		for range 3 {
			s.call("b")
		}
		s.sleep(time.Second)
		s.want("a", "scheduled worker", "skipped limit")
		s.want("b", "scheduled worker", "scheduled worker", "skipped limit")
	})
}

func TestAPauseTakesAFireThatWaitsForAWorkerAndLeavesACall(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		job := s.job("job", task.Policy{Overlap: task.OverlapAllow})
		job.Declaration.Trigger = schedule.MustParse("every 1s")
		s.start(job)
		s.call("job")
		s.sleep(1500 * time.Millisecond)
		s.want("job", "scheduled worker", "scheduled worker")
		if _, err := s.e.PauseTask(t.Context(), task.ByName("job"), task.PauseChange{}); err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Second)
		s.want("job", "scheduled worker", "skipped paused")
		s.crew.has("ann", 1, "job")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), "job:1.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestARunThatWaitsForAWorkerIsCanceled(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("job"))
		first, second := s.call("job"), s.call("job")
		s.sleep(time.Second)
		run, err := s.e.CancelRun(t.Context(), first.ID, task.Edit{Actor: "me"})
		if err != nil || run.State != task.Canceled {
			t.Errorf("canceled: %v, %v", run.State, err)
		}
		s.crew.has("ann", 1, "job")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), fmt.Sprintf("job:%d.1", second.ID); got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestRunsThatWaitForAWorkerGoOnAfterARestartInTheirOrder(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		tasks := []engine.Task{s.job("a"), s.job("b")}
		s.start(tasks...)
		for _, name := range []string{"b", "a", "b"} {
			s.call(name)
			s.sleep(time.Second)
		}
		s.start(tasks...)
		s.call("a")
		s.sleep(time.Second)
		s.want("a", "scheduled worker", "scheduled worker")
		s.crew.has("ann", 1, "a", "b")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), "b:1.1 a:2.1 b:3.1 a:4.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestARunThatWaitsForAWorkerCountsAsGoing(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		for overlap, want := range map[task.Overlap][]string{
			task.OverlapSkip:   {"scheduled worker", "skipped overlap", "skipped overlap"},
			task.OverlapQueue:  {"scheduled worker", "scheduled overlap", "skipped overlap"},
			task.OverlapCancel: {"skipped overlap", "skipped overlap", "scheduled worker"},
		} {
			name := fmt.Sprintf("job%d", overlap)
			job := s.job(name, task.Policy{Overlap: overlap})
			job.Declaration.Trigger = schedule.MustParse("every 1s max=3")
			s.start(job)
			s.sleep(3500 * time.Millisecond)
			s.want(name, want...)
		}
	})
}

func TestADeletedTaskLeavesNobodyBehindInTheHall(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start()
		make := func(name string) {
			_, err := s.e.CreateTask(t.Context(), task.TaskCreate{Declaration: task.Declaration{
				Name: name, Trigger: schedule.MustParse("every 24h"), Spec: &task.TargetSpec{},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		make("gone")
		make("stays")
		s.call("gone")
		s.call("stays")
		s.sleep(time.Second)
		if err := s.e.DeleteTask(t.Context(), task.ByName("gone"), task.Edit{}); err != nil {
			t.Fatal(err)
		}
		make("gone")
		s.call("gone")
		s.crew.has("ann", 1, "gone", "stays")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), "stays:2.1 gone:3.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestATaskThatIsNoMoreDeclaredLeavesNobodyBehindInTheHall(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("gone"), s.job("stays"))
		s.call("gone")
		s.call("stays")
		s.sleep(time.Second)
		if err := s.e.Reload(t.Context(), engine.Program{Tasks: []engine.Task{s.job("stays")}}); err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Second)
		s.want("gone", "skipped orphaned")
		s.crew.has("ann", 1, "gone", "stays")
		s.sleep(time.Minute)
		if got, want := s.crew.began(), "stays:2.1"; got != want {
			t.Errorf("began %s, want %s", got, want)
		}
	})
}

func TestAReloadThatTakesATaskFromTheWorkersStartsWhatWaitedForOne(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("job"))
		s.call("job")
		s.sleep(time.Second)
		job := s.job("job")
		job.Target = local(func(ctx context.Context) error { return takes(ctx, time.Second) })
		job.Declaration.Target = task.Target{Kind: "local"}
		if err := s.e.Reload(t.Context(), engine.Program{Tasks: []engine.Task{job}}); err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Minute)
		s.want("job", "succeeded 1-2")
	})
}

func TestAReloadThatLeavesATaskToWorkersLetsItWaitForOne(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		job := s.job("job")
		job.Target = local(func(ctx context.Context) error { return takes(ctx, 5*time.Second) })
		s.start(job)
		s.call("job")
		s.sleep(time.Second)
		if err := s.e.Reload(t.Context(), engine.Program{Tasks: []engine.Task{s.job("job")}}); err != nil {
			t.Fatal(err)
		}
		s.call("job")
		s.sleep(time.Minute)
		s.want("job", "succeeded 0-5", "scheduled worker")
	})
}

func TestARunOfATaskThatIsRenamedIsThereForWorkersOfTheNewName(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("old"))
		s.crew.has("ann", 1, "new")
		s.call("old")
		s.call("old")
		s.sleep(time.Second)
		job := s.job("new")
		job.FormerNames = []string{"old"}
		if err := s.e.Reload(t.Context(), engine.Program{Tasks: []engine.Task{job}}); err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Minute)
		s.want("new", "succeeded 1-11 ann", "succeeded 11-21 ann")
	})
}

func TestAStopWithRunsThatWaitForAWorkerTakesNoTime(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("job"))
		s.call("job")
		s.sleep(time.Second)
		before := time.Now()
		s.stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("the stop took %s", took)
		}
		run, err := s.store.Run(t.Context(), 1)
		if err != nil || tale(run) != "scheduled worker" || run.Attempt != 0 {
			t.Errorf("left: %s, attempt %d, %v", tale(run), run.Attempt, err)
		}
	})
}

// waits is a meter that knows how many wait for what.
type waits struct {
	mu sync.Mutex
	n  map[string]int
}

func (w *waits) Waiting(group string, what task.Reason, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n[fmt.Sprint(group, " ", int(what))] = n
}
func (*waits) Recorded(task.Run) {}
func (*waits) Ended(task.Run)    {}
func (*waits) Running(int)       {}
func (*waits) Store(bool)        {}

func TestTheMeterIsToldWhoWaitsForAWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		m := &waits{n: map[string]int{}}
		s.change = also(s.change, func(c *engine.Config) { c.Meter = m })
		s.start(in("g", s.job("a")), s.job("b"))
		s.call("a")
		s.call("a")
		s.call("b")
		s.sleep(time.Second)
		if got, want := fmt.Sprint(m.n), "map[ 7:1 g 7:2]"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		s.crew.has("ann", 3, "a", "b")
		s.sleep(time.Second)
		if got, want := fmt.Sprint(m.n), "map[ 7:0 g 7:0]"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// Whoever waits for workers that are not there costs those who go nothing, and those who end little.
func TestThousandsOfTasksWithoutAWorkerAreNotAskedAboutAgainAndAgain(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		const idle = 5_000
		s.crew.work = func(ctx context.Context, _ target.Attempt) error { return takes(ctx, time.Millisecond) }
		tasks := []engine.Task{s.job("busy")}
		for i := range idle {
			tasks = append(tasks, s.job(fmt.Sprint("idle", i)))
		}
		tasks = append(tasks, engine.Task{
			Target:      local(func(context.Context) error { return nil }),
			Declaration: task.Declaration{Name: "here", Trigger: schedule.MustParse("every 24h")},
		})
		s.start(tasks...)
		for i := range idle {
			s.call(fmt.Sprint("idle", i))
		}
		s.sleep(time.Second)
		s.crew.mu.Lock()
		s.crew.asked = 0
		s.crew.mu.Unlock()
		for range 100 {
			s.call("here")
			s.call("idle7")
		}
		s.sleep(time.Second)
		if s.crew.asked != 0 {
			t.Errorf("workers were asked %d times because of runs that need none, or wait behind others of their task", s.crew.asked)
		}
		s.crew.has("ann", 1, "busy")
		s.sleep(time.Second) // that they are asked about once is right
		s.crew.mu.Lock()
		s.crew.asked = 0
		s.crew.mu.Unlock()
		for range 100 {
			s.call("busy")
		}
		s.sleep(20 * time.Second)
		if n := strings.Count(s.crew.began(), "busy"); n != 100 {
			t.Errorf("%d of 100 runs of a task that has a worker went", n)
		}
		limit := 110 * idle
		if strings.HasSuffix(t.Name(), "the_open_are_asked") {
			limit = 400
		}
		if s.crew.asked > limit {
			t.Errorf("workers were asked %d times for 100 runs, want %d at most", s.crew.asked, limit)
		}
		t.Logf("asked %d times", s.crew.asked)
	})
}
