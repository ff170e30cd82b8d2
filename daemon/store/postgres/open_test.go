package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5/pgconn"
)

// with returns a URL with another parameter.
func with(t *testing.T, text, name, value string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// as returns a URL with another user.
func as(t *testing.T, text, user, password string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// of returns a URL with another database.
func of(t *testing.T, text, database string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// hidden fails if something of the driver, or the password, can be found in an error.
func hidden(t *testing.T, err error) {
	t.Helper()
	var server *pgconn.PgError
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	if errors.As(err, &server) || errors.As(err, &connect) || errors.As(err, &parse) {
		t.Errorf("an error of the driver can be reached through %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password is in %q", err)
	}
}

func TestOpenSaysWhatStandsInTheWay(t *testing.T) {
	there := pgtest.URL(t)
	openOn(t, there)
	admin := connect(t, there)
	run(t, admin, "CREATE ROLE poor LOGIN")
	run(t, admin, "CREATE SCHEMA newer")
	openOn(t, with(t, there, "schema", "newer"))
	run(t, admin, "INSERT INTO newer.schema_version (version_id, is_applied) VALUES (99, true)")
	t.Cleanup(func() { run(t, admin, "DROP ROLE poor") })
	for promise, c := range map[string]struct {
		url, namespace string
		waiting        bool // may help
		says           []string
	}{
		"the server can not be reached": {
			url: "postgres://ann:s3cret@127.0.0.1:1/db", waiting: true, says: []string{`store "127.0.0.1:1/db"`, "can not be reached", "refused"},
		},
		"the database is not there":  {url: of(t, there, "nothere"), says: []string{"nothere", "does not exist", "CREATE DATABASE"}},
		"the user is not there":      {url: as(t, there, "nobody", "s3cret"), says: []string{"does not let this user in", "nobody"}},
		"the user may do nothing":    {url: with(t, as(t, there, "poor", "s3cret"), "schema", "other"), says: []string{"permission denied", "CREATE SCHEMA other AUTHORIZATION"}},
		"the tables are of another":  {url: as(t, there, "poor", "s3cret"), says: []string{"permission denied", "schema clockd"}},
		"the schema has a bad name":  {url: with(t, there, "schema", `x";DROP`), says: []string{`schema "x\";DROP"`, "write a letter"}},
		"there are too few connects": {url: with(t, there, "pool_max_conns", "1"), says: []string{"pool_max_conns=1", "at least 2"}},
		"the URL is none":            {url: "postgres://ann:s3cret@host:port/db", says: []string{"URL of the store"}},
		"the namespace is another":   {url: there, namespace: "elsewhere", says: []string{`holds namespace "storetest", not "elsewhere"`, "?schema="}},
		"the schema is newer":        {url: with(t, there, "schema", "newer"), says: []string{"newer clockd", "version 99"}},
	} {
		t.Run(promise, func(t *testing.T) {
			if c.namespace == "" {
				c.namespace = storetest.Namespace
			}
			s, err := postgres.Open(t.Context(), postgres.Config{URL: c.url, Namespace: c.namespace})
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if errors.Is(err, task.ErrUnavailable) != c.waiting {
				t.Errorf("that waiting may help is not %t of: %v", c.waiting, err)
			}
			hidden(t, err)
		})
	}
}

func TestAWrongPasswordIsToldWithoutIt(t *testing.T) {
	server, err := pgtest.Start(pgtest.Config{
		Settings: map[string]string{"hba_file": "d/strict.conf"},
		Files:    map[string][]byte{"strict.conf": []byte("local all test trust\nlocal all all scram-sha-256\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	there := server.Database(t)
	admin := connect(t, there)
	run(t, admin, "CREATE ROLE ann LOGIN PASSWORD 'right'")
	_, err = postgres.Open(t.Context(), postgres.Config{URL: as(t, there, "ann", "s3cret")})
	if err == nil || errors.Is(err, task.ErrUnavailable) || !strings.Contains(err.Error(), `password authentication failed for user "ann"`) || !strings.Contains(err.Error(), "PGPASSFILE") {
		t.Errorf("got error %v", err)
	}
	hidden(t, err)
}

func TestNodesThatStartAtTheSameTimeOnAnEmptyDatabaseAllComeUp(t *testing.T) {
	there := pgtest.URL(t)
	var wg sync.WaitGroup
	ids := make([]string, 10)
	for i := range ids {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: there, Namespace: storetest.Namespace})
			if err != nil {
				t.Error(err)
				return
			}
			p, err := s.Position(ctx)
			if err != nil {
				t.Error(err)
			}
			ids[i] = p.ID.String()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("the stores have different ids: %v", ids)
		}
	}
}

func TestAUserWithoutTheRightToCreateMayUseASchemaThatIsItsOwn(t *testing.T) {
	there := pgtest.URL(t)
	admin := connect(t, there)
	run(t, admin, "CREATE ROLE modest LOGIN")
	run(t, admin, "CREATE SCHEMA own AUTHORIZATION modest")
	t.Cleanup(func() {
		run(t, admin, "DROP SCHEMA own CASCADE")
		run(t, admin, "DROP ROLE modest")
	})
	s := openAt(t, with(t, as(t, there, "modest", ""), "schema", "own"))
	create(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSchemasOfOneDatabaseDoNotKnowOfEachOther(t *testing.T) {
	there := pgtest.URL(t)
	a, b := openOn(t, there), openOn(t, with(t, there, "schema", "b_2"))
	create(t, a, "a")
	if _, err := b.Task(ctx, task.ByName("a")); !errors.Is(err, task.ErrTaskNotFound) {
		t.Errorf("got error %v", err)
	}
	create(t, b, "a")
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := opened(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, read := s.Task(ctx, task.ByName("a"))
	for _, err := range []error{read, tryCreate(s, "a")} {
		if !errors.Is(err, task.ErrUnavailable) || !strings.Contains(err.Error(), "is closed") {
			t.Errorf("got error %v", err)
		}
		hidden(t, err)
	}
}

func TestAnOpenThatIsCanceledEnds(t *testing.T) {
	there := pgtest.URL(t)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := postgres.Open(canceled, postgres.Config{URL: there}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}
