package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Config is what an Engine is made of.
type Config struct {
	// Namespace is that of the store.
	Namespace string
	// Store keeps everything. It is the caller's to close, after Run has returned.
	Store store.Store
	// Program is what the program says at the start.
	Program
	// NewTarget makes what does the work of a task that was made through the API. Errors: task.ErrInvalid, with
	// fields such as "command.args", and task.ErrNotAllowed. Nil: nothing is allowed.
	NewTarget func(*task.TargetSpec) (target.Target, error)
	// Logger must not be nil.
	Logger *slog.Logger
	// ClaimAhead is how long before its instant a fire is recorded. Longer rides out longer pauses of
	// the disk; shorter takes fewer fires back when a task is changed. Defaults to 200ms.
	ClaimAhead time.Duration
	// ClaimBatch is how many tasks are claimed in one transaction. Defaults to 1000.
	ClaimBatch int
	// StopGrace is how long runs may go on once the engine is to stop, before their contexts end; they
	// then have as long again to return. Defaults to 10s.
	StopGrace time.Duration
	// Now is the wall clock, that of the store. Defaults to time.Now; for tests of what happens when the
	// machine's clock is set.
	Now func() time.Time
	// Health is called with nil when everything is ready, with an error when the store begins to fail,
	// and with nil when it works again. It must not block. Nil: nobody wants to know.
	Health func(error)
	// Meter counts. Nil: nobody wants to know.
	Meter Meter
	// Node is what the other nodes of a cluster are told of this one: Name, Address and Version. It counts if the Store
	// is a store.Cluster; NodeLease and Peers do too.
	Node task.Node
	// NodeLease is how long the others trust this node without a sign of life. Defaults to 15s.
	NodeLease time.Duration
	// Peers reaches other nodes. Nil: none can be.
	Peers Peers
	// Workers returns the names of the tasks that workers run which are connected here, and how many workers are. It must
	// not block. Nil: there are none.
	Workers func() (taskNames []string, workers int)
	// Freed is poked when a target.Placed that had no place may have one. Nil: there is none such.
	Freed <-chan struct{}
	// Open returns the names of tasks, each at least once, for which a target.Placed may have a place: when Freed is poked,
	// only these are asked for, and the others have found none by that. It must not block, and must not call the Engine.
	// Nil: all that wait are asked for, which is slow if they are thousands.
	Open func() []string
}

// Defaults of a Config.
const (
	DefaultClaimAhead = 200 * time.Millisecond
	DefaultClaimBatch = 1000
	DefaultStopGrace  = 10 * time.Second
	DefaultNodeLease  = 15 * time.Second
)

// Peers are the other nodes of a cluster.
type Peers interface {
	// Declare has the node at an address, which holds the task, declare it on behalf of a program with that revision.
	Declare(ctx context.Context, address string, d task.Declaration, revision int64) error
}

// Task is a declaration and what does its work.
type Task struct {
	Declaration task.Declaration
	Target      target.Target
	// FormerNames are what the task was called before: if it is in the store under one of them, it keeps its history.
	FormerNames []string
}

