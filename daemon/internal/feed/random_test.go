package feed_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// told is a response of either kind.
type told[K comparable] struct {
	items         []item[K]
	gone          []K
	reset, synced bool
	position      task.WatchPosition
}

type item[K comparable] struct {
	key    K
	change int64
	open   bool // not an ended run
}

// view is what a reader knows, and checks that what it is told fits what has happened.
type view[K comparable] struct {
	f *fakeStore
	// concerns says which things the watch is of.
	concerns func(K) bool
	// forgets says whether a Reset takes an item away: of runs, those that had not ended.
	forgets func(item[K]) bool

	known map[K]item[K]
	last  map[K]int64 // the last change told of
	// of this watch
	first, synced bool
	here          map[item[K]]bool
	// whole is from where on everything must have been told, whatever happens: the first Synced.
	whole    int64
	position task.WatchPosition
}

func (v *view[K]) begin() { v.first, v.synced, v.here = true, false, map[item[K]]bool{} }

func (v *view[K]) forget() {
	v.known, v.last, v.whole, v.position = map[K]item[K]{}, map[K]int64{}, 0, task.WatchPosition{}
}

func (v *view[K]) apply(r told[K]) error {
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	switch {
	case r.reset && !v.first:
		return errors.New("reset, but not in the first response")
	case v.first && v.position == (task.WatchPosition{}) && !r.reset:
		return errors.New("no reset at the very beginning")
	case r.synced && v.synced:
		return errors.New("synced twice")
	case len(r.items) > 0 && len(r.gone) > 0:
		return errors.New("both what is and what is gone")
	case len(r.items)+len(r.gone) == 0 && !r.synced:
		return errors.New("it says nothing")
	case r.position.Change < v.position.Change:
		return fmt.Errorf("the position went back from %d to %d", v.position.Change, r.position.Change)
	}
	v.first = false
	if r.reset {
		maps.DeleteFunc(v.known, func(_ K, i item[K]) bool { return v.forgets(i) })
	}
	for _, i := range r.items {
		if v.here[i] {
			return fmt.Errorf("%v is told twice", i)
		}
		v.here[i] = true
		if err := v.one(i.key, i.change, false); err != nil {
			return err
		}
		v.known[i.key] = i
	}
	for _, key := range r.gone {
		if !v.concerns(key) {
			continue
		}
		if err := v.one(key, 0, true); err != nil {
			return err
		}
		delete(v.known, key)
	}
	v.position = r.position
	if r.synced {
		v.synced = true
		if v.whole == 0 {
			v.whole = r.position.Change
		}
		for key, events := range v.f.history {
			if key, ok := key.(K); ok && v.concerns(key) {
				for _, e := range events {
					if e.change <= r.position.Change {
						v.last[key] = max(v.last[key], e.change)
					}
				}
			}
		}
	}
	return v.complete(r.position.Change)
}

// one checks a single change.
func (v *view[K]) one(key K, change int64, gone bool) error {
	events := v.f.history[any(key)]
	if !v.concerns(key) {
		return fmt.Errorf("%v does not concern this watch", key)
	}
	next := slices.IndexFunc(events, func(e event) bool { return e.change > v.last[key] })
	if gone {
		// A deletion has no number with it: it is the next one.
		if next < 0 {
			return fmt.Errorf("%v is told to be gone once more", key)
		}
		if !v.synced {
			for !events[next].gone {
				if next++; next == len(events) {
					return fmt.Errorf("%v is told to be gone, but it is not", key)
				}
			}
		}
		change = events[next].change
	}
	if v.synced && (next < 0 || events[next] != event{change, gone}) {
		return fmt.Errorf("%v: after change %d it is told %d (gone %t), of %v", key, v.last[key], change, gone, events)
	}
	if !slices.Contains(events, event{change, gone}) || change < v.last[key] {
		return fmt.Errorf("%v: told %d (gone %t) after %d, of %v", key, change, gone, v.last[key], events)
	}
	v.last[key] = change
	return nil
}

