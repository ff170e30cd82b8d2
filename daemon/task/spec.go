package task

import (
	"maps"
	"slices"
	"time"
)

// TargetSpec is what a run does, of a task that was made through the API. Exactly one field is set. The names in
// JSON are those in which stores keep it.
type TargetSpec struct {
	Command *CommandSpec `json:"command,omitempty"`
	HTTP    *HTTPSpec    `json:"http,omitempty"`
	Worker  *WorkerSpec  `json:"worker,omitempty"`
	GRPC    *GRPCSpec    `json:"grpc,omitempty"`
}

// CommandSpec runs a program: see the message CommandTarget.
type CommandSpec struct {
	Args        []string          `json:"args"`
	Env         map[string]string `json:"env,omitempty"`
	Dir         string            `json:"dir,omitempty"`
	Stdin       string            `json:"stdin,omitempty"`
	OutputLimit int               `json:"output_limit,omitempty"`
	// KillDelay is in nanoseconds in JSON.
	KillDelay time.Duration `json:"kill_delay,omitempty"`
}

// HTTPSpec makes an HTTP request: see the message HttpTarget.
type HTTPSpec struct {
	Method       string            `json:"method,omitempty"`
	URL          string            `json:"url"`
	Headers      map[string]string `json:"headers,omitempty"`
	Body         string            `json:"body,omitempty"`
	ExpectStatus []int             `json:"expect_status,omitempty"`
	OutputLimit  int               `json:"output_limit,omitempty"`
}

// WorkerSpec leaves the work to workers: see the message WorkerTarget.
type WorkerSpec struct{}

// GRPCSpec calls a method of a gRPC service: see the message GrpcTarget.
type GRPCSpec struct {
	Address     string            `json:"address"`
	Method      string            `json:"method"`
	Body        string            `json:"body,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	TLS         *TLSSpec          `json:"tls,omitempty"`
	OutputLimit int               `json:"output_limit,omitempty"`
}

// TLSSpec says how a connection is secured: see the message TlsOptions.
type TLSSpec struct {
	CAFile     string `json:"ca_file,omitempty"`
	CertFile   string `json:"cert_file,omitempty"`
	KeyFile    string `json:"key_file,omitempty"`
	ServerName string `json:"server_name,omitempty"`
}

// Equal reports whether two specs say the same; nil says nothing.
func (s *TargetSpec) Equal(o *TargetSpec) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Command.equal(o.Command) && s.HTTP.equal(o.HTTP) && (s.Worker == nil) == (o.Worker == nil) && s.GRPC.equal(o.GRPC)
}

func (g *GRPCSpec) equal(o *GRPCSpec) bool {
	if g == nil || o == nil {
		return g == o
	}
	if (g.TLS == nil) != (o.TLS == nil) || g.TLS != nil && *g.TLS != *o.TLS {
		return false
	}
	return g.Address == o.Address && g.Method == o.Method && g.Body == o.Body && maps.Equal(g.Metadata, o.Metadata) &&
		g.OutputLimit == o.OutputLimit
}

func (c *CommandSpec) equal(o *CommandSpec) bool {
	if c == nil || o == nil {
		return c == o
	}
	return slices.Equal(c.Args, o.Args) && maps.Equal(c.Env, o.Env) && c.Dir == o.Dir && c.Stdin == o.Stdin &&
		c.OutputLimit == o.OutputLimit && c.KillDelay == o.KillDelay
}

func (h *HTTPSpec) equal(o *HTTPSpec) bool {
	if h == nil || o == nil {
		return h == o
	}
	return h.Method == o.Method && h.URL == o.URL && maps.Equal(h.Headers, o.Headers) && h.Body == o.Body &&
		slices.Equal(h.ExpectStatus, o.ExpectStatus) && h.OutputLimit == o.OutputLimit
}
