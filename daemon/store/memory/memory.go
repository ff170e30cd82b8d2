package memory

import (
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
	id        uuid.UUID

	mu       sync.Mutex // guards all below
	closed   bool
	observer store.Observer // nil: none
	tasks    map[uuid.UUID]*entry
	names    *order
	states   map[task.State]*order
	groups   map[string]*order // without the tasks of no group
	due      *btree.BTreeG[dueKey]
	runs     *btree.Map[task.RunID, *record]
	open     *btree.Map[task.RunID, *record] // those that have not ended
	requests map[uuid.UUID]task.RunID
	audit    audit
	nextSeq  int
	nextRun  task.RunID

	change, deleted, takenBack int64 // as in store.Position
	tx                         tx    // the transaction under way
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
		id:        uuid.New(),
		tasks:     make(map[uuid.UUID]*entry),
		names:     newOrder(),
		states:    make(map[task.State]*order),
		groups:    make(map[string]*order),
		due:       btree.NewBTreeGOptions(dueKey.before, btree.Options{NoLocks: true}),
		runs:      btree.NewMap[task.RunID, *record](0),
		open:      btree.NewMap[task.RunID, *record](0),
		requests:  make(map[uuid.UUID]task.RunID),
		audit:     newAudit(),
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

// now is the clock of the store.
func (s *Store) now() time.Time { return task.Instant(s.clock()) }
