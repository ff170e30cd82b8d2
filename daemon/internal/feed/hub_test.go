package feed_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func newHub(l feed.Limits) (*fakeStore, *feed.Hub) {
	f := newFake()
	h := feed.NewWithLimits(f, l)
	f.observer = h
	return f, h
}

// taskReader keeps what a watch of tasks is told, in short.
type taskReader struct {
	mu       sync.Mutex
	said     []string
	position task.WatchPosition
	// stuck, if not nil, holds each response up until it is closed.
	stuck chan struct{}
	err   error
	done  chan struct{}
}

func watchTasks(ctx context.Context, h *feed.Hub, q task.TaskWatch, stuck chan struct{}) *taskReader {
	r := &taskReader{stuck: stuck, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = h.WatchTasks(ctx, q, r.take)
	}()
	return r
}

func (r *taskReader) take(c task.TaskChanges) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Reset {
		r.said = append(r.said, "reset")
	}
	for i := range c.Tasks {
		r.said = append(r.said, fmt.Sprintf("%s %d", c.Tasks[i].Declaration.Name, c.Tasks[i].Change))
	}
	for range c.Deleted {
		r.said = append(r.said, "gone")
	}
	if c.Synced {
		r.said = append(r.said, "synced")
	}
	r.said = append(r.said, fmt.Sprintf("at %d", c.Position.Change))
	r.position = c.Position
	if r.stuck != nil {
		<-r.stuck
	}
	return nil
}

// news returns what was said since the last call.
func (r *taskReader) news() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	said := r.said
	r.said = nil
	return said
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

func TestAWatchBeginsWithWhatIsAndGoesOnWithEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{})
		f.commit(change{put: "b"}, change{put: "a"})
		f.commit(change{put: "a"})
		ctx, cancel := context.WithCancel(t.Context())
		all, some := watchTasks(ctx, h, task.TaskWatch{}, nil), watchTasks(ctx, h, task.TaskWatch{NamePrefix: "b"}, nil)
		expect(t, "what is", all.news(), "reset", "a 2", "b 1", "at 0", "synced", "at 2")
		expect(t, "what is of b", some.news(), "reset", "b 1", "at 0", "synced", "at 2")
		f.commit(change{put: "a"}, change{remove: "b"}, change{put: "c"})
		// The position moves on with the last part of a commit.
		expect(t, "a commit", all.news(), "a 3", "at 2", "gone", "at 2", "c 3", "at 3")
		expect(t, "a commit to b", some.news(), "gone", "at 3")
		f.commit(change{run: task.Run{State: task.Running}})
		expect(t, "a run", all.news())
		cancel()
		<-all.done
		<-some.done
		if !errors.Is(all.err, context.Canceled) {
			t.Errorf("error %v", all.err)
		}
		if tasks, runs := h.Wants(); tasks || runs {
			t.Error("something is wanted by nobody")
		}

		f.commit(change{put: "a"}, change{put: "d"})
		again := watchTasks(t.Context(), feedOf(f), task.TaskWatch{Resume: all.position}, nil)
		expect(t, "a resume", again.news(), "a 5", "d 5", "at 3", "synced", "at 5")
		f.observer.(*feed.Hub).Close(task.ErrStopping)
		<-again.done

		f.commit(change{remove: "a"})
		again = watchTasks(t.Context(), feedOf(f), task.TaskWatch{Resume: again.position}, nil)
		expect(t, "a resume after a deletion", again.news(), "reset", "c 3", "d 5", "at 5", "synced", "at 6")
		f.observer.(*feed.Hub).Close(task.ErrStopping)
		<-again.done

		for name, from := range map[string]task.WatchPosition{
			"another store":    {Store: uuid.New(), Change: 6},
			"an older copy":    {Store: again.position.Store, Change: 7},
			"no position":      {},
			"a start anew":     {Store: again.position.Store},
			"no such position": {Store: again.position.Store, Change: -1},
		} {
			again = watchTasks(t.Context(), feedOf(f), task.TaskWatch{Resume: from}, nil)
			expect(t, name, again.news(), "reset", "c 3", "d 5", "at 0", "synced", "at 6")
			f.observer.(*feed.Hub).Close(task.ErrStopping)
			<-again.done
		}
	})
}

