package remote

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// The lease of a worker runs from its hello, and a pong renews it: from when the ping was handed out, since of the time
// after that a pong says nothing. The next ping follows a third of a lease after the one before, and not before that
// one is answered: to who does not answer there is nothing to add.
//
// Each worker has one timer, set to what comes next. It may go off in vain, after things have changed; tick looks at
// what is.

// set sets the timer of a worker.
func (h *Hub) set(w *worker) {
	h.unset(w)
	next := w.expireTime
	if w.session != nil && !w.pinged && w.pingTime.Before(next) {
		next = w.pingTime
	}
	h.ticks.Add(1)
	w.timer = time.AfterFunc(time.Until(next), func() {
		defer h.ticks.Done()
		h.tick(w)
	})
}

// unset stops the timer of a worker, unless it has gone off already.
func (h *Hub) unset(w *worker) {
	if w.timer != nil && w.timer.Stop() {
		h.ticks.Done()
	}
	w.timer = nil
}

// tick does what is due.
func (h *Hub) tick(w *worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.workers[w.hello.ID] != w {
		return
	}
	now := time.Now()
	if !now.Before(w.expireTime) {
		h.lose(w, fmt.Sprintf("it has not answered for %s", h.cfg.Lease))
		return
	}
	if w.session != nil && !w.pinged && !now.Before(w.pingTime) {
		w.sequence++
		w.pinged, w.sentTime = true, time.Time{}
		w.session.ping(w.sequence)
		clear(w.refused)
		w.offer()
	}
	h.set(w)
}

// lose gives a worker up.
func (h *Hub) lose(w *worker, why string) {
	h.cfg.Logger.Warn("worker is lost", append(w.attrs(), "why", why, "held", len(w.held))...)
	h.remove(w, fmt.Errorf("%w: %s", task.ErrWorkerLost, why), why)
}

// Pong is the answer to a ping. One to another ping than the last, or before that was handed out, says nothing.
func (s *Session) Pong(sequence int64) {
	h, w := s.w.hub, s.w
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.err != nil || sequence != w.sequence || w.sentTime.IsZero() || !time.Now().Before(w.expireTime) {
		return
	}
	w.expireTime, w.pingTime = w.sentTime.Add(h.cfg.Lease), w.sentTime.Add(h.cfg.Lease/3)
	w.pinged, w.sentTime = false, time.Time{}
	w.news, w.olds = nil, w.news
	h.set(w)
}
