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

func TestACallThatHangsCostsOneLimitForAllOfItsKind(t *testing.T) {
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
		if took := time.Since(began); took != custom.Limit {
			t.Errorf("took %s, want %s", took, custom.Limit)
		}
		for range 100 {
			_, err := s.Next(start)
			wantError(t, err, "a call of this kind that was given up at 2000-01-01T00:00:00Z has not returned")
		}
		if took := time.Since(began); took != custom.Limit {
			t.Errorf("with 100 more calls it took %s, want %s", took, custom.Limit)
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

func TestASourceThatCanNotBeMadeInTimeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		newSource := custom.Guard(url, func(string) (schedule.Source, error) { <-release; return nil, nil }, slog.New(slog.DiscardHandler))
		_, err := newSource("")
		wantError(t, err, "no answer")
		_, err = newSource("")
		wantError(t, err, "not asked")
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
		time.Sleep(10 * time.Second) // together they took long: see the share of a kind
		if _, err := s.Next(start); err != nil {
			t.Error(err)
		}
	})
}

func TestAKindThatIsAlwaysJustInTimeHasAShareAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, said := guarded(t, func(after time.Time) (time.Time, error) {
			time.Sleep(custom.Limit - time.Millisecond)
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
			time.Sleep(10 * custom.Limit)
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
