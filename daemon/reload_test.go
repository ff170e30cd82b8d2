package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// reload puts another program in force.
func (w *world) reload(cfg daemon.Config) {
	w.t.Helper()
	if err := w.d.Reload(w.t.Context(), cfg); err != nil {
		w.t.Fatal(err)
	}
}

// program is a program of these tasks.
func program(tasks ...daemon.Task) daemon.Config { return daemon.Config{Tasks: tasks} }

// says is a task that writes into a journal.
func says(j *journal, name, trigger, word string) daemon.Task {
	return daemon.Task{Name: name, Trigger: schedule.MustParse(trigger), Do: daemon.Func(func(context.Context, daemon.Run) (any, error) {
		j.write(word)
		return nil, nil
	})}
}

func TestAReloadPutsAnotherProgramInForceWithoutAStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var j journal
		up, down := says(&j, "up", "startup", "up"), says(&j, "down", "shutdown", "down")
		w.start(up, down,
			at("stays", "every 10s", 0), at("changed", "every 10s", 0), at("removed", "every 10s", 15*time.Second),
			at("called otherwise", "every 10s", 15*time.Second), says(&j, "code", "every 10s", "old"))
		w.sleep(11 * time.Second)
		stays := w.task("stays")
		w.reload(program(up, down,
			at("stays", "every 10s", 0), at("changed", "every 7s", 0), at("added", "every 5s", 0),
			once(at("named anew", "every 10s", 15*time.Second), "called otherwise"), says(&j, "code", "every 10s", "new")))
		if got := w.task("removed"); got.State != task.Orphaned {
			t.Errorf("removed: %v", got.State)
		}
		if got := w.task("stays"); got.Version != stays.Version || got.Change != stays.Change {
			t.Errorf("what stays was written: %+v", got)
		}
		w.sleep(20 * time.Second)
		w.wantRuns("stays", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded")
		w.wantRuns("changed", "00:00:10 succeeded", "00:00:18 succeeded", "00:00:25 succeeded")
		w.wantRuns("added", "00:00:16 succeeded", "00:00:21 succeeded", "00:00:26 succeeded", "00:00:31 succeeded")
		w.wantRuns("removed", "00:00:10 succeeded") // what went has gone on
		w.wantRuns("named anew", "00:00:10 succeeded", "00:00:20 skipped overlap", "00:00:30 running")
		if got := j.read(); got != "up old new new" {
			t.Errorf("journal %q", got)
		}
		w.wantDeeds("stays", 1)
		w.wantDeeds("changed", 1, "declaration changed by program")
		w.wantDeeds("added", 0, "declared by program")
		w.wantDeeds("removed", 1, "orphaned by program")
		w.wantDeeds("named anew", 0, "renamed by program")
		w.reload(program(up, down, at("removed", "every 10s", 0))) // back
		w.sleep(9 * time.Second)
		w.wantRuns("removed", "00:00:10 succeeded", "00:00:30 skipped orphaned, 2 fires from 00:00:20", "00:00:40 succeeded")
		w.stop()
		if got := j.read(); got != "up old new new down" {
			t.Errorf("journal after the stop %q", got)
		}
	})
}

func TestWhatWaitsOfATaskThatAReloadRemovesIsSkipped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		queued := with(at("queued", "every 10s", 25*time.Second), task.Policy{Overlap: task.OverlapQueue})
		flaky := fails("flaky", "every 10s", 0, 9, task.Policy{Retry: task.Retry{MaxAttempts: 3, Backoff: time.Minute}})
		w.start(queued, flaky, at("claimed", "every 30s", 0))
		w.sleep(29950 * time.Millisecond)
		w.reload(program())
		w.sleep(time.Minute)
		w.wantTales("queued", "10 succeeded 10-35", "20 skipped orphaned")
		w.wantTales("claimed")
		if got := w.runs("flaky"); len(got) == 0 || got[0].State != task.Lost || got[0].Error == "" {
			t.Errorf("between two attempts: %+v", got)
		}
		w.start(queued, flaky, at("claimed", "every 30s", 0))
		w.sleep(50 * time.Millisecond)
		w.wantTales("claimed", "60 skipped orphaned", "90 succeeded 90-90")
	})
}

func TestAWrongProgramChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 10s", 0))
		err := w.d.Reload(t.Context(), program(at("job", "every 7s", 0), at("", "every 7s", 0), daemon.Task{Name: "idle", Trigger: schedule.MustParse("every 1h")},
			at("lost", "every 1m exclude(calendar nope)", 0)))
		for _, want := range []string{"name", "Do is missing", "nope"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not said in %v", want, err)
			}
		}
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded")
		w.gone("idle")
	})
}

func TestAReloadThatTheStoreRefusesIsPutRightByTheNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var refuse atomic.Bool
		w.store = &hooked{Store: w.store, before: func(call string) error {
			if refuse.Load() && call == "Update" {
				return fmt.Errorf("%w: no", task.ErrUnavailable)
			}
			return nil
		}}
		w.deploy(1, at("same", "every 10s", 0), at("changed", "every 10s", 0), at("removed", "every 10s", 0))
		cfg := program(at("same", "every 10s", 0), at("changed", "every 7s", 0), at("added", "every 7s", 0))
		cfg.Revision = 2
		refuse.Store(true)
		if err := w.d.Reload(t.Context(), cfg); !errors.Is(err, task.ErrUnavailable) {
			t.Errorf("reload: %v", err)
		}
		refuse.Store(false)
		w.reload(cfg)
		if got := w.task("same"); got.Revision != 2 {
			t.Errorf("same: revision %d", got.Revision)
		}
		if got := w.task("removed"); got.State != task.Orphaned {
			t.Errorf("removed: %v", got.State)
		}
		w.sleep(7 * time.Second)
		w.wantRuns("changed", "00:00:07 succeeded")
		w.wantRuns("added", "00:00:07 succeeded")
	})
}

func TestAReloadWithAnOlderRevisionChangesNoDeclaration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.deploy(2, at("job", "every 7s", 0))
		cfg := program(at("job", "every 10s", 0), at("other", "every 10s", 0))
		cfg.Revision = 1
		w.reload(cfg)
		if got := w.task("job"); got.Trigger().String() != "every 7s" || got.Revision != 2 {
			t.Errorf("job: %+v", got)
		}
		w.wantDeeds("job", 1, "refused by program revision 1")
		w.sleep(10 * time.Second)
		w.wantRuns("job", "00:00:07 succeeded")
		w.wantRuns("other", "00:00:10 succeeded")
	})
}

func TestAReloadChangesCalendarsForAllTasks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := does("job", but("every 1m"), 0)
		w.calendars = holidays(1, 2)
		w.start(job)
		d := ping("made", "every 1m")
		d.Trigger = but("every 1m")
		w.create(d)
		w.sleep(30 * time.Second)
		cfg := program(job)
		cfg.Calendars = holidays(2, 3)
		w.reload(cfg)
		w.sleep(4 * time.Minute)
		w.wantRuns("job", "00:01:00 succeeded", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 succeeded")
		w.wantRuns("made", "00:01:00 failed", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 failed")
		if err := w.d.Reload(t.Context(), program(job)); err == nil || !strings.Contains(err.Error(), "calendar") {
			t.Errorf("without the calendar: %v", err)
		}
		w.wantDeeds("made", 1, "declaration changed by clockd")
	})
}

func TestAReloadChangesLimits(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		job := in("few", at("job", "every 1h", 10*time.Second))
		w.limited(task.Limits{}, map[string]task.Limits{"few": {MaxRunning: 1}}, job)
		for range 4 {
			w.call("job")
		}
		w.sleep(time.Second)
		cfg := program(job)
		cfg.Groups = grouped(map[string]task.Limits{"few": {MaxRunning: 3}})
		w.reload(cfg)
		w.sleep(time.Second)
		cfg.Groups = nil
		w.reload(cfg)
		w.sleep(20 * time.Second)
		w.wantTales("job", "0 called succeeded 0-10", "0 called succeeded 1-11", "0 called succeeded 1-11", "0 called succeeded 2-12")
	})
}

