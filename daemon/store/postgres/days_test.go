package postgres_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const aDay = 24 * time.Hour

// calendar is a store whose day the test sets, and what it has recorded.
type calendar struct {
	t    *testing.T
	url  string
	s    *postgres.Store
	conn *pgx.Conn
	id   uuid.UUID
	runs []task.Run // the oldest first
}

func newCalendar(t *testing.T) *calendar {
	t.Helper()
	url := pgtest.URL(t)
	c := &calendar{t: t, url: url, s: openOn(t, url), id: task.IDOf(storetest.Namespace, "a")}
	c.conn = connect(t, url)
	_, err := c.s.Update(ctx, []uuid.UUID{c.id}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
		return store.Change{Task: &task.Task{
			ID: id, Namespace: storetest.Namespace, State: task.Active, Version: 1,
			Declaration: task.Declaration{Name: "a", Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}}},
		}}, nil
	})
	c.ok(err)
	return c
}

func (c *calendar) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// record records runs in these states, one after the other, as of so many days from now.
func (c *calendar) record(s *postgres.Store, days int, states ...task.RunState) {
	c.t.Helper()
	s.ShiftDay(time.Duration(days) * aDay)
	for _, state := range states {
		u, err := s.Update(ctx, []uuid.UUID{c.id}, func(id uuid.UUID, _ *task.Task) (store.Change, error) {
			return store.Change{Record: []task.Run{{TaskID: id, State: state, Cause: task.ByCall, ScheduledTime: time.Unix(int64(days), 0)}}}, nil
		})
		c.ok(err)
		c.runs = append(c.runs, u[0].Recorded[0])
	}
}

// sweep sweeps as of so many days from now.
func (c *calendar) sweep(days int) {
	c.t.Helper()
	c.s.ShiftDay(time.Duration(days) * aDay)
	_, err := c.s.Sweep(ctx, time.Unix(0, 0), 100)
	c.ok(err)
}

// partitions returns for which days from now there are partitions.
func (c *calendar) partitions() (days []int) {
	c.t.Helper()
	rows, err := c.conn.Query(ctx, `SELECT to_date(substr(relname, 6), 'YYYYMMDD') - (now() AT TIME ZONE 'UTC')::date FROM pg_inherits
		JOIN pg_class ON oid = inhrelid WHERE inhparent = 'runs'::regclass AND relname <> 'runs_default' ORDER BY 1`)
	c.ok(err)
	days, err = pgx.CollectRows(rows, pgx.RowTo[int])
	c.ok(err)
	return days
}

// wantPartitions fails unless there are partitions for just these days.
func (c *calendar) wantPartitions(days ...int) {
	c.t.Helper()
	if got := c.partitions(); !slices.Equal(got, days) {
		c.t.Errorf("there are partitions for days %v, want %v", got, days)
	}
}

// wantAll fails unless a store finds all runs, by whatever way.
func (c *calendar) wantAll(s *postgres.Store) {
	c.t.Helper()
	var want, got []task.RunID
	for _, r := range slices.Backward(c.runs) {
		want = append(want, r.ID)
	}
	for _, id := range want {
		if r, err := s.Run(ctx, id); err != nil || r.ID != id {
			c.t.Errorf("run %v is not found: %v", id, err)
		}
	}
	for _, id := range []uuid.UUID{c.id, uuid.Nil} {
		got = nil
		for q := (task.RunQuery{TaskID: id, Limit: 3}); ; {
			page, err := s.Runs(ctx, q)
			c.ok(err)
			for _, r := range page.Runs {
				got = append(got, r.ID)
			}
			if q.From = page.Next; q.From == 0 {
				break
			}
		}
		if !slices.Equal(want, got) {
			c.t.Errorf("the history is %v, want %v", got, want)
		}
	}
	got = nil
	for q := (task.ChangedQuery{Limit: 3}); ; {
		page, err := s.RunsChanged(ctx, q)
		c.ok(err)
		for _, r := range page.Runs {
			got = append(got, r.ID)
		}
		if q.From = page.Next; q.From == 0 {
			break
		}
	}
	slices.Reverse(got)
	if !slices.Equal(want, got) {
		c.t.Errorf("what has changed is %v, want %v", got, want)
	}
	if t, err := s.Task(ctx, task.ByID(c.id)); err != nil || t.LastRun == nil || t.LastRun.ID != want[0] {
		c.t.Errorf("the last run is %+v, want %v, error %v", t.LastRun, want[0], err)
	}
}

