package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

var ctx = context.Background()

// opened opens a store on a schema of its own, which the caller closes.
func opened(t testing.TB) *postgres.Store {
	t.Helper()
	return openAt(t, pgtest.Schema(t))
}

// openAt opens a store on a database, which the caller closes.
func openAt(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Namespace: storetest.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openOn opens a store on a database and closes it at the end of the test.
func openOn(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s := openAt(t, url)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStoreKeepsItsContractAndUsesItsIndexes(t *testing.T) {
	used := new(statements)
	t.Run("Contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return used.of(t, opened(t)) })
	})
	used.explain(t)
}

func TestStoreAgreesWithTheMemoryStore(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			storetest.Agree(t, seed, 250, func(t *testing.T) (a, b store.Store) {
				return memory.New(memory.Config{Namespace: storetest.Namespace}), opened(t)
			})
		})
	}
}

func TestStoreSurvivesRestarts(t *testing.T) {
	urls := make(map[string]string)
	storetest.Restart(t, func(t *testing.T, dir string) store.Store {
		if urls[dir] == "" {
			urls[dir] = pgtest.URL(t)
		}
		return openAt(t, urls[dir])
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return opened(b) })
}
