package daemon_test

import (
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// spread is every ten minutes, started up to nine minutes later.
const spread = "every 10m jitter=9m"

// startOf is when a fire of a task starts, by the rule that package schedule promises for every version.
func startOf(t *testing.T, name, trigger string, fire, following time.Time) time.Time {
	t.Helper()
	c, err := schedule.Compile(schedule.MustParse(trigger))
	if err != nil {
		t.Fatal(err)
	}
	return c.Jittered(task.IDOf(daemon.DefaultNamespace, name), fire, following)
}

// firstStart is the start of the first fire of a spread task that was declared at midnight. It is far from the
// fire and from the one that follows, so that things can happen in between.
func firstStart(t *testing.T, name string) time.Time {
	t.Helper()
	fire := midnight.Add(10 * time.Minute)
	start := startOf(t, name, spread, fire, fire.Add(10*time.Minute))
	if wait := start.Sub(fire); wait < time.Minute || wait > 8*time.Minute {
		t.Fatalf("%q waits for %s: give it another name", name, wait)
	}
	return start
}

// waiting declares a spread task and lets its first fire come, which then waits for its start.
func (w *world) waiting(start time.Time, tasks ...daemon.Task) *client.Client {
	w.t.Helper()
	c := w.start(tasks...)
	w.sleep(10*time.Minute + time.Second)
	w.wantRuns("job", "00:10:00 scheduled")
	if got := w.runs("job")[0].JitteredTime; !got.Equal(start) {
		w.t.Fatalf("it is to start at %s, want %s", got, start)
	}
	return c
}

// until lets time pass up to an instant and what is done then.
func (w *world) until(at time.Time) {
	w.t.Helper()
	w.sleep(time.Until(at))
}

// wantStarts compares when the runs of a task started with when they were to start.
func (w *world) wantStarts(name string, want ...time.Time) {
	w.t.Helper()
	var got []time.Time
	for _, r := range w.runs(name) {
		if r.Lateness() != 0 || !r.StartTime.Equal(r.JitteredTime) {
			w.t.Errorf("%s started at %s and was to start at %s", story(r), r.StartTime, r.JitteredTime)
		}
		got = append(got, r.StartTime)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("starts of %q, -want +got\n%s", name, diff)
	}
}

func TestAJitteredRunStartsAtItsJitteredInstantAndIsNotLate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", spread, 0))
		var starts []time.Time
		for i := range 6 {
			fire := midnight.Add(time.Duration(i+1) * 10 * time.Minute)
			starts = append(starts, startOf(t, "job", spread, fire, fire.Add(10*time.Minute)))
		}
		for _, start := range starts {
			w.until(start.Add(-time.Microsecond))
			runs := w.runs("job")
			if last := runs[len(runs)-1]; last.State != task.Scheduled || !last.StartTime.IsZero() {
				t.Fatalf("a microsecond before %s: %s", start, story(last))
			}
			w.sleep(time.Microsecond)
		}
		w.wantRuns("job", "00:10:00 succeeded", "00:20:00 succeeded", "00:30:00 succeeded", "00:40:00 succeeded", "00:50:00 succeeded", "01:00:00 succeeded")
		w.wantStarts("job", starts...)
	})
}

func TestAFireIsNotMissedBeforeItsJitteredInstantHasPassed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", spread, 0)
		job.Policy.CatchUp = task.CatchUpNone
		start := firstStart(t, "job")
		w.start(job)
		w.sleep(9 * time.Minute)
		w.stop()
		w.until(start.Add(-time.Second)) // long after the planned instant
		w.start(job)
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
	})
}

