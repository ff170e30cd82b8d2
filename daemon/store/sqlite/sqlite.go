package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Config says which file to open.
type Config struct {
	// Path is the file. It is created, readable by its owner only, if it is not there; its folder must
	// be. Beside it lie PATH-wal and PATH-shm, which belong to it, and PATH.lock.
	Path string
	// Namespace is that of all its tasks. A new file takes it for good; a file that has another is
	// refused. It may be empty.
	Namespace string
	// Now is what the store takes for the time. It is for tests of what happens when the machine's clock is set,
	// which testing/synctest can not do, and must be the clock of the daemon that uses the store.
	// It is called in the midst of a claim or a record, so it must be quick and must not call the store.
	// Defaults to time.Now.
	Now func() time.Time
}

// readers is how many reads can go on at the same time. A read is short; what waits for a reader waits
// with its context.
const readers = 4

// pragmas of every connection. A checkpoint every 2000 pages (8 MiB) keeps the longest commit short;
// rarer ones made claims a little faster and their p99 three times longer. There is no mmap: a bad page
// would be a SIGBUS instead of an error.
var (
	writerPragmas = []string{
		"busy_timeout(5000)", "synchronous(FULL)", "cache_size(-65536)", "temp_store(MEMORY)",
		"foreign_keys(OFF)", "journal_size_limit(67108864)", "wal_autocheckpoint(2000)",
	}
	readerPragmas = []string{"busy_timeout(5000)", "cache_size(-8192)", "temp_store(MEMORY)", "query_only(ON)"}
)

// Store keeps tasks and runs in one file. It implements store.Store and is safe for concurrent use.
type Store struct {
	path      string // as the caller wrote it: for messages
	namespace string
	id        uuid.UUID // of the file
	clock     func() time.Time
	observer  atomic.Pointer[store.Observer] // nil: none
	lock      *lock
	dbs       []*sql.DB // lend the connections; each connection is held for the life of the Store
	main      *session  // the writer's
	writer    *writer
	readers   chan *session // those that are free
	all       []*session    // the readers, free or not
	closing   chan struct{} // closed by Close
	closeOnce sync.Once
}

var _ store.Store = (*Store)(nil)

// Open opens or creates the file, brings its schema up to date and starts the writer. Errors say what
// stands in the way: the place, another process, a file that is something else, damaged, newer than
// this program, or of another namespace. Close ends what Open started.
func Open(ctx context.Context, c Config) (_ *Store, err error) {
	abs, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", c.Path, err)
	}
	if err := checkPlace(c.Path, abs); err != nil {
		return nil, err
	}
	// Whoever opens the same file by way of a link must meet the same lock.
	switch real, err := filepath.EvalSymlinks(abs); {
	case err == nil:
		abs = real
	case isLink(abs):
		return nil, fmt.Errorf("store %q is a link to a file that is not there; give the path of the file itself", c.Path)
	}
	s := &Store{
		path:      c.Path,
		namespace: c.Namespace,
		clock:     c.Now,
		readers:   make(chan *session, readers),
		closing:   make(chan struct{}),
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	defer func() {
		if err != nil {
			_ = s.Close() // what went wrong first is what counts
		}
	}()
	if s.lock, err = acquire(c.Path, abs); err != nil {
		return nil, err
	}
	if err := checkFile(c.Path, abs); err != nil {
		return nil, err
	}
	db, err := s.open(abs, writerPragmas)
	if err != nil {
		return nil, err
	}
	numbers, err := s.prepare(ctx, db)
	if err != nil {
		return nil, err
	}
	if s.main, err = s.connect(ctx, db); err != nil {
		return nil, err
	}
	db, err = s.open(abs, readerPragmas)
	if err != nil {
		return nil, err
	}
	for range readers {
		r, err := s.connect(ctx, db)
		if err != nil {
			return nil, err
		}
		s.readers <- r
		s.all = append(s.all, r)
	}
	s.writer = startWriter(s, s.main, numbers)
	return s, nil
}

func (s *Store) open(abs string, pragmas []string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(abs, pragmas))
	if err != nil {
		return nil, s.fault(err)
	}
	s.dbs = append(s.dbs, db)
	return db, nil
}

// Close finishes what was asked for, ends the writer, closes the file and gives up the lock.
func (s *Store) Close() (err error) {
	s.closeOnce.Do(func() {
		close(s.closing)
		if s.writer != nil {
			s.writer.stop()
		}
		for range s.all {
			err = errors.Join(err, (<-s.readers).close()) // its last read has ended
		}
		if s.main != nil {
			err = errors.Join(err, s.main.close())
		}
		// The last connection to go folds the write-ahead log into the file: the writer's.
		for _, db := range slices.Backward(s.dbs) {
			err = errors.Join(err, s.fault(db.Close()))
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.release())
		}
	})
	return err
}

// dsn names the file to the driver. The path is escaped: SQLite reads it as a URI, in which ? and % mean
// something.
func dsn(abs string, pragmas []string) string {
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// now is the clock of the store.
func (s *Store) now() time.Time { return task.Instant(s.clock()) }

// closed is the answer after Close.
func (s *Store) closed() error {
	return fmt.Errorf("%w: store %q is closed", task.ErrUnavailable, s.path)
}
