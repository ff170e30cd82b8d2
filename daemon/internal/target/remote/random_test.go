package remote_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
)

// A book is what is true of all attempts, whatever the hub believes.
type book struct {
	mu sync.Mutex
	// given is to whom each attempt was handed out.
	given map[task.AttemptRef]string
	// recorded are those of which a worker was told that its result was taken.
	recorded map[task.AttemptRef]bool
	faults   []string
}

func (b *book) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// A wild worker does what workers do, and what they should not: it falls asleep, breaks its connection, comes back, leaves,
// forgets what it holds, says things twice and says things of others.
type wild struct {
	n, places int
	rng       *rand.Rand
	book      *book
	hub       *remote.Hub
	held      map[task.AttemptRef]bool // true: it has ended, and the result is not recorded
}

func (w *wild) name() string { return hello(w.n, 1).Name }

// run is one life after the other until ctx ends.
func (w *wild) run(ctx context.Context) {
	for ctx.Err() == nil {
		hello := hello(w.n, w.places, "a", "b", "c", "d")
		hello.Tasks = hello.Tasks[w.n%3:]
		for ref := range w.held {
			if w.rng.IntN(10) == 0 {
				delete(w.held, ref)
				continue
			}
			hello.Held = append(hello.Held, ref)
		}
		s, err := w.hub.Connect(hello)
		if err != nil {
			return
		}
		w.live(ctx, s)
		if w.rng.IntN(2) == 0 {
			time.Sleep(span(w.rng, 2*lease))
		}
	}
}

// live is one session.
func (w *wild) live(ctx context.Context, s *remote.Session) {
	ctx, cancel := context.WithTimeout(ctx, span(w.rng, 4*lease))
	defer cancel()
	for {
		turn, stop := context.WithTimeout(ctx, span(w.rng, lease/4))
		o, err := s.Next(turn)
		over := err != nil && turn.Err() == nil
		stop()
		switch {
		case err == nil:
			w.hear(s, o)
		case over:
			return
		case ctx.Err() != nil:
			switch w.rng.IntN(4) {
			case 0:
				s.Leave()
				clear(w.held)
			case 1: // its end is not noticed
			default:
				s.Disconnect()
			}
			return
		}
		w.act(s)
	}
}

func (w *wild) hear(s *remote.Session, o task.Order) {
	switch {
	case o.Ping != 0 && w.rng.IntN(20) > 0:
		s.Pong(o.Ping)
	case o.Assign != nil:
		w.book.mu.Lock()
		if to, twice := w.book.given[o.Assign.AttemptRef]; twice {
			w.book.fault("%v was handed out to %s and to %s", o.Assign.AttemptRef, to, w.name())
		}
		w.book.given[o.Assign.AttemptRef] = w.name()
		w.book.mu.Unlock()
		busy := 0
		for _, over := range w.held {
			if !over {
				busy++
			}
		}
		if busy >= w.places { // with what is not its own any more
			s.GiveBack(task.GiveBack{AttemptRef: o.Assign.AttemptRef})
			return
		}
		w.held[o.Assign.AttemptRef] = false
	case o.Cancel != nil:
		if over, ok := w.held[o.Cancel.AttemptRef]; ok && !over && w.rng.IntN(3) > 0 {
			w.end(s, o.Cancel.AttemptRef)
		}
	case o.Recorded != nil:
		if !o.Recorded.Late {
			w.book.mu.Lock()
			w.book.recorded[o.Recorded.AttemptRef] = true
			w.book.mu.Unlock()
		}
		delete(w.held, o.Recorded.AttemptRef)
	}
}

func (w *wild) end(s *remote.Session, ref task.AttemptRef) {
	w.held[ref] = true
	s.End(task.Result{AttemptRef: ref, Output: []byte(w.name())})
}

func (w *wild) act(s *remote.Session) {
	for ref, over := range w.held {
		switch n := w.rng.IntN(20); {
		case n < 6, over:
			w.end(s, ref) // perhaps once more
		case n == 6:
			s.GiveBack(task.GiveBack{AttemptRef: ref, Started: w.rng.IntN(2) == 0})
			delete(w.held, ref)
		case n == 7:
			s.Write(ref, task.Stdout, []byte("x"))
			s.Report(ref, task.Progress{})
		}
		break
	}
	if w.rng.IntN(10) == 0 { // of what is not its own
		ref := task.AttemptRef{Run: task.RunID(1 + w.rng.IntN(500)), Attempt: 1}
		w.book.mu.Lock()
		to := w.book.given[ref]
		w.book.mu.Unlock()
		if to != w.name() {
			s.End(task.Result{AttemptRef: ref, Output: []byte("a lie")})
			s.GiveBack(task.GiveBack{AttemptRef: ref})
		}
	}
	if w.rng.IntN(100) == 0 {
		s.Drain()
	}
}