func TestPreviewOfATaskAnnouncesTheStartsThatThenHappen(t *testing.T) {
	for _, trigger := range []string{
		spread,
		"every 1s jitter=10s max=20",
		`any(cron "*/7 * * * * *" UTC max=5; every 4s) jitter=3s`,
		"every 5m jitter=2h max=3",
		"every 10s jitter=1m exclude(window 00:01-00:02 UTC)",
	} {
		t.Run(trigger, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", trigger, 0))
				foretold, err := c.PreviewTask(t.Context(), ref("job"), time.Time{}, 20)
				if err != nil {
					t.Fatal(err)
				}
				bare, err := c.PreviewTrigger(t.Context(), schedule.MustParse(trigger), time.Time{}, 20)
				if err != nil || len(bare.Fires) != len(foretold.Fires) {
					t.Fatalf("bare: %+v, %v", bare, err)
				}
				last := foretold.Fires[len(foretold.Fires)-1]
				w.until(last.JitteredTime)
				var runs []task.Run
				for _, r := range w.runs("job") {
					if r.Reason != task.ReasonExcluded && !r.ScheduledTime.After(last.Time) {
						runs = append(runs, r)
					}
				}
				if len(runs) != len(foretold.Fires) {
					t.Fatalf("%d fires were foretold, %d came", len(foretold.Fires), len(runs))
				}
				for i, f := range foretold.Fires {
					if r := runs[i]; !r.ScheduledTime.Equal(f.Time) || !r.JitteredTime.Equal(f.JitteredTime) || !r.StartTime.Equal(f.JitteredTime) {
						t.Errorf("fire %d: %+v was foretold, %s came, to start at %s, started at %s", i, f, r.ScheduledTime, r.JitteredTime, r.StartTime)
					}
					if f.JitteredTime.Before(f.Time) || f.JitteredTime.Sub(f.Time) >= f.JitterLimit {
						t.Errorf("fire %d: %s is not within %s after %s", i, f.JitteredTime, f.JitterLimit, f.Time)
					}
					if b := bare.Fires[i]; b.JitterLimit != f.JitterLimit || !b.JitteredTime.IsZero() || !b.Time.Equal(f.Time) {
						t.Errorf("fire %d of the bare trigger: %+v, want the limit %s and no start", i, b, f.JitterLimit)
					}
				}
			})
		})
	}
}

func TestTheLimitOfJitterIsTheDistanceToTheFollowingFire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		got, err := c.PreviewTrigger(t.Context(), schedule.MustParse("any(every 1s max=2; every 3s) max=4 jitter=2s"), time.Time{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		var limits []time.Duration
		for _, f := range got.Fires {
			limits = append(limits, f.JitterLimit)
		}
		// At 1s, 2s, 3s and 6s, which is the last.
		if diff := cmp.Diff([]time.Duration{time.Second, time.Second, 2 * time.Second, 2 * time.Second}, limits); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestTasksWithTheSameTriggerStartApartAndTheSameTaskOfAnotherDaemonAtTheSameInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const trigger = `cron "*/10 * * * *" UTC jitter=9m`
		w.start(at("one", trigger, 0), at("two", trigger, 0))
		other := &world{t: t, log: w.log, grace: w.grace, store: memory.New(memory.Config{Namespace: daemon.DefaultNamespace})}
		other.start(at("one", trigger, 0))
		w.sleep(time.Hour - time.Second)
		other.sleep(0)
		one, two, same := w.runs("one"), w.runs("two"), other.runs("one")
		if len(one) != 5 || len(two) != 5 || len(same) != 5 {
			t.Fatalf("%d, %d and %d runs", len(one), len(two), len(same))
		}
		for i := range one {
			if one[i].StartTime.Equal(two[i].StartTime) {
				t.Errorf("both start at %s", one[i].StartTime)
			}
			if !one[i].StartTime.Equal(same[i].StartTime) {
				t.Errorf("here it starts at %s, there at %s", one[i].StartTime, same[i].StartTime)
			}
		}
		other.stop()
	})
}

func TestAPauseTakesAWaitingFireBackAndItIsSkippedEvenIfItEndsBeforeTheStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0))
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.wantRuns("job", "00:10:00 skipped paused")
		w.sleep(time.Second)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.until(start.Add(time.Second))
		w.wantRuns("job", "00:10:00 skipped paused")
		w.until(midnight.Add(30 * time.Minute))
		if got := w.task("job").Clock.FireCount; got != 2 { // 00:20, and 00:30 that waits
			t.Errorf("%d fires are counted, want 2", got)
		}
		w.wantRuns("job", "00:10:00 skipped paused", "00:20:00 succeeded", "00:30:00 scheduled")
	})
}

func TestAPauseThatEndsBeforeThePlannedInstantChangesNoStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.start(at("job", spread, 0))
		w.sleep(10*time.Minute - 50*time.Millisecond)
		w.wantRuns("job", "00:10:00 scheduled")
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.wantRuns("job")
		w.sleep(10 * time.Millisecond)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
	})
}

