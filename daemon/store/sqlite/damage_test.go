package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func TestALinkToNothingIsRefused(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(filepath.Join(dir, "real.db"), link); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), sqlite.Config{Path: link, Namespace: "n"})
	if err == nil || !strings.Contains(err.Error(), "is a link to a file that is not there") {
		t.Errorf("error %v", err)
	}
}

func TestOneDamagedClockDoesNotKeepTheOthersFromFiring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Namespace: "n"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	bad, good := task.IDOf("n", "bad"), task.IDOf("n", "good")
	names := map[uuid.UUID]string{bad: "bad", good: "good"}
	due := task.Instant(time.Now().Add(-time.Minute))
	_, err := s.Update(t.Context(), []uuid.UUID{bad, good}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		return store.Change{Task: &task.Task{
			ID: id, Namespace: "n", State: task.Active, Version: 1, CreateTime: due, UpdateTime: due,
			Declaration: task.Declaration{Name: names[id], Trigger: schedule.MustParse("every 1s")},
			Clock:       task.Clock{NextFireTime: due, Progress: schedule.Progress{Anchor: due}},
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE clocks SET fires = x'ff' WHERE pk = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	defer s.Close()
	for i := range 2 {
		claimed, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 10}, func(now time.Time, d store.Due) store.Decision {
			clock := d.Clock
			clock.NextFireTime = clock.NextFireTime.Add(time.Second)
			return store.Decision{Clock: clock, State: d.State, Record: []task.Run{{
				TaskID: d.ID, State: task.Scheduled, Cause: task.ByFire, ScheduledTime: d.Clock.NextFireTime, Fires: 1, Attempt: 1,
			}}}
		})
		if err != nil || len(claimed.Fires) != 1 || claimed.Fires[0].Run.TaskID != good {
			t.Errorf("claim %d: fires %v, %v", i, claimed.Fires, err)
		}
		if rejected := i == 0; len(claimed.Rejected) != 0 != rejected || rejected && claimed.Rejected[0] != bad {
			t.Errorf("claim %d: rejected %v", i, claimed.Rejected)
		}
	}
}
