package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
)

// at is an instant as version 1 stored it.
func at(d time.Duration) int64 { return base.Add(d).UnixMicro() }

// beforeNext is how far tasks are recorded that fire an hour after base, which is long past.
var beforeNext = base.Add(time.Hour - time.Microsecond)

// oldClocks are clocks as version 1 stored them, and where each is recorded up to.
var oldClocks = []struct {
	name                   string
	next, anchor, lastFire any
	recorded               time.Time
}{
	{name: "has fired", next: at(time.Hour), anchor: at(-time.Hour), lastFire: at(0), recorded: beforeNext},
	{name: "has a new trigger", next: at(time.Hour), anchor: at(time.Minute), lastFire: at(0), recorded: beforeNext},
	{name: "has never fired", next: at(time.Hour), anchor: at(0), recorded: beforeNext},
	{name: "fires at once", next: at(0), anchor: at(0), recorded: base.Add(-time.Microsecond)},
	{name: "is behind an event", next: at(-time.Minute), anchor: at(-time.Hour), lastFire: at(0), recorded: base.Add(-time.Minute - time.Microsecond)},
	{name: "has no next fire", anchor: at(-time.Hour), lastFire: at(time.Second), recorded: base.Add(time.Second)},
	{name: "has no clock"},
}

// makeSchema makes a file of a schema version, lets fill put into it what it likes, in one transaction, and returns
// its path.
func makeSchema(t *testing.T, version int64, fill func(exec func(query string, args ...any))) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clockd.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec("PRAGMA application_id = 0x636c6b64")
	exec("PRAGMA journal_mode = WAL")
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"),
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		t.Fatal(err)
	}
	exec("INSERT INTO store (only, namespace, next_run) VALUES (1, ?, 1)", storetest.Namespace)
	exec("BEGIN")
	fill(exec)
	exec("COMMIT")
	return path
}

// makeOld makes a file of schema version 1 with the tasks above, more of them to fill pages, and two runs of
// the first, and returns its path.
func makeOld(t *testing.T, more int) string {
	t.Helper()
	return makeSchema(t, 1, func(exec func(query string, args ...any)) { fillOld(t, exec, more) })
}

func fillOld(t *testing.T, exec func(query string, args ...any), more int) {
	t.Helper()
	pk := 0
	add := func(name string, next, anchor, lastFire any) {
		t.Helper()
		pk++
		id := idOf(name)
		exec(`INSERT INTO tasks (pk, id, name, state, version, create_time, update_time, description, task_group, declared_trigger,
			overlap, catch_up, delivery, timeout, target_kind, target_summary)
			VALUES (?, ?, ?, 1, 1, ?, ?, '', '', 'every 1h', 0, 0, 0, 0, 'function', 'main.do')`, pk, id[:], name, at(0), at(0))
		exec(`INSERT INTO clocks (pk, next_fire_time, fire_count, anchor_time, last_fire_time, fires) VALUES (?, ?, 3, ?, ?, x'06')`,
			pk, next, anchor, lastFire)
	}
	for _, c := range oldClocks {
		add(c.name, c.next, c.anchor, c.lastFire)
	}
	for i := range more {
		add(fmt.Sprint("more ", i), at(time.Hour), at(0), at(0))
	}
	exec(`INSERT INTO runs (run, task, state, cause, reason, attempt, fires, scheduled_time, first_scheduled_time, start_time, end_time,
		error, actor, earlier, input, output)
		VALUES (7, 1, 4, 2, 0, 2, 0, ?, ?, ?, ?, 'exit status 1', 'ann', '[{"n":1,"state":7}]', x'31', ?)`,
		at(-time.Hour), at(-2*time.Hour), at(-time.Minute), at(-time.Second), []byte(`"`+strings.Repeat("long ", 5000)+`"`))
	exec(`INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor)
		VALUES (9, 1, 7, 1, 1, 0, 1, 1, ?, '', '')`, at(0))
	exec("UPDATE clocks SET last_run = 9 WHERE pk = 1")
}

// oldRuns are the runs of makeOld.
func oldRuns() []task.Run {
	first := task.Run{
		ID: 7, TaskID: idOf("has fired"), TaskName: "has fired", State: task.Failed, Cause: task.ByCall, Attempt: 2,
		ScheduledTime: base.Add(-time.Hour), FirstScheduledTime: base.Add(-2 * time.Hour),
		StartTime: base.Add(-time.Minute), EndTime: base.Add(-time.Second),
		Earlier: []task.Attempt{{Number: 1, State: task.Lost}}, Error: "exit status 1", Actor: "ann",
		Input: []byte("1"), Output: []byte(`"` + strings.Repeat("long ", 5000) + `"`),
	}
	second := task.Run{
		ID: 9, TaskID: idOf("has fired"), TaskName: "has fired", State: task.Scheduled, Cause: task.ByFire, Attempt: 1,
		ScheduledTime: base, Fires: 1,
	}
	return []task.Run{first, second}
}

