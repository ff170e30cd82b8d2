package daemon_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// hooked is a store whose calls can be made to fail or to wait: before is asked at each, by its name.
type hooked struct {
	store.Store
	before func(call string) error
}

func (h *hooked) Task(ctx context.Context, r task.Ref) (task.Task, error) {
	if err := h.before("Task"); err != nil {
		return task.Task{}, err
	}
	return h.Store.Task(ctx, r)
}

func (h *hooked) Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error) {
	if err := h.before("Tasks"); err != nil {
		return nil, err
	}
	return h.Store.Tasks(ctx, q)
}

func (h *hooked) Run(ctx context.Context, id task.RunID) (task.Run, error) {
	if err := h.before("Run"); err != nil {
		return task.Run{}, err
	}
	return h.Store.Run(ctx, id)
}

func (h *hooked) Runs(ctx context.Context, q task.RunQuery) (task.RunPage, error) {
	if err := h.before("Runs"); err != nil {
		return task.RunPage{}, err
	}
	return h.Store.Runs(ctx, q)
}

func (h *hooked) Unfinished(ctx context.Context, after task.RunID, limit int) ([]task.Run, error) {
	if err := h.before("Unfinished"); err != nil {
		return nil, err
	}
	return h.Store.Unfinished(ctx, after, limit)
}

func (h *hooked) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) ([]store.Updated, error) {
	if err := h.before("Update"); err != nil {
		return nil, err
	}
	return h.Store.Update(ctx, ids, fn)
}

func (h *hooked) Call(ctx context.Context, r task.Ref, id uuid.UUID, fn store.CallFunc) (task.Run, bool, error) {
	if err := h.before("Call"); err != nil {
		return task.Run{}, false, err
	}
	return h.Store.Call(ctx, r, id, fn)
}

func (h *hooked) Claim(ctx context.Context, r store.ClaimRequest, fn store.ClaimFunc) (store.Claimed, error) {
	if err := h.before("Claim"); err != nil {
		return store.Claimed{}, err
	}
	return h.Store.Claim(ctx, r, fn)
}

func (h *hooked) Record(ctx context.Context, r []store.Report, fn store.RecordFunc) ([]task.RunID, error) {
	if err := h.before("Record"); err != nil {
		return nil, err
	}
	return h.Store.Record(ctx, r, fn)
}

func (h *hooked) RunsChanged(ctx context.Context, q task.ChangedQuery) (task.RunPage, error) {
	if err := h.before("RunsChanged"); err != nil {
		return task.RunPage{}, err
	}
	return h.Store.RunsChanged(ctx, q)
}

func (h *hooked) AuditEvents(ctx context.Context, q task.AuditQuery) ([]task.Event, error) {
	if err := h.before("AuditEvents"); err != nil {
		return nil, err
	}
	return h.Store.AuditEvents(ctx, q)
}

func (h *hooked) Position(ctx context.Context) (store.Position, error) {
	if err := h.before("Position"); err != nil {
		return store.Position{}, err
	}
	return h.Store.Position(ctx)
}

func (h *hooked) Prune(ctx context.Context, id uuid.UUID, limit int, keep store.KeepFunc) (store.Pruned, error) {
	if err := h.before("Prune"); err != nil {
		return store.Pruned{}, err
	}
	return h.Store.Prune(ctx, id, limit, keep)
}

func (h *hooked) Sweep(ctx context.Context, auditBefore time.Time, limit int) (bool, error) {
	if err := h.before("Sweep"); err != nil {
		return false, err
	}
	return h.Store.Sweep(ctx, auditBefore, limit)
}

// outage makes all calls of a hooked store fail while it is true.
type outage struct{ atomic.Bool }

func (o *outage) before(string) error {
	if o.Load() {
		return task.ErrUnavailable
	}
	return nil
}

// crash ends the daemon as if its process had died: the store takes nothing of it any more, and what it
// was doing ends unheard. The store of the world must be one in which down makes everything fail.
func (w *world) crash(down *outage) {
	w.t.Helper()
	grace := w.grace
	down.Store(true)
	w.stop()
	down.Store(false)
	w.grace = grace
}

// die is crash without waiting: what the daemon still tries to write, for seconds perhaps, it tries in
// background. Its grace must be short; nothing of it runs any more when die returns. The next daemon needs a
// store of its own around the same one, as this stays down.
func (w *world) die(down *outage, background *sync.WaitGroup) {
	down.Store(true)
	end := w.end
	w.end = nil
	background.Go(end)
	time.Sleep(5 * time.Millisecond)
}

// left leaves a recorded run in the store, as a process does that dies before its instant.
func (w *world) left(name string, at time.Time) {
	w.t.Helper()
	_, _, err := w.store.Call(w.t.Context(), ref(name), uuid.Nil, func(tk task.Task) (task.Run, task.Event, error) {
		return task.Run{TaskID: tk.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: at, Fires: 1, Attempt: 1}, task.Event{}, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
