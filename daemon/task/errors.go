package task

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/google/uuid"
)

// The classes of errors. They hold on both sides of the wire: package wire maps each to a status and
// back, so that errors.Is answers the same in the daemon and in a client. Wrap them with the thing they
// speak of: `task "report": not found`.
var (
	// ErrTaskNotFound: there is no such task.
	ErrTaskNotFound = errors.New("task not found")
	// ErrRunNotFound: there is no such run.
	ErrRunNotFound = errors.New("run not found")
	// ErrInvalid: the caller asked for something that cannot be. See [InvalidError].
	ErrInvalid = schedule.ErrInvalid
	// ErrStale: the task was changed since the caller read it. See [StaleError].
	ErrStale = errors.New("stale etag")
	// ErrExists: there is a task of that name.
	ErrExists = errors.New("task exists")
	// ErrDeclared: a program declares the task, so that it is changed and removed there.
	ErrDeclared = errors.New("task is declared by a program")
	// ErrNotAllowed: the daemon was not started so that it may do that.
	ErrNotAllowed = errors.New("not allowed")
	// ErrNoConfig: the daemon takes no config file.
	ErrNoConfig = errors.New("daemon takes no config file")
	// ErrTooSlow: a watch was not read as fast as things change. It can go on with its last resume token.
	ErrTooSlow = errors.New("watch is too slow")
	// ErrOtherNamespace: a worker asks for another namespace than that of the daemon.
	ErrOtherNamespace = errors.New("other namespace")
	// ErrReplaced: a newer connection of the same worker has taken the place of this one.
	ErrReplaced = errors.New("worker has connected anew")
	// ErrWorkerLost: a worker has not answered for a whole lease.
	ErrWorkerLost = errors.New("worker is lost")
	// ErrOrphaned: no live node can run the task.
	ErrOrphaned = errors.New("task is orphaned")
	// ErrTriggerFault: the trigger in force of the task can not be used as it is.
	ErrTriggerFault = errors.New("trigger can not be used")
	// ErrHeld: another node of the cluster holds the task, or the run. Waiting helps. See [HeldError].
	ErrHeld = errors.New("held by another node")
	// ErrGivenUp: the other nodes of the cluster have given this one up, because it gave no sign of life for a whole
	// lease: nothing that it held is its own any more.
	ErrGivenUp = errors.New("node was given up")
	// ErrUnavailable: the store did not take or give data. Nothing was changed; waiting may help.
	ErrUnavailable = errors.New("store unavailable")
	// ErrStarting: the daemon is not up yet. Waiting helps.
	ErrStarting = errors.New("daemon is starting")
	// ErrStopping: the daemon is stopping and takes no more work. Waiting may help.
	ErrStopping = errors.New("daemon is stopping")
)

// Violation says what is wrong with one field.
type Violation = schedule.Violation

// InvalidError holds all violations found. Its class is ErrInvalid.
type InvalidError = schedule.InvalidError

// Invalid returns an InvalidError with one violation.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{Violations: []Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}}
}

// NotFoundError names a thing that is not there. Its class is ErrTaskNotFound or ErrRunNotFound.
type NotFoundError struct {
	// Class is ErrTaskNotFound or ErrRunNotFound.
	Class error
	// Name is the id or name asked for.
	Name string
}

func (e *NotFoundError) Error() string {
	if e.Class == ErrRunNotFound {
		return fmt.Sprintf("run %q: not found", e.Name)
	}
	return fmt.Sprintf("task %q: not found", e.Name)
}

// Unwrap returns the class.
func (e *NotFoundError) Unwrap() error { return e.Class }

// TaskNotFound returns a NotFoundError for the task.
func TaskNotFound(r Ref) error {
	name := r.Name
	if r.ID != uuid.Nil {
		name = r.ID.String()
	}
	return &NotFoundError{Class: ErrTaskNotFound, Name: name}
}

// RunNotFound returns a NotFoundError for the run.
func RunNotFound(id RunID) error {
	return &NotFoundError{Class: ErrRunNotFound, Name: id.String()}
}

// ExistsError names a task that is there already. Its class is ErrExists.
type ExistsError struct {
	// Name is the name of the task.
	Name string
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("task %q exists; choose another name, or update it", e.Name)
}

// Unwrap returns ErrExists.
func (e *ExistsError) Unwrap() error { return ErrExists }

// StaleError says that a task was changed since the caller read it. Its class is ErrStale.
type StaleError struct {
	// Task is the name of the task.
	Task string
	// Have is the etag the task has, Want the one the caller sent.
	Have, Want string
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("task %q has changed: its etag is %q, the request has %q; read the task again and decide anew", e.Task, e.Have, e.Want)
}

// Unwrap returns ErrStale.
func (e *StaleError) Unwrap() error { return ErrStale }

// TooSlowError ends a watch that was not read as fast as things change. Its class is ErrTooSlow.
type TooSlowError struct {
	// Position is where the watch had come to: one that resumes there misses nothing.
	Position WatchPosition
	// ResumeToken is the same in the form of the API, which internal/rpc fills in. Empty in the daemon, and where
	// there is none yet: then begin anew.
	ResumeToken string
}

func (e *TooSlowError) Error() string {
	return fmt.Sprintf("%s: more has changed since change %d than is kept for it; resume it from there", ErrTooSlow, e.Position.Change)
}

// Unwrap returns ErrTooSlow.
func (e *TooSlowError) Unwrap() error { return ErrTooSlow }

// MaxName is the longest task name, in bytes.
const MaxName = 200

// CheckName says what is wrong with a task name, or nil: it must have 1 to [MaxName] bytes of valid
// UTF-8, no control characters, and no space at either end.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is missing")
	case len(name) > MaxName:
		return fmt.Errorf("a name of %d bytes is too long: at most %d", len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not valid UTF-8", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%q has a control character", name)
		}
	}
	if first, _ := utf8.DecodeRuneInString(name); unicode.IsSpace(first) {
		return fmt.Errorf("%q starts with a space", name)
	}
	if last, _ := utf8.DecodeLastRuneInString(name); unicode.IsSpace(last) {
		return fmt.Errorf("%q ends with a space", name)
	}
	return nil
}
