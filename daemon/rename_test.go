package daemon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// once is a task that was called otherwise before.
func once(t daemon.Task, former ...string) daemon.Task { t.FormerNames = former; return t }

// gone fails unless there is no such task.
func (w *world) gone(name string) {
	w.t.Helper()
	if _, err := w.d.Client().Task(w.t.Context(), ref(name)); !errors.Is(err, task.ErrTaskNotFound) {
		w.t.Errorf("task %q: %v", name, err)
	}
}

func TestARenamedTaskKeepsWhatBelongsToIt(t *testing.T) {
	for name, rename := range map[string]func(w *world, tasks ...daemon.Task){
		"at a start": func(w *world, tasks ...daemon.Task) { w.start(tasks...) },
		"by a reload": func(w *world, tasks ...daemon.Task) {
			if err := w.d.Reload(w.t.Context(), daemon.Config{Tasks: tasks}); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("old", "every 10s", 0))
				if _, err := c.UpdateTrigger(t.Context(), ref("old"), schedule.MustParse("every 7s"), client.UpdateOptions{OnDeclaredChange: task.Keep}); err != nil {
					t.Fatal(err)
				}
				w.sleep(15 * time.Second)
				if _, err := c.PauseTask(t.Context(), ref("old"), client.PauseOptions{Reason: "holiday", ResumeTime: midnight.Add(25 * time.Second)}); err != nil {
					t.Fatal(err)
				}
				before := w.task("old")
				rename(w, once(at("new", "every 10s", 0), "older", "old"))
				w.gone("old")
				got := w.task("new")
				if got.ID != task.IDOf("default", "new") || got.Override == nil || got.Pause == nil || got.Pause.Reason != "holiday" ||
					got.State != task.Paused || got.Counts != before.Counts || got.CreateTime != before.CreateTime || got.Clock.FireCount != 2 {
					t.Errorf("renamed: %+v", got)
				}
				w.wantRuns("new", "00:00:07 succeeded", "00:00:14 succeeded")
				w.wantAudit("new", 0, `00:00:15 renamed by program: {"task_name":"old"} -> {"task_name":"new"}`)
				w.wantDeeds("old", 0, "declared by program", "trigger updated by in-process", "paused by in-process")
				w.sleep(13 * time.Second)
				w.wantRuns("new", "00:00:07 succeeded", "00:00:14 succeeded", "00:00:21 skipped paused", "00:00:28 succeeded")

				rename(w, once(at("new", "every 10s", 0), "older", "old")) // that it is declared again is nothing new
				w.wantDeeds("new", 1, "resumed by clockd")
			})
		})
	}
}

func TestARenamedTaskMayBeAnotherInAllElseToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.deploy(1, at("old", "every 10s", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("old"), schedule.MustParse("every 7s"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		w.deploy(2, once(at("new", "every 20s", 0), "old"))
		if got := w.task("new"); got.Override != nil || got.Trigger().String() != "every 20s" || got.Revision != 2 {
			t.Errorf("renamed: %+v", got)
		}
		w.wantDeeds("new", 0, "renamed by program revision 2", "declaration changed by program revision 2", "yielded by program revision 2")
		// The older program can not take the name back: it has a task of its own under it.
		w.deploy(1, at("old", "every 10s", 0))
		if got := w.task("new"); got.State != task.Orphaned || got.Revision != 2 {
			t.Errorf("while the older runs: %+v", got)
		}
		w.deploy(2, once(at("new", "every 20s", 0), "old"))
		if got := w.task("new"); got.State != task.Active {
			t.Errorf("back: %+v", got)
		}
		if got := w.task("old"); got.State != task.Orphaned {
			t.Errorf("the older program's own: %+v", got)
		}
	})
}

func TestAnOlderProgramRenamesNothing(t *testing.T) {
	for name, rename := range map[string]func(w *world, tasks ...daemon.Task){
		"at a start": func(w *world, tasks ...daemon.Task) { w.deploy(1, tasks...) },
		"by a reload": func(w *world, tasks ...daemon.Task) {
			if err := w.d.Reload(w.t.Context(), daemon.Config{Tasks: tasks, Revision: 1}); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.deploy(2, at("old", "every 10s", 0))
				w.sleep(15 * time.Second)
				rename(w, once(at("new", "every 10s", 0), "old"))
				w.wantDeeds("old", 1, "refused by program revision 1", "orphaned by clockd")
				w.wantRuns("old", "00:00:10 succeeded")
				w.wantRuns("new")
				w.deploy(2, at("old", "every 10s", 0))
				if got := w.task("old"); got.State != task.Active {
					t.Errorf("%v", got.State)
				}
			})
		})
	}
}

func TestATaskIsNotRenamedIntoOneThatIsThere(t *testing.T) {
	for name, rename := range map[string]func(w *world, tasks ...daemon.Task){
		"at a start": func(w *world, tasks ...daemon.Task) { w.start(tasks...) },
		"by a reload": func(w *world, tasks ...daemon.Task) {
			if err := w.d.Reload(w.t.Context(), daemon.Config{Tasks: tasks}); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(at("new", "every 10s", 0))
				w.sleep(15 * time.Second)
				w.start(at("old", "every 10s", 0)) // new is orphaned
				w.sleep(10 * time.Second)
				rename(w, once(at("new", "every 10s", 0), "old"))
				if got := w.task("old"); got.State != task.Orphaned {
					t.Errorf("old: %v", got.State)
				}
				w.sleep(5 * time.Second)
				w.wantRuns("new", "00:00:10 succeeded", "00:00:20 skipped orphaned", "00:00:30 succeeded")
				w.wantRuns("old", "00:00:25 succeeded")
			})
		})
	}
}

// What has a new name is not made anew under the old one by a program that does not know better.
func TestAnOlderProgramDoesNotBringAFormerNameBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.deploy(1, at("old", "every 10s", 0))
		if _, err := w.as("ann").PauseTask(t.Context(), ref("old"), client.PauseOptions{Reason: "holiday"}); err != nil {
			t.Fatal(err)
		}
		w.deploy(2, once(at("new", "every 10s", 0), "old"))
		w.deploy(1, at("old", "every 10s", 0))
		w.sleep(time.Minute)
		w.wantRuns("old") // it neither runs nor ends the pause
		if got := w.task("old"); got.State != task.Orphaned || got.OrphanReason != `it is called "new" since revision 2` {
			t.Errorf("under the former name: state %v, %q", got.State, got.OrphanReason)
		}
		w.deploy(2, once(at("new", "every 10s", 0), "old"))
		if got := w.task("new"); got.State != task.Paused || got.Pause == nil || got.Pause.Reason != "holiday" {
			t.Errorf("under its new name: state %v, pause %+v", got.State, got.Pause)
		}

		// And back again, by a newer one: the marker gives way.
		w.deploy(3, once(at("old", "every 10s", 0), "new"))
		if got := w.task("old"); got.State != task.Paused || got.Revision != 3 {
			t.Errorf("under its old name again: state %v, revision %d", got.State, got.Revision)
		}
		if got := w.task("new"); got.State != task.Orphaned {
			t.Errorf("what is left of the new name: state %v", got.State)
		}
	})
}

func TestAFormerNameCanBeThatOfANewTask(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.deploy(1, at("old", "every 10s", 0))
		w.deploy(2, once(at("new", "every 10s", 0), "old"))
		w.deploy(3, at("new", "every 10s", 0), at("old", "every 20s", 0))
		w.sleep(25 * time.Second)
		w.wantRuns("old", "00:00:20 succeeded")
	})
}
