package sqlite_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/store/storetest"
)

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "clockd.db"), Namespace: storetest.Namespace})
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
