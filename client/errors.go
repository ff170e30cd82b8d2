package client

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/clockd/clockd/daemon/wire"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrNoDaemon is the class of errors that say that no daemon answered: see [NoDaemonError].
var ErrNoDaemon = errors.New("no clockd daemon answers")

// A NoDaemonError says that a call got no answer from a daemon: none could be reached, or the connection
// broke before the answer came. In the second case a change may have been made. Its class is
// ErrNoDaemon, and its gRPC code UNAVAILABLE.
type NoDaemonError struct {
	// Address is the one given to Dial, or the target of a connection given to New. Empty: not known.
	Address string
	// Cause is what the last attempt to connect met with, such as syscall.ECONNREFUSED; nil if it
	// succeeded and the connection broke later, or if the connection is the caller's own.
	Cause error

	status *status.Status
}

// Error says where no daemon answers, why, and what to do.
func (e *NoDaemonError) Error() string {
	at := where(e.Address)
	if e.Cause == nil {
		return fmt.Sprintf("no answer from a clockd daemon%s: %s", at, e.status.Message())
	}
	return fmt.Sprintf(`no clockd daemon answers%s: %s; start one with "clockd serve", or give the address of one that runs`,
		at, plain(e.Cause))
}

// Unwrap returns ErrNoDaemon and the Cause.
func (e *NoDaemonError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrNoDaemon}
	}
	return []error{ErrNoDaemon, e.Cause}
}

// GRPCStatus returns the status that gRPC gave: package status finds it.
func (e *NoDaemonError) GRPCStatus() *status.Status { return e.status }

// where is an address inside a sentence, if it is known.
func where(address string) string {
	if address == "" {
		return ""
	}
	return " at " + address
}

// plain takes off what the message of a network error says of the address, which stands before it.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	return err
}

// explain gives the error of a call its class.
func (c *Client) explain(err error) error {
	known := wire.FromError(err)
	if known != err { // the same value comes back if the daemon did not say it
		return known
	}
	// After retries gRPC puts "max retries exhausted" around the status; the status alone says enough.
	carrier, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	if !ok {
		return err
	}
	switch st := carrier.GRPCStatus(); st.Code() {
	case codes.Unavailable:
		e := &NoDaemonError{Address: c.address, status: st}
		if c.dialer != nil {
			e.Cause = c.dialer.lastError()
		}
		return e
	case codes.Unimplemented:
		return &otherServerError{address: c.address, status: st}
	default:
		return err
	}
}

// An otherServerError says that a server has no such method.
type otherServerError struct {
	address string
	status  *status.Status
}

func (e *otherServerError) Error() string {
	return fmt.Sprintf("what answers%s is another server, or a clockd daemon older than this client: %s", where(e.address), e.status.Message())
}

func (e *otherServerError) GRPCStatus() *status.Status { return e.status }
