package memory_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// nodes returns three of one store.
func nodes(c memory.Config) (s *memory.Store, a, b, n *memory.Node) {
	c.Namespace = storetest.Namespace
	s = memory.New(c)
	return s, s.Node(), s.Node(), s.Node()
}

func TestNodesKeepTheContractOfACluster(t *testing.T) {
	storetest.Cluster(t, func(*testing.T) (a, b, c store.Cluster) {
		_, a, b, c = nodes(memory.Config{})
		return a, b, c
	})
}

func TestNodesTakeTheTimeFromAClockTheyAreGiven(t *testing.T) {
	storetest.Leases(t, func(_ *testing.T, now func() time.Time) (a, b, c store.Cluster) {
		_, a, b, c = nodes(memory.Config{Now: now})
		return a, b, c
	})
}

func TestANodeThatHasNotJoinedIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, a, _, _ := nodes(memory.Config{})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return a
	})
}

func TestLeasesEndByTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := nodes(memory.Config{})
		join(t, a, 15*time.Second)
		join(t, b, time.Hour)
		time.Sleep(15*time.Second - time.Microsecond)
		if reaped, err := b.Reap(t.Context()); err != nil || len(reaped) > 0 {
			t.Fatalf("%d nodes were given up before their leases had ended, error %v", len(reaped), err)
		}
		time.Sleep(time.Microsecond)
		if reaped, err := b.Reap(t.Context()); err != nil || len(reaped) != 1 {
			t.Fatalf("%d nodes were given up, error %v", len(reaped), err)
		}
	})
}

func join(t *testing.T, n *memory.Node, lease time.Duration) {
	t.Helper()
	if _, err := n.Join(t.Context(), task.Node{ID: uuid.New(), Lease: lease}); err != nil {
		t.Fatal(err)
	}
}

// makeTask stores a task.
func makeTask(t *testing.T, s store.Store, name string) error {
	t.Helper()
	id := task.IDOf(storetest.Namespace, name)
	_, err := s.Update(t.Context(), []uuid.UUID{id}, func(uuid.UUID, *task.Task) (store.Change, error) {
		return store.Change{Task: &task.Task{
			ID: id, Namespace: storetest.Namespace, Declaration: task.Declaration{Name: name}, State: task.Active,
		}}, nil
	})
	return err
}

// heard keeps the numbers of what it is told.
type heard struct{ commits []int64 }

func (*heard) Wants() (tasks, runs bool)       { return true, true }
func (h *heard) Committed(commit store.Commit) { h.commits = append(h.commits, commit.Change) }

func TestANodeThatIsCutOffDoesNothingAndHearsOfEverythingLater(t *testing.T) {
	s, a, b, _ := nodes(memory.Config{})
	join(t, a, time.Hour)
	join(t, b, time.Hour)
	var h heard
	a.Observe(&h)
	a.Cut(memory.Unreachable)
	if err := makeTask(t, a, "mine"); !errors.Is(err, task.ErrUnavailable) {
		t.Fatalf("got error %v", err)
	}
	if _, err := a.Nodes(t.Context()); !errors.Is(err, task.ErrUnavailable) {
		t.Fatalf("got error %v", err)
	}
	if err := makeTask(t, b, "other"); err != nil {
		t.Fatal(err)
	}
	if len(h.commits) > 0 {
		t.Fatalf("commits %v were told to a node that is cut off", h.commits)
	}
	a.Cut(memory.Healed)
	if len(h.commits) != 1 {
		t.Fatalf("%d commits were told once it was healed", len(h.commits))
	}
	if _, err := s.Task(t.Context(), task.ByName("mine")); !errors.Is(err, task.ErrTaskNotFound) {
		t.Fatalf("got error %v", err)
	}
	if err := makeTask(t, a, "mine"); err != nil {
		t.Fatal(err)
	}
}

func TestANodeWhoseAnswersAreLostHasDoneWhatItWasAsked(t *testing.T) {
	s, a, _, _ := nodes(memory.Config{})
	join(t, a, time.Hour)
	a.Cut(memory.AnswersLost)
	if err := makeTask(t, a, "mine"); !errors.Is(err, task.ErrUnavailable) {
		t.Fatalf("got error %v", err)
	}
	if _, err := s.Task(t.Context(), task.ByName("mine")); err != nil {
		t.Fatal(err)
	}
}
