package daemon_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// moody is a custom kind that fires each minute, and fails while bad says so of the instant it is asked about.
// Nil: it never fails. A test sets bad while nothing asks, or in the call of the store in which it is asked.
type moody struct {
	bad func(after time.Time) bool
}

func (m *moody) Next(after time.Time) (time.Time, error) {
	if m.bad != nil && m.bad(after) {
		return time.Time{}, errors.New("the harbour is closed")
	}
	return steps(time.Minute).Next(after)
}

// register registers the kind as google.protobuf.StringValue.
func (m *moody) register(cfg *daemon.Config) {
	daemon.RegisterTrigger(cfg, func(*wrapperspb.StringValue) (schedule.Source, error) { return m, nil })
}

// moods is the trigger of that kind.
func moods() schedule.Trigger { return daemon.CustomTrigger(wrapperspb.String("")) }

// always is the mood of a kind that can tell nothing.
func always(time.Time) bool { return true }

func TestAFireThatWasMissedIsCaughtUpThoughItsKindFailsInTheClaim(t *testing.T) {
	for name, tt := range map[string]struct {
		policy task.CatchUp
		fire   string
	}{
		"one":  {task.CatchUpOne, "00:02:00 succeeded, 2m30s late"},
		"all":  {task.CatchUpAll, "00:02:00 succeeded, 2m30s late"},
		"none": {task.CatchUpNone, "00:02:00 missed late"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var m moody
				w.register = m.register
				restarted := false
				w.store = &hooked{Store: w.store, before: func(call string) error {
					if call == "Claim" && restarted { // the start has asked before, and was answered
						m.bad = always
					}
					return nil
				}}
				job := does("job", moods(), 0)
				job.Policy.CatchUp = tt.policy
				w.start(job)
				w.sleep(90 * time.Second)
				w.stop()
				w.sleep(3 * time.Minute) // 00:04:30
				restarted = true
				c := w.start(job)
				w.sleep(time.Second)
				// Only the fire that is due is known. What came after it, nobody can tell.
				w.wantRuns("job", "00:01:00 succeeded", tt.fire)
				if got := w.task("job").State; got != task.Paused {
					t.Errorf("state %v of a task whose kind fails", got)
				}
				restarted, m.bad = false, nil
				if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
					t.Fatal(err)
				}
				w.sleep(time.Minute)
				w.wantRuns("job", "00:01:00 succeeded", tt.fire, "00:04:00 skipped paused, 2 fires from 00:03:00", "00:05:00 succeeded")
			})
		})
	}
}

func TestATaskWhoseKindFailsWhileItsNodeStartsOrStopsHasANextFireOrIsParked(t *testing.T) {
	for name, tt := range map[string]struct {
		event schedule.Kind
		// In the start or stop, the update of the store from which on the kind fails.
		failing int
	}{
		"start": {schedule.OnStartUp{}, 1}, // to declare the task again takes none
		"stop":  {schedule.OnShutDown{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var m moody
				w.register = m.register
				watched, updates := false, 0
				inner := w.store
				w.store = &hooked{Store: inner, before: func(call string) error {
					if call == "Update" && watched {
						if updates++; updates == tt.failing {
							m.bad = always
						}
					}
					return nil
				}}
				job := does("job", schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: tt.event}, moods()}}}, 0)
				w.start(job)
				w.sleep(90 * time.Second)
				if name == "stop" {
					watched = true
					w.stop()
				} else {
					w.stop()
					watched = true
					w.start(job)
					w.sleep(3 * time.Minute)
				}
				if m.bad == nil {
					t.Fatalf("the kind never failed: %d updates", updates)
				}
				got, err := inner.Task(t.Context(), ref("job"))
				if err != nil {
					t.Fatal(err)
				}
				if got.State != task.Paused && got.Clock.NextFireTime.IsZero() {
					t.Errorf("it is in state %v and has no next fire: %+v", got.State, got.Clock)
				}
			})
		})
	}
}

func TestExcludedInstantsAreRecordedThoughWhatFollowsTheNextFireIsAFault(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		x := &ills{from: 4 * time.Minute}
		w.register = x.register
		job := sick("fails")
		job.Exclusions = []schedule.Exclusion{schedule.Cron{Expression: "2-3 * * * *", TimeZone: "UTC"}}
		w.start(does("job", job, 0))
		w.sleep(5 * time.Minute)
		w.wantRuns("job", "00:01:00 succeeded", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 succeeded")
	})
}

func TestAStartAsksAKindNothingOfThePast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var m moody
		w.register = m.register
		job := does("job", moods(), 0)
		w.start(job)
		w.sleep(90 * time.Minute)
		w.stop()
		since := midnight.Add(time.Hour) // the tables of the new program begin there
		m.bad = func(after time.Time) bool { return after.Before(since) }
		w.start(job)
		if got := w.task("job"); got.State != task.Active {
			t.Errorf("state %v, pause %+v", got.State, got.Pause)
		}
	})
}

func TestWhatAKindCanNotTellWhenItsTaskIsOrphanedIsRecordedWhenItIsDeclaredAgain(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		var m moody
		w.register = m.register
		job := does("job", moods(), 0)
		w.start(job)
		w.sleep(90 * time.Second)
		w.stop()
		w.sleep(3 * time.Minute) // 00:04:30
		m.bad = always
		w.start(at("other", "every 1h", 0))
		w.sleep(time.Minute) // 00:05:30
		w.stop()
		m.bad = nil
		w.start(job)
		w.wantRuns("job", "00:01:00 succeeded", "00:05:00 skipped orphaned, 4 fires from 00:02:00")
	})
}

func TestAResumeLosesNoFireThatADeadProcessClaimedOfAParkedTask(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		inner := w.store
		w.store = &hooked{Store: inner, before: down.before}
		w.grace = time.Millisecond
		x := &ills{from: 2 * time.Minute}
		w.register = x.register
		job := does("job", sick("fails"), 0)
		w.start(job)
		w.sleep(2*time.Minute - 100*time.Millisecond) // the fire is claimed, and what comes next is a fault
		var dying sync.WaitGroup
		w.die(&down, &dying)
		w.store = inner
		x.healed.Store(true)
		c := w.start(job)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(30 * time.Second)
		w.wantRuns("job", "00:01:00 succeeded", "00:02:00 succeeded")
		dying.Wait()
	})
}
