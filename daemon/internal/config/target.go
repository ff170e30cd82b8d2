package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/internal/target/grpccall"
	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/task"
)

// How things are written, for messages.
const (
	commandForm = "[echo, hi]"
	httpForm    = "{url: https://host/path}"
	grpcForm    = "{address: \"host:9000\", method: package.Service/Method}"
	workerForm  = "{}"
)

// target reads what a run of a task does. It is nil if a problem was noted.
func (r *reader) target(item field, fields fieldSet) target.Target {
	var t target.Target
	var first *entry
	for i, e := range fields {
		switch e.key {
		case "command":
			t = r.command(e.field)
		case "http":
			t = r.http(e.field)
		case "grpc":
			t = r.grpc(e.field)
		case "worker":
			t = r.worker(e.field)
		default:
			continue
		}
		if first == nil {
			first = &fields[i]
		} else {
			r.wrong(e.field, "line %d has %s: exactly one of command, http, grpc and worker is allowed", first.keyLine, first.key)
		}
	}
	if first == nil {
		r.problem(item.line, item.path, "what a run does is missing: write command: %s, http: %s, grpc: %s or worker: %s",
			commandForm, httpForm, grpcForm, workerForm)
	}
	return t
}

func (r *reader) grpc(f field) target.Target {
	var config grpccall.Config
	fields, ok := r.fields(f, grpcForm, "address", "method", "body", "metadata", "tls", "output_limit")
	if !ok {
		return nil
	}
	if address, ok := fields.get("address"); ok {
		if config.Address, ok = r.verbatim(address); !ok {
			config.Address = "unread:1" // what is wrong with it is said
		}
	}
	if method, ok := fields.get("method"); ok {
		if config.Method, ok = r.verbatim(method); !ok {
			config.Method = "unread.S/M"
		}
	}
	if body, ok := fields.get("body"); ok {
		config.Body, _ = r.verbatim(body)
	}
	if metadata, ok := fields.get("metadata"); ok {
		config.Metadata = r.strings(metadata, "{x-tenant: acme}")
	}
	if tls, ok := fields.get("tls"); ok {
		config.TLS = r.tls(tls)
	}
	if limit, ok := fields.get("output_limit"); ok {
		config.OutputLimit, _ = r.size(limit)
	}
	t, err := grpccall.New(config)
	r.refused(f, err, func(name string) string { return f.path + "." + name })
	return t
}

// tls reads how a connection is secured. {} secures it too, as is usual.
func (r *reader) tls(f field) *task.TLSSpec {
	fields, ok := r.fields(f, "{ca_file: /etc/clockd/ca.pem}, or {} for the certificates of the system", "ca_file", "cert_file", "key_file", "server_name")
	if !ok {
		return nil
	}
	filled := func(name, otherwise string) string {
		text := r.filled(fields, name, otherwise)
		if _, ok := fields.get(name); ok && text == "" {
			return "unread" // what is wrong with it is said
		}
		return text
	}
	return &task.TLSSpec{
		CAFile:     filled("ca_file", "for the certificates of the system"),
		CertFile:   filled("cert_file", "to show none"),
		KeyFile:    filled("key_file", "to show no certificate"),
		ServerName: filled("server_name", "for that of the address"),
	}
}

// worker has no fields, and is a mapping all the same: it is the message WorkerTarget.
func (r *reader) worker(f field) target.Target {
	if _, ok := r.fields(f, workerForm); !ok {
		return nil
	}
	return target.Worker{}
}

func (r *reader) command(f field) target.Target {
	var config command.Config
	isList, isMapping := f.node.is(sequenceNode), f.node.is(mappingNode)
	switch {
	case isMapping:
		fields, _ := r.fields(f, "{args: "+commandForm+"}", "args", "env", "dir", "stdin", "output_limit", "kill_delay")
		if args, ok := fields.get("args"); ok {
			config.Args = r.args(args)
		}
		if env, ok := fields.get("env"); ok {
			config.Env = r.strings(env, "{TZ: UTC}")
		}
		config.Dir = r.filled(fields, "dir", "for the daemon's working directory")
		if stdin, ok := fields.get("stdin"); ok {
			config.Stdin, _ = r.verbatim(stdin)
		}
		if limit, ok := fields.get("output_limit"); ok {
			config.OutputLimit, _ = r.size(limit)
		}
		if delay, ok := fields.get("kill_delay"); ok {
			config.KillDelay, _ = r.duration(delay)
		}
	case isList:
		config.Args = r.args(f)
	case f.node == nil:
		return nil
	default:
		r.wrong(f, `a list is needed, such as %s, not %s; for a shell write [sh, -c, "..."]`, commandForm, what(f.node))
		return nil
	}
	t, err := command.New(config)
	r.refused(f, err, func(name string) string {
		if index, ok := strings.CutPrefix(name, "args"); ok && isList {
			return f.path + index
		}
		return f.path + "." + name
	})
	return t
}

// args reads a list of program and arguments. What can not be read keeps its place, so that others keep
// theirs.
func (r *reader) args(f field) []string {
	items, ok := r.items(f, commandForm)
	if !ok {
		return []string{"?"}
	}
	args := make([]string, len(items))
	for i, item := range items {
		if text, ok := r.verbatim(item); ok {
			args[i] = text
		} else {
			args[i] = "?"
		}
	}
	return args
}

func (r *reader) http(f field) target.Target {
	var config httpcall.Config
	fields, ok := r.fields(f, httpForm, "method", "url", "headers", "body", "expect_status", "output_limit")
	if !ok {
		return nil
	}
	config.Method = r.filled(fields, "method", "for POST or GET")
	if url, ok := fields.get("url"); ok {
		if config.URL, ok = r.verbatim(url); !ok {
			config.URL = "http://unread" // what is wrong with it is said
		}
	}
	if body, ok := fields.get("body"); ok {
		config.Body, _ = r.verbatim(body)
	}
	if headers, ok := fields.get("headers"); ok {
		config.Headers = r.strings(headers, `{Accept: text/plain}`)
	}
	if statuses, ok := fields.get("expect_status"); ok {
		items, isList := r.items(statuses, "[200, 202]")
		if isList && len(items) == 0 {
			r.wrong(statuses, "empty: no status would be right; leave it out for 200 to 299")
		}
		for _, item := range items {
			status, ok := r.number(item, 200, 599)
			if !ok {
				status = 200
			}
			config.ExpectStatus = append(config.ExpectStatus, int(status))
		}
	}
	if limit, ok := fields.get("output_limit"); ok {
		config.OutputLimit, _ = r.size(limit)
	}
	t, err := httpcall.New(config)
	r.refused(f, err, func(name string) string { return f.path + "." + name })
	return t
}

// refused notes what the New of a target says. path turns its names of fields into ours.
func (r *reader) refused(f field, err error, path func(name string) string) {
	if err == nil {
		return
	}
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		r.wrong(f, "%s", fmt.Sprint(err))
		return
	}
	for _, v := range invalid.Violations {
		at := path(v.Field)
		r.problem(r.nearest(at, f.line), at, "%s", v.Description)
	}
}
