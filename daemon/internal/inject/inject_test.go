package inject_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"testing"

	"github.com/clockd/clockd/daemon/internal/inject"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// facts are as large as those of a run.
type facts struct {
	ID     int64
	Task   [16]byte
	Name   string
	Number int
	Input  []byte
	_      [5]uintptr
}

type (
	a struct{ n int }
	b struct{ *a }
	c struct{ *b }
)

// start returns a set that is started, and stopped at the end of the test.
func start(t testing.TB, providers ...inject.Provider) *inject.Set {
	t.Helper()
	s, problems := inject.New(inject.Config{Providers: providers, Facts: reflect.TypeFor[facts](), Logger: slog.New(slog.DiscardHandler)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func compile(t testing.TB, s *inject.Set, f any) *inject.Func {
	t.Helper()
	compiled, problems := s.Compile(f)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return compiled
}

func TestACleanUpThatEndsItsGoroutineKeepsNoOtherFromBeingDone(t *testing.T) {
	var order []string
	leave := func(name string) func() {
		return func() {
			order = append(order, name)
			runtime.Goexit()
		}
	}
	s := start(t,
		inject.Provider{Constructor: func() (*a, func()) { return nil, leave("a") }, Life: inject.PerRun},
		inject.Provider{Constructor: func(*a) (*b, func()) { return nil, leave("b") }, Life: inject.PerRun})
	f := compile(t, s, func(*b) { runtime.Goexit() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = f.Call(t.Context(), facts{})
	}()
	<-done
	if got := fmt.Sprint(order); got != "[b a]" {
		t.Errorf("cleaned up: %s", got)
	}
}

func TestWhatIsUsedTwiceIsMadeOnceAndInOrderHoweverItIsWritten(t *testing.T) {
	n := 0
	s := start(t,
		inject.Provider{Constructor: func(x *b, y *a) *c {
			if x.a != y {
				t.Error("there are two")
			}
			return &c{x}
		}},
		inject.Provider{Constructor: func(x *a) *b { return &b{x} }},
		inject.Provider{Constructor: func() *a { n++; return &a{n} }})
	got, err := compile(t, s, func(z *c, x *a) (int, error) { return z.n + x.n, nil }).Call(t.Context(), facts{})
	if got != 2 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// What an attempt costs beside the function: nothing is looked up, so it is the calls by reflection.
func BenchmarkCall(bm *testing.B) {
	singletons := []inject.Provider{
		{Constructor: func() *a { return &a{1} }},
		{Constructor: func(x *a) *b { return &b{x} }},
		{Constructor: func(y *b) *c { return &c{y} }},
	}
	perRun := []inject.Provider{
		{Constructor: func() *a { return &a{1} }},
		{Constructor: func(x *a) (*b, func()) { return &b{x}, func() {} }, Life: inject.PerRun},
		{Constructor: func(ctx context.Context, f facts, y *b) (*c, error) { return &c{y}, ctx.Err() }, Life: inject.PerRun},
	}
	plain := func(context.Context, facts) (any, error) { return nil, nil }
	bm.Run("not injected", func(bm *testing.B) {
		bm.ReportAllocs()
		for bm.Loop() {
			_, _ = plain(bm.Context(), facts{})
		}
	})
	for _, row := range []struct {
		name      string
		providers []inject.Provider
		f         any
	}{
		{"nothing", nil, func() {}},
		{"context and facts", nil, plain},
		{"3 singletons", singletons, func(context.Context, *a, *b, *c) error { return nil }},
		{"2 per run", perRun, func(context.Context, *b, *c) error { return nil }},
	} {
		bm.Run(row.name, func(bm *testing.B) {
			f := compile(bm, start(bm, row.providers...), row.f)
			ctx := bm.Context()
			bm.ReportAllocs()
			for bm.Loop() {
				if _, err := f.Call(ctx, facts{}); err != nil {
					bm.Fatal(err)
				}
			}
		})
	}
}
