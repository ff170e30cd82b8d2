package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// settings make the server as large as one that is used in earnest.
var settings = map[string]string{"shared_buffers": "1GB", "max_wal_size": "4GB"}

// A server is a durable PostgreSQL that lives as long as the measurement.
type server struct {
	*pgtest.Server
	// pid is its main process, the parent of all its others; version its version.
	pid     int
	version string
	names   int // of the databases that were made
}

// startServer starts a server. It must be closed.
func startServer(ctx context.Context) (*server, error) {
	started, err := pgtest.Start(pgtest.Config{Durable: true, Settings: settings})
	if err != nil {
		return nil, err
	}
	s := &server{Server: started}
	if err := s.look(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// look finds out what the server is, and that it is durable indeed.
func (s *server) look(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var backend int
	var durability string
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), current_setting('server_version'),
		concat_ws(' ', current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'))`,
	).Scan(&backend, &s.version, &durability)
	if err != nil {
		return err
	}
	if durability != "on on on" {
		return fmt.Errorf("fsync, full_page_writes and synchronous_commit are %s: all should be on", durability)
	}
	s.pid, _, _, err = readProcess("/proc/" + strconv.Itoa(backend) + "/stat")
	return err
}

// database makes a database, and returns its name and how it is removed.
func (s *server) database(ctx context.Context) (name string, remove func() error, err error) {
	s.names++
	name = fmt.Sprintf("bench%d_%d", os.Getpid(), s.names)
	remove = func() error {
		ctx := context.WithoutCancel(ctx)
		if err := s.Exec(ctx, "postgres", "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			return err
		}
		return s.Exec(ctx, "postgres", "CHECKPOINT") // what is written later is not to burden the next measurement
	}
	return name, remove, s.Exec(ctx, "postgres", "CREATE DATABASE "+name)
}
