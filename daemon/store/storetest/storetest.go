// Package storetest tests any store.Store against the contract of package store: [Run] for all of them,
// [Clock] for those whose clock can be set, [Restart] for those that outlive their process, [Agree] for two
// that must do the same, [Cluster] and [Leases] for those that several daemons share, [Bench] for how fast they are. It is
// imported by tests only.
//
// Every case gets a fresh store. Nothing here sleeps or waits for a clock: what shall be due lies an
// hour back, what shall not lies far ahead.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// Namespace is that of the stores that an open function must return.
const Namespace = "storetest"

// Run runs the conformance suite. open returns an empty store of [Namespace]; Run closes it. Cases run in
// parallel, so open may be called at the same time, and the stores must not know of each other.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"Update", updateCases},
		{"TakeBack", takeBackCases},
		{"Call", callCases},
		{"Claim", claimCases},
		{"Record", recordCases},
		{"Counts", countsCases},
		{"Tasks", tasksCases},
		{"Runs", runsCases},
		{"RunsChanged", runsChangedCases},
		{"Audit", auditCases},
		{"Rename", renameCases},
		{"Delete", deleteCases},
		{"Prune", pruneCases},
		{"Position", positionCases},
		{"Observe", observeCases},
		{"Values", valueCases},
		{"Triggers", triggerCases},
		{"Contexts", contextCases},
		{"Together", togetherCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.promise, func(t *testing.T) {
					t.Parallel()
					s := open(t)
					t.Cleanup(func() {
						if err := s.Close(); err != nil {
							t.Errorf("close: %v", err)
						}
					})
					c.test(newFixture(t, s))
				})
			}
		})
	}
}

// testCase is one promise of the contract.
type testCase struct {
	promise string
	test    func(f *fixture)
}

// fixture is a store and what tests do with it again and again.
type fixture struct {
	testing.TB
	store.Store
	watcher *watcher // of the store
}

// newFixture returns a fixture with a store that was just opened. The watcher wants nothing.
func newFixture(tb testing.TB, s store.Store) *fixture {
	w := new(watcher)
	s.Observe(w)
	return &fixture{TB: tb, Store: s, watcher: w}
}

var ctx = context.Background()

// errFn is what a function that is handed in returns when it shall fail.
var errFn = errors.New("the function says no")

// base is a whole second that lies well back.
var base = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// past and future return instants that are due and that are not, whatever the clock says.
func past(d time.Duration) time.Time { return base.Add(d) }

func future(d time.Duration) time.Time { return base.AddDate(1000, 0, 0).Add(d) }

func idOf(name string) uuid.UUID { return task.IDOf(Namespace, name) }

// newTask returns a plain task that is due at next; zero: never.
func newTask(name string, next time.Time) task.Task {
	return task.Task{
		ID:        idOf(name),
		Namespace: Namespace,
		Declaration: task.Declaration{
			Name:    name,
			Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}},
			Target:  task.Target{Kind: "function", Summary: "main.do"},
		},
		State:      task.Active,
		Version:    1,
		CreateTime: base,
		UpdateTime: base,
		Clock:      task.Clock{NextFireTime: next, Progress: schedule.Progress{Anchor: base}},
	}
}

