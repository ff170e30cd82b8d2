package sqlite_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// observer keeps what it is told and counts how often it is asked.
type observer struct {
	mu    sync.Mutex
	asked int
	told  []store.Commit
}

func (o *observer) Wants() (tasks, runs bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	return true, true
}

func (o *observer) Committed(c store.Commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, c)
}

// take returns what it was told since the last time.
func (o *observer) take() (asked int, told []store.Commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked, told = o.asked, o.told
	o.asked, o.told = 0, nil
	return asked, told
}

// update applies one change to a task.
func update(s store.Store, name string, c store.Change) error {
	_, err := s.Update(ctx, []uuid.UUID{idOf(name)}, func(uuid.UUID, *task.Task) (store.Change, error) { return c, nil })
	return err
}

func TestAGroupIsOneCommitAndACallThatFailedIsNotInIt(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	o := new(observer)
	s.Observe(o)
	create(t, s, "held", "claimed")
	o.take()
	var p store.Position
	grouped(
		t, s,
		func() { // goes last
			var err error
			if p, err = s.Position(ctx); err != nil {
				t.Error(err)
			}
		},
		func() {
			if err := update(s, "held", store.Change{Record: []task.Run{plainRun("held")}}); err != nil {
				t.Error(err)
			}
		},
		func() {
			moved := plainTask("claimed")
			err := update(s, "claimed", store.Change{Task: &moved, Record: []task.Run{plainRun("claimed"), plainRun("held")}})
			if err == nil {
				t.Error("a run of another task was recorded")
			}
		},
		func() {
			if _, _, err := s.Call(ctx, task.ByName("held"), uuid.Nil, asks("held")); err != nil {
				t.Error(err)
			}
		},
	)
	asked, told := o.take()
	// The first group holds the writer and changes nothing.
	if asked != 2 || len(told) != 1 || told[0].Change != p.Change || told[0].OldestOpen != 1 {
		t.Fatalf("asked %d times and told %+v at %+v", asked, told, p)
	}
	var runs []task.RunID
	for _, c := range told[0].Changes {
		switch {
		case c.Run != nil:
			runs = append(runs, c.Run.ID)
			if c.Run.TaskName != "held" || c.Run.Change != p.Change {
				t.Errorf("told of %+v", c.Run)
			}
		case c.Task == nil || c.Task.Declaration.Name != "held" || c.Task.LastRun.ID != 2 || c.Task.Change != p.Change:
			t.Errorf("told of %+v", c)
		}
	}
	if len(told[0].Changes) != 3 || len(runs) != 2 || runs[0] != 1 || runs[1] != 2 {
		t.Errorf("told of %d changes and runs %v", len(told[0].Changes), runs)
	}
}

func TestWhatIsNotCommittedIsNotTold(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	o := new(observer)
	s.Observe(o)
	create(t, s, "held")
	before, err := s.Position(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o.take()
	if err := s.LimitPages(1); err != nil {
		t.Fatal(err)
	}
	var failed, last error
	for i := 0; last == nil && i < 1000; i++ {
		last = update(s, "held", store.Change{Audit: []task.Event{{Time: base, Reason: string(make([]byte, 4000))}}, Record: []task.Run{plainRun("held")}})
		if failed == nil {
			failed = last
		}
	}
	if failed == nil {
		t.Fatal("the file is never full")
	}
	if err := s.LimitPages(0); err != nil {
		t.Fatal(err)
	}
	_, told := o.take()
	if err := update(s, "held", store.Change{Record: []task.Run{plainRun("held")}}); err != nil {
		t.Fatal(err)
	}
	_, more := o.take()
	for i, c := range append(told, more...) {
		if c.Change != before.Change+int64(i)+1 {
			t.Errorf("commit %d has the number %d after %d", i, c.Change, before.Change)
		}
	}
	if len(more) != 1 {
		t.Errorf("told of %d commits once there was room", len(more))
	}
}

// crash returns a folder with what would be left of the store in dir if its process were killed now.
func crash(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	for _, name := range []string{"clockd.db", "clockd.db-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

func TestNoNumberComesAgainAfterAKill(t *testing.T) {
	dir := t.TempDir()
	var before store.Position
	for i, kill := range []bool{true, false, true, true, false} {
		s := open(t, dir)
		p, err := s.Position(ctx)
		if err != nil || p.Change < before.Change || i > 0 && p.ID != before.ID {
			t.Errorf("open %d: %+v after %+v, error %v", i, p, before, err)
		}
		for range 3 {
			create(t, s, "a")
		}
		after, err := s.Position(ctx)
		if err != nil || after.Change != p.Change+3 {
			t.Errorf("open %d: %+v after three changes and %+v, error %v", i, after, p, err)
		}
		if k, err := s.Task(ctx, task.ByName("a")); err != nil || k.Change != after.Change {
			t.Errorf("open %d: the task has change %d at %+v, error %v", i, k.Change, after, err)
		}
		before = after
		if kill {
			dir = crash(t, dir)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !kill {
			s = open(t, dir)
			if p, err := s.Position(ctx); err != nil || p.Change != before.Change {
				t.Errorf("open %d: closed at %+v and opened at %+v, error %v", i, before, p, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rows is how many rows a table of a store that is closed has.
func rows(t *testing.T, s *sqlite.Store, table string) (n int) {
	t.Helper()
	n, err := s.Rows(table)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatADeletedTaskLeftIsNeverAnothers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "old")
	for _, c := range []store.Change{
		{Record: []task.Run{plainRun("old"), plainRun("old"), plainRun("old")}, Audit: []task.Event{{Time: base}, {Time: base}}},
		{Delete: true},
	} {
		if err := update(s, "old", c); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
		if i == 0 {
			create(t, s, "new")
		}
		runs, err := s.Unfinished(ctx, 0, 9)
		if err != nil || len(runs) != i {
			t.Errorf("open %d: unfinished are %+v, error %v", i, runs, err)
		}
		late, err := s.Record(ctx, []store.Report{{Run: task.Run{ID: 2, State: task.Succeeded}}}, nil)
		if err != nil || len(late) != 1 {
			t.Errorf("open %d: late are %v, error %v", i, late, err)
		}
		// 3 runs and 2 events, 2 at a time: the second open finds it half done.
		if more, err := s.Sweep(ctx, base.Add(time.Hour), 2); err != nil || more != (i < 2) {
			t.Errorf("open %d: more %v, error %v", i, more, err)
		}
		err = update(s, "new", store.Change{Record: []task.Run{plainRun("new")}, Audit: []task.Event{{Time: base.AddDate(1, 0, 0), TaskID: idOf("new")}}})
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Runs(ctx, task.RunQuery{TaskID: idOf("new"), Limit: 9})
		if err != nil || len(page.Runs) != i+1 || page.Runs[0].ID != task.RunID(4+i) {
			t.Errorf("open %d: runs %+v, error %v", i, page.Runs, err)
		}
		events, err := s.AuditEvents(ctx, task.AuditQuery{TaskID: idOf("new"), Limit: 9})
		if err != nil || len(events) != i+1 || events[0].ID != int64(3+i) {
			t.Errorf("open %d: events %+v, error %v", i, events, err)
		}
	}
	for table, want := range map[string]int{"remains": 0, "tasks": 1, "clocks": 1, "counts": 1, "runs": 3, "audit": 3} {
		if n := rows(t, s, table); n != want {
			t.Errorf("%d rows of %s, want %d", n, table, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
