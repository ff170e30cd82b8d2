package grpccall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/jhump/protoreflect/v2/grpcreflect"
	"github.com/jhump/protoreflect/v2/protoresolve"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	idempotencyKey = "idempotency-key"
	// maxMessage is how many bytes of a status's message are kept: it comes from somebody else.
	maxMessage = 4 << 10
	// maxHeaders is how many bytes of metadata a service may answer with, which is where a status is.
	maxHeaders = 256 << 10
	// maxNames is how many services or methods an error lists.
	maxNames = 20
)

// result is the output of an attempt.
type result struct {
	Code     string `json:"code"`
	Response any    `json:"response,omitempty"`
	Message  string `json:"message,omitempty"`
	Details  any    `json:"details,omitempty"`
}

// Do connects, asks what the method is, calls it and disconnects.
func (c *call) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var seen secret.Values
	output, err := c.attempt(ctx, a, &seen)
	if err != nil && ended(ctx, err) {
		return nil, context.Cause(ctx)
	}
	return output, seen.ScrubError(err)
}

// ended reports whether err is the end of ctx. The service has the same deadline, and its answer that it has passed
// can be here a little before our own timer goes off.
func ended(ctx context.Context, err error) bool {
	const little = 100 * time.Millisecond
	deadline, ok := ctx.Deadline()
	if ok && status.Code(err) == codes.DeadlineExceeded && time.Until(deadline) < little {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

func (c *call) attempt(ctx context.Context, a target.Attempt, seen *secret.Values) ([]byte, error) {
	own := metadata.MD{}
	for key, text := range c.metadata {
		value, err := text.Expand(seen)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: metadata.%s: %w", c.config.Method, key, err)
		case !isPrintable(value):
			return nil, fmt.Errorf("%s: metadata.%s: with its secrets the value has a character that is not printable ASCII", c.config.Method, key)
		}
		own.Set(key, value)
	}
	conn, err := c.dial()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.config.Method, err)
	}
	defer conn.Close()

	client := grpcreflect.NewClientAuto(metadata.NewOutgoingContext(ctx, own), conn)
	defer client.Reset()
	method, err := c.find(client, seen)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", c.config.Method, c.config.Address, err)
	}
	types := protoresolve.TypesFromResolver(client.AsResolver())
	request, response := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := c.fill(request, a.Input, types); err != nil {
		return nil, fmt.Errorf("%s: %w", c.config.Method, err)
	}
	err = conn.Invoke(metadata.NewOutgoingContext(ctx, metadata.Join(own, facts(a))), "/"+c.config.Method, request, response)
	if err != nil {
		return c.failed(err, types, seen)
	}
	text, err := protojson.MarshalOptions{Resolver: types}.Marshal(response)
	if err != nil {
		return nil, fmt.Errorf("%s: writing the response as JSON: %w", c.config.Method, err)
	}
	value, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: writing the response as JSON: %w", c.config.Method, err)
	}
	clean, err := encode(seen.ScrubJSON(value))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: writing the response as JSON: %w", c.config.Method, err)
	case len(clean) > c.config.OutputLimit:
		return nil, fmt.Errorf("%s: the call succeeded, but its response has %d bytes as JSON, more than the output limit of %d", c.config.Method, len(clean), c.config.OutputLimit)
	}
	return encode(result{Code: codeName(codes.OK), Response: json.RawMessage(clean)})
}

// find asks the service for the method.
func (c *call) find(client *grpcreflect.Client, seen *secret.Values) (protoreflect.MethodDescriptor, error) {
	file, err := client.FileContainingSymbol(protoreflect.FullName(c.service))
	switch {
	case grpcreflect.IsElementNotFoundError(err):
		names, failed := client.ListServices()
		if failed != nil || len(names) == 0 {
			return nil, fmt.Errorf("there is no service %s", c.service)
		}
		return nil, fmt.Errorf("there is no service %s; there is %s", c.service, list(names))
	case status.Code(err) == codes.Unimplemented:
		return nil, errors.New("no reflection is offered there, which clockd needs to know the method")
	case err != nil:
		return nil, fmt.Errorf("asking for the method: %w", plain(err, seen))
	}
	service, ok := protoresolve.FindDescriptorByNameInFile(file, protoreflect.FullName(c.service)).(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no service", c.service)
	}
	method := service.Methods().ByName(protoreflect.Name(c.method))
	switch {
	case method == nil:
		names := make([]protoreflect.FullName, service.Methods().Len())
		for i := range names {
			names[i] = protoreflect.FullName(service.Methods().Get(i).Name())
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s has no methods", c.service)
		}
		return nil, fmt.Errorf("%s has no method %s; it has %s", c.service, c.method, list(names))
	case method.IsStreamingClient() || method.IsStreamingServer():
		return nil, errors.New("the method streams; clockd calls only those with one request and one response")
	}
	return method, nil
}

