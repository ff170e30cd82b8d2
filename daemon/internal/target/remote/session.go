package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
)

// maxUnread is how many acknowledgements wait for a worker before it is given up: several times what one that reads
// lets come together.
const maxUnread = 4 * task.MaxPlaces

// errLeft ends the session of a worker that ended it.
var errLeft = errors.New("the worker has ended its session")

// Session is the connection of a worker. Its methods may be called at the same time, and do not block but for Next.
//
// What is to be said to the worker stands in its outbox until Next hands it out. That has a bound without being cut
// off: an assignment takes up a place of the worker, there is one ping, one drain, and one cancel for each attempt that
// the worker holds or said that it does. Only acknowledgements are as many as the results that the worker sends: one
// that sends and does not read is given up at maxUnread of them.
type Session struct {
	w *worker
	// wake has something in it if Next may find something. over is closed when err is set: why the session is over.
	wake, over chan struct{}
	err        error

	// The outbox, in the order in which Next takes from it: what is short and urgent does not stand behind inputs.
	sequence int64 // a ping; 0: none
	drains   bool
	canceled []task.Cancel
	results  []task.Recorded
	assigned []*attempt
}

func newSession(w *worker) *Session {
	return &Session{w: w, wake: make(chan struct{}, 1), over: make(chan struct{})}
}

// Next waits for what is to be said to the worker. Its error is why the session is over: task.ErrReplaced,
// task.ErrWorkerLost, task.ErrStopping, that the worker has ended it, or ctx's.
func (s *Session) Next(ctx context.Context) (task.Order, error) {
	for {
		order, ok, err := s.take()
		if ok || err != nil {
			return order, err
		}
		select {
		case <-s.wake:
		case <-s.over:
		case <-ctx.Done():
			return task.Order{}, ctx.Err()
		}
	}
}

// Done is closed when the session is over, though Next may still have something to say before its error.
func (s *Session) Done() <-chan struct{} { return s.over }

// take takes what is next out of the outbox.
func (s *Session) take() (order task.Order, ok bool, err error) {
	h := s.w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case s.sequence != 0:
		order.Ping, s.sequence = s.sequence, 0
		s.w.sentTime = time.Now()
	case s.drains:
		order.Drain, s.drains = true, false
	case len(s.canceled) > 0:
		order.Cancel = new(shift(&s.canceled))
	case len(s.results) > 0:
		order.Recorded = new(shift(&s.results))
	case len(s.assigned) > 0:
		at := shift(&s.assigned)
		at.sent = true
		assignment := at.order
		if !at.deadline.IsZero() {
			assignment.Timeout = max(time.Until(at.deadline), time.Millisecond) // 0 would be as long as it likes
		}
		order.Assign = &assignment
	default:
		return order, false, s.err
	}
	if s.sequence != 0 || s.drains || len(s.canceled)+len(s.results)+len(s.assigned) > 0 {
		s.poke() // there may be two who ask
	}
	return order, true, nil
}

// shift takes the first of a list.
func shift[T any](list *[]T) T {
	var none T
	first := (*list)[0]
	(*list)[0] = none
	if *list = (*list)[1:]; len(*list) == 0 {
		*list = nil
	}
	return first
}

