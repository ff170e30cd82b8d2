package daemon_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

func TestWhatFollowsRunsGoesOnAfterItsRecordedFireWasCanceled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("poll", "every 10s fixed-delay max=3", time.Second))
		w.sleep(9950 * time.Millisecond)
		if _, err := c.CancelRun(t.Context(), w.runs("poll")[0].ID, ""); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		w.wantRuns("poll", "00:00:10 canceled", "00:00:20 succeeded", "00:00:31 succeeded")
	})
}

func TestAFireOfAProcessThatDiedIsNotLostBeforeItsInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		poll := at("poll", "every 10s fixed-delay max=3", time.Second)
		poll.Policy.Delivery = task.AtMostOnce
		w.start(poll)
		w.sleep(9 * time.Second)
		w.stop()
		// What a process leaves that dies between the claim of a fire and its instant.
		compiled, err := schedule.Compile(poll.Trigger)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.store.Claim(t.Context(), store.ClaimRequest{Ahead: 2 * time.Second, Limit: 1}, func(_ time.Time, d store.Due) store.Decision {
			clock := d.Clock
			run := task.Run{TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: clock.NextFireTime, Fires: 1, Attempt: 1}
			clock.FireCount++
			clock.Progress = compiled.Count(clock.NextFireTime, 0, clock.Progress)
			clock.NextFireTime = time.Time{}
			return store.Decision{Record: []task.Run{run}, Clock: clock, State: task.Active}
		})
		if err != nil {
			t.Fatal(err)
		}
		w.sleep(900 * time.Millisecond)
		w.start(poll)
		w.sleep(time.Minute)
		w.wantRuns("poll", "00:00:10 succeeded", "00:00:21 succeeded", "00:00:32 succeeded")
	})
}

func TestAFireThatWasMissedBeforeANewDeclarationIsNoLostRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		most := func(trigger string) daemon.Task {
			job := at("most", trigger, 0)
			job.Policy.Delivery = task.AtMostOnce
			return job
		}
		w.start(most("every 1m"), at("least", "every 1m", 0))
		w.sleep(90 * time.Second)
		w.stop()
		w.sleep(3 * time.Minute)
		w.start(most("every 1h"), at("least", "every 1h", 0))
		w.sleep(time.Minute)
		for _, name := range []string{"most", "least"} {
			w.wantRuns(name, "00:01:00 succeeded", "00:04:00 succeeded, 3 fires from 00:02:00, 30s late")
		}
	})
}

func TestAPauseDuringStartUpTakesBackWhatWasMissedBeforeANewDeclaration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 1m", 0))
		w.sleep(90 * time.Second)
		w.stop()
		w.sleep(3 * time.Minute)
		c := w.start(at("job", "every 1h", 0), at("up", "startup", time.Minute))
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(2 * time.Hour)
		w.wantRuns("job", "00:01:00 succeeded", "00:04:00 skipped paused, 3 fires from 00:02:00")
		got := w.task("job")
		if got.State != task.Paused || got.Clock.FireCount != 1 || got.Trigger().String() != "every 1h" {
			t.Errorf("after the pause: %d fires, state %d", got.Clock.FireCount, got.State)
		}
	})
}

func TestARunThatIsFoundBeforeItsInstantWaitsForIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 1h", 0))
		w.stop()
		w.left("job", midnight.Add(5*time.Second))
		w.start(at("job", "every 1h", 0))
		w.sleep(time.Minute)
		w.wantRuns("job", "00:00:05 succeeded")
	})
}

func TestCancelReachesARunThatWaitsForStartUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tasks := []daemon.Task{at("job", "every 1h", time.Minute), at("up", "startup", time.Minute)}
		w.start(tasks...)
		w.sleep(2 * time.Minute)
		w.stop()
		w.left("job", midnight.Add(time.Minute))
		c := w.start(tasks...)
		w.sleep(time.Second)
		began := time.Now()
		run, err := c.CancelRun(t.Context(), w.runs("job")[0].ID, "")
		if err != nil || run.State != task.Canceled || !run.StartTime.IsZero() || time.Since(began) != 0 {
			t.Errorf("after %s: %+v, %v", time.Since(began), run, err)
		}
		w.sleep(5 * time.Minute)
		w.wantRuns("job", "00:01:00 canceled, attempt 2")
	})
}

