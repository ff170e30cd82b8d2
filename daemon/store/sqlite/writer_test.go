package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

var ctx = context.Background()

// skip is a ClaimFunc that moves the task on and records nothing.
func skip(_ time.Time, d store.Due) store.Decision {
	d.Clock.NextFireTime = d.Clock.NextFireTime.Add(time.Hour)
	return store.Decision{Clock: d.Clock, State: d.State}
}

// grouped makes the writer carry out calls as one group: it holds the writer until all of them wait.
func grouped(t *testing.T, s *sqlite.Store, calls ...func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Update(ctx, []uuid.UUID{idOf("held")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			close(held)
			<-free
			return store.Change{}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	for _, call := range calls {
		before := s.Waiting()
		wg.Go(call)
		for s.Waiting() == before {
			runtime.Gosched()
		}
	}
	close(free)
	wg.Wait()
}

func TestACallThatFailsTakesNobodyWithIt(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	create(t, s, "held", "claimed")
	var kept, refusedErr, panicked, claimErr, recordErr error
	var run task.Run
	var callErr error
	var fired store.Claimed
	grouped(t, s,
		func() { kept = tryCreate(s, "kept") },
		func() {
			_, refusedErr = s.Update(ctx, []uuid.UUID{idOf("no"), idOf("no2")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
				if id == idOf("no2") {
					return store.Change{}, errNo
				}
				t := plainTask("no")
				return store.Change{Task: &t, Record: []task.Run{plainRun("no"), plainRun("no")}}, nil
			})
		},
		func() {
			_, panicked = s.Update(ctx, []uuid.UUID{idOf("held")}, func(uuid.UUID, *task.Task) (store.Change, error) { panic("out of cheese") })
		},
		func() {
			run, _, callErr = s.Call(ctx, task.ByName("claimed"), idOf("request"), asks("claimed"))
		},
		func() {
			_, recordErr = s.Record(ctx, []store.Report{{Run: task.Run{ID: 1, State: task.Succeeded}}}, nil)
		},
		func() {
			fired, claimErr = s.Claim(ctx, store.ClaimRequest{Limit: 5}, func(_ time.Time, d store.Due) store.Decision {
				if d.Name == "kept" {
					panic("no more cheese")
				}
				return skip(time.Time{}, d)
			})
		},
	)
	if kept != nil || callErr != nil || recordErr != nil {
		t.Errorf("errors %v, %v, %v of calls that were right", kept, callErr, recordErr)
	}
	if !errors.Is(refusedErr, errNo) || panicked == nil || claimErr == nil {
		t.Errorf("errors %v, %v, %v of calls that were wrong", refusedErr, panicked, claimErr)
	}
	if !strings.Contains(panicked.Error(), "out of cheese") || !strings.Contains(claimErr.Error(), "no more cheese") {
		t.Errorf("the panics became %q and %q", panicked, claimErr)
	}
	// The runs of the call that was undone have left no gap, and the report found the run before it.
	if run.ID != 1 || len(fired.Fires) != 0 {
		t.Errorf("the call is run %v", run.ID)
	}
	if r, err := s.Run(ctx, 1); err != nil || r.State != task.Succeeded {
		t.Errorf("run 1 is %v, error %v", r.State, err)
	}
	for name, want := range map[string]error{"kept": nil, "no": task.ErrTaskNotFound, "no2": task.ErrTaskNotFound} {
		if _, err := s.Task(ctx, task.ByName(name)); !errors.Is(err, want) {
			t.Errorf("task %q: error %v, want %v", name, err, want)
		}
	}
	if claimed, err := s.Task(ctx, task.ByName("claimed")); err != nil || !claimed.Clock.NextFireTime.Equal(base) {
		t.Errorf("the claim that failed has moved the task to %v, error %v", claimed.Clock.NextFireTime, err)
	}
}

var errNo = errors.New("the function says no")

func TestUpdatesGoBeforeRecordsAndRecordsBeforeOneClaim(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	create(t, s, "held")
	var order []string // written by the writer alone
	claim := func() {
		_, err := s.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
			order = append(order, "claim")
			return skip(now, d)
		})
		if err != nil {
			t.Error(err)
		}
	}
	update := func() {
		_, err := s.Update(ctx, []uuid.UUID{idOf("held")}, func(uuid.UUID, *task.Task) (store.Change, error) {
			order = append(order, "update")
			return store.Change{}, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	run, _, err := s.Call(ctx, task.ByName("held"), uuid.Nil, asks("held"))
	if err != nil {
		t.Fatal(err)
	}
	record := func() {
		report := store.Report{Run: task.Run{ID: run.ID, State: task.Running}, Decide: true}
		_, err := s.Record(ctx, []store.Report{report}, func(_ time.Time, d store.Due, _ task.Run) store.Decision {
			order = append(order, "record")
			return store.Decision{Clock: d.Clock, State: d.State}
		})
		if err != nil {
			t.Error(err)
		}
	}
	grouped(t, s, claim, claim, record, update, record, update)
	if got := strings.Join(order, " "); got != "update update record record claim claim" {
		t.Errorf("carried out: %s", got)
	}
}

func TestALongQueueOfUpdatesDoesNotHoldUpAClaim(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	create(t, s, "held")
	var order []string // written by the writer alone
	update := func() {
		_, err := s.Update(ctx, slices.Repeat([]uuid.UUID{idOf("held")}, 600), func(uuid.UUID, *task.Task) (store.Change, error) {
			if n := len(order); n == 0 || order[n-1] != "update" {
				order = append(order, "update")
			}
			return store.Change{}, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	claim := func() {
		_, err := s.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
			order = append(order, "claim")
			return skip(now, d)
		})
		if err != nil {
			t.Error(err)
		}
	}
	// Two of these updates are too many for one group.
	grouped(t, s, update, update, update, claim, claim)
	if got := strings.Join(order, " "); got != "update claim update claim update" {
		t.Errorf("carried out: %s", got)
	}
}

func TestWhoGivesUpInTheQueueIsNeverCarriedOut(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	create(t, s, "held")
	waits, cancel := context.WithCancel(ctx)
	answered := make(chan error, 1)
	grouped(
		t, s,
		func() {
			_, err := s.Update(waits, []uuid.UUID{idOf("held")}, func(uuid.UUID, *task.Task) (store.Change, error) {
				t.Error("the function was called")
				return store.Change{}, nil
			})
			answered <- err
		},
		func() {
			// It is answered while the writer is still held: it does not wait for its turn.
			cancel()
			if err := <-answered; !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v", err)
			}
			create(t, s, "after")
		},
	)
}

func TestAFunctionThatEndsItsGoroutineDoesNotStopTheStore(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	create(t, s, "held")
	var ended, after error
	grouped(t, s,
		func() {
			_, ended = s.Update(ctx, []uuid.UUID{idOf("held"), idOf("x")}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
				if id == idOf("x") {
					runtime.Goexit()
				}
				return store.Change{Record: []task.Run{plainRun("held")}}, nil
			})
		},
		func() { after = tryCreate(s, "after") },
	)
	if !errors.Is(ended, task.ErrUnavailable) {
		t.Errorf("got error %v", ended)
	}
	// The other was in the same transaction; it may try again.
	if after != nil && !errors.Is(after, task.ErrUnavailable) {
		t.Errorf("got error %v", after)
	}
	create(t, s, "after")
	if page, err := s.Runs(ctx, task.RunQuery{Limit: 5}); err != nil || len(page.Runs) != 0 {
		t.Errorf("%v, error %v", page.Runs, err)
	}
}

func TestAFullDiskLosesNothingAndPasses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "held")
	if err := s.LimitPages(30); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	full := 0
	try := func(name string) {
		switch err := tryCreate(s, name); {
		case err == nil:
			acknowledged = append(acknowledged, name)
		case errors.Is(err, task.ErrUnavailable) && strings.Contains(err.Error(), "disk is full"):
			noDriver(t, err)
			full++
		default:
			t.Fatal(err)
		}
	}
	long := strings.Repeat("n", 150)
	for i := 0; full < 3; i++ {
		try(fmt.Sprint(long, i))
	}
	// Full in the midst of a group: whoever got no error is kept.
	var mu sync.Mutex
	var calls []func()
	for i := range 20 {
		name := fmt.Sprint("small", i)
		if i == 10 {
			calls = append(calls, func() {
				var big []string
				for j := range 100 {
					big = append(big, fmt.Sprint(long, "big", j))
				}
				if err := tryCreate(s, big...); !errors.Is(err, task.ErrUnavailable) {
					t.Errorf("got error %v", err)
				}
			})
		}
		calls = append(calls, func() {
			err := tryCreate(s, name)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				acknowledged = append(acknowledged, name)
			} else if !errors.Is(err, task.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	grouped(t, s, calls...)
	if err := s.LimitPages(0); err != nil {
		t.Fatal(err)
	}
	try("room again")
	for range 2 {
		for _, name := range acknowledged {
			if _, err := s.Task(ctx, task.ByName(name)); err != nil {
				t.Error(err)
			}
		}
		tasks, err := s.Tasks(ctx, task.TaskQuery{Limit: 1000})
		if err != nil || len(tasks) != len(acknowledged)+1 {
			t.Errorf("%d tasks of %d, error %v", len(tasks), len(acknowledged)+1, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamageWhileOpenIsSaidAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("task-%04d-%s", i, strings.Repeat("x", 100)))
	}
	create(t, s, names...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	f, err := os.OpenFile(filepath.Join(dir, "clockd.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := []byte(strings.Repeat("\xa5", 4096))
	for at := int64(20 * 4096); at < info.Size(); at += 4096 {
		if _, err := f.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		_, err := s.Task(ctx, task.ByName(name))
		if err == nil {
			continue
		}
		damaged++
		noDriver(t, err)
		if !errors.Is(err, task.ErrUnavailable) || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("got error %v", err)
		}
	}
	if damaged == 0 {
		t.Error("no damage was found")
	}
	if _, err := s.Runs(ctx, task.RunQuery{Limit: 1}); err != nil {
		t.Errorf("the runs are not damaged: %v", err)
	}
}

// readLine reads what the writing helper said: what happened to which task or run.
func readLine(t *testing.T, line string) (what, name string, id task.RunID) {
	t.Helper()
	if _, err := fmt.Sscanf(line, "%s %s run %d", &what, &name, &id); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return what, name, id
}

func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clockd.db")
	seen := make(map[task.RunID]string)
	var tasks []string
	ended := make(map[task.RunID]bool)
	for round := range 3 {
		if round > 0 { // names are per round
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			clear(seen)
			clear(ended)
			tasks = nil
		}
		p := startHelper(t, "write", path)
		take := func() bool {
			if !p.lines.Scan() {
				return false
			}
			what, name, id := readLine(t, p.lines.Text())
			switch what {
			case "task":
				tasks = append(tasks, name)
				seen[id] = name
			case "call", "fire":
				seen[id] = name
			case "end":
				ended[id] = true
			}
			return true
		}
		for range 400 * (round + 1) {
			if !take() {
				t.Fatal("the helper ended by itself")
			}
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for take() { // what it said before it was killed
		}
		_ = p.Wait() // says that it was killed

		s := open(t, dir)
		for _, name := range tasks {
			if _, err := s.Task(ctx, task.ByName(name)); err != nil {
				t.Error(err)
			}
		}
		var newest task.RunID
		for id, name := range seen {
			newest = max(newest, id)
			if r, err := s.Run(ctx, id); err != nil || r.TaskName != name || ended[id] && r.State != task.Succeeded {
				t.Errorf("run %v of %q is %+v, error %v", id, name, r, err)
			}
		}
		// Everything else is whole, too: each run is in the chain of its task, and fires were counted.
		all, err := s.Tasks(ctx, task.TaskQuery{Limit: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		chained := 0
		for _, k := range all {
			page, err := s.Runs(ctx, task.RunQuery{TaskID: k.ID, Limit: 10_000})
			if err != nil || page.Next != 0 {
				t.Fatalf("next page at %v, error %v", page.Next, err)
			}
			chained += len(page.Runs)
			if fires := int64(len(page.Runs)) - k.Clock.FireCount; fires < 1 || fires > 2 {
				t.Errorf("task %q has %d runs and was fired %d times", k.Declaration.Name, len(page.Runs), k.Clock.FireCount)
			}
		}
		listed := 0
		for q := (task.RunQuery{Limit: 1000}); ; {
			page, err := s.Runs(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			listed += len(page.Runs)
			if q.From = page.Next; q.From == 0 {
				break
			}
		}
		if listed != chained || listed < len(seen) {
			t.Errorf("%d runs, %d of them in chains, %d acknowledged", listed, chained, len(seen))
		}
		run, _, err := s.Call(ctx, task.ByName(tasks[0]), uuid.Nil, asks(tasks[0]))
		if err != nil || run.ID <= newest {
			t.Errorf("the next run is %v after %v, error %v", run.ID, newest, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