// end ends a run.
func (c *calendar) end(s *postgres.Store, place int) {
	c.t.Helper()
	r := c.runs[place]
	r.State, r.EndTime = task.Succeeded, time.Unix(1, 0)
	late, err := s.Record(ctx, []store.Report{{Run: r, FromAttempt: r.Attempt}}, nil)
	c.ok(err)
	if len(late) > 0 {
		c.t.Errorf("the end of run %v is late", r.ID)
	}
}

func TestRunsAreFoundOnWhateverDayTheyWereRecorded(t *testing.T) {
	c := newCalendar(t)
	for day := range 40 {
		c.record(c.s, day*day, task.Succeeded, task.Scheduled)
	}
	c.wantAll(c.s)
	other := openOn(t, c.url)
	c.wantAll(other)
	for _, known := range []int{0, 1, 5, 39} {
		other.ForgetDays(known)
		c.wantAll(other)
	}
}

func TestARunEndsOnTheDayOnWhichItWasRecorded(t *testing.T) {
	c := newCalendar(t)
	other := openOn(t, c.url)
	c.record(c.s, 0, task.Scheduled, task.Scheduled)
	c.record(c.s, 5, task.Scheduled)
	c.record(other, 9, task.Scheduled, task.Succeeded)
	for i := range 4 {
		// Whoever ends it may not know yet which days there were.
		other.ForgetDays(i)
		c.end([]*postgres.Store{c.s, other}[i%2], i)
		c.wantAll(c.s)
	}
	rows, err := c.conn.Query(ctx, `SELECT day - (now() AT TIME ZONE 'UTC')::date FROM runs ORDER BY run`)
	c.ok(err)
	days, err := pgx.CollectRows(rows, pgx.RowTo[int])
	c.ok(err)
	if want := []int{0, 0, 5, 9, 9}; !slices.Equal(want, days) {
		t.Errorf("the days are %v, want %v", days, want)
	}
}

func TestADayThatHasBegunAtAnotherNodeDoesNotBeginAgainAndNoneGoesBack(t *testing.T) {
	c := newCalendar(t)
	other := openOn(t, c.url)
	c.record(c.s, 1, task.Succeeded)
	c.record(other, 1, task.Succeeded)
	c.record(other, 2, task.Succeeded)
	c.record(c.s, 1, task.Succeeded) // its clock is behind
	c.record(c.s, 2, task.Succeeded)
	rows, err := c.conn.Query(ctx, `SELECT first_run FROM days ORDER BY day`)
	c.ok(err)
	first, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	c.ok(err)
	if want := []int64{1, 3}; !slices.Equal(want, first) {
		t.Errorf("the days begin with runs %v, want %v", first, want)
	}
	c.wantAll(c.s)
	c.wantAll(other)
}

