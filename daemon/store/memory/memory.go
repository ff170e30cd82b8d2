package memory

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/tidwall/btree"
)

// Config says how a Store is made.
type Config struct {
	// Namespace is that of all its tasks. It may be empty.
	Namespace string
	// Now is what the store takes for the time. It is for tests of what happens when the machine's clock is set,
	// which testing/synctest can not do, and must be the clock of the daemon that uses the store.
	// It is called in the midst of a claim or a record, so it must be quick and must not call the store.
	// Defaults to time.Now.
	Now func() time.Time
}

// Store keeps tasks and runs for as long as the process lives. It implements store.Store and is safe
// for concurrent use.
//
// Its orders are B-trees rather than a heap and a sorted slice, because both ends are needed: the
// earliest fire and any page of names are found in O(log n), and so is the place of a new task.
type Store struct {
	namespace string
	clock     func() time.Time

	mu       sync.Mutex // guards all below
	closed   bool
	tasks    map[uuid.UUID]*entry
	names    *btree.Map[string, *entry]
	states   map[task.State]*btree.Map[string, *entry]
	due      *btree.BTreeG[dueKey]
	runs     *btree.Map[task.RunID, *record]
	open     *btree.Map[task.RunID, *record] // those that have not ended
	requests map[uuid.UUID]task.RunID
	nextRun  task.RunID
	undo     []func() // the steps of the transaction under way, inverted
}

var _ store.Store = (*Store)(nil)

// New returns an empty Store.
func New(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Store{
		namespace: c.Namespace,
		clock:     c.Now,
		tasks:     make(map[uuid.UUID]*entry),
		names:     btree.NewMap[string, *entry](0),
		states:    make(map[task.State]*btree.Map[string, *entry]),
		due:       btree.NewBTreeGOptions(dueKey.before, btree.Options{NoLocks: true}),
		runs:      btree.NewMap[task.RunID, *record](0),
		open:      btree.NewMap[task.RunID, *record](0),
		requests:  make(map[uuid.UUID]task.RunID),
		nextRun:   1,
	}
}

// Close makes the Store refuse every further call. What it kept is left to the garbage collector.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// transact runs f as one transaction: alone, and undone if it returns an error or panics.
func (s *Store) transact(ctx context.Context, f func() error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return fmt.Errorf("%w: it is closed", task.ErrUnavailable)
	}
	committed := false
	defer func() {
		// This also runs when f ends its goroutine, as t.Fatal in a function handed in does.
		if !committed {
			for i := len(s.undo) - 1; i >= 0; i-- {
				s.undo[i]()
			}
		}
		clear(s.undo)
		s.undo = s.undo[:0]
	}()
	if err := guarded(f); err != nil {
		return err
	}
	committed = true
	return nil
}

// guarded turns a panic in f into an error with the stack.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a function handed to the store: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// now is the clock of the store.
func (s *Store) now() time.Time { return task.Instant(s.clock()) }
