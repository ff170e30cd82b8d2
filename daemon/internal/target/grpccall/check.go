package grpccall

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// check returns what the Config makes and what is wrong with it. What it says never holds a value of the metadata or
// a part of the body.
func check(c Config) (*call, []task.Violation) {
	made := &call{config: c, metadata: make(map[string]secret.Text, len(c.Metadata))}
	var found []task.Violation
	problem := func(field, format string, args ...any) {
		found = append(found, task.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if err := checkAddress(c.Address); err != nil {
		problem("address", "%s", err)
	}
	service, method, ok := strings.Cut(c.Method, "/")
	switch {
	case c.Method == "":
		problem("method", "missing: write package.Service/Method")
	case !ok || !protoreflect.FullName(service).IsValid() || !protoreflect.Name(method).IsValid():
		problem("method", "%q is no method: write package.Service/Method", c.Method)
	}
	made.service, made.method = service, method
	if c.Body != "" && !json.Valid([]byte(c.Body)) {
		problem("body", "not JSON")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		field := "metadata." + key
		value := c.Metadata[key]
		if err := checkKey(key); err != nil {
			problem(field, "%s", err)
			continue
		}
		text, err := secret.Parse(value)
		switch {
		case err != nil:
			problem(field, "%s", err)
		case !isPrintable(value):
			problem(field, "the value has a character that is not printable ASCII")
		}
		made.metadata[key] = text
	}
	if s := c.TLS; s != nil && (s.CertFile == "") != (s.KeyFile == "") {
		if s.CertFile == "" {
			problem("tls.cert_file", "missing: the key has no certificate")
		} else {
			problem("tls.key_file", "missing: the certificate has no key")
		}
	}
	if c.OutputLimit < 0 || c.OutputLimit > MaxOutputLimit {
		problem("output_limit", "%d is outside 1-%d bytes", c.OutputLimit, MaxOutputLimit)
	}
	return made, found
}

// checkAddress does not look anything up.
func checkAddress(address string) error {
	if address == "" {
		return errors.New("missing: write host:port or unix:/path")
	}
	if scheme, _, ok := strings.Cut(address, ":"); !ok || resolver.Get(scheme) == nil {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" {
			return fmt.Errorf("%q is no address: write host:port or unix:/path", address)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("port %q is outside 1-65535", port)
		}
	}
	// It does not connect before the first call.
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("%q is no address: %w", address, err)
	}
	return conn.Close()
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("a key without a name")
	case strings.ToLower(key) != key:
		return fmt.Errorf("keys are in lower case; write %s", strings.ToLower(key))
	case !isKey(key):
		return errors.New("a key has a-z, 0-9, \"-\", \"_\" and \".\" only")
	case strings.HasPrefix(key, "grpc-"):
		return errors.New("keys that start with \"grpc-\" are gRPC's own")
	case strings.HasSuffix(key, "-bin"):
		return errors.New("keys that end with \"-bin\" have values that are no text, which clockd does not send")
	case strings.HasPrefix(key, "clockd-") || key == idempotencyKey:
		return errors.New("clockd sets this key itself")
	case slices.Contains(ofConnection, key):
		return errors.New("this key is set by the connection")
	}
	return nil
}

// ofConnection are headers that gRPC sets itself, and sends twice or drops if they are given, and those that HTTP/2
// does not have.
var ofConnection = []string{"connection", "content-type", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "user-agent"}

func isKey(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