// Engine runs tasks. Make one with New; its methods may be called at the same time, once Ready is closed.
type Engine struct {
	cfg   Config
	rules atomic.Pointer[reconcile.Rules] // a reload puts others there
	// before are the rules before the reload that is under way or came to a part only: by them goes what that has not
	// come to. Nil: there is none.
	before atomic.Pointer[reconcile.Rules]
	store  store.Store
	log    *slog.Logger
	tasks  registry
	hub    *feed.Hub
	// members keeps a task from being made and removed at the same time, reloading a program from being put in
	// place while another is. Both come before gate.
	members   stripes
	reloading sync.Mutex
	halfway   bool // guarded by reloading: the last reload came to nothing, or to a part of it
	deadlines deadlines
	janitor   janitor
	ready     chan struct{}
	done      chan struct{}
	rec       *recorder
	// node is what this daemon is in a cluster. Nil: its store is its own, and alone is what it is then.
	node   *node
	alone  task.Node
	alarm  alarm
	health health

	// gate excludes claims (which lock it) from edits and calls (which hold it for reading), so that a
	// claimed fire is in the queue before an edit looks for it. It also guards refusal.
	gate sync.RWMutex
	// refusal is why edits and calls are refused: nothing is declared yet, or the engine stops. Nil: they
	// are welcome.
	refusal error

	// mu guards what follows. It is never held across a call of the store or of a task.
	mu      sync.Mutex
	queue   queue
	lanes   map[uuid.UUID]*lane
	places  places
	hall    hall
	waiting map[task.RunID]*pending // what waits outside the queue, in lanes, lines and the hall
	leaving bool                    // what would wait is left to the next process
	wakeUp  chan struct{}           // of the dispatcher, size one
	active  map[task.RunID]*active
	waiters map[task.RunID][]chan task.Run
	// fenced says that nothing may start: the node has not joined, or has been given up. strays counts the attempts of
	// before that have not returned.
	fenced bool
	strays int
	// doubted are runs that an edit had in its hands and of which it is not known whether it has taken them back.
	doubted []*pending

	// outputs are what the runs that go here write.
	outputs *feed.Outputs
	// paused are tasks that were paused while runs were recovered. It is Run's.
	paused []uuid.UUID

	// quiet is poked when a run ends; size one. Whoever stops the engine looks whether it was the last.
	quiet chan struct{}
}

// New makes an Engine. Nothing is read, written or started before Run.
func New(cfg Config) *Engine {
	if cfg.ClaimAhead == 0 {
		cfg.ClaimAhead = DefaultClaimAhead
	}
	if cfg.ClaimBatch == 0 {
		cfg.ClaimBatch = DefaultClaimBatch
	}
	if cfg.StopGrace == 0 {
		cfg.StopGrace = DefaultStopGrace
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var n *node
	if c, ok := cfg.Store.(store.Cluster); ok {
		n = newNode(c, cfg)
		cfg.Now = n.clock.now
	}
	e := &Engine{
		cfg: cfg, store: cfg.Store, log: cfg.Logger, node: n, fenced: n != nil,
		tasks:   registry{byID: make(map[uuid.UUID]*entry, len(cfg.Tasks)), retargeted: make(chan struct{}, 1)},
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
		wakeUp:  make(chan struct{}, 1),
		quiet:   make(chan struct{}, 1),
		queue:   newQueue(),
		lanes:   make(map[uuid.UUID]*lane),
		places:  newPlaces(),
		hall:    hall{benches: make(map[string]*bench), waiting: make(map[string]int)},
		waiting: make(map[task.RunID]*pending),
		outputs: feed.NewOutputs(),
		active:  make(map[task.RunID]*active),
		waiters: make(map[task.RunID][]chan task.Run),
	}
	for _, t := range cfg.Tasks {
		e.tasks.put(task.IDOf(cfg.Namespace, t.Declaration.Name), t)
	}
	e.rules.Store(&reconcile.Rules{Namespace: cfg.Namespace, Extensions: cfg.Extensions, Revision: cfg.Revision})
	e.refusal = task.ErrStarting
	e.deadlines.byID, e.deadlines.wake = make(map[uuid.UUID]*deadline), make(chan struct{}, 1)
	e.janitor.tasks, e.janitor.wake = make(map[uuid.UUID]*kept), make(chan struct{}, 1)
	e.hub = feed.New(cfg.Store)
	cfg.Store.Observe(e.hub)
	e.alarm.c, e.alarm.now = make(chan struct{}, 1), cfg.Now
	e.health.notify = cfg.Health
	if m := cfg.Meter; m != nil {
		e.health.notify = func(err error) {
			m.Store(err == nil)
			if cfg.Health != nil {
				cfg.Health(err)
			}
		}
	}
	e.alone = cfg.Node
	e.alone.ID, e.alone.State = uuid.New(), task.Alive
	e.rec = newRecorder(e)
	if n != nil {
		e.store = watched{Cluster: n.store, e: e}
		e.deadlines.off = true
	}
	e.setLimits(cfg.Limits, cfg.Groups)
	return e
}

// Ready is closed when everything is declared and recovered, and calls are welcome.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Run declares the tasks, recovers what the last process left, fires start-up triggers, and then claims
// and runs until ctx ends. It then stops in order and returns nil; only what keeps it from starting is an
// error. It must be called once.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.done)
	defer e.refuse(task.ErrStopping)
	if e.node != nil {
		return e.runNode(ctx)
	}
	e.alone.StartTime = e.now()
	late, err := e.declare(ctx)
	if err != nil {
		return err
	}
	again, err := e.recover(ctx, late)
	if err != nil {
		return err
	}
	// They wait for the start-up triggers where a caller who cancels or pauses finds them.
	again = append(again, late...)
	e.postpone(again)

	// What records results outlives what produces them, and both outlive ctx.
	var recording, dispatching sync.WaitGroup
	recordCtx, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	dispatchCtx, stopDispatching := context.WithCancel(context.WithoutCancel(ctx))
	recording.Go(func() { e.rec.run(recordCtx) })
	dispatching.Go(func() { e.dispatch(dispatchCtx) })
	// They end with ctx, before anything is given back.
	var keeping sync.WaitGroup
	keeping.Go(func() { e.elapse(ctx) })
	keeping.Go(func() { e.tidy(ctx) })
	e.refuse(nil)
	e.storeWorks() // it has declared and recovered
	close(e.ready)

	e.release(e.startUp(ctx, again))
	e.claim(ctx)

	keeping.Wait()
	e.stop(stopDispatching, &dispatching)
	stopRecording()
	recording.Wait()
	e.hub.Close(task.ErrStopping)
	return nil
}

