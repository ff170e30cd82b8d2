package custom_test

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/internal/custom"
	"github.com/clockd/clockd/daemon/schedule"
)

const url = "type.googleapis.com/acme.v1.Tide"

// limit is what a call may take.
const limit = 250 * time.Millisecond

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// sourceFunc is a Source.
type sourceFunc func(after time.Time) (time.Time, error)

func (f sourceFunc) Next(after time.Time) (time.Time, error) { return f(after) }

// guarded is f behind a guard, and what the guard logs.
func guarded(t *testing.T, f sourceFunc) (schedule.Source, *strings.Builder) {
	t.Helper()
	var said strings.Builder
	s, err := custom.Guard(url, func(string) (schedule.Source, error) { return f, nil }, slog.New(slog.NewTextHandler(&said, nil)))("")
	if err != nil {
		t.Fatal(err)
	}
	return s, &said
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
}

func TestWhatASourceAnswersGoesThrough(t *testing.T) {
	never := false
	s, said := guarded(t, func(after time.Time) (time.Time, error) {
		if never {
			return time.Time{}, nil
		}
		return after.Add(time.Hour), nil
	})
	next, err := s.Next(start)
	if want := start.Add(time.Hour); err != nil || !next.Equal(want) {
		t.Errorf("next %s, %v, want %s", next, err, want)
	}
	never = true
	if next, err := s.Next(start.Add(time.Hour)); err != nil || !next.IsZero() {
		t.Errorf("next %s, %v, want none", next, err)
	}
	if said.Len() > 0 {
		t.Errorf("log: %s", said)
	}
}

func TestAnAnswerHoldsUntilTheInstantThatItNames(t *testing.T) {
	calls := 0
	s, _ := guarded(t, func(after time.Time) (time.Time, error) {
		calls++
		if after.Hour() >= 12 {
			return time.Time{}, nil
		}
		return after.Truncate(time.Hour).Add(time.Hour), nil
	})
	for _, row := range []struct {
		after time.Duration
		calls int
	}{
		{0, 1},
		{time.Second, 1},
		{time.Hour - time.Microsecond, 1},
		{time.Hour, 2},
		{0, 3}, // what lies before is another question
		{12 * time.Hour, 4},
		{20 * time.Hour, 4},
		{99 * time.Hour, 4},
	} {
		if _, err := s.Next(start.Add(row.after)); err != nil || calls != row.calls {
			t.Errorf("after %s: %d calls, %v, want %d", row.after, calls, err, row.calls)
		}
	}
}

func TestAFaultIsTheErrorOfOneCall(t *testing.T) {
	for _, row := range []struct {
		name string
		next sourceFunc
		want string
		log  string
	}{
		{"an error", func(time.Time) (time.Time, error) { return start, errors.New("no moon") }, "no moon", ""},
		{"a panic", func(time.Time) (time.Time, error) { panic("full moon") }, "panic: full moon", "guard_test.go"},
		{"a panic of the runtime", func(time.Time) (time.Time, error) { return []time.Time{}[calm()], nil }, "index out of range", "guard_test.go"},
		{"a panic with nil", func(time.Time) (time.Time, error) { panic(nil) }, "panic called with nil", "guard_test.go"}, //nolint:govet // on purpose
		{"a panic whose value panics", func(time.Time) (time.Time, error) { panic(spiteful{}) }, "PANIC=Error method: again", "guard_test.go"},
		{"a panic whose value leaves", func(time.Time) (time.Time, error) { panic(leaving{}) }, "it panicked", ""},
		{"an error that panics", func(time.Time) (time.Time, error) { return start, spiteful{} }, "PANIC=Error method: again", ""},
		{"Goexit", func(time.Time) (time.Time, error) { runtime.Goexit(); return start, nil }, "runtime.Goexit", ""},
		{"a text that no store can keep", func(time.Time) (time.Time, error) {
			return start, errors.New("a\x00b\nc\xff" + strings.Repeat("é", 1000))
		}, "a b c\uFFFDéé", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			faulty := true
			s, said := guarded(t, func(after time.Time) (time.Time, error) {
				if faulty {
					return row.next(after)
				}
				return after.Add(1), nil
			})
			next, err := s.Next(start)
			wantError(t, err, row.want)
			if said := err.Error(); len(said) > 600 || !utf8.ValidString(said) || strings.ContainsFunc(said, unicode.IsControl) {
				t.Errorf("error %q can not be shown in a line", err)
			}
			if strings.Contains(err.Error(), "goroutine ") {
				t.Errorf("error %q has the stack", err)
			}
			if !strings.Contains(said.String(), row.log) {
				t.Errorf("log %q, want %q in it", said, row.log)
			}
			if row.name != "an error" && !next.IsZero() {
				t.Errorf("next %s beside an error", next)
			}
			faulty = false
			if _, err := s.Next(start); err != nil {
				t.Errorf("the call after it: %v", err)
			}
		})
	}
}