// Each attempt that is given out ends exactly once, with what that worker said to whom it was given, or as lost or
// canceled; no two workers ever have the same; and when all have gone, nothing is left.
func TestWhateverWorkersDoEachAttemptEndsOnceAndIsHeldByOne(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, h *remote.Hub) { wildness(t, h, seed) })
		})
	}
}

func wildness(t *testing.T, h *remote.Hub, seed uint64) {
	b := &book{given: map[task.AttemptRef]string{}, recorded: map[task.AttemptRef]bool{}}
	ctx, stop := context.WithCancel(context.Background())
	var crowd, calls sync.WaitGroup
	for n := range 8 {
		w := &wild{n: n + 1, places: 1 + n%4, rng: rand.New(rand.NewPCG(seed, uint64(n))), book: b, hub: h, held: map[task.AttemptRef]bool{}}
		crowd.Go(func() { w.run(ctx) })
	}
	rng := rand.New(rand.NewPCG(seed, 99))
	ends := map[string]int{}
	run := 0
	for range 3000 {
		time.Sleep(span(rng, 2*time.Second))
		p := reserve(h, string(rune('a'+rng.IntN(4))))
		if p == nil {
			continue
		}
		if rng.IntN(10) == 0 {
			p.Release()
			continue
		}
		run++
		a, ref := attempt(run, "x"), task.AttemptRef{Run: task.RunID(run), Attempt: 1}
		limit := span(rng, 2*lease)
		calls.Go(func() {
			ctx, cancel := context.WithTimeoutCause(context.Background(), limit, target.ErrTimeout)
			defer cancel()
			output, err := p.Do(ctx, a)
			b.mu.Lock()
			defer b.mu.Unlock()
			var lost *target.LostError
			switch {
			case err == nil:
				ends["result"]++
				if string(output) != p.Worker() || b.given[ref] != p.Worker() {
					b.fault("%v was given to %q, reserved at %s, and ended by %s", ref, b.given[ref], p.Worker(), output)
				}
				return
			case err == target.ErrTimeout && ctx.Err() != nil:
				ends["timeout"]++
			case errors.As(err, &lost) && lost.NotStarted:
				ends["not started"]++
			case lost != nil:
				ends["lost"]++
				if b.given[ref] == "" {
					b.fault("%v was never handed out, and counts as begun: %v", ref, err)
				}
			default:
				b.fault("%v ended with %v", ref, err)
			}
			if b.recorded[ref] {
				b.fault("%v is recorded, and ended with %v", ref, err)
			}
		})
	}
	stop()
	calls.Wait()
	crowd.Wait()
	time.Sleep(2 * lease)
	synctest.Wait()
	for _, fault := range b.faults {
		t.Error(fault)
	}
	for _, w := range h.Workers() {
		t.Errorf("left: %+v", w)
	}
	for _, end := range []string{"result", "timeout", "not started", "lost"} {
		if ends[end] < 3 {
			t.Errorf("only %d ended with %q: of %v the test says little", ends[end], end, ends)
		}
	}
}

// A worker with more places than it fills, each of which is used and given back, keeps all of them.
func TestNoPlaceIsEverLostOrMadeUp(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 4, "a"))
		rng := rand.New(rand.NewPCG(1, 1))
		for run := range 200 {
			c := do(t, h, attempt(run+1, "a"))
			switch end := rng.IntN(5); {
			case end == 0:
				c.cancel(target.ErrCanceled) // before it is handed out
			case end == 1:
				awake(t, s, time.Second)
				s.GiveBack(task.GiveBack{AttemptRef: c.ref, Started: true})
			case end == 2:
				awake(t, s, time.Second)
				c.cancel(target.ErrCanceled)
				awake(t, s, 2*lease)
				s.End(task.Result{AttemptRef: c.ref})
			default:
				awake(t, s, time.Second)
				s.End(task.Result{AttemptRef: c.ref})
			}
			if !c.ended() {
				t.Fatal("it goes on")
			}
			var places []target.Place
			for p := reserve(h, "a"); p != nil; p = reserve(h, "a") {
				places = append(places, p)
			}
			if len(places) != 4 {
				t.Fatalf("%d places after run %d", len(places), run+1)
			}
			for _, p := range places {
				p.Release()
			}
		}
	})
}

// span is a random span of less than that.
func span(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)))
}
