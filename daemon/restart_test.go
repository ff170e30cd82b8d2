package daemon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func TestAnOverrideOutlivesRestartsAndYieldsToANewDeclaration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("yields", "every 1h", 0), at("keeps", "every 1h", 0))
		ids := map[string]uuid.UUID{"yields": w.task("yields").ID, "keeps": w.task("keeps").ID}
		for name, on := range map[string]task.OnDeclaredChange{"yields": task.Yield, "keeps": task.Keep} {
			o := client.UpdateOptions{Reason: "why not", OnDeclaredChange: on}
			if _, err := c.UpdateTrigger(t.Context(), ref(name), schedule.MustParse("every 7m"), o); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			w.sleep(time.Minute)
			w.start(at("yields", "every 1h", 0), at("keeps", "every 1h", 0))
			for name, id := range ids {
				got := w.task(name)
				if got.ID != id || got.Override == nil || got.Override.Reason != "why not" || got.Version != 2 || got.Override.DeclarationChanged {
					t.Fatalf("%q after a restart: %+v", name, got)
				}
			}
		}
		w.start(at("yields", "every 2h", 0), at("keeps", "every 2h", 0))
		if got := w.task("yields"); got.Override != nil || got.Trigger().String() != "every 2h" {
			t.Errorf("YIELD: %+v", got)
		}
		if got := w.task("keeps"); got.Override == nil || !got.Override.DeclarationChanged || got.Trigger().String() != "every 7m" || got.Declaration.Trigger.String() != "every 2h" {
			t.Errorf("KEEP: %+v", got)
		}
	})
}

func TestMissedFiresAreCaughtUpAsTheTaskSays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		declare := func() {
			one, every, none := at("one", "every 1m", 0), at("all", "every 1m", 0), at("none", "every 1m", 0)
			every.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
			none.Policy.CatchUp = task.CatchUpNone
			w.start(one, every, none)
		}
		declare()
		w.sleep(90 * time.Second)
		w.stop()
		w.sleep(3 * time.Minute)
		declare()
		w.sleep(time.Minute)
		w.wantRuns("one", "00:01:00 succeeded", "00:04:00 succeeded, 3 fires from 00:02:00, 30s late", "00:05:00 succeeded")
		w.wantRuns("all", "00:01:00 succeeded", "00:02:00 succeeded, 2m30s late", "00:03:00 succeeded, 1m30s late", "00:04:00 succeeded, 30s late", "00:05:00 succeeded")
		w.wantRuns("none", "00:01:00 succeeded", "00:04:00 missed late, 3 fires from 00:02:00", "00:05:00 succeeded")
	})
}

func TestAFireThatIsALittleLateIsNotMissed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		none := at("none", "every 10s", 0)
		none.Policy.CatchUp = task.CatchUpNone
		w.start(none)
		w.sleep(9 * time.Second)
		w.stop()
		w.sleep(3 * time.Second)
		w.start(none)
		w.sleep(time.Second)
		w.wantRuns("none", "00:00:10 succeeded, 2s late")
	})
}

func TestRunsThatTheLastProcessLeftAreStartedAgainOrLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		again, lost := at("again", "every 1h", 0), at("lost", "every 1h", 0)
		lost.Policy.Delivery = task.AtMostOnce
		w.start(again, lost)
		w.stop()
		// What a process leaves that dies between the record of a run and its end.
		for _, name := range []string{"again", "lost"} {
			_, _, err := w.store.Call(t.Context(), ref(name), uuid.Nil, func(tk task.Task) (task.Run, task.Event, error) {
				return task.Run{TaskID: tk.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: midnight, Fires: 1, Attempt: 1}, task.Event{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(time.Minute)
		w.start(again, lost)
		w.sleep(time.Second)
		w.wantRuns("again", "00:00:00 succeeded, 1m0s late, attempt 2")
		w.wantRuns("lost", "00:00:00 lost")
		run, err := w.d.Client().Run(t.Context(), w.runs("again")[0].ID)
		if err != nil || len(run.Earlier) != 1 || run.Earlier[0].State != task.Lost || run.Earlier[0].Error == "" {
			t.Errorf("earlier attempts %+v, %v", run.Earlier, err)
		}
	})
}

func TestRunsThatWereGoingSideBySideAreAllStartedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		slow := at("slow", "every 1h", time.Minute)
		w.start(slow)
		w.stop()
		for range 2 {
			run, _, err := w.store.Call(t.Context(), ref("slow"), uuid.Nil, func(tk task.Task) (task.Run, task.Event, error) {
				return task.Run{TaskID: tk.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: midnight, Attempt: 1}, task.Event{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			run.State, run.StartTime = task.Running, midnight
			if _, err := w.store.Record(t.Context(), []store.Report{{Run: run, FromAttempt: 1}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(time.Minute)
		w.start(slow)
		w.sleep(2 * time.Minute)
		w.wantRuns("slow", "00:00:00 succeeded, called, 1m0s late, attempt 2", "00:00:00 succeeded, called, 1m0s late, attempt 2")
	})
}

func TestATaskThatIsNotDeclaredAnyMoreIsOrphanedAndComesBackWithItsHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("stays", "every 1h", 0), at("goes", "every 10s", 0))
		w.sleep(15 * time.Second)
		c := w.start(at("stays", "every 1h", 0))
		w.sleep(30 * time.Second)
		if got := w.task("goes"); got.State != task.Orphaned || !got.Clock.NextFireTime.IsZero() {
			t.Errorf("orphan: %+v", got)
		}
		if _, err := c.RunTask(t.Context(), ref("goes"), client.RunOptions{}); !errors.Is(err, task.ErrOrphaned) {
			t.Errorf("running an orphan: %v", err)
		}
		w.start(at("stays", "every 1h", 0), at("goes", "every 10s", 0))
		w.sleep(10 * time.Second)
		w.wantRuns("goes", "00:00:10 succeeded", "00:00:40 skipped orphaned, 3 fires from 00:00:20", "00:00:50 succeeded")
	})
}
