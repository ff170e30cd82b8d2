package feed

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// most is how much goes into one response, and is in the hands of one watch at a time: many changes for the price of
// one message, in a message far below the 4 MiB that a gRPC client takes, since on the wire a task can become
// several times as large. One change that is larger alone goes alone.
var most = Limits{Changes: 128, Bytes: 256 << 10}

// watch is one watch: of tasks T with ids K, or of runs. It belongs to the goroutine of its caller.
type watch[T any, K comparable] struct {
	hub *Hub
	// of returns what a change is to this watch: an item, the id of one that is gone, or neither.
	of func(*store.Changed) (*T, K)
	// keys returns the id of an item and the number of the commit that last changed it.
	keys func(*T) (K, int64)
	size func(*T) int
	send func(response[T, K]) error
	// lost returns the number of the last commit that can not be told of afterwards.
	lost func(store.Position) int64
	// over says whether a change ends the watch. Nil: none does.
	over func(*store.Changed) error
	// passes says how to read what is.
	passes func(start) []pass[T]

	at     *entry
	waiter *waiter
	taken  []store.Commit // reused
	turn   *turn          // nil: what is has been read

	// from is the position while the watch is not synced, reached the commit that was last told whole.
	from, reached task.WatchPosition
	synced        bool
	// shown are the numbers of items that pages have shown ahead of the commits; ahead is the highest.
	shown map[K]int64
	ahead int64

	// next is the response in the making; bytes is its size.
	next  response[T, K]
	bytes int
}

// response is a task.TaskChanges or a task.RunChanges.
type response[T any, K comparable] struct {
	items         []T
	gone          []K
	reset, synced bool
	position      task.WatchPosition
}

// start is how a watch begins.
type start struct {
	// at is the position of the store.
	at store.Position
	// from is the position that the watch resumes from. Its Change is 0 if there is none that is of use.
	from task.WatchPosition
	// anew says to begin with what is, because changes since then are not known.
	anew bool
}

// pass is one way through the store.
type pass[T any] struct {
	// since says which items are left out: those changed after it and not after the commit that was last told, for
	// they have been told.
	since int64
	// page returns the next items, and whether there are more.
	page func(context.Context) (items []T, more bool, err error)
}

func (w *watch[T, K]) run(ctx context.Context, count *atomic.Int64, resume task.WatchPosition) (err error) {
	l := w.hub.log
	w.waiter, w.shown = newWaiter(), map[K]int64{}
	w.turn = &turn{hub: w.hub}
	defer func() { w.turn.end() }()
	if err := w.turn.begin(ctx); err != nil {
		return err
	}
	if w.at, err = l.join(); err != nil {
		return err
	}
	defer func() { l.leave(w.at) }()
	count.Add(1) // before the store is asked for its position
	defer count.Add(-1)
	if err := w.snapshot(ctx, resume); err != nil {
		return err
	}
	w.turn.end()
	for {
		switch more, err := w.catchUp(ctx); {
		case err != nil:
			return err
		case !more:
			if err := l.wait(ctx, w.waiter, w.at); err != nil {
				return err
			}
		}
	}
}

// snapshot tells what is.
func (w *watch[T, K]) snapshot(ctx context.Context, resume task.WatchPosition) error {
	at, err := w.hub.reader.Position(ctx)
	if err != nil {
		return err
	}
	s := start{at: at, from: resume}
	if resume.Change <= 0 || resume.Store != at.ID || resume.Change > at.Change {
		s.from = task.WatchPosition{Store: at.ID}
	}
	s.anew = s.from.Change == 0 || w.lost(at) > s.from.Change
	w.from = s.from
	w.reached = task.WatchPosition{Store: at.ID, Change: at.Change, OldestOpen: at.OldestOpen}
	w.next.reset = s.anew
	for _, p := range w.passes(s) {
		for more := true; more; {
			if more, err = w.page(ctx, p); err != nil {
				return err
			}
			// What has been committed meanwhile, lest it pile up.
			if err := w.until(ctx, w.hub.log.end()); err != nil {
				return err
			}
		}
	}
	// All that the store had told of when the last page had been read has now been told: so this is what was then.
	// If the pages show a little more, since a commit can be read before it is told of, that follows at once.
	w.synced, w.next.synced = true, true
	return w.flush()
}

