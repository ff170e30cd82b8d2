package feed

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Reader is what a Hub needs of a store.
type Reader interface {
	Position(ctx context.Context) (store.Position, error)
	Tasks(ctx context.Context, q task.TaskQuery) ([]task.Task, error)
	Unfinished(ctx context.Context, after task.RunID, limit int) ([]task.Run, error)
	RunsChanged(ctx context.Context, q task.ChangedQuery) (task.RunPage, error)
}

// Limits bound what is kept.
type Limits struct {
	// Changes is how many changes. Bytes is how much memory they take up, roughly.
	Changes, Bytes int
}

// DefaultLimits bound what a Hub keeps for all its watches together. A daemon that starts 10,000 runs a second
// makes some 50,000 changes: a reader may then be a second behind. One of 100 runs a second has two minutes.
// The memory is taken up only while a watch is that far behind.
var DefaultLimits = Limits{Changes: 1 << 16, Bytes: 64 << 20}

const (
	// snapshots is how many watches read what is at the same time: enough for both a store with one reader at a
	// time and one with several, and few enough that a thousand clients that come back at once leave the store
	// to those who work.
	snapshots = 4
	// patience is how long a reader may take for one response before another watch gets its turn to read. More
	// than a round trip over most networks; and clients that never read hold up nobody for long.
	patience = 100 * time.Millisecond
)

// Hub tells watches what a store holds and commits. It is the store's Observer. Its methods may be called at the
// same time; the zero value is not ready for use, New makes one.
type Hub struct {
	reader Reader
	log    *log
	// tasks and runs count the watches.
	tasks, runs atomic.Int64
	// places has one element for each watch that reads what is.
	places chan struct{}
	// closed is closed by Close.
	closed chan struct{}
	once   sync.Once
}

// New returns a Hub with the DefaultLimits. The caller hands it to the Observe of the same store.
func New(s Reader) *Hub { return NewWithLimits(s, Limits{}) }

// NewWithLimits returns a Hub that keeps that much. What is zero is as in DefaultLimits. The newest commit is always
// kept, whatever its size.
func NewWithLimits(s Reader, l Limits) *Hub {
	if l.Changes <= 0 {
		l.Changes = DefaultLimits.Changes
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultLimits.Bytes
	}
	return &Hub{reader: s, log: newLog(l), places: make(chan struct{}, snapshots), closed: make(chan struct{})}
}

// Wants reports whether somebody watches tasks, and runs.
func (h *Hub) Wants() (tasks, runs bool) { return h.tasks.Load() > 0, h.runs.Load() > 0 }

// Committed takes a commit for all watches. It does not block.
func (h *Hub) Committed(c store.Commit) { h.log.add(c) }

// Lost says that commits were not told, and will not be: the store was out of reach for too long. All watches end with
// task.ErrTooSlow, and whoever resumes misses nothing. It does not block.
func (h *Hub) Lost() { h.log.lose() }

// Close ends all watches with err: each tells first what was committed before, as far as its reader takes it. One
// that is not synced yet may end without. Watches that begin later fail with err at once. Close does not wait for
// any of them. Only the first call counts.
func (h *Hub) Close(err error) {
	h.once.Do(func() {
		h.log.close(err)
		close(h.closed)
	})
}

// WatchTasks tells send first what is, or what has changed since the position to resume from, and then each change,
// in order. It calls send in this goroutine, with slices that are send's to keep; what their elements point
// to is shared and must not be changed. A deletion is told whatever the name of the task was.
//
// It returns only with an error: that of ctx, of send, or of the store, what Close was given, or a
// *task.TooSlowError.
func (h *Hub) WatchTasks(ctx context.Context, q task.TaskWatch, send func(task.TaskChanges) error) error {
	w := &watch[task.Task, uuid.UUID]{
		hub:  h,
		keys: func(t *task.Task) (uuid.UUID, int64) { return t.ID, t.Change },
		size: taskSize,
		of: func(c *store.Changed) (*task.Task, uuid.UUID) {
			if c.Task != nil && !strings.HasPrefix(c.Task.Declaration.Name, q.NamePrefix) {
				return nil, uuid.Nil
			}
			return c.Task, c.DeletedTask
		},
		send: func(r response[task.Task, uuid.UUID]) error {
			return send(task.TaskChanges{Tasks: r.items, Deleted: r.gone, Reset: r.reset, Synced: r.synced, Position: r.position})
		},
		lost:   func(at store.Position) int64 { return at.Deleted },
		passes: func(s start) []pass[task.Task] { return h.taskPasses(q, s) },
	}
	return w.run(ctx, &h.tasks, q.Resume)
}

// WatchRuns is as WatchTasks for runs. Without a position to resume from, what is are the runs that have not ended.
// A watch of the runs of one task ends with ErrTaskNotFound when the task is deleted or renamed.
func (h *Hub) WatchRuns(ctx context.Context, q task.RunWatch, send func(task.RunChanges) error) error {
	w := &watch[task.Run, task.RunID]{
		hub:  h,
		keys: func(r *task.Run) (task.RunID, int64) { return r.ID, r.Change },
		size: runSize,
		of: func(c *store.Changed) (*task.Run, task.RunID) {
			if c.Run != nil && q.TaskID != uuid.Nil && c.Run.TaskID != q.TaskID {
				return nil, 0
			}
			return c.Run, c.TakenBack
		},
		send: func(r response[task.Run, task.RunID]) error {
			return send(task.RunChanges{Runs: r.items, TakenBack: r.gone, Reset: r.reset, Synced: r.synced, Position: r.position})
		},
		over: func(c *store.Changed) error {
			if q.TaskID != uuid.Nil && c.DeletedTask == q.TaskID {
				return task.TaskNotFound(task.Ref{ID: q.TaskID})
			}
			return nil
		},
		// With a task its runs are gone too, and no change tells of that.
		lost:   func(at store.Position) int64 { return max(at.TakenBack, at.Deleted) },
		passes: func(s start) []pass[task.Run] { return h.runPasses(q, s) },
	}
	return w.run(ctx, &h.runs, q.Resume)
}
