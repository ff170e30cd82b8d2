package postgres

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// oldest is the oldest version of PostgreSQL that will do, as server_version_num has it.
const oldest = 140000

// prepare makes the schema if it is not there, brings it up to date and reads what holds for all.
func (s *Store) prepare(ctx context.Context) error {
	var version int
	var text string
	err := s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version')").Scan(&version, &text)
	switch {
	case err != nil:
		return s.refused(err)
	case version < oldest:
		return fmt.Errorf("store %q: the server is PostgreSQL %s; clockd needs 14 or newer", s.place, text)
	}
	for attempt := 1; ; attempt++ {
		if err = s.migrate(ctx); err == nil {
			break
		}
		if c := code(err); attempt == txAttempts || c != uniqueViolation && c != "42P07" && c != "42P06" && c != "42710" && !passing(err) {
			return s.refused(err)
		}
	}
	if _, err := s.pool.Exec(ctx, "INSERT INTO store (namespace) VALUES ($1) ON CONFLICT DO NOTHING", escape(s.namespace)); err != nil {
		return s.refused(err)
	}
	var namespace string
	var id [16]byte
	if err := s.pool.QueryRow(ctx, "SELECT namespace, id FROM store").Scan(&namespace, &id); err != nil {
		return s.refused(err)
	}
	if s.id = id; unescape(namespace) != s.namespace {
		return fmt.Errorf("store %q: schema %q holds namespace %q, not %q; give this daemon another schema (?schema=NAME in the URL) or that namespace",
			s.place, s.schema, unescape(namespace), s.namespace)
	}
	s.partitions(ctx)
	return nil
}

// refused is fault for what waiting does not heal: then it is not task.ErrUnavailable, and says what to do.
func (s *Store) refused(err error) error {
	switch code(err) {
	case insufficientPrivilege:
		return fmt.Errorf("store %q: %s; the user needs CREATE on the database, or a schema of its own: CREATE SCHEMA %s AUTHORIZATION the_user", s.place, redacted(err), s.schema)
	case invalidPassword, invalidAuthorization:
		return fmt.Errorf("store %q: the server does not let this user in: %s; set the password with PGPASSWORD or PGPASSFILE, or see its pg_hba.conf", s.place, redacted(err))
	case noSuchDatabase:
		return fmt.Errorf("store %q: %s; create it: CREATE DATABASE", s.place, redacted(err))
	}
	var told *settledError
	if errors.As(err, &told) {
		return told
	}
	var untrusted *tls.CertificateVerificationError
	var alert *net.OpError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("store %q: the certificate of the server is not trusted: %s; sslrootcert in the URL names a file with its CA, and with sslmode=verify-full it is for the host in the URL",
			s.place, untrusted.Err.Error())
	case errors.As(err, &alert) && alert.Op == "remote error": // as crypto/tls calls what the other side says of it
		return fmt.Errorf("store %q: the server does not take this TLS, or the certificate of sslcert in the URL: %s", s.place, alert.Err.Error())
	case err != nil && strings.Contains(err.Error(), "server refused TLS connection"): // the driver has no error for it
		return fmt.Errorf("store %q: the server does not speak TLS; set ssl = on there, or sslmode=disable in the URL if the network between is safe", s.place)
	}
	if err = s.fault(err); !errors.Is(err, task.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: store %q: %s", task.ErrUnavailable, s.place, err.Error())
	}
	return err
}

// settledError says what to do, and that waiting is of no use.
type settledError struct{ text string }

func (e *settledError) Error() string { return e.text }

// migrate brings the schema up to date, while all others that start wait: whoever has the table schema_lock, for as long as a
// transaction goes, is alone. A lock of a session would not do behind a pooler.
func (s *Store) migrate(ctx context.Context) error {
	name := pgx.Identifier{s.schema}.Sanitize()
	var there bool
	if err := s.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name+".schema_lock").Scan(&there); err != nil {
		return err
	}
	if !there {
		var exists bool
		if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", s.schema).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := s.pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+name); err != nil {
				return err
			}
		}
		if _, err := s.pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+name+".schema_lock ()"); err != nil {
			return err
		}
	}
	if err := s.checkPath(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(lock pgx.Tx) error {
		if _, err := lock.Exec(ctx, "LOCK TABLE "+name+".schema_lock IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		return s.up(ctx)
	})
}

// checkPath finds out whether the connections have the schema as their search_path. A pooler that gives connections to several
// clients in turn does not pass it on; but the role may have it for itself.
func (s *Store) checkPath(ctx context.Context) error {
	var current, role string
	if err := s.pool.QueryRow(ctx, "SELECT coalesce(current_schema(), ''), current_user").Scan(&current, &role); err != nil {
		return err
	}
	if current == s.schema {
		return nil
	}
	return &settledError{fmt.Sprintf("store %q: what is between clockd and the server, such as PgBouncer, does not pass on which schema to use (it is %q instead of %q); say in the database: ALTER ROLE %s SET search_path = %s; and let it connect anew",
		s.place, current, s.schema, pgx.Identifier{role}.Sanitize(), s.schema)}
}

// up runs the migrations that are yet to be run.
func (s *Store) up(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	sources := p.ListSources()
	known := sources[len(sources)-1].Version
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if version > known {
		return &settledError{fmt.Sprintf("store %q was written by a newer clockd: its schema has version %d, this one knows up to %d; use that clockd, or another schema",
			s.place, version, known)}
	}
	_, err = p.Up(ctx)
	return err
}
