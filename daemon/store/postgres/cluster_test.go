package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func TestNodesKeepTheContractOfACluster(t *testing.T) {
	var used statements
	storetest.Cluster(t, func(t *testing.T) (a, b, c store.Cluster) {
		url := pgtest.URL(t)
		node := func() store.Cluster { return used.of(t, openAt(t, url)).(store.Cluster) }
		return node(), node(), node()
	})
	used.explain(t)
}

// joined opens a store on a database and makes it a node.
func joined(t *testing.T, url string) (*postgres.Store, uuid.UUID) {
	t.Helper()
	s, id := openOn(t, url), uuid.New()
	if _, err := s.Join(ctx, task.Node{ID: id, Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	return s, id
}

// records makes a store record a run of each of many tasks, which it makes.
func records(t *testing.T, s *postgres.Store, tasks int) (ids []uuid.UUID) {
	t.Helper()
	for i := range tasks {
		ids = append(ids, task.IDOf(storetest.Namespace, fmt.Sprint("task ", i)))
	}
	n := 0
	_, err := s.Update(ctx, ids, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		x := task.Task{ID: id, Namespace: storetest.Namespace, Declaration: task.Declaration{
			Name: fmt.Sprint("task ", n), Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}},
		}, State: task.Active}
		n++
		return store.Change{Task: &x, Record: []task.Run{{TaskID: id, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: time.Now()}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestWhatANodeHeldIsFreedThoughWhoGaveItUpDiedOverIt(t *testing.T) {
	url := pgtest.URL(t)
	a, id := joined(t, url)
	b, _ := joined(t, url)
	tasks := records(t, a, 1)
	// The first of the two steps.
	conn := connect(t, url)
	run(t, conn, fmt.Sprintf("UPDATE nodes SET state = 3, end_time = now() WHERE id = '%s'", id))
	_, err := b.Update(ctx, tasks, func(uuid.UUID, *task.Task) (store.Change, error) { return store.Change{Delete: true}, nil })
	var held *task.HeldError
	if !errors.As(err, &held) || held.Tasks[0].Node != uuid.Nil {
		t.Fatalf("got error %v, want one that says that nobody holds the task", err)
	}
	if _, err := a.Renew(ctx, task.NodeLoad{}); !errors.Is(err, task.ErrGivenUp) {
		t.Fatalf("got error %v", err)
	}
	if reaped, err := b.Reap(ctx); err != nil || len(reaped) > 0 {
		t.Fatalf("%d nodes were given up twice, error %v", len(reaped), err)
	}
	runs, _, err := b.Take(ctx, 9, func(task.Task) bool { return true })
	if err != nil || len(runs) != 1 || runs[0].Node != id {
		t.Fatalf("took %v, error %v, want the run of node %s", runs, err, id)
	}
}

func TestANodeThatHeldMoreThanIsClearedAtATimeLeavesAllOfIt(t *testing.T) {
	url := pgtest.URL(t)
	a, _ := joined(t, url)
	b, _ := joined(t, url)
	const tasks = 4500
	records(t, a, tasks)
	if err := a.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for more := true; more; {
		var runs []task.Run
		var err error
		if runs, more, err = b.Take(ctx, 1000, func(task.Task) bool { return true }); err != nil {
			t.Fatal(err)
		}
		taken += len(runs)
	}
	if inHand, err := b.InHand(ctx); err != nil || len(inHand) != tasks || taken != tasks {
		t.Fatalf("%d runs were taken and %d are in hand, want %d, error %v", taken, len(inHand), tasks, err)
	}
}

func TestANodeThatJoinsForgetsThoseThatEndedLongAgo(t *testing.T) {
	url := pgtest.URL(t)
	a, old := joined(t, url)
	if err := a.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	run(t, conn, "UPDATE nodes SET end_time = end_time - interval '1 hour'")
	joined(t, url)
	var left int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM nodes WHERE id = $1", old.String()).Scan(&left); err != nil || left != 0 {
		t.Fatalf("%d rows are left of the node, error %v", left, err)
	}
	if _, err := a.Renew(ctx, task.NodeLoad{}); !errors.Is(err, task.ErrGivenUp) {
		t.Fatalf("got error %v", err)
	}
}