func TestAnUpdateLetsAWaitingFireStartAndTheNewTriggerCountsFromTheChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0)) // until 00:10:01
		u, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 7s max=3"), client.UpdateOptions{})
		if err != nil || len(u.NextFires) != 3 || !u.NextFires[0].Time.Equal(midnight.Add(10*time.Minute+8*time.Second)) {
			t.Fatalf("next fires %+v, %v", u.NextFires, err)
		}
		if p := u.PreviousFires; len(p) != 10 || !p[0].Time.Equal(midnight.Add(20*time.Minute)) {
			t.Errorf("without the change: %+v", p)
		}
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded", "00:10:08 succeeded", "00:10:15 succeeded", "00:10:22 succeeded")
		if got := w.runs("job")[0].StartTime; !got.Equal(start) {
			t.Errorf("it started at %s, want %s", got, start)
		}
		if got := w.task("job"); got.State != task.Exhausted || got.Clock.FireCount != 4 {
			t.Errorf("state %v after %d fires", got.State, got.Clock.FireCount)
		}
	})
}

func TestAFireThatWaitsThroughAnUpdateStartsAfterAStopToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start(at("job", spread, 0))
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
	})
}

func TestAPauseAfterAnUpdateRecordsTheFireThatStillWaitedAsSkipped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.until(start.Add(time.Second))
		w.wantRuns("job", "00:10:00 skipped paused")
		if got := w.task("job").Clock.FireCount; got != 0 {
			t.Errorf("%d fires are counted, want none", got)
		}
	})
}

func TestAResetLetsAWaitingFireStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse(spread), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		start := firstStart(t, "job")
		w.sleep(10*time.Minute + time.Second)
		if _, err := c.ResetTrigger(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.until(start)
		w.wantRuns("job", "00:10:00 succeeded")
		w.wantStarts("job", start)
		if got, want := w.task("job").Clock.NextFireTime, midnight.Add(70*time.Minute+time.Second); !got.Equal(want) {
			t.Errorf("next fire %s, want %s", got, want)
		}
	})
}

func TestANewDeclarationLetsAFireThatWaitedAtTheStopStart(t *testing.T) {
	for name, end := range map[string]func(w *world, down *outage){
		"stop":  func(w *world, _ *outage) { w.stop() },
		"crash": func(w *world, down *outage) { w.crash(down) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var down outage
				w.store = &hooked{Store: w.store, before: down.before}
				start := firstStart(t, "job")
				w.waiting(start, at("job", spread, 0))
				end(w, &down)
				w.start(at("job", "every 1h", 0))
				w.until(start)
				w.wantRuns("job", "00:10:00 succeeded")
				w.wantStarts("job", start)
				if got := w.task("job").Clock.FireCount; got != 1 {
					t.Errorf("%d fires are counted, want 1", got)
				}
			})
		})
	}
}

func TestACancelEndsAWaitingRunAndTheNextFireComes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0))
		run, err := c.CancelRun(t.Context(), w.runs("job")[0].ID, "not today")
		if err != nil || run.State != task.Canceled || !run.StartTime.IsZero() || !run.JitteredTime.Equal(start) {
			t.Errorf("%+v, %v", run, err)
		}
		w.sleep(20 * time.Minute)
		w.wantRuns("job", "00:10:00 canceled", "00:20:00 succeeded", "00:30:00 scheduled")
	})
}

func TestAFireIsSkippedIfACallThatBeganInItsWaitIsGoingAtItsStart(t *testing.T) {
	for name, tt := range map[string]struct {
		stillGoing bool
		fire       string
	}{
		"going": {true, "00:10:00 skipped overlap"},
		"ended": {false, "00:10:00 succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				const takes = 30 * time.Second
				start := firstStart(t, "job")
				c := w.waiting(start, at("job", spread, takes))
				if tt.stillGoing {
					w.until(start.Add(-takes / 2))
				}
				call, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true})
				if err != nil || call.State != task.Succeeded {
					t.Fatalf("the call: %s, %v", story(call), err)
				}
				w.until(start.Add(takes))
				w.wantRuns("job", tt.fire, story(call))
				if got := w.task("job").Clock.NextFireTime; !got.Equal(midnight.Add(20 * time.Minute)) {
					t.Errorf("next fire %s", got)
				}
			})
		})
	}
}

