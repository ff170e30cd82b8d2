package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says what server to start. The zero Config is quick and loses everything when it is killed.
type Config struct {
	// Durable says that what was committed is there after Kill, and that commits wait for the disk.
	Durable bool
	// TCP says that it listens on a port of 127.0.0.1 too, the same one after each Restart, and that its URLs say so.
	TCP bool
	// Settings are parameters of PostgreSQL, such as "max_connections", in place of what they would be else.
	Settings map[string]string
	// Files are written into its folder for data before it starts, readable for it alone. Settings can name them.
	Files map[string][]byte
}

// Server is a PostgreSQL with nothing in it but what tests have made. Its user is "test", without a password. Its methods
// may not be called at the same time, but for Address, URL and Database.
type Server struct {
	config  Config
	dir     string // has the data and the socket
	port    int
	names   atomic.Int64 // how many databases and schemas were named
	process *process     // nil: it does not run
}

// patience is how long PostgreSQL may take to start, to recover or to stop, on a machine that has other things to do.
const patience = 2 * time.Minute

// Start starts a server. Whoever does must Close it. It ends with this process, however that ends.
func Start(c Config) (_ *Server, err error) {
	initdb, err := program(debian, "initdb")
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, port: 5432}
	if c.TCP {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if s.dir, err = folder(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.dir))
		}
	}()
	as, err := account(s.dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(initdb, "-D", s.data(), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = s.dir, as
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for name, content := range c.Files {
		if err := s.write(name, content); err != nil {
			return nil, err
		}
	}
	return s, s.Restart()
}

// freePort returns one that nobody listens on. Somebody else may take it meanwhile: then Restart fails.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (s *Server) data() string { return filepath.Join(s.dir, "d") }

// write makes a file that belongs to the server.
func (s *Server) write(name string, content []byte) error {
	path := filepath.Join(s.data(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return give(path)
}

// Restart starts the server again, after it has stopped it if it runs, and waits until it answers.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	postgres, err := program(debian, "postgres")
	if err != nil {
		return err
	}
	settings := map[string]string{
		"listen_addresses": "", "port": strconv.Itoa(s.port), "unix_socket_directories": s.dir, "max_connections": "300",
	}
	if s.config.TCP {
		settings["listen_addresses"] = "127.0.0.1"
	}
	if !s.config.Durable {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
	}
	for name, value := range s.config.Settings {
		settings[name] = value
	}
	args := []string{"-D", s.data()}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	cmd := exec.Command(postgres, args...)
	cmd.Dir = s.dir
	if cmd.SysProcAttr, err = account(s.dir); err != nil {
		return err
	}
	logs, err := os.OpenFile(s.logs(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer logs.Close()
	cmd.Stdout, cmd.Stderr = logs, logs
	if s.process, err = run(cmd); err != nil {
		return err
	}
	if err := s.answers(); err != nil {
		out, _ := os.ReadFile(s.logs())
		return errors.Join(fmt.Errorf("%s does not start: %w\n%s", postgres, err, out[max(0, len(out)-4000):]), s.end(syscall.SIGQUIT))
	}
	return nil
}

func (s *Server) logs() string { return filepath.Join(s.dir, "log") }

// answers waits until the server takes connections.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Exec(ctx, "postgres", "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.process.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return err
		}
	}
}

// Stop stops the server in good order: what is connected is cut off, what was committed is kept. It may be stopped already.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill makes the server crash: all its processes end where they are, and what was committed is recovered by Restart
// if the server is Durable. It may be stopped already.
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

// end sends a signal that ends the server, and waits until it has.
func (s *Server) end(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	err := s.process.end(signal)
	if err == nil {
		s.process = nil
	}
	return err
}

// Close ends the server and removes everything it had.
func (s *Server) Close() error { return errors.Join(s.Kill(), os.RemoveAll(s.dir)) }

// Address is where the server listens, as net.Dial takes it: for proxies.
func (s *Server) Address() (network, address string) {
	if s.config.TCP {
		return "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	}
	return "unix", filepath.Join(s.dir, ".s.PGSQL."+strconv.Itoa(s.port))
}

// URL returns that of a database. "postgres" is there from the beginning.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("test"), Path: "/" + database}
	if s.config.TCP {
		_, u.Host = s.Address()
	} else {
		u.RawQuery = url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode()
	}
	return u.String()
}

// Database makes a database and returns its URL. It is dropped, whoever is connected, when the test has ended, unless the
// server does not run then.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	name := "test" + strconv.FormatInt(s.names.Add(1), 10)
	if err := s.Exec(ctx, "postgres", "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process == nil {
			return
		}
		if err := s.Exec(ctx, "postgres", "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// Exec runs SQL in a database, on a connection of its own.
func (s *Server) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}
