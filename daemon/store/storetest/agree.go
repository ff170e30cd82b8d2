package storetest

import (
	"errors"
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
// same in the end; and what each tells of its commits must show, at any time, what it shows itself. Numbers of commits
// are the only thing that need not be the same. A failure names the seed.
func Agree(t *testing.T, seed uint64, operations int, open func(t *testing.T) (a, b store.Store)) {
	a, b := open(t)
	t.Cleanup(func() {
		for _, s := range []store.Store{a, b} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	one, other := newSide(t, a), newSide(t, b)
	m := &model{r: rand.New(rand.NewPCG(seed, seed)), names: names("t", 12)}
	for i := range operations {
		name, do := m.operation()
		want, got := do(one), do(other)
		if diff := cmp.Diff(want, got, anyChange); diff != "" {
			t.Fatalf("seed %d, operation %d, %s: (-one +other)\n%s", seed, i, name, diff)
		}
		for _, s := range []*side{one, other} {
			if s.settle(i%50 == 0); t.Failed() {
				t.Fatalf("seed %d, operation %d, %s", seed, i, name)
			}
		}
	}
	one.settle(true)
	other.settle(true)
	want, got := one.everything(), other.everything()
	want.Position, got.Position = store.Position{OldestOpen: want.Position.OldestOpen}, store.Position{OldestOpen: got.Position.OldestOpen}
	one.exact(want, got, anyChange)
}

// side is one of the stores, and what is known of it from what it told.
type side struct {
	*fixture
	mirror *mirror
	// marks are where it had come to after each operation.
	marks []store.Position
	// from and to are the ids of a task that the operation has renamed, and name is its new name.
	from, to uuid.UUID
	name     string
}

func newSide(t *testing.T, s store.Store) *side {
	f := newFixture(t, s)
	f.watch(true, true)
	return &side{fixture: f, mirror: newMirror(), marks: []store.Position{f.position()}}
}

// settle takes in what was told of an operation, and checks it against what the store shows, all of it if asked to.
func (s *side) settle(all bool) {
	s.Helper()
	last := s.marks[len(s.marks)-1]
	p := s.position()
	deleted, takenBack := last.Deleted, last.TakenBack
	for _, c := range s.told() {
		if s.from != s.to {
			s.mirror.rename(s.from, s.to, s.name)
			s.from = s.to
		}
		s.mirror.apply(s.fixture, c)
		for _, ch := range c.Changes {
			if ch.DeletedTask != uuid.Nil {
				deleted = c.Change
			}
			if ch.TakenBack != 0 {
				takenBack = c.Change
			}
		}
		if c.Change == p.Change && c.OldestOpen != p.OldestOpen || c.Change > p.Change {
			s.Errorf("commit %d was told with the oldest open run %v, the store is at %+v", c.Change, c.OldestOpen, p)
		}
	}
	if p.ID != last.ID || p.Change < last.Change || p.Deleted != deleted || p.TakenBack != takenBack {
		s.Errorf("from %+v the store came to %+v, having told of deletions in %d and of runs taken back in %d", last, p, deleted, takenBack)
	}
	s.marks = append(s.marks, p)
	if all {
		s.mirror.same(s.fixture)
	}
}

// mark is the number of the last commit of the n-th operation.
func (s *side) mark(n int) int64 { return s.marks[n%len(s.marks)].Change }

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

func (m *model) event(name string) task.Event {
	e := newEvent(name, task.Action(1+m.r.IntN(17)))
	if m.r.IntN(3) == 0 {
		e = fullEvent(name)
	}
	e.Time = past(time.Duration(m.r.IntN(1e6)) * time.Microsecond)
	return e
}

// groups are those of tasks, and one that has none.
var groups = []string{"", "billing", "g", "none"}

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
	if r.Attempt > 0 {
		r.Cause = task.ByCall // no two fires of a task that are made have the same instant, which a store may insist on
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
	t.Declaration.Group, t.FailureCount = groups[m.r.IntN(3)], m.r.Int64N(5)
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
func (m *model) operation() (string, func(f *side) answer) {
	switch m.r.IntN(18) {
	case 0, 1:
		return m.update()
	case 2:
		ref, request := task.ByName(m.name()), []uuid.UUID{{}, request1, request2}[m.r.IntN(3)]
		run, event := m.runValue(ref.Name), m.event(ref.Name)
		fail := m.r.IntN(4) == 0
		return "Call", func(f *side) answer {
			got, repeated, err := f.Call(ctx, ref, request, func(task.Task) (task.Run, task.Event, error) {
				if fail {
					return task.Run{}, task.Event{}, errFn
				}
				return run, event, nil
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
		if m.r.IntN(3) == 0 {
			q.Group = groups[m.r.IntN(len(groups))]
		}
		return "Tasks", func(f *side) answer { return answerOf(f.Tasks(ctx, q)) }
	case 8:
		q := task.RunQuery{States: m.runStates(), Limit: 1 + m.r.IntN(8)}
		if m.r.IntN(2) == 0 {
			q.TaskID = idOf(m.name())
		}
		if m.r.IntN(2) == 0 {
			q.From = m.run()
		}
		// Where a page ends is up to the store, so all pages together are compared.
		return "Runs", func(f *side) answer { return answerOf(f.allRuns(q), nil) }
	case 9:
		after, limit := m.run(), 1+m.r.IntN(20)
		return "Unfinished", func(f *side) answer { return answerOf(f.Unfinished(ctx, after, limit)) }
	case 10:
		return m.rename()
	case 11, 12:
		return m.prune()
	case 13:
		before, limit := past(time.Duration(m.r.IntN(1e5))*time.Microsecond), 1+m.r.IntN(9)
		return "Sweep", func(f *side) answer {
			f.sweep(before, limit)
			return answer{}
		}
	case 14:
		q := task.AuditQuery{Limit: 1 + m.r.IntN(9)}
		if m.r.IntN(2) == 0 {
			q.TaskID = idOf(m.name())
		}
		if m.r.IntN(2) == 0 {
			q.Before = m.r.Int64N(200)
		}
		return "AuditEvents", func(f *side) answer { return answerOf(f.AuditEvents(ctx, q)) }
	case 15:
		n, limit := m.r.IntN(1000), 1+m.r.IntN(9)
		return "Tasks changed after", func(f *side) answer {
			after := f.mark(n)
			want, _ := f.mirror.changedAfter(after)
			f.equal(want, namesOf(f.allTasks(task.TaskQuery{ChangedAfter: after, Limit: limit})))
			return answer{}
		}
	case 16:
		n, limit := m.r.IntN(1000), 1+m.r.IntN(9)
		return "RunsChanged", func(f *side) answer {
			after := f.mark(n)
			_, want := f.mirror.changedAfter(after)
			f.equal(want, idsOf(f.allChanged(task.ChangedQuery{After: after, Limit: limit})))
			return answer{}
		}
	case 17:
		ref := task.ByName(m.name())
		return "Task", func(f *side) answer { return answerOf(f.Task(ctx, ref)) }
	}
	id := m.run()
	return "Run", func(f *side) answer { return answerOf(f.Run(ctx, id)) }
}

func (m *model) update() (string, func(f *side) answer) {
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
			c.TakeBack = append(c.TakeBack, min(m.run(), m.last)) // nobody knows the id of a run before it is recorded
		}
		for range m.r.IntN(4) {
			c.Record = append(c.Record, m.runValue(name))
		}
		for range m.r.IntN(3) {
			c.Audit = append(c.Audit, m.event(name))
		}
		if m.r.IntN(8) == 0 {
			c.Delete, c.Task, c.Record = true, nil, nil
		}
		changes[id] = c
		if m.r.IntN(8) == 0 {
			fail = id
		}
	}
	return "Update", func(f *side) answer {
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

// rename gives a task another name, or tries to.
func (m *model) rename() (string, func(f *side) answer) {
	from, to := m.name(), m.name()
	audit := []task.Event{m.event(to)}
	var record []task.Run
	if m.r.IntN(2) == 0 {
		record = append(record, m.runValue(to))
	}
	return "Rename", func(f *side) answer {
		updated, err := f.Update(ctx, []uuid.UUID{idOf(from)}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			if stored == nil {
				return store.Change{}, nil
			}
			t := renamed(*stored, to)
			return store.Change{Task: &t, Record: record, Audit: audit}, nil
		})
		if errors.Is(err, task.ErrExists) {
			return answer{Err: "exists"}
		}
		if err == nil && updated[0].Task.ID == idOf(to) {
			f.from, f.to, f.name = idOf(from), idOf(to), to
		}
		for _, u := range updated {
			for _, r := range u.Recorded {
				m.last = max(m.last, r.ID)
			}
		}
		return answerOf(updated, err)
	}
}

func (m *model) prune() (string, func(f *side) answer) {
	name, limit, most, salt := m.name(), 1+m.r.IntN(30), m.r.Int64N(10), task.RunID(1+m.r.IntN(5))
	return "Prune", func(f *side) answer {
		shown := task.RunID(0)
		pruned, err := f.Prune(ctx, idOf(name), limit, func(r *task.Run, kept int64) bool {
			if shown != 0 && r.ID >= shown || r.TaskName != name || !r.State.Ended() {
				f.Errorf("run %v of %q, which is %s, was shown after run %v", r.ID, r.TaskName, r.State, shown)
			}
			shown = r.ID
			return kept < most && r.ID%salt != 0
		})
		if pruned.More {
			// How far it looked once the limit was reached is up to the store.
			pruned.Kept, pruned.Oldest = 0, time.Time{}
		}
		// No Observer is told of runs that are pruned.
		left := make(map[task.RunID]bool)
		for _, r := range f.allRuns(task.RunQuery{TaskID: idOf(name), Limit: 100}) {
			left[r.ID] = true
		}
		for id, r := range f.mirror.runs {
			if r.TaskID == idOf(name) && r.State.Ended() && !left[id] {
				delete(f.mirror.runs, id)
			}
		}
		return answerOf(pruned, err)
	}
}

func (m *model) claim() (string, func(f *side) answer) {
	limit, salt := 1+m.r.IntN(6), m.r.Uint64()
	return "Claim", func(f *side) answer {
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
				decision.Audit = append(decision.Audit, m.event(d.Name))
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

func (m *model) report() (string, func(f *side) answer) {
	var reports []store.Report
	for range 1 + m.r.IntN(5) {
		r := store.Report{Run: m.runValue("x"), FromAttempt: m.r.IntN(2), Decide: m.r.IntN(2) == 0}
		r.Run.ID = m.run()
		if m.r.IntN(3) == 0 {
			r.Audit = []task.Event{m.event("x")}
		}
		reports = append(reports, r)
	}
	next, recorded, more := m.instant(), m.instant(), m.r.IntN(3) == 0
	return "Record", func(f *side) answer {
		var seen []any
		late, err := f.Record(ctx, slices.Clone(reports), func(_ time.Time, d store.Due, ended task.Run) store.Decision {
			seen = append(seen, d.Clock, d.Name, d.FailureCount, ended)
			d.Clock.NextFireTime, d.Clock.RecordedTime, d.Clock.Progress.LastEnd = next, recorded, ended.EndTime
			decision := store.Decision{Clock: d.Clock, State: d.State}
			if more {
				decision.Record = []task.Run{newRun(d.Name, past(time.Duration(ended.ID)*time.Second))}
			}
			return decision
		})
		return answerOf([]any{late, seen}, err)
	}
}
