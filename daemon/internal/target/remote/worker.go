package remote

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// A worker is a process that is connected, or was less than a lease ago.
type worker struct {
	hub         *Hub
	hello       task.Hello // without Held
	session     *Session   // nil: its connection has ended
	connectTime time.Time

	places int
	// reserved are places that were reserved and not used yet.
	reserved int
	// held is what takes up a place, from Do on, whether or not somebody waits for it.
	held map[task.AttemptRef]*attempt
	// turn is when a place was last reserved.
	turn     uint64
	draining bool
	// wanted says that a task found no place here since Freed was last poked.
	wanted bool
	// refused are tasks of which it has given back attempts that it had not begun: it is not asked again before the
	// next ping, or the two would throw such an attempt to and fro as fast as they can.
	refused map[string]bool

	// The lease: see lease.go.
	expireTime, pingTime, sentTime time.Time
	sequence                       int64
	pinged                         bool
	timer                          *time.Timer
	// news and olds are attempts of which results were taken, since the last pong and in the time before: whether the
	// worker was told is known only later, and if it asks again it is to hear the same.
	news, olds map[task.AttemptRef]bool
}

func (w *worker) String() string { return fmt.Sprintf("worker %q", w.hello.Name) }

// attrs says who it is, for the log.
func (w *worker) attrs() []any {
	return []any{"worker_name", w.hello.Name, "worker_id", w.hello.ID.String(), "peer", w.hello.Peer}
}

// free is how many places may be reserved.
func (w *worker) free() int {
	if w.session == nil || w.draining || w.hub.draining {
		return 0
	}
	return max(0, w.places-w.reserved-len(w.held)) // less than it holds: it has fewer places than it had
}

// offer tells those who found no place if there may be one now.
func (w *worker) offer() {
	if !w.wanted || w.free() == 0 {
		return
	}
	w.wanted = false
	select {
	case w.hub.freed <- struct{}{}:
	default:
	}
}

// end takes an attempt from the worker and says to who waits how it has ended.
func (w *worker) end(at *attempt, output []byte, err error) {
	delete(w.held, at.order.AttemptRef)
	at.output, at.err = output, err
	close(at.over)
	w.offer()
}

// takeBack ends what was not handed out to the worker.
func (w *worker) takeBack(why string) {
	for _, at := range w.held {
		if !at.sent {
			w.end(at, nil, w.notStarted(why))
		}
	}
	if w.session != nil {
		w.session.assigned = nil
	}
}

func (w *worker) notStarted(why string) error {
	return &target.LostError{Why: fmt.Sprintf("%s was not given it: %s", w, why), NotStarted: true}
}

// recorded says whether a result was taken from the worker of late.
func (w *worker) recorded(ref task.AttemptRef) bool { return w.news[ref] || w.olds[ref] }

// took notes that a result was taken.
func (w *worker) took(ref task.AttemptRef) {
	if w.news == nil {
		w.news = map[task.AttemptRef]bool{}
	}
	w.news[ref] = true
}
