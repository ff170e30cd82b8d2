package sqlite_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/store/storetest"
)

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	return openAt(t, dir, nil)
}

// openAt opens the store with a clock of its own.
func openAt(t testing.TB, dir string, now func() time.Time) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "clockd.db"), Namespace: storetest.Namespace, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsItsContractAndUsesItsIndexes(t *testing.T) {
	var mu sync.Mutex
	used := make(map[string]bool)
	t.Run("Contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			s := open(t, t.TempDir())
			t.Cleanup(func() { // after the store was closed
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(used, s.Statements())
			})
			return s
		})
	})
	explain(t, used)
}

func TestStoreTakesTheTimeFromAClockItIsGiven(t *testing.T) {
	storetest.Clock(t, func(t *testing.T, now func() time.Time) store.Store { return openAt(t, t.TempDir(), now) })
}

func TestAClockThatWasSetBackWhileTheStoreWasClosedClaimsNothingAgain(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		now  func() time.Time
		want int // claimed
	}{
		{func() time.Time { return base }, 1},
		{func() time.Time { return base.Add(-24 * time.Hour) }, 0},
		{func() time.Time { return base }, 0},
		{func() time.Time { return base.Add(time.Hour) }, 1},
		{nil, 1}, // the machine's
	} {
		s := openAt(t, dir, c.now)
		if i == 0 {
			create(t, s, "a") // due at base
		}
		asked := 0
		claimed, err := s.Claim(ctx, store.ClaimRequest{Limit: 9}, func(now time.Time, d store.Due) store.Decision {
			asked++
			return skip(now, d) // due again in an hour
		})
		if err != nil || asked != c.want || c.now != nil && !claimed.Now.Equal(c.now()) {
			t.Errorf("open %d: at %v %d fires were claimed, want %d, error %v", i, claimed.Now, asked, c.want, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStoreSurvivesRestarts(t *testing.T) {
	storetest.Restart(t, func(t *testing.T, dir string) store.Store { return open(t, dir) })
}

func TestStoreAgreesWithTheMemoryStore(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			storetest.Agree(t, seed, 250, func(t *testing.T) (a, b store.Store) {
				return memory.New(memory.Config{Namespace: storetest.Namespace}), open(t, t.TempDir())
			})
		})
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return open(b, b.TempDir()) })
}
