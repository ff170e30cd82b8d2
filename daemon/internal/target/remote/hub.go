package remote

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// DefaultLease is how long a worker is trusted without an answer.
const DefaultLease = 15 * time.Second

// Config is what a Hub is made of.
type Config struct {
	// Lease is how long a worker is trusted without an answer. Defaults to DefaultLease.
	Lease time.Duration
	// Logger must not be nil.
	Logger *slog.Logger
}

// Hub is where workers connect. Its methods may be called at the same time. It has timers while there are workers;
// Close ends them.
type Hub struct {
	cfg   Config
	freed chan struct{}
	// ticks are the timers that are set, and what they have started.
	ticks sync.WaitGroup

	// mu guards what is below, and all workers, sessions and attempts.
	mu      sync.Mutex
	workers map[uuid.UUID]*worker
	// byTask are the workers that run a task.
	byTask map[string][]*worker
	// turn counts the reservations.
	turn             uint64
	draining, closed bool
}

// New makes a Hub.
func New(cfg Config) *Hub {
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	return &Hub{
		cfg: cfg, freed: make(chan struct{}, 1),
		workers: map[uuid.UUID]*worker{}, byTask: map[string][]*worker{},
	}
}

// Target is what does the work of all tasks that are left to workers. It is a target.Placed.
func (h *Hub) Target() target.Target { return workers{h} }

// Freed is poked when a task that found no place may find one, and only then.
func (h *Hub) Freed() <-chan struct{} { return h.freed }

// Lease is how long a worker is trusted without an answer.
func (h *Hub) Lease() time.Duration { return h.cfg.Lease }

// Connect lets a worker in, whose Hello is well-formed. A session of the same ID ends with task.ErrReplaced. What the
// worker holds by its own account and by the hub's it goes on with; what it does not name is lost; what the hub does
// not know as the worker's is answered by a cancel. Errors: task.ErrStopping, once the hub drains also for a worker
// that it does not know: there is nothing for it to do.
func (h *Hub) Connect(hello task.Hello) (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.workers[hello.ID]
	if h.closed || h.draining && w == nil {
		return nil, task.ErrStopping
	}
	named := make(map[task.AttemptRef]bool, len(hello.Held))
	for _, ref := range hello.Held {
		named[ref] = true
	}
	hello.Held = nil
	now := time.Now()
	message := "worker has connected"
	if w == nil {
		w = &worker{hub: h, connectTime: now, held: map[task.AttemptRef]*attempt{}}
		h.workers[hello.ID] = w
	} else {
		message = "worker has connected anew"
		h.unlist(w)
		if w.session != nil {
			w.session.end(task.ErrReplaced)
		}
		w.takeBack("its connection ended before it was sent")
	}
	w.hello, w.places = hello, hello.Places
	w.session = newSession(w)
	h.list(w)

	for _, at := range slices.Collect(maps.Values(w.held)) {
		switch {
		case !named[at.order.AttemptRef]:
			w.end(at, nil, &target.LostError{Why: fmt.Sprintf("%s has connected anew, and does not have it any more", w)})
		case at.canceled != "":
			w.session.cancel(at.order.AttemptRef, at.canceled)
		}
	}
	for ref := range named {
		switch {
		case w.held[ref] != nil:
		case w.recorded(ref):
			w.session.record(task.Recorded{AttemptRef: ref})
		default:
			// It was given out by a daemon before this one, or is made elsewhere by now. It takes up a place until the
			// worker says that it does not.
			const why = "it is not this worker's any more"
			w.held[ref] = &attempt{order: task.Assignment{AttemptRef: ref}, sent: true, canceled: why, left: true, over: make(chan struct{})}
			w.session.cancel(ref, why)
		}
	}
	if h.draining {
		w.session.drain()
	}
	w.expireTime, w.pingTime, w.pinged = now.Add(h.cfg.Lease), now.Add(h.cfg.Lease/3), false
	w.sentTime = time.Time{}
	h.set(w)
	clear(w.refused)
	w.wanted = true // by tasks of which nobody has asked it yet
	w.offer()
	h.cfg.Logger.Info(message, append(w.attrs(), "places", w.places, "tasks", len(hello.Tasks))...)
	return w.session, nil
}

// Workers returns those that are connected or were less than a lease ago, in the order of their names.
func (h *Hub) Workers() []task.Worker {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]task.Worker, 0, len(h.workers))
	for _, w := range h.workers {
		known := task.Worker{
			Hello: w.hello, ConnectTime: w.connectTime, LeaseExpireTime: w.expireTime,
			Draining: w.draining, Disconnected: w.session == nil,
		}
		known.Places = w.places
		known.Held = slices.SortedFunc(maps.Keys(w.held), func(a, b task.AttemptRef) int {
			return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Attempt, b.Attempt))
		})
		all = append(all, known)
	}
	slices.SortFunc(all, func(a, b task.Worker) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return all
}

// Drain tells all workers that the daemon stops, and gives out nothing any more: Reserve finds no place, and what was
// not handed out yet ends as not started. What workers hold goes on, and their results are taken. Drain is for the
// moment when the engine begins to stop, before it waits for what goes.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for _, w := range h.workers {
		w.takeBack("the daemon stops")
		if w.session != nil {
			w.session.drain()
		}
	}
}

// Close ends all sessions with task.ErrStopping, after what was recorded has been said to those who listen, and waits
// for what the hub has started. It is for when the engine has stopped: what still goes is lost.
func (h *Hub) Close() {
	h.mu.Lock()
	h.draining, h.closed = true, true
	for _, w := range h.workers {
		h.remove(w, task.ErrStopping, "the daemon stops")
	}
	h.mu.Unlock()
	h.ticks.Wait()
}

// list notes what tasks a worker runs.
func (h *Hub) list(w *worker) {
	for _, name := range w.hello.Tasks {
		h.byTask[name] = append(h.byTask[name], w)
	}
}

func (h *Hub) unlist(w *worker) {
	for _, name := range w.hello.Tasks {
		left := slices.DeleteFunc(h.byTask[name], func(o *worker) bool { return o == w })
		if h.byTask[name] = left; len(left) == 0 {
			delete(h.byTask, name)
		}
	}
}

// remove forgets a worker. What it holds is lost.
func (h *Hub) remove(w *worker, end error, why string) {
	h.unset(w)
	h.unlist(w)
	delete(h.workers, w.hello.ID)
	if w.session != nil {
		w.session.end(end)
		w.session = nil
	}
	w.takeBack(why)
	for _, at := range slices.Collect(maps.Values(w.held)) {
		w.end(at, nil, &target.LostError{Why: fmt.Sprintf("%s is lost: %s", w, why)})
	}
}
