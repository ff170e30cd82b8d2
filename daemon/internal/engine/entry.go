package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// entry is a task that this daemon can run: the program declares it, or it was made through the API and lives in
// the store. A task in the store that has no entry is orphaned.
type entry struct {
	id   uuid.UUID
	name string
	// program is what the program says of it or, of a task made through the API, the store. A reload and UpdateTask
	// put another there. What is in force is told by known: an older program does not change a declaration.
	program atomic.Pointer[Task]
	// editing makes edits of one task follow each other.
	editing sync.Mutex
	// silenced says that the daemon has paused the task, and that its fires are about to be skipped.
	silenced atomic.Bool
	// known is the task as it was last read or written.
	known atomic.Pointer[known]
}

// known is a task as of a version.
type known struct {
	version int64
	// anchor is that of its clock: a task that was deleted and made again, by another node, begins with the same version.
	anchor     time.Time
	extensions *schedule.Extensions
	policy     task.Policy
	group      string
	// inForce is nil if the trigger in force can not be used.
	inForce *reconcile.InForce
}

// is reports whether it is the task of that version, with those extensions, and its trigger can be used.
func (k *known) is(version int64, anchor time.Time, extensions *schedule.Extensions) bool {
	return k != nil && k.version == version && k.anchor.Equal(anchor) && k.extensions == extensions && k.inForce != nil
}

// policy is that in force.
func (en *entry) policy() task.Policy {
	if k := en.known.Load(); k != nil {
		return k.policy
	}
	return en.program.Load().Declaration.Policy
}

// group is that in force.
func (en *entry) group() string {
	if k := en.known.Load(); k != nil {
		return k.group
	}
	return en.program.Load().Declaration.Group
}

// inForce is the trigger in force. Nil: it is not known, or can not be used.
func (en *entry) inForce() *reconcile.InForce {
	if k := en.known.Load(); k != nil {
		return k.inForce
	}
	return nil
}

// listens reports whether the trigger in force names an event.
func (en *entry) listens(event schedule.Event) bool {
	f := en.inForce()
	return f != nil && f.Listens(event)
}

// target does the work.
func (en *entry) target() target.Target { return en.program.Load().Target }

// registry holds the entries. Its methods may be called at the same time.
type registry struct {
	mu   sync.RWMutex
	byID map[uuid.UUID]*entry
	// retargeted is poked when the work of a task is left to workers, or to them no more; size one.
	retargeted chan struct{}
}

// get returns the entry of a task; nil if this daemon can not run it.
func (r *registry) get(id uuid.UUID) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

// put makes an entry for a task, or gives the one there is another program.
func (r *registry) put(id uuid.UUID, t Task) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	en := r.byID[id]
	if en == nil {
		en = &entry{id: id, name: t.Declaration.Name}
		r.byID[id] = en
	}
	if old := en.program.Swap(&t); old != nil && isPlaced(old.Target) != isPlaced(t.Target) {
		poke(r.retargeted)
	}
	return en
}

func isPlaced(tg target.Target) bool {
	_, ok := tg.(target.Placed)
	return ok
}

// remove forgets a task. What goes of it goes on.
func (r *registry) remove(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

// count returns how many entries there are.
func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byID)
}

// all returns the entries, in no order.
func (r *registry) all() []*entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*entry, 0, len(r.byID))
	for _, en := range r.byID {
		out = append(out, en)
	}
	return out
}
