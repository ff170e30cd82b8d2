// Package pgtest gives tests a PostgreSQL of their own. It is imported by tests only.
//
// A package whose tests need one has
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) } // or os.Exit(pgtest.Main(m).Run())
//
// and calls [URL] for a fresh database, or [Schema]. The server behind it is started when the first test asks, forgets all when it is
// killed, which makes it quick, and is stopped when the tests have ended. A test that restarts the server, kills it, or
// measures how fast it is, starts another one: see [Start].
//
// The server is what is installed on the machine. If nothing is, tests fail and say what to install.
package pgtest

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Main wraps the tests of a package, so that the server which URL has started ends with them.
func Main(m interface{ Run() int }) *Tests { return &Tests{main: m} }

// Tests are those of a package.
type Tests struct {
	main interface{ Run() int }
}

// shared is the server behind URL.
var shared struct {
	sync.Mutex
	running bool // within Tests.Run
	server  *Server
	err     error // of the start, which is tried once
}

// Run runs the tests, stops the server and returns the exit code.
func (t *Tests) Run() int {
	shared.Lock()
	shared.running = true
	shared.Unlock()
	code := t.main.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// URL returns that of a database which is fresh, and dropped when the test has ended.
func URL(t testing.TB) string {
	t.Helper()
	server, err := theShared()
	if err != nil {
		t.Fatal(err)
	}
	return server.Database(t)
}

// Schema returns a URL whose parameter "schema" names one that is not there yet, in a database that all tests share: that
// is quicker than a database for each, for tests of what lies in one schema. It goes with the server.
func Schema(t testing.TB) string {
	t.Helper()
	server, err := theShared()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s&schema=test%d", server.URL("postgres"), server.names.Add(1))
}

// theShared starts the server behind URL if nobody has.
func theShared() (*Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if !shared.running {
		return nil, fmt.Errorf("nobody would stop PostgreSQL: pgtest.Main must wrap the tests in TestMain")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start(Config{})
	}
	return shared.server, shared.err
}
