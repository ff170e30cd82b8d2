package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/internal/engine"
	"github.com/clockd/clockd/daemon/internal/peer"
	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/internal/wallclock"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"
)

// lastCalls is how long calls and streams may take to end once every run has.
const lastCalls = 5 * time.Second

// Daemon runs tasks and serves the API. Make one with New. Its methods may be called at the same time.
type Daemon struct {
	cfg    Config
	log    *slog.Logger
	engine *engine.Engine
	// workers is where workers connect.
	workers *remote.Hub
	peers   *peer.Peers
	api     *rpc.API
	health  *health.Server
	local   *bufconn.Listener
	start   sync.Once

	// reloading guards what the running program's triggers are compiled with.
	reloading  sync.Mutex
	calendars  map[string][]schedule.Exclusion
	extensions *schedule.Extensions

	// mu guards the connection into local, which the first Client opens and the end of Run closes.
	mu     sync.Mutex
	conn   *grpc.ClientConn
	client *client.Client
	// callers are those of Call.
	callers *callers
	ended   chan struct{} // closed when Run returns
}

// New checks a Config and makes a Daemon of it. All problems are reported at once. It opens nothing but
// what it needs in memory, and starts nothing: that is for Run.
func New(cfg Config) (*Daemon, error) {
	if cfg.Namespace == "" {
		cfg.Namespace = DefaultNamespace
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.now == nil {
		cfg.now = wallclock.Now
	}
	extensions, err := cfg.check()
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		cfg: cfg, log: cfg.Logger, health: health.NewServer(), local: bufconn.Listen(1 << 20),
		callers: newCallers(), ended: make(chan struct{}),
	}
	st := cfg.Store
	if st == nil {
		st = memory.New(memory.Config{Namespace: cfg.Namespace})
	}
	d.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	d.workers = remote.New(remote.Config{Lease: cfg.WorkerLease, Logger: cfg.Logger})
	d.peers = peer.New(peer.Config{Dial: cfg.dial})
	d.engine = engine.New(engine.Config{
		Node: task.Node{Name: cfg.nodeName(), Address: cfg.Advertise, Version: version()}, NodeLease: cfg.NodeLease,
		Peers: d.peers, Workers: d.workers.Tasks,
		Namespace: cfg.Namespace, Store: st, Program: cfg.program(extensions, d.workers.Target()), NewTarget: d.newTarget, Freed: d.workers.Freed(), Open: d.workers.Open, Logger: cfg.Logger,
		ClaimAhead: cfg.ClaimAhead, StopGrace: cfg.StopGrace, Health: d.serving, Now: cfg.now, Meter: cfg.Meter,
	})
	d.calendars, d.extensions = cfg.Calendars, extensions
	d.api = rpc.New(rpc.Config{
		Engine: calls{Engine: d.engine, daemon: d}, Workers: hub{d.workers}, Peers: d.peers, Namespace: cfg.Namespace, Version: version(), Logger: cfg.Logger,
	})
	return d, nil
}

// calls is the engine as the services take it.
type calls struct {
	*engine.Engine
	daemon *Daemon
}

// hub is where workers connect, as the services take it.
type hub struct{ *remote.Hub }

// Connect lets a worker in.
func (h hub) Connect(hello task.Hello) (rpc.Session, error) { return h.Hub.Connect(hello) }

// Run returns a run.
func (c calls) Run(ctx context.Context, id task.RunID) (task.Run, error) { return c.GetRun(ctx, id) }

// DiffConfig says what a config file would change.
func (c calls) DiffConfig(ctx context.Context, fileName string, config []byte) ([]task.TaskDiff, error) {
	parse := c.daemon.cfg.ParseConfig
	if parse == nil {
		return nil, fmt.Errorf("%w: a program embeds it", task.ErrNoConfig)
	}
	cfg, err := parse(fileName, config)
	if err != nil {
		return nil, err
	}
	return c.daemon.Diff(ctx, cfg)
}

// Ready is closed when the tasks are declared, what the last process left is recovered, and the API answers.
func (d *Daemon) Ready() <-chan struct{} { return d.engine.Ready() }

// Client returns the SDK's client on an in-memory connection: the same type and the same API as over the
// network. Calls made before Run wait for it. It is the same at every call, ends with Run, and is not the
// caller's to close. A daemon whose Client was asked for must be run, or the connection stays open.
func (d *Daemon) Client() *client.Client {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		conn, err := grpc.NewClient("passthrough:in-process",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return d.local.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			panic(err) // a target and options that are constants: a defect
		}
		d.conn, d.client = conn, client.New(conn)
		select {
		case <-d.ended:
			_ = conn.Close()
		default:
		}
	}
	return d.client
}

