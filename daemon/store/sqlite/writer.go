package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// kind says in which order calls of a group are carried out.
type kind int

const (
	edit    kind = iota // Update and Call: a person may wait for them
	record              // Record: runs wait for it before they start
	claim               // Claim: one to a group, because it is the longest
	tidy                // Prune and Sweep: likewise, and nobody waits for them
	barrier             // Position: after all others
	kinds
)

// room is how much of each kind fits in a group, in tasks or runs; one call always does. It bounds how
// long a call waits for those before it, and is far past where sharing a flush still gains anything.
var room = [kinds]int{edit: 1000, record: 4000, claim: 1, tidy: 1, barrier: 1000}

// call is a transaction that waits for the writer or is under way.
type call struct {
	ctx    context.Context
	kind   kind
	weight int
	do     func(w *writer) error
	begun  atomic.Bool // by the writer, or given up by the caller: whoever is first
	err    error
	done   chan struct{} // closed when err is final
}

// writer is the goroutine that writes, and its queue.
type writer struct {
	store   *Store
	session *session
	numbers               // belong to the goroutine
	floor   numbers       // likewise: as they were before the group
	group   []*call       // likewise: those that are being carried out
	told    told          // likewise: what they do
	wake    chan struct{} // there may be work
	done    chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards all below
	waiting [kinds][]*call
	stopped bool
}

func startWriter(s *Store, c *session, n numbers) *writer {
	w := &writer{store: s, session: c, numbers: n, floor: n, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// stop carries out what waits and ends the goroutine.
func (w *writer) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.nudge()
	<-w.done
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

// submit hands do to the writer and waits for its commit. If the context ends before do has begun, do
// is never called.
func (w *writer) submit(ctx context.Context, k kind, weight int, do func(w *writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{ctx: ctx, kind: k, weight: weight, do: do, done: make(chan struct{})}
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return w.store.closed()
	}
	w.waiting[k] = append(w.waiting[k], c)
	w.mu.Unlock()
	w.nudge()
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.begun.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-c.done
	}
	return c.err
}

// take removes the next group from the queue: of each kind, the oldest that fit.
func (w *writer) take() (group []*call, stopped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.waiting {
		queue, left, n := w.waiting[k], room[k], 0
		for n < len(queue) && (n == 0 || queue[n].weight <= left) {
			left -= queue[n].weight
			n++
		}
		group = append(group, queue[:n]...)
		clear(queue[:n])
		w.waiting[k] = queue[n:]
		if n == len(queue) {
			w.waiting[k] = queue[:0]
		}
	}
	return group, w.stopped
}

// run carries out groups until it is stopped and nothing waits.
func (w *writer) run() {
	ended := false
	defer func() {
		if ended {
			close(w.done)
			return
		}
		// A function that was handed in has ended this goroutine, as t.Fatal does. Its caller must not
		// wait for ever, and neither must the others: another goroutine goes on.
		w.rollback()
		w.numbers = w.floor
		w.answer(fmt.Errorf("%w: store %q: a function handed in ended the goroutine of the writer", task.ErrUnavailable, w.store.path))
		go w.run()
	}()
	for {
		var stopped bool
		if w.group, stopped = w.take(); len(w.group) > 0 {
			w.commit()
			continue
		}
		if stopped {
			w.release()
			ended = true
			return
		}
		<-w.wake
	}
}

// commit carries out the group in one transaction, tells the observer and answers it.
func (w *writer) commit() {
	w.floor = w.numbers
	c, some, err := w.attempt()
	if err != nil {
		w.rollback()
		w.numbers = w.floor
		w.answer(err)
		return
	}
	if w.changed {
		w.change++
		w.changed = false
	}
	w.floor = w.numbers
	if some {
		w.told.observer.Committed(c)
	}
	w.answer(nil)
}

// attempt carries out the group and returns what the observer is to be told. If it returns an error, nothing of the
// group has happened.
func (w *writer) attempt() (c store.Commit, some bool, err error) {
	w.wants()
	if _, err := w.session.exec("BEGIN IMMEDIATE"); err != nil {
		return c, false, err
	}
	if err := w.reserve(); err != nil {
		return c, false, err
	}
	for _, call := range w.group {
		if call.ctx.Err() != nil && call.begun.CompareAndSwap(false, true) {
			call.err = call.ctx.Err()
			continue
		}
		if !call.begun.CompareAndSwap(false, true) {
			continue // its caller has gone
		}
		if err := w.isolated(call); err != nil {
			return c, false, err
		}
	}
	if c, some, err = w.tell(); err != nil {
		return c, false, err
	}
	_, err = w.session.exec("COMMIT")
	return c, some, err
}

// isolated carries out one call, so that its error undoes only what it did itself. It returns an error
// if the whole transaction is lost.
func (w *writer) isolated(c *call) error {
	if len(w.group) == 1 {
		// Nobody else is in the transaction: it is the savepoint.
		c.err = guarded(w, c.do)
		return c.err
	}
	if _, err := w.session.exec("SAVEPOINT call"); err != nil {
		return err
	}
	floor := w.numbers
	changes, touched := w.told.mark()
	if c.err = guarded(w, c.do); c.err != nil {
		w.numbers = floor
		w.told.cut(changes, touched)
		// SQLite has rolled back everything itself on some errors, a full disk for one. Then there is no
		// savepoint any more, and this says so.
		if _, err := w.session.exec("ROLLBACK TO call"); err != nil {
			if errors.Is(c.err, task.ErrUnavailable) {
				return c.err // the cause
			}
			return err
		}
	}
	_, err := w.session.exec("RELEASE call")
	return err
}

// guarded turns a panic in do into an error with the stack.
func guarded(w *writer, do func(w *writer) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())
		}
	}()
	return do(w)
}

// rollback ends the transaction if there is one.
func (w *writer) rollback() { _, _ = w.session.exec("ROLLBACK") }

// answer tells everybody in the group. err, if it is not nil, goes to all that have none of their own.
func (w *writer) answer(err error) {
	for _, c := range w.group {
		if c.err == nil {
			c.err = err
		}
		// Those who have not begun must not begin any more, and those who have given up do not look.
		c.begun.Store(true)
		close(c.done)
	}
	w.group = nil
}
