package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// loses lets the attempts with these numbers be lost after a second, and the others take a second.
func loses(notStarted bool, numbers ...int) func(context.Context, target.Attempt) error {
	return func(ctx context.Context, a target.Attempt) error {
		if err := takes(ctx, time.Second); err != nil {
			return err
		}
		if slices.Contains(numbers, a.Number) {
			return fmt.Errorf("at the other end: %w", &target.LostError{Why: "ann was lost", NotStarted: notStarted})
		}
		return nil
	}
}

func TestARunWhoseWorkerIsLostIsMadeAgainAtOnce(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = loses(false, 1)
		s.crew.has("ann", 1, "job")
		s.start(s.job("job"))
		run := s.call("job")
		s.sleep(time.Minute)
		s.want("job", "succeeded 1-2 ann < 1 lost 0-1 ann")
		if got, want := s.run(run.ID).Earlier[0].Error, "at the other end: ann was lost"; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	})
}

func TestARunWhoseWorkerIsLostWaitsForAnotherInItsTurn(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(ctx context.Context, a target.Attempt) error {
			if a.RunID > 1 || a.Number > 1 {
				return takes(ctx, 10*time.Second)
			}
			s.crew.mu.Lock()
			s.crew.workers[0].places = -1
			s.crew.mu.Unlock()
			return &target.LostError{Why: "ann was lost"}
		}
		s.crew.has("ann", 1, "job")
		s.start(s.job("job"))
		s.call("job")
		s.call("job")
		s.sleep(time.Second)
		s.want("job", "scheduled worker < 1 lost 0-0 ann", "scheduled worker")
		s.crew.has("bob", 1, "job")
		s.sleep(time.Minute)
		s.want("job", "succeeded 1-11 bob < 1 lost 0-0 ann", "succeeded 11-21 bob")
	})
}

func TestARunThatMayBeMadeOnceEndsAsLostWithItsWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = loses(false, 1)
		s.crew.has("ann", 1, "job")
		s.start(s.job("job", task.Policy{Delivery: task.AtMostOnce, PauseAfterFailures: 1, Retry: task.Retry{MaxAttempts: 3}}))
		run := s.call("job")
		s.sleep(time.Minute)
		s.want("job", "lost 0-1 ann")
		if got, want := s.run(run.ID).Error, "at the other end: ann was lost"; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
		if got, err := s.e.Task(t.Context(), task.ByName("job")); err != nil || got.State != task.Paused {
			t.Errorf("the task is %v, %v: a lost run is a failure", got.State, err)
		}
	})
}

func TestAnAttemptThatWasNotBegunIsGivenOutAgainEvenIfItMayBeMadeOnce(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(context.Context, target.Attempt) error {
			return &target.LostError{Why: "not now", NotStarted: true}
		}
		s.crew.has("ann", 1, "job")
		s.start(s.job("job", task.Policy{Delivery: task.AtMostOnce, Retry: task.Retry{MaxAttempts: 2, Backoff: time.Second}}))
		run := s.call("job")
		s.sleep(5 * time.Minute) // and that goes on for as long as nobody takes it, less and less often
		got := s.run(run.ID)
		if n := len(got.Earlier); got.State != task.Scheduled || got.Attempt < 40 || got.Attempt > 80 || n != 10 {
			t.Errorf("after five minutes: %s, attempt %d, %d of those before are kept", got.State, got.Attempt, n)
		}
		for i, a := range got.Earlier {
			if a.State != task.Lost || !a.StartTime.IsZero() || a.Worker != "ann" || a.Number != got.Attempt-10+i {
				t.Errorf("an attempt that was not begun: %+v", a)
			}
		}
		// Those it has had are not counted: neither as failures to be tried again, nor as lost.
		tries := 0
		s.crew.mu.Lock()
		s.crew.work = func(context.Context, target.Attempt) error {
			if tries++; tries == 1 {
				return errors.New("no")
			}
			return nil
		}
		s.crew.mu.Unlock()
		s.sleep(time.Minute)
		if got := s.run(run.ID); got.State != task.Succeeded || tries != 2 {
			t.Errorf("in the end: %s after %d tries", got.State, tries)
		}
	})
}

