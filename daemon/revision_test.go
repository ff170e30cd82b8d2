package daemon_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestAnOlderProgramThatStartsLastFlipsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v1 := func() { w.deploy(1, at("job", "every 1h", 0), at("same", "every 1h", 0)) }
		v1()
		w.deploy(2, at("job", "every 2h", 0), at("same", "every 1h", 0))
		if _, err := w.as("ann").UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 7m"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		before := w.task("job")
		w.sleep(time.Minute)
		v1()
		got := w.task("job")
		if got.Declaration.Trigger.String() != "every 2h" || got.Trigger().String() != "every 7m" || got.Revision != 2 || got.Version != before.Version || got.State != task.Active {
			t.Errorf("after the older program: %+v", got)
		}
		w.wantAudit("job", 3, `00:01:00 refused by program revision 1 (revision 2 has spoken: refused the trigger "every 1h")`)
		w.wantDeeds("same", 1) // says the same
		if got := w.task("same"); got.Revision != 2 {
			t.Errorf("what says the same has revision %d", got.Revision)
		}
		w.sleep(6 * time.Minute)
		w.wantRuns("job", "00:07:00 succeeded") // the older program runs it, by the newer one's word
	})
}

func TestATaskThatANewerProgramRemovedStaysRemoved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v1 := func() { w.deploy(1, at("job", "every 10s", 0), at("other", "every 1h", 0)) }
		v1()
		w.sleep(15 * time.Second)
		w.deploy(2, at("other", "every 1h", 0))
		gone := w.task("job")
		if gone.State != task.Orphaned || gone.OrphanReason != "the program that runs, revision 2, does not declare it" {
			t.Errorf("removed: %v, %q", gone.State, gone.OrphanReason)
		}
		w.sleep(10 * time.Second)
		v1()
		if got := w.task("job"); got.State != task.Orphaned || got.OrphanReason != gone.OrphanReason || got.Version != gone.Version {
			t.Errorf("after the older program: %+v", got)
		}
		if _, err := w.d.Client().RunTask(t.Context(), ref("job"), client.RunOptions{}); !errors.Is(err, task.ErrOrphaned) {
			t.Errorf("it runs: %v", err)
		}
		w.wantDeeds("job", 1, "orphaned by program revision 2", "refused by program revision 1")
		w.sleep(10 * time.Second)
		w.deploy(3, at("job", "every 10s", 0), at("other", "every 1h", 0))
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:30 skipped orphaned, 2 fires from 00:00:20", "00:00:40 succeeded")
		w.wantDeeds("job", 3, "declaration changed by program revision 3")
	})
}

func TestATaskThatAnOlderProgramDoesNotKnowWaitsForOneThatDoes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.deploy(2, at("old", "every 1h", 0), at("new", "every 10s", 0))
		w.sleep(15 * time.Second)
		for range 2 {
			w.deploy(1, at("old", "every 1h", 0))
			got := w.task("new")
			if got.State != task.Orphaned || got.Revision != 2 || !strings.Contains(got.OrphanReason, "older") {
				t.Errorf("%v of revision %d, because %q", got.State, got.Revision, got.OrphanReason)
			}
			w.sleep(10 * time.Second)
		}
		// It was not removed: an older program than the one that declared it can run it.
		w.deploy(1, at("old", "every 1h", 0), at("new", "every 10s", 0))
		if got := w.task("new"); got.State != task.Active || got.Revision != 2 {
			t.Errorf("%v of revision %d", got.State, got.Revision)
		}
		w.sleep(10 * time.Second)
		w.wantRuns("new", "00:00:10 succeeded", "00:00:30 skipped orphaned, 2 fires from 00:00:20", "00:00:40 succeeded")
	})
}

func TestOfEqualRevisionsAndOfNoneTheLastStartWins(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, step := range []struct {
			revision int64
			trigger  string
			want     string
			stored   int64
		}{
			{3, "every 1h", "every 1h", 3},
			{3, "every 2h", "every 2h", 3},
			{2, "every 3h", "every 2h", 3},
			{daemon.NoRevision, "every 4h", "every 4h", 0},
			{1, "every 5h", "every 5h", 1},
		} {
			w.deploy(step.revision, at("job", step.trigger, 0))
			w.sleep(time.Second)
			if got := w.task("job"); got.Trigger().String() != step.want || got.Revision != step.stored {
				t.Errorf("%+v: %q of revision %d", step, got.Trigger(), got.Revision)
			}
		}
	})
}

func TestARemovedTaskComesBackWithItsOverrideItsPauseAndItsHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0), at("paused", "every 10s", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 7s"), client.UpdateOptions{Reason: "why not"}); err != nil {
			t.Fatal(err)
		}
		w.sleep(8 * time.Second)
		if _, err := c.PauseTask(t.Context(), ref("paused"), client.PauseOptions{Reason: "holiday"}); err != nil {
			t.Fatal(err)
		}
		id := w.task("job").ID
		w.start()
		for _, name := range []string{"job", "paused"} {
			if got := w.task(name); got.State != task.Orphaned || got.OrphanReason != "the program that runs does not declare it" {
				t.Errorf("%q: %v, %q", name, got.State, got.OrphanReason)
			}
		}
		if got := w.task("job"); got.ID != id || got.Override == nil {
			t.Errorf("orphaned: %+v", got)
		}
		w.sleep(10 * time.Second)
		w.start(at("job", "every 10s", 0), at("paused", "every 10s", 0))
		w.sleep(4 * time.Second)
		if got := w.task("job"); got.State != task.Active || got.Override == nil || got.Override.Reason != "why not" {
			t.Errorf("back: %+v", got)
		}
		if got := w.task("paused"); got.State != task.Paused || got.Pause.Reason != "holiday" {
			t.Errorf("back: %+v", got)
		}
		w.wantRuns("job", "00:00:07 succeeded", "00:00:14 skipped orphaned", "00:00:21 succeeded")
		w.wantDeeds("job", 2, "orphaned by program", "declaration changed by program")
	})
}