func TestAnInstantWhoseRunWasCanceledIsNotRecordedAgainByAPause(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		w.sleep(9900 * time.Millisecond)
		if _, err := c.CancelRun(t.Context(), w.runs("job")[0].ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(15 * time.Second)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.wantRuns("job", "00:00:10 canceled", "00:00:20 skipped paused")
	})
}

func TestWhatWouldHaveFiredAtOnceWhilePausedIsRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		w.sleep(time.Second)
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("once"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.wantRuns("job", "00:00:02 skipped paused")
	})
}

func TestTheEndOfARunDoesNotBringBackWhatPassedWhilePaused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "any(every 1h fixed-delay; every 10s)", 35*time.Second))
		w.sleep(15 * time.Second) // the run of 00:00:10 goes on until 00:00:45
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(28 * time.Second)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:40 skipped paused, 3 fires from 00:00:20", "00:00:50 running")
	})
}

func TestACanceledFireIsNotPlannedAgainWhenThoseBeforeItAreTakenBack(t *testing.T) {
	for _, name := range []string{"pause", "stop"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", "every 50ms", 0))
				w.sleep(10 * time.Millisecond)
				runs := w.runs("job") // those of the next 200 ms are recorded
				if _, err := c.CancelRun(t.Context(), runs[1].ID, ""); err != nil {
					t.Fatal(err)
				}
				switch name {
				case "pause":
					if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
						t.Fatal(err)
					}
					w.sleep(250 * time.Millisecond)
					if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
						t.Fatal(err)
					}
				case "stop":
					w.start(at("job", "every 50ms", 0))
					w.sleep(150 * time.Millisecond)
				}
				w.sleep(0) // what is claimed now is all recorded before it is counted
				seen, fires := map[time.Time]int64{}, int64(0)
				for _, run := range w.runs("job") {
					first := run.ScheduledTime.Add(-time.Duration(max(run.Fires-1, 0)) * 50 * time.Millisecond)
					for at := first; !at.After(run.ScheduledTime); at = at.Add(50 * time.Millisecond) {
						if seen[at]++; seen[at] > 1 {
							t.Errorf("%s has two records: %s", at, story(run))
						}
					}
					if run.State != task.Skipped {
						fires++
					}
				}
				if got := w.task("job").Clock.FireCount; got != fires {
					t.Errorf("%d fires are counted, %d have a record", got, fires)
				}
			})
		})
	}
}

func TestAFireOfAProcessThatDiedIsTakenBackByANewDeclaration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		w.grace = time.Millisecond
		w.start(at("job", "every 10s", 0))
		w.sleep(9950 * time.Millisecond) // the fire is recorded
		down.Store(true)
		end := w.end
		w.end = nil
		var died sync.WaitGroup
		died.Go(end)
		time.Sleep(10 * time.Millisecond)
		w.store = w.store.(*hooked).Store
		w.start(at("job", "every 1h", 0))
		w.sleep(time.Minute)
		w.wantRuns("job")
		if got := w.task("job").Clock.FireCount; got != 0 {
			t.Errorf("%d fires are counted", got)
		}
		died.Wait()
	})
}