// Register mounts the API on a server of the user's own, beside whatever else it serves. It must be called
// before that server serves. Calls before Run is ready, and after it has returned, fail. Authentication,
// reflection and health are that server's own affair.
func (d *Daemon) Register(r grpc.ServiceRegistrar) { d.api.Register(r) }

// serving tells health checks whether the engine is ready and the store works.
func (d *Daemon) serving(err error) {
	status := grpc_health_v1.HealthCheckResponse_SERVING
	if err != nil {
		status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	d.health.SetServingStatus("", status)
	d.health.SetServingStatus("clockd.v1.TaskService", status)
	d.health.SetServingStatus("clockd.v1.RunService", status)
	d.health.SetServingStatus("clockd.v1.WorkerService", status)
	d.health.SetServingStatus("clockd.v1.NodeService", status)
}

// Run runs the daemon until ctx ends, then stops it in order: health says NOT_SERVING, nothing is claimed any
// more, runs have their grace, shut-down triggers fire, what ended is recorded, calls end. It returns nil
// after that, and an error if it could not start or a listener failed. It can be called once.
func (d *Daemon) Run(ctx context.Context) error {
	err := errors.New("the daemon has run already: make another one")
	d.start.Do(func() { err = d.run(ctx) })
	return err
}

func (d *Daemon) run(ctx context.Context) error {
	defer d.closeLocal()
	defer func() { _ = d.peers.Close() }() // connections that nobody uses any more
	defer d.workers.Close()                // also if nothing comes to run
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := d.open(ctx); err != nil {
		for _, l := range d.cfg.Listeners {
			_ = l.Close()
		}
		return err
	}
	// The first failure stops everything, and is what Run returns.
	var once sync.Once
	var failure error
	fail := func(err error) {
		once.Do(func() { failure = err })
		cancel()
	}

	server := grpc.NewServer(rpc.ServerOptions(d.log)...)
	d.api.Register(server)
	grpc_health_v1.RegisterHealthServer(server, d.health)
	reflection.Register(server) // v1 and v1alpha

	var running, serving sync.WaitGroup
	running.Go(func() {
		if err := d.engine.Run(ctx); err != nil {
			fail(err)
		}
	})
	running.Go(func() {
		<-ctx.Done()
		d.callers.stop(d.stopGrace(), d.log)
	})
	select {
	case <-d.engine.Ready():
		for _, l := range append([]net.Listener{d.local}, d.cfg.Listeners...) {
			serving.Go(func() {
				if err := server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
					fail(fmt.Errorf("serving on %s: %w", l.Addr(), err))
				}
			})
		}
	case <-ctx.Done():
	}
	<-ctx.Done()
	d.health.Shutdown()
	d.workers.Drain() // what they hold has the grace of all runs
	running.Wait()
	d.workers.Close() // or their streams would hold up the server
	if err := d.close(ctx); err != nil {
		fail(err)
	}

	// Streams and calls that still go have nothing to wait for any more.
	stopped := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(stopped)
	}()
	limit := time.NewTimer(lastCalls)
	defer limit.Stop()
	select {
	case <-stopped:
	case <-limit.C:
		server.Stop()
		<-stopped
	}
	serving.Wait()
	for _, l := range d.cfg.Listeners {
		_ = l.Close() // closed already, unless nothing was served on it
	}
	once.Do(func() {}) // from here on failure does not change
	return failure
}

// open calls the start hook and makes what is provided. If that fails, what was done is undone.
func (d *Daemon) open(ctx context.Context) error {
	if err := hook(ctx, "start", d.cfg.OnStart); err != nil {
		return err
	}
	if err := d.cfg.set.Start(ctx); err != nil {
		return errors.Join(err, d.close(ctx))
	}
	return nil
}

// close undoes open, in reverse order. ctx may have ended.
func (d *Daemon) close(ctx context.Context) error {
	d.cfg.set.Stop()
	ctx, release := context.WithTimeout(context.WithoutCancel(ctx), d.stopGrace())
	defer release()
	return hook(ctx, "stop", d.cfg.OnStop)
}

// closeLocal ends the in-memory connection, and with it the calls that wait for Run.
func (d *Daemon) closeLocal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.ended)
	if d.conn != nil {
		_ = d.conn.Close() // it has no other errors than having been closed
	}
	_ = d.local.Close()
}

// hook calls a hook; a panic in it is an error.
func hook(ctx context.Context, name string, f func(context.Context) error) (err error) {
	if f == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s hook: panic: %v\n%s", name, v, debug.Stack())
		}
	}()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s hook: %w", name, err)
	}
	return nil
}

func (d *Daemon) stopGrace() time.Duration {
	if d.cfg.StopGrace == 0 {
		return DefaultStopGrace
	}
	return d.cfg.StopGrace
}
