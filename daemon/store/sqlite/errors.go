package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/clockd/clockd/daemon/task"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// fault turns an error of SQLite or its driver into one of ours: it is task.ErrUnavailable, and nothing
// of the driver can be reached through it. This is the only place that knows the driver's errors.
func (s *Store) fault(err error) error {
	if err == nil || errors.Is(err, task.ErrUnavailable) {
		return err
	}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			return ended
		}
	}
	switch code(err) & 0xff {
	case lib.SQLITE_FULL:
		return s.unavailable("the disk is full; make room, nothing was lost", err)
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return s.damaged(err.Error())
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return s.unavailable("another program is using the file; close it, clockd must be alone", err)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH, lib.SQLITE_CANTOPEN:
		return s.unavailable("the file or its folder cannot be written; both must be this user's", err)
	case lib.SQLITE_IOERR:
		return s.unavailable("the disk does not take or give data", err)
	}
	return s.unavailable("SQLite refuses", err)
}

func (s *Store) unavailable(what string, err error) error {
	return fmt.Errorf("%w: store %q: %s (%s)", task.ErrUnavailable, s.path, what, err.Error())
}

// damaged says that the file is not what was written.
func (s *Store) damaged(finding string) error {
	return fmt.Errorf("%w: store %q is damaged: %s; stop the daemon and restore the file from a backup, or read what is left with \"sqlite3 FILE .recover\"",
		task.ErrUnavailable, s.path, finding)
}

// duplicate reports whether err says that a unique value is there already.
func duplicate(err error) bool {
	c := code(err)
	return c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_PRIMARYKEY
}

// code is SQLite's extended result code, or 0 if the error is not SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// unreadable says that a row holds what this program cannot read.
func (s *Store) unreadable(err error) error {
	return fmt.Errorf("%w: store %q: %s; a newer clockd may have written it, or the file is damaged", task.ErrUnavailable, s.path, err.Error())
}