// complete checks that everything up to n has been told, once the watch is synced.
func (v *view[K]) complete(n int64) error {
	if !v.synced {
		return nil
	}
	for key, events := range v.f.history {
		key, ok := key.(K)
		if !ok || !v.concerns(key) {
			continue
		}
		for i := len(events) - 1; i >= 0; i-- {
			if e := events[i]; e.change <= n {
				have, known := v.known[key]
				switch {
				case e.change < v.last[key]: // a page showed something newer
				case !known && i+1 < len(events): // or did not show it any more
				case known == e.gone && (known || v.forgets(item[K]{open: true}) && e.change > v.whole):
					return fmt.Errorf("%v at %d: known %t after %v", key, n, known, events)
				case known && have.change != e.change:
					return fmt.Errorf("%v at %d: known as of %d, of %v", key, n, have.change, events)
				}
				break
			}
		}
	}
	return nil
}

var errReader = errors.New("the reader has had enough")

// reader watches until done is closed, badly, and then well.
func (v *view[K]) reader(t *testing.T, r *rand.Rand, done <-chan struct{}, watch func(context.Context, task.WatchPosition, func(told[K]) error) error) {
	v.forget()
	for good := false; !good; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(2000))*time.Millisecond)
		select {
		case <-done:
			cancel()
			good = true
			ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		default:
		}
		if !good && r.IntN(8) == 0 {
			v.forget()
		}
		v.begin()
		err := watch(ctx, v.position, func(c told[K]) error {
			if err := v.apply(c); err != nil {
				t.Error(err)
				return err
			}
			switch p := r.IntN(100); {
			case good:
			case p < 3:
				return errReader
			case p < 10:
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
			case p < 50:
				time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			}
			return nil
		})
		cancel()
		var slow *task.TooSlowError
		switch {
		case errors.As(err, &slow):
			if good {
				t.Error(err)
			}
			if slow.Position.Change < v.position.Change {
				t.Errorf("too slow at %d, after a response at %d", slow.Position.Change, v.position.Change)
			}
			v.position = slow.Position
		case errors.Is(err, errReader), errors.Is(err, context.DeadlineExceeded):
		default:
			t.Error(err)
			return
		}
		if t.Failed() {
			return
		}
	}
	// All is quiet: what is known is what is.
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	if err := v.complete(v.f.at.Change); err != nil {
		t.Error("at the end:", err)
	}
	for key, have := range v.known {
		events := v.f.history[any(key)]
		if end := events[len(events)-1]; end != (event{change: have.change}) {
			t.Errorf("at the end %v is known as of %d, of %v", key, have.change, events)
		}
	}
}

func (f *fakeStore) watchTasks(t *testing.T, h *feed.Hub, r *rand.Rand, done <-chan struct{}, prefix string) {
	names := map[uuid.UUID]bool{}
	for i := range manyTasks {
		if name := taskName(i); strings.HasPrefix(name, prefix) {
			names[idOf(name)] = true
		}
	}
	v := &view[uuid.UUID]{f: f, concerns: func(id uuid.UUID) bool { return names[id] }, forgets: func(item[uuid.UUID]) bool { return true }}
	v.reader(t, r, done, func(ctx context.Context, from task.WatchPosition, send func(told[uuid.UUID]) error) error {
		return h.WatchTasks(ctx, task.TaskWatch{NamePrefix: prefix, Resume: from}, func(c task.TaskChanges) error {
			all := told[uuid.UUID]{gone: c.Deleted, reset: c.Reset, synced: c.Synced, position: c.Position}
			for _, x := range c.Tasks {
				all.items = append(all.items, item[uuid.UUID]{x.ID, x.Change, true})
			}
			return send(all)
		})
	})
}

