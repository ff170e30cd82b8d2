package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is that of every ErrorInfo of clockd.
const Domain = "clockd"

// Reasons of ErrorInfo. They are API: never renamed, never used for something else.
const (
	ReasonTaskNotFound     = "TASK_NOT_FOUND"
	ReasonRunNotFound      = "RUN_NOT_FOUND"
	ReasonInvalid          = "INVALID"
	ReasonEtagStale        = "ETAG_STALE"
	ReasonTaskExists       = "TASK_EXISTS"
	ReasonTaskDeclared     = "TASK_DECLARED"
	ReasonNotAllowed       = "NOT_ALLOWED"
	ReasonNoConfig         = "NO_CONFIG"
	ReasonWatchTooSlow     = "WATCH_TOO_SLOW"
	ReasonOtherNamespace   = "OTHER_NAMESPACE"
	ReasonWorkerReplaced   = "WORKER_REPLACED"
	ReasonWorkerLost       = "WORKER_LOST"
	ReasonTaskOrphaned     = "TASK_ORPHANED"
	ReasonTriggerFault     = "TRIGGER_FAULT"
	ReasonTaskHeld         = "TASK_HELD"
	ReasonNodeGivenUp      = "NODE_GIVEN_UP"
	ReasonStoreUnavailable = "STORE_UNAVAILABLE"
	ReasonStarting         = "STARTING"
	ReasonStopping         = "STOPPING"
	ReasonCancelled        = "CANCELLED"
	ReasonDeadlineExceeded = "DEADLINE_EXCEEDED"
	ReasonInternal         = "INTERNAL"
)

// A class is a row of the table between errors and statuses.
type class struct {
	// err is what errors.Is finds on both sides.
	err    error
	code   codes.Code
	reason string
	// retry is how long to wait before the same call may work. Zero: waiting does not help.
	retry time.Duration
	// neutral is sent in place of the error's own text, which may quote a driver and goes to the log.
	neutral string
	// write returns the details beside ErrorInfo and RetryInfo, and may add metadata. Nil: there are none.
	write func(err error, metadata map[string]string) []protoadapt.MessageV1
	// read returns the error with its data. Nil: err itself.
	read func(said said) error
}

// classes is the table. An error that belongs to several is the first of them.
var classes = []class{
	{
		err: task.ErrTaskNotFound, code: codes.NotFound, reason: ReasonTaskNotFound,
		write: resource(taskType, "not found"), read: notFound(task.ErrTaskNotFound),
	},
	{
		err: task.ErrRunNotFound, code: codes.NotFound, reason: ReasonRunNotFound,
		write: resource(runType, "not found"), read: notFound(task.ErrRunNotFound),
	},
	// Before ErrInvalid: what is wrong with a stored trigger is not wrong with the request.
	{err: task.ErrTriggerFault, code: codes.FailedPrecondition, reason: ReasonTriggerFault},
	{err: task.ErrInvalid, code: codes.InvalidArgument, reason: ReasonInvalid, write: badRequest, read: invalid},
	{err: task.ErrStale, code: codes.Aborted, reason: ReasonEtagStale, write: etags, read: stale},
	{
		err: task.ErrExists, code: codes.AlreadyExists, reason: ReasonTaskExists,
		write: resource(taskType, "exists"), read: exists,
	},
	{err: task.ErrDeclared, code: codes.FailedPrecondition, reason: ReasonTaskDeclared},
	{err: task.ErrNotAllowed, code: codes.PermissionDenied, reason: ReasonNotAllowed},
	{err: task.ErrNoConfig, code: codes.FailedPrecondition, reason: ReasonNoConfig},
	{err: task.ErrTooSlow, code: codes.Aborted, reason: ReasonWatchTooSlow, write: resumeToken, read: tooSlow},
	{err: task.ErrOtherNamespace, code: codes.FailedPrecondition, reason: ReasonOtherNamespace},
	{err: task.ErrReplaced, code: codes.Aborted, reason: ReasonWorkerReplaced},
	{err: task.ErrWorkerLost, code: codes.DeadlineExceeded, reason: ReasonWorkerLost},
	{err: task.ErrOrphaned, code: codes.FailedPrecondition, reason: ReasonTaskOrphaned},
	{
		err: task.ErrHeld, code: codes.Unavailable, reason: ReasonTaskHeld, retry: time.Second,
		write: holder, read: heldBy,
	},
	{err: task.ErrGivenUp, code: codes.Unavailable, reason: ReasonNodeGivenUp, retry: time.Second},
	{
		err: task.ErrUnavailable, code: codes.Unavailable, reason: ReasonStoreUnavailable, retry: time.Second,
		neutral: "store unavailable: nothing was changed; wait and call again",
	},
	{err: task.ErrStarting, code: codes.Unavailable, reason: ReasonStarting, retry: time.Second},
	{err: task.ErrStopping, code: codes.Unavailable, reason: ReasonStopping, retry: time.Second},
	{err: context.Canceled, code: codes.Canceled, reason: ReasonCancelled, neutral: "the call was canceled"},
	{err: context.DeadlineExceeded, code: codes.DeadlineExceeded, reason: ReasonDeadlineExceeded, neutral: "the deadline of the call has passed"},
}

