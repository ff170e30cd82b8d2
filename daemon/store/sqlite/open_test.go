package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
)

// noDriver fails if anything of SQLite, its driver or database/sql can be reached through err.
func noDriver(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if at := reflect.Indirect(reflect.ValueOf(err)).Type().PkgPath(); strings.Contains(at, "sqlite") || strings.Contains(at, "sql") {
		t.Errorf("the error %q has the type %T of the driver", err, err)
	}
	switch e := err.(type) { //nolint:errorlint // walks the chain itself
	case interface{ Unwrap() error }:
		noDriver(t, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			noDriver(t, err)
		}
	}
}

// refused opens what must not open, and checks what the error says.
func refused(t *testing.T, c sqlite.Config, says ...string) {
	t.Helper()
	s, err := sqlite.Open(ctx, c)
	if err == nil {
		_ = s.Close()
		t.Fatalf("%q was opened", c.Path)
	}
	noDriver(t, err)
	for _, want := range append(says, strconv.Quote(c.Path)) {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
}

func TestOpenSaysWhatStandsInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE songs (title TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	text := file("notes.txt", "buy milk")
	link := filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}

	for promise, c := range map[string]struct {
		path string
		says []string
	}{
		"a folder that is missing":        {filepath.Join(dir, "no", "such", "clockd.db"), []string{"does not exist", filepath.Join(dir, "no", "such"), "create it"}},
		"a folder that is a file":         {filepath.Join(text, "clockd.db"), []string{"is not a folder"}},
		"a folder below a file":           {filepath.Join(text, "sub", "clockd.db"), []string{"cannot be used"}},
		"a file that is a folder":         {dir, []string{"is a folder", "clockd.db"}},
		"a device":                        {link, []string{"not a regular file"}},
		"a short text":                    {text, []string{"not a database", "buy milk"}},
		"a long text":                     {file("long.txt", strings.Repeat("la", 5000)), []string{"not a database"}},
		"the database of somebody else":   {foreign, []string{"of another program"}},
		"a place where nothing can be":    {"/proc/clockd.db", []string{"cannot be locked"}},
		"a file format of a newer SQLite": {file("newer.db", "SQLite format 3\x00\x10\x00\x03\x03"+strings.Repeat("\x00", 4076)), []string{"newer"}},
	} {
		t.Run(promise, func(t *testing.T) { refused(t, sqlite.Config{Path: c.path, Namespace: storetest.Namespace}, c.says...) })
	}
	if _, err := sqlite.Open(ctx, sqlite.Config{}); err == nil || !strings.Contains(err.Error(), "path of a file") {
		t.Errorf("no path: got error %v", err)
	}

	// What is not ours is left as it is.
	if got, err := os.ReadFile(text); err != nil || string(got) != "buy milk" {
		t.Errorf("the text is now %q, error %v", got, err)
	}
	for _, gone := range []string{foreign + "-wal", foreign + "-shm"} {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made", gone)
		}
	}
}

// Permissions do not bind root, so as root only the cases above are seen.
func TestOpenSaysWhatPermissionIsMissing(t *testing.T) {
	if os.Geteuid() == 0 {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "clockd.db")
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "permission denied")
	sealed := t.TempDir()
	if err := os.Chmod(sealed, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(t, sqlite.Config{Path: filepath.Join(sealed, "clockd.db")}, "permission denied")
}

func TestOpenRefusesAnotherNamespace(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "clockd.db")
	refused(t, sqlite.Config{Path: path, Namespace: "b"}, `holds namespace "storetest", not "b"`)
	s := open(t, dir) // the refusal has given up the lock and changed nothing
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "clockd.db")
	run(t, path, "INSERT INTO schema_version (version_id, is_applied) VALUES (999, 1)")
	refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "newer clockd", "version 999", "up to 5")
	run(t, path, "DELETE FROM schema_version WHERE version_id = 999")
	s = open(t, dir)
	defer s.Close()
	if _, err := s.Task(ctx, task.ByName("a")); err != nil {
		t.Error(err)
	}
}

// run runs a statement on a file that nobody has open.
func run(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesASecondOpenerAndNamesTheFirst(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clockd.db")
	p := startHelper(t, "hold", path)
	if !p.lines.Scan() {
		t.Fatal("the helper did not start")
	}
	refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "held by process "+strconv.Itoa(p.Process.Pid), "since 20", "another file")
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "held by process "+strconv.Itoa(os.Getpid()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFollowsLinksToTheLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	other := t.TempDir()
	for link, target := range map[string]string{
		filepath.Join(other, "link.db"): filepath.Join(dir, "clockd.db"),
		filepath.Join(other, "folder"):  dir,
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(other, "link.db"), filepath.Join(other, "folder", "clockd.db")} {
		refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "held by process")
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 20 {
		create(t, s, "task-"+strconv.Itoa(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "clockd.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for promise, damage := range map[string]func(b []byte) []byte{
		"a page is overwritten": func(b []byte) []byte {
			for i := 2 * 4096; i < 12*4096; i++ {
				b[i] = 0xa5
			}
			return b
		},
		"the end is cut off": func(b []byte) []byte { return b[:3*4096] },
		"the schema is overwritten": func(b []byte) []byte {
			for i := 100; i < 4096; i++ {
				b[i] = 0xa5
			}
			return b
		},
	} {
		t.Run(promise, func(t *testing.T) {
			if err := os.WriteFile(path, damage(append([]byte(nil), whole...)), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "damaged", "backup")
		})
	}
}

func TestOpenRefusesADamagedLargeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clockd.db")
	s := open(t, dir)
	create(t, s, "a")
	_, _, err := s.Call(ctx, task.ByName("a"), idOf("x"), func(t task.Task) (task.Run, task.Event, error) {
		r, event, err := asks("a")(t)
		r.Input = make([]byte, 33<<20) // more than is checked whole
		return r, event, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", 18*4096)), 2*4096); err != nil {
		t.Fatal(err)
	}
	refused(t, sqlite.Config{Path: path, Namespace: storetest.Namespace}, "damaged", "backup")
}

func TestOpenWithAContextThatHasEndedOpensNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "clockd.db")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

func TestFilesAreReadableByTheirOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	create(t, s, "a")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v, error %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, error %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestPathsMayHaveAnyCharacter(t *testing.T) {
	for _, name := range []string{"a b?c=d&mode=memory.db", "100%25.db", "#1.db", "ü'\".db", "file:x.db", ":memory:"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := sqlite.Open(ctx, sqlite.Config{Path: path, Namespace: storetest.Namespace})
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, "a")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() < 4096 {
			t.Errorf("%q: %v, error %v", name, info, err)
		}
	}
}

func TestCallsAfterCloseAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryCreate(s, "b"); !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("update: got error %v", err)
	}
	if _, err := s.Task(ctx, task.ByName("a")); !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("read: got error %v", err)
	}
}

func TestStoreWorksInABubble(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		defer s.Close()
		create(t, s, "a")
		claimed, err := s.Claim(t.Context(), store.ClaimRequest{Limit: 1, Ahead: 1 << 62}, skip)
		if err != nil || claimed.Now.Year() != 2000 {
			t.Errorf("claimed at %v, error %v", claimed.Now, err)
		}
	})
}