// feedOf gives the store another hub, as another process would.
func feedOf(f *fakeStore) *feed.Hub {
	h := feed.New(f)
	f.observer = h
	return h
}

func TestAWatchOfRunsResumesWithTheOldestOpenRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{})
		for range 3 {
			f.commit(change{run: task.Run{State: task.Running}})
		}
		f.commit(change{run: task.Run{ID: 1, State: task.Failed}})
		var said []string
		var at task.WatchPosition
		watch := func(h *feed.Hub, from task.WatchPosition) (stop func() []string) {
			said = nil
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = h.WatchRuns(ctx, task.RunWatch{Resume: from}, func(c task.RunChanges) error {
					if c.Reset {
						said = append(said, "reset")
					}
					for i := range c.Runs {
						said = append(said, fmt.Sprintf("%s %s", c.Runs[i].ID, c.Runs[i].State))
					}
					for _, id := range c.TakenBack {
						said = append(said, fmt.Sprintf("%s never was", id))
					}
					at = c.Position
					return nil
				})
			}()
			return func() []string {
				synctest.Wait()
				cancel()
				<-done
				return said
			}
		}
		stop := watch(h, at)
		synctest.Wait()
		if at.OldestOpen != 2 {
			t.Errorf("the oldest open run is %d", at.OldestOpen)
		}
		f.commit(change{run: task.Run{ID: 2, State: task.Succeeded}})
		expect(t, "open runs and a change", stop(), "reset", "2 running", "3 running", "2 succeeded")
		if at.OldestOpen != 3 || at.Change != 5 {
			t.Errorf("position %+v", at)
		}
		from := at
		f.commit(change{run: task.Run{State: task.Scheduled}})
		f.commit(change{run: task.Run{ID: 3, State: task.Canceled}})
		expect(t, "a resume", watch(feedOf(f), from)(), "3 canceled", "4 scheduled")
		f.commit(change{run: task.Run{State: task.Scheduled}}, change{takeOff: 4})
		expect(t, "a resume after a run was taken back", watch(feedOf(f), from)(), "reset", "3 canceled", "5 scheduled")
		expect(t, "a resume of nothing", watch(feedOf(f), at)())
	})
}