// calm is 0, which the compiler does not know.
func calm() int { return len(url) - len(url)/1 }

type spiteful struct{}

func (spiteful) Error() string { panic("again") }

type leaving struct{}

func (leaving) Error() string { runtime.Goexit(); return "" }

func TestAKindWhoseSourceCanNotBeMadeSaysWhy(t *testing.T) {
	for want, newSource := range map[string]schedule.NewSource{
		"no such port":          func(value string) (schedule.Source, error) { return nil, fmt.Errorf("%q: no such port", value) },
		"panic: sunk":           func(string) (schedule.Source, error) { panic("sunk") },
		"neither a source nor":  func(string) (schedule.Source, error) { return nil, nil },
		"panic: runtime error:": func(string) (schedule.Source, error) { return nil, []error{}[calm()] },
	} {
		s, err := custom.Guard(url, newSource, slog.New(slog.DiscardHandler))("Kiel")
		wantError(t, err, want)
		if s != nil {
			t.Errorf("%s: there is a source beside the error", want)
		}
	}
}

func TestACallThatHangsCostsOneLimitForAllOfItsValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		release := make(chan struct{})
		var returns atomic.Bool
		s, said := guarded(t, func(after time.Time) (time.Time, error) {
			if !returns.Load() {
				<-release
			}
			return after.Add(time.Hour), nil
		})
		_, err := s.Next(start)
		wantError(t, err, "no answer within 250ms")
		if took := time.Since(began); took != limit {
			t.Errorf("took %s, want %s", took, limit)
		}
		for range 100 {
			_, err := s.Next(start)
			wantError(t, err, "a call of this trigger that was given up at 2000-01-01T00:00:00Z has not returned")
		}
		if took := time.Since(began); took != limit {
			t.Errorf("with 100 more calls it took %s, want %s", took, limit)
		}
		returns.Store(true)
		close(release)
		synctest.Wait()
		if _, err := s.Next(start); err != nil {
			t.Errorf("a call after the other has returned: %v", err)
		}
		if !strings.Contains(said.String(), "has returned after all") {
			t.Errorf("log %q does not say that the call has returned", said)
		}
	})
}

func TestCallsOfAnotherKindDoNotFailWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hanging, _ := guarded(t, func(time.Time) (time.Time, error) { <-release; return start, nil })
		other, _ := guarded(t, func(after time.Time) (time.Time, error) { return after.Add(1), nil })
		_, err := hanging.Next(start)
		wantError(t, err, "no answer")
		if _, err := other.Next(start); err != nil {
			t.Error(err)
		}
		close(release)
	})
}

// harbour is a kind whose values are names: those that begin with "hangs" do not answer until they are released,
// those that begin with "slow" take what they are told to.
type harbour struct {
	t         *testing.T
	newSource schedule.NewSource
	said      strings.Builder
	slow      time.Duration

	mu    sync.Mutex
	locks map[string]chan struct{}
}

func newHarbour(t *testing.T) *harbour {
	h := &harbour{t: t, locks: map[string]chan struct{}{}}
	h.newSource = custom.Guard(url, func(value string) (schedule.Source, error) {
		return sourceFunc(func(after time.Time) (time.Time, error) {
			switch {
			case strings.HasPrefix(value, "hangs"):
				<-h.lock(value)
			case strings.HasPrefix(value, "slow"):
				time.Sleep(h.slow)
			}
			return after.Add(time.Hour), nil
		}), nil
	}, slog.New(slog.NewTextHandler(&h.said, nil)))
	return h
}

