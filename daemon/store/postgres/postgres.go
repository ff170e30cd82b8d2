package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DefaultSchema is the schema that holds the tables, if the URL names no other.
const DefaultSchema = "clockd"

// Config says how a Store is opened.
type Config struct {
	// URL is that of the database, as libpq and pgx read it, environment variables such as PGPASSWORD and files such as
	// that of PGPASSFILE included: postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full. Besides, "schema" names the
	// schema that holds the tables, which is made if it is not there (default DefaultSchema), and pool_max_conns is how many
	// connections are open at most (default 10, one more listens).
	URL string
	// Namespace is that of all tasks. All daemons on one schema have the same.
	Namespace string
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// Store keeps tasks and runs in PostgreSQL. It implements store.Cluster and is safe for concurrent use: see the package
// comment.
type Store struct {
	namespace string
	schema    string
	place     string // host and database, for people; never a password
	log       *slog.Logger
	pool      *pgxpool.Pool
	id        uuid.UUID // that of the data: see store.Position

	node    atomic.Pointer[uuid.UUID] // for which this Store acts
	days    days
	horizon horizon
	feed    follower
	due     chan struct{} // poked when something became due earlier; size one
	stop    context.CancelFunc
	tasks   sync.WaitGroup // the goroutines
	closed  atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open connects, brings the schema up to date and returns the Store. An error of the class task.ErrUnavailable says that
// the server can not be reached now; any other says what has to be changed.
func Open(ctx context.Context, c Config) (*Store, error) {
	config, schema, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	target := config.ConnConfig
	s := &Store{
		namespace: c.Namespace, schema: schema, log: c.Logger, due: make(chan struct{}, 1), feed: newFollower(),
		place: net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))) + "/" + target.Database,
	}
	s.node.Store(new(uuid.UUID))
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.fault(err)
	}
	if err := s.prepare(ctx); err != nil {
		s.pool.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.tasks.Go(func() { s.listen(running, config.ConnConfig) })
	s.tasks.Go(func() { s.follow(running) })
	return s, nil
}

// Close gives the connections back. No other method may be called after it. The node, if this Store acts for one, lives
// until its lease ends: see Leave.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.stop()
	s.tasks.Wait()
	s.pool.Close()
	return nil
}

// me is the node for which the Store acts.
func (s *Store) me() uuid.UUID { return *s.node.Load() }

// Due is poked when something has become due earlier than before, perhaps at another node. It is a wake-up at most:
// who sleeps looks every second in any case, for there are servers and proxies that tell nobody.
func (s *Store) Due() <-chan struct{} { return s.due }

// parse reads a URL.
func parse(url string) (*pgxpool.Config, string, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, "", fmt.Errorf("URL of the store: %s", redacted(err))
	}
	params := config.ConnConfig.RuntimeParams
	schema := params["schema"]
	delete(params, "schema")
	if schema == "" {
		schema = DefaultSchema
	}
	if !validSchema(schema) {
		return nil, "", fmt.Errorf("URL of the store: schema %q: write a letter or \"_\", then letters, digits and \"_\", in lower case, at most 63", schema)
	}
	params["search_path"] = schema
	if params["application_name"] == "" {
		params["application_name"] = "clockd"
	}
	if config.MaxConns < minConns {
		config.MaxConns = minConns
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	return config, schema, nil
}

const (
	// minConns is how many connections there are at least: one claims, one records, and somebody may want to read.
	minConns = 10
	// connectTimeout is how long a connection may take to come about.
	connectTimeout = 5 * time.Second
)

func validSchema(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i, c := range []byte(name) {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
