package memory_test

import (
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) store.Store { return memory.New(memory.Config{Namespace: storetest.Namespace}) }

func TestStoreKeepsItsContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return open(b) })
}
