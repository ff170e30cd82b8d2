package rpc_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when everything in the fake engine happens.
var start = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// An engine is a small one for tests: it keeps tasks and runs in slices and starts nothing. If fail or crash
// is set, every method ends with it.
type engine struct {
	mu    sync.Mutex
	tasks []task.Task // by name
	runs  []task.Run  // the newest first
	fail  error
	crash any
	// asked is the argument of the last call that has one, whatever its type.
	asked any

	events []task.Event // the newest first
	diffs  []task.TaskDiff
	// What the streams send, and what they end with then.
	taskChanges []task.TaskChanges
	runChanges  []task.RunChanges
	output      []task.Output
	end         error

	// self is the node. holder is asked, by each method that another node may have to do, who holds the task; nil, and
	// nil from it: nobody else does.
	self   uuid.UUID
	nodes  []task.Node
	holder func(ctx context.Context) *task.HeldError
}

// newEngine returns an engine with tasks of these names.
func newEngine(names ...string) *engine {
	e := &engine{}
	slices.Sort(names)
	for _, name := range names {
		e.tasks = append(e.tasks, task.Task{
			ID: task.IDOf("default", name), Namespace: "default",
			Declaration: task.Declaration{Name: name, Trigger: hourly()},
			State:       task.Active, Version: 1, CreateTime: start, UpdateTime: start,
			Clock: task.Clock{NextFireTime: start.Add(time.Hour)},
		})
	}
	return e
}

func hourly() schedule.Trigger { return schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}} }

// held is the error of a method that another node has to do.
func (e *engine) held(ctx context.Context) error {
	if e.holder == nil {
		return nil
	}
	if held := e.holder(ctx); held != nil {
		return fmt.Errorf("wrapped: %w", held)
	}
	return nil
}

func (e *engine) enter(asked any) (leave func(), err error) {
	e.mu.Lock()
	e.asked = asked
	if e.crash != nil {
		defer e.mu.Unlock()
		panic(e.crash)
	}
	return e.mu.Unlock, e.fail
}

func (e *engine) find(ref task.Ref) (*task.Task, error) {
	for i := range e.tasks {
		if t := &e.tasks[i]; t.ID == ref.ID || t.Declaration.Name == ref.Name {
			return t, nil
		}
	}
	return nil, task.TaskNotFound(ref)
}

func (e *engine) findRun(id task.RunID) (*task.Run, error) {
	for i := range e.runs {
		if e.runs[i].ID == id {
			return &e.runs[i], nil
		}
	}
	return nil, task.RunNotFound(id)
}

func (e *engine) Task(_ context.Context, ref task.Ref) (task.Task, error) {
	leave, err := e.enter(ref)
	defer leave()
	if err != nil {
		return task.Task{}, err
	}
	t, err := e.find(ref)
	if err != nil {
		return task.Task{}, err
	}
	return *t, nil
}

func (e *engine) Tasks(_ context.Context, q task.TaskQuery) ([]task.Task, error) {
	leave, err := e.enter(q)
	defer leave()
	var out []task.Task
	for _, t := range e.tasks {
		name := t.Declaration.Name
		if name > q.After && strings.HasPrefix(name, q.NamePrefix) && len(out) < q.Limit &&
			(len(q.States) == 0 || slices.Contains(q.States, t.State)) {
			out = append(out, t)
		}
	}
	return out, err
}

func (e *engine) RunTask(ctx context.Context, ref task.Ref, c task.Call) (task.Run, error) {
	if err := e.held(ctx); err != nil {
		return task.Run{}, err
	}
	leave, err := e.enter(c)
	defer leave()
	if err != nil {
		return task.Run{}, err
	}
	t, err := e.find(ref)
	if err != nil {
		return task.Run{}, err
	}
	run := task.Run{
		ID: task.RunID(len(e.runs) + 1), TaskID: t.ID, TaskName: t.Declaration.Name, State: task.Scheduled,
		Cause: task.ByCall, ScheduledTime: start, Input: c.Input, Actor: c.Actor,
	}
	if c.Wait {
		run.State, run.StartTime, run.EndTime, run.Attempt, run.Output = task.Succeeded, start, start, 1, c.Input
	}
	e.runs = slices.Insert(e.runs, 0, run)
	return run, nil
}

// change changes a task if the etag is right.
func (e *engine) change(ctx context.Context, ref task.Ref, edit task.Edit, asked any, do func(t *task.Task)) (task.Task, error) {
	if err := e.held(ctx); err != nil {
		return task.Task{}, err
	}
	leave, err := e.enter(asked)
	defer leave()
	if err != nil {
		return task.Task{}, err
	}
	t, err := e.find(ref)
	if err != nil {
		return task.Task{}, err
	}
	if edit.Etag != "" && edit.Etag != t.Etag() {
		return task.Task{}, &task.StaleError{Task: t.Declaration.Name, Have: t.Etag(), Want: edit.Etag}
	}
	do(t)
	t.Version++
	return *t, nil
}