// fullTask returns a task in which nothing has its zero value but what is the store's: Counts, Change and LastRun.
func fullTask(name string) task.Task {
	us := time.Microsecond
	t := newTask(name, future(0))
	t.Declaration = task.Declaration{
		Name:        name,
		Description: "says what it is for, in “words”",
		Group:       "billing",
		Labels:      map[string]string{"team": "a", "": "empty", "ü": "\"quoted\"\n"},
		Trigger: schedule.Trigger{
			Kind: schedule.AnyOf{Triggers: []schedule.Trigger{
				{Kind: schedule.Every{Interval: 90 * time.Second, FirstFire: schedule.Immediate, Pacing: schedule.FixedDelay}, MaxFires: 7},
				{Kind: schedule.At{Hour: 9, Minute: 30, Second: 15, DaysOfWeek: []time.Weekday{time.Monday, time.Sunday}, TimeZone: "UTC"}},
				{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{{Kind: schedule.Cron{Expression: "0 3 * * *", TimeZone: "UTC"}}, {Kind: schedule.OnShutDown{}}}}},
				{Kind: schedule.Custom{TypeURL: "type.googleapis.com/acme.v1.Tide", Value: "\x00\xff"}, Exclusions: exclusions()[:2]},
			}},
			MaxFires: 100, StartTime: base.Add(us), EndTime: base.AddDate(9, 0, 0).Add(7 * us),
			Jitter: 30*time.Second + us, Exclusions: exclusions(),
		},
		Policy: fullPolicy(),
		Target: task.Target{Kind: "command", Summary: "/bin/report --all"},
		Spec:   fullSpec(),
	}
	t.Override = &task.Override{
		Trigger: schedule.Trigger{Kind: schedule.Once{Time: base.Add(3 * us)}},
		Actor:   "ann", Reason: "slower while we move", CreateTime: base.Add(4 * us),
		OnDeclaredChange: task.Keep, DeclarationChanged: true, ExpireTime: base.Add(14 * us),
	}
	t.Pause = &task.Pause{Actor: "bob", Reason: "lunch", CreateTime: base.Add(5 * us), ResumeTime: base.Add(15 * us)}
	t.OrphanTime, t.OrphanReason = base.Add(6*us), "not in “clockd.yaml” since revision 42"
	t.Origin, t.Revision, t.FailureCount = task.Created, 1<<62, 1<<41
	t.State = task.Orphaned
	t.Version = 41
	t.CreateTime, t.UpdateTime = base.Add(-us), base.Add(8*us)
	t.Clock = task.Clock{
		NextFireTime: future(9 * us),
		RecordedTime: base.Add(13 * us),
		ExcludedTime: base.Add(12 * us),
		FireCount:    1 << 40,
		Progress: schedule.Progress{
			Anchor: base.Add(10 * us), LastFire: base.Add(11 * us), LastEnd: base.Add(12 * us),
			Fires: []int64{0, 1, 63, 64, 1 << 50},
		},
	}
	return t
}

// fullPolicy returns a policy in which nothing has its zero value.
func fullPolicy() task.Policy {
	return task.Policy{
		Overlap: task.OverlapCancel, CatchUp: task.CatchUpNone, CatchUpWindow: time.Hour + 1, Delivery: task.AtMostOnce,
		Timeout: 90*time.Second + 1,
		Retry: task.Retry{
			MaxAttempts: task.MaxRetryAttempts, Backoff: time.Millisecond + 1, MaxBackoff: task.MaxSpan - 1, Jitter: 1.0 / 3,
		},
		PauseAfterFailures: 1<<31 - 1,
		Retention:          task.Retention{Keep: task.KeepFailures, MaxRuns: 1_000_000_000, MaxAge: task.MaxSpan},
	}
}

// fullSpec returns a spec in which nothing has its zero value, though no task has both.
func fullSpec() *task.TargetSpec {
	return &task.TargetSpec{
		Command: &task.CommandSpec{
			Args: []string{"/bin/report", "", "--all", "“a b”\n"}, Env: map[string]string{"A": "", "ü": "=\x00"}, Dir: "/tmp",
			Stdin: "line\nline\u2028<&>", OutputLimit: 1 << 40, KillDelay: 7*time.Second + 1,
		},
		HTTP: &task.HTTPSpec{
			Method: "PATCH", URL: "https://example.com/?a=b&c=<d>", Headers: map[string]string{"X-A": "b", "x-a": ""}, Body: "{\"a\": 1}\r\n",
			ExpectStatus: []int{200, 418}, OutputLimit: 1,
		},
		Worker: &task.WorkerSpec{},
		GRPC: &task.GRPCSpec{
			Address: "unix:/run/billing", Method: "billing.v1.Bills/Send", Body: "{\"all\": true}", Metadata: map[string]string{"x-a": "<b>"},
			TLS:         &task.TLSSpec{CAFile: "/ca", CertFile: "/cert", KeyFile: "/key", ServerName: "billing"},
			OutputLimit: 2,
		},
	}
}

// newRun returns a run of the task with this name that was fired at an instant.
func newRun(name string, at time.Time) task.Run {
	return task.Run{TaskID: idOf(name), State: task.Scheduled, Cause: task.ByFire, ScheduledTime: at, Fires: 1}
}