func TestAStartUpFireHidesNothingThatWasMissed(t *testing.T) {
	for trigger, want := range map[string][]string{
		"any(startup; once 2000-01-01T00:01:00Z)": {
			"00:00:00 succeeded", "00:02:00 succeeded", "00:01:00 succeeded, 1m0s late",
		},
		"any(startup; every 1h fixed-delay; every 35s) until=2000-01-01T00:02:10Z": {
			"00:00:00 succeeded", "00:02:00 succeeded", "00:01:45 succeeded, 3 fires from 00:00:35, 15s late",
		},
	} {
		t.Run(trigger, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(at("job", trigger, 0))
				w.sleep(20 * time.Second)
				w.stop()
				w.sleep(100 * time.Second)
				w.start(at("job", trigger, 0))
				w.sleep(15 * time.Second)
				w.wantRuns("job", want...)
			})
		})
	}
}

func TestNoneOfManyMissedFiresRuns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		none := at("none", `cron "* * * * * *" UTC`, 0)
		none.Policy.CatchUp = task.CatchUpNone
		w.start(none)
		w.stop()
		w.sleep(150_000 * time.Second) // more than one decision deals with
		w.start(none)
		w.sleep(500 * time.Millisecond)
		var fires int64
		for _, run := range w.runs("none") {
			fires += run.Fires
			if run.State != task.Missed && run.Lateness() > 5*time.Second {
				t.Errorf("%s", story(run))
			}
		}
		if fires != 150_000 {
			t.Errorf("%d instants are recorded, want 150000", fires)
		}
	})
}

func TestForeverGoesOnAfterACallThatTheLastProcessLeft(t *testing.T) {
	for name, paused := range map[string]bool{"active": false, "paused": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var down outage
				w.store = &hooked{Store: w.store, before: down.before}
				w.grace = time.Millisecond
				loop := at("loop", "forever from=2000-01-01T00:00:10Z", 30*time.Second)
				if paused {
					loop.Policy.Delivery = task.AtMostOnce // nothing goes any more after the crash
				}
				c := w.start(loop)
				if _, err := c.RunTask(t.Context(), ref("loop"), client.RunOptions{}); err != nil {
					t.Fatal(err)
				}
				w.sleep(15 * time.Second) // the fire is skipped, the call goes on
				if paused {
					if _, err := c.PauseTask(t.Context(), ref("loop"), client.PauseOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				w.crash(&down)
				c = w.start(loop)
				w.sleep(time.Minute)
				if paused {
					if _, err := c.ResumeTask(t.Context(), ref("loop"), client.EditOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				w.sleep(time.Minute)
				runs := w.runs("loop")
				if last := runs[len(runs)-1]; last.Cause != task.ByFire || last.State == task.Skipped || time.Since(last.ScheduledTime) > time.Minute {
					t.Errorf("the last run is %s", story(last))
				}
			})
		})
	}
}

func TestCancelIsNotLostWhileAnEditDecides(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wait, asked := make(chan struct{}), make(chan struct{}, 1)
		var slow atomic.Bool
		w.store = &hooked{Store: w.store, before: func(call string) error {
			switch {
			case call == "Update" && slow.Load():
				<-wait
			case call == "Run" && slow.Load():
				select {
				case asked <- struct{}{}:
				default:
				}
			}
			return nil
		}}
		c := w.start(at("job", "every 10s", 0))
		w.sleep(9900 * time.Millisecond)
		id := w.runs("job")[0].ID
		slow.Store(true)
		edited, canceled := make(chan error, 1), make(chan task.Run, 1)
		go func() { // it is refused, and its fire comes back into the queue
			_, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{Etag: "17"})
			edited <- err
		}()
		synctest.Wait()
		go func() {
			run, err := c.CancelRun(t.Context(), id, "")
			if err != nil {
				t.Error(err)
			}
			canceled <- run
		}()
		<-asked
		for range 1000 { // the call may come to a lock, which a bubble does not see as waiting
			runtime.Gosched()
		}
		close(wait)
		if err := <-edited; !errors.Is(err, task.ErrStale) {
			t.Errorf("edit: %v", err)
		}
		if run := <-canceled; run.State != task.Canceled {
			t.Errorf("canceled: %s", story(run))
		}
		w.sleep(time.Second)
		w.wantRuns("job", "00:00:10 canceled")
	})
}
