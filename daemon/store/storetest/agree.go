package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Agree does the same random operations on two stores, which must give the same answers and show the
// same in the end. A failure names the seed.
func Agree(t *testing.T, seed uint64, operations int, open func(t *testing.T) (a, b store.Store)) {
	a, b := open(t)
	t.Cleanup(func() {
		for _, s := range []store.Store{a, b} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	one, other := &fixture{TB: t, Store: a}, &fixture{TB: t, Store: b}
	m := &model{r: rand.New(rand.NewPCG(seed, seed)), names: names("t", 12)}
	for i := range operations {
		name, do := m.operation()
		want, got := do(one), do(other)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, operation %d, %s: (-one +other)\n%s", seed, i, name, diff)
		}
	}
	one.equal(one.everything(), other.everything())
}

// model draws operations. What an operation does depends on the draws and on what the store answers, so
// two stores that agree are asked the same.
type model struct {
	r     *rand.Rand
	names []string
	last  task.RunID // about the greatest run id so far
}

// answer is what an operation returned, without the store's clock.
type answer struct {
	Value any
	Err   string
}

func answerOf(v any, err error) answer {
	if err != nil {
		return answer{Err: err.Error()}
	}
	return answer{Value: v}
}

func (m *model) name() string { return m.names[m.r.IntN(len(m.names))] }

func (m *model) run() task.RunID { return max(0, m.last+2-task.RunID(m.r.IntN(20))) }

func (m *model) instant() time.Time {
	switch m.r.IntN(4) {
	case 0:
		return time.Time{}
	case 1:
		return future(time.Duration(m.r.IntN(1e9)) * time.Microsecond)
	}
	return past(time.Duration(m.r.IntN(1e9)) * time.Microsecond)
}

func (m *model) runValue(name string) task.Run {
	r := newRun(name, past(time.Duration(m.r.IntN(1e6))*time.Microsecond))
	if m.r.IntN(3) == 0 {
		r = fullRun(name)
	}
	if m.r.IntN(3) == 0 {
		r.JitteredTime = m.instant()
	}
	r.State, r.Attempt = task.RunState(1+m.r.IntN(9)), m.r.IntN(2)
	if m.r.IntN(2) == 0 {
		r.State = task.Scheduled
	}
	return r
}

func (m *model) taskValue(name string) task.Task {
	t := newTask(name, m.instant())
	if m.r.IntN(3) == 0 {
		t = fullTask(name)
		t.Clock.NextFireTime = m.instant()
	}
	t.Clock.RecordedTime = m.instant()
	t.State, t.Version = allStates[m.r.IntN(4)], m.r.Int64N(100)
	return t
}

func (m *model) states() (states []task.State) {
	for range m.r.IntN(4) {
		states = append(states, allStates[m.r.IntN(4)])
	}
	return states
}

func (m *model) runStates() (states []task.RunState) {
	for range m.r.IntN(4) {
		states = append(states, task.RunState(1+m.r.IntN(9)))
	}
	return states
}

// operation draws one. The function that it returns does it, and may be called on several stores.
func (m *model) operation() (string, func(f *fixture) answer) {
	switch m.r.IntN(12) {
	case 0, 1:
		return m.update()
	case 2:
		ref, request := task.ByName(m.name()), []uuid.UUID{{}, request1, request2}[m.r.IntN(3)]
		run := m.runValue(ref.Name)
		fail := m.r.IntN(4) == 0
		return "Call", func(f *fixture) answer {
			got, repeated, err := f.Call(ctx, ref, request, func(task.Task) (task.Run, error) {
				if fail {
					return task.Run{}, errFn
				}
				return run, nil
			})
			m.last = max(m.last, got.ID)
			return answerOf([]any{got, repeated}, err)
		}
	case 3, 4:
		return m.claim()
	case 5, 6:
		return m.report()
	case 7:
		q := task.TaskQuery{NamePrefix: m.name()[:m.r.IntN(7)], States: m.states(), Limit: 1 + m.r.IntN(8)}
		if m.r.IntN(2) == 0 {
			q.After = m.name()
		}
		return "Tasks", func(f *fixture) answer { return answerOf(f.Tasks(ctx, q)) }
	case 8:
		q := task.RunQuery{States: m.runStates(), Limit: 1 + m.r.IntN(8)}
		if m.r.IntN(2) == 0 {
			q.TaskID = idOf(m.name())
		}
		if m.r.IntN(2) == 0 {
			q.From = m.run()
		}
		// Where a page ends is up to the store, so all pages together are compared.
		return "Runs", func(f *fixture) answer { return answerOf(f.allRuns(q), nil) }
	case 9:
		after, limit := m.run(), 1+m.r.IntN(20)
		return "Unfinished", func(f *fixture) answer { return answerOf(f.Unfinished(ctx, after, limit)) }
	case 10:
		ref := task.ByName(m.name())
		return "Task", func(f *fixture) answer { return answerOf(f.Task(ctx, ref)) }
	}
	id := m.run()
	return "Run", func(f *fixture) answer { return answerOf(f.Run(ctx, id)) }
}

func (m *model) update() (string, func(f *fixture) answer) {
	var ids []uuid.UUID
	changes := make(map[uuid.UUID]store.Change)
	fail := uuid.Nil
	for range 1 + m.r.IntN(4) {
		name := m.name()
		id := idOf(name)
		ids = append(ids, id)
		var c store.Change
		if m.r.IntN(4) > 0 {
			t := m.taskValue(name)
			c.Task = &t
		}
		for range m.r.IntN(3) {
			c.TakeBack = append(c.TakeBack, m.run())
		}
		for range m.r.IntN(4) {
			c.Record = append(c.Record, m.runValue(name))
		}
		changes[id] = c
		if m.r.IntN(8) == 0 {
			fail = id
		}
	}
	return "Update", func(f *fixture) answer {
		updated, err := f.Update(ctx, ids, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
			c := changes[id]
			if id == fail {
				return c, errFn
			}
			if stored == nil && c.Task == nil {
				c.Record = nil
			}
			return c, nil
		})
		for _, u := range updated {
			for _, r := range u.Recorded {
				m.last = max(m.last, r.ID)
			}
		}
		return answerOf(updated, err)
	}
}

