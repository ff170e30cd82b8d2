package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

type serveCommand struct {
	Config string `help:"The config file. A change to it is taken up within seconds, or at once with SIGHUP. Without one the daemon has no tasks." placeholder:"FILE"`
	Store  string `help:"Where tasks and runs are kept: sqlite:FILE; postgres://USER@HOST/DATABASE, which any number of daemons can share; or memory: for nowhere. Default: the config file's, else a file named after the namespace in the user's state folder. PostgreSQL's URL has the parameters of libpq, such as sslmode=verify-full and sslrootcert=FILE, and schema=NAME (default: clockd); the password is better left to PGPASSFILE or PGPASSWORD." placeholder:"URL"`
	listenFlags
	Namespace     string `help:"The namespace of the tasks; ids are made of it. Default: the config file's, else \"default\"." placeholder:"NAME"`
	AllowCommands bool   `help:"Let callers of the API make tasks that run commands on this machine, with the rights of the daemon."`
	Metrics       string `help:"Where metrics for Prometheus are served over HTTP, at /metrics: HOST:PORT. Default: nowhere." placeholder:"ADDR"`
	nodeFlags
	WorkerLease *time.Duration `help:"How long a worker is trusted without an answer, 100ms to 1h; what it held is then given to another, or lost. Default: the config file's, else ${worker_lease}." placeholder:"DURATION"`
	StopGrace   time.Duration  `help:"How long runs may go on after SIGTERM before they are canceled." default:"${stop_grace}"`
	logFlags
}

// startRoom is by how many bytes the heap is taken to be larger until the daemon is ready. They are never touched, so
// they take up no memory; but a heap that grows from nothing is collected again and again though nearly all of it is
// kept, which took a tenth of the time to the first fire of 10,000 tasks.
const startRoom = 64 << 20

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, env environment) error {
	m, log := env.manager, c.logger(env.stderr)
	if m == nil {
		m = &manager{}
	}
	err := c.serve(ctx, env, m, log)
	if err != nil {
		m.failed(log, err)
	}
	return err
}

func (c *serveCommand) serve(ctx context.Context, env environment, m *manager, log *slog.Logger) error {
	if c.StopGrace < time.Millisecond {
		return usageError{fmt.Errorf("--stop-grace %s is less than 1ms", c.StopGrace)}
	}
	if l := c.WorkerLease; l != nil && (*l < task.MinWorkerLease || *l > task.MaxWorkerLease) {
		return usageError{fmt.Errorf("--worker-lease %s is outside 100ms to 1h", *l)}
	}
	if err := c.check(); err != nil {
		return err
	}
	if m.problem != nil {
		log.Warn("the environment does not say what a service manager says", "error", m.problem)
	}
	room := make([]byte, startRoom)
	file := &config.File{}
	if c.Config != "" {
		var err error
		if file, err = config.Load(c.Config); err != nil {
			return err
		}
	}
	namespace := first(c.Namespace, file.Namespace, daemon.DefaultNamespace)

	// The addresses first: a second daemon is told so before it touches anything.
	listeners, err := c.open(ctx, file, m, log)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	said := standing{tasks: len(file.Tasks), addresses: names(listeners)}
	m.starting(log, said.text()+", starting")
	where := first(c.Store, file.Store)
	st, name, err := awaitStore(ctx, listeners, log, func() (store.Store, string, error) {
		return openStore(ctx, where, namespace, env.getenv, log)
	})
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		log.Info("clockd has stopped")
		return nil
	case err != nil:
		return blame(file, "store", c.Store == "" && file.Store != "", err)
	}
	err = func() error {
		cfg := program(file)
		cfg.Namespace, cfg.Store, cfg.Listeners, cfg.Logger = namespace, st, listeners, log
		cfg.StopGrace, cfg.AllowCommands = c.StopGrace, c.AllowCommands
		cfg.ParseConfig = parseConfig
		if c.WorkerLease != nil {
			cfg.WorkerLease = *c.WorkerLease
		}
		if err := c.configure(&cfg, listeners, where, log); err != nil {
			return err
		}
		if c.Metrics != "" {
			exposition, err := serveMetrics(ctx, c.Metrics, c.Insecure, log)
			if err != nil {
				return err
			}
			defer exposition.close()
			cfg.Meter = exposition.metrics
		}
		d, err := daemon.New(cfg)
		if err != nil {
			return usageError{err}
		}
		alive := func(ctx context.Context) error { return answers(ctx, d.Client()) }

		var beside sync.WaitGroup
		serving, end := context.WithCancel(ctx)
		defer beside.Wait()
		defer end()
		beside.Go(func() {
			select {
			case <-d.Ready():
			case <-serving.Done():
			}
			runtime.KeepAlive(room)
		})
		beside.Go(func() {
			select {
			case <-d.Ready():
			case <-serving.Done():
				return
			}
			log.Info("clockd is ready", "address", said.addresses, "store", name, "namespace", namespace, "tasks", said.tasks)
			if m.address != "" {
				// The manager starts what needs this daemon: not before a call has been answered.
				if err := alive(serving); err != nil {
					return // it stops
				}
				m.ready(log, said.text())
				beside.Go(func() { m.watch(serving, log, alive) })
			}
			r := &reloader{daemon: d, path: c.Config, started: file, log: log, manager: m, said: said}
			r.run(serving, env.hangups)
		})
		beside.Go(func() {
			<-serving.Done()
			m.stopping(log, c.stopRoom(), fmt.Sprintf("stopping: what runs has %s to end", c.StopGrace))
		})
		if err := d.Run(ctx); err != nil {
			return err
		}
		end()
		beside.Wait()
		log.Info("clockd has stopped")
		return nil
	}()
	return errors.Join(err, st.Close())
}

