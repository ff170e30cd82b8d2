package sqlite_test

import (
	"slices"
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
)

// ended returns n plain runs that have succeeded.
func ended(name string, n int) []task.Run {
	runs := make([]task.Run, n)
	for i := range runs {
		runs[i] = plainRun(name)
		runs[i].State = task.Succeeded
	}
	return runs
}

// history is the ids of the runs of a task, the newest first.
func history(t *testing.T, s store.Store, name string) (ids []task.RunID) {
	t.Helper()
	for q := (task.RunQuery{TaskID: idOf(name), Limit: 1000}); ; {
		page, err := s.Runs(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		if q.From = page.Next; q.From == 0 {
			return ids
		}
	}
}

// withHistory opens a store with one task and so many runs that have ended.
func withHistory(t *testing.T, dir string, n int) *sqlite.Store {
	t.Helper()
	s := open(t, dir)
	create(t, s, "a")
	if err := update(s, "a", store.Change{Record: ended("a", n)}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAHistoryThatIsLongerThanALookIsPrunedToItsEnd(t *testing.T) {
	const long = 25_000 // a look goes over 10,000
	s := withHistory(t, t.TempDir(), long)
	defer s.Close()
	// Two runs of a thousand each stay, and what is between them lies across the end of a look.
	stays := func(r *task.Run) bool { return r.ID > 19_000 && r.ID <= 20_000 || r.ID <= 1000 }
	p, err := s.Prune(ctx, idOf("a"), long, func(r *task.Run, _ int64) bool { return stays(r) })
	if err != nil || p.Deleted != long-2000 || p.Kept != 2000 || p.More {
		t.Errorf("pruned %+v, error %v", p, err)
	}
	ids := history(t, s, "a")
	if len(ids) != 2000 || ids[0] != 20_000 || ids[999] != 19_001 || ids[1000] != 1000 || ids[1999] != 1 {
		t.Errorf("%d runs are left", len(ids))
	}
	if k, err := s.Task(ctx, task.ByName("a")); err != nil || k.LastRun.ID != 20_000 || k.Counts.Succeeded != long {
		t.Errorf("the task is %+v, error %v", k, err)
	}
}

func TestPruneLeavesAChainThatHasChangedMeanwhileWhole(t *testing.T) {
	for name, c := range map[string]struct {
		change store.Change
		want   []task.RunID
	}{
		"recorded":                 {store.Change{Record: ended("a", 2)}, []task.RunID{12, 11, 8, 4}},
		"took the newest back":     {store.Change{TakeBack: []task.RunID{10}}, []task.RunID{9, 8, 4}},
		"took one within back":     {store.Change{TakeBack: []task.RunID{6}}, []task.RunID{8, 4}},
		"took the first back":      {store.Change{TakeBack: []task.RunID{7}}, []task.RunID{8, 6, 5, 4}},
		"took the last back":       {store.Change{TakeBack: []task.RunID{5}}, []task.RunID{8, 7, 6, 4}},
		"took a kept one back":     {store.Change{TakeBack: []task.RunID{8}}, []task.RunID{7, 6, 5, 4}},
		"took the one below back":  {store.Change{TakeBack: []task.RunID{4}}, []task.RunID{8, 3, 2, 1}}, // for the next time
		"deleted the task":         {store.Change{Delete: true}, nil},
		"took back and recorded":   {store.Change{TakeBack: []task.RunID{10, 9}, Record: ended("a", 1)}, []task.RunID{11, 8, 4}},
		"took the oldest one back": {store.Change{TakeBack: []task.RunID{1}}, []task.RunID{8, 3, 2, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withHistory(t, t.TempDir(), 10)
			defer s.Close()
			changed := false
			_, err := s.Prune(ctx, idOf("a"), 100, func(r *task.Run, _ int64) bool {
				if r.ID == 1 && !changed {
					changed = true
					if err := update(s, "a", c.change); err != nil {
						t.Error(err)
					}
				}
				return r.ID == 8 || r.ID == 4
			})
			if err != nil {
				t.Fatal(err)
			}
			got := history(t, s, "a")
			slices.Sort(c.want)
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("left are %v, want %v", got, c.want)
			}
			if c.change.Delete {
				return
			}
			// The next prune does what this one left.
			if _, err := s.Prune(ctx, idOf("a"), 100, func(*task.Run, int64) bool { return false }); err != nil {
				t.Fatal(err)
			}
			if n := rows(t, s, "runs"); n != 0 || len(history(t, s, "a")) != 0 {
				t.Errorf("%d runs are left", n)
			}
		})
	}
}