// readsOld opens a file of makeOld and checks that everything is there.
func readsOld(t *testing.T, path string, more int) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path, Namespace: storetest.Namespace, Now: func() time.Time { return base }})
	if err != nil {
		t.Fatal(err)
	}
	instant := func(v any) time.Time {
		if v == nil {
			return time.Time{}
		}
		return time.UnixMicro(v.(int64)).UTC()
	}
	for _, c := range oldClocks {
		want := plainTask(c.name)
		want.Declaration.Trigger = schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}
		want.Declaration.Target = task.Target{Kind: "function", Summary: "main.do"}
		want.Clock = task.Clock{
			NextFireTime: instant(c.next), RecordedTime: c.recorded, FireCount: 3,
			Progress: schedule.Progress{Anchor: instant(c.anchor), LastFire: instant(c.lastFire), Fires: []int64{3}},
		}
		if c.name == "has fired" {
			want.LastRun = &oldRuns()[1]
			want.Counts.Failed = 1
		}
		got, err := s.Task(ctx, task.ByName(c.name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the task that %s: (-want +got)\n%s", c.name, diff)
		}
	}
	tasks, err := s.Tasks(ctx, task.TaskQuery{NamePrefix: "more", Limit: more + 1})
	if err != nil || len(tasks) != more {
		t.Errorf("%d more tasks, want %d, error %v", len(tasks), more, err)
	}
	for _, k := range tasks {
		if !k.Clock.RecordedTime.Equal(beforeNext) {
			t.Errorf("task %q is recorded up to %v", k.Declaration.Name, k.Clock.RecordedTime)
		}
	}
	for _, want := range oldRuns() {
		got, err := s.Run(ctx, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("run %v: (-want +got)\n%s", want.ID, diff)
		}
	}
	return s
}

