package wire

import (
	"errors"
	"fmt"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/protoadapt"
)

// Budget of a status, in bytes. It travels in the trailer: the message in percent-encoding, up to three times
// as long, and once more with the details in base64, a third longer. At worst that is some 6.5 KiB; clients
// of other languages refuse more than 8.
const (
	maxMessage     = 512
	maxField       = 256  // a path or name
	maxDescription = 512  // of one violation
	maxBadRequest  = 2560 // all violations together
	maxListed      = 32   // violations
)

// The kinds of things that ResourceInfo speaks of.
const (
	taskType = "clockd.v1.Task"
	runType  = "clockd.v1.Run"
)

// said is what a status holds beside its message.
type said struct {
	code     codes.Code
	info     *errdetails.ErrorInfo
	bad      *errdetails.BadRequest
	resource *errdetails.ResourceInfo
}

func resource(kind, description string) func(error, map[string]string) []protoadapt.MessageV1 {
	return func(err error, _ map[string]string) []protoadapt.MessageV1 {
		info := &errdetails.ResourceInfo{ResourceType: kind, Description: description}
		var missing *task.NotFoundError
		var there *task.ExistsError
		switch {
		case errors.As(err, &missing):
			info.ResourceName = truncate(missing.Name, maxField)
		case errors.As(err, &there):
			info.ResourceName = truncate(there.Name, maxField)
		}
		return []protoadapt.MessageV1{info}
	}
}

func notFound(class error) func(said) error {
	return func(s said) error {
		return &task.NotFoundError{Class: class, Name: s.resource.GetResourceName()}
	}
}

func exists(s said) error { return &task.ExistsError{Name: s.resource.GetResourceName()} }

// tokenKey is the key of the metadata of ErrorInfo under which the resume token of a watch stands.
const tokenKey = "resume_token"

func resumeToken(err error, metadata map[string]string) []protoadapt.MessageV1 {
	var slow *task.TooSlowError
	if errors.As(err, &slow) && slow.ResumeToken != "" {
		metadata[tokenKey] = truncate(slow.ResumeToken, maxField)
	}
	return nil
}

func tooSlow(s said) error { return &task.TooSlowError{ResumeToken: s.info.GetMetadata()[tokenKey]} }

// badRequest lists as many violations as the budget allows, at least one, and says how many more there are.
// An error that lists none is one violation of the request as a whole.
func badRequest(err error, _ map[string]string) []protoadapt.MessageV1 {
	var list *task.InvalidError
	if !errors.As(err, &list) || len(list.Violations) == 0 {
		list = &task.InvalidError{Violations: []task.Violation{{Description: err.Error()}}}
	}
	bad, size := &errdetails.BadRequest{}, 0
	for i, v := range list.Violations {
		fv := &errdetails.BadRequest_FieldViolation{
			Field:       truncate(v.Field, maxField),
			Description: truncate(v.Description, maxDescription),
		}
		size += len(fv.Field) + len(fv.Description) + 8
		if i > 0 && size > maxBadRequest || i == maxListed {
			more := fmt.Sprintf("… and %d more", len(list.Violations)-i)
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Description: more})
			break
		}
		bad.FieldViolations = append(bad.FieldViolations, fv)
	}
	return []protoadapt.MessageV1{bad}
}

func invalid(s said) error {
	list := &task.InvalidError{}
	for _, v := range s.bad.GetFieldViolations() {
		list.Violations = append(list.Violations, task.Violation{Field: v.GetField(), Description: v.GetDescription()})
	}
	return list
}

func etags(err error, metadata map[string]string) []protoadapt.MessageV1 {
	var stale *task.StaleError
	if errors.As(err, &stale) {
		metadata["task"] = truncate(stale.Task, maxField)
		metadata["have"] = truncate(stale.Have, maxField)
		metadata["want"] = truncate(stale.Want, maxField)
	}
	return nil
}

func stale(s said) error {
	m := s.info.GetMetadata()
	return &task.StaleError{Task: m["task"], Have: m["have"], Want: m["want"]}
}