// refuse says why edits and calls are refused from now on; nil: they are not. Those under way have ended
// when it returns.
func (e *Engine) refuse(why error) {
	e.gate.Lock()
	defer e.gate.Unlock()
	e.refusal = why
}

// up says why reads are refused: before everything is declared, and after the end, what the store says is
// not what this daemon stands for.
func (e *Engine) up() error {
	select {
	case <-e.done:
		return task.ErrStopping
	default:
	}
	select {
	case <-e.ready:
		return nil
	default:
		return task.ErrStarting
	}
}

// inForce returns the trigger in force of a task that a decision is asked for.
func (e *Engine) inForce(en *entry, d store.Due) (*reconcile.InForce, error) {
	if k := en.known.Load(); k.is(d.Version, d.Clock.Progress.Anchor, e.rules.Load().Extensions) {
		return k.inForce, nil
	}
	t, err := d.Load()
	if err != nil {
		return nil, err
	}
	return e.learn(en, &t)
}

// learn keeps what is in force of a task that was read or written. The error is that of a trigger that can not be used.
func (e *Engine) learn(en *entry, t *task.Task) (*reconcile.InForce, error) {
	rules := e.rules.Load()
	if k := en.known.Load(); k.is(t.Version, t.Clock.Progress.Anchor, rules.Extensions) {
		return k.inForce, nil
	}
	k := &known{
		version: t.Version, anchor: t.Clock.Progress.Anchor, extensions: rules.Extensions,
		policy: t.Declaration.Policy, group: t.Declaration.Group,
	}
	f, err := rules.InForce(t)
	if before := e.before.Load(); err != nil && before != nil {
		// The program has taken away what its trigger names, and may be about to change that too.
		if old, none := before.InForce(t); none == nil {
			f, err, k.extensions = old, nil, before.Extensions
		}
	}
	if err == nil {
		k.inForce = f
	}
	en.known.Store(k)
	return f, err
}

// now is the time as stores keep it.
func (e *Engine) now() time.Time { return task.Instant(e.cfg.Now()) }

// health tells the owner when the store first works, and then whenever it begins and ceases to fail.
type health struct {
	mu     sync.Mutex
	known  bool
	bad    bool
	notify func(error)
}

// set reports whether that is news.
func (h *health) set(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known && h.bad == (err != nil) {
		return false
	}
	news := h.known || err != nil
	h.known, h.bad = true, err != nil
	if h.notify != nil {
		h.notify(err)
	}
	return news
}

// storeFailed says once that the store fails.
func (e *Engine) storeFailed(doing string, err error) {
	if e.health.set(err) {
		e.log.Error("store fails", "doing", doing, "error", err)
	}
}

// storeWorks says once that it works again.
func (e *Engine) storeWorks() {
	if e.health.set(nil) {
		e.log.Info("store works again")
	}
}
