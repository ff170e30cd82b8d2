package feed

import (
	"context"
	"errors"
	"sync"

	"github.com/clockd/clockd/daemon/store"
)

// errLost says that what a watch has to read next is not kept any more.
var errLost = errors.New("what comes next is not kept any more")

// log keeps the newest commits for all watches. Nothing is copied for a watch: each has an entry that it reads next.
type log struct {
	limits Limits

	mu sync.Mutex // of all below, and of all entries

	// head is the oldest entry that is kept, tail the one that comes next and is still empty.
	head, tail *entry
	// kept is the size of the entries from head to tail.
	kept Limits
	// watches is how many have joined.
	watches int
	// waiting are those that have read everything. round grows by one whenever they are taken out to be woken.
	waiting []*waiter
	round   uint64
	// err is why there will be no more commits. Nil: there may be.
	err error
}

// entry is a commit, or the place of the next one.
type entry struct {
	// seq is its number in the log.
	seq    uint64
	commit store.Commit
	size   Limits
	next   *entry
	// readers is how many watches read it next.
	readers int
	// lost says that it is not kept any more, though there were readers.
	lost bool
}

func newLog(l Limits) *log {
	empty := &entry{}
	return &log{limits: l, head: empty, tail: empty}
}

// add appends a commit. If the limits are passed then, the oldest go.
func (l *log) add(c store.Commit) {
	l.mu.Lock()
	if l.watches == 0 || l.err != nil {
		l.mu.Unlock()
		return
	}
	e := l.tail
	e.commit, e.size, e.next = c, commitSize(&c), &entry{seq: e.seq + 1}
	l.tail = e.next
	l.kept.Changes += e.size.Changes
	l.kept.Bytes += e.size.Bytes
	for l.head != e && (l.kept.Changes > l.limits.Changes || l.kept.Bytes > l.limits.Bytes) {
		l.drop().lost = true
	}
	woken := l.wake()
	l.mu.Unlock()
	spread(woken)
}

// lose lets go of everything, as if much more had been added than is kept: whoever has joined has missed something.
func (l *log) lose() {
	l.mu.Lock()
	for l.head != l.tail {
		l.drop().lost = true
	}
	l.tail.lost = true
	empty := &entry{seq: l.tail.seq + 1}
	l.head, l.tail = empty, empty
	woken := l.wake()
	l.mu.Unlock()
	spread(woken)
}

// drop lets go of the oldest entry. Whoever still has it in hand holds nothing else by it.
func (l *log) drop() *entry {
	e := l.head
	l.head = e.next
	l.kept.Changes -= e.size.Changes
	l.kept.Bytes -= e.size.Bytes
	e.commit, e.next = store.Commit{}, nil
	return e
}

// trim lets go of what all have read.
func (l *log) trim() {
	for l.head != l.tail && l.head.readers == 0 {
		l.drop()
	}
}

// join returns the place of the next commit. Whoever joins must leave.
func (l *log) join() (*entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	l.watches++
	l.tail.readers++
	return l.tail, nil
}

// leave gives the place up.
func (l *log) leave(at *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watches--
	at.readers--
	l.trim()
}

// end returns the number of the place of the next commit.
func (l *log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.seq
}

// take returns the commits from the place on, at least one if there is one and not much more than most, and the place
// behind them. If there is none, the error says whether there will be.
func (l *log) take(at *entry, most Limits, into []store.Commit) ([]store.Commit, *entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case at.lost:
		return into, at, errLost
	case at == l.tail:
		return into, at, l.err
	}
	next := at
	for size := (Limits{}); next != l.tail && size.Changes < most.Changes && size.Bytes < most.Bytes; next = next.next {
		into = append(into, next.commit)
		size.Changes += next.size.Changes
		size.Bytes += next.size.Bytes
	}
	at.readers--
	next.readers++
	l.trim()
	return into, next, nil
}

// close says that there will be no more commits.
func (l *log) close(err error) {
	l.mu.Lock()
	l.err = err
	woken := l.wake()
	l.mu.Unlock()
	spread(woken)
}

// waiter is a watch that can wait. Each time it is taken out of log.waiting it gets one message: those it has to
// wake in turn. So whoever commits wakes two, not a thousand.
type waiter struct {
	ready chan []*waiter // of size 1: whoever wakes it does not wait for it
	index int            // in log.waiting
	round uint64         // log.round when it began to wait
}

func newWaiter() *waiter { return &waiter{ready: make(chan []*waiter, 1)} }

// wait returns when there may be something to take at the place, or with the error of ctx.
func (l *log) wait(ctx context.Context, w *waiter, at *entry) error {
	l.mu.Lock()
	if at != l.tail || l.err != nil {
		l.mu.Unlock()
		return ctx.Err()
	}
	w.index, w.round = len(l.waiting), l.round
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	select {
	case others := <-w.ready:
		spread(others)
		return ctx.Err()
	case <-ctx.Done():
	}
	l.mu.Lock()
	if w.round == l.round { // nobody has taken it out
		last := len(l.waiting) - 1
		l.waiting[w.index] = l.waiting[last]
		l.waiting[w.index].index = w.index
		l.waiting[last] = nil
		l.waiting = l.waiting[:last]
		l.mu.Unlock()
		return ctx.Err()
	}
	l.mu.Unlock()
	// The message is there or about to come, and others depend on it.
	spread(<-w.ready)
	return ctx.Err()
}

// wake takes out all that wait. The caller spreads the word when it has let go of the mutex.
func (l *log) wake() []*waiter {
	woken := l.waiting
	l.waiting = nil
	l.round++
	return woken
}

// spread wakes two of the waiters, each of which wakes half of the others.
func spread(all []*waiter) {
	if len(all) == 0 {
		return
	}
	half := (len(all) + 1) / 2
	all[0].ready <- all[1:half]
	if half < len(all) {
		all[half].ready <- all[half+1:]
	}
}

// ended returns what close was given.
func (l *log) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
