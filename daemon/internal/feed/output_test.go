package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clockd/clockd/daemon/internal/feed"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

// follower keeps what it is sent.
type follower struct {
	pieces []task.Output
	found  bool
	err    error
	done   chan struct{}
}

func follow(ctx context.Context, o *feed.Outputs, id task.RunID, stuck chan struct{}) *follower {
	f := &follower{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.found, f.err = o.Follow(ctx, id, func(p task.Output) error {
			f.pieces = append(f.pieces, p)
			if stuck != nil {
				<-stuck
			}
			return nil
		})
	}()
	return f
}

func text(stream task.OutputStream, attempt int, dropped int64, data string) task.Output {
	return task.Output{Stream: stream, Attempt: attempt, Dropped: dropped, Data: []byte(data)}
}

func TestFollowersGetWhatWasWrittenAndWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := feed.NewOutputs()
		w := o.Open(1)
		early := follow(t.Context(), o, 1, nil)
		synctest.Wait()
		w.Write(task.Stdout, 1, []byte("one"))
		synctest.Wait()
		w.Write(task.Stderr, 1, []byte("two"))
		w.Write(task.Stdout, 1, nil)
		w.Write(0, 1, []byte("nowhere"))
		synctest.Wait()
		if again := o.Open(1); again != w {
			t.Error("a run that is open was opened anew")
		}
		w.Write(task.Stderr, 2, []byte("four"))
		w.Write(task.Stdout, 2, []byte("three"))
		synctest.Wait()
		late := follow(t.Context(), o, 1, nil)
		synctest.Wait()
		o.Close(1)
		o.Close(1)
		<-early.done
		<-late.done
		w.Write(task.Stdout, 2, []byte("too late"))
		want := []task.Output{
			text(task.Stdout, 1, 0, "one"), text(task.Stderr, 1, 0, "two"), text(task.Stdout, 2, 0, "three"), text(task.Stderr, 2, 0, "four"),
		}
		// Who was there at the time sees the streams as they were written.
		if diff := cmp.Diff([]task.Output{want[0], want[1]}, early.pieces[:2]); diff != "" {
			t.Errorf("early: -want +got:\n%s", diff)
		}
		if diff := cmp.Diff(want, late.pieces); diff != "" {
			t.Errorf("late: -want +got:\n%s", diff)
		}
		for _, f := range []*follower{early, late} {
			if !f.found || f.err != nil || len(f.pieces) != 4 {
				t.Errorf("found %t, error %v, %d pieces", f.found, f.err, len(f.pieces))
			}
		}
		if found, err := o.Follow(t.Context(), 1, nil); found || err != nil {
			t.Errorf("after the end: found %t, error %v", found, err)
		}
	})
}

func TestAFollowerWhoLagsIsToldWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := feed.NewOutputs()
		w := o.Open(1)
		free := make(chan struct{})
		slow := follow(t.Context(), o, 1, free)
		synctest.Wait()
		w.Write(task.Stdout, 1, []byte("begin"))
		synctest.Wait()
		w.Write(task.Stdout, 1, []byte(strings.Repeat("x", 100)))
		w.Write(task.Stdout, 2, bytes.Repeat([]byte("y"), 1<<20))
		w.Write(task.Stdout, 3, []byte("end"))
		w.Write(task.Stderr, 3, []byte("!"))
		close(free)
		o.Close(1)
		<-slow.done
		const kept = 64 << 10
		want := []task.Output{
			text(task.Stdout, 1, 0, "begin"),
			text(task.Stdout, 2, 100+1<<20+3-kept, strings.Repeat("y", 32<<10)),
			text(task.Stdout, 2, 0, strings.Repeat("y", 32<<10-3)),
			text(task.Stdout, 3, 0, "end"), text(task.Stderr, 3, 0, "!"),
		}
		if diff := cmp.Diff(want, slow.pieces); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestEveryFollowerGetsEveryByteOrItsCount(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := feed.NewOutputs()
			w := o.Open(1)
			// The n-th byte of a stream says who wrote it, and n.
			r := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			var attempts [3][]int
			var followers sync.WaitGroup
			for i := range uint64(4) {
				followers.Go(func() {
					r := rand.New(rand.NewPCG(seed, i+1))
					var at [3]int
					found, err := o.Follow(t.Context(), 1, func(p task.Output) error {
						mu.Lock()
						defer mu.Unlock()
						n := at[p.Stream] + int(p.Dropped)
						for j, c := range p.Data {
							if c != byte((n+j)%251) || attempts[p.Stream][n+j] != p.Attempt {
								return fmt.Errorf("byte %d of stream %d is %d of attempt %d", n+j, p.Stream, c, p.Attempt)
							}
						}
						at[p.Stream] = n + len(p.Data)
						if r.IntN(4) == 0 {
							mu.Unlock()
							for range 100 {
								o.Open(2)
							}
							mu.Lock()
						}
						return nil
					})
					if !found || err != nil {
						t.Errorf("found %t, error %v", found, err)
					}
					if at[1] != len(attempts[1]) || at[2] != len(attempts[2]) {
						t.Errorf("%v bytes of %d and %d", at, len(attempts[1]), len(attempts[2]))
					}
				})
			}
			for attempt := 1; attempt <= 5; attempt++ {
				for range 60 {
					to := task.Stdout + task.OutputStream(r.IntN(2))
					size := r.IntN(50)
					if r.IntN(5) == 0 {
						size = r.IntN(100_000)
					}
					data := make([]byte, size)
					mu.Lock()
					for j := range data {
						data[j] = byte(len(attempts[to]) % 251)
						attempts[to] = append(attempts[to], attempt)
					}
					mu.Unlock()
					w.Write(to, attempt, data)
				}
			}
			o.Close(1)
			followers.Wait()
		})
	}
}