func TestJitterOfMoreThanTheIntervalNeverStartsARunBeforeTheOneBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 1s jitter=10s", 0))
		w.sleep(5*time.Minute + time.Second)
		runs := w.runs("job")
		if len(runs) < 300 {
			t.Fatalf("%d runs in five minutes", len(runs))
		}
		for i, r := range runs[:300] {
			if want := midnight.Add(time.Duration(i+1) * time.Second); !r.ScheduledTime.Equal(want) || r.State != task.Succeeded {
				t.Fatalf("run %d: %s, want the fire at %s", i, story(r), want)
			}
			if d := r.StartTime.Sub(r.ScheduledTime); d < 0 || d >= time.Second {
				t.Errorf("%s started %s after its fire", story(r), d)
			}
			if i > 0 && !r.StartTime.After(runs[i-1].StartTime) {
				t.Errorf("%s started at %s, the one before at %s", story(r), r.StartTime, runs[i-1].StartTime)
			}
		}
	})
}

func TestAFireThatWaitsForAnHourDoesNotHoldUpTheStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 6h jitter=5h", 0)
		w.start(job)
		w.sleep(6*time.Hour + time.Second)
		run := w.runs("job")[0]
		if wait := time.Until(run.JitteredTime); run.State != task.Scheduled || wait < time.Hour {
			t.Fatalf("%s waits for %s", story(run), wait)
		}
		began := time.Now()
		w.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("the stop took %s", took)
		}

		// The same where the fire is the trigger's before, to which the clock can not go back.
		c := w.start(job)
		w.sleep(time.Second)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 24h"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		w.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("the second stop took %s", took)
		}
		w.start(job)
		w.until(run.JitteredTime)
		w.wantRuns("job", "06:00:00 succeeded")
		w.wantStarts("job", run.JitteredTime)
	})
}

func TestWhatFollowsARunIsSpreadToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("loop", "forever jitter=10s max=20", time.Second), at("poll", "every 10s fixed-delay jitter=5s max=10", time.Second))
		w.sleep(5 * time.Minute)
		for name, tt := range map[string]struct {
			distance, jitter time.Duration
			count            int
		}{"loop": {0, 10 * time.Second, 20}, "poll": {10 * time.Second, 5 * time.Second, 10}} {
			runs := w.runs(name)
			if len(runs) != tt.count {
				t.Errorf("%q has %d runs, want %d", name, len(runs), tt.count)
			}
			after := midnight
			for _, r := range runs {
				if r.State != task.Succeeded || r.Lateness() != 0 {
					t.Errorf("%q: %s", name, story(r))
				}
				// Microseconds: an instant strictly after the end.
				if d := r.ScheduledTime.Sub(after); d < tt.distance || d > tt.distance+2*time.Microsecond {
					t.Errorf("%q fires %s after the end of the run before", name, d)
				}
				if d := r.StartTime.Sub(r.ScheduledTime); d < 0 || d >= tt.jitter {
					t.Errorf("%q starts %s after its fire", name, d)
				}
				after = r.EndTime
			}
		}
	})
}

func TestAWaitingRunIsToldWhenItIsToStartAndThatTheTaskGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, 0))
		got := w.task("job")
		if got.LastRun == nil || got.LastRun.State != task.Scheduled || !got.LastRun.JitteredTime.Equal(start) {
			t.Errorf("last run %+v", got.LastRun)
		}
		if !got.Clock.NextFireTime.Equal(midnight.Add(20 * time.Minute)) {
			t.Errorf("next fire %s", got.Clock.NextFireTime)
		}
		// A request that waits for the run is a call of its own and does not wait for the fire.
		run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{RequestID: uuid.New(), Wait: true})
		if err != nil || run.State != task.Succeeded || !run.JitteredTime.IsZero() || run.Lateness() != 0 {
			t.Errorf("called: %+v, %v", run, err)
		}
	})
}

func TestForeverGoesOnAfterAPauseThatSkippedAFireWhichWaitedThroughAnUpdate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		start := firstStart(t, "job")
		c := w.waiting(start, at("job", spread, time.Second)) // until 00:10:01
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("forever"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(1500 * time.Millisecond)
		w.wantRuns("job", "00:10:00 scheduled", "00:10:01 succeeded") // what is next follows both
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		resumed := time.Now()
		w.sleep(3 * time.Second)
		runs := w.runs("job")
		if last := runs[len(runs)-1]; last.State != task.Running || !last.ScheduledTime.After(resumed.Add(time.Second)) {
			t.Errorf("the last run is %s, the clock %+v", story(last), w.task("job").Clock)
		}
		if !slices.ContainsFunc(runs, func(r task.Run) bool { return story(r) == "00:10:00 skipped paused" }) {
			t.Errorf("no record says that the fire was skipped: %v", runs)
		}
	})
}