// stopRoom is how long a stop may take at most: twice, for what runs and for the shut-down triggers, the grace, the
// same again for what was canceled, and what giving fires back, ending calls and closing the store may add.
func (c *serveCommand) stopRoom() time.Duration { return 6*c.StopGrace + 30*time.Second }

// standing is what the manager shows of a daemon that serves.
type standing struct {
	tasks     int
	addresses string
}

func (s standing) text() string {
	if s.tasks == 1 {
		return "1 task declared, serving on " + s.addresses
	}
	return fmt.Sprintf("%d tasks declared, serving on %s", s.tasks, s.addresses)
}

func names(listeners []net.Listener) string {
	out := make([]string, len(listeners))
	for i, l := range listeners {
		out[i] = display(l.Addr())
	}
	return strings.Join(out, ", ")
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // the daemon has closed them, unless it did not come to run
	}
}

// blame gives a problem with what the config file says its place there.
func blame(f *config.File, field string, fromFile bool, err error) error {
	var usage usageError
	if fromFile && errors.As(err, &usage) {
		return f.Problem(field, "%v", err)
	}
	return err
}

// program is what a config file says of the daemon's program.
func program(f *config.File) daemon.Config {
	cfg := daemon.Config{
		Tasks: tasks(f), Calendars: f.Calendars, Revision: f.Revision, Limits: f.Limits, Groups: f.Groups, WorkerLease: f.WorkerLease, NodeLease: f.NodeLease,
	}
	if cfg.Revision == 0 {
		cfg.Revision = daemon.NoRevision // that of the build is clockd's, not the file's
	}
	return cfg
}

// tasks are the tasks of a config file.
func tasks(f *config.File) []daemon.Task {
	out := make([]daemon.Task, len(f.Tasks))
	for i, t := range f.Tasks {
		d := t.Declaration
		out[i] = daemon.Task{
			Name: d.Name, FormerNames: t.FormerNames, Description: d.Description, Group: d.Group, Labels: d.Labels,
			Trigger: d.Trigger, Do: t.Target, Policy: d.Policy,
		}
	}
	return out
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