// ToStatus returns the status that an error leaves the daemon as; of nil, nil. It is well below the 8 KiB
// that some clients allow for it: long texts and lists are cut and say so.
//
// An error of no class, a gRPC status from elsewhere among them, becomes INTERNAL with the message "internal
// error ID" and nothing else. note is called with the errors whose text does not leave (these, and those of
// class task.ErrUnavailable): it logs them and returns an id to find them by, which is sent. Nil: no id.
func ToStatus(err error, note func(err error) (id string)) *status.Status {
	if err == nil {
		return nil
	}
	for i := range classes {
		if errors.Is(err, classes[i].err) {
			return classes[i].status(err, note)
		}
	}
	metadata, message := map[string]string{}, "internal error"
	if note != nil {
		metadata["id"] = note(err)
		message += " " + metadata["id"]
	}
	return withDetails(codes.Internal, message, ReasonInternal, metadata, nil)
}

func (c *class) status(err error, note func(error) string) *status.Status {
	message, metadata := c.neutral, map[string]string{}
	switch {
	case message == "":
		message = truncate(err.Error(), maxMessage)
	case c.code == codes.Unavailable && note != nil:
		metadata["id"] = note(err)
		message += "; the cause is in the daemon's log under " + metadata["id"]
	}
	var details []protoadapt.MessageV1
	if c.write != nil {
		details = c.write(err, metadata)
	}
	if c.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(c.retry)})
	}
	return withDetails(c.code, message, c.reason, metadata, details)
}

func withDetails(code codes.Code, message, reason string, metadata map[string]string, details []protoadapt.MessageV1) *status.Status {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: Domain, Metadata: metadata}
	st := status.New(code, message)
	full, err := st.WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return st // a detail that cannot be marshaled; all their texts are valid UTF-8, so there is none
	}
	return full
}

// FromError returns the error that a call ended with as the daemon meant it: errors.Is finds its class,
// errors.As the task.InvalidError, task.NotFoundError, task.ExistsError, task.StaleError, task.TooSlowError
// or task.HeldError with its data (long values are cut).
// A call that was canceled or timed out is context.Canceled or context.DeadlineExceeded, whichever side saw
// it first. What the daemon did not say (nobody listens, the message is too large) is returned as it came.
// In each case status.FromError finds the whole status. FromError(nil) is nil.
func FromError(err error) error {
	var known *remoteError
	if err == nil || errors.As(err, &known) {
		return err
	}
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return err
	}
	st := carrier.GRPCStatus()
	s := said{code: st.Code()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			s.info = d
		case *errdetails.BadRequest:
			s.bad = d
		case *errdetails.ResourceInfo:
			s.resource = d
		}
	}
	if s.info.GetDomain() == Domain {
		for i := range classes {
			if c := &classes[i]; c.reason == s.info.GetReason() {
				return c.error(st, s)
			}
		}
		return &remoteError{status: st} // INTERNAL, or a reason of a newer daemon
	}
	for i := range classes {
		c := &classes[i]
		if c.code == s.code && (c.err == context.Canceled || c.err == context.DeadlineExceeded) {
			return c.error(st, s)
		}
	}
	return err
}

func (c *class) error(st *status.Status, s said) error {
	if c.read == nil {
		return &remoteError{status: st, class: c.err}
	}
	return &remoteError{status: st, class: c.read(s)}
}

// A remoteError is what a daemon said went wrong. Its text is the daemon's.
type remoteError struct {
	status *status.Status
	class  error // nil: none that this side knows
}

func (e *remoteError) Error() string {
	if e.status.Message() == "" {
		return fmt.Sprintf("the daemon answered %s", e.status.Code())
	}
	return e.status.Message()
}

// Unwrap returns the class, or the error of it that holds the data.
func (e *remoteError) Unwrap() error { return e.class }

// GRPCStatus returns the status as it came.
func (e *remoteError) GRPCStatus() *status.Status { return e.status }