// list is names in their order, as a text.
func list(names []protoreflect.FullName) string {
	slices.Sort(names)
	words := make([]string, 0, maxNames)
	for _, name := range names[:min(len(names), maxNames)] {
		words = append(words, string(name))
	}
	text := strings.Join(words, ", ")
	if more := len(names) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cut(text)
}

// fill makes the request of the input or, without one, of the body.
func (c *call) fill(request proto.Message, input []byte, types protoresolve.TypeResolver) error {
	what, text := "the input", input
	if input == nil {
		what, text = "the body", []byte(c.config.Body)
	}
	if len(text) == 0 {
		return nil
	}
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal(text, request); err != nil {
		return fmt.Errorf("%s is no %s: %w", what, request.ProtoReflect().Descriptor().FullName(), err)
	}
	return nil
}

// facts is the metadata that tells a service of the run.
func facts(a target.Attempt) metadata.MD {
	return metadata.Pairs(
		"clockd-run-id", a.RunID.String(),
		"clockd-task-id", a.TaskID.String(),
		"clockd-task-name", a.ASCIIName(),
		"clockd-scheduled-time", a.ScheduledText(),
		"clockd-attempt", strconv.Itoa(a.Number),
		idempotencyKey, a.IdempotencyKey(),
	)
}

// failed makes the output and the error of a status.
func (c *call) failed(err error, types protoresolve.TypeResolver, seen *secret.Values) ([]byte, error) {
	s := status.Convert(err)
	r := result{Code: codeName(s.Code()), Message: cut(seen.Scrub(s.Message()))}
	var details []any
	for _, detail := range s.Proto().GetDetails() {
		// One whose type is not known is shown by its name.
		var value any = map[string]any{"@type": detail.GetTypeUrl()}
		if text, failed := (protojson.MarshalOptions{Resolver: types}).Marshal(detail); failed == nil {
			if known, failed := decode(text); failed == nil {
				value = known
			}
		}
		details = append(details, seen.ScrubJSON(value))
	}
	if text, failed := encode(details); failed == nil && len(details) > 0 && len(text) <= c.config.OutputLimit {
		r.Details = details
	}
	output, failed := encode(r)
	if failed != nil {
		return nil, fmt.Errorf("%s: writing the output as JSON: %w", c.config.Method, failed)
	}
	return output, fmt.Errorf("%s: %w", c.config.Method, &statusError{code: s.Code(), text: r.Message})
}

// statusError is a status in the words of clockd.
type statusError struct {
	code codes.Code
	text string
}

func (e *statusError) Error() string {
	if e.text == "" {
		return codeName(e.code)
	}
	return codeName(e.code) + ": " + e.text
}

// GRPCStatus makes status.Code work.
func (e *statusError) GRPCStatus() *status.Status { return status.New(e.code, e.text) }

// plain takes the "rpc error" off an error of gRPC.
func plain(err error, seen *secret.Values) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	return &statusError{code: s.Code(), text: cut(seen.Scrub(s.Message()))}
}

// codeName is the name of a code as all languages have it: NOT_FOUND.
func codeName(code codes.Code) string {
	switch code {
	case codes.OK:
		return "OK"
	case codes.Canceled:
		return "CANCELLED" // gRPC's spelling everywhere but in Go
	}
	var b strings.Builder
	for i, r := range code.String() {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// cut keeps the first bytes of what somebody else wrote, whole characters.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// decode keeps the text of numbers.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the output is for people too
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
