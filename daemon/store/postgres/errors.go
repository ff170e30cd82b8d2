package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of errors of PostgreSQL.
const (
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	uniqueViolation       = "23505"
	insufficientPrivilege = "42501"
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	noSuchDatabase        = "3D000"
	diskFull              = "53100"
	tooManyConnections    = "53300"
	adminShutdown         = "57P01"
	crashShutdown         = "57P02"
	cannotConnectNow      = "57P03"
	readOnly              = "25006"
	lockNotAvailable      = "55P03"
	idleTimeout           = "25P03"
	protocolViolation     = "08P01"
	noSuchStatement       = "26000"
	duplicateStatement    = "42P05"
)

// errMoved says that a task was made, or has got the name asked for, between two statements of a transaction.
var errMoved = errors.New("a task has changed its name meanwhile")

// fault turns an error of PostgreSQL or its driver into one of ours: it is task.ErrUnavailable, and nothing of the driver
// can be reached through it. This is the only place that knows the driver's errors.
func (s *Store) fault(err error) error {
	if err == nil || ours(err) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled // the caller's: what is ours has deadlines
	}
	what := "the server can not be reached, or the connection was lost"
	switch code(err) {
	case "":
		if s.closed.Load() {
			return fmt.Errorf("%w: store %q is closed", task.ErrUnavailable, s.place)
		}
	case diskFull:
		what = "the disk of the server is full; make room, nothing was lost"
	case tooManyConnections:
		what = "the server has no connection left; raise max_connections there, or lower pool_max_conns in the URL"
	case adminShutdown, crashShutdown, cannotConnectNow:
		what = "the server stops or starts"
	case readOnly:
		what = "the server takes no writes; is it a replica?"
	case insufficientPrivilege:
		what = "a right is missing"
	case noSuchStatement, duplicateStatement:
		what = "what is between clockd and the server, such as PgBouncer, does not keep prepared statements; add default_query_exec_mode=cache_describe to the URL"
	case serializationFailure, deadlockDetected, lockNotAvailable:
		what = "other transactions were in the way again and again"
	default:
		what = "PostgreSQL refuses"
	}
	return fmt.Errorf("%w: store %q: %s (%s)", task.ErrUnavailable, s.place, what, redacted(err))
}

// ours reports whether an error has one of the classes that a Store may return, or is of a function handed in.
func ours(err error) bool {
	for _, class := range []error{task.ErrUnavailable, task.ErrTaskNotFound, task.ErrRunNotFound, task.ErrExists, task.ErrHeld, task.ErrGivenUp} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// redacted is the text of an error of the driver on one line. What it says of the URL holds no password.
func redacted(err error) string {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		text := p.Message + ", SQLSTATE " + p.Code
		if p.Detail != "" {
			text += ": " + p.Detail
		}
		return text
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// code is PostgreSQL's, or empty if the error is none of the server's.
func code(err error) string {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// passing reports whether the same transaction may well go through if it is made again: others were in its way, or the
// connection broke before it was to be committed.
func passing(err error) bool {
	switch code(err) {
	case serializationFailure, deadlockDetected, uniqueViolation, adminShutdown, crashShutdown, cannotConnectNow, idleTimeout:
		return true
	case "":
		return !ours(err) && !errors.Is(err, context.Canceled)
	}
	return false
}

// answered reports whether an error is the server's answer to a statement. It is not if the server has ended the connection:
// it may have carried out more than it could say.
func answered(err error) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.SeverityUnlocalized != "FATAL" && p.SeverityUnlocalized != "PANIC"
}

// unreadable says that a row holds what this program can not read.
func (s *Store) unreadable(err error) error {
	return fmt.Errorf("%w: store %q: %s; a newer clockd may have written it, or it is damaged", task.ErrUnavailable, s.place, err.Error())
}

// functionError is the error of a function that was handed in, or of what it asks for. It goes to the caller as it is.
type functionError struct{ error }

func (e *functionError) Unwrap() error { return e.error }