func TestARunThatIsLostTenTimesEndsAsLost(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = loses(false, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
		s.crew.has("ann", 1, "job")
		s.start(s.job("job", task.Policy{PauseAfterFailures: 2}))
		run := s.call("job")
		s.sleep(time.Minute)
		got := s.run(run.ID)
		if want := "at the other end: ann was lost; it was lost 10 times, and is not started again"; got.State != task.Lost || got.Attempt != 10 || got.Error != want {
			t.Errorf("got %s, attempt %d, %q", got.State, got.Attempt, got.Error)
		}
		if task, err := s.e.Task(t.Context(), task.ByName("job")); err != nil || task.FailureCount != 1 {
			t.Errorf("%d failures, %v, want one for the whole run", task.FailureCount, err)
		}
	})
}

func TestLostAttemptsAreNoTries(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(_ context.Context, a target.Attempt) error {
			if a.Number <= 2 {
				return &target.LostError{Why: "lost"}
			}
			return errors.New("no")
		}
		s.crew.has("ann", 1, "job")
		s.start(s.job("job", task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: time.Second}}))
		s.call("job")
		s.sleep(time.Minute)
		s.want("job", "failed 1-1 ann < 3 failed 0-0 ann < 2 lost 0-0 ann < 1 lost 0-0 ann")
	})
}

func TestARunBetweenTwoTriesHoldsNoPlaceAtAWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(ctx context.Context, a target.Attempt) error {
			if a.TaskName == "fails" && a.Number == 1 {
				return errors.New("no")
			}
			return takes(ctx, 10*time.Second)
		}
		s.crew.has("ann", 1, "fails", "other")
		s.change = also(s.change, func(c *engine.Config) { c.Limits = task.Limits{MaxRunning: 2} })
		s.start(s.job("fails", task.Policy{Retry: task.Retry{MaxAttempts: 2, Backoff: 5 * time.Second}}), s.job("other"), engine.Task{
			Target:      local(func(ctx context.Context) error { return takes(ctx, time.Second) }),
			Declaration: task.Declaration{Name: "here", Trigger: schedule.MustParse("every 24h")},
		})
		s.call("fails")
		s.sleep(time.Second)
		s.call("other")
		s.sleep(6 * time.Second) // its second try finds no worker, and keeps no place among the limits from others
		s.want("fails", "scheduled worker < 1 failed 0-0 ann")
		s.call("here")
		s.sleep(time.Minute)
		s.want("other", "succeeded 1-11 ann")
		s.want("here", "succeeded 7-8")
		s.want("fails", "succeeded 11-21 ann < 1 failed 0-0 ann")
	})
}

// A worker that is told to stop may be lost before it has, and nobody wants the run made again for that.
func TestWhatEndedTheContextWinsOverALostWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(ctx context.Context, _ target.Attempt) error {
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond)
			return &target.LostError{Why: "ann was lost"}
		}
		s.crew.has("ann", 3)
		s.change = func(*engine.Config) {}
		s.start(s.job("canceled"), s.job("slow", task.Policy{Timeout: time.Second}), s.job("stopped"))
		run := s.call("canceled")
		s.call("slow")
		s.call("stopped")
		s.sleep(2 * time.Second)
		if _, err := s.e.CancelRun(t.Context(), run.ID, task.Edit{Actor: "me"}); err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Second)
		s.want("canceled", "canceled 0-2.100 ann")
		s.want("slow", "timed out 0-1.100 ann")
		s.stop()
		stopped, err := s.store.Run(t.Context(), 3)
		if err != nil || stopped.State != task.Canceled {
			t.Errorf("stopped: %s, %v", tale(stopped), err)
		}
	})
}

func TestARunWhoseWorkerIsLostWhileTheDaemonStopsIsLeftToTheNext(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(ctx context.Context, a target.Attempt) error {
			if a.Number == 1 {
				time.Sleep(1500 * time.Millisecond)
				return &target.LostError{Why: "ann was lost", NotStarted: a.TaskName == "once"}
			}
			return nil
		}
		s.crew.has("ann", 2, "job", "once")
		tasks := []engine.Task{s.job("job"), s.job("once", task.Policy{Delivery: task.AtMostOnce})}
		s.start(tasks...)
		s.call("job")
		s.call("once")
		s.sleep(time.Second)
		s.start(tasks...)
		s.sleep(time.Minute)
		s.want("job", "succeeded 1.500-1.500 ann < 1 lost 0-1.500 ann")
		s.want("once", "succeeded 1.500-1.500 ann < 1 lost ann")
	})
}