func TestFollowingEndsWithItsContextItsReaderAndTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := feed.NewOutputs()
		w := o.Open(1)
		ctx, cancel := context.WithCancel(t.Context())
		canceled := follow(ctx, o, 1, nil)
		stopped := follow(t.Context(), o, 1, nil)
		synctest.Wait()
		cancel()
		<-canceled.done
		w.Write(task.Stdout, 1, []byte("last"))
		if _, err := o.Follow(t.Context(), 1, func(task.Output) error { return errReader }); !errors.Is(err, errReader) {
			t.Errorf("error %v", err)
		}
		o.Stop(task.ErrStopping)
		<-stopped.done
		if !errors.Is(canceled.err, context.Canceled) || !errors.Is(stopped.err, task.ErrStopping) || len(stopped.pieces) != 1 {
			t.Errorf("errors %v and %v, %d pieces", canceled.err, stopped.err, len(stopped.pieces))
		}
		if _, err := o.Follow(t.Context(), 1, nil); !errors.Is(err, task.ErrStopping) {
			t.Errorf("error %v", err)
		}
		o.Close(1)
	})
}

func BenchmarkARunThatWritesNothing(b *testing.B) {
	o := feed.NewOutputs()
	b.ReportAllocs()
	id := task.RunID(0)
	for b.Loop() {
		id++
		o.Open(id)
		o.Close(id)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, followers := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("followers=%d", followers), func(b *testing.B) {
			o := feed.NewOutputs()
			w := o.Open(1)
			var all sync.WaitGroup
			for range followers {
				all.Go(func() { _, _ = o.Follow(b.Context(), 1, func(task.Output) error { return nil }) })
			}
			line := bytes.Repeat([]byte("x"), 100)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				w.Write(task.Stdout, 1, line)
			}
			o.Close(1)
			all.Wait()
		})
	}
}

func progress(attempt int, fraction float64) task.Output {
	return task.Output{Progress: &task.Progress{Attempt: attempt, Fraction: fraction}}
}

func TestWhoFollowsHearsHowFarTheRunHasComeAndWhoIsSlowOnlyTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := feed.NewOutputs()
		w := o.Open(1)
		w.Report(*progress(1, 0.1).Progress)
		stuck := make(chan struct{})
		early, slow := follow(t.Context(), o, 1, nil), follow(t.Context(), o, 1, stuck)
		synctest.Wait()
		for _, f := range []float64{0.2, 0.3} {
			w.Report(*progress(1, f).Progress)
			synctest.Wait()
		}
		w.Report(*progress(2, 0).Progress)
		w.Report(*progress(1, 0.9).Progress) // of an attempt that is over
		synctest.Wait()
		late := follow(t.Context(), o, 1, nil)
		synctest.Wait()
		o.Close(1)
		w.Report(*progress(2, 1).Progress)
		close(stuck)
		for name, row := range map[string]struct {
			f    *follower
			want []task.Output
		}{
			"early": {early, []task.Output{progress(1, 0.1), progress(1, 0.2), progress(1, 0.3), progress(2, 0)}},
			"slow":  {slow, []task.Output{progress(1, 0.1), progress(2, 0)}},
			"late":  {late, []task.Output{progress(2, 0)}},
		} {
			<-row.f.done
			if diff := cmp.Diff(row.want, row.f.pieces); diff != "" || !row.f.found || row.f.err != nil {
				t.Errorf("%s: %v, %v, -want +got:\n%s", name, row.f.found, row.f.err, diff)
			}
		}
	})
}

func TestARunThatReportsWithoutEndDoesNotKeepItsOutputFromThoseWhoFollow(t *testing.T) {
	o := feed.NewOutputs()
	w := o.Open(1)
	w.Write(task.Stdout, 1, []byte("out"))
	w.Report(*progress(1, 0).Progress)
	n := 0
	_, err := o.Follow(t.Context(), 1, func(p task.Output) error {
		if n++; string(p.Data) == "out" {
			o.Close(1)
		} else if n < 100 {
			w.Report(*progress(1, float64(n)/100).Progress)
		}
		return nil
	})
	if err != nil || n > 3 {
		t.Errorf("the output came as piece %d, %v", n-1, err)
	}
}
