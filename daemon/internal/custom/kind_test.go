package custom

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestNothingIsKeptOfAValueWithoutCallsOutOrDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kind{log: slog.New(slog.DiscardHandler)}
		// call makes one that takes so long.
		call := func(value string, takes time.Duration) {
			_, _ = ask(k, value, func() (int, error) { time.Sleep(takes); return 0, nil })
		}
		kept := func() int {
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			return len(k.values)
		}
		want := func(when string, n int) {
			t.Helper()
			if got := kept(); got != n {
				t.Errorf("%s: %d values are kept, want %d", when, got, n)
			}
		}
		call("quick", 0)
		want("after a quick call", 0)
		call("slow", wait+1)
		want("after a slow call", 1)
		time.Sleep(forget)
		call("quick", 0)
		want("when that is forgotten", 0)
		call("hangs", time.Hour)
		time.Sleep(time.Minute)
		call("quick", 0)
		want("while a call is out", 1)
		time.Sleep(time.Hour)
		want("when it has returned", 0)
		most := 0
		for i := range 10_000 {
			call(fmt.Sprint("slow ", i), wait+1)
			most = max(most, kept())
		}
		if most > breakAt*maxDebt {
			t.Errorf("%d values are kept of many that are slow, want at most %d", most, breakAt*maxDebt)
		}
		time.Sleep(time.Minute)
		call("quick", 0)
		want("when all is forgotten", 0)
	})
}
