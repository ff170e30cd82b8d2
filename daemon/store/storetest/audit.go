package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// eventsOf returns all events of a task, the oldest first; of an empty name, of all tasks.
func (f *fixture) eventsOf(name string) []task.Event {
	f.Helper()
	q := task.AuditQuery{Limit: 3}
	if name != "" {
		q.TaskID = idOf(name)
	}
	events := f.allEvents(q)
	slices.Reverse(events)
	return events
}

func eventIDs(events []task.Event) (ids []int64) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func actionsOf(events []task.Event) (actions []task.Action) {
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	return actions
}

var auditCases = []testCase{
	{"every field of an event survives, and ids count from 1 in the order of recording", func(f *fixture) {
		full, plain := fullEvent("a"), task.Event{Action: task.TaskDeclared}
		a := newTask("a", future(0))
		f.change("a", store.Change{Task: &a, Audit: []task.Event{full, plain}})
		f.change("a", store.Change{Audit: []task.Event{full}})
		want := []task.Event{full, plain, full}
		for i := range want {
			want[i].ID = int64(i + 1)
		}
		f.exact(want, f.eventsOf(""))
		if zone := f.eventsOf("")[0].Time.Location(); zone != time.UTC {
			f.Errorf("the time of an event is in the zone %v", zone)
		}
	}},
	{"events come newest first, of all tasks and of one, however they are paged", func(f *fixture) {
		names := []string{"a", "b", "c"}
		for i := range 30 {
			name := names[i%7%3]
			e := fullEvent(name)
			e.Time = past(time.Duration(-i) * time.Hour) // the clock may have been set back
			f.change(name, store.Change{Audit: []task.Event{e}})
		}
		all, err := f.AuditEvents(ctx, task.AuditQuery{Limit: 100})
		f.ok(err)
		f.equal(30, len(all))
		for i, e := range all {
			f.equal(int64(30-i), e.ID)
		}
		for _, name := range append(names, "", "unknown") {
			for _, before := range []int64{0, 1, 2, 15, 30, 31, 1 << 60} {
				var want []task.Event
				for _, e := range all {
					if (name == "" || e.TaskName == name) && (before == 0 || e.ID < before) {
						want = append(want, e)
					}
				}
				q := task.AuditQuery{Before: before}
				if name != "" {
					q.TaskID = idOf(name)
				}
				for _, q.Limit = range []int{1, 4, 30, 100} {
					f.exact(want, f.allEvents(q))
				}
			}
		}
	}},
	{"an event is recorded whether its task is stored or not", func(f *fixture) {
		f.equal(store.Updated{}, f.change("unknown", store.Change{Audit: []task.Event{newEvent("unknown", task.DeclarationRefused)}}))
		f.equal([]task.Action{task.DeclarationRefused}, actionsOf(f.eventsOf("unknown")))
		f.equal(0, len(f.allTasks(task.TaskQuery{Limit: 5})))
	}},
	{"the event of a call has the id of its run, and a repeated call has none", func(f *fixture) {
		f.create(newTask("a", future(0)), newTask("b", future(0)))
		f.recordN("b", 3)
		for range 2 {
			_, _, err := f.Call(ctx, task.ByName("a"), request1, called)
			f.ok(err)
		}
		_, _, err := f.Call(ctx, task.ByName("a"), uuid.Nil, called)
		f.ok(err)
		first, second := newEvent("a", task.RunRequested), newEvent("a", task.RunRequested)
		first.ID, first.RunID, second.ID, second.RunID = 1, 4, 2, 5
		f.exact([]task.Event{first, second}, f.eventsOf(""))
	}},
	{"what a decision tells of is recorded with it, unless it is rejected", func(f *fixture) {
		f.create(newTask("a", past(0)), newTask("back", past(time.Second)))
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, func(now time.Time, d store.Due) store.Decision {
			decision := advance(future(0))(now, d)
			decision.Audit = []task.Event{newEvent(d.Name, task.TaskPaused), newEvent(d.Name, task.OverrideExpired)}
			if d.Name == "back" {
				decision.Clock.NextFireTime = d.Clock.NextFireTime
			}
			return decision
		})
		f.ok(err)
		f.equal([]task.Action{task.TaskPaused, task.OverrideExpired}, actionsOf(f.eventsOf("")))
		report := end(claimed.Fires[0].Run.ID, 0)
		report.Decide = true
		_, err = f.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			return store.Decision{Clock: d.Clock, State: d.State, Audit: []task.Event{newEvent("a", task.TaskResumed)}}
		})
		f.ok(err)
		f.equal([]task.Action{task.TaskPaused, task.OverrideExpired, task.TaskResumed}, actionsOf(f.eventsOf("a")))
	}},
	{"what a report tells of is recorded with it, unless it is late", func(f *fixture) {
		f.create(newTask("a", future(0)))
		runs := f.recordN("a", 2)
		reports := []store.Report{end(runs[0], 0), end(runs[0], 0), end(99, 0), end(runs[1], 5), end(runs[1], 0)}
		for i := range reports {
			e := fullEvent("a")
			e.RunID = task.RunID(100 + i)
			reports[i].Audit = []task.Event{e}
		}
		late, err := f.Record(ctx, reports, nil)
		f.ok(err)
		f.equal(3, len(late))
		var of []task.RunID
		for _, e := range f.eventsOf("a") {
			of = append(of, e.RunID)
		}
		f.equal([]task.RunID{100, 104}, of)
	}},
	{"nothing is recorded of what was undone", func(f *fixture) {
		f.create(newTask("a", past(0)))
		run := f.recordN("a", 1)[0]
		before := f.everything()
		audit := []task.Event{fullEvent("a")}
		for _, fail := range []func() error{
			func() error { return errFn },
			func() error { panic("out of cheese") },
		} {
			_, err := f.Update(ctx, []uuid.UUID{idOf("a"), idOf("b")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
				if id == idOf("b") {
					return store.Change{}, fail()
				}
				return store.Change{Audit: audit}, nil
			})
			if err == nil {
				f.Fatal("the update did not fail")
			}
			_, _, err = f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) {
				return newRun("a", past(0)), audit[0], fail()
			})
			if err == nil {
				f.Fatal("the call did not fail")
			}
		}
		_, _, err := f.Call(ctx, task.ByName("a"), request1, func(task.Task) (task.Run, task.Event, error) {
			return newRun("b", past(0)), audit[0], nil
		})
		if err == nil {
			f.Fatal("a run of another task was recorded")
		}
		calls := 0
		f.create(newTask("b", past(time.Second)))
		before.Tasks, before.ByState, before.Chains, before.Position = nil, nil, nil, store.Position{}
		_, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, func(now time.Time, d store.Due) store.Decision {
			if calls++; calls == 2 {
				panic("out of cheese")
			}
			decision := advance(future(0))(now, d)
			decision.Audit = audit
			return decision
		})
		if err == nil {
			f.Fatal("the claim did not fail")
		}
		report := end(run, 0)
		report.Decide, report.Audit = true, audit
		_, err = f.Record(ctx, []store.Report{report}, func(time.Time, store.Due, task.Run) store.Decision { panic("out of cheese") })
		if err == nil {
			f.Fatal("the record did not fail")
		}
		after := f.everything()
		after.Tasks, after.ByState, after.Chains, after.Position = nil, nil, nil, store.Position{}
		f.exact(before, after)
	}},
	{"callers do not share the memory of events with the store", func(f *fixture) {
		in := []task.Event{fullEvent("a")}
		f.change("a", store.Change{Audit: in})
		spoil := func(events []task.Event) {
			for _, b := range [][]byte{events[0].Before, events[0].After} {
				for i := range b {
					b[i] = 'x'
				}
			}
		}
		spoil(in)
		spoil(f.eventsOf("a"))
		want := fullEvent("a")
		want.ID = 1
		f.exact([]task.Event{want}, f.eventsOf("a"))
	}},
	{"the texts of events keep every byte", func(f *fixture) {
		for i, text := range []string{"'; DROP TABLE events; --", "a\x00b", "line\nline\r\n\t", "ÿ\u2028\U0010fffd", strings.Repeat("long ", 20_000)} {
			want := task.Event{ID: int64(i + 1), Action: task.TriggerUpdated, TaskName: text, Actor: text, Peer: text, Reason: text, Before: []byte(text), After: []byte(text)}
			f.change("a", store.Change{Audit: []task.Event{want}})
			events := f.eventsOf("")
			f.exact(want, events[len(events)-1])
		}
	}},
	{"events that are old are swept in chunks, and no others", func(f *fixture) {
		const n = 25
		for i := range n {
			e := newEvent("a", task.TaskPaused)
			// In no order, as after the clock was set back.
			e.Time = past(time.Duration(i*7%n) * time.Minute)
			f.change("a", store.Change{Audit: []task.Event{e}})
		}
		f.sweep(past(0), 10)
		f.equal(n, len(f.eventsOf("")))
		more, err := f.Sweep(ctx, past(12*time.Minute), 5)
		f.ok(err)
		f.equal(true, more)
		f.equal(n-5, len(f.eventsOf("")))
		f.sweep(past(12*time.Minute), 5)
		left := f.eventsOf("")
		f.equal(n-12, len(left))
		for _, e := range left {
			if e.Time.Before(past(12 * time.Minute)) {
				f.Errorf("event %d of %v is still there", e.ID, e.Time)
			}
		}
		f.exact(left, f.eventsOf("a"))
		f.sweep(future(0), 100)
		f.equal(0, len(f.eventsOf("")))
		f.change("a", store.Change{Audit: []task.Event{newEvent("a", task.TaskPaused)}})
		f.equal([]int64{n + 1}, eventIDs(f.eventsOf("a")))
	}},
}

// sweep sweeps until there is no more.
func (f *fixture) sweep(auditBefore time.Time, limit int) {
	f.Helper()
	for range 10_000 {
		more, err := f.Sweep(ctx, auditBefore, limit)
		f.ok(err)
		if !more {
			return
		}
	}
	f.Fatal("there is always more to sweep")
}