func TestAFileOfTheFirstSchemaIsMigratedAndGoesOn(t *testing.T) {
	path := makeOld(t, 0)
	s := readsOld(t, path, 0)
	for range 2 { // what was written since is not migrated again
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = readsOld(t, path, 0)
	}
	// The run of a new fire comes after those that were there, and its jitter is kept.
	jittered := base.Add(time.Second)
	claimed, err := s.Claim(ctx, store.ClaimRequest{Limit: 1, Ahead: time.Hour}, func(_ time.Time, d store.Due) store.Decision {
		next := d.Clock
		next.NextFireTime, next.RecordedTime = time.Time{}, d.Clock.NextFireTime
		run := plainRun(d.Name)
		run.JitteredTime = jittered
		return store.Decision{Record: []task.Run{run}, Clock: next, State: d.State}
	})
	if err != nil || len(claimed.Fires) != 1 || claimed.Fires[0].Run.ID != 10 || claimed.Fires[0].Before.RecordedTime.IsZero() {
		t.Fatalf("claimed %+v, error %v", claimed, err)
	}
	late, err := s.Record(ctx, []store.Report{{Run: task.Run{ID: 9, State: task.Succeeded, Attempt: 1}, FromAttempt: 1}}, nil)
	if err != nil || len(late) != 0 {
		t.Errorf("late %v, error %v", late, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, filepath.Dir(path))
	defer s.Close()
	fired, err := s.Task(ctx, task.ByName(claimed.Fires[0].Run.TaskName))
	if err != nil || !fired.Clock.RecordedTime.Equal(claimed.Fires[0].Before.NextFireTime) || !fired.LastRun.JitteredTime.Equal(jittered) {
		t.Errorf("the task that fired is %+v, error %v", fired, err)
	}
	if r, err := s.Run(ctx, 9); err != nil || r.State != task.Succeeded || !r.JitteredTime.IsZero() {
		t.Errorf("run 9 is %+v, error %v", r, err)
	}
}

// newest is the schema version that this program writes.
const newest = 5

// versionOf is the schema version of a file that nobody has open.
func versionOf(t *testing.T, path string) (version int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT max(version_id) FROM schema_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// A process that has migrated the file is killed before it closes it, so the write-ahead log holds all that
// it wrote, in order. Every start of that log is what a kill at some moment leaves.
func TestAMigrationThatIsKilledAnywhereIsDoneByTheNextOpen(t *testing.T) {
	const more = 150
	path := makeOld(t, more)
	p := startHelper(t, "hold", path)
	if !p.lines.Scan() {
		t.Fatal("the helper did not start")
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // says that it was killed
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frame = 32, 24 + 4096
	cuts := []int{0, header / 2, header}
	for end := header + frame; end <= len(log); end += frame {
		cuts = append(cuts, end-frame/2, end)
	}
	found := make(map[int]int)
	for _, cut := range cuts {
		leave := func() string {
			path := filepath.Join(t.TempDir(), "clockd.db")
			for name, content := range map[string][]byte{path: file, path + "-wal": log[:cut]} {
				if err := os.WriteFile(name, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return path
		}
		found[versionOf(t, leave())]++
		path := leave()
		s := readsOld(t, path, more)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if v := versionOf(t, path); v != newest {
			t.Errorf("killed after %d bytes: opened as version %d", cut, v)
		}
	}
	// All or nothing: the version changes with the last page of a migration and not before.
	if len(found) != newest || found[1] < 6 || found[2] < 6 || found[3] < 1 || found[4] < 1 || found[newest] < 1 {
		t.Errorf("of %d moments, this many left each version: %v", len(cuts), found)
	}
}

func TestAMigrationThatFailsLeavesTheFileAsItWas(t *testing.T) {
	path := makeOld(t, 0)
	// What comes last in the migration cannot be done.
	run(t, path, "ALTER TABLE runs ADD COLUMN jittered_time INTEGER")
	c := sqlite.Config{Path: path, Namespace: storetest.Namespace}
	refused(t, c, "duplicate column name")
	if _, err := sqlite.Open(ctx, c); !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
	if v := versionOf(t, path); v != 1 {
		t.Errorf("the file has version %d", v)
	}
	run(t, path, "ALTER TABLE runs DROP COLUMN jittered_time")
	if err := readsOld(t, path, 0).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAContextThatEndsBeforeTheMigrationLeavesTheFileAsItWas(t *testing.T) {
	path := makeOld(t, 0)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sqlite.Open(canceled, sqlite.Config{Path: path, Namespace: storetest.Namespace}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still open: %v", err)
	}
	if v := versionOf(t, path); v != 1 {
		t.Errorf("the file has version %d", v)
	}
}

func TestAFileOfTheSecondSchemaCountsWhatItsRunsBecame(t *testing.T) {
	path := makeSchema(t, 2, func(exec func(query string, args ...any)) {
		for i, name := range []string{"a", "b"} {
			id := idOf(name)
			exec(`INSERT INTO tasks (pk, id, name, state, version, create_time, update_time, description, task_group, declared_trigger,
				overlap, catch_up, delivery, timeout, target_kind, target_summary)
				VALUES (?, ?, ?, 1, 1, ?, ?, '', 'g', 'every 1m', 0, 0, 0, 0, '', '')`, i+1, id[:], name, at(0), at(0))
			exec("INSERT INTO clocks (pk, next_fire_time, recorded_time, fire_count, anchor_time) VALUES (?, ?, ?, 3, ?)", i+1, at(0), at(-1), at(0))
		}
		// Each state and reason once, with 5 fires: 3 Succeeded to 9 Missed, Skipped for each reason, and one to go.
		run := 0
		for _, outcome := range [][2]int{{3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 1}, {8, 2}, {8, 4}, {8, 5}, {9, 3}, {1, 0}} {
			run++
			exec(`INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor, jittered_time)
				VALUES (?, 1, nullif(?, 0), ?, 1, ?, 0, 5, ?, '', '', ?)`, run, run-1, outcome[0], outcome[1], at(0), at(time.Second))
		}
		exec("UPDATE clocks SET last_run = ? WHERE pk = 1", run)
	})
	var id uuid.UUID
	for i := range 2 {
		s := open(t, filepath.Dir(path))
		tasks, err := s.Tasks(ctx, task.TaskQuery{Group: "g", Limit: 9})
		if err != nil || len(tasks) != 2 {
			t.Fatalf("tasks %+v, error %v", tasks, err)
		}
		want := task.Counts{
			Succeeded: 1, Failed: 1, TimedOut: 1, Canceled: 1, Lost: 1,
			SkippedOverlap: 5, SkippedPaused: 5, SkippedOrphaned: 5, SkippedExcluded: 5, Missed: 5, Merged: 6 * 4,
		}
		if diff := cmp.Diff([]task.Counts{want, {}}, []task.Counts{tasks[0].Counts, tasks[1].Counts}); diff != "" {
			t.Errorf("counts: (-want +got)\n%s", diff)
		}
		p, err := s.Position(ctx)
		if err != nil || p.ID == uuid.Nil || p.OldestOpen != 11 || p.Change != 0 || i > 0 && p.ID != id {
			t.Errorf("position %+v after %v, error %v", p, id, err)
		}
		id = p.ID
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
