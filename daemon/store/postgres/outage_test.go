package postgres_test

import (
	"errors"
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// reachable starts a server that keeps what it has committed, on a port.
func reachable(t *testing.T) *pgtest.Server {
	t.Helper()
	server, err := pgtest.Start(pgtest.Config{Durable: true, TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// wantRuns fails unless the store has so many runs, with ids from 1 on that are not given twice.
func wantRuns(t *testing.T, s store.Store, want int) {
	t.Helper()
	page, err := s.Runs(ctx, task.RunQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Runs) != want {
		t.Errorf("there are %d runs, want %d", len(page.Runs), want)
	}
}

func TestACommitWhoseAnswerOrConnectionIsLostIsMadeOnce(t *testing.T) {
	server := reachable(t)
	p, url := newProxy(t, server)
	s := openOn(t, url)
	create(t, s, "a")
	calls := 0
	for range 3 {
		for _, loses := range []int32{theAnswer, theCommit, nothing} {
			p.loses.Store(loses)
			run, repeated, err := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
			if err != nil || repeated || run.ID == 0 {
				t.Fatalf("run %v, repeated: %t, error %v", run.ID, repeated, err)
			}
			if p.loses.Load() != nothing {
				t.Fatal("the proxy has not seen a commit")
			}
			calls++
			wantRuns(t, s, calls)
		}
	}
	// What was claimed is returned to the claimer, though the answer was lost.
	p.loses.Store(theAnswer)
	claimed, err := s.Claim(ctx, store.ClaimRequest{Limit: 9}, skip)
	if err != nil || len(claimed.Fires) != 1 || claimed.Fires[0].Run.ID == 0 || claimed.NextFireTime.IsZero() {
		t.Errorf("claimed %+v, error %v", claimed, err)
	}
}

func TestAConnectionThatBreaksIsReplaced(t *testing.T) {
	server := reachable(t)
	p, url := newProxy(t, server)
	s := openOn(t, url)
	create(t, s, "a")
	w := newWatcher()
	s.Observe(w)
	if _, err := s.Position(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.cut()
		if _, err := s.Task(ctx, task.ByName("a")); err != nil {
			t.Error(err)
		}
		p.cut()
		run, _, err := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
		if err != nil {
			t.Fatal(err)
		}
		wantRuns(t, s, i+1)
		told := w.until(run.Change)
		if len(told) != 1 || told[0] != run.ID {
			t.Errorf("runs %v were told of after run %v", told, run.ID)
		}
	}
}

func TestAServerThatIsAwayIsUnavailableAndGoesOnWhenItIsBack(t *testing.T) {
	server := reachable(t)
	s := openOn(t, server.Database(t))
	create(t, s, "a")
	w := newWatcher()
	s.Observe(w)
	if _, err := s.Position(ctx); err != nil {
		t.Fatal(err)
	}
	for i, stop := range []func() error{server.Stop, server.Kill} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		_, claim := s.Claim(ctx, store.ClaimRequest{Limit: 1}, skip)
		_, _, call := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
		_, position := s.Position(ctx)
		_, read := s.Task(ctx, task.ByName("a"))
		for what, err := range map[string]error{"claim": claim, "call": call, "position": position, "read": read} {
			if !errors.Is(err, task.ErrUnavailable) {
				t.Errorf("%s: got error %v", what, err)
			}
			hidden(t, err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		run, _, err := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
		if err != nil {
			t.Fatal(err)
		}
		wantRuns(t, s, i+1)
		if told := w.until(run.Change); len(told) != 1 || told[0] != run.ID {
			t.Errorf("runs %v were told of after run %v", told, run.ID)
		}
	}
}

func TestAServerThatDoesNotAnswerHoldsNobodyForEver(t *testing.T) {
	t.Parallel()
	server := reachable(t)
	p, url := newProxy(t, server)
	s := openAt(t, url)
	create(t, s, "a")
	p.silent.Store(true)
	_, _, err := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
	if !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
	hidden(t, err)
	p.cut()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhoWasOutOfReachForTooLongIsToldThatChangesWereLost(t *testing.T) {
	there := pgtest.URL(t)
	s, other := openOn(t, there), openOn(t, there)
	create(t, s, "a")
	w := newWatcher()
	s.Observe(w)
	if _, err := s.Position(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Position(ctx); err != nil {
		t.Fatal(err)
	}
	if len(w.lost) > 0 {
		t.Error("something was lost before anything happened")
	}
	s.Lapse()
	run, _, err := s.Call(ctx, task.ByName("a"), uuid.Nil, asked)
	if err != nil {
		t.Fatal(err)
	}
	<-w.lost
	// And from then on all is told again, of others too.
	w.until(run.Change)
	run, _, err = other.Call(ctx, task.ByName("a"), uuid.Nil, asked)
	if err != nil {
		t.Fatal(err)
	}
	if told := w.until(run.Change); len(told) != 1 || told[0] != run.ID {
		t.Errorf("runs %v were told of after run %v", told, run.ID)
	}
}

func TestWhoSleepsIsWokenByWhatBecomesDueAtAnotherNode(t *testing.T) {
	there := pgtest.URL(t)
	s, other := openOn(t, there), openOn(t, there)
	<-s.Due() // it listens
	create(t, other, "a")
	<-s.Due()
}

var _ postgres.Loser = (*watcher)(nil)