func (s *Session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// What follows is called with the hub's lock held, and does nothing once the session is over.

func (s *Session) ping(sequence int64) {
	s.sequence = sequence
	s.poke()
}

func (s *Session) drain() {
	s.drains = true
	s.poke()
}

func (s *Session) cancel(ref task.AttemptRef, reason string) {
	s.canceled = append(s.canceled, task.Cancel{AttemptRef: ref, Reason: reason})
	s.poke()
}

func (s *Session) record(r task.Recorded) {
	s.results = append(s.results, r)
	s.poke()
}

func (s *Session) assign(at *attempt) {
	s.assigned = append(s.assigned, at)
	s.poke()
}

// end ends the session. What was recorded is still said if the daemon stops: it is all that the worker waits for.
func (s *Session) end(err error) {
	s.err = err
	s.sequence, s.drains, s.canceled, s.assigned = 0, false, nil, nil
	if !errors.Is(err, task.ErrStopping) {
		s.results = nil
	}
	close(s.over)
}

// lock takes the hub's lock and reports whether the session still goes on.
func (s *Session) lock() (unlock func(), live bool) {
	s.w.hub.mu.Lock()
	return s.w.hub.mu.Unlock, s.err == nil
}

// holds returns an attempt that was handed out to the worker, or nil.
func (s *Session) holds(ref task.AttemptRef) *attempt {
	if at := s.w.held[ref]; at != nil && at.sent {
		return at
	}
	return nil
}

// listens returns the attempt of which the worker speaks, or nil.
func (s *Session) listens(ref task.AttemptRef) *attempt {
	unlock, live := s.lock()
	defer unlock()
	if !live {
		return nil
	}
	return s.holds(ref)
}

// Write is what an attempt writes. What the worker does not hold writes to nobody.
func (s *Session) Write(ref task.AttemptRef, stream task.OutputStream, data []byte) {
	at := s.listens(ref)
	if at == nil || at.write == nil {
		return
	}
	at.telling.Lock()
	defer at.telling.Unlock()
	if !at.mute {
		at.write(stream, data)
	}
}

// Report is how far an attempt has come.
func (s *Session) Report(ref task.AttemptRef, p task.Progress) {
	at := s.listens(ref)
	if at == nil || at.report == nil {
		return
	}
	at.telling.Lock()
	defer at.telling.Unlock()
	if !at.mute {
		at.report(p)
	}
}

// End is how an attempt has ended; an Order says when it is recorded. That says that the engine is told: it will commit
// the end, and nothing that becomes of the worker changes it. It does not say that the end is on the disk: if the daemon
// dies within the blink of an eye, the attempt counts as one of which nobody knows how it ended, as of a task that runs
// in the daemon itself. To say more, each result would wait for a commit, and each place for its result.
func (s *Session) End(r task.Result) {
	unlock, live := s.lock()
	defer unlock()
	if !live {
		return
	}
	at := s.holds(r.AttemptRef)
	switch {
	case at != nil && !at.left:
		s.w.took(r.AttemptRef)
		var err error
		if r.Error != "" {
			err = errors.New(r.Error)
		}
		s.w.end(at, r.Output, err)
		s.record(task.Recorded{AttemptRef: r.AttemptRef})
	case at == nil && s.w.recorded(r.AttemptRef): // it did not hear that, and says it again
		s.record(task.Recorded{AttemptRef: r.AttemptRef})
	default:
		if at != nil {
			s.w.end(at, nil, nil) // nobody waits for it, but the place
		}
		s.w.hub.cfg.Logger.Warn("late result of a worker changes nothing",
			append(s.w.attrs(), "run_id", r.Run.String(), "attempt", r.Attempt)...)
		s.record(task.Recorded{AttemptRef: r.AttemptRef, Late: true})
	}
	if len(s.results) > maxUnread {
		s.w.hub.lose(s.w, fmt.Sprintf("it sends and does not read: more than %d messages wait for it", maxUnread))
	}
}

// GiveBack gives an attempt back.
func (s *Session) GiveBack(g task.GiveBack) {
	unlock, live := s.lock()
	defer unlock()
	if !live {
		return
	}
	at := s.holds(g.AttemptRef)
	if at == nil {
		return
	}
	why := fmt.Sprintf("%s has given it back", s.w)
	if g.Reason != "" {
		why += ": " + g.Reason
	}
	if !g.Started {
		if s.w.refused == nil {
			s.w.refused = map[string]bool{}
		}
		s.w.refused[at.order.TaskName] = true
	}
	s.w.end(at, nil, &target.LostError{Why: why, NotStarted: !g.Started})
}

// Drain says that the worker takes nothing new, for good.
func (s *Session) Drain() {
	unlock, live := s.lock()
	defer unlock()
	if live {
		s.w.draining = true
		s.w.takeBack("it takes nothing new")
	}
}

// SetPlaces says how many attempts it makes at the same time.
func (s *Session) SetPlaces(n int) {
	unlock, live := s.lock()
	defer unlock()
	if live {
		s.w.places = n
		s.w.offer()
	}
}

// Leave ends the session for good: what the worker holds is given out again at once.
func (s *Session) Leave() {
	unlock, live := s.lock()
	defer unlock()
	if live {
		s.w.hub.cfg.Logger.Info("worker has left", append(s.w.attrs(), "held", len(s.w.held))...)
		s.w.hub.remove(s.w, errLeft, "it has left")
	}
}

// Disconnect ends the session because the connection has: the worker may come back within its lease. What was not
// handed out yet need not wait for that. After Leave it does nothing, and neither does Leave after it.
func (s *Session) Disconnect() {
	unlock, live := s.lock()
	defer unlock()
	if live {
		w := s.w
		w.hub.cfg.Logger.Info("worker has lost its connection", append(w.attrs(), "held", len(w.held))...)
		w.takeBack("its connection has ended")
		s.end(errLeft)
		w.session = nil
	}
}