func (e *engine) UpdateTrigger(ctx context.Context, ref task.Ref, c task.TriggerChange) (task.TriggerUpdate, error) {
	t, err := e.change(ctx, ref, c.Edit, c, func(t *task.Task) {
		t.Override = &task.Override{Trigger: c.Trigger, Actor: c.Actor, Reason: c.Reason, CreateTime: start, OnDeclaredChange: c.OnDeclaredChange, ExpireTime: c.ExpireTime}
	})
	return task.TriggerUpdate{
		Task:          t,
		NextFires:     []task.Fire{{Time: start.Add(time.Minute)}, {Time: start.Add(2 * time.Minute), DSTShift: schedule.Overlap}},
		PreviousFires: []task.Fire{{Time: start.Add(time.Hour), DSTShift: schedule.Gap}},
	}, err
}

func (e *engine) ResetTrigger(ctx context.Context, ref task.Ref, c task.Edit) (task.Task, error) {
	return e.change(ctx, ref, c, c, func(t *task.Task) { t.Override = nil })
}

func (e *engine) PauseTask(ctx context.Context, ref task.Ref, c task.PauseChange) (task.Task, error) {
	return e.change(ctx, ref, c.Edit, c, func(t *task.Task) {
		t.State, t.Pause = task.Paused, &task.Pause{Actor: c.Actor, Reason: c.Reason, CreateTime: start, ResumeTime: c.ResumeTime}
	})
}

func (e *engine) ResumeTask(ctx context.Context, ref task.Ref, c task.Edit) (task.Task, error) {
	return e.change(ctx, ref, c, c, func(t *task.Task) { t.State, t.Pause = task.Active, nil })
}

// previewed is what a preview asks for.
type previewed struct {
	Trigger schedule.Trigger
	Ref     task.Ref
	Start   time.Time
	Count   int
}

func (e *engine) PreviewTrigger(_ context.Context, t schedule.Trigger, from time.Time, count int) (task.Preview, error) {
	leave, err := e.enter(previewed{Trigger: t, Start: from, Count: count})
	defer leave()
	return task.Preview{Fires: []task.Fire{{Time: start, DSTShift: schedule.Gap}}, End: task.PreviewOver, Description: "every hour"}, err
}

func (e *engine) PreviewTask(_ context.Context, ref task.Ref, from time.Time, count int) (task.Preview, error) {
	leave, err := e.enter(previewed{Ref: ref, Start: from, Count: count})
	defer leave()
	if err == nil {
		_, err = e.find(ref)
	}
	return task.Preview{Fires: []task.Fire{{Time: start}}, End: task.PreviewWaits}, err
}

func (e *engine) Run(_ context.Context, id task.RunID) (task.Run, error) {
	leave, err := e.enter(id)
	defer leave()
	if err != nil {
		return task.Run{}, err
	}
	run, err := e.findRun(id)
	if err != nil {
		return task.Run{}, err
	}
	return *run, nil
}

func (e *engine) Runs(_ context.Context, q task.RunQuery) (task.RunPage, error) {
	leave, err := e.enter(q)
	defer leave()
	var page task.RunPage
	for _, run := range e.runs {
		switch {
		case q.From != 0 && run.ID > q.From, q.TaskID != (task.Run{}).TaskID && run.TaskID != q.TaskID,
			len(q.States) > 0 && !slices.Contains(q.States, run.State):
		case len(page.Runs) == q.Limit:
			page.Next = cmp.Or(page.Next, run.ID)
		default:
			page.Runs = append(page.Runs, run)
		}
	}
	return page, err
}

func (e *engine) CancelRun(ctx context.Context, id task.RunID, c task.Edit) (task.Run, error) {
	if err := e.held(ctx); err != nil {
		return task.Run{}, err
	}
	leave, err := e.enter(c)
	defer leave()
	if err != nil {
		return task.Run{}, err
	}
	run, err := e.findRun(id)
	if err != nil {
		return task.Run{}, err
	}
	run.State, run.Actor, run.Error, run.EndTime = task.Canceled, c.Actor, c.Reason, start
	return *run, nil
}

func (e *engine) CreateTask(_ context.Context, c task.TaskCreate) (task.Task, error) {
	leave, err := e.enter(c)
	defer leave()
	if err != nil {
		return task.Task{}, err
	}
	if _, err := e.find(task.ByName(c.Declaration.Name)); err == nil {
		return task.Task{}, fmt.Errorf("wrapped: %w", task.ErrExists)
	}
	t := task.Task{
		ID: task.IDOf("default", c.Declaration.Name), Namespace: "default", Declaration: c.Declaration, Origin: task.Created,
		State: task.Active, Version: 1, CreateTime: start, UpdateTime: start,
	}
	e.tasks = append(e.tasks, t)
	return t, nil
}

