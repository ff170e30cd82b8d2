package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
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
	trimmed atomic.Int64 // when marks of transactions were last deleted, in seconds since 1970
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
	if s.pool, err = s.connect(ctx, config); err != nil {
		return nil, s.refused(err)
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

// connect makes the pool, and its first connection. A pooler between us and the server may refuse the parameters that we
// give to sessions: then it must do without, see checkPath.
func (s *Store) connect(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
	for again := false; ; again = true {
		pool, err := pgxpool.NewWithConfig(ctx, config.Copy())
		if err != nil {
			return nil, err
		}
		err = pool.Ping(ctx)
		if err == nil {
			return pool, nil
		}
		pool.Close()
		if code(err) != protocolViolation || again {
			return nil, err
		}
		for name := range sessionParams {
			delete(config.ConnConfig.RuntimeParams, name)
		}
		delete(config.ConnConfig.RuntimeParams, "search_path")
	}
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
	for name, value := range sessionParams {
		if params[name] == "" {
			params[name] = value
		}
	}
	switch {
	case !strings.Contains(url, "pool_max_conns"):
		config.MaxConns = defaultConns
	case config.MaxConns < minConns:
		return nil, "", fmt.Errorf("URL of the store: pool_max_conns=%d: at least %d", config.MaxConns, minConns)
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	return config, schema, nil
}

const (
	// defaultConns is how many connections the pool has at most: one claims, one records, one follows the feed, and some read
	// or edit.
	defaultConns = 10
	// minConns is enough to start, when one holds a lock and another works, and to find out what became of a commit.
	minConns = 2
	// connectTimeout is how long a connection may take to come about.
	connectTimeout = 5 * time.Second
)

// sessionParams are parameters of the server for our connections, unless the URL has others.
var sessionParams = map[string]string{
	// Whoever stops in the midst of a transaction, as a process that is suspended does, must not hold up the whole cluster.
	"idle_in_transaction_session_timeout": "5s",
	// All that we ask has an index. A plan that was made while a table was small, and reads all of it, stays for too long.
	"enable_seqscan": "off",
	// What has no index after all, such as the one row of store, counts as so dear then that a compiler is brought to bear
	// on it, which takes a hundred times as long as the statement.
	"jit": "off",
}

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