func (m *model) claim() (string, func(f *fixture) answer) {
	limit, salt := 1+m.r.IntN(6), m.r.Uint64()
	return "Claim", func(f *fixture) answer {
		claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: limit}, func(_ time.Time, d store.Due) store.Decision {
			// Drawn from the task, so that it does not depend on which of the stores asks first.
			m := &model{r: rand.New(rand.NewPCG(salt, uint64(d.Clock.NextFireTime.UnixMicro())))}
			next := d.Clock
			next.NextFireTime, next.RecordedTime, next.FireCount = m.instant(), m.instant(), next.FireCount+1
			next.Progress = schedule.Progress{LastFire: d.Clock.NextFireTime, Fires: append(next.Progress.Fires, m.r.Int64N(1000))}
			decision := store.Decision{Clock: next, State: allStates[m.r.IntN(4)]}
			for range m.r.IntN(3) {
				decision.Record = append(decision.Record, m.runValue(d.Name))
			}
			if m.r.IntN(5) == 0 {
				decision.Pause = &task.Pause{Actor: "clockd", CreateTime: past(0)}
			}
			if m.r.IntN(3) == 0 {
				if _, err := d.Load(); err != nil {
					f.Error(err)
				}
			}
			return decision
		})
		for _, fire := range claimed.Fires {
			m.last = max(m.last, fire.Run.ID)
		}
		claimed.Now = time.Time{}
		return answerOf(claimed, err)
	}
}

func (m *model) report() (string, func(f *fixture) answer) {
	var reports []store.Report
	for range 1 + m.r.IntN(5) {
		r := store.Report{Run: m.runValue("x"), FromAttempt: m.r.IntN(2), Reschedule: m.r.IntN(2) == 0}
		r.Run.ID = m.run()
		reports = append(reports, r)
	}
	next, recorded, more := m.instant(), m.instant(), m.r.IntN(3) == 0
	return "Record", func(f *fixture) answer {
		var seen []any
		late, err := f.Record(ctx, slices.Clone(reports), func(_ time.Time, d store.Due, ended task.Run) store.Decision {
			seen = append(seen, d.Clock, d.Name, ended)
			d.Clock.NextFireTime, d.Clock.RecordedTime, d.Clock.Progress.LastEnd = next, recorded, ended.EndTime
			decision := store.Decision{Clock: d.Clock, State: d.State}
			if more {
				decision.Record = []task.Run{newRun(d.Name, past(0))}
			}
			return decision
		})
		return answerOf([]any{late, seen}, err)
	}
}
