package memory_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(testing.TB) store.Store { return memory.New(memory.Config{Namespace: storetest.Namespace}) }

func TestStoreKeepsItsContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func TestStoreTakesTheTimeFromAClockItIsGiven(t *testing.T) {
	storetest.Clock(t, func(_ *testing.T, now func() time.Time) store.Store {
		return memory.New(memory.Config{Namespace: storetest.Namespace, Now: now})
	})
}

func TestWhatIsToldIsWhatIsStoredOverLongHistories(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			storetest.Agree(t, 100+seed, 300, func(t *testing.T) (a, b store.Store) { return open(t), open(t) })
		})
	}
}

func TestStoreReadsTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		due := time.Now().Add(time.Hour)
		id := task.IDOf(storetest.Namespace, "a")
		_, err := s.Update(t.Context(), []uuid.UUID{id}, func(uuid.UUID, *task.Task) (store.Change, error) {
			return store.Change{Task: &task.Task{
				ID: id, Namespace: storetest.Namespace, Declaration: task.Declaration{Name: "a"}, State: task.Active,
				Clock: task.Clock{NextFireTime: due},
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		claim := func() (asked bool) {
			claimed, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
				asked = true
				return store.Decision{State: d.State}
			})
			if err != nil || !claimed.Now.Equal(time.Now()) {
				t.Errorf("claimed at %v, error %v", claimed.Now, err)
			}
			return asked
		}
		time.Sleep(time.Hour - time.Microsecond)
		if claim() {
			t.Error("the task was due before its instant")
		}
		time.Sleep(time.Microsecond)
		if !claim() {
			t.Error("the task was not due at its instant")
		}
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return open(b) })
}