func (f *fakeStore) watchRuns(t *testing.T, h *feed.Hub, r *rand.Rand, done <-chan struct{}, name string) {
	var id uuid.UUID
	if name != "" {
		id = idOf(name)
	}
	v := &view[task.RunID]{
		f: f,
		// Runs are dealt out to two tasks by turns.
		concerns: func(r task.RunID) bool { return id == uuid.Nil || idOf(taskOfRun(r)) == id },
		forgets:  func(i item[task.RunID]) bool { return i.open },
	}
	v.reader(t, r, done, func(ctx context.Context, from task.WatchPosition, send func(told[task.RunID]) error) error {
		return h.WatchRuns(ctx, task.RunWatch{TaskID: id, Resume: from}, func(c task.RunChanges) error {
			all := told[task.RunID]{gone: c.TakenBack, reset: c.Reset, synced: c.Synced, position: c.Position}
			for _, x := range c.Runs {
				if x.Input != nil {
					t.Error("a run with its input")
				}
				all.items = append(all.items, item[task.RunID]{x.ID, x.Change, !x.State.Ended()})
			}
			return send(all)
		})
	})
}

const manyTasks = 400

func taskName(i int) string { return fmt.Sprintf("%c-%03d", 'a'+i%2, i) }

func taskOfRun(id task.RunID) string { return fmt.Sprintf("runs-%d", id%2) }

// work commits n times.
func (f *fakeStore) work(r *rand.Rand, n int) {
	live := map[string]bool{}
	var open []task.Run
	for range n {
		var changes []change
		used := map[string]bool{}
		for range 1 + r.IntN(4) {
			name := taskName(r.IntN(manyTasks))
			if used[name] {
				continue
			}
			used[name] = true
			switch p := r.IntN(20); {
			case p == 0 && live[name]:
				changes = append(changes, change{remove: name})
				live[name] = false
			case p == 1 && live[name]: // renamed
				other := taskName(r.IntN(manyTasks))
				if used[other] || live[other] {
					continue
				}
				used[other] = true
				changes = append(changes, change{remove: name}, change{put: other})
				live[name], live[other] = false, true
			case p < 12:
				changes = append(changes, change{put: name})
				live[name] = true
			default:
				i := r.IntN(len(open) + 1)
				switch {
				case i == len(open) || used[open[i].ID.String()]:
					id := f.nextRun + task.RunID(len(slices.Collect(func(yield func(int) bool) {
						for _, c := range changes {
							if c.run.State != 0 && c.run.ID == 0 && !yield(0) {
								return
							}
						}
					})))
					changes = append(changes, change{run: task.Run{State: task.Scheduled, TaskID: idOf(taskOfRun(id))}})
					used[id.String()] = true
					open = append(open, task.Run{ID: id, State: task.Scheduled, TaskID: idOf(taskOfRun(id))})
				case open[i].State == task.Scheduled && r.IntN(10) == 0:
					used[open[i].ID.String()] = true
					changes = append(changes, change{takeOff: open[i].ID})
					open = slices.Delete(open, i, i+1)
				default:
					used[open[i].ID.String()] = true
					open[i].State++
					changes = append(changes, change{run: open[i]})
					if open[i].State.Ended() {
						open = slices.Delete(open, i, i+1)
					}
				}
			}
		}
		if len(changes) > 0 {
			f.commit(changes...)
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
		}
	}
}

func TestWhateverReadersDoTheyLearnEveryChangeInOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				h := feed.NewWithLimits(f, feed.Limits{Changes: 40})
				f.observer = h
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(seed, 1))
				f.pause = func() {
					mu.Lock()
					p := r.IntN(200)
					mu.Unlock()
					if p < 20 {
						time.Sleep(time.Duration(p) * 100 * time.Microsecond)
					}
				}
				done := make(chan struct{})
				var readers sync.WaitGroup
				own := uint64(0)
				read := func(f func(r *rand.Rand)) {
					own++
					r := rand.New(rand.NewPCG(seed, 1+own))
					readers.Go(func() { f(r) })
				}
				for range 3 {
					read(func(r *rand.Rand) { f.watchTasks(t, h, r, done, "") })
					read(func(r *rand.Rand) { f.watchTasks(t, h, r, done, "a-") })
					read(func(r *rand.Rand) { f.watchRuns(t, h, r, done, "") })
					read(func(r *rand.Rand) { f.watchRuns(t, h, r, done, "runs-1") })
				}
				f.work(rand.New(rand.NewPCG(seed, 0)), 800)
				close(done)
				readers.Wait()
			})
		})
	}
}
