package history_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// story is a history that was lived, in which each promise is put to the test.
func story(t *testing.T) history.History {
	t.Helper()
	var h history.History
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		add := func(name, trigger, group string, takes time.Duration, overlap task.Overlap) {
			w.add(&declared{takes: takes, fails: 1000, Task: daemon.Task{
				Name: name, Trigger: schedule.MustParse(trigger), Group: group, Policy: task.Policy{Overlap: overlap},
			}})
		}
		add("grid", `cron "* * * * * *" UTC exclude(window 00:00:10-00:00:12 UTC)`, "g", 100*time.Millisecond, task.OverlapSkip)
		add("loop", "every 900ms fixed-delay", "", 100*time.Millisecond, task.OverlapQueue)
		add("slow", "every 1s", "", 2500*time.Millisecond, task.OverlapAllow)
		h = w.watched(func() {
			ctx := t.Context()
			pass := func() { w.sleep(2300*time.Millisecond + 3*time.Microsecond) }
			do := func(f func(c *client.Client)) { pass(); f(w.client.Load()) }
			do(func(c *client.Client) { w.actor.Run(ctx, c, "slow", true, false, true) })
			do(func(c *client.Client) {
				w.actor.Update(ctx, c, "slow", schedule.MustParse("every 700ms"), client.UpdateOptions{OnDeclaredChange: task.Keep})
			})
			do(func(c *client.Client) { _ = w.actor.Pause(ctx, c, "grid", time.Time{}) })
			do(func(c *client.Client) { w.actor.Read(ctx, c, "grid") })
			do(func(c *client.Client) { _ = w.actor.Resume(ctx, c, "grid") })
			pass()
			pass()
			w.stop()
			pass()
			w.up()
			do(func(c *client.Client) { w.actor.Reset(ctx, c, "slow") })
		})
		if t.Failed() {
			t.Log(strings.Join(w.lines, "\n"))
		}
	})
	return h
}

// copied returns a history that can be changed without changing the other.
func copied(h history.History) history.History {
	h.Ops, h.Starts, h.Lives = slices.Clone(h.Ops), slices.Clone(h.Starts), slices.Clone(h.Lives)
	h.Tasks, h.Runs, h.Events = slices.Clone(h.Tasks), slices.Clone(h.Runs), slices.Clone(h.Events)
	watches := map[string][]history.Step{}
	for name, steps := range h.Watches {
		watches[name] = slices.Clone(steps)
	}
	h.Watches = watches
	return h
}

// find returns the place of the first thing that is so, or fails.
func find[T any](t *testing.T, what string, of []T, is func(*T) bool) int {
	t.Helper()
	i := slices.IndexFunc(of, func(v T) bool { return is(&v) })
	if i < 0 {
		t.Fatalf("the story has no %s: give it another seed", what)
	}
	return i
}

