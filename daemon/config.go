package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/inject"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// Defaults of a Config.
const (
	DefaultNamespace   = "default"
	DefaultClaimAhead  = engine.DefaultClaimAhead
	DefaultStopGrace   = engine.DefaultStopGrace
	DefaultWorkerLease = remote.DefaultLease
	DefaultNodeLease   = engine.DefaultNodeLease
)

// Config is what a Daemon is made of. The zero Config works: a daemon without tasks that keeps everything in
// memory and is reached through [Daemon.Client].
type Config struct {
	// Namespace keeps tasks of the same name apart: ids are made of it. Defaults to DefaultNamespace. It
	// must be that of the Store.
	Namespace string
	// Tasks are all tasks of the program. A task in the store that is not among them is orphaned, unless it was
	// made through the API: it does not fire and keeps its history.
	Tasks []Task
	// Revision orders the versions of the program: one that has a lower revision than the program that declared a
	// task last changes nothing of that, so that in a rolling deploy the older version does not win back by
	// starting last. Defaults to the time of the commit that the program was built from, in seconds since 1970,
	// as the Go toolchain stamps it (go build does, go run and go test do not), else to NoRevision.
	Revision int64
	// Calendars are lists of exclusions, by names that the triggers of this daemon may use: those of Tasks, and
	// those that callers put in force. A name is 1 to 64 letters, digits, '-', '_' and '.', the first of them a
	// letter or digit. A calendar holds at most 4096 exclusions and no other calendar. They are not stored: a
	// trigger that names a calendar follows what the running program says of it, and a task whose trigger
	// names one that the program does not have is paused with a reason at the next start.
	Calendars map[string][]schedule.Exclusion
	// Store keeps tasks and runs, for one daemon at a time, unless it is a store.Cluster: then this daemon is one of
	// several nodes that share it. It is not closed by the daemon. Defaults to one in memory.
	Store store.Store
	// Listeners are where the API is served, beside [Daemon.Client]. The daemon closes them. Whoever can
	// reach one controls the tasks.
	Listeners []net.Listener
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// ClaimAhead is how long before its instant a fire is recorded, 1ms to 10s. Longer rides out longer
	// pauses of the disk; shorter takes fewer fires back when a trigger is changed. Defaults to
	// DefaultClaimAhead, 200ms.
	ClaimAhead time.Duration
	// Limits bound how many runs of all tasks go at the same time and how fast they start; Groups say what the
	// tasks of a group have in common, by its name: limits, timeout and labels. What finds no place waits, in the order
	// in which it came. Defaults to no limits.
	Limits task.Limits
	Groups map[string]Group
	// Providers make what the functions of Tasks take as parameters: see Func. Their order does not matter.
	Providers []Provider
	// AllowCommands lets callers make tasks that run commands on this machine, with the rights of this process.
	// Defaults to false: then they can make tasks that call a URL.
	AllowCommands bool
	// OnStart is called by Run before anything else; if it returns an error, so does Run, and nothing was started.
	// OnStop is called by Run after the last run, those of shut-down triggers included, has ended and what Providers made is
	// cleaned up, if OnStart went well; its context ends after StopGrace. They are for what is around the daemon: what
	// functions of tasks use is better provided, with a clean-up of its own. Nil: nothing is to be done.
	OnStart, OnStop func(context.Context) error
	// ParseConfig reads a config file for the call DiffConfig: what it returns is compared with what the daemon
	// runs. An error that is a task.InvalidError is the caller's. Nil: DiffConfig is refused.
	ParseConfig func(fileName string, config []byte) (Config, error)
	// Meter is told of what happens, for metrics: see package metrics. Nil: nobody wants to know.
	Meter Meter
	// StopGrace is how long runs may go on when the daemon stops before their contexts end; they then have
	// as long again, and 2s, to return. The same holds for runs of shut-down triggers. At least 1ms. Defaults to
	// DefaultStopGrace, 10s.
	StopGrace time.Duration

	// WorkerLease is how long a worker is trusted without an answer: see WorkerService. What it held is then given out
	// again or ends as LOST, as the delivery of the task says. 100ms to 1h. Defaults to DefaultWorkerLease, 15s.
	WorkerLease time.Duration

	// NodeName, Advertise and NodeLease are for a Store that several daemons share. NodeName is what this one is called
	// among them, for people; it defaults to the name of the host. Advertise is where the others reach the API of this one,
	// host:port or unix:/path, which one of Listeners, or the server that it is mounted on, must serve (and allow a ping every
	// 10s: keepalive.EnforcementPolicy); empty: nowhere, so that while this daemon holds a task it can be changed only here.
	// NodeLease is how long the others trust this one without a sign of life, 1s to 1h: after that they take over what it
	// held, and it drops that itself before. It defaults to DefaultNodeLease, 15s.
	NodeName, Advertise string
	NodeLease           time.Duration

	kinds []kind           // see RegisterTrigger
	set   *inject.Set      // what Providers make; nil: check makes it
	now   func() time.Time // the machine's clock, which tests set; nil: time.Now
	// dial reaches other nodes. Nil: by the network; tests set it.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NoRevision is the Revision of a program that takes part in no order: what it declares always counts.
const NoRevision = -1

// Group is what the tasks of a group have in common: limits, and for tasks of the program a timeout and labels.
type Group = task.Group

// Meter counts what happens. Its methods are called from many goroutines and must return at once.
type Meter = engine.Meter

// check returns everything that is wrong, or else what triggers are compiled with.
func (c *Config) check() (*schedule.Extensions, error) {
	extensions, problems := c.extensions(c.Logger)
	compile := func(t schedule.Trigger) error {
		_, err := extensions.Compile(t)
		return err
	}
	if extensions == nil {
		// Which calendars and kinds there are is not known, so nothing is said of those that triggers name.
		compile = schedule.Check
	}
	if err := task.CheckName(c.Namespace); err != nil {
		problems = append(problems, fmt.Errorf("namespace: %w", err))
	}
	if c.ClaimAhead != 0 && (c.ClaimAhead < time.Millisecond || c.ClaimAhead > 10*time.Second) {
		problems = append(problems, fmt.Errorf("claim ahead: %s is outside 1ms to 10s", c.ClaimAhead))
	}
	if c.StopGrace != 0 && c.StopGrace < time.Millisecond {
		problems = append(problems, fmt.Errorf("stop grace: %s is less than 1ms", c.StopGrace))
	}
	if c.WorkerLease != 0 && (c.WorkerLease < task.MinWorkerLease || c.WorkerLease > task.MaxWorkerLease) {
		problems = append(problems, fmt.Errorf("worker lease: %s is outside 100ms to 1h", c.WorkerLease))
	}
	if c.NodeLease != 0 && (c.NodeLease < task.MinNodeLease || c.NodeLease > task.MaxNodeLease) {
		problems = append(problems, fmt.Errorf("node lease: %s is outside 1s to 1h", c.NodeLease))
	}
	if len(c.NodeName) > task.MaxName || !utf8.ValidString(c.NodeName) {
		problems = append(problems, fmt.Errorf("node name: %q is not valid UTF-8 of at most %d bytes", c.NodeName, task.MaxName))
	}
	if err := checkAddress(c.Advertise); err != nil {
		problems = append(problems, fmt.Errorf("advertise: %w", err))
	}
	if c.Revision < NoRevision {
		problems = append(problems, fmt.Errorf("revision: %d is negative", c.Revision))
	}
	found := c.Limits.Check("limits.")
	sound := make(map[string]Group, len(c.Groups)) // what is wrong with a group is not said of its tasks
	for name, g := range c.Groups {
		if err := task.CheckName(name); err != nil {
			problems = append(problems, fmt.Errorf("groups: %w", err))
		}
		wrong := g.Check(fmt.Sprintf("groups[%q].", name))
		if found = append(found, wrong...); len(wrong) == 0 {
			sound[name] = g
		}
	}
	for _, v := range found {
		problems = append(problems, fmt.Errorf("%s: %s", v.Field, v.Description))
	}
	if c.set == nil {
		var wrong []error
		c.set, wrong = newSet(c.Providers, c.Logger)
		problems = append(problems, wrong...)
	}
	names := make(map[string]int, len(c.Tasks))
	for i := range c.Tasks {
		t := &c.Tasks[i]
		what := fmt.Sprintf("tasks[%d]", i)
		if t.Name != "" {
			what = fmt.Sprintf("task %q", t.Name)
		}
		if t.Do == nil {
			problems = append(problems, fmt.Errorf("%s: Do is missing: say what a run does, for instance with daemon.Func", what))
		}
		if f, ok := t.Do.(*goFunc); ok {
			_, wrong := f.bind(c.set)
			for _, err := range wrong {
				problems = append(problems, fmt.Errorf("%s: %w", what, err))
			}
		}
		for _, v := range t.declaration(sound).Check() {
			problems = append(problems, fmt.Errorf("%s: %s: %s", what, v.Field, v.Description))
		}
		if first, ok := names[t.Name]; ok && t.Name != "" {
			problems = append(problems, fmt.Errorf("%s: tasks[%d] has the same name as tasks[%d]", what, i, first))
		} else {
			names[t.Name] = i
		}
		err := compile(t.Trigger)
		var invalid *task.InvalidError
		if errors.As(err, &invalid) {
			for _, v := range invalid.Violations {
				field := "trigger"
				if v.Field != "" {
					field += "." + v.Field
				}
				problems = append(problems, fmt.Errorf("%s: %s: %s", what, field, v.Description))
			}
		} else if err != nil {
			problems = append(problems, fmt.Errorf("%s: trigger: %w", what, err))
		}
	}
	for i := range c.Tasks {
		for _, former := range c.Tasks[i].FormerNames {
			_, taken := names[former]
			if err := task.CheckName(former); err != nil {
				problems = append(problems, fmt.Errorf("task %q: former names: %w", c.Tasks[i].Name, err))
			} else if taken {
				problems = append(problems, fmt.Errorf("task %q: former names: %q is a task of its own", c.Tasks[i].Name, former))
			}
		}
	}
	return extensions, errors.Join(problems...)
}

// checkAddress says what is wrong with the address of a node.
func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			return fmt.Errorf("%q names no socket: write unix:/path", address)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("%q is not where others reach this node: write host:port or unix:/path", address)
	}
	return nil
}

// engineTasks are the tasks as the engine takes them. workers does what is left to workers.
func (c *Config) engineTasks(workers target.Target) []engine.Task {
	out := make([]engine.Task, len(c.Tasks))
	for i := range c.Tasks {
		t := &c.Tasks[i]
		do := t.Do
		switch f := do.(type) {
		case *goFunc:
			do, _ = f.bind(c.set) // check has said what is wrong
		case target.Worker:
			do = workers
		}
		out[i] = engine.Task{Declaration: t.declaration(c.Groups), Target: do, FormerNames: t.FormerNames}
	}
	return out
}
