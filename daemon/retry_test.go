package daemon_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// fails makes a task whose attempts each take that long and fail, but for those from a number on.
func fails(name, trigger string, takes time.Duration, until int, p task.Policy) daemon.Task {
	return daemon.Task{Name: name, Trigger: schedule.MustParse(trigger), Policy: p, Do: daemon.Func(
		func(ctx context.Context, r daemon.Run) (any, error) {
			if takes > 0 {
				select {
				case <-time.After(takes):
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			}
			if r.Attempt >= until {
				return r.Attempt, nil
			}
			return nil, fmt.Errorf("no paper in tray %d", r.Attempt)
		})}
}

// attempts tells the attempts of the newest run of a task: when each started and ended, and how.
func (w *world) attempts(name string) string {
	w.t.Helper()
	runs := w.runs(name)
	if len(runs) == 0 {
		return ""
	}
	run, err := w.d.Client().Run(w.t.Context(), runs[len(runs)-1].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, a := range run.Earlier {
		lines = append(lines, fmt.Sprintf("%d: %s-%s %s", a.Number, a.StartTime.Format("05.0"), a.EndTime.Format("05.0"), a.State))
	}
	last := fmt.Sprintf("%d:", run.Attempt)
	if !run.StartTime.IsZero() {
		last += " " + run.StartTime.Format("05.0") + "-"
	}
	if !run.StartTime.IsZero() && !run.EndTime.IsZero() {
		last += run.EndTime.Format("05.0")
	}
	return strings.Join(append(lines, last+" "+run.State.String()), ", ")
}

func TestAFailedRunIsTriedAgainWithGrowingWaitsUpToACap(t *testing.T) {
	for _, row := range []struct {
		name  string
		until int
		retry task.Retry
		want  string
	}{
		{"no retry", 9, task.Retry{}, "1: 01.0-02.0 failed"},
		{"until it succeeds", 3, task.Retry{MaxAttempts: 5}, "1: 01.0-02.0 failed, 2: 03.0-04.0 failed, 3: 06.0-07.0 succeeded"},
		{"until there is no attempt left", 9, task.Retry{MaxAttempts: 3, Backoff: 2 * time.Second}, "1: 01.0-02.0 failed, 2: 04.0-05.0 failed, 3: 09.0-10.0 failed"},
		{
			"with a cap", 9,
			task.Retry{MaxAttempts: 4, Backoff: 2 * time.Second, MaxBackoff: 3 * time.Second},
			"1: 01.0-02.0 failed, 2: 04.0-05.0 failed, 3: 08.0-09.0 failed, 4: 12.0-13.0 failed",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(fails("job", "every 1s max=1", time.Second, row.until, task.Policy{Retry: row.retry}))
				w.sleep(time.Minute)
				if got := w.attempts("job"); got != row.want {
					t.Errorf("%s\nwant %s", got, row.want)
				}
			})
		})
	}
}

func TestJitterShortensTheWaitByChanceThatIsTheSameOnEveryStore(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	inWorld(t, func(t *testing.T, w *world) {
		retry := task.Retry{MaxAttempts: 2, Backoff: 10 * time.Second, Jitter: 0.5}
		var tasks []daemon.Task
		for i := range 20 {
			tasks = append(tasks, fails(fmt.Sprintf("job%02d", i), "once", 0, 9, task.Policy{Retry: retry}))
		}
		w.start(tasks...)
		w.sleep(20 * time.Second)
		waits := map[time.Duration]bool{}
		for _, job := range tasks {
			run := w.runs(job.Name)[0]
			wait := run.StartTime.Sub(midnight)
			if wait <= 5*time.Second || wait > 10*time.Second {
				t.Errorf("%q waited for %s", job.Name, wait)
			}
			waits[wait] = true
			mu.Lock()
			seen[fmt.Sprintf("%s %s", run.ID, wait)]++
			mu.Unlock()
		}
		if len(waits) < 15 {
			t.Errorf("20 runs waited for %d different spans", len(waits))
		}
	})
	for what, n := range seen {
		if n != 2 {
			t.Errorf("%s on %d stores", what, n)
		}
	}
}

func TestEachAttemptHasTheWholeTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := task.Policy{Timeout: 2 * time.Second, Retry: task.Retry{MaxAttempts: 2, Backoff: 3 * time.Second}}
		w.start(fails("job", "every 1s max=1", time.Minute, 9, p))
		w.sleep(time.Minute)
		if got, want := w.attempts("job"), "1: 01.0-03.0 timed out, 2: 06.0-08.0 timed out"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

func TestARunBetweenTwoAttemptsCountsAsGoing(t *testing.T) {
	for _, row := range []struct {
		name    string
		overlap task.Overlap
		want    []string
	}{
		{"skip", task.OverlapSkip, []string{"1 succeeded 4-4 #2", "2 skipped overlap", "3 skipped overlap"}},
		{"queue", task.OverlapQueue, []string{"1 succeeded 4-4 #2", "2 succeeded 7-7 #2", "3 skipped overlap"}},
		{"cancel", task.OverlapCancel, []string{"1 canceled #2", "2 canceled #2", "3 succeeded 6-6 #2"}},
		{"allow", task.OverlapAllow, []string{"1 succeeded 4-4 #2", "2 succeeded 5-5 #2", "3 succeeded 6-6 #2"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := task.Policy{Overlap: row.overlap, Retry: task.Retry{MaxAttempts: 2, Backoff: 3 * time.Second}}
				w.start(fails("job", "every 1s max=3", 0, 2, p))
				w.sleep(time.Minute)
				w.wantTales("job", row.want...)
			})
		})
	}
}

func TestARunBetweenTwoAttemptsCanBeCanceled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(fails("job", "every 1s max=1", 0, 9, task.Policy{Retry: task.Retry{MaxAttempts: 3, Backoff: 5 * time.Second}}))
		w.sleep(3 * time.Second)
		if got, want := w.attempts("job"), "1: 01.0-01.0 failed, 2: scheduled"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		run := w.runs("job")[0]
		if want := midnight.Add(6 * time.Second); !run.NextAttemptTime.Equal(want) {
			t.Errorf("the next attempt is at %s, want %s", run.NextAttemptTime, want)
		}
		got, err := c.CancelRun(t.Context(), run.ID, "enough")
		if err != nil || got.State != task.Canceled || !got.EndTime.Equal(midnight.Add(3*time.Second)) {
			t.Errorf("canceled: %+v, %v", got, err)
		}
		w.sleep(time.Minute)
		if got, want := w.attempts("job"), "1: 01.0-01.0 failed, 2: canceled"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

func TestARunThatHasBegunIsTriedAgainThoughItsTaskIsPaused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(fails("job", "every 1s", 0, 2, task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: 5 * time.Second}}))
		w.sleep(1500 * time.Millisecond)
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		w.wantTales("job", "1 succeeded 6-6 #2")
	})
}

func TestWhatFollowsRunsHearsOfTheEndOfTheRunAndNotOfAnAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		retry := task.Retry{MaxAttempts: 2, Backoff: 3 * time.Second}
		w.start(fails("loop", "forever max=2", time.Second, 2, task.Policy{Retry: retry}),
			fails("delay", "every 10s fixed-delay max=2", time.Second, 2, task.Policy{Retry: retry}))
		w.sleep(time.Minute)
		w.wantTales("loop", "0 succeeded 4-5 #2", "5 succeeded 9-10 #2")
		w.wantTales("delay", "10 succeeded 14-15 #2", "25 succeeded 29-30 #2")
	})
}

func TestACallThatWaitsIsAnsweredAfterTheLastAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(fails("job", "every 1h", time.Second, 3, task.Policy{Retry: task.Retry{MaxAttempts: 3}}))
		run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true})
		if err != nil || run.State != task.Succeeded || run.Attempt != 3 || string(run.Output) != "3" {
			t.Errorf("%+v, %v", run, err)
		}
	})
}