// fullRun returns a run in which nothing has its zero value but what is the store's: ID and Change.
func fullRun(name string) task.Run {
	return task.Run{
		TaskID: idOf(name), TaskName: name, State: task.Running, Reason: task.ReasonLate, Cause: task.ByCall,
		ScheduledTime: past(time.Microsecond), JitteredTime: past(4 * time.Microsecond),
		NextAttemptTime: past(5 * time.Microsecond), StartTime: past(2 * time.Microsecond), EndTime: past(3 * time.Microsecond),
		Fires: 12, FirstScheduledTime: past(-time.Hour), Attempt: 3,
		Earlier: []task.Attempt{
			{Number: 1, EndTime: past(-time.Second), State: task.Lost, Error: "its node died", Node: idOf("node")},
			{Number: 2, StartTime: past(-2 * time.Second), EndTime: past(-time.Second + time.Microsecond), State: task.Failed, Error: "ÿ\x00", Worker: "w\n1"},
		},
		Input: []byte(`{"n": 1}`), Output: []byte(`[null]`), Error: "exit status 1", Actor: "carol", Worker: "worker “2”",
	}
}

// newEvent returns a plain event of the task with this name.
func newEvent(name string, action task.Action) task.Event {
	return task.Event{Time: past(0), Action: action, TaskID: idOf(name), TaskName: name, Actor: "ann"}
}

// fullEvent returns an event in which nothing has its zero value but the id.
func fullEvent(name string) task.Event {
	return task.Event{
		Time: past(time.Microsecond), Action: task.BackfillRequested, TaskID: idOf(name), TaskName: name, RunID: 1 << 50,
		Actor: "ann", Peer: "192.0.2.1:4711", Reason: "“why”\x00 not",
		Before: []byte(`{"trigger": "every 1h"}`), After: []byte(`{"trigger":"every 2h","pause":null}`),
	}
}

// create stores tasks as they are.
func (f *fixture) create(tasks ...task.Task) {
	f.Helper()
	ids := make([]uuid.UUID, len(tasks))
	byID := make(map[uuid.UUID]*task.Task, len(tasks))
	for i := range tasks {
		ids[i] = tasks[i].ID
		byID[ids[i]] = &tasks[i]
	}
	_, err := f.Update(ctx, ids, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		return store.Change{Task: byID[id]}, nil
	})
	f.ok(err)
}

// change applies one change to the task with this name.
func (f *fixture) change(name string, c store.Change) store.Updated {
	f.Helper()
	updated, err := f.Update(ctx, []uuid.UUID{idOf(name)}, func(uuid.UUID, *task.Task) (store.Change, error) { return c, nil })
	f.ok(err)
	if len(updated) != 1 {
		f.Fatalf("%d answers for one id", len(updated))
	}
	return updated[0]
}

// record records runs of the task with this name and returns their ids.
func (f *fixture) record(name string, runs ...task.Run) []task.RunID {
	f.Helper()
	return idsOf(f.change(name, store.Change{Record: runs}).Recorded)
}

// recordN records n plain runs of the task with this name.
func (f *fixture) recordN(name string, n int) []task.RunID {
	f.Helper()
	runs := make([]task.Run, n)
	for i := range runs {
		runs[i] = newRun(name, past(time.Duration(i)*time.Second))
	}
	return f.record(name, runs...)
}