func TestEachBrokenPromiseIsCaughtByName(t *testing.T) {
	lived := story(t)
	for _, f := range history.Check(&lived) {
		t.Fatalf("the story itself: %s", f)
	}
	// policies are those of tasks by name.
	policies, tasks := map[string]task.Policy{}, map[string]*task.Task{}
	for i := range lived.Tasks {
		tasks[lived.Tasks[i].Declaration.Name] = &lived.Tasks[i]
		policies[lived.Tasks[i].Declaration.Name] = lived.Tasks[i].Declaration.Policy
	}
	grid := func(r *task.Run) bool { return strings.HasPrefix(tasks[r.TaskName].Trigger().String(), "cron") }
	fired := func(r *task.Run) bool { return r.Cause == task.ByFire && r.State == task.Succeeded && r.Fires == 1 }
	run := func(t *testing.T, h *history.History, what string, is func(*task.Run) bool) *task.Run {
		t.Helper()
		return &h.Runs[find(t, what, h.Runs, is)]
	}
	op := func(t *testing.T, h *history.History, what string, is func(*history.Op) bool) *history.Op {
		t.Helper()
		return &h.Ops[find(t, what, h.Ops, is)]
	}
	answered := func(a task.Action) func(*history.Op) bool {
		return func(o *history.Op) bool { return o.Action == a && o.Outcome == history.Acknowledged && o.Got != nil }
	}
	event := func(t *testing.T, h *history.History, a task.Action) int {
		t.Helper()
		return find(t, "event", h.Events, func(e *task.Event) bool { return e.Action == a && strings.HasPrefix(e.Reason, "op ") })
	}
	steps := func(h *history.History, kind string) []history.Step { return h.Watches[kind+" of 0"] }
	start := func(t *testing.T, h *history.History) *history.Start {
		t.Helper()
		return &h.Starts[find(t, "start", h.Starts, func(s *history.Start) bool {
			return s.EndPlace > s.BeginPlace+1
		})]
	}

	for _, row := range []struct {
		name    string
		promise history.Promise
		breaks  func(t *testing.T, h *history.History)
	}{
		{"a record is lost", history.NotLost, func(t *testing.T, h *history.History) {
			i := find(t, "fire", h.Runs, func(r *task.Run) bool { return fired(r) && grid(r) })
			h.Runs = slices.Delete(h.Runs, i, i+1)
		}},
		{"the last record is lost", history.NotLost, func(t *testing.T, h *history.History) {
			slices.Reverse(h.Runs)
			i := find(t, "fire", h.Runs, func(r *task.Run) bool { return fired(r) && grid(r) })
			h.Runs = slices.Delete(h.Runs, i, i+1)
			slices.Reverse(h.Runs)
		}},
		{"an excluded instant has no record", history.NotLost, func(t *testing.T, h *history.History) {
			i := find(t, "excluded instant", h.Runs, func(r *task.Run) bool { return r.Reason == task.ReasonExcluded })
			h.Runs = slices.Delete(h.Runs, i, i+1)
		}},
		{"an instant has two records", history.RecordedOnce, func(t *testing.T, h *history.History) {
			r := *run(t, h, "fire", fired)
			r.ID = h.Runs[len(h.Runs)-1].ID + 1
			h.Runs = append(h.Runs, r)
		}},
		{"a run is listed twice", history.RecordedOnce, func(_ *testing.T, h *history.History) { h.Runs = append(h.Runs, h.Runs[0]) }},
		{"a record is of no instant", history.OnPlan, func(t *testing.T, h *history.History) {
			r := run(t, h, "fire", func(r *task.Run) bool { return fired(r) && grid(r) })
			r.ScheduledTime = r.ScheduledTime.Add(-70 * time.Millisecond)
		}},
		{"a record stands for too many instants", history.OnPlan, func(t *testing.T, h *history.History) {
			run(t, h, "fire", func(r *task.Run) bool { return fired(r) && grid(r) }).Fires++
		}},
		{"the old trigger fires after a change was answered", history.OnPlan, func(t *testing.T, h *history.History) {
			o := op(t, h, "update", answered(task.TriggerUpdated))
			r := *run(t, h, "fire", fired)
			r.ID, r.TaskName, r.ScheduledTime = h.Runs[len(h.Runs)-1].ID+1, o.Task, o.Answer.Add(17*time.Millisecond)
			r.EndTime = r.ScheduledTime.Add(time.Second)
			h.Runs = append(h.Runs, r)
		}},
		{"a fire starts after a pause", history.NotPaused, func(t *testing.T, h *history.History) {
			o := op(t, h, "pause", answered(task.TaskPaused))
			r := run(t, h, "fire", func(r *task.Run) bool { return r.TaskName == o.Task && r.Cause == task.ByFire && len(r.Earlier) == 0 })
			r.StartTime = o.Answer.Add(time.Microsecond)
		}},
		{"a run starts before its instant", history.NotEarly, func(t *testing.T, h *history.History) {
			r := run(t, h, "fire", fired)
			r.StartTime = r.ScheduledTime.Add(-time.Microsecond)
		}},
		{"a thread is lost", history.GoesOn, func(t *testing.T, h *history.History) {
			name := h.Tasks[find(t, "fixed delay", h.Tasks, func(t *task.Task) bool { return strings.Contains(t.Trigger().String(), "fixed-delay") })].Declaration.Name
			end := tasks[name].Pause.CreateTime.Add(-h.Alive)
			h.Runs = slices.DeleteFunc(h.Runs, func(r task.Run) bool { return r.TaskName == name && r.EndTime.After(end) })
		}},
		{"an acknowledged change is not told", history.Told, func(t *testing.T, h *history.History) {
			i := event(t, h, task.TriggerUpdated)
			h.Events = slices.Delete(h.Events, i, i+1)
		}},
		{"a change is told twice", history.Told, func(t *testing.T, h *history.History) {
			e := h.Events[event(t, h, task.TaskPaused)]
			e.ID = h.Events[len(h.Events)-1].ID + 1
			h.Events = append(h.Events, e)
		}},
		{"two changes are told in the wrong order", history.Told, func(t *testing.T, h *history.History) {
			i := event(t, h, task.TriggerUpdated)
			h.Events[i].ID, h.Events[len(h.Events)-1].ID = h.Events[len(h.Events)-1].ID, h.Events[i].ID
		}},
		{"a call is told of as another's", history.Told, func(t *testing.T, h *history.History) {
			h.Events[event(t, h, task.TaskPaused)].TaskName = "another"
		}},
		{"what was refused is done", history.Whole, func(t *testing.T, h *history.History) {
			op(t, h, "update", answered(task.TriggerUpdated)).Outcome = history.Refused
		}},
		{"a call that was answered is gone", history.Whole, func(t *testing.T, h *history.History) {
			o := op(t, h, "call", func(o *history.Op) bool {
				return o.Run != nil && o.Action == task.RunRequested && slices.ContainsFunc(h.Runs, func(r task.Run) bool { return r.ID == o.Run.ID }) && tasks[o.Task].Origin == task.Declared
			})
			h.Runs = slices.DeleteFunc(h.Runs, func(r task.Run) bool { return r.ID == o.Run.ID })
		}},
		{"before is not what was", history.Chained, func(t *testing.T, h *history.History) {
			e := &h.Events[find(t, "event", h.Events, func(e *task.Event) bool { return e.Action == task.TriggerUpdated && len(e.Before) > 0 })]
			e.Before = []byte(`{"trigger":"every 4711h"}`)
		}},
		{"an override is not in force in the end", history.InForce, func(t *testing.T, h *history.History) {
			h.Tasks[0].Pause = nil
		}},
		{"a task that was made is not there", history.InForce, func(_ *testing.T, h *history.History) { h.Tasks = h.Tasks[1:] }},
		{"what is read is of the time before an answer", history.InForce, func(t *testing.T, h *history.History) {
			o := op(t, h, "pause", answered(task.TaskPaused))
			got := *o.Got
			got.Pause = nil
			o.Got = &got
		}},
		{"a watch loses the last change of a run", history.WatchWhole, func(t *testing.T, h *history.History) {
			last := h.Runs[len(h.Runs)-1].ID
			for i := range steps(h, "runs") {
				s := &steps(h, "runs")[i]
				s.Runs = slices.DeleteFunc(slices.Clone(s.Runs), func(r task.Run) bool { return r.ID == last && r.State.Ended() })
			}
		}},
		{"a watch loses a run", history.WatchWhole, func(t *testing.T, h *history.History) {
			id := run(t, h, "fire", fired).ID
			for i := range steps(h, "runs") {
				s := &steps(h, "runs")[i]
				s.Runs = slices.DeleteFunc(slices.Clone(s.Runs), func(r task.Run) bool { return r.ID == id })
			}
		}},
		{"a watch loses the last change of a task", history.WatchWhole, func(t *testing.T, h *history.History) {
			id, version := h.Tasks[0].ID, h.Tasks[0].Version
			for i := range steps(h, "tasks") {
				s := &steps(h, "tasks")[i]
				s.Tasks = slices.DeleteFunc(slices.Clone(s.Tasks), func(t task.Task) bool { return t.ID == id && t.Version == version })
			}
		}},
		{"a watch does not tell that a task is gone", history.WatchWhole, func(_ *testing.T, h *history.History) {
			t := h.Tasks[0]
			t.ID[0]++
			h.Watches["tasks of 0"] = append(h.Watches["tasks of 0"], history.Step{Tasks: []task.Task{t}})
		}},
		{"a watch is never synced", history.WatchWhole, func(_ *testing.T, h *history.History) {
			for i := range steps(h, "tasks") {
				steps(h, "tasks")[i].Synced = false
			}
		}},
		{"a watch tells of a task in the wrong order", history.WatchOrder, func(_ *testing.T, h *history.History) {
			t := h.Tasks[0]
			t.Version--
			h.Watches["tasks of 0"] = append(h.Watches["tasks of 0"], history.Step{Tasks: []task.Task{t}})
		}},
		{"a watch tells of a run in the wrong order", history.WatchOrder, func(t *testing.T, h *history.History) {
			r := *run(t, h, "fire", fired)
			r.State = task.Running
			h.Watches["runs of 0"] = append(h.Watches["runs of 0"], history.Step{Runs: []task.Run{r}})
		}},
		{"a watch tells of a run that was taken back", history.WatchOrder, func(t *testing.T, h *history.History) {
			r := *run(t, h, "fire", fired)
			h.Watches["runs of 0"] = append(h.Watches["runs of 0"], history.Step{TakenBack: []task.RunID{r.ID}}, history.Step{Runs: []task.Run{r}})
		}},
		{"a count is wrong", history.Counted, func(_ *testing.T, h *history.History) { h.Tasks[0].Counts.Succeeded++ }},
		{"merged instants are not counted", history.Counted, func(_ *testing.T, h *history.History) { h.Tasks[0].Counts.Merged++ }},
		{"a fire is not counted", history.Counted, func(_ *testing.T, h *history.History) { h.Tasks[0].Clock.FireCount-- }},
		{"too many go", history.Limited, func(_ *testing.T, h *history.History) {
			s := start(t, h)
			more := *s
			more.Run = 0
			h.Starts = append(h.Starts, more)
			h.Lives = []history.Life{{Limits: task.Limits{MaxRunning: 1}}}
		}},
		{"too many of a group go", history.Limited, func(t *testing.T, h *history.History) {
			name := h.Tasks[find(t, "group", h.Tasks, func(t *task.Task) bool { return t.Declaration.Group == "g" })].Declaration.Name
			for i := range h.Starts {
				h.Starts[i].Task, h.Starts[i].BeginPlace, h.Starts[i].EndPlace = name, i, i+10
			}
			h.Lives = []history.Life{{Groups: map[string]task.Limits{"g": {MaxRunning: 1}}}}
		}},
		{"two runs go side by side", history.Alone, func(t *testing.T, h *history.History) {
			name := h.Tasks[find(t, "policy", h.Tasks, func(t *task.Task) bool {
				return t.Declaration.Policy.Overlap != task.OverlapAllow && t.Origin == task.Declared
			})].Declaration.Name
			for i := range h.Ops {
				h.Ops[i].Allow = false
			}
			for i := range h.Starts {
				if s := &h.Starts[i]; s.Task == name {
					s.EndPlace += 1000
				}
			}
		}},
		{"there are too many attempts", history.Attempts, func(t *testing.T, h *history.History) {
			r := run(t, h, "fire", func(r *task.Run) bool { return fired(r) && r.Attempt == 1 })
			for n := range 10 {
				r.Earlier = append(r.Earlier, task.Attempt{Number: n + 1, State: task.Failed})
			}
		}},
		{"a run at most once is started again", history.Attempts, func(t *testing.T, h *history.History) {
			r := run(t, h, "fire", func(r *task.Run) bool { return fired(r) && r.Attempt == 1 })
			r.Attempt, r.Earlier = 2, []task.Attempt{{Number: 1, State: task.Lost}}
			for i := range h.Tasks {
				h.Tasks[i].Declaration.Policy.Delivery = task.AtMostOnce
			}
		}},
		{"an attempt starts twice", history.Witnessed, func(t *testing.T, h *history.History) { h.Starts = append(h.Starts, *start(t, h)) }},
		{"what has run is not recorded", history.Witnessed, func(t *testing.T, h *history.History) { start(t, h).Run = 1_000_000 }},
		{"what is said to have run has not", history.Witnessed, func(t *testing.T, h *history.History) {
			id := run(t, h, "fire", func(r *task.Run) bool { return fired(r) && tasks[r.TaskName].Origin == task.Declared }).ID
			h.Starts = slices.DeleteFunc(h.Starts, func(s history.Start) bool { return s.Run == id })
		}},
		{"a run never ends", history.Settled, func(t *testing.T, h *history.History) { run(t, h, "fire", fired).State = task.Running }},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := copied(lived)
			row.breaks(t, &h)
			faults := history.Check(&h)
			if !slices.ContainsFunc(faults, func(f history.Fault) bool { return f.Promise == row.promise }) {
				t.Errorf("%q is not caught; found %v", row.promise, faults)
			}
		})
	}
}

