package cli

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// What kind of target a flag belongs to.
func (f *specFlags) ofCommand() bool {
	return len(f.Env) > 0 || f.Dir != nil || f.Stdin != nil || f.KillDelay != nil
}

func (f *specFlags) ofCall() bool {
	return f.Method != nil || len(f.Header) > 0 || f.Body != nil
}

func (f *specFlags) ofTLS() bool {
	return f.TLS != nil || f.CAFile != nil || f.CertFile != nil || f.KeyFile != nil || f.ServerName != nil
}

// kinds are the flags that say of what kind a target is, of those that were given.
func (f *specFlags) kinds() []string {
	var given []string
	for _, k := range []struct {
		there bool
		word  string
	}{{len(f.Command) > 0, "a command after '--'"}, {f.HTTP != nil, "--http"}, {f.GRPC != nil, "--grpc"}, {f.Worker, "--worker"}} {
		if k.there {
			given = append(given, k.word)
		}
	}
	return given
}

// ofTarget returns whether the flags say anything of what a run does.
func (f *specFlags) ofTarget() bool {
	return len(f.kinds()) > 0 || f.ofCommand() || f.ofCall() || len(f.ExpectStatus) > 0 || f.ofTLS() || f.OutputLimit != nil
}

func (f *specFlags) applyTarget(e *specEdit) {
	if !f.ofTarget() {
		return
	}
	// A spec is never changed in place.
	spec := &task.TargetSpec{}
	if e.d.Spec != nil {
		*spec = *e.d.Spec
	}
	kinds := f.kinds()
	is := func(given, was bool) bool { return given || len(kinds) == 0 && was }
	switch {
	case len(kinds) > 1:
		e.set("", usage("a run does one thing: give only one of %s", strings.Join(kinds, ", ")))
	case is(f.HTTP != nil, spec.HTTP != nil):
		e.http(f, spec)
	case is(f.GRPC != nil, spec.GRPC != nil):
		e.grpc(f, spec)
	case is(f.Worker, spec.Worker != nil):
		e.worker(f, spec)
	case is(len(f.Command) > 0, spec.Command != nil):
		e.command(f, spec)
	default:
		e.set("", errors.New("the daemon does not say what a run of the task does: give all of it, with --http, --grpc, --worker or a command after '--'"))
	}
	e.d.Spec = spec
}

// foreign is an error if flags were given that belong to another kind of target.
func (f *specFlags) foreign(what string, command, call, status, tls bool) error {
	for _, k := range []struct {
		wrong bool
		flags string
	}{
		{command && f.ofCommand(), "--env, --dir, --stdin and --kill-delay belong to a command"},
		{call && f.ofCall(), "--method, --header and --body belong to --http and --grpc"},
		{status && len(f.ExpectStatus) > 0, "--expect-status belongs to --http"},
		{tls && f.ofTLS(), "--tls, --ca-file, --cert-file, --key-file and --server-name belong to --grpc"},
	} {
		if k.wrong {
			return usage("%s, and a run of the task %s", k.flags, what)
		}
	}
	return nil
}

func (e *specEdit) worker(f *specFlags, spec *task.TargetSpec) {
	*spec = task.TargetSpec{Worker: &task.WorkerSpec{}}
	err := f.foreign("is made by a worker", true, true, true, true)
	if f.OutputLimit != nil && err == nil {
		err = usage("--output-limit has no meaning for a worker")
	}
	e.set("worker", err)
}