// What was not begun is known not to have been, however the process ends.
func TestWhatWaitsForAWorkerIsKnownNotToHaveStartedWhenItsDaemonDies(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.crew.work = func(_ context.Context, a target.Attempt) error {
			if a.Number > 1 {
				return nil
			}
			s.crew.mu.Lock()
			s.crew.workers[0].places = -1
			s.crew.mu.Unlock()
			return &target.LostError{Why: "not me", NotStarted: true}
		}
		s.crew.has("ann", 1, "once")
		policy := task.Policy{Delivery: task.AtMostOnce}
		s.start(s.job("once", policy), s.job("left", policy))
		s.call("once")
		s.sleep(50 * time.Millisecond) // that it waits is recorded with the end of the attempt, and not later
		run := s.run(1)
		if tale(run) != "scheduled worker < 1 lost ann" || run.Attempt != 2 {
			t.Errorf("in the store it is %s, attempt %d", tale(run), run.Attempt)
		}
		s.stop()
		// That is what a process leaves that is killed now.
		run.ID, run.TaskID = 0, task.IDOf("default", "left")
		_, err := s.store.Update(t.Context(), []uuid.UUID{run.TaskID}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Record: []task.Run{run}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.crew.has("bob", 1, "once", "left")
		s.start(s.job("once", policy), s.job("left", policy))
		s.sleep(time.Second)
		s.want("once", "succeeded 0.050-0.050 bob < 1 lost ann")
		s.want("left", "succeeded 0.050-0.050 bob < 1 lost ann")
	})
}

func TestARunThatIsUnderWayAtAWorkerWhenItsDaemonDiesKeepsTheNameOfTheWorker(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		s.start(s.job("job"))
		s.stop()
		run := task.Run{
			TaskID: task.IDOf("default", "job"), State: task.Running, Cause: task.ByCall, Attempt: 1, Worker: "ann",
			ScheduledTime: midnight, StartTime: midnight,
		}
		_, err := s.store.Update(t.Context(), []uuid.UUID{run.TaskID}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Record: []task.Run{run}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.sleep(time.Second)
		s.start(s.job("job"))
		s.sleep(time.Second)
		s.want("job", "scheduled worker < 1 lost 0-1 ann")
		s.crew.has("bob", 1, "job")
		s.sleep(time.Minute)
		s.want("job", "succeeded 2-12 bob < 1 lost 0-1 ann")
	})
}

func TestFollowersHearHowFarARunHasCome(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		var late target.Attempt
		s.crew.work = func(ctx context.Context, a target.Attempt) error {
			if a.Number == 1 {
				late = a
				a.Report(task.Progress{Fraction: 0.5, Message: "half"})
				a.Write(task.Stdout, []byte("one "))
				if err := takes(ctx, 2*time.Second); err != nil {
					return err
				}
				return &target.LostError{Why: "ann was lost"}
			}
			// It was given up, and does not know it.
			late.Report(task.Progress{Fraction: 0.9, Message: "late"})
			late.Write(task.Stdout, []byte("late "))
			a.Report(task.Progress{Fraction: -1, Message: "again", Attempt: 7})
			a.Write(task.Stdout, []byte("two "))
			return takes(ctx, time.Second)
		}
		s.crew.has("ann", 1, "job")
		s.start(s.job("job"))
		run := s.call("job")
		s.sleep(time.Second)
		var heard []string
		ended, err := s.e.FollowRun(t.Context(), run.ID, func(o task.Output) error {
			if p := o.Progress; p != nil {
				heard = append(heard, fmt.Sprintf("%d: %g %s", p.Attempt, p.Fraction, p.Message))
			} else {
				heard = append(heard, fmt.Sprintf("%d: %s", o.Attempt, o.Data))
			}
			return nil
		})
		if err != nil || ended.State != task.Succeeded {
			t.Errorf("ended %s, %v", ended.State, err)
		}
		if want := []string{"1: 0.5 half", "1: one ", "2: -1 again", "2: two "}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		late.Write(task.Stdout, []byte("too late"))
		late.Report(task.Progress{})
		synctest.Wait()
	})
}
