package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/internal/target/grpccall"
	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// Reload puts another set of tasks in place of the one that runs, as if the daemon was stopped and started with
// it, but without a stop: runs that go go on, start-up and shut-down triggers do not fire, and hooks are not
// called. Of cfg it takes Tasks, Calendars, Revision, Limits and Groups; the rest stays as it is, custom kinds and
// Providers included: functions of tasks get what those of the running daemon make, and need no others.
// A cfg that is wrong changes nothing; all its problems are reported at once. Errors of the store are a
// task.ErrUnavailable: then some tasks may be changed and others not, until the next Reload.
func (d *Daemon) Reload(ctx context.Context, cfg Config) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	p, err := d.program(cfg)
	if err != nil {
		return err
	}
	if err := d.engine.Reload(ctx, p); err != nil {
		return err
	}
	d.calendars, d.extensions = cfg.Calendars, p.Extensions
	return nil
}

// Diff says what Reload would change, in the order of the names of the tasks. Its errors are those of Reload.
func (d *Daemon) Diff(ctx context.Context, cfg Config) ([]task.TaskDiff, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	p, err := d.program(cfg)
	if err != nil {
		return nil, err
	}
	return d.engine.Diff(ctx, p)
}

// Diff says what a daemon that is started with cfg would change in its Store, which nothing runs on now.
func Diff(ctx context.Context, cfg Config, st store.Store) ([]task.TaskDiff, error) {
	if cfg.Namespace == "" {
		cfg.Namespace = DefaultNamespace
	}
	extensions, err := cfg.check()
	if err != nil {
		return nil, err
	}
	return engine.Diff(ctx, st, cfg.Namespace, cfg.program(extensions, Worker()), task.Instant(time.Now()))
}

// program checks the program of a Config that is to take the place of the daemon's.
func (d *Daemon) program(cfg Config) (engine.Program, error) {
	cfg.Namespace, cfg.Logger, cfg.kinds, cfg.set = d.cfg.Namespace, d.log, d.cfg.kinds, d.cfg.set
	extensions, err := cfg.check()
	if err != nil {
		return engine.Program{}, err
	}
	if reflect.DeepEqual(cfg.Calendars, d.calendars) {
		extensions = d.extensions // the same pointer says that no trigger has another meaning
	}
	return cfg.program(extensions, d.workers.Target()), nil
}

// program is what the engine takes. workers does what is left to workers.
func (c *Config) program(extensions *schedule.Extensions, workers target.Target) engine.Program {
	revision := c.Revision
	switch revision {
	case 0:
		revision = buildRevision()
	case NoRevision:
		revision = 0
	}
	groups := make(map[string]task.Limits, len(c.Groups))
	for name, g := range c.Groups {
		groups[name] = g.Limits
	}
	return engine.Program{Revision: revision, Tasks: c.engineTasks(workers), Extensions: extensions, Limits: c.Limits, Groups: groups}
}

// nodeName is what the node is called.
func (c *Config) nodeName() string {
	if c.NodeName != "" {
		return c.NodeName
	}
	name, err := os.Hostname()
	if err != nil {
		return "" // it is for people only
	}
	return name
}

// version is that of this module in the program. Empty: it is not known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	const path = "github.com/clockd/clockd"
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}

// buildRevision is the time of the commit that the program was built from. 0: it was not stamped.
func buildRevision() int64 {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return 0
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return at.Unix()
			}
		}
	}
	return 0
}

// newTarget makes what does the work of a task that was made through the API.
func (d *Daemon) newTarget(spec *task.TargetSpec) (target.Target, error) {
	if spec != nil && spec.Worker != nil {
		return d.workers.Target(), nil
	}
	return d.cfg.newTarget(spec)
}

// newTarget makes what does the work of a task that this process can do by itself.
func (c *Config) newTarget(spec *task.TargetSpec) (target.Target, error) {
	var made target.Target
	var err error
	switch {
	case spec != nil && spec.Command != nil && !c.AllowCommands:
		return nil, fmt.Errorf("%w: the task runs a command, and this daemon does not take those from callers (--allow-commands, or Config.AllowCommands)", task.ErrNotAllowed)
	case spec != nil && spec.Command != nil:
		s := spec.Command
		made, err = command.New(command.Config{
			Args: s.Args, Env: s.Env, Dir: s.Dir, Stdin: s.Stdin, OutputLimit: s.OutputLimit, KillDelay: s.KillDelay,
		})
		err = within("command", err)
	case spec != nil && spec.HTTP != nil:
		s := spec.HTTP
		made, err = httpcall.New(httpcall.Config{
			Method: s.Method, URL: s.URL, Headers: s.Headers, Body: s.Body, ExpectStatus: s.ExpectStatus, OutputLimit: s.OutputLimit,
		})
		err = within("http", err)
	case spec != nil && spec.GRPC != nil:
		s := spec.GRPC
		made, err = grpccall.New(grpccall.Config{
			Address: s.Address, Method: s.Method, Body: s.Body, Metadata: s.Metadata, TLS: s.TLS, OutputLimit: s.OutputLimit,
		})
		err = within("grpc", err)
	default:
		return nil, task.Invalid("", "the target is missing: give a command, an HTTP request, a gRPC call or a worker")
	}
	if err != nil {
		return nil, err
	}
	// Last, so that what is wrong with it is said even where it is not allowed.
	if what := reads(spec); what != "" && !c.AllowCommands {
		return nil, fmt.Errorf("%w: %s, and this daemon reads none for callers (--allow-commands, or Config.AllowCommands)", task.ErrNotAllowed, what)
	}
	return made, nil
}

// reads says what of this machine, secrets and files, a target names beside a program. Empty: nothing.
func reads(spec *task.TargetSpec) string {
	named := func(field string, values map[string]string) string {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if secret.Has(values[name]) {
				return fmt.Sprintf("%s.%s names a secret", field, name)
			}
		}
		return ""
	}
	switch {
	case spec.HTTP != nil && secret.Has(spec.HTTP.Body):
		return "http.body names a secret"
	case spec.HTTP != nil:
		return named("http.headers", spec.HTTP.Headers)
	case spec.GRPC != nil && spec.GRPC.TLS != nil && (spec.GRPC.TLS.CAFile != "" || spec.GRPC.TLS.CertFile != "" || spec.GRPC.TLS.KeyFile != ""):
		return "grpc.tls names files"
	case spec.GRPC != nil && !isHostPort(spec.GRPC.Address):
		return "grpc.address names something on this machine; host:port names a service"
	case spec.GRPC != nil:
		return named("grpc.metadata", spec.GRPC.Metadata)
	}
	return ""
}

// isHostPort reports whether an address is that of a service in a network, and not a socket of this machine or another
// name that gRPC resolves.
func isHostPort(address string) bool {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "dns:///"))
	return err == nil && port != "" && !strings.ContainsAny(host, "/\\@") && !strings.HasPrefix(host, "unix")
}

// within puts the violations of a target under its field.
func within(field string, err error) error {
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &task.InvalidError{}
	for _, v := range invalid.Violations {
		v.Field = field + "." + v.Field
		out.Violations = append(out.Violations, v)
	}
	return out
}