func (h *harbour) lock(value string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.locks[value] == nil {
		h.locks[value] = make(chan struct{})
	}
	return h.locks[value]
}

// release lets the calls of a value return, those to come too.
func (h *harbour) release(value string) {
	close(h.lock(value))
	synctest.Wait()
}

// next asks a new source of a value, as previews do.
func (h *harbour) next(value string) error {
	h.t.Helper()
	s, err := h.newSource(value)
	if err != nil {
		return err
	}
	_, err = s.Next(start)
	return err
}

func TestAValueThatHangsDoesNothingToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarbour(t)
		for _, sick := range []string{"hangs 1", "hangs 2", "hangs 3"} {
			wantError(t, h.next(sick), "no answer")
			began := time.Now()
			wantError(t, h.next(sick), "a call of this trigger that was given up")
			if took := time.Since(began); took != 0 {
				t.Errorf("%s again: took %s, want an error at once", sick, took)
			}
			if err := h.next("well"); err != nil {
				t.Errorf("beside %s: %v", sick, err)
			}
		}
		for _, sick := range []string{"hangs 1", "hangs 2", "hangs 3"} {
			h.release(sick)
			if err := h.next(sick); err != nil {
				t.Errorf("%s after it has returned: %v", sick, err)
			}
		}
	})
}

func TestFourValuesThatHangShutTheirKindOffUntilOneReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarbour(t)
		began := time.Now()
		for i := range 100 {
			want := "no answer"
			if i >= 4 {
				want = "calls of 4 different triggers of this kind were given up and have not returned"
			}
			wantError(t, h.next(fmt.Sprint("hangs ", i)), want)
		}
		if took := time.Since(began); took != 4*limit {
			t.Errorf("a hundred values that hang took %s, want %s", took, 4*limit)
		}
		wantError(t, h.next("well"), "of this kind")
		h.release("hangs 2")
		if err := h.next("well"); err != nil {
			t.Errorf("after one has returned: %v", err)
		}
		wantError(t, h.next("hangs 0"), "a call of this trigger")
		wantError(t, h.next("hangs 4"), "no answer")
		wantError(t, h.next("well"), "of this kind")
		for _, i := range []int{0, 1, 3, 4} {
			h.release(fmt.Sprint("hangs ", i))
		}
		for _, i := range []int{0, 1, 2, 3, 4} {
			if err := h.next(fmt.Sprint("hangs ", i)); err != nil {
				t.Errorf("after all have returned: %v", err)
			}
		}
		for want, n := range map[string]int{"too many custom triggers do not answer": 2, "their kind works again": 2, "has returned after all": 5} {
			if got := strings.Count(h.said.String(), want); got != n {
				t.Errorf("the log says %d times %q, want %d", got, want, n)
			}
		}
	})
}

func TestCallsOfOneValueDoNotOpenTheBreakerOfTheKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarbour(t)
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() { wantError(t, h.next("hangs"), "no answer") })
		}
		callers.Wait()
		if err := h.next("well"); err != nil {
			t.Error(err)
		}
		h.release("hangs")
	})
}

func TestValuesThatAreSlowTogetherHaveAShareAndNoMore(t *testing.T) {
	for _, row := range []struct {
		name   string
		slow   time.Duration
		values int
		opens  bool
	}{
		{"three, just in time", limit - time.Millisecond, 3, false},
		{"a hundred, just in time", limit - time.Millisecond, 100, true},
		{"a hundred, too late", 900 * time.Millisecond, 100, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarbour(t)
				h.slow = row.slow
				began, late, opened := time.Now(), time.Duration(0), false
				for i := 0; time.Since(began) < 10*time.Minute; i++ {
					asked := time.Now()
					_ = h.next(fmt.Sprint("slow ", i%row.values))
					late += time.Since(asked)
					if err := h.next("well"); err != nil {
						wantError(t, err, "several triggers of this kind took more than 4s of late")
						opened = true
					}
					time.Sleep(10 * time.Millisecond)
				}
				if opened != row.opens {
					t.Errorf("the kind was shut off: %t, want %t", opened, row.opens)
				}
				// Four tenths, the first seconds, and the wait of each call that is not counted.
				if share := time.Since(began) * 45 / 100; late > share+5*time.Second {
					t.Errorf("calls took %s of %s", late, time.Since(began))
				}
				time.Sleep(10 * time.Second)
				if err := h.next("well"); err != nil {
					t.Errorf("when the others had been quiet: %v", err)
				}
			})
		})
	}
}

func TestASourceThatCanNotBeMadeInTimeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		newSource := custom.Guard(url, func(string) (schedule.Source, error) { <-release; return nil, nil }, slog.New(slog.DiscardHandler))
		_, err := newSource("Kiel")
		wantError(t, err, "no answer")
		_, err = newSource("Kiel")
		wantError(t, err, "not asked: a call of this trigger")
		_, err = newSource("Brest")
		wantError(t, err, "no answer")
		close(release)
	})
}

func TestCallsAtTheSameTimeAllComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var inside atomic.Int64
		s, _ := guarded(t, func(after time.Time) (time.Time, error) {
			inside.Add(1)
			<-release
			return after.Add(1), nil
		})
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				_, err := s.Next(start.Add(time.Duration(i) * time.Hour))
				wantError(t, err, "no answer")
			})
		}
		callers.Wait()
		_, err := s.Next(start)
		wantError(t, err, "not asked")
		if n := inside.Load(); n != 50 {
			t.Errorf("%d calls, want 50", n)
		}
		close(release)
		time.Sleep(10 * time.Second) // together they took long: see the share of a value
		if _, err := s.Next(start); err != nil {
			t.Error(err)
		}
	})
}

func TestAValueThatIsAlwaysJustInTimeHasAShareAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, said := guarded(t, func(after time.Time) (time.Time, error) {
			time.Sleep(limit - time.Millisecond)
			return after.Add(1), nil
		})
		burst := func() (calls int) {
			for calls = range 100 {
				if _, err := s.Next(start.Add(time.Duration(calls) * time.Hour)); err != nil {
					wantError(t, err, "more than 1s of late")
					break
				}
			}
			return calls
		}
		// Nine waits each, of which one is forgotten meanwhile.
		if n := burst(); n != 5 {
			t.Errorf("%d calls at once, want 5", n)
		}
		time.Sleep(time.Minute)
		if n := burst(); n != 5 {
			t.Errorf("%d calls a minute later, want 5", n)
		}
		time.Sleep(time.Minute)
		for i := range 100 { // one in ten times what it takes
			if _, err := s.Next(start.Add(time.Duration(-i) * time.Hour)); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
			time.Sleep(10 * limit)
		}
		if n := strings.Count(said.String(), "custom trigger is slow"); n != 1 {
			t.Errorf("the log says %d times that it is slow, want once", n)
		}
	})
}

func BenchmarkGuardedNext(b *testing.B) {
	s, err := custom.Guard(url, func(string) (schedule.Source, error) {
		return sourceFunc(func(after time.Time) (time.Time, error) { return after.Add(time.Hour), nil }), nil
	}, slog.New(slog.DiscardHandler))("")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("asked", func(b *testing.B) {
		b.ReportAllocs()
		at := start
		for b.Loop() {
			at, _ = s.Next(at)
		}
	})
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Next(start)
		}
	})
}

// An outage of more than a day that a kind which fires each second slept through, as one decision counts it.
func BenchmarkCatchUp(b *testing.B) {
	x, err := schedule.NewExtensions(nil, map[string]schedule.NewSource{
		url: custom.Guard(url, func(string) (schedule.Source, error) {
			return sourceFunc(func(after time.Time) (time.Time, error) { return after.Truncate(time.Second).Add(time.Second), nil }), nil
		}, slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		b.Fatal(err)
	}
	c, err := x.Compile(schedule.Trigger{Kind: schedule.Custom{TypeURL: url}})
	if err != nil {
		b.Fatal(err)
	}
	const instants = 100_000
	b.ReportAllocs()
	for b.Loop() {
		if span := c.Between(start, start.Add(instants*time.Second), schedule.Progress{Anchor: start}, instants); span.Count != instants {
			b.Fatalf("%d instants", span.Count)
		}
	}
}