func TestAHistoryIsCaughtUpIfEachWatchWasToldOfAllThatIsListed(t *testing.T) {
	h := story(t)
	if !h.CaughtUp() {
		t.Error("the story is not")
	}
	h = copied(h)
	all := h.Watches["tasks of 0"]
	h.Watches["tasks of 0"] = all[:len(all)-1]
	if h.CaughtUp() {
		t.Error("nor is it missed that the last step has not come yet")
	}
}

func TestAFireThatWasCanceledAheadMayHaveTheInstantOfOneOfTheNextTrigger(t *testing.T) {
	h := copied(story(t))
	change := &h.Events[find(t, "event", h.Events, func(e *task.Event) bool { return e.Action == task.TriggerUpdated })]
	i := find(t, "fire", h.Runs, func(r *task.Run) bool {
		return r.TaskName == change.TaskName && r.Cause == task.ByFire && r.ScheduledTime.After(change.Time)
	})
	r := h.Runs[i]
	r.ID, r.State, r.StartTime, r.EndTime = 1_000_000, task.Canceled, time.Time{}, change.Time.Add(-time.Microsecond)
	h.Runs = slices.Insert(h.Runs, i, r)
	for _, f := range history.Check(&h) {
		if slices.Contains([]history.Promise{history.RecordedOnce, history.NotLost, history.OnPlan}, f.Promise) {
			t.Error(f)
		}
	}
}
