package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// smallFile is up to how many bytes a file is checked whole at each start: some tenths of a second.
const smallFile = 32 << 20

// prepare makes the file ours if it is new, checks it, brings its schema up to date, and returns where its
// numbers have come to. It runs under the lock, so nobody else is at it.
func (s *Store) prepare(ctx context.Context, db *sql.DB) (n numbers, err error) {
	db.SetMaxOpenConns(1) // pragmas and what follows them see the same connection
	defer db.SetMaxOpenConns(0)
	exec := func(query string, args ...any) {
		if err == nil {
			_, err = db.ExecContext(ctx, query, args...)
			err = s.fault(err)
		}
	}
	value := func(into any, query string) {
		if err == nil {
			err = s.fault(db.QueryRowContext(ctx, query).Scan(into))
		}
	}

	var id, objects int64
	value(&id, "PRAGMA application_id")
	value(&objects, "SELECT count(*) FROM sqlite_schema")
	if err == nil && id != applicationID && objects == 0 {
		// Before WAL, so that checkFile finds it in the header even if we are killed right after this.
		exec("PRAGMA application_id = " + strconv.Itoa(applicationID))
	}
	var mode string
	value(&mode, "PRAGMA journal_mode = WAL")
	if err == nil && mode != "wal" {
		err = fmt.Errorf("store %q: its folder does not allow a write-ahead log (journal mode %q); put it on a local disk", s.path, mode)
	}
	if err == nil {
		err = s.migrate(ctx, db)
	}

	exec("INSERT INTO store (only, namespace, next_run) VALUES (1, ?, 1) ON CONFLICT DO NOTHING", s.namespace)
	var namespace string
	value(&namespace, "SELECT namespace FROM store")
	if err == nil && namespace != s.namespace {
		err = fmt.Errorf("store %q holds namespace %q, not %q; give this daemon another file or that namespace",
			s.path, namespace, s.namespace)
	}
	fresh, random := uuid.NewRandom()
	if err == nil && random != nil {
		err = fmt.Errorf("store %q: %w", s.path, random)
	}
	exec("UPDATE store SET id = ? WHERE id IS NULL", fresh[:])
	value(&s.id, "SELECT id FROM store")
	value(&n.change, "SELECT change FROM store")
	value(&n.deleted, "SELECT deleted FROM store")
	value(&n.takenBack, "SELECT taken_back FROM store")
	value(&n.nextRun, "SELECT max(next_run, 1 + coalesce((SELECT run FROM runs ORDER BY run DESC LIMIT 1), 0)) FROM store")
	value(&n.nextTask, "SELECT max(next_task, 1 + coalesce((SELECT pk FROM tasks ORDER BY pk DESC LIMIT 1), 0)) FROM store")
	value(&n.nextEvent, "SELECT max(next_event, 1 + coalesce((SELECT event FROM audit ORDER BY event DESC LIMIT 1), 0)) FROM store")
	n.reserved = n.change
	return n, err
}

// check looks for damage. A whole check reads every page, so a large file is only probed: its schema,
// and both ends of each table and index, which takes milliseconds. What lies between is found when it
// is used, see fault.
func (s *Store) check(ctx context.Context, db *sql.DB) error {
	var pages, size int64
	if err := db.QueryRowContext(ctx, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size); err != nil {
		return s.fault(err)
	}
	if pages*size <= smallFile {
		var verdict string
		if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
			return s.fault(err)
		}
		if verdict != "ok" {
			return s.damaged(verdict)
		}
		return nil
	}
	for _, probe := range []string{
		"SELECT pk, id FROM tasks ORDER BY pk", "SELECT name FROM tasks ORDER BY name", "SELECT id FROM tasks ORDER BY id",
		"SELECT name FROM tasks WHERE state = 1 ORDER BY name", "SELECT pk, fire_count FROM clocks ORDER BY pk",
		"SELECT next_fire_time FROM clocks WHERE next_fire_time IS NOT NULL ORDER BY next_fire_time",
		"SELECT run, task FROM runs ORDER BY run", "SELECT id, run FROM requests ORDER BY id",
	} {
		for _, end := range []string{" ASC LIMIT 1", " DESC LIMIT 1"} {
			rows, err := db.QueryContext(ctx, probe+end)
			if err != nil {
				return s.fault(err)
			}
			rows.Next()
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return s.fault(err)
			}
		}
	}
	return nil
}

// migrate refuses a schema that this program does not know, looks for damage, and brings the schema up to
// date.
func (s *Store) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("store %q: %w", s.path, err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return s.fault(err)
	}
	sources := p.ListSources()
	known := sources[len(sources)-1].Version
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return s.fault(err)
	}
	if version > known {
		return fmt.Errorf("store %q was written by a newer clockd: its schema has version %d, this one knows up to %d; use that clockd, or another file",
			s.path, version, known)
	}
	if err := s.check(ctx, db); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return s.fault(err)
	}
	return nil
}
