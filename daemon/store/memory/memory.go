package memory

import (
	"slices"
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
type Store struct{ handle }

var _ store.Store = (*Store)(nil)

// data is what a Store keeps, for itself and for all Nodes on it.
//
// Its orders are B-trees rather than a heap and a sorted slice, because both ends are needed: the
// earliest fire and any page of names are found in O(log n), and so is the place of a new task.
type data struct {
	namespace string
	clock     func() time.Time
	storeID   uuid.UUID

	mu        sync.Mutex // guards all below
	handles   []*handle  // that are not closed
	tasks     map[uuid.UUID]*entry
	names     *order
	states    map[task.State]*order
	groups    map[string]*order // without the tasks of no group
	due       *btree.BTreeG[timeKey]
	deadlines *btree.BTreeG[timeKey] // of overrides and pauses
	runs      *btree.Map[task.RunID, *record]
	open      *btree.Map[task.RunID, *record] // those that have not ended
	nobodys   *btree.Map[task.RunID, *record] // those of them that are in nobody's hands
	requests  map[uuid.UUID]task.RunID
	audit     audit
	nextSeq   int
	nextRun   task.RunID
	members   []*member // in the order in which they joined

	change, deleted, takenBack int64 // as in store.Position
	tx                         tx    // the transaction under way
}

// handle is the data as a node sees it. What it does is the Store's, and the Node's.
type handle struct {
	*data
	node     uuid.UUID // zero: that of the Store, or it has not joined
	closed   bool
	observer store.Observer // nil: none
	// tasks and runs say what the observer wants, as it said when the transaction began.
	wantsTasks, wantsRuns bool
	cut                   Cut
	kept                  []store.Commit // what the observer is to be told once it is healed
}

// New returns an empty Store.
func New(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	d := &data{
		namespace: c.Namespace,
		clock:     c.Now,
		storeID:   uuid.New(),
		tasks:     make(map[uuid.UUID]*entry),
		names:     newOrder(),
		states:    make(map[task.State]*order),
		groups:    make(map[string]*order),
		due:       newTimes(),
		deadlines: newTimes(),
		runs:      btree.NewMap[task.RunID, *record](0),
		open:      btree.NewMap[task.RunID, *record](0),
		nobodys:   btree.NewMap[task.RunID, *record](0),
		requests:  make(map[uuid.UUID]task.RunID),
		audit:     newAudit(),
		nextRun:   1,
	}
	s := &Store{handle{data: d}}
	d.handles = append(d.handles, &s.handle)
	return s
}

// Close makes every further call fail, of this Store or Node alone. What is kept is left to the garbage collector.
func (s *handle) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.handles = slices.DeleteFunc(s.handles, func(h *handle) bool { return h == s })
	return nil
}

// now is the clock of the store.
func (s *data) now() time.Time { return task.Instant(s.clock()) }
