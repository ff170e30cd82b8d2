package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/config"
)

type serveCommand struct {
	Config        string        `help:"The config file. A change to it is taken up within seconds, or at once with SIGHUP. Without one the daemon has no tasks." placeholder:"FILE"`
	Store         string        `help:"Where tasks and runs are kept: sqlite:FILE, or memory: for nowhere. Default: the config file's, else a file named after the namespace in the user's state folder." placeholder:"URL"`
	Listen        string        `help:"Where the API is served: HOST:PORT, or unix:/PATH. Default: the config file's, else 127.0.0.1:7433." placeholder:"ADDR"`
	Namespace     string        `help:"The namespace of the tasks; ids are made of it. Default: the config file's, else \"default\"." placeholder:"NAME"`
	Insecure      bool          `help:"Allow a TCP address that other machines can reach. The API is not encrypted and asks nobody who they are: whoever reaches it controls the tasks."`
	AllowCommands bool          `help:"Let callers of the API make tasks that run commands on this machine, with the rights of the daemon."`
	Metrics       string        `help:"Where metrics for Prometheus are served over HTTP, at /metrics: HOST:PORT. Default: nowhere." placeholder:"ADDR"`
	StopGrace     time.Duration `help:"How long runs may go on after SIGTERM before they are canceled." default:"${stop_grace}"`
	logFlags
}

// startRoom is by how many bytes the heap is taken to be larger until the daemon is ready. They are never touched, so
// they take up no memory; but a heap that grows from nothing is collected again and again though nearly all of it is
// kept, which took a tenth of the time to the first fire of 10,000 tasks.
const startRoom = 64 << 20

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, env environment) error {
	if c.StopGrace < time.Millisecond {
		return usageError{fmt.Errorf("--stop-grace %s is less than 1ms", c.StopGrace)}
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
	address := first(c.Listen, file.Listen, client.DefaultAddress)
	log := c.logger(env.stderr)

	// The address first: a second daemon is told so before it touches anything.
	listener, err := listen(ctx, address, c.Insecure)
	if err != nil {
		return blame(file, "listen", c.Listen == "" && file.Listen != "", err)
	}
	defer listener.Close()
	where := first(c.Store, file.Store)
	st, where, err := openStore(ctx, where, namespace, env.getenv)
	if err != nil {
		return blame(file, "store", c.Store == "" && file.Store != "", err)
	}
	err = func() error {
		cfg := program(file)
		cfg.Namespace, cfg.Store, cfg.Listeners, cfg.Logger = namespace, st, []net.Listener{listener}, log
		cfg.StopGrace, cfg.AllowCommands = c.StopGrace, c.AllowCommands
		cfg.ParseConfig = parseConfig
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
		var reloading sync.WaitGroup
		watching, stopWatching := context.WithCancel(ctx)
		defer reloading.Wait()
		defer stopWatching()
		if c.Config != "" {
			r := &reloader{daemon: d, path: c.Config, started: file, log: log}
			reloading.Go(func() { r.run(watching, env.hangups) })
		}
		ready := make(chan struct{})
		go func() {
			defer close(ready)
			select {
			case <-d.Ready():
				log.Info("clockd is ready", "address", display(listener.Addr()), "store", where, "namespace", namespace, "tasks", len(file.Tasks))
			case <-ctx.Done():
			}
			runtime.KeepAlive(room)
		}()
		err = d.Run(ctx)
		if err == nil {
			<-ready
			log.Info("clockd has stopped")
		}
		return err
	}()
	return errors.Join(err, st.Close())
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
	cfg := daemon.Config{Tasks: tasks(f), Calendars: f.Calendars, Revision: f.Revision, Limits: f.Limits, Groups: f.Groups}
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

func display(a net.Addr) string {
	if a.Network() == "unix" {
		return fmt.Sprintf("unix:%s", a)
	}
	return a.String()
}