func TestARunBetweenTwoAttemptsGoesOnAfter(t *testing.T) {
	inWorldThatRestarts(t, func(t *testing.T, w *world, how string, restart func()) {
		for _, row := range []struct {
			name     string
			delivery task.Delivery
			down     time.Duration
			crash    string
			stop     string
		}{
			// An attempt that was due while nobody was there may have been begun by the process that died.
			{"back in time", task.AtLeastOnce, time.Second, "1: failed, 2: succeeded", "1: failed, 2: succeeded"},
			{"back too late", task.AtLeastOnce, time.Minute, "1: failed, 2: lost, 3: succeeded", "1: failed, 2: succeeded"},
			{"back in time, at most once", task.AtMostOnce, time.Second, "1: failed, 2: succeeded", "1: failed, 2: succeeded"},
			{"back too late, at most once", task.AtMostOnce, time.Minute, "1: failed, 2: lost", "1: failed, 2: succeeded"},
		} {
			job := fails(row.name, "every 1s max=1", 0, 2, task.Policy{Delivery: row.delivery, Retry: task.Retry{MaxAttempts: 2, Backoff: 10 * time.Second}})
			w.start(job)
			w.sleep(3 * time.Second)
			restart()
			w.sleep(row.down)
			w.start(job)
			w.sleep(20 * time.Second)
			run, err := w.d.Client().Run(t.Context(), w.runs(row.name)[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range run.Earlier {
				got = append(got, fmt.Sprintf("%d: %s", a.Number, a.State))
			}
			got = append(got, fmt.Sprintf("%d: %s", run.Attempt, run.State))
			want := row.stop
			if how == "a crash" {
				want = row.crash
			}
			if s := strings.Join(got, ", "); s != want {
				t.Errorf("%s, %s: %s, want %s", row.name, how, s, want)
			}
			if how == "a stop" && row.down == time.Second && !run.NextAttemptTime.Equal(run.Earlier[0].EndTime.Add(10*time.Second)) {
				t.Errorf("%s: the next attempt was moved to %s", row.name, run.NextAttemptTime)
			}
		}
	})
}

func TestAttemptsWhoseNodeDiedDoNotCountAgainstTheLimit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		w.grace = time.Millisecond
		job := fails("job", "every 1s max=1", 5*time.Second, 9, task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: time.Second}})
		w.start(job)
		w.sleep(3 * time.Second)
		w.crash(&down)
		w.start(job)
		w.sleep(time.Minute)
		run := w.runs("job")[0]
		states := []task.RunState{}
		for _, a := range run.Earlier {
			states = append(states, a.State)
		}
		if want := []task.RunState{task.Lost, task.Failed}; !slices.Equal(states, want) || run.State != task.Failed || run.Attempt != 3 {
			t.Errorf("%v and then attempt %d %s, want %v and 3 failed", states, run.Attempt, run.State, want)
		}
	})
}

func TestAStopDoesNotWaitForAnAttemptThatIsToCome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.grace = time.Minute
		job := fails("job", "every 1s max=1", 2*time.Second, 2, task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: 10 * time.Second}})
		w.start(job)
		w.sleep(2 * time.Second)
		w.stop() // the attempt fails while it waits for it
		if now := w.now(); !now.Equal(midnight.Add(3 * time.Second)) {
			t.Errorf("stopped at %s", now)
		}
		w.sleep(time.Second)
		w.start(job)
		w.sleep(time.Minute)
		w.wantTales("job", "1 succeeded 13-15 #2")
	})
}

func TestARunThatIsCanceledAfterItsTimeoutIsNotTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(daemon.Task{
			Name: "job", Trigger: schedule.MustParse("every 1s max=1"),
			Policy: task.Policy{Timeout: time.Second, Retry: task.Retry{MaxAttempts: 5}},
			Do: daemon.Func(func(ctx context.Context, _ daemon.Run) (any, error) {
				<-ctx.Done()
				time.Sleep(2 * time.Second) // it puts its things in order
				return nil, context.Cause(ctx)
			}),
		})
		w.sleep(3 * time.Second)
		run, err := c.CancelRun(t.Context(), w.runs("job")[0].ID, "enough")
		if err != nil || run.State != task.Canceled || run.Error != "canceled: enough" || !run.EndTime.Equal(midnight.Add(4*time.Second)) {
			t.Errorf("%s, %v", tale(run), err)
		}
		w.sleep(time.Minute)
		w.wantTales("job", "1 canceled 1-4")
	})
}