func TestAWatchOfTheRunsOfATaskEndsWithTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{})
		h := feed.New(s)
		s.Observe(h)
		put(t, s, "a")
		ended := make(chan error, 1)
		go func() {
			ended <- h.WatchRuns(t.Context(), task.RunWatch{TaskID: idOf("a")}, func(task.RunChanges) error { return nil })
		}()
		synctest.Wait()
		if _, err := s.Update(t.Context(), []uuid.UUID{idOf("a")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Delete: true}, nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, task.ErrTaskNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

func put(t testing.TB, s store.Store, name string) {
	t.Helper()
	if _, err := s.Update(context.Background(), []uuid.UUID{idOf(name)}, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
		made := task.Task{
			ID: id, Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}}, State: task.Active,
		}
		if stored != nil {
			made = *stored
			made.Version++
		}
		return store.Change{Task: &made}, nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAThousandReadersGetEverythingThoughOneDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{})
		h := feed.NewWithLimits(s, feed.Limits{Changes: 100})
		s.Observe(h)
		const tasks, changes = 20, 300
		for i := range tasks {
			put(t, s, taskName(i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		free := make(chan struct{})
		stuck := watchTasks(ctx, h, task.TaskWatch{}, free)
		var readers sync.WaitGroup
		var got atomic.Int64
		for range 999 {
			readers.Go(func() {
				var last int64
				err := h.WatchTasks(ctx, task.TaskWatch{}, func(c task.TaskChanges) error {
					for i := range c.Tasks {
						if n := c.Tasks[i].Change; n > tasks {
							if n != last+1 && last > 0 {
								t.Errorf("change %d after %d", n, last)
							}
							last = n
							got.Add(1)
						}
					}
					return nil
				})
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range changes {
			put(t, s, taskName(i%tasks))
			if i%50 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if got := got.Load(); got != 999*changes {
			t.Errorf("%d changes were told, not %d", got, 999*changes)
		}
		close(free)
		<-stuck.done
		var slow *task.TooSlowError
		if !errors.As(stuck.err, &slow) || !errors.Is(stuck.err, task.ErrTooSlow) || slow.Position != stuck.position {
			t.Errorf("error %v, position %+v", stuck.err, stuck.position)
		}
		cancel()
		readers.Wait()
		resumed := watchTasks(t.Context(), h, task.TaskWatch{Resume: slow.Position}, nil)
		if said := resumed.news(); !slices.Contains(said, fmt.Sprintf("%s %d", taskName((changes-1)%tasks), tasks+changes)) {
			t.Errorf("the resumed watch was told %v", said)
		}
		h.Close(task.ErrStopping)
		<-resumed.done
	})
}

func TestWhoMissedCommitsIsToldAndMissesNothingIfItResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{})
		h := feed.New(s)
		s.Observe(h)
		put(t, s, "a")
		free := make(chan struct{})
		stuck, waiting := watchTasks(t.Context(), h, task.TaskWatch{}, free), watchTasks(t.Context(), h, task.TaskWatch{}, nil)
		synctest.Wait()
		put(t, s, "b") // which one has yet to read
		synctest.Wait()
		s.Observe(nil)
		put(t, s, "c")
		s.Observe(h)
		h.Lost()
		put(t, s, "d")
		close(free)
		for _, r := range []*taskReader{stuck, waiting} {
			<-r.done
			var slow *task.TooSlowError
			if !errors.As(r.err, &slow) || slow.Position != r.position {
				t.Fatalf("error %v, position %+v", r.err, r.position)
			}
			resumed := watchTasks(t.Context(), h, task.TaskWatch{Resume: slow.Position}, nil)
			synctest.Wait()
			if said := resumed.news(); !slices.Contains(said, "c 3") || !slices.Contains(said, "d 4") {
				t.Errorf("who resumed was told %v", said)
			}
			defer func() { <-resumed.done }()
		}
		h.Close(task.ErrStopping)
	})
}

func TestWhatAStuckReaderMissesIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{Changes: 10})
		free := make(chan struct{})
		stuck := watchTasks(t.Context(), h, task.TaskWatch{}, free)
		synctest.Wait()
		var kept []weak.Pointer[task.Task]
		for n := range int64(100) {
			x := &task.Task{ID: idOf("a"), Change: n + 1}
			kept = append(kept, weak.Make(x))
			h.Committed(store.Commit{Change: n + 1, Changes: []store.Changed{{Task: x}}})
		}
		count := func() (n int) {
			runtime.GC()
			for _, p := range kept {
				if p.Value() != nil {
					n++
				}
			}
			return n
		}
		if n := count(); n > 10 {
			t.Errorf("%d changes are kept", n)
		}
		reading := watchTasks(t.Context(), h, task.TaskWatch{}, nil)
		synctest.Wait()
		close(free)
		<-stuck.done
		if !errors.Is(stuck.err, task.ErrTooSlow) {
			t.Errorf("error %v", stuck.err)
		}
		if n := count(); n > 0 {
			t.Errorf("%d changes are kept though everybody has read everything", n)
		}
		h.Close(task.ErrStopping)
		<-reading.done
		_ = f
	})
}

func TestAReaderThatIsSlowOnlyDuringTheSnapshotKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{Changes: 50})
		for i := range manyTasks {
			f.commit(change{put: taskName(i)})
		}
		synced := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			pages := 0
			ended <- h.WatchTasks(t.Context(), task.TaskWatch{}, func(c task.TaskChanges) error {
				if pages++; !c.Synced {
					// As much again changes with each page as is kept.
					for i := range 20 {
						f.commit(change{put: taskName(i)})
					}
					if pages < 10 {
						return nil
					}
				}
				close(synced)
				return errReader
			})
		}()
		<-synced
		if err := <-ended; !errors.Is(err, errReader) {
			t.Error(err)
		}
	})
}

func TestCloseTellsWhatWasCommittedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{})
		free := make(chan struct{})
		waiting, busy := watchTasks(t.Context(), h, task.TaskWatch{}, nil), watchTasks(t.Context(), h, task.TaskWatch{}, free)
		synctest.Wait()
		f.commit(change{put: "a"})
		f.commit(change{put: "b"})
		h.Close(task.ErrStopping)
		h.Close(errors.New("once more"))
		f.commit(change{put: "c"})
		expect(t, "the one that waits", waiting.news(), "reset", "synced", "at 0", "a 1", "b 2", "at 2")
		close(free)
		<-busy.done
		expect(t, "the one that reads", busy.news(), "reset", "synced", "at 0", "a 1", "b 2", "at 2")
		<-waiting.done
		later := watchTasks(t.Context(), h, task.TaskWatch{}, nil)
		<-later.done
		expect(t, "the one that comes later", later.news())
		for _, r := range []*taskReader{waiting, busy, later} {
			if !errors.Is(r.err, task.ErrStopping) {
				t.Errorf("error %v", r.err)
			}
		}
	})
}

func TestReadersThatDoNotReadHoldUpNobodysSnapshotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{})
		f.commit(change{put: "a"})
		free := make(chan struct{})
		var stuck []*taskReader
		for range 20 {
			stuck = append(stuck, watchTasks(t.Context(), h, task.TaskWatch{}, free))
		}
		last := watchTasks(t.Context(), h, task.TaskWatch{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		gone := watchTasks(ctx, h, task.TaskWatch{}, nil)
		synctest.Wait()
		cancel()
		<-gone.done
		time.Sleep(time.Second)
		expect(t, "the last", last.news(), "reset", "a 1", "at 0", "synced", "at 1")
		close(free)
		h.Close(task.ErrStopping)
		for _, r := range append(stuck, last) {
			<-r.done
		}
	})
}

func TestAnErrorOfTheStoreEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(memory.Config{})
		h := feed.New(s)
		s.Observe(h)
		s.Close()
		if err := h.WatchTasks(t.Context(), task.TaskWatch{}, func(task.TaskChanges) error { return nil }); !errors.Is(err, task.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if tasks, _ := h.Wants(); tasks {
			t.Error("tasks are wanted by nobody")
		}
	})
}

func TestAChangeLargerThanALimitStillReachesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, h := newHub(feed.Limits{Changes: 3})
		r := watchTasks(t.Context(), h, task.TaskWatch{}, nil)
		expect(t, "nothing", r.news(), "reset", "synced", "at 0")
		var many []change
		for i := range 300 {
			many = append(many, change{put: taskName(i)})
		}
		f.commit(many...)
		said := r.news()
		if len(said) != 303 || said[128] != "at 0" || said[302] != "at 1" {
			t.Errorf("told %v", said)
		}
		h.Close(task.ErrStopping)
		<-r.done
	})
}

// The time of an operation is until all watches have told the commit; ns/call is how long the store waits.
func BenchmarkCommitted(b *testing.B) {
	for _, watches := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("watches=%d", watches), func(b *testing.B) {
			_, h := newHub(feed.Limits{})
			ctx, cancel := context.WithCancel(b.Context())
			var readers, told sync.WaitGroup
			told.Add(watches)
			for range watches {
				readers.Go(func() {
					_ = h.WatchTasks(ctx, task.TaskWatch{}, func(task.TaskChanges) error {
						told.Done()
						return nil
					})
				})
			}
			told.Wait()
			x := &task.Task{ID: idOf("a"), LastRun: &task.Run{}}
			b.ReportAllocs()
			var n int64
			var calls time.Duration
			for b.Loop() {
				n++
				told.Add(watches)
				begin := time.Now()
				h.Committed(store.Commit{Change: n, Changes: []store.Changed{{Task: x}}})
				calls += time.Since(begin)
				told.Wait()
			}
			b.ReportMetric(float64(calls)/float64(n), "ns/call")
			cancel()
			readers.Wait()
		})
	}
}