func (e *specEdit) grpc(f *specFlags, spec *task.TargetSpec) {
	g := task.GRPCSpec{}
	if spec.GRPC != nil {
		g = *spec.GRPC
	}
	*spec = task.TargetSpec{GRPC: &g}
	err := f.foreign("makes a gRPC call", true, false, true, false)
	over(&g.Address, f.GRPC)
	over(&g.Method, f.Method)
	over(&g.Body, f.Body)
	over(&g.OutputLimit, f.OutputLimit)
	if len(f.Header) > 0 {
		var metadata map[string]string
		if metadata, err = join(err, func() (map[string]string, error) { return pairs("--header", ":", f.Header) }); err == nil {
			g.Metadata = merged(g.Metadata, metadata)
		}
	}
	switch {
	case f.TLS != nil && !*f.TLS:
		g.TLS = nil
		if f.CAFile != nil || f.CertFile != nil || f.KeyFile != nil || f.ServerName != nil {
			err = usage("--no-tls leaves nothing to --ca-file, --cert-file, --key-file and --server-name")
		}
	case f.ofTLS():
		t := task.TLSSpec{}
		if g.TLS != nil {
			t = *g.TLS
		}
		over(&t.CAFile, f.CAFile)
		over(&t.CertFile, f.CertFile)
		over(&t.KeyFile, f.KeyFile)
		over(&t.ServerName, f.ServerName)
		g.TLS = &t
	}
	e.set("grpc", err)
}

func (e *specEdit) command(f *specFlags, spec *task.TargetSpec) {
	c := task.CommandSpec{}
	if spec.Command != nil {
		c = *spec.Command
	}
	*spec = task.TargetSpec{Command: &c}
	err := f.foreign("runs a command", false, true, true, true)
	if len(f.Command) > 0 {
		c.Args = f.Command
	}
	if len(f.Env) > 0 {
		var env map[string]string
		if env, err = join(err, func() (map[string]string, error) { return pairs("--env", "=", f.Env) }); err == nil {
			c.Env = merged(c.Env, env)
		}
	}
	if f.KillDelay != nil {
		c.KillDelay, err = join(err, func() (time.Duration, error) { return parseSpan("--kill-delay", *f.KillDelay) })
	}
	over(&c.Dir, f.Dir)
	over(&c.Stdin, f.Stdin)
	over(&c.OutputLimit, f.OutputLimit)
	e.set("command", err)
}

func (e *specEdit) http(f *specFlags, spec *task.TargetSpec) {
	h := task.HTTPSpec{}
	if spec.HTTP != nil {
		h = *spec.HTTP
	}
	*spec = task.TargetSpec{HTTP: &h}
	err := f.foreign("makes a request", true, false, false, true)
	over(&h.URL, f.HTTP)
	over(&h.Method, f.Method)
	over(&h.Body, f.Body)
	over(&h.OutputLimit, f.OutputLimit)
	if len(f.Header) > 0 {
		var headers map[string]string
		if headers, err = join(err, func() (map[string]string, error) { return pairs("--header", ":", f.Header) }); err == nil {
			h.Headers = merged(h.Headers, headers)
		}
	}
	if len(f.ExpectStatus) > 0 {
		h.ExpectStatus = f.ExpectStatus
	}
	e.set("http", err)
}

func over[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// join calls f unless there is an error already.
func join[T any](err error, f func() (T, error)) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return f()
}

// merged is what was there and what was given; an empty map that was given takes all away.
func merged(old, given map[string]string) map[string]string {
	if len(given) == 0 {
		return nil
	}
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, given)
	return all
}

// pairs reads names and values. One that is empty stands for none at all.
func pairs(flag, separator string, given []string) (map[string]string, error) {
	if slices.Contains(given, "") {
		if len(given) > 1 {
			return nil, usage("%s: '' stands for none, and there are others", flag)
		}
		return nil, nil
	}
	all := make(map[string]string, len(given))
	for _, pair := range given {
		name, value, ok := strings.Cut(pair, separator)
		if separator == ":" {
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		}
		if !ok || name == "" {
			return nil, usage("%s: %q has no name and value with a %q between them", flag, pair, separator)
		}
		if _, twice := all[name]; twice {
			return nil, usage("%s: %q is there twice", flag, name)
		}
		all[name] = value
	}
	return all, nil
}