func TestPartitionsAreMadeAheadAndDroppedWhenTheyAreOldAndEmpty(t *testing.T) {
	c := newCalendar(t)
	c.wantPartitions(0, 1)
	c.record(c.s, 0, task.Succeeded)
	c.sweep(1)
	c.record(c.s, 1, task.Succeeded, task.Scheduled)
	c.sweep(2)
	c.record(c.s, 2, task.Succeeded)
	c.sweep(3)
	c.sweep(4)
	c.wantPartitions(0, 1, 2, 3, 4, 5)
	c.record(c.s, 4, task.Succeeded, task.Scheduled)
	c.sweep(9)
	c.wantPartitions(0, 1, 2, 4, 9, 10)
	pruned, err := c.s.Prune(ctx, c.id, 100, func(r *task.Run, _ int64) bool { return r.ID == c.runs[3].ID })
	c.ok(err)
	if pruned.Deleted != 3 || pruned.Kept != 1 {
		t.Errorf("pruned: %+v", pruned)
	}
	open, kept := []task.Run{c.runs[2], c.runs[5]}, c.runs[3]
	c.runs = []task.Run{open[0], kept, open[1]}
	c.wantAll(c.s)
	c.sweep(10) // of 0 nothing is left; in 1 and 4 nothing is, but each has a run that has still to end
	c.wantPartitions(1, 2, 4, 9, 10, 11)
	c.wantAll(c.s)
	c.end(c.s, 0)
	c.end(c.s, 2)
	c.wantAll(c.s)
	c.wantAll(openOn(t, c.url))
	c.sweep(11)
	c.wantPartitions(1, 2, 4, 9, 10, 11, 12)
	_, err = c.s.Prune(ctx, c.id, 100, func(r *task.Run, _ int64) bool { return r.ID == open[1].ID })
	c.ok(err)
	c.sweep(12)
	c.wantPartitions(4, 10, 11, 12, 13)
	c.runs = c.runs[2:]
	c.wantAll(c.s)
	c.wantAll(openOn(t, c.url))
}

func TestARunOfADayWithoutAPartitionIsKeptAndFound(t *testing.T) {
	c := newCalendar(t)
	c.record(c.s, 7, task.Succeeded, task.Scheduled)
	c.sweep(7) // comes too late for that day
	c.record(c.s, 7, task.Succeeded)
	c.record(c.s, 8, task.Succeeded)
	c.end(c.s, 1)
	c.wantAll(c.s)
	c.wantPartitions(8)
	c.sweep(20)
	c.wantAll(openOn(t, c.url))
	pruned, err := c.s.Prune(ctx, c.id, 100, func(*task.Run, int64) bool { return false })
	c.ok(err)
	if pruned.Deleted != 4 {
		t.Errorf("pruned: %+v", pruned)
	}
}

func TestNodesThatSweepAtTheSameTimeMakeAndDropTheSamePartitions(t *testing.T) {
	c := newCalendar(t)
	nodes := []*postgres.Store{c.s, openOn(t, c.url), openOn(t, c.url), openOn(t, c.url)}
	for round := range 5 {
		var all sync.WaitGroup
		for _, s := range nodes {
			s.ShiftDay(time.Duration(round*4) * aDay)
			all.Go(func() {
				if _, err := s.Sweep(ctx, time.Unix(0, 0), 100); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	for _, s := range nodes { // whoever gave way comes again an hour later
		s.ShiftDay(16*aDay + time.Hour)
		_, err := s.Sweep(ctx, time.Unix(0, 0), 100)
		c.ok(err)
	}
	c.wantPartitions(16, 17)
}

func TestAPartitionThatIsBeingReadIsDroppedLater(t *testing.T) {
	c := newCalendar(t)
	reader, err := c.conn.Begin(ctx)
	c.ok(err)
	_, err = reader.Exec(ctx, "SELECT count(*) FROM runs WHERE day = '"+time.Now().UTC().Format(time.DateOnly)+"'")
	c.ok(err)
	c.sweep(5) // it does not wait for the reader to end
	c.record(c.s, 5, task.Succeeded)
	c.ok(reader.Rollback(ctx))
	c.wantPartitions(0, 1, 5, 6)
	c.s.ShiftDay(5*aDay + 2*time.Hour)
	_, err = c.s.Sweep(ctx, time.Unix(0, 0), 100)
	c.ok(err)
	c.wantPartitions(5, 6)
	c.wantAll(c.s)
}
