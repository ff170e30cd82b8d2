package history_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// mortal is a store as one process has it, which can die: then nothing that it writes counts any more. It dies when
// it is told to, or at one of its writes: either the store is lost, that write is not done, and the process goes on
// for a while; or the write is done, and the process is killed before it hears of that.
type mortal struct {
	store.Store
	// dead says that no write is taken any more, killed that the process does nothing any more either.
	dead, killed atomic.Bool

	mu    sync.Mutex
	rand  *rand.Rand // guarded by mu
	after int        // so many writes are left; 0: any number. Guarded by mu
}

// write does one write, if the process lives, and lets it hear of that, if it still does.
func (m *mortal) write(do func() error) error {
	m.mu.Lock()
	last, late := false, false
	if m.after > 0 {
		m.after--
		last, late = m.after == 0, m.rand.IntN(2) == 0
	}
	m.mu.Unlock()
	if m.dead.Load() {
		return task.ErrUnavailable
	}
	if last {
		m.dead.Store(true)
		if late {
			m.killed.Store(true)
			_ = do() // and nobody hears of it
		}
		return task.ErrUnavailable
	}
	return do()
}

// doom lets the process die at one of its next n writes.
func (m *mortal) doom(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after = n
}

func (m *mortal) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) (out []store.Updated, err error) {
	err = m.write(func() (err error) { out, err = m.Store.Update(ctx, ids, fn); return err })
	return out, err
}

func (m *mortal) Call(ctx context.Context, r task.Ref, id uuid.UUID, fn store.CallFunc) (run task.Run, repeated bool, err error) {
	err = m.write(func() (err error) { run, repeated, err = m.Store.Call(ctx, r, id, fn); return err })
	return run, repeated, err
}

func (m *mortal) Claim(ctx context.Context, r store.ClaimRequest, fn store.ClaimFunc) (out store.Claimed, err error) {
	err = m.write(func() (err error) { out, err = m.Store.Claim(ctx, r, fn); return err })
	return out, err
}

func (m *mortal) Record(ctx context.Context, r []store.Report, fn store.RecordFunc) (late []task.RunID, err error) {
	err = m.write(func() (err error) { late, err = m.Store.Record(ctx, r, fn); return err })
	return late, err
}

func (m *mortal) Prune(ctx context.Context, id uuid.UUID, limit int, keep store.KeepFunc) (out store.Pruned, err error) {
	err = m.write(func() (err error) { out, err = m.Store.Prune(ctx, id, limit, keep); return err })
	return out, err
}

func (m *mortal) Sweep(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	err = m.write(func() (err error) { more, err = m.Store.Sweep(ctx, before, limit); return err })
	return more, err
}