// page tells one page.
func (w *watch[T, K]) page(ctx context.Context, p pass[T]) (more bool, err error) {
	if err := w.turn.begin(ctx); err != nil {
		return false, err
	}
	items, more, err := p.page(ctx)
	if err != nil {
		return false, err
	}
	for i := range items {
		key, change := w.keys(&items[i])
		if p.since < change && change <= w.reached.Change || change <= w.shown[key] {
			continue // told as a commit, or by an earlier pass
		}
		if change > w.reached.Change {
			w.shown[key], w.ahead = change, max(w.ahead, change)
		}
		if err := w.add(&items[i], key); err != nil {
			return false, err
		}
	}
	return more, w.flush()
}

// until tells the commits up to a place in the log.
func (w *watch[T, K]) until(ctx context.Context, end uint64) error {
	for w.at.seq < end {
		if _, err := w.catchUp(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// catchUp tells some commits. It reports whether there were any.
func (w *watch[T, K]) catchUp(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	w.taken, w.at, err = w.hub.log.take(w.at, most, w.taken[:0])
	switch {
	case errors.Is(err, errLost):
		return false, &task.TooSlowError{Position: w.position()}
	case err != nil:
		return false, err
	}
	defer clear(w.taken) // a watch that waits holds nothing
	for i := range w.taken {
		if err := w.commit(&w.taken[i]); err != nil {
			return false, err
		}
	}
	return len(w.taken) > 0, w.flush()
}

// commit tells one commit.
func (w *watch[T, K]) commit(c *store.Commit) error {
	if c.Change <= w.reached.Change {
		return nil // the pages have shown it
	}
	var none K
	for i := range c.Changes {
		if w.over != nil {
			if err := w.over(&c.Changes[i]); err != nil {
				return errors.Join(w.flush(), err)
			}
		}
		item, key := w.of(&c.Changes[i])
		if item != nil {
			key, _ = w.keys(item)
		}
		if key == none || c.Change <= w.shown[key] {
			continue
		}
		if err := w.add(item, key); err != nil {
			return err
		}
	}
	w.reached.Change, w.reached.OldestOpen = c.Change, c.OldestOpen
	if len(w.shown) > 0 && w.reached.Change >= w.ahead {
		clear(w.shown)
	}
	return nil
}

// add puts an item, or without one the id of one that is gone, into the response.
func (w *watch[T, K]) add(item *T, key K) error {
	size := 0
	if item != nil {
		size = w.size(item)
	}
	full := len(w.next.items)+len(w.next.gone) >= most.Changes || len(w.next.items) > 0 && w.bytes+size > most.Bytes
	mixed := item != nil && len(w.next.gone) > 0 || item == nil && len(w.next.items) > 0
	if full || mixed {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if item == nil {
		w.next.gone = append(w.next.gone, key)
		return nil
	}
	w.next.items = append(w.next.items, *item)
	w.bytes += size
	return nil
}

// flush sends the response, unless it says nothing.
func (w *watch[T, K]) flush() error {
	r := w.next
	if len(r.items) == 0 && len(r.gone) == 0 && !r.synced {
		return nil
	}
	r.position = w.position()
	w.next, w.bytes = response[T, K]{}, 0
	return w.turn.lend(func() error { return w.send(r) })
}

// position is where the responses so far have brought the watch.
func (w *watch[T, K]) position() task.WatchPosition {
	if w.synced {
		return w.reached
	}
	return w.from
}

// turn is the right of a watch to read what is. While its reader takes longer than patience, others have it.
type turn struct {
	hub  *Hub
	held bool
}

// begin waits for the turn, if it is not held. When the hub is closed, nobody gets or keeps one.
func (t *turn) begin(ctx context.Context) error {
	if err := t.hub.log.ended(); err != nil || t.held {
		return err
	}
	select {
	case t.hub.places <- struct{}{}:
		t.held = true
		return nil
	case <-t.hub.closed:
		return t.hub.log.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lend calls send, and gives the turn up if that takes long.
func (t *turn) lend(send func() error) error {
	if !t.held {
		return send()
	}
	timer := time.AfterFunc(patience, func() { <-t.hub.places })
	// Also if send panics.
	defer func() { t.held = timer.Stop() }()
	return send()
}

// end gives the turn back.
func (t *turn) end() {
	if t.held {
		t.held = false
		<-t.hub.places
	}
}