func TestReloadsClaimsAndEditsMayComeTogether(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const n = 8
		round := func(round int) daemon.Config {
			var cfg daemon.Config
			for i := range n {
				job := at(fmt.Sprint("job ", i), "every 100ms", 0)
				job.Description = fmt.Sprint(round)
				if i == 0 && round%2 == 1 {
					continue // comes and goes
				}
				if i == 1 {
					names := []string{"job 1", "job one"}
					job.Name, job.FormerNames = names[round%2], names[1-round%2:2-round%2]
				}
				cfg.Tasks = append(cfg.Tasks, job)
			}
			return cfg
		}
		w.start(round(0).Tasks...)
		c := w.d.Client()
		ctx := t.Context()
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer close(stop)
			for n := range 60 {
				if err := w.d.Reload(ctx, round(n)); err != nil {
					t.Error(err)
				}
				time.Sleep(37 * time.Millisecond)
			}
		})
		edits := []func(name string) error{
			func(name string) error {
				_, err := c.UpdateTrigger(ctx, ref(name), schedule.MustParse("every 130ms"), client.UpdateOptions{OnDeclaredChange: task.Keep, ExpireTime: time.Now().Add(170 * time.Millisecond)})
				return err
			},
			func(name string) error { _, err := c.ResetTrigger(ctx, ref(name), client.EditOptions{}); return err },
			func(name string) error {
				_, err := c.PauseTask(ctx, ref(name), client.PauseOptions{ResumeTime: time.Now().Add(210 * time.Millisecond)})
				return err
			},
			func(name string) error { _, err := c.ResumeTask(ctx, ref(name), client.EditOptions{}); return err },
			func(name string) error {
				_, err := c.RunTask(ctx, ref(name), client.RunOptions{Wait: true})
				return err
			},
			func(name string) error {
				_, err := c.CreateTask(ctx, ping(name, "every 90ms"), client.CreateOptions{})
				if errors.Is(err, task.ErrExists) {
					err = nil
				}
				return err
			},
			func(name string) error { return c.DeleteTask(ctx, ref(name), client.EditOptions{}) },
		}
		for k, edit := range edits {
			all.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(11+3*k) * time.Millisecond):
					}
					name := []string{"job 0", "job 1", "job one", "job 2", "made"}[(i+k)%5]
					err := edit(name)
					if err != nil && !errors.Is(err, task.ErrTaskNotFound) && !errors.Is(err, task.ErrOrphaned) && !errors.Is(err, task.ErrDeclared) && !errors.Is(err, task.ErrRunNotFound) {
						t.Errorf("%q: %v", name, err)
					}
				}
			})
		}
		all.Wait()
		for i := range n {
			name := fmt.Sprint("job ", i)
			if i == 1 {
				continue
			}
			if _, err := c.ResumeTask(ctx, ref(name), client.EditOptions{}); err != nil && !errors.Is(err, task.ErrTaskNotFound) {
				t.Error(err)
			}
		}
		w.reload(round(60))
		w.sleep(time.Second)
		before := w.task("job 7").Counts.Succeeded
		w.sleep(time.Second)
		if n := w.task("job 7").Counts.Succeeded - before; n != 10 {
			t.Errorf("%d runs in the second after, want 10", n)
		}
		// Each instant of a task that nobody edited has one run, however often it was declared otherwise.
		seen := 0
		for i, run := range w.runs("job 7") {
			if want := midnight.Add(time.Duration(i+1) * 100 * time.Millisecond); run.State == task.Scheduled || !run.ScheduledTime.Equal(want) {
				if run.State != task.Scheduled {
					t.Fatalf("run %d is of %s, want %s", i, run.ScheduledTime, want)
				}
			}
			seen++
		}
		if seen < 40 {
			t.Errorf("only %d runs", seen)
		}
	})
}
