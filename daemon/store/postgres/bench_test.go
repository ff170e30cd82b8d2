package postgres_test

import (
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
)

// BenchmarkDurableStore is BenchmarkStore on a server that waits for the disk, as those of users do.
func BenchmarkDurableStore(b *testing.B) {
	server, err := pgtest.Start(pgtest.Config{Durable: true, Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
	storetest.Bench(b, func(b *testing.B) store.Store { return openAt(b, server.Database(b)) })
}