func (e *engine) UpdateTask(ctx context.Context, ref task.Ref, c task.TaskUpdate) (task.Task, error) {
	asked := c
	asked.Apply = nil
	var refused error
	t, err := e.change(ctx, ref, c.Edit, asked, func(t *task.Task) { refused = c.Apply(&t.Declaration) })
	if refused != nil {
		return task.Task{}, refused
	}
	return t, err
}

func (e *engine) DeleteTask(ctx context.Context, ref task.Ref, c task.Edit) error {
	_, err := e.change(ctx, ref, c, c, func(*task.Task) {})
	return err
}

func (e *engine) BackfillTask(ctx context.Context, ref task.Ref, b task.Backfill) (task.Backfilled, error) {
	_, err := e.change(ctx, ref, task.Edit{}, b, func(*task.Task) {})
	if err != nil {
		return task.Backfilled{}, err
	}
	return task.Backfilled{
		Fires: []time.Time{start, start.Add(time.Hour)},
		Runs:  []task.Run{{ID: 1, State: task.Scheduled, Cause: task.ByBackfill, ScheduledTime: start, Input: []byte("1")}},
	}, nil
}

// AnnounceTask refuses what a program declares, and makes the rest.
func (e *engine) AnnounceTask(ctx context.Context, a task.Announcement) (task.Task, error) {
	if err := e.held(ctx); err != nil {
		return task.Task{}, err
	}
	leave, err := e.enter(a)
	defer leave()
	if err != nil {
		return task.Task{}, err
	}
	t, err := e.find(task.ByName(a.Declaration.Name))
	switch {
	case err != nil:
		d := a.Declaration
		d.Target = task.Target{Kind: "worker"}
		t = &task.Task{ID: task.IDOf("default", d.Name), Namespace: "default", Declaration: d, Origin: task.Announced, Revision: a.Revision}
		e.tasks = append(e.tasks, *t)
	case t.Origin == task.Declared:
		return *t, fmt.Errorf("%q: %w", a.Declaration.Name, task.ErrDeclared)
	}
	return *t, nil
}

// declared is what a program of another node declares.
type declared struct {
	Declaration task.Declaration
	Revision    int64
}

func (e *engine) DeclareTask(ctx context.Context, d task.Declaration, revision int64) (task.Task, error) {
	if err := e.held(ctx); err != nil {
		return task.Task{}, err
	}
	leave, err := e.enter(declared{d, revision})
	defer leave()
	return task.Task{ID: task.IDOf("default", d.Name), Declaration: d, State: task.Active, Revision: revision}, err
}

func (e *engine) Nodes(context.Context) ([]task.Node, error) {
	leave, err := e.enter("nodes")
	defer leave()
	return e.nodes, err
}

func (e *engine) Self() uuid.UUID { return e.self }

// asked by a method that names a task and says what of it.
type of struct {
	Ref   task.Ref
	Query any
}

func (e *engine) AuditEvents(_ context.Context, ref task.Ref, q task.AuditQuery) ([]task.Event, error) {
	leave, err := e.enter(of{ref, q})
	defer leave()
	var found []task.Event
	for _, event := range e.events {
		if (q.Before == 0 || event.ID < q.Before) && len(found) < q.Limit {
			found = append(found, event)
		}
	}
	return found, err
}

func (e *engine) DiffConfig(_ context.Context, fileName string, config []byte) ([]task.TaskDiff, error) {
	leave, err := e.enter([2]string{fileName, string(config)})
	defer leave()
	return e.diffs, err
}

// tell sends each of a list, then ends, or waits for ctx if there is nothing to end with.
func tell[C any](ctx context.Context, e *engine, asked any, list func() []C, send func(C) error) error {
	leave, err := e.enter(asked)
	changes, end := list(), e.end
	leave()
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := send(c); err != nil {
			return err
		}
	}
	if end == nil {
		<-ctx.Done()
		end = ctx.Err()
	}
	return end
}

func (e *engine) WatchTasks(ctx context.Context, w task.TaskWatch, send func(task.TaskChanges) error) error {
	return tell(ctx, e, w, func() []task.TaskChanges { return e.taskChanges }, send)
}

func (e *engine) WatchRuns(ctx context.Context, ref task.Ref, w task.RunWatch, send func(task.RunChanges) error) error {
	if !ref.IsZero() {
		if _, err := e.Task(ctx, ref); err != nil {
			return err
		}
	}
	return tell(ctx, e, of{ref, w}, func() []task.RunChanges { return e.runChanges }, send)
}

// errEnded ends a FollowRun well.
var errEnded = errors.New("ended")

func (e *engine) FollowRun(ctx context.Context, id task.RunID, send func(task.Output) error) (task.Run, error) {
	if err := e.held(ctx); err != nil {
		return task.Run{}, err
	}
	run, err := e.Run(ctx, id)
	if err != nil {
		return task.Run{}, err
	}
	if err := tell(ctx, e, id, func() []task.Output { return e.output }, send); !errors.Is(err, errEnded) {
		return task.Run{}, err
	}
	return run, nil
}
