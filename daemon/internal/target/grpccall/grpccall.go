// Package grpccall calls a method of a gRPC service as the target of a task. It asks the service what the method takes
// and returns, by reflection, so that nobody has to give clockd a .proto file.
package grpccall

import (
	"maps"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
)

// Defaults and bounds of a [Config].
const (
	DefaultOutputLimit = 64 << 10
	// MaxOutputLimit keeps a run below the 4 MiB that a gRPC client takes by default: in a protobuf Value
	// the bytes of an output can become three to six times as many, and the input stands beside it.
	MaxOutputLimit = 256 << 10
)

// Config says what to call. Address and Method are required.
type Config struct {
	// Address is host:port, unix:/path or another name that gRPC resolves.
	Address string
	// Method is package.Service/Method. It must be unary.
	Method string
	// Body is the request as JSON, if the run has no input. Empty: {}.
	Body string
	// Metadata is sent beside that of clockd, which can not be set here: see [New]. A value may hold secrets: see
	// package secret.
	Metadata map[string]string
	// TLS says how the connection is secured; its files are read for each attempt. Nil: not at all.
	TLS *task.TLSSpec
	// OutputLimit is how many bytes a response may have as JSON; a longer one fails the attempt. Defaults to 64 KiB.
	// At most 256 KiB.
	OutputLimit int
}

type call struct {
	config   Config
	service  string
	method   string
	metadata map[string]secret.Text
	words    task.Target
}

// New checks the Config and returns a target that calls the method. The error is a *task.InvalidError with every
// problem, its fields named "address", "method", "body", "metadata.KEY", "tls.cert_file",
// "tls.key_file" and "output_limit". Nothing is connected to and no file is read: that is for the attempts.
//
// A call carries the metadata clockd-run-id, clockd-task-id, clockd-task-name (with "%" and what is not printable ASCII
// percent-encoded as UTF-8), clockd-scheduled-time (RFC 3339 with microseconds, in UTC), clockd-attempt, and an
// idempotency-key that is the same for all attempts of a run and for no other run. The questions of reflection carry
// only Config.Metadata, as a service may ask for credentials there too. The deadline of the attempt is that of the call.
//
// The request must not have fields that the method does not know. The output of an attempt is {"code":"OK",
// "response":{...}}. A status that is not OK fails the attempt, with the output {"code":"NOT_FOUND","message":"...",
// "details":[...]} beside the error. Neither shows a secret of 8 bytes or more: *** stands in its place.
//
// Each attempt has a connection of its own and closes it, as those of package httpcall do and for the same reason. A
// service that can not be reached fails the attempt at once.
func New(c Config) (target.Target, error) {
	made, problems := check(c)
	if len(problems) > 0 {
		return nil, &task.InvalidError{Violations: problems}
	}
	made.config.Metadata = maps.Clone(c.Metadata)
	if c.TLS != nil {
		spec := *c.TLS
		made.config.TLS = &spec
	}
	if c.OutputLimit == 0 {
		made.config.OutputLimit = DefaultOutputLimit
	}
	made.words = task.Target{Kind: "grpc", Summary: c.Method + " at " + c.Address}
	return made, nil
}

// Describe returns the method and the address. Metadata and body are not shown.
func (c *call) Describe() task.Target { return c.words }