func idsOf(runs []task.Run) []task.RunID {
	var ids []task.RunID
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func namesOf(tasks []task.Task) []string {
	var names []string
	for _, t := range tasks {
		names = append(names, t.Declaration.Name)
	}
	return names
}

// task returns the task with this name.
func (f *fixture) task(name string) task.Task {
	f.Helper()
	t, err := f.Task(ctx, task.ByName(name))
	f.ok(err)
	return t
}

// run returns a run.
func (f *fixture) run(id task.RunID) task.Run {
	f.Helper()
	r, err := f.Run(ctx, id)
	f.ok(err)
	return r
}

// allTasks follows the pages of a query to the end.
func (f *fixture) allTasks(q task.TaskQuery) []task.Task {
	f.Helper()
	var all []task.Task
	for {
		page, err := f.Tasks(ctx, q)
		f.ok(err)
		if len(page) > q.Limit {
			f.Fatalf("a page of %d tasks for a limit of %d", len(page), q.Limit)
		}
		all = append(all, page...)
		if len(page) < q.Limit {
			return all
		}
		q.After = page[len(page)-1].Declaration.Name
	}
}

// allRuns follows the pages of a query to the end.
func (f *fixture) allRuns(q task.RunQuery) []task.Run {
	f.Helper()
	var all []task.Run
	for range 10_000 {
		page, err := f.Runs(ctx, q)
		f.ok(err)
		if len(page.Runs) > q.Limit {
			f.Fatalf("a page of %d runs for a limit of %d", len(page.Runs), q.Limit)
		}
		all = append(all, page.Runs...)
		if page.Next == 0 {
			return all
		}
		if q.From != 0 && page.Next >= q.From {
			f.Fatalf("the page from run %d goes on at run %d", q.From, page.Next)
		}
		q.From = page.Next
	}
	f.Fatal("the pages do not end")
	return nil
}

// everything is all that a store shows. It is compared before and after what must change nothing, and
// between stores.
type everything struct {
	Tasks      []task.Task
	ByState    map[task.State][]string
	ByGroup    map[string][]string
	Runs       []task.Run
	Chains     map[string][]task.RunID
	Unfinished []task.RunID
	Audit      []task.Event
	Position   store.Position
}

func (f *fixture) everything() everything {
	f.Helper()
	all := everything{
		Tasks:    f.allTasks(task.TaskQuery{Limit: 100}),
		ByState:  make(map[task.State][]string),
		ByGroup:  make(map[string][]string),
		Chains:   make(map[string][]task.RunID),
		Audit:    f.allEvents(task.AuditQuery{Limit: 100}),
		Position: f.position(),
	}
	for _, state := range allStates {
		all.ByState[state] = namesOf(f.allTasks(task.TaskQuery{States: []task.State{state}, Limit: 100}))
	}
	for _, r := range f.allRuns(task.RunQuery{Limit: 100}) {
		all.Runs = append(all.Runs, f.run(r.ID))
	}
	for _, t := range all.Tasks {
		all.Chains[t.Declaration.Name] = idsOf(f.allRuns(task.RunQuery{TaskID: t.ID, Limit: 7}))
		if group := t.Declaration.Group; group != "" && all.ByGroup[group] == nil {
			all.ByGroup[group] = namesOf(f.allTasks(task.TaskQuery{Group: group, Limit: 3}))
		}
	}
	runs, err := f.Unfinished(ctx, 0, 1_000_000)
	f.ok(err)
	all.Unfinished = idsOf(runs)
	return all
}

// unchanged fails unless the store shows what it did before.
func (f *fixture) unchanged(before everything) {
	f.Helper()
	f.exact(before, f.everything())
}

// allEvents follows the pages of a query to the end.
func (f *fixture) allEvents(q task.AuditQuery) []task.Event {
	f.Helper()
	var all []task.Event
	for {
		page, err := f.AuditEvents(ctx, q)
		f.ok(err)
		if len(page) > q.Limit {
			f.Fatalf("a page of %d events for a limit of %d", len(page), q.Limit)
		}
		all = append(all, page...)
		if len(page) < q.Limit {
			return all
		}
		last := page[len(page)-1].ID
		if q.Before != 0 && last >= q.Before {
			f.Fatalf("the page before event %d ends with event %d", q.Before, last)
		}
		q.Before = last
	}
}

// position returns where the store has come to.
func (f *fixture) position() store.Position {
	f.Helper()
	p, err := f.Position(ctx)
	f.ok(err)
	return p
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// is fails unless err is of the class.
func (f *fixture) is(err, class error) {
	f.Helper()
	if !errors.Is(err, class) {
		f.Fatalf("got error %v, want %v", err, class)
	}
}

// What is the store's in a task or a run. It has its own cases.
var (
	anyChange = cmp.Options{cmpopts.IgnoreFields(task.Task{}, "Change"), cmpopts.IgnoreFields(task.Run{}, "Change")}
	anyCounts = cmpopts.IgnoreFields(task.Task{}, "Counts")
)

// equal compares all but Change and Counts.
func (f *fixture) equal(want, got any) {
	f.Helper()
	f.exact(want, got, anyChange, anyCounts)
}

// exact compares all but what the options say.
func (f *fixture) exact(want, got any, options ...cmp.Option) {
	f.Helper()
	if diff := cmp.Diff(want, got, options...); diff != "" {
		f.Fatalf("(-want +got)\n%s", diff)
	}
}

// names returns n names that are in order by bytes.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return out
}

// advance is a ClaimFunc that records one run at the fire and sets the next one.
func advance(next time.Time) store.ClaimFunc {
	return func(_ time.Time, d store.Due) store.Decision {
		return store.Decision{
			Record: []task.Run{newRun(d.Name, d.Clock.NextFireTime)},
			Clock: task.Clock{
				NextFireTime: next,
				RecordedTime: d.Clock.NextFireTime,
				FireCount:    d.Clock.FireCount + 1,
				Progress:     schedule.Progress{Anchor: d.Clock.Progress.Anchor, LastFire: d.Clock.NextFireTime, Fires: []int64{d.Clock.FireCount + 1}},
			},
			State: d.State,
		}
	}
}
