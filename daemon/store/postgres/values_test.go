package postgres_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// base is an instant that is long past.
var base = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func idOf(name string) uuid.UUID { return task.IDOf(storetest.Namespace, name) }

// plainTask returns a task that is due at base.
func plainTask(name string) task.Task {
	return task.Task{
		ID: idOf(name), Namespace: storetest.Namespace, State: task.Active, Version: 1, CreateTime: base, UpdateTime: base,
		Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}}},
		Clock:       task.Clock{NextFireTime: base, Progress: schedule.Progress{Anchor: base}},
	}
}

// asked is a CallFunc.
func asked(t task.Task) (task.Run, task.Event, error) {
	return task.Run{TaskID: t.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: base},
		task.Event{Time: base, Action: task.RunRequested, TaskID: t.ID, TaskName: t.Declaration.Name}, nil
}

// create stores plain tasks.
func create(t testing.TB, s store.Store, names ...string) {
	t.Helper()
	if err := tryCreate(s, names...); err != nil {
		t.Fatal(err)
	}
}

func tryCreate(s store.Store, names ...string) error {
	ids, byID := make([]uuid.UUID, len(names)), make(map[uuid.UUID]string)
	for i, name := range names {
		ids[i] = idOf(name)
		byID[ids[i]] = name
	}
	_, err := s.Update(ctx, ids, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		t := plainTask(byID[id])
		return store.Change{Task: &t}, nil
	})
	return err
}

// watcher is an Observer that wants everything and keeps what it is told.
type watcher struct {
	commits chan store.Commit
	lost    chan struct{}
}

func newWatcher() *watcher {
	return &watcher{commits: make(chan store.Commit, 10_000), lost: make(chan struct{}, 100)}
}

func (w *watcher) Wants() (tasks, runs bool) { return true, true }
func (w *watcher) Committed(c store.Commit)  { w.commits <- c }
func (w *watcher) Lost()                     { w.lost <- struct{}{} }

// until returns the runs that are told of until a commit.
func (w *watcher) until(change int64) (runs []task.RunID) {
	for c := range w.commits {
		for _, ch := range c.Changes {
			if ch.Run != nil {
				runs = append(runs, ch.Run.ID)
			}
		}
		if c.Change >= change {
			break
		}
	}
	return runs
}

// skip is a ClaimFunc that records a run and sets the next fire to an hour later.
func skip(_ time.Time, d store.Due) store.Decision {
	next := d.Clock
	next.NextFireTime = next.NextFireTime.Add(time.Hour)
	return store.Decision{
		Record: []task.Run{{TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: d.Clock.NextFireTime, Fires: 1}},
		Clock:  next, State: d.State,
	}
}
